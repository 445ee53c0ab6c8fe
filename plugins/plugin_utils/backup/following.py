# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Work of the host's program that belongs to systemd there: what it says is shown here, and it goes on without us."""

from __future__ import annotations

import time

from ansible.errors import AnsibleConnectionFailure

from ansible_collections.trenova.selfhost.plugins.plugin_utils.backup import program

#: How often the host is asked how far it is.
POLL_SECONDS = 2.0
#: For how long a host that cannot be reached is asked again; the work goes on meanwhile.
PATIENCE_SECONDS = 600
#: Lines that tell why something failed.
LAST_LINES = 20


class Following:
    """Shows what work on a host says. what: name of the work, as "backup". command: the program's, where it lies."""

    def __init__(self, action, host, what, command=program.COMMAND):
        self._action, self._host, self._what, self._command = action, host, what, command
        self.said = []
        #: Whether it goes on there, as far as is known.
        self.is_at_work = False

    def ask(self, *words):
        """What the program answers, as data."""
        return program.ask(self._action, self._host, *words, command=self._command)

    def tell(self, line):
        """Show a line."""
        self._action._display.display(f"  {self._host}  {line}")

    def until_end(self, begun):
        """Show what a run says until it has ended: (its record or None, the table of what it did)."""
        cursor, unit = "", ["--unit", begun["unit"]]
        self.is_at_work = True
        while True:
            told = self._patiently("follow", begun["invocation"], *unit, *([f"--cursor={cursor}"] if cursor else []))
            cursor = told["cursor"]
            for line in told["lines"]:
                self.said.append(line)
                self.tell(line)
            if not told["is_running"]:
                self.is_at_work = False
                return told["record"], told["text"]
            time.sleep(POLL_SECONDS)

    def failure(self, record, unit, otherwise="It ended before it could tell why."):
        """The message of work that failed: why, and the last lines that it said."""
        because = (record or {}).get("because") or otherwise
        return "\n".join([
            f"The {self._what} failed. {because}", "The last log lines:",
            *("  " + line for line in self.said[-LAST_LINES:]), f"All of it: journalctl -u {unit} on {self._host}."])

    def _patiently(self, *words):
        """What the host answers, although it may be out of reach for a while."""
        deadline, is_told = time.monotonic() + PATIENCE_SECONDS, False
        while True:
            try:
                return self.ask(*words)
            except AnsibleConnectionFailure:
                if time.monotonic() > deadline:
                    raise
            if not is_told:
                self._action._display.warning(
                    f"{self._host} cannot be reached just now. The {self._what} goes on there; it is asked again for "
                    f"{PATIENCE_SECONDS // 60} minutes.")
                is_told = True
            time.sleep(POLL_SECONDS)
            self._action._connection.reset()
