# Managed by trenova.selfhost.
"""The objects in one target: brought up to date, let go of, brought back, and proved."""

from __future__ import annotations

import contextlib
import json
import os
import time
import zlib

from trenova_backup import allowed, files
from trenova_backup.errors import BackupError, SourceError, TargetError
from trenova_backup.mirror import clock
from trenova_backup.mirror.lists import (
    LOST,
    NONE,
    OTHER,
    Place,
    aside,
    chunks,
    is_bucket,
    is_version,
    md5_of,
    pairs,
    path_of,
    placed,
    reaching_back,
    read,
    rebuilt,
    size_of,
    sort,
    split,
    unlisted,
    versions,
    with_gone,
    within,
)
from trenova_backup.mirror.names import FILE_NAME_BYTES, NAME_BYTES, upload_headers
from trenova_backup.mirror.steps import BEGIN, JOB, KEYS, SCRIPTS, request
from trenova_backup.mirror.sync import BATCH_OBJECTS, Sync
from trenova_backup.mirror.work import Work
from trenova_backup.words import cleaned

MD5_LENGTH = 32
#: By how much the clock of a source may be ahead of the host's.
CLOCK_SECONDS = 2


class Mirror:
    """The objects in one target."""

    def __init__(self, target, engine, settings):
        self.name, self._engine, self.settings = target["name"], engine, settings
        self.part_bytes, self.name_bytes = NAME_BYTES.get(target.get("kind"), FILE_NAME_BYTES)

    # -- Steps in containers ------------------------------------------------------------------------------------------

    def place(self, store):
        """Where rclone finds what is kept of a store."""
        return f"objects-{self.name}:{store}"

    def _process(self, name, *words, read_lines=None):
        return self._engine.run(
            JOB, ["sh", KEYS, "bash", "-c", BEGIN + SCRIPTS[name], name, *words], read_lines=read_lines)

    def step(self, name, *words, error=TargetError, read_lines=None):
        """Run a step; its lines. Raises `error` where it fails."""
        process = self._process(name, *words, read_lines=read_lines)
        if process.code:
            raise error(self.sentence(error, process.said))
        return process.lines

    def sentence(self, error, said):
        """What went wrong, as a sentence."""
        what = f"Target {self.name}" if error is TargetError else "The objects cannot be read"
        return f"{what}: {cleaned(said)}."

    def stamps(self, store):
        """({stamps of the lists}, {names of `replaced`}) in the target, sorted."""
        lines = [line.rstrip("/").partition(" ")[::2] for line in self.step("stamps", self.place(store))]
        return tuple(sorted(name for kind, name in lines if kind == wanted and not name.endswith(".part"))
                     for wanted in ("list", "replaced"))

    # -- Sync ---------------------------------------------------------------------------------------------------------

    def sync(self, store, stamp, tell=lambda done, total: None, need_space=lambda needed: None):
        """Bring the target to what the store holds now; what happened, as a dict.

        need_space: raises TargetError where the target has not the room for so many bytes. Raises SourceError,
        TargetError, and BackupError where so much is gone that somebody has to look. What was kept by then stays kept,
        and the next sync goes on from there.
        """
        started = time.monotonic()
        work = Work(self.settings.path("objects"), self.name, store)
        try:
            lists, replaced = self._redated(store, stamp)
            known = self._known(store, work, lists, replaced)
            listed = files.moment(time.time() - CLOCK_SECONDS)
            self.step("source", f"store-{store}:", work.inside("source"), error=SourceError)
            sort(work.path("source"))
            run = Sync(self, store, work, aside(stamp, replaced), listed, tell)
            run.run(known, need_space)
            if run.is_changed or not lists or work.is_unlisted:
                self._commit(store, work, stamp)
            run.raise_errors()
            return dict(run.result, seconds=time.monotonic() - started)
        finally:
            work.tidy()

    def _redated(self, store, stamp):
        """Names of lists and of `replaced`, as `stamps` has them, of which none is later than a stamp.

        What a clock that was ahead has dated later is renamed to the seconds just before. Its order stays, and of each
        sync what it replaced goes first: cut off there, it looks like one that was interrupted before its list, and the
        rest follows. Raises BackupError where the clock may be behind, as that would give good lists a wrong time.
        """
        lists, replaced = self.stamps(store)
        length = len(stamp)
        times = sorted({name[:length] for name in [*lists, *replaced]})
        ahead = [when for when in times if when > stamp]
        if not ahead:
            return lists, replaced
        past, first = times[:-len(ahead)], files.seconds_of(stamp) - len(ahead)
        is_right = allowed.has(self.settings, allowed.CLOCK) or past and clock.is_synchronized()
        if not is_right or past and files.stamp_of(first) <= past[-1]:
            raise BackupError(
                f"Target {self.name} holds objects of {ahead[-1]}, which is later than now: set the clock. If it is "
                f"right, and was ahead then, {allowed.hint(allowed.CLOCK)}")
        new = {when: files.stamp_of(first + number) for number, when in enumerate(ahead)}
        words = []
        for when in ahead:
            for directory, names in (("replaced/", replaced), ("lists/", lists)):
                words += [directory + word for name in names if name[:length] == when
                          for word in (name, new[when] + name[length:])]
        self.step("rename", self.place(store), *words)
        return tuple([new.get(name[:length], name[:length]) + name[length:] for name in names]
                     for names in (lists, replaced))

    def _known(self, store, work, lists, replaced):
        """Path of the list of what `current` holds, with what an interrupted sync knew."""
        base = lists[-1] if lists else NONE
        if work.base != base:
            self._rebuild(store, work, base, replaced)
        if os.path.exists(work.journal):
            work.note_unlisted()
            # In place of the old one at once, or a kill between the two would need both.
            work.merge(work.path("merged"))
            os.replace(work.path("merged"), work.list)
            os.unlink(work.journal)
        return work.list

    def _rebuild(self, store, work, base, replaced):
        """Make the host's list from what the target holds."""
        work.forget()
        if base == NONE:
            work.empty("told")
        else:
            self.step("get-list", self.place(store), base, work.inside("told"))
        later = ["replaced/" + name for name in replaced if name[:len(base)] > base or base == NONE]
        self.step("held", self.place(store), work.inside("held"), "current", *later)
        sort(work.path("held"))
        work.use(base)
        work.note_unlisted()
        with work.write("list-" + base) as stream:
            for line in rebuilt(read(work.path("told")), read(work.path("held"))):
                stream.write(line + "\n")

    def _commit(self, store, work, stamp):
        """Make what the journal knows the list, in the target first: what only the host knew would count as unknown."""
        work.merge(work.path("next"))
        self.step("put-list", work.inside("next"), self.place(store), stamp)
        old = [work.list, work.journal]
        os.replace(work.path("next"), work.path("list-" + stamp))
        work.use(stamp)
        for path in old:
            if path != work.list:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(work.journal)

    # -- Retention ----------------------------------------------------------------------------------------------------

    def retain(self, store, oldest_stamp):
        """Let go of what no restore point from `oldest_stamp` on needs; the names of what went.

        The oldest restore point reads the newest list up to it, the one before that, and what was replaced since.
        """
        lists, replaced = self.stamps(store)
        oldest = reaching_back([name for name in lists if name <= oldest_stamp], oldest_stamp)
        if not oldest:
            return []
        # Lists first: a version that no list leads to goes the next time, and a list without its versions would lie.
        gone = ["lists/" + name for name in lists if name < oldest[-1]]
        gone += ["replaced/" + name for name in replaced if name[:len(oldest[-1])] <= oldest[-1]]
        if gone:
            self.step("purge", self.place(store), *gone)
        return gone

    # -- Restore ------------------------------------------------------------------------------------------------------

    def state_at(self, store, stamp=None, stamps=None, since=None):
        """What the store held at a moment, at the last sync by default, and where each object lies: a State.

        It needs the target alone. stamps: the target's, where they are known. since: from when on rows may be that
        come back as well: what was there then, and was deleted before the store was listed, is taken, too. Raises
        BackupError where the target does not go back so far.
        """
        work = Work(self.settings.path("objects"), self.name, store)
        lists, replaced = stamps or self.stamps(store)
        is_newest = stamp is None
        stamp = stamp or (lists[-1] if lists else files.stamp_of(time.time()))
        before, after = [name for name in lists if name <= stamp], [name for name in lists if name > stamp]
        if not before:
            since = f"the first one is of {lists[0]}" if lists else "there are none at all"
            raise BackupError(f"Target {self.name} holds no objects of {store} at {stamp}: {since}.")
        for name, listed in (("before", before[-1:]), ("after", after[:1])):
            if listed:
                self.step("get-list", self.place(store), listed[0], work.inside(name))
            else:
                work.empty(name)
        older = reaching_back(before, since) if since else []
        for name in older:
            self.step("get-list", self.place(store), name, work.inside("older-" + name))
        oldest = older[-1] if older else before[-1]
        later = ["replaced/" + name for name in replaced if name[:len(oldest)] > oldest]
        self.step("held", self.place(store), work.inside("held"), "current", *later)
        sort(work.path("held"))
        state = State(work, before[-1], not after)
        until = files.moment(files.seconds_of(stamp))[:-1] + ".999"
        chosen = versions(
            read(work.path("before")), before[-1], read(work.path("after")), after[0] if after else "", until)
        chosen = with_gone(
            chosen, [(read(work.path("older-" + name)), name) for name in older], None if is_newest else until)
        with work.write("state") as stream:
            for place, line, listed in placed(chosen, read(work.path("held"))):
                # Nobody misses what had gone before, and is not kept any more.
                if place or listed not in older:
                    stream.write(f"{line}\t{place}\n")
        state.count()
        return state

    def compare(self, state, remote):
        """What a remote holds of a state, and what that would write over or add: a Comparison."""
        work = state.work
        self.step("live", remote, work.inside("live"), error=SourceError)
        sort(work.path("live"))
        return Comparison(read(work.path("state")), read(work.path("live")))

    def keep_live(self, state, remote, bucket, need_space):
        """Copy the objects of a remote that a state would write over with other content into a bucket of its own.

        Whether there are any. need_space: raises BackupError where there is no room for so many bytes.
        """
        found = self.compare(state, remote)
        if found.over:
            need_space(found.over_bytes)
            state.work.write_names("over", found.over)
            self.step("keep-live", remote, bucket, state.work.inside("over"), error=SourceError)
        return bool(found.over)

    def buckets(self, remote):
        """Names of the buckets of a remote."""
        return [line.rstrip("/") for line in self.step("buckets", remote, error=SourceError)]

    def purge_live(self, remote, names):
        """Remove buckets of a remote with all that they hold."""
        self.step("purge-live", remote, *names, error=SourceError)

    def bring_back(self, store, state, remote, only=None, into=None, tell=lambda done, total: None):
        """Write what the store held at a moment into a remote ("store-objects:"); what happened, as a dict.

        state: of that moment, as the target has told it; it is gone afterwards.
        only: "bucket", "bucket/key" or all below "bucket/prefix". into: "bucket" or "bucket/prefix", which takes the
        place of the bucket's name. Objects of the remote that the state does not name stay. missing: what the target
        should hold and does not. Where all of it was wished, compared: how many came back with the size that they had,
        by_md5: of how many the MD5 is the same, too, unlike: those of which it is another one. Raises TargetError with
        the first object that failed, SourceError with the first that is not there as it was.
        """
        started = time.monotonic()
        work, chosen = state.work, [entry for entry in state.buckets if within(entry, only)]
        result = {"objects": 0, "bytes": 0, "missing": [], "failed": [], "stamp": state.stamp}
        try:
            buckets = {into.partition("/")[0]} if into else set(chosen)
            made = set()
            total = sum(size for path, size, _n, _n, place in state.entries() if within(path, only) and place)
            done = [0]
            for group in chunks((entry for entry in state.entries() if within(entry[0], only)), BATCH_OBJECTS):
                buckets |= set() if into else {entry[0].partition("/")[0] for entry in group} - made
                self._write(store, work, remote, buckets, group, into, result, done, lambda: tell(done[0], total))
                made, buckets = made | buckets, set()
            if buckets:
                self._write(store, work, remote, buckets, [], into, result, done, tell)
            if result["failed"]:
                name, why = result["failed"][0]
                raise TargetError(f"Target {self.name}: {len(result['failed'])} objects could not be brought back, the "
                                  f"first one is {name}: {cleaned(why)}.")
            if only and not result["objects"] and not chosen:
                raise BackupError(f"{store} held no {only} at {state.stamp}.")
            if not only:
                result.update(self._proved(store, state, remote))
            return dict(result, seconds=time.monotonic() - started)
        finally:
            work.tidy()

    def _proved(self, store, state, remote):
        """{compared, by_md5, unlike} of a state that was brought back. Raises SourceError where it is not there."""
        found = self.compare(state, remote)
        wrong = [*found.lacking, *found.other_sizes]
        if wrong:
            raise SourceError(f"{store} does not hold {len(wrong)} objects as they were written, the first one is "
                              f"{wrong[0]}.")
        return {"compared": found.objects, "by_md5": found.by_md5, "unlike": found.unlike}

    def _write(self, store, work, remote, buckets, group, into, result, done, tell):
        """Make buckets that are not there, and write a group of entries of a state into a remote."""
        wanted = {}
        work.write_names("buckets", sorted(buckets))
        with work.write("requests") as stream:
            for number, (path, size, _n, metadata, place) in enumerate(group):
                if not place:
                    result["missing"].append(path)
                    continue
                name = f"{into.rstrip('/')}/{path.partition('/')[2]}" if into else path
                stream.write("next\n" if wanted else "")
                wanted[number] = (path, name, size)
                stream.write(request(number, {
                    "srcFs": f"{self.place(store)}/{place}", "srcRemote": path, "dstFs": remote, "dstRemote": name,
                    "_config": {"NoCheckDest": True, "UploadHeaders": upload_headers(metadata)}}))
        failed = {}

        def read_line(line):
            if line.startswith("!"):
                failed.update([json.loads(line[1:])])
                return
            code, _n, number = line.partition(" ")
            if number.isdigit() and int(number) in wanted:
                path, name, size = wanted[int(number)]
                if code == "200":
                    result["objects"] += 1
                    result["bytes"] += size
                    done[0] += size
                    del wanted[int(number)]
                    tell()

        if wanted or buckets:
            self.step("write", remote, work.inside("buckets"), *([work.inside("requests")] if wanted else []),
                      read_lines=read_line)
        result["failed"] += [(path, failed.get(name, "there was no answer")) for path, name, _n in wanted.values()]

    # -- Proof --------------------------------------------------------------------------------------------------------

    def verify(self, store, share=None, stamp=None, tell=lambda done, total: None):
        """Read what the target holds of a moment, the last sync by default, and compare it with its list; a dict.

        share: "2/7" reads the second seventh of the objects, and lists all. damaged, missing, extra: names. What is
        damaged or missing in `current` is copied again by the next sync.
        """
        started = time.monotonic()
        state = self.state_at(store, stamp)
        work = state.work
        part, of = (int(number) for number in (share or "1/1").split("/"))
        damaged, missing, learned, read_objects, read_bytes = {}, {}, {}, 0, 0
        try:
            by_place = {}
            for path, size, md5, _n, place in state.entries():
                if not place:
                    missing[path] = "current"
                elif md5 == OTHER:
                    continue
                elif place.held != size:
                    damaged[path] = str(place)
                elif zlib.crc32(path.encode()) % of == part - 1:
                    by_place.setdefault(str(place), []).append((path, size, md5))
                    if len(by_place[str(place)]) >= BATCH_OBJECTS:
                        damaged.update(self._damaged(store, work, str(place), by_place.pop(str(place)), learned))
                    read_objects, read_bytes = read_objects + 1, read_bytes + size
                    tell(read_bytes, state.bytes)
            for place, entries in by_place.items():
                damaged.update(self._damaged(store, work, place, entries, learned))
            extra = list(unlisted(read(work.path("before")), read(work.path("held"))))
            if state.is_newest and work.base == state.stamp:
                work.mark(learned)
                work.mark({path: LOST for path, place in [*damaged.items(), *missing.items()] if place == "current"})
            return {"objects": state.objects, "bytes": state.bytes, "read": read_objects, "read_bytes": read_bytes,
                    "damaged": sorted(damaged), "missing": sorted(missing), "extra": extra,
                    "seconds": time.monotonic() - started}
        finally:
            work.tidy()

    def _damaged(self, store, work, place, entries, learned):
        """{path: place} of entries whose content is not what it was; learned gets the MD5 of those that had none."""
        work.write_names("files", [path for path, _n, _n in entries])
        with contextlib.suppress(FileNotFoundError):
            os.unlink(work.path("hashes"))
        process = self._process("hash", f"{self.place(store)}/{place}", work.inside("files"), work.inside("hashes"))
        hashes = dict(fields[:2] for fields in map(split, read(work.path("hashes"))))
        if process.code and not hashes:
            raise TargetError(self.sentence(TargetError, process.said))
        # Each block of a file proves itself when it is decrypted; without an MD5 that and its size are the proof.
        damaged = {path: place for path, _n, md5 in entries
                   if len(hashes.get(path, "")) != 32 or (md5 not in ("", LOST) and hashes[path] != md5)}
        learned.update({path: hashes[path] for path, _n, md5 in entries
                        if not md5 and place == "current" and path not in damaged})
        return damaged


