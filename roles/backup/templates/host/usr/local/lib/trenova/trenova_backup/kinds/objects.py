# Managed by trenova.selfhost.
"""Objects: every target mirrors them and keeps what is replaced or deleted; a run records where it stood."""

from __future__ import annotations

from trenova_backup.kinds.kind import Kind


class Objects(Kind):
    """A store that speaks S3."""

    def save(self):
        """Bring the mirrors of all targets up to date."""
        self.run.mirror(self.name)

    def cut(self):
        """The same: it costs a listing where nothing has changed."""
        self.run.mirror(self.name)
