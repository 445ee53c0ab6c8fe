# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.plugin_utils.backup.following import Following

#: What the run that is made can be wished to be or to do, as the options of the module and of the host's program.
WISHES = ("full", "accept_vanished", "clock_is_right")


class ActionModule(ActionBase):
    """Has the host make a backup, and shows how far it is. The backup belongs to the host and goes on without us."""

    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(
            argument_spec={name: {"type": "bool", "default": False} for name in WISHES})
        work = Following(self, task_vars["inventory_hostname"], "backup")
        wished = [name for name in WISHES if arguments[name]]
        words = ["start", *("--" + name.replace("_", "-") for name in wished)]
        if self._task.check_mode:
            return self._announced(work, work.ask(*words, "--check"))
        begun = work.ask(*words)
        if begun["is_running"]:
            work.tell("a backup is at work already ({level}); this is how it goes on".format(**begun))
            record, _text = told = work.until_end(begun)
            if not wished or wished == ["full"] and (record or {}).get("level") == "full":
                return self._concluded(work, begun, *told)
            begun = work.ask(*words)
        work.tell("{} backup to {}; it goes on without this playbook: journalctl -fu {unit}".format(
            begun["level"], ", ".join(begun["targets"]), **begun))
        return self._concluded(work, begun, *work.until_end(begun))

    @staticmethod
    def _announced(work, found):
        what = "follow the {level} backup that is at work" if found["is_running"] else "make a backup ({level})"
        work.tell(("would " + what + " to {}").format(", ".join(found["targets"]), **found))
        return {"changed": not found["is_running"], "level": found["level"]}

    def _concluded(self, work, begun, record, text):
        if text:
            self._display.display("\n".join(["", *(f"  {line}" for line in text.splitlines()), ""]))
        if record and record["state"] == "ok":
            return {"changed": True, **{key: record.get(key) for key in ("level", "stamp", "bytes", "objects_bytes")}}
        if record and record["state"] == "skipped":
            return {"failed": True, "msg": "No backup was made. " + record.get("because", "")}
        return {"failed": True, "msg": work.failure(record, begun["unit"])}
