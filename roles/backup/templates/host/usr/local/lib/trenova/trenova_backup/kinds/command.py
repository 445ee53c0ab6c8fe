# Managed by trenova.selfhost.
"""What only the running server itself can tell: the output of a command in its container."""

from __future__ import annotations

import os

from trenova_backup.errors import SourceError
from trenova_backup.kinds.kind import Kind

#: For a command that takes back what it once said.
TAKES_SECONDS = 600


class Command(Kind):
    """A command in the container of a service."""

    part = "output"
    is_read_at_start = True

    def save(self):
        """Its output, as one file."""
        def start(pipe):
            return self.run.engine.execute(self.store["container"], self.store["command"], pipe.path)
        self.run.keep(self.stream("output", self.store["file"]), start)

    def fetch(self, choice, beside):
        """The file that was its output."""
        self.run.bring_file(choice.snapshots[0], os.path.join(beside, self.store["file"]))
        return beside

    def keep_live(self, choice, name):
        """What it says now, as a file: its directory. Nothing where nothing would take the other one."""
        if not self.store.get("restore"):
            return ""
        path = self.copy_directory(name)
        process = self.run.engine.execute(
            self.store["container"], self.store["command"], os.path.join(path, self.store["file"]))
        try:
            if process.wait(TAKES_SECONDS):
                raise SourceError(f"{self.store['title']} does not tell what would be replaced: "
                                  f"{process.said.rstrip('.')}.")
        finally:
            process.end()
        return path

    def write(self, choice, beside):
        """Give it to the command that takes it."""
        if not self.store.get("restore"):
            # What was fetched is removed at the end.
            self.run.warn(
                f"{self.store['title']}: it says no command that would take {self.store['file']} back. To have it as a "
                f"file: backup.py read {self.name} --run {choice.snapshots[0].run}")
            return
        process = self.run.engine.execute(
            self.store["container"], self.store["restore"], source=os.path.join(beside, self.store["file"]))
        try:
            if process.wait(TAKES_SECONDS):
                raise SourceError(f"{self.store['title']} does not take what it once said: {process.said.rstrip('.')}.")
        finally:
            process.end()
