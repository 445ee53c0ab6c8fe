# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.plugin_utils.backup import program


class ActionModule(ActionBase):
    """Shows what the targets of an installation hold, as the program on the host tells it."""

    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        self.validate_argument_spec(argument_spec={})
        told = program.ask(self, task_vars["inventory_hostname"], "list", "--json")
        self._display.display(told.pop("text") + "\n")
        return {"changed": False, **told}
