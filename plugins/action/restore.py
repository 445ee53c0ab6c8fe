# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.plugin_utils.backup.following import Following

ARGUMENTS = {
    "stores": {"type": "list", "elements": "str", "default": []},
    "to": {"type": "str", "default": ""},
    "target": {"type": "str", "default": ""},
    "confirm": {"type": "str", "default": ""},
}


class ActionModule(ActionBase):
    """Shows what a restore would do, and has the host do it where the installation is named."""

    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        work = Following(self, task_vars["inventory_hostname"], "restore")
        words = [word for store in arguments["stores"] for word in ("--store", store)]
        words += [f"--{name}={arguments[name]}" for name in ("to", "target", "confirm") if arguments[name]]
        told = work.ask("restore", *words, "--plan", "--json")
        if told.get("is_running"):
            work.tell("a restore is at work already; this is how it goes on")
            return self._concluded(work, told, {})
        self._display.display("\n".join(f"  {line}" for line in ["", *told.pop("text").splitlines(), ""]))
        if self._task.check_mode:
            return {"changed": True, "plan": told}
        if not arguments["confirm"]:
            return {"failed": True, "msg": (
                f"Nothing was changed. To replace the data of {told['installation']}, repeat this with "
                f"-e trenova_restore_confirm={told['installation']}.")}
        begun = work.ask("restore", *words, "--leave-stopped", "--start")
        work.tell(f"it goes on without this playbook: journalctl -fu {begun['unit']}")
        return self._concluded(work, begun, told)

    @staticmethod
    def _concluded(work, begun, told):
        record, _text = work.until_end(begun)
        if record and record["state"] == "ok":
            for place in sorted(filter(None, record.get("copies", {}).values())):
                where = place if place.startswith("/") else f"the bucket {place}"
                work.tell(f"what was there before is in {where}, until a good backup a week later")
            return {"changed": True, "plan": told, "copies": record.get("copies", {}), "seconds": record["seconds"]}
        return {"failed": True, "msg": work.failure(
            record, begun["unit"], "It ended before it began.") + " Repeat this with the same words: it goes on from "
            "where it was, and what was there before is kept."}
