# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.plugin_utils.converging import Wanted
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.gather import checked_run
from ansible_collections.trenova.selfhost.plugins.plugin_utils.version import collection_version


class ActionModule(ActionBase):
    """Brings one service to its wanted state: a role that is used alone."""

    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec={"name": {"type": "str", "required": True}})
        name = arguments["name"]
        run, is_new = checked_run(self, task_vars)
        if name not in run.services:
            raise AnsibleActionFail(f"The role {name} has no meta/service.yml that describes its service.")
        wanted = Wanted(self, task_vars, run, [name])
        if wanted.due():
            result = wanted.execute(collection_version())
        else:
            result = {"changed": False, "changed_files": [], "started": [], "reloaded": []}
        if is_new and not result.get("failed"):
            result.setdefault("ansible_facts", run.to_facts())
        return result
