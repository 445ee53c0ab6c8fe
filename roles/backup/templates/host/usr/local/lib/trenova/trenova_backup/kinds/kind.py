# Managed by trenova.selfhost.
"""What all kinds have in common."""

from __future__ import annotations

from trenova_backup.stream import Stream


class Kind:
    """One store in one run."""

    #: Job of Compose by which the store is read.
    job = ""

    def __init__(self, store, run):
        self.store, self.run = store, run
        self.name = store["store"]

    def save(self):
        """Keep the store as it is now."""
        raise NotImplementedError

    def cut(self):
        """Keep what has changed since, where that costs little."""

    def stream(self, part, file, extract=(), **facts):
        """A stream of this store in this run."""
        return Stream(self.run.stamp, self.name, part, file, extract, **facts)

    def from_job(self, command, job=None):
        """A source: a container of a job whose output goes into the pipe."""
        def start(pipe):
            return self.run.engine.start(job or self.store["job"], [
                "sh", "-c", 'pipe=$1; shift; exec "$@" >"$pipe"', "sh", pipe.inside, *command])
        return start