class Comparison:
    """A state against what a store holds now, as two sorted lists.

    objects: of the state, that a target holds. lacking: paths that the store does not have. other_sizes, unlike: those
    of which it has another size, or another MD5. by_md5: how many have the same one. over: what would be lost if the
    state were written, as it is another one or nobody can tell, and over_bytes. new_bytes: what would be written for
    all that is not known to be the same.
    """

    def __init__(self, state, live):
        self.objects = self.by_md5 = self.over_bytes = self.new_bytes = 0
        self.lacking, self.other_sizes, self.unlike, self.over = [], [], [], []
        for line, now in pairs(state, live):
            if line and not is_bucket(line) and line.split("\t")[5]:
                self._compare(line, now)

    def _compare(self, line, now):
        path = path_of(line)
        self.objects += 1
        if not now:
            self.lacking.append(path)
            self.new_bytes += size_of(line)
            return
        is_known = len(md5_of(line)) == len(md5_of(now)) == MD5_LENGTH
        if is_known and md5_of(line) == md5_of(now):
            self.by_md5 += 1
            return
        if size_of(line) != size_of(now):
            if md5_of(line) != OTHER:
                self.other_sizes.append(path)
        elif is_known:
            self.unlike.append(path)
        elif is_version(now, line):
            return
        self.over.append(path)
        self.over_bytes += size_of(now)
        self.new_bytes += size_of(line)


class State:
    """What a store held at a moment, and where it lies."""

    def __init__(self, work, stamp, is_newest):
        self.work, self.stamp, self.is_newest = work, stamp, is_newest
        self.objects, self.bytes, self.buckets = 0, 0, []

    def count(self):
        """Count what there is."""
        for _n, size, _n, _n, place in self.entries():
            self.objects += bool(place)
            self.bytes += size if place else 0
        self.buckets = [path_of(line)[:-1] for line in read(self.work.path("state")) if is_bucket(line)]

    def bytes_of(self, only):
        """Bytes of a bucket, or of objects of one, that the target holds."""
        return sum(size for path, size, _n, _n, place in self.entries() if place and within(path, only))

    def entries(self):
        """(path, bytes, MD5 or mark, headers, Place or None where the target has it not) of all objects, by path."""
        for line in read(self.work.path("state")):
            if not is_bucket(line):
                key, size, _n, md5, metadata, place = line.split("\t")
                name, _n, held = place.partition(" ")
                yield json.loads(key), int(size), md5, json.loads(metadata), Place(name, held) if name else None
