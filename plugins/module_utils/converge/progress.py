# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A file that tells, while a run is at work, which services have ended: one JSON document per line."""

from __future__ import annotations

import contextlib
import json
import os
import threading

MASK = "********"


class Progress:
    """Tells what has ended. Nobody's run fails because nobody can be told."""

    def __init__(self, path, total, secrets):
        """path: of the file; nothing is told where it is empty. secrets: texts that must not stand in it."""
        self.path = path
        self.total = total
        self.secrets = [text for text in secrets if text]
        self.lock = threading.Lock()
        self.told = set()

    def begin(self):
        """Empty the file, and tell how many services there are."""
        self._write({"total": self.total}, os.O_TRUNC)

    def ended(self, turn):
        """Tell, once, how a service has ended."""
        if turn.name in self.told:
            return
        self.told.add(turn.name)
        result = turn.result()
        says = [self._masked(text) for text in result["says"]]
        entry = {"service": turn.name, "state": result["state"], "says": says, "seconds": result["seconds"]}
        self._write(entry, os.O_APPEND)

    def remove(self):
        """Remove the file: whoever asked has the result."""
        if self.path:
            with contextlib.suppress(OSError):
                os.unlink(self.path)

    def _masked(self, text):
        for secret in self.secrets:
            text = text.replace(secret, MASK)
        return text

    def _write(self, entry, how):
        if not self.path:
            return
        try:
            with self.lock:
                handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | how, 0o600)
                with os.fdopen(handle, "w", encoding="utf-8") as stream:
                    stream.write(json.dumps(entry) + "\n")
        except OSError:
            return
