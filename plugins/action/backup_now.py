# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import time

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.plugin_utils.backup import program

#: How often the host is asked how far it is.
POLL_SECONDS = 2.0
#: For how long a host that cannot be reached is asked again; the backup goes on meanwhile.
PATIENCE_SECONDS = 600
#: Lines that tell why a backup failed.
LAST_LINES = 20


class ActionModule(ActionBase):
    """Has the host make a backup, and shows how far it is. The backup belongs to the host and goes on without us."""

    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec={"full": {"type": "bool", "default": False}})
        self._host, self._said = task_vars["inventory_hostname"], []
        words = ["start", *(["--full"] if arguments["full"] else [])]
        if self._task.check_mode:
            return self._announced(self._ask(*words, "--check"))
        begun = self._ask(*words)
        if begun["is_running"]:
            self._tell("a backup is at work already ({level}); this is how it goes on".format(**begun))
            record, _text = told = self._followed(begun)
            if not arguments["full"] or (record or {}).get("level") == "full":
                return self._concluded(begun, *told)
            begun = self._ask(*words)
        self._tell("{} backup to {}; it goes on without this playbook: journalctl -fu {unit}".format(
            begun["level"], ", ".join(begun["targets"]), **begun))
        return self._concluded(begun, *self._followed(begun))

    def _ask(self, *words):
        return program.ask(self, self._host, *words)

    def _tell(self, line):
        self._display.display(f"  {self._host}  {line}")

    def _announced(self, found):
        what = "follow the {level} backup that is at work" if found["is_running"] else "make a backup ({level})"
        self._tell(("would " + what + " to {}").format(", ".join(found["targets"]), **found))
        return {"changed": not found["is_running"], "level": found["level"]}

    def _followed(self, begun):
        """Show what a run says until it has ended: (its record or None, the table of what it saved)."""
        cursor = ""
        while True:
            told = self._patiently("follow", begun["invocation"], *([f"--cursor={cursor}"] if cursor else []))
            cursor = told["cursor"]
            for line in told["lines"]:
                self._said.append(line)
                self._tell(line)
            if not told["is_running"]:
                return told["record"], told["text"]
            time.sleep(POLL_SECONDS)

    def _patiently(self, *words):
        """What the host answers, although it may be out of reach for a while."""
        deadline, is_told = time.monotonic() + PATIENCE_SECONDS, False
        while True:
            try:
                return self._ask(*words)
            except AnsibleConnectionFailure:
                if time.monotonic() > deadline:
                    raise
            if not is_told:
                self._display.warning(
                    f"{self._host} cannot be reached just now. The backup goes on there; it is asked again for "
                    f"{PATIENCE_SECONDS // 60} minutes.")
                is_told = True
            time.sleep(POLL_SECONDS)
            self._connection.reset()

    def _concluded(self, begun, record, text):
        if text:
            self._display.display("\n".join(["", *(f"  {line}" for line in text.splitlines()), ""]))
        if record and record["state"] == "ok":
            return {"changed": True, **{key: record.get(key) for key in ("level", "stamp", "bytes", "objects_bytes")}}
        if record and record["state"] == "skipped":
            return {"failed": True, "msg": "No backup was made. " + record.get("because", "")}
        because = (record or {}).get("because") or "It ended before it could tell why."
        return {"failed": True, "msg": "\n".join([
            f"The backup failed. {because}", "The last log lines:",
            *("  " + line for line in self._said[-LAST_LINES:]),
            "All of it: journalctl -u {unit} on the server.".format(**begun)])}
