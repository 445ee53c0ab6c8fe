# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.plugin_utils import catalogue
from ansible_collections.trenova.selfhost.plugins.plugin_utils.converging import Wanted, selected
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.gather import (
    check_host,
    checked_before,
    message,
    remarks,
)

# The controller imports this file once, before it forks a process for each host: none of them has to parse them again.
catalogue.preload()


class ActionModule(ActionBase):
    """Measures the host, runs all checks and reports all problems at once, and tells which services are due."""

    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec={
            "compare": {"type": "bool", "default": False}, "together": {"type": "bool", "default": False}})
        run, problems = checked_before(self, task_vars), []
        is_new = run is None
        if is_new:
            problems, run = check_host(self, task_vars)
            warnings = [*(warning["text"] for warning in run.plan["warnings"]), *run.warnings] if run else []
            for text in [*warnings, *(remarks(self, task_vars, run) if run else [])]:
                self._display.warning("{}: {}".format(task_vars["inventory_hostname"], text))
        told = [problem.lines() for problem in problems]
        if problems and not arguments["together"]:
            return {"failed": True, "msg": message({task_vars["inventory_hostname"]: told})}
        if problems:
            return {"changed": False, "problems": told, "due": []}
        result = {"changed": False, "problems": [],
                  "warnings_of_plan": [warning["text"] for warning in run.plan["warnings"]],
                  "warnings_of_host": list(run.warnings),
                  "members": run.capacity["deployed"].get("members") or {}}
        if is_new:
            result["ansible_facts"] = run.to_facts()
        if arguments["compare"]:
            result["due"] = Wanted(self, task_vars, run, selected(run.places, task_vars)).due()
        return result
