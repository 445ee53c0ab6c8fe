# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.plugin_utils import catalogue, inventory
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.gather import message
from ansible_collections.trenova.selfhost.plugins.plugin_utils.run import templated
from ansible_collections.trenova.selfhost.plugins.plugin_utils.topology import ROOT, installations
from ansible_collections.trenova.selfhost.plugins.plugin_utils.topology_problems import merged, not_yet, problems_of


class ActionModule(ActionBase):
    """Puts what the hosts' checks have found into one message, sorted by host, with what is wrong between hosts."""

    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec={"results": {"type": "dict", "required": True}})
        problems = {name: list(result["problems"]) for name, result in arguments["results"].items()}
        for name, found in self._between(task_vars, set(problems)).items():
            problems.setdefault(name, []).extend(problem.lines() for problem in found)
        problems = {name: found for name, found in sorted(problems.items()) if found}
        if problems:
            return {"failed": True, "msg": message(problems)}
        return {"changed": False}

    def _between(self, task_vars, hosts):
        """Problems of the installations that have some of these hosts, by installation."""
        there = inventory.with_variables(task_vars["groups"], task_vars["hostvars"])
        services = catalogue.services(templated(self, task_vars, "trenova_roles_extra", []))
        concerned = {each.id for each in installations(there, services) if hosts.intersection(each.host_names)}
        found = merged(problems_of(there, services), not_yet(there, services))
        return {name or ROOT: problems for name, problems in found.items() if name is None or name in concerned}
