# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import os

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.plugin_utils import packages
from ansible_collections.trenova.selfhost.plugins.plugin_utils.description import ROLES_DIRECTORY

IMAGES = os.path.join(os.path.dirname(ROLES_DIRECTORY), "images")


class ActionModule(ActionBase):
    """Looks at what an operator brings to be packaged, before any image is made."""

    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec={
            "directories": {"type": "dict", "required": True}, "version": {"type": "str", "required": True},
            "placeholder": {"type": "str", "default": ""}})
        problems, told = [], []
        for name, directory in sorted(arguments["directories"].items()):
            image = self._loader.load_from_file(os.path.join(IMAGES, name, "image.yml"))
            found = packages.look(name, directory, image, arguments["version"], arguments["placeholder"])
            problems += found.problems
            told += found.says
            for warning in found.warnings:
                self._display.warning(warning)
        for sentence in told:
            self._display.display(f"  {sentence}")
        if problems:
            raise AnsibleActionFail("\n".join([
                "Nothing was built.", *(line for problem in problems for line in problem.lines())]))
        return {"changed": False, "found": told}
