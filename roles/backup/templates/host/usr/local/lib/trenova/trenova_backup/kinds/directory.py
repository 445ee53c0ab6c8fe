# Managed by trenova.selfhost.
"""Directories: their files as they are, read as root by a container that has no network and may do nothing else."""

from __future__ import annotations

from trenova_backup.kinds.kind import Kind


class Directory(Kind):
    """A directory of a service, or of the installation itself."""

    def save(self):
        """An archive of all files, in an order that does not change, so that equal ones are stored once."""
        without = [f"--exclude=./{path}" for path in self.store["without"]]
        self.run.keep(self.stream("archive", "archive.tar"), self.from_job([
            "sh", "/run/trenova/config/archive.sh", self.store["inside"], *without]))
