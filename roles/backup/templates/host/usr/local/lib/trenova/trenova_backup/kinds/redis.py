# Managed by trenova.selfhost.
"""Redis: a snapshot that the server makes for a replica, which is what redis-cli claims to be."""

from __future__ import annotations

import os
import re

from trenova_backup.kinds.kind import Kind

FILE = "dump.rdb"
#: With its log of changes on, Redis reads what the manifest of that names, and no snapshot that lies elsewhere.
LOG = "appendonlydir"
LOG_BASE = "appendonly.aof.1.base.rdb"
LOG_MANIFEST = "appendonly.aof.manifest"
MARK_BYTES = 40
OF_MARK = re.compile(rb"[0-9a-f]{40}")


class Redis(Kind):
    """A Redis server."""

    part = "snapshot"

    def save(self):
        """All of it."""
        self._snapshot()

    def cut(self):
        """The same: pending jobs are worth as much as the rows that they belong to."""
        self._snapshot(cut="yes")

    def _snapshot(self, **facts):
        self.run.keep(self.stream("snapshot", FILE, **facts), self.from_job([
            "sh", "/run/trenova/config/redis.sh", self.store["host"], str(self.store["port"]), self.name,
            "--rdb", "-"]), self.bytes_here)

    @property
    def is_laid(self):
        """A server of somebody else's has its files elsewhere, and takes no snapshot by its port."""
        return bool(self.store.get("path"))

    def fetch(self, choice, beside):
        """The snapshot, as the one that a Redis with its log of changes on begins with, and as that of one without."""
        if not self.is_laid:
            return beside
        log = os.path.join(beside, LOG)
        os.mkdir(log, 0o700)
        self.run.bring_file(choice.snapshots[0], os.path.join(log, LOG_BASE))
        without_mark(os.path.join(log, LOG_BASE))
        os.link(os.path.join(log, LOG_BASE), os.path.join(beside, FILE))
        with open(os.path.join(log, LOG_MANIFEST), "w", encoding="utf-8") as manifest:
            manifest.write(f"file {LOG_BASE} seq 1 type b\n")
        self.run.own(beside, self.store["owner"])
        return beside

    def write(self, choice, beside):
        """Say that it stays as it is."""
        self.run.warn(
            f"{self.store['title']} is somebody else's, and stays as it is. To have its snapshot as a file: backup.py "
            f"read {self.name} --run {choice.snapshots[0].run}")


def without_mark(path):
    """Cut off the mark with which a server ends a snapshot for a replica, where there is one.

    redis-cli leaves it in what it writes to its output. A snapshot by itself may have anything behind it, and one that
    a log of changes begins with may not. Its own last bytes are 255 and a sum of 8 bytes.
    """
    with open(path, "r+b") as stream:
        end = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, end - MARK_BYTES))
        if OF_MARK.fullmatch(stream.read()):
            stream.truncate(end - MARK_BYTES)
