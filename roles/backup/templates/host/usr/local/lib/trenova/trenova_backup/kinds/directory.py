# Managed by trenova.selfhost.
"""Directories: their files as they are, read as root by a container that has no network and may do nothing else."""

from __future__ import annotations

import os

from trenova_backup.kinds.kind import Kind


class Directory(Kind):
    """A directory of a service, or of the installation itself."""

    part = "archive"
    is_laid = True

    def save(self):
        """An archive of all files, in an order that does not change, so that equal ones are stored once."""
        without = [f"--exclude=./{path}" for path in self.store["without"]]
        self.run.keep(self.stream("archive", "archive.tar"), self.from_job([
            "sh", "/run/trenova/config/archive.sh", self.store["inside"], *without]), self.bytes_here)

    def fetch(self, choice, beside):
        """All files, with their owners and modes."""
        self.run.unpack(choice.snapshots[0], beside, ["--same-owner", "--preserve-permissions", "--xattrs"])
        # What lies below and was declared by itself is a store by itself, and stays.
        for path in self.store["without"]:
            live, place = os.path.join(self.store["path"], path), os.path.join(beside, path)
            if os.path.isdir(live) and not os.path.lexists(place):
                os.makedirs(os.path.dirname(place), exist_ok=True)
        return beside
