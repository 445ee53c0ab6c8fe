# Managed by trenova.selfhost.
"""Objects: every target mirrors them and keeps what is replaced or deleted; a run records where it stood."""

from __future__ import annotations

import json
import re
import time

from trenova_backup import places
from trenova_backup.errors import BackupError, SourceError
from trenova_backup.files import duration, seconds_of, size, stamp_of
from trenova_backup.kinds.kind import Choice, Kind
from trenova_backup.mirror.steps import JOB, KEYS
from trenova_backup.restore import copies

#: Buckets of copies, by the names that a restore gives them; mirror.steps leaves them out.
COPY = "before-"
OF_COPY = re.compile(COPY + r"\d{8}t\d{6}z")


class Objects(Kind):
    """A store that speaks S3."""

    reads_with = (JOB,)

    def __init__(self, store, run):
        super().__init__(store, run)
        #: Names of what the target should hold and does not, and of what came back with another MD5, after a restore.
        self.missing, self.unlike = [], []
        #: Of how many objects a restore has compared the size, and of how many the MD5.
        self.compared = self.by_md5 = 0

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
            self.name, choice.facts["state"], self._remote, tell=self._tell)
        self.run.say(f"{self.store['title']}: {told['objects']} objects, {size(told['bytes'])}, "
                     f"{duration(told['seconds'])}")
        self.missing, self.unlike = told["missing"], told["unlike"]
        self.compared, self.by_md5 = told["compared"], told["by_md5"]
        self.run.say(f"{self.store['title']}: compared: {self.compared} objects are there with the size that they had, "
                     f"{self.by_md5} of them with the MD5")
        if self.unlike:
            self.run.warn(f"{self.store['title']}: {len(self.unlike)} objects have another MD5 than when they were "
                          f"saved, the first one is {self.unlike[0]}.")
        if told["missing"]:
            self.run.warn(f"{self.store['title']}: the target lacks {len(told['missing'])} objects that it should "
                          f"hold, the first one is {told['missing'][0]}.")

    def foresee(self, choice):
        """What would be written over and added, where the store can be asked."""
        try:
            found = self.run.target.mirror.compare(choice.facts["state"], self._remote)
        except SourceError:
            return
        choice.facts["over"] = len(found.over)
        # What is written over stays beside it.
        choice.adds = found.new_bytes + found.over_bytes

    def foresee_part(self, choice, only):
        """All of the part, in a bucket of its own."""
        choice.adds = choice.facts["state"].bytes_of(only)

    def keep_live(self, choice, name):
        """Copy objects of other content under the same names into a bucket of their own: its name."""
        bucket = name.lower()
        if self.run.target.mirror.keep_live(choice.facts["state"], self._remote, bucket, self._need_room):
            return bucket
        return ""

    def _need_room(self, needed):
        path, left = self.store.get("path"), self.run.settings.left_free
        if path and places.free(path) < needed + left:
            raise BackupError(
                f"{self.store['title']}: {size(needed)} would be written over, of which a copy is made first. "
                f"{size(places.free(path))} are free in {path}, with {size(left)} left alone. Make room there.")

    def let_go_copies(self, now):
        """Remove the buckets of copies that are old enough; their names."""
        mirror, oldest = self.run.good[0].mirror, stamp_of(now - copies.KEPT_DAYS * 86400).lower()
        gone = [name for name in mirror.buckets(self._remote) if OF_COPY.fullmatch(name) and name[len(COPY):] < oldest]
        if gone:
            mirror.purge_live(self._remote, gone)
        return gone

    def bytes_added(self, choice):
        """None here where the store is somebody else's, which has disks of its own."""
        return super().bytes_added(choice) if self.store.get("path") else 0

    @property
    def _remote(self):
        return f"store-{self.name}:"

    def measured(self):
        """(how many objects, bytes) the store itself holds now."""
        process = self.run.engine.run(JOB, ["sh", KEYS, "rclone", "size", "--json", self._remote])
        if process.code:
            raise SourceError(f"{self.store['title']} cannot be counted: {process.said.rstrip('.')}.")
        told = json.loads("".join(process.lines))
        return told["count"], told["bytes"]

    def bring_part(self, choice, beside, only, name):
        """A bucket, or objects of one, into a bucket of their own."""
        into = name.replace("_", "-").lower()
        told = self.run.target.mirror.bring_back(
            self.name, choice.facts["state"], self._remote, only=only, into=into, tell=self._tell)
        return f"{told['objects']} objects, {size(told['bytes'])}, are in the bucket {into}."

    def _tell(self, done, total):
        self.run.tell_progress(self.store["title"], done, total)
