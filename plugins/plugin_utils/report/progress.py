# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A line for each service as it ends, on a terminal and in CI alike."""

from __future__ import annotations

import contextlib
import json
import secrets
import shlex
import threading

#: How often the host is asked which services have ended.
POLL_SECONDS = 1.0
QUIET = frozenset(("unchanged",))


def line(host, title, entry, width=14):
    """`erp1  PostgreSQL      replaced tren-db: another definition  (12.3 s)`."""
    says = "; ".join(entry.get("says") or []) or entry["state"]
    return f"  {host}  {title:<{width}}  {says}  ({entry.get('seconds', 0):.1f} s)"


class Progress:
    """Tells what the execution on the host has done so far, while it goes on.

    A second connection reads the lines that the module has written. Where that cannot be had, the lines come at the
    end.
    """

    def __init__(self, action, task_vars, project, services):
        self._action = action
        self._host = task_vars["inventory_hostname"]
        self._services = services
        self._told = set()
        self._ended = threading.Event()
        self._thread = None
        #: File on the host into which the module writes; none in check mode, which is soon over.
        #: It is this run's alone, so that nobody is told what an earlier one has done.
        self.path = "" if action._task.check_mode else f"/run/{project.name}-{secrets.token_hex(6)}.jsonl"

    def __enter__(self):
        if self.path:
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_error):
        self._ended.set()
        if self._thread:
            self._thread.join(timeout=10)

    def _watch(self):
        while not self._ended.wait(POLL_SECONDS):
            with contextlib.suppress(Exception):  # the lines come at the end then
                self._read()

    def _read(self):
        answer = self._action._low_level_execute_command(f"cat {shlex.quote(self.path)} 2>/dev/null")
        for text in (answer.get("stdout") or "").splitlines():
            entry = json.loads(text)
            if "service" in entry:
                self._tell(entry["service"], entry)

    def tell(self, result):
        """Tell what is not told yet, from the result of the module."""
        for name, entry in (result.get("services") or {}).items():
            self._tell(name, entry)

    def _tell(self, name, entry):
        if name in self._told:
            return
        self._told.add(name)
        if entry["state"] not in QUIET:
            title = (self._services.get(name) or {}).get("title", name)
            self._action._display.display(line(self._host, title, entry))
