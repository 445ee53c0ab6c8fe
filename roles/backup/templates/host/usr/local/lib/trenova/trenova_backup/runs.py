# Managed by trenova.selfhost.
"""A backup from its begin to its record.

One run at a time writes to the targets: `backup` (nightly, all stores), `cut` (every few minutes: what has changed),
`check`. What a run keeps goes to the first target that takes it; afterwards each takes over from the others what it
lacks and retention keeps, so that a target that was away for a week, the first one as well, catches up by itself.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import functools
import json
import os
import sys
import time

from trenova_backup import deployed, kinds, places, points, records, retention
from trenova_backup.engine import Engine
from trenova_backup.errors import BackupError, NothingYet, SourceError, TargetError
from trenova_backup.files import by_age, duration, moment, read_json, size, stamp_of, write_json
from trenova_backup.mirror.target import Mirror
from trenova_backup.points import RECORD
from trenova_backup.repository import Repository
from trenova_backup.restore import copies
from trenova_backup.stream import Stream

DRILL = "drill"
#: Verbs that change nothing, and may run beside another run, whose locks are its own.
ASKING = frozenset(("list", "read", "end"))
DAY = 86400
#: Parts of a database: a base backup, and the log since one.
BASE, WAL = "base", "wal"
#: What a backup of everything waits for.
SMALL = {"cut": "small backup", "check": "check", "end": "end of another one", "drill": "record of a drill"}
#: Who is at work, by the verb that stands in the lock. Who has not written one there yet is most likely a backup.
HOLDERS = {
    "cut": "A small backup", "check": "A check", "restore": "A restore", "upgrade": "An upgrade of PostgreSQL",
    "drill": "The record of a drill", "end": "The end of another run"}
#: What the record of a run is kept as.
RECORDS, RECORD_FILE = "records", "record.json"
#: Lock of whoever reads what a target holds for longer than one command takes, or removes something from it.
READING = "reading.lock"
#: The snapshots that each target held when a backup last looked through it.
KNOWN = "known.json"
#: Of more that are missing only the number is told: it is another repository.
NAMED = 5


class Busy(BackupError):
    """Another run is at work. verb: which, as far as that is known."""

    def __init__(self, text, verb=""):
        super().__init__(text)
        self.verb = verb


class Target:
    """A target in one run: whether it can be used, and why not."""

    def __init__(self, told, engine, settings):
        self.name, self.kind, self.directory = told["name"], told["kind"], told.get("directory")
        self.repository = Repository(told, engine, settings)
        self.mirror = Mirror(told, engine, settings)
        self.because = ""
        self.snapshots = []
        #: Stamps of the states of each store of objects, and bytes that are free, of targets that were listed.
        self.objects, self.free = {}, None

    @property
    def is_good(self):
        """Whether it has taken all so far."""
        return not self.because


class Run:
    """One run. `steps` and `warnings` are its record."""

    def __init__(self, settings, verb, stamp="", is_full=False):
        self.settings, self.verb, self.stamp, self.is_full = settings, verb, stamp, is_full
        self.engine = Engine(settings)
        if verb in ASKING:
            # Somebody waits for the answer.
            self.engine.take_all()
        self.started = time.time()
        self.targets = [Target(told, self.engine, settings) for told in settings.targets]
        self.steps, self.warnings, self.facts = [], [], {}
        self._has_looked, self._made_room = False, set()

    # -- Told ---------------------------------------------------------------------------------------------------------

    def say(self, text):
        """Tell what happens, with the time. The output of those who ask is their answer."""
        print(time.strftime("%H:%M:%S"), text, flush=True, file=sys.stderr if self.verb in ASKING else sys.stdout)

    def warn(self, text):
        """Tell what is wrong and does not stop the run."""
        self.warnings.append(text)
        self.say("WARNING: " + text)

    @property
    def good(self):
        """Targets that take what is kept."""
        return [target for target in self.targets if target.is_good]

    def lose(self, target, error):
        """Go on without a target. Raises Interrupted where it is not the target's fault."""
        self.engine.look()
        if target.is_good:
            target.because = str(error)
            self.say(f"target {target.name}: {error}")

    # -- Begin --------------------------------------------------------------------------------------------------------

    def prepare(self):
        """Remove what an interrupted run left, and have all images. Raises BackupError where that cannot be."""
        if not self.engine.wait():
            raise BackupError("The Docker Engine does not run. Nothing was saved.")
        self.clean()
        self.engine.fetch_images()

    def clean(self):
        """Remove containers and pipes that nobody uses any more; only who is alone may do that."""
        if self.engine.wait():
            # An Engine that was restarted has kept the containers.
            self.engine.remove(self.engine.left())
        for name in os.listdir(self.settings.path("pipes")):
            os.unlink(self.settings.path("pipes", name))

    def look_at_targets(self):
        """Which targets can be used. Raises TargetError where none can."""
        self._has_looked = True
        for target in self.targets:
            try:
                known = places.recorded(self.settings)
                missing = places.missing_mount([target.directory], known) if target.directory else None
                if missing:
                    raise TargetError(
                        f"The disk of the backups is not mounted on {missing}. Nothing was saved there. Mount it.")
                if self.verb not in ASKING and target.directory and places.is_read_only(target.directory):
                    # restic would try for a quarter of an hour.
                    raise TargetError(
                        f"Target {target.name}: the disk of {target.directory} is mounted read-only. Nothing was saved "
                        "there. Mount it for writing.")
                target.repository.reach()
                if self.verb not in ASKING:
                    target.repository.unlock()
                target.snapshots = target.repository.snapshots()
                if self.verb not in ASKING:
                    self._note_held(target, target.snapshots)
            except BackupError as error:
                self.lose(target, error)
        self._need_target()

    def _note_held(self, target, snapshots):
        """Have the records of what a target holds stay on this host."""
        records.note_held(self.settings, target.name, [
            snapshot.run for snapshot in snapshots if snapshot.part != RECORD])

    def _need_target(self):
        """Raises TargetError where no target takes anything any more, with the reason of each."""
        if not self.good:
            raise TargetError(" ".join(target.because for target in self.targets) or "There is no target.")

    def has(self, store, part, run):
        """Whether the first target has a part of a store from a run."""
        return _has(self.good[0], store, part, run)

    def any_has(self, store, part, run):
        """The same of any target: the others take it over from that one at the end of this run."""
        return any(_has(target, store, part, run) for target in self.good)

    # -- What kinds ask for -------------------------------------------------------------------------------------------

    def keep(self, stream, source, expected=int):
        """Keep a stream in the first target that takes it; what restic says of it.

        expected: tells how many bytes there may be, 0 where nobody knows. It is asked where no stream of its kind was
        kept before.
        """
        def store(target):
            before = self._last_size(target, stream)
            usual = before or expected()

            def tell(done):
                self.say(f"  {_title(stream)}: {size(done)}{_left(done, usual, begin)}")
            self._have_space(target, before * self.settings["figures"]["stream_growth"] or usual)
            begin = time.monotonic()
            return target.repository.keep(stream, source, tell)
        return self._step(stream, store)

    def keep_tree(self, stream, path, expected):
        """Keep a directory that the keeper itself sees. expected: bytes that no target may hold yet."""
        def store(target):
            self._have_space(target, expected * self.settings["figures"]["stream_growth"])
            tags = [word for tag in stream.tags for word in ("--tag", tag)]
            process = target.repository.run("backup", "--json", "--host", self.settings["installation"], *tags, path)
            return _summary(process.lines)
        return self._step(stream, store)

    def mirror(self, store):
        """Bring the mirrors of a store's objects up to date, in every target, whatever the others lack.

        Raises what the store itself has against it at the end: each target has all other objects by then.
        """
        because = None
        for target in self.good:
            begin = time.monotonic()
            try:
                told = target.mirror.sync(
                    store, self.stamp, self._tell_mirror(store), functools.partial(self._have_space, target))
            except TargetError as error:
                self.lose(target, error)
                continue
            except BackupError as error:
                self.engine.look()
                because = because or error
                continue
            for sentence in told.get("warnings", [])[:5]:
                self.warn(sentence)
            self._note(store, f"objects to {target.name}", "", "ok", time.monotonic() - begin,
                       bytes=told.get("bytes", 0), added=told.get("copied_bytes", 0), objects=told.get("objects", 0))
        if because:
            raise because
        self._need_target()

    def _tell_mirror(self, store):
        begin = time.monotonic()
        return lambda done, total=0: self.say(
            f"  objects of {store}: {size(done)}{_left(done, total, begin)}")

    # -- The work -----------------------------------------------------------------------------------------------------

    def all_stores(self):
        """Save all stores, or what has changed of them, although some cannot be read."""
        for store in self.settings.stores:
            if self.verb == "cut" and store["kind"] not in ("postgres", "objects", "redis"):
                continue
            kind = kinds.of(store, self)
            try:
                (kind.cut if self.verb == "cut" else kind.save)()
            except (TargetError, NothingYet):
                raise
            except BackupError as error:
                self.engine.look()
                self._note(store["store"], store["title"], "", "failed", 0, because=str(error))
                self.say(f"{store['title']}: failed: {error}")

    def describe(self):
        """Take down what the installation is deployed with, for drills elsewhere. A backup is good without it."""
        path = self.settings.path(deployed.FILE)
        try:
            write_json(path, deployed.taken_down(self.settings, self.engine), 0o600)
        except BackupError as error:
            self.engine.look()
            self.warn(f"No drill can be made on another host: {error}")
            return
        self.keep(Stream(self.stamp, deployed.STORE, deployed.PART, deployed.FILE),
                  lambda pipe: self.engine.hand_on(path, pipe.path))

    def copy_to_others(self):
        """Let every target take over from the others what it lacks and retention keeps."""
        held = {}
        for target in self.good if len(self.targets) > 1 else []:
            try:
                held[target] = target.repository.snapshots()
            except TargetError as error:
                self.lose(target, error)
        union = {snapshot.key: snapshot for snapshots in held.values() for snapshot in snapshots}
        gone = {snapshot.key for snapshot in unwanted(
            sorted(union.values(), key=_by_age_of_run()), self.settings["retention"], self.started)}
        for target, mine in held.items():
            has = {snapshot.key for snapshot in mine}
            for other, theirs in held.items():
                lacking = [snapshot for snapshot in theirs if snapshot.key not in has | gone]
                if lacking and target.is_good and other.is_good:
                    self._copy(other, target, lacking)
                    has |= {snapshot.key for snapshot in lacking}

    def _copy(self, source, target, snapshots):
        begin = time.monotonic()
        try:
            added = sum(snapshot.added for snapshot in snapshots)
            self._have_space(target, added * self.settings["figures"]["stream_growth"])
            target.repository.copy_from(source.repository, snapshots)
        except TargetError as error:
            self.lose(target, error)
            return
        self._note("backup", f"copy to {target.name}", "", "ok", time.monotonic() - begin)

    def let_go(self):
        """Remove what retention does not keep, unless somebody reads it just now: the next backup does it then."""
        with held(self.settings, READING) as is_ours:
            if is_ours:
                self._let_go()
            else:
                self.say("a drill reads the targets: what is not kept any more goes with the next backup")

    def _let_go(self):
        for target in self.good:
            try:
                if target.repository.is_read_elsewhere():
                    self.say(f"a drill on another host reads the target {target.name}: what is not kept any more goes "
                             "with the next backup")
                    continue
                self._tell_since(self._let_go_in(target, self.is_full))
            except TargetError as error:
                self.lose(target, error)
        for path in self._let_go_copies() if not self.failures else []:
            self.say(f"removed {path}, which a restore had replaced")

    def _let_go_copies(self):
        yield from copies.let_go(self.settings, self.started)
        for store in self.settings.stores:
            if store["kind"] == "objects":
                try:
                    yield from (f"the bucket {name}" for name in kinds.of(store, self).let_go_copies(self.started))
                except SourceError as error:
                    self.warn(f"Copies of what a restore had replaced stay: {error}")

    def _let_go_in(self, target, is_pruned):
        """Remove from a target what retention does not keep; the snapshots that are left."""
        snapshots = target.repository.snapshots()
        for sentence in self._missing(target, snapshots):
            self.warn(sentence)
        gone = unwanted(snapshots, self.settings["retention"], self.started)
        target.repository.forget(gone)
        if is_pruned:
            target.repository.prune()
        left = [snapshot for snapshot in snapshots if snapshot not in gone]
        self._note_held(target, left)
        known = read_json(self.settings.path(KNOWN))
        write_json(self.settings.path(KNOWN), {**known, target.name: [snapshot.id for snapshot in left]})
        kept = [snapshot.run for snapshot in left if snapshot.part != RECORD]
        for store in self.settings.stores:
            if store["kind"] == "objects" and kept:
                target.mirror.retain(store["store"], min(kept))
        return left

    def _missing(self, target, snapshots):
        """Sentences on snapshots that a target held and holds no more, which nobody but a backup may remove."""
        there = {snapshot.id for snapshot in snapshots}
        gone = [name for name in read_json(self.settings.path(KNOWN)).get(target.name) or () if name not in there]
        if len(gone) > NAMED:
            return [f"Target {target.name}: {len(gone)} snapshots are missing, the oldest is {gone[0]}."]
        return [f"Target {target.name}: the snapshot {name} is missing." for name in gone]

    def _make_room(self, target):
        """Let go before a backup what would be let go after it: one that finds no room never comes to that."""
        if self.verb != "backup" or target.name in self._made_room:
            return
        self._made_room.add(target.name)
        with held(self.settings, READING) as is_ours:
            if is_ours and not target.repository.is_read_elsewhere():
                self.say(f"target {target.name}: there is little room; what is not kept any more goes now")
                self._let_go_in(target, True)

    def _tell_since(self, snapshots):
        """Note from when on the databases can be brought back."""
        for name, window in self.facts.get("restorable", {}).items():
            found = points.intervals(points.windows(snapshots, name))
            if found and "from" not in window:
                window["from"] = moment(found[0][0])

    def keep_record(self, record):
        """Keep the record of this run in every target, where it can be read when this host is gone."""
        if not self._has_looked or self.verb == "cut" and not any(
                "target" in step or step.get("added") for step in self.steps):
            return
        path = self.settings.path("records", record["stamp"] + ".json")
        stream = Stream(self.stamp, RECORDS, RECORD, RECORD_FILE, verb=record["verb"], state=record["state"],
                        level=record.get("level"))
        for target in self.good:
            if any((snapshot.part, snapshot.run) == (RECORD, self.stamp) for snapshot in target.snapshots):
                continue
            try:
                target.repository.keep(
                    stream, lambda pipe: self.engine.hand_on(path, pipe.path), lambda done: None)
            except BackupError as error:
                # It stays on this host, and the next run copies what a target lacks.
                self.say(f"the record was not kept in the target {target.name}: {error}")

    # -- Asked --------------------------------------------------------------------------------------------------------

    def listed(self):
        """The targets, with the snapshots of those that can be read."""
        with contextlib.suppress(TargetError):
            self.look_at_targets()
        return self.targets

    def list_objects(self):
        """Ask the targets which states of objects they hold, and how much room they have."""
        for target in self.good:
            try:
                for store in self.settings.stores:
                    if store["kind"] == "objects":
                        target.objects[store["store"]] = target.mirror.stamps(store["store"])[0]
                if target.directory:
                    target.free = places.free(target.directory)
            except (TargetError, OSError) as error:
                self.lose(target, error)

    def records(self):
        """The newest records of each kind and state that a target holds, oldest first, for a host that knows none."""
        for target in self.good:
            newest = {(snapshot.pairs.get("verb"), snapshot.pairs.get("state")): snapshot
                      for snapshot in target.snapshots if snapshot.part == RECORD}
            with contextlib.suppress(TargetError, ValueError):
                found = [json.loads(target.repository.read(snapshot)) for snapshot in newest.values()]
                if found:
                    key = by_age(time.time())
                    return sorted(found, key=lambda record: key(record["stamp"]))
        return []

    def take_over_drills(self):
        """Take down the newest drill in the targets, where it was made elsewhere and is not known here: [record]."""
        # What is of the future, by a clock that was ahead, hides nothing.
        now = time.time()
        age = by_age(now)
        known = max((age(record.get("origin") or record["stamp"]) for record in records.read(self.settings, now)
                     if record["verb"] == DRILL), default=age(""))
        found = [(snapshot.run, target, snapshot) for target in self.good for snapshot in target.snapshots
                 if snapshot.part == RECORD and snapshot.pairs.get("verb") == DRILL and age(snapshot.run) > known]
        try:
            for _run, target, snapshot in sorted(found, key=lambda entry: age(entry[0]))[-1:]:
                record = records.adopt(self.settings, json.loads(target.repository.read(snapshot)), now)
                self.say("learned of the drill of {started} on {host}: {state}".format(
                    host=(record.get("drill") or {}).get("host", "another host"), **record))
                return [record]
        except (BackupError, ValueError, KeyError) as error:
            self.say(f"the record of a drill that was made elsewhere cannot be read: {error}")
        return []

    def check(self, part):
        """Read what the targets hold; a sentence for whatever is damaged, missing or too much.

        part: "2/7" reads every seventh file of a repository and every seventh object, another one than each other
        part, and compares names and sizes of all of them. None reads all.
        """
        self.look_at_targets()
        found = []
        for target in self.good:
            try:
                found += [*target.repository.check(part), *self._missing(target, target.snapshots)]
                for store in self.settings.stores:
                    if store["kind"] == "objects":
                        told = target.mirror.verify(store["store"], part)
                        found += [f"Target {target.name}: the object {name} is {how}." for how, names in (
                            ("damaged", told["damaged"]), ("missing", told["missing"]), ("too much", told["extra"]))
                            for name in names]
            except TargetError as error:
                self.lose(target, error)
        return [target.because for target in self.targets if target.because] + found

    def stopped(self, error):
        """Note what ended the run before its end, unless that is known."""
        if str(error) not in " ".join(self.failures):
            self._note("backup", self.verb, "", "failed", 0, because=str(error))

    # -- Steps --------------------------------------------------------------------------------------------------------

    def _step(self, stream, store):
        begin, first = time.monotonic(), True
        for target in self.good:
            try:
                told = store(target)
            except TargetError as error:
                self.lose(target, error)
                first = False
                continue
            self._note(
                stream.store, _title(stream), stream.file, "ok", time.monotonic() - begin,
                bytes=told.get("total_bytes_processed", 0), added=told.get("data_added_packed", 0),
                target=target.name, **({} if first else {"instead": True}))
            return told
        self._note(stream.store, _title(stream), stream.file, "failed", time.monotonic() - begin)
        return self._need_target()

    def _note(self, store, name, file, state, seconds, **more):
        self.steps.append(dict(
            service=store, name=name, file=file, state=state, seconds=round(seconds, 1), **more))
        if state == "ok":
            amount = " {} ({} new)".format(size(more["bytes"]), size(more.get("added", 0))) if more.get("bytes") else ""
            self.say(f"{store}: {name}: {duration(seconds)}{amount}")

    @staticmethod
    def _last_size(target, stream):
        wanted = [tag for tag in stream.tags if tag.split("=")[0] in ("store", "part", "level", "database")]
        sizes = [snapshot.bytes for snapshot in target.snapshots if set(wanted) <= set(snapshot.tags)]
        return sizes[-1] if sizes else 0

    def _have_space(self, target, needed):
        """Raises TargetError where the disk of a target has not the room for so many bytes."""
        if not target.directory:
            return
        left = self.settings.left_free
        if places.free(target.directory) < needed + left:
            self._make_room(target)
        free = places.free(target.directory)
        if free < needed + left:
            raise TargetError(
                f"Target {target.name}: {size(free)} are free in {target.directory}, {size(needed)} are needed and "
                f"{size(left)} left alone. Give it a larger disk, or lower backup_retention.")

    def told(self):
        """What the record of the run tells besides."""
        bytes_of = {"objects": 0, "others": 0}
        for step in self.steps:
            bytes_of["objects" if "objects" in step else "others"] += step.get("bytes", 0)
        return {
            "level": "full" if self.is_full else "incremental", "steps": self.steps, "warnings": self.warnings,
            "bytes": bytes_of["others"], "objects_bytes": bytes_of["objects"], "because": " ".join(self.failures),
            "place": ", ".join(target.name for target in self.good), "restorable": self.facts.get("restorable", {}),
            "checked": "each stream to its end, with the exit code of its reader",
            "targets": [
                {"name": target.name, "state": "ok" if target.is_good else "failed", "because": target.because}
                for target in self.targets],
            "stores": [self._store_told(store) for store in self.settings.stores],
        }

    def _store_told(self, store):
        steps = [step for step in self.steps if step["service"] == store["store"]]
        state = "failed" if any(step["state"] == "failed" for step in steps) else "ok" if steps else "skipped"
        return {
            "name": store["store"], "title": store["title"], "state": state,
            "bytes": sum(step.get("bytes", 0) for step in steps), "seconds": sum(step["seconds"] for step in steps),
            "restorable": self.facts.get("restorable", {}).get(store["store"], {"to": moment(self.started)})}

    @property
    def failures(self):
        """Why the run is no good one; nothing where it is."""
        failed = [step.get("because") or f"{step['name']} failed." for step in self.steps if step["state"] == "failed"]
        return failed + [target.because for target in self.targets if target.because and target.because not in failed]


