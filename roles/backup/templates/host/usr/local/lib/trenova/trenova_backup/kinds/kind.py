# Managed by trenova.selfhost.
"""What all kinds have in common."""

from __future__ import annotations

import abc

from trenova_backup.stream import Stream


class Kind(abc.ABC):
    """One store in one run."""

    def __init__(self, store, run):
        self.store, self.run = store, run
        self.name = store["store"]

    @abc.abstractmethod
    def save(self):
        """Keep the store as it is now."""

    def cut(self):  # noqa: B027  # most kinds have nothing to do there
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
