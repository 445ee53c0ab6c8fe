# Managed by trenova.selfhost.
"""What only the running server itself can tell: the output of a command in its container."""

from __future__ import annotations

from trenova_backup.kinds.kind import Kind


class Command(Kind):
    """A command in the container of a service."""

    def save(self):
        """Its output, as one file."""
        def start(pipe):
            return self.run.engine.execute(self.store["container"], self.store["command"], pipe.path)
        self.run.keep(self.stream("output", self.store["file"]), start)
