# Managed by trenova.selfhost.
"""Objects: every target mirrors them and keeps what is replaced or deleted; a run records where it stood."""

from __future__ import annotations

import json
import time

from trenova_backup.errors import BackupError, SourceError
from trenova_backup.files import duration, seconds_of, size, stamp_of
from trenova_backup.kinds.kind import Choice, Kind
from trenova_backup.mirror.steps import JOB, KEYS


class Objects(Kind):
    """A store that speaks S3."""

    reads_with = (JOB,)

    def __init__(self, store, run):
        super().__init__(store, run)
        #: Names of what the target should hold and does not, after a restore.
        self.missing = []

    def save(self):
        """Bring the mirrors of all targets up to date."""
        self.run.mirror(self.name)

    def cut(self):
        """The same: it costs a listing where nothing has changed."""
        self.run.mirror(self.name)

    def newest(self, target):
        """The last change that the mirror knows."""
        lists, _replaced = target.mirror.stamps(self.name)
        now = time.time()
        return max((at for at in map(seconds_of, lists) if at <= now), default=0)

    def choose(self, target, until):
        """The mirror as it was at a moment, with all that rows which come back as well may point to."""
        since = self.run.rows_since()
        stamps = target.mirror.stamps(self.name)
        lists, _replaced = stamps
        # Of what a clock that was ahead has saved it is not known when that was.
        newest = until if until is not None else time.time()
        fitting = [stamp for stamp in lists if seconds_of(stamp) <= newest] or (lists if until is None else [])
        if not fitting:
            raise BackupError(self.nothing(
                until, seconds_of(lists[0]) if lists else None, seconds_of(lists[-1]) if lists else None))
        state = target.mirror.state_at(
            self.name, stamp_of(until) if until is not None else None, stamps,
            stamp_of(since) if since is not None else None)
        return Choice([], seconds_of(fitting[-1]) if until is None else until, state.bytes,
                      facts={"objects": state.objects, "state": state})

    def write(self, choice, beside):
        """Write every object that there was. What came since stays: nothing points to it."""
        told = self.run.target.mirror.bring_back(
            self.name, choice.facts["state"], f"store-{self.name}:", tell=self._tell)
        self.run.say(f"{self.store['title']}: {told['objects']} objects, {size(told['bytes'])}, "
                     f"{duration(told['seconds'])}")
        self.missing = told["missing"]
        if told["missing"]:
            self.run.warn(f"{self.store['title']}: the target lacks {len(told['missing'])} objects that it should "
                          f"hold, the first one is {told['missing'][0]}.")

    def measured(self):
        """(how many objects, bytes) the store itself holds now."""
        process = self.run.engine.run(JOB, ["sh", KEYS, "rclone", "size", "--json", f"store-{self.name}:"])
        if process.code:
            raise SourceError(f"{self.store['title']} cannot be counted: {process.said.rstrip('.')}.")
        told = json.loads("".join(process.lines))
        return told["count"], told["bytes"]

    def bring_part(self, choice, beside, only, name):
        """A bucket, or objects of one, into a bucket of their own."""
        into = name.replace("_", "-").lower()
        told = self.run.target.mirror.bring_back(
            self.name, choice.facts["state"], f"store-{self.name}:", only=only, into=into, tell=self._tell)
        return f"{told['objects']} objects, {size(told['bytes'])}, are in the bucket {into}."

    def _tell(self, done, total):
        self.run.tell_progress(self.store["title"], done, total)
