# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.gather import message
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.inventory import check_fleet


class ActionModule(ActionBase):
    """Puts what the hosts' checks have found into one message, sorted by host, and looks for what hosts share."""

    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec={
            "results": {"type": "dict", "required": True}, "domains": {"type": "dict", "default": {}}})
        problems = {name: list(result["problems"]) for name, result in arguments["results"].items()}
        for name, problem in check_fleet(arguments["domains"]):
            problems.setdefault(name, []).append(problem.lines())
        problems = {name: found for name, found in sorted(problems.items()) if found}
        if problems:
            return {"failed": True, "msg": message(problems)}
        return {"changed": False}
