# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.plugin_utils import image_lock
from ansible_collections.trenova.selfhost.plugins.plugin_utils.catalogue import Catalogue
from ansible_collections.trenova.selfhost.plugins.plugin_utils.variables import project_of, templated, unfit

DOCKER_HUB = "docker.io"


class ActionModule(ActionBase):
    """Reads from the inventory alone which images a host will run."""

    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        self.validate_argument_spec(argument_spec={})
        if problems := [problem.sentence() for _name, problem in unfit(self, task_vars)]:
            raise AnsibleActionFail("\n".join(problems))
        references = Catalogue(self, task_vars, project_of(self, task_vars)).images()
        mirror = templated(self, task_vars, "trenova_image_registry", DOCKER_HUB)
        return {"changed": False, "references": references, "lock": image_lock.lock_of(self, task_vars),
                "registry": templated(self, task_vars, "trenova_own_registry", mirror)}
