# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.plugin_utils.context import host_context
from ansible_collections.trenova.selfhost.plugins.plugin_utils.plan_table import plan_table


class ActionModule(ActionBase):
    """Measures and plans the host, and keeps the result as a fact."""

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec={
            "refresh": {"type": "bool", "default": False}, "show": {"type": "bool", "default": False}})
        context = host_context(self, task_vars, refresh=arguments["refresh"])
        if arguments["show"]:
            self._display.display("\n".join(plan_table(task_vars["inventory_hostname"], context.plan)))
        return {"changed": False, "ansible_facts": context.kept_facts()}
