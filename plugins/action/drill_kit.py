# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.plugin_utils.backup import program

ARGUMENTS = {
    "host": {"type": "str", "required": True},
    "keep": {"type": "bool", "default": False},
    "only_look": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):
    """Has the program of the backups say what another host needs to make drills."""

    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        name = task_vars["inventory_hostname"]
        found = program.ask(self, name, "drill", "--look")
        if arguments["only_look"] or self._task.check_mode:
            return {"changed": False, "targets": found["targets"]}
        words = ["drill", "--kit", arguments["host"], *(["--keep"] if arguments["keep"] else [])]
        return {"changed": False, "targets": found["targets"], "kit": program.ask(self, name, *words)}
