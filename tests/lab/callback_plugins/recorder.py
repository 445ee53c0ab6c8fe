# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Writes what each task returned, and how long it took, to the file that TRENOVA_RECORD names."""

from __future__ import annotations

import json
import os
import time

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: recorder
type: notification
short_description: Record results for tests
description: Writes one line of JSON for each result to the file that E(TRENOVA_RECORD) names.
"""


class CallbackModule(CallbackBase):
    """One line of JSON for each result."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "recorder"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self):
        super().__init__()
        self.path = os.environ.get("TRENOVA_RECORD")
        self.disabled = not self.path
        self.started = {}

    def v2_runner_on_start(self, host, task):
        """Remember when a task began on a host."""
        self.started[(host.get_name(), task._uuid)] = time.monotonic()

    def _write(self, result, state):
        host, task = result.host.get_name(), result.task
        began = self.started.get((host, task._uuid), time.monotonic())
        entry = {
            "host": host, "task": task.get_name(), "action": task.action, "state": state,
            "seconds": round(time.monotonic() - began, 3), "result": result.result}
        with open(self.path, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry, default=str) + "\n")

    def v2_runner_on_ok(self, result):
        """A task succeeded."""
        self._write(result, "ok")

    def v2_runner_on_failed(self, result, ignore_errors=False):
        """A task failed."""
        self._write(result, "failed")

    def v2_runner_on_unreachable(self, result):
        """A host did not answer."""
        self._write(result, "unreachable")