def _has(target, store, part, run):
    return any((snapshot.store, snapshot.part, snapshot.run) == (store, part, run) for snapshot in target.snapshots)


def _by_age_of_run():
    key = by_age(time.time())
    return lambda snapshot: key(snapshot.run)


def unwanted(snapshots, policy, now):
    """Snapshots that retention does not keep, of one repository.

    Each kind of file of each store is a series of points of its own; the log of a database follows its bases, and a
    record its run.
    """
    series = {}
    for snapshot in snapshots:
        series.setdefault((snapshot.store, snapshot.part, snapshot.file), []).append(snapshot)
    kept, gone, windows = {}, [], {}
    for (store, part, _file), those in series.items():
        if part in (WAL, RECORD):
            continue
        of_series = [_point(snapshot) for snapshot in those]
        decision = retention.decide(of_series, policy, now)
        since = _window_begin(of_series, decision, policy)
        if part == BASE and since:
            # Of these days any moment is wanted: one that was made by hand at noon does not stand for the night.
            of_series = [dataclasses.replace(point, pinned=point.stamp >= since or point.pinned)
                         for point in of_series]
            decision = retention.decide(of_series, policy, now)
        stamps = {point.stamp for point in decision.keep}
        if part == BASE:
            kept[store] = stamps
            # Where no days are kept, no moments between the points are, either.
            windows[store] = [stamp for stamp in stamps if since and stamp >= since]
        gone += [snapshot for snapshot in those if snapshot.run not in stamps]
    for (store, part, _file), those in series.items():
        if part == WAL:
            wals = [retention.Wal(snapshot.run, snapshot.pairs.get("base", "")) for snapshot in those]
            keep, _let_go = retention.wal_epochs(kept.get(store, set()), windows.get(store, []), wals, now)
            gone += [snapshot for snapshot, wal in zip(those, wals) if wal not in keep]
    told = [snapshot for snapshot in snapshots if snapshot.part == RECORD]
    runs = {snapshot.run for snapshot in snapshots if snapshot.part != RECORD and snapshot not in gone}
    # Of a run that failed, and of a drill, there may be nothing else.
    since = stamp_of(now - policy["daily"] * DAY)
    drills = [snapshot.run for snapshot in told if snapshot.pairs.get("verb") == DRILL]
    return gone + [snapshot for snapshot in told[:-1] if snapshot.run not in runs and snapshot.run not in drills[-1:]
                   and not (snapshot.pairs.get("verb") in ("backup", DRILL) and snapshot.run >= since)]


