# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.gather import message
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.inventory import check_fleet


class ActionModule(ActionBase):
    """Looks for what hosts have with each other, and tells each host that is concerned."""

    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(
            argument_spec={"domains": {"type": "dict", "default": {}}})
        problems = {}
        for name, problem in check_fleet(arguments["domains"]):
            problems.setdefault(name, []).append(problem.lines())
        return {"changed": False, "problems": {name: message({name: found}) for name, found in problems.items()}}
