# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import os
import pathlib

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.plugin_utils import new_inventory
from ansible_collections.trenova.selfhost.plugins.plugin_utils.description import ROLES_DIRECTORY

EXAMPLE = pathlib.Path(ROLES_DIRECTORY).parent / "inventories/prod"
ANSWERS = ("address", "domain", "users", "mail", "registry")


class ActionModule(ActionBase):
    """Writes an inventory by a few answers, unless there is one already."""

    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec={
            "directory": {"type": "path", "required": True},
            **{name: {"type": "str", "required": name != "registry", "default": "" if name == "registry" else None}
               for name in ANSWERS}})
        directory = pathlib.Path(os.path.abspath(arguments["directory"]))
        answers = {name: arguments[name].strip() for name in ANSWERS}
        wrong = [line for problem in new_inventory.problems(answers) for line in problem.lines()]
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            wrong = [
                f"{directory} is there already, and is not touched.",
                "  write: another directory (-e trenova_init_directory=...), or change that inventory by hand", *wrong]
        if wrong:
            raise AnsibleActionFail("\n".join(["Nothing was written.", *wrong]))
        example = {name: (EXAMPLE / name).read_text(encoding="utf-8")
                   for name in (new_inventory.HOSTS, new_inventory.VARIABLES)}
        contents = new_inventory.files(example, answers)
        written = sorted(str(directory / name) for name in contents)
        if not self._task.check_mode:
            try:
                new_inventory.write(directory, contents)
            except OSError as error:
                raise AnsibleActionFail(f"{directory} cannot be written, and nothing was: {error}") from error
        return {"changed": True, "directory": str(directory), "written": written}
