# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.plugin_utils.backup.elsewhere import Elsewhere
from ansible_collections.trenova.selfhost.plugins.plugin_utils.backup.following import Following

ARGUMENTS = {
    "kit": {"type": "dict", "no_log": True},
    "host": {"type": "str", "default": ""},
    "keep": {"type": "bool", "default": False},
    "made_on": {"type": "str", "default": ""},
}


class ActionModule(ActionBase):
    """Has the host make a drill, and shows how far it is. Its report is the last that it says."""

    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        name = arguments["host"] or task_vars["inventory_hostname"]
        if self._task.check_mode and arguments["made_on"]:
            return {"changed": False}
        if self._task.check_mode:
            where = "beside what lives" if not arguments["host"] else f"on {name}"
            self._display.display(f"  {task_vars['inventory_hostname']}  would restore the newest backup {where}")
            return {"changed": False}
        if arguments["made_on"]:
            return dict(Following(self, name, "drill").ask("drill", "--take-over"), changed=False)
        if not arguments["kit"]:
            return self._made(Following(self, name, "drill"))
        other = Elsewhere(self, name, arguments["kit"])
        with other.laid(arguments["keep"]):
            return self._made(other.work)

    @staticmethod
    def _made(work):
        begun = work.ask("drill", "--start")
        if begun["is_running"]:
            work.tell("a drill is at work already; this is how it goes on")
        work.tell(f"it goes on without this playbook: journalctl -fu {begun['unit']}")
        record, text = work.until_end(begun)
        told = (record or {}).get("drill") or {}
        result = {"changed": False, "report": text.splitlines(),
                  **{key: told[key] for key in ("rto_seconds", "rpo_seconds", "run") if key in told}}
        if record and record["state"] == "ok":
            return result
        if record and record["state"] == "skipped":
            return dict(result, failed=True, msg="No drill was made. " + record.get("because", ""))
        return dict(result, failed=True, msg=work.failure(record, begun["unit"]))