def _window_begin(of_series, decision, policy):
    """Stamp from which on any moment is wanted; "" where no days are counted.

    While there are fewer days than are kept, all of the first one is wanted, too.
    """
    if not decision.window:
        return ""
    return decision.window[0] if len(decision.window) >= policy["daily"] else min(point.stamp for point in of_series)


def _point(snapshot):
    return retention.Point(
        snapshot.run, after=snapshot.after, pinned="pinned" in snapshot.pairs, cut="cut" in snapshot.pairs)


def _title(stream):
    pairs = dict(tag.partition("=")[::2] for tag in stream.tags)
    words = [pairs.get("level"), stream.part, pairs.get("database")]
    return " ".join(word for word in words if word)


def _left(done, total, begin):
    """How much there is to do and for how long, where the last time tells."""
    if not total or not done or done >= total:
        return ""
    return f" of about {size(total)}, {duration((total - done) / done * (time.monotonic() - begin))} left"


def _summary(lines):
    for line in reversed(lines):
        with contextlib.suppress(ValueError):
            told = json.loads(line)
            if told.get("message_type") == "summary":
                return told
    return {}


@contextlib.contextmanager
def alone(settings, verb="", seconds=0):
    """One run at a time, whoever started it. Raises Busy where another is at work.

    seconds: how long a small one, or a check, is waited for.
    """
    deadline, is_told = time.monotonic() + seconds, False
    with open(settings.path("runs.lock"), "a+", encoding="utf-8") as lock:
        while not _lock(lock):
            lock.seek(0)
            other = lock.read()
            if other not in SMALL or time.monotonic() >= deadline:
                who = HOLDERS.get(other, "Another backup")
                raise Busy(f"{who} is at work; this one gives way to it.", other)
            if not is_told:
                print(f"It waits for the {SMALL[other]} that is at work.", flush=True)
                is_told = True
            time.sleep(1)
        lock.truncate(0)
        lock.write(verb)
        lock.flush()
        yield


@contextlib.contextmanager
def held(settings, name):
    """Hold a lock of this name, unless somebody else does; whether it is ours."""
    with open(settings.path(name), "a+", encoding="utf-8") as lock:
        yield _lock(lock)


@contextlib.contextmanager
def reading(settings, seconds):
    """Have nothing removed from the targets meanwhile; backups go on. Raises Busy where somebody removes so long."""
    deadline = time.monotonic() + seconds
    with open(settings.path(READING), "a+", encoding="utf-8") as lock:
        while not _lock(lock):
            if time.monotonic() >= deadline:
                raise Busy("A backup removes what is not kept any more, and does not end.")
            time.sleep(1)
        yield


def _lock(file):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
