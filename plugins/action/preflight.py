# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.plugin_utils import catalogue
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.gather import check_host, is_checked, message


class ActionModule(ActionBase):
    """Collects what the checks need, runs all of them, and reports all problems at once."""

    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec={
            "roles": {"type": "list", "elements": "str", "default": []},
            "roles_extra": {"type": "list", "elements": "str", "default": []},
            "together": {"type": "bool", "default": False}})
        if not task_vars.get("ansible_play_role_names"):
            roles = [*(arguments["roles"] or catalogue.own_roles()), *arguments["roles_extra"]]
            task_vars = dict(task_vars, ansible_play_role_names=roles)
        if is_checked(task_vars):
            return {"changed": False, "problems": [], "warnings_of_plan": []}
        problems, context = check_host(self, task_vars)
        warnings = [warning["text"] for warning in context.plan["warnings"]] if context else []
        for text in warnings:
            self._display.warning("{}: {}".format(task_vars["inventory_hostname"], text))
        told = [problem.lines() for problem in problems]
        if problems and not arguments["together"]:
            return {"failed": True, "msg": message({task_vars["inventory_hostname"]: told})}
        result = {"changed": False, "problems": told, "warnings_of_plan": warnings}
        if not problems:
            result["ansible_facts"] = context.kept_facts()
        return result
