# Managed by trenova.selfhost.
"""Redis: a snapshot that the server makes for a replica, which is what redis-cli claims to be."""

from __future__ import annotations

from trenova_backup.kinds.kind import Kind

FILE = "dump.rdb"


class Redis(Kind):
    """A Redis server."""

    def save(self):
        """All of it."""
        self._snapshot()

    def cut(self):
        """The same: pending jobs are worth as much as the rows that they belong to."""
        self._snapshot(cut="yes")

    def _snapshot(self, **facts):
        self.run.keep(self.stream("snapshot", FILE, **facts), self.from_job([
            "sh", "/run/trenova/config/redis.sh", self.store["host"], str(self.store["port"]), self.name,
            "--rdb", "-"]))
