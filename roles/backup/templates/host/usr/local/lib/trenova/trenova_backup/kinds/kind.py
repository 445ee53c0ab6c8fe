# Managed by trenova.selfhost.
"""What all kinds have in common."""

from __future__ import annotations

import abc
import dataclasses
import os
import time

from trenova_backup.errors import BackupError
from trenova_backup.files import moment, seconds_of
from trenova_backup.restore import laying
from trenova_backup.stream import Stream


@dataclasses.dataclass
class Choice:
    """What a store is restored from: snapshots, in the order in which they are needed, and the moment that it has then.

    at: that moment, in seconds. bytes: what is read. space: what it takes on this host until the end. facts: what
    only its kind reads. adds: bytes that writing it into the running service adds to the disk of that, None where that
    is not known.
    """

    snapshots: list
    at: float
    bytes: int = 0
    space: int = 0
    facts: dict = dataclasses.field(default_factory=dict)
    adds: int | None = None


class Kind(abc.ABC):
    """One store in one run."""

    #: The part of a backup that a restore reads, where it is one.
    part = ""
    #: Jobs that a restore of it reads from targets with, besides the one that it reads all snapshots with.
    reads_with = ()
    #: Whether what comes back is laid in the place of the live files, while nothing of the service runs.
    is_laid = False
    #: Whether what was fetched becomes what is laid only by `recover`, which reads nothing from the target.
    is_recovered = False
    #: Whether what is written may be older than what its service reads from files when it starts.
    is_read_at_start = False
    #: Whether it holds rows, which point to what is chosen after them.
    has_rows = False

    def __init__(self, store, run):
        self.store, self.run = store, run
        self.name = store["store"]

    @abc.abstractmethod
    def save(self):
        """Keep the store as it is now."""

    def cut(self):  # noqa: B027  # most kinds have nothing to do there
        """Keep what has changed since, where that costs little."""

    # -- The way back -------------------------------------------------------------------------------------------------

    def choose(self, target, until):
        """What to restore from a target, as of a moment in seconds, or as new as can be: a Choice.

        Raises BackupError, with the first and the last moment, where the target holds nothing of then.
        """
        mine = [snapshot for snapshot in target.snapshots if (snapshot.store, snapshot.part) == (self.name, self.part)]
        fitting = [snapshot for snapshot in mine if until is None or seconds_of(snapshot.run) <= until]
        if not fitting:
            runs = sorted(snapshot.run for snapshot in mine)
            raise BackupError(self.nothing(
                until, seconds_of(runs[0]) if runs else None, seconds_of(runs[-1]) if runs else None))
        newest = fitting[-1]
        return Choice([newest], seconds_of(newest.run), newest.bytes, newest.bytes)

    def newest(self, target):
        """The newest moment, in seconds, of which a target holds the store; 0 where it does not."""
        return self._newest_of(target, self.part)

    def _newest_of(self, target, part):
        now = time.time()
        times = [seconds_of(snapshot.run) for snapshot in target.snapshots
                 if (snapshot.store, snapshot.part) == (self.name, part)]
        return max((at for at in times if at <= now), default=0)

    def choose_run(self, target, run):
        """What a run has kept, or the last one before it that has kept anything of this store: a Choice."""
        return self.choose(target, seconds_of(run))

    def nothing(self, until, first, last):
        """The sentence that says that there is nothing of a moment."""
        if first is None:
            return f"{self.store['title']}: the target holds no backup of it."
        return (f"{self.store['title']}: {moment(until)} cannot be restored. The target holds it from "
                f"{moment(first)} to {moment(last)}.")

    def fetch(self, choice, beside):
        """Bring what was chosen into a directory on the host, while the live one is in use.

        The path of what takes the place of the live directory then, where it is laid and needs no recovery.
        """
        return beside

    def recover(self, choice, beside):  # noqa: B027  # most kinds are laid or written as they were fetched
        """Make of what was fetched what takes the place of the live directory: its path. Others are fetched then."""

    def foresee(self, choice):  # noqa: B027  # most kinds are laid beside what is there
        """Find out what writing the choice would replace. Raises BackupError where the service cannot take it."""

    def foresee_part(self, choice, only):  # noqa: B027  # most parts are small beside what is there
        """Find out what bringing a part beside what is there would add."""

    def keep_live(self, choice, name):
        """Take a copy of what writing the choice would replace, under a name; where it is, "" where nothing is."""
        return ""

    def write(self, choice, beside):  # noqa: B027  # most kinds are laid
        """Write what was fetched into the running service, which nobody uses meanwhile."""

    def bring_part(self, choice, beside, only, name):
        """Bring a part back beside the live ones, under a name; a sentence that says where it is."""
        raise BackupError(f"{self.store['title']}: no part of it can be restored. Restore it whole, without --only.")

    # -- Tools --------------------------------------------------------------------------------------------------------

    def stream(self, part, file, extract=(), **facts):
        """A stream of this store in this run."""
        return Stream(self.run.stamp, self.name, part, file, extract, **facts)

    def bytes_here(self):
        """What its directory holds on this host; 0 where it lies elsewhere."""
        return laying.size_of(self.store["path"], self.store.get("without", ())) if self.store.get("path") else 0

    def bytes_added(self, choice):
        """Bytes that writing a choice adds to a disk of this host."""
        if choice.adds is not None:
            return choice.adds
        # Nobody could be asked: what is there is likely most of it.
        return max(0, choice.bytes - choice.space - self.bytes_here())

    def copy_directory(self, name):
        """A directory of this host for a copy of that name, which backups remove after a while as any other."""
        path = self.run.settings.path(f"{name}-{self.name}")
        laying.remove(path)
        os.mkdir(path, 0o700)
        return path

    def from_job(self, command, job=None):
        """A source: a container of a job whose output goes into the pipe."""
        def start(pipe):
            return self.run.engine.start(job or self.store["job"], [
                "sh", "-c", 'pipe=$1; shift; exec "$@" >"$pipe"', "sh", pipe.inside, *command])
        return start
