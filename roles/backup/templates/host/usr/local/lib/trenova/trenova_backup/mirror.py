# Managed by trenova.selfhost.
"""The objects of an S3 store in a target, encrypted, each version as long as a restore point wants it.

    <target>/<store>/current/<bucket>/<key>             what the store held at the last sync
    <target>/<store>/replaced/<stamp>/<bucket>/<key>    what the sync of that stamp found replaced or deleted
    <target>/<store>/lists/<stamp>                      what `current` held after it

The version of an object at T is that of the newest list up to T, and lies in the oldest `replaced` after that list, or
in `current`. Nothing is ever deleted but by `retain`.

A line of a list is a path as JSON, its size in bytes, its time in the source, its MD5 and its headers as JSON, between
tabs; lists are sorted by path, so that two of them compare as streams, whatever the number of objects. In place of the
MD5:

    (nothing)  the source knows none: an upload in parts
    ?          what `current` holds here, if anything, is not known; no restore takes it, a sync moves it aside
    ~          `current` holds this object as it was while it was overwritten; a sync moves it aside
    !          `current` should hold this version and does not; a sync copies it again
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import subprocess
import time
import zlib

from trenova_backup import files
from trenova_backup.errors import BackupError, SourceError, TargetError
from trenova_backup.words import cleaned, message

JOB = "backup-objects"
#: Gives a command the keys of the target's remote.
KEYS = "/run/trenova/config/objects.sh"
#: Where the job sees settings.path("objects").
INSIDE = "/objects"
#: What a kill can make a sync do again.
BATCH_OBJECTS, BATCH_BYTES = 5000, 4 * 10**9
#: Fewer objects may all vanish: a new installation is tidied up.
GUARD_OBJECTS = 20
UNKNOWN, OTHER, LOST = "?", "~", "!"
#: By how much the clock of a source may be ahead of the host's.
CLOCK_SECONDS = 2
#: A list before the first one.
NONE = "0"
#: Bytes of a part of an encrypted name and of all of it, by the kind of target. S3 knows no parts.
NAME_BYTES = {"s3": (None, 850)}
FILE_NAME_BYTES = (255, 3800)
#: Reasons of targets that no other attempt helps.
TOO_LONG = re.compile("name too long|KeyTooLong|InvalidObjectName|unsupported characters", re.IGNORECASE)
IN_THE_WAY = re.compile("is a directory|not a directory|ParentIsObject|ExistsAsDirectory", re.IGNORECASE)
#: rclone reads these as headers; all others are the user's.
HEADERS = {"cache-control", "content-disposition", "content-encoding", "content-language", "content-type"}
#: What rclone tells beside headers: of the source, not of the object.
NOT_HEADERS = {"btime", "tier"}

# One script a step, as a container costs a second. $0 is the step's name.
BEGIN = r"""set -euo pipefail
# Of S3, each of these tries as often again.
export RCLONE_RETRIES=1 RCLONE_LOW_LEVEL_RETRIES=2 RCLONE_CONTIMEOUT=15s RCLONE_TIMEOUT=2m
export RCLONE_USE_SERVER_MODTIME=true RCLONE_BUFFER_SIZE=1M RCLONE_NO_TRAVERSE=true
lines() { sed -n -e 's/,$//' -e '/^{/p'; }
# The first question: a name that nobody knows any more costs many times the patience of a resolver.
asked() {
    local code=0
    timeout 60 "$@" || code=$?
    [ "$code" != 124 ] || echo "it does not answer within 60 s" >&2
    return "$code"
}
# What is not there is empty.
if_there() {
    local code=0
    "$@" 2>/tmp/why || code=$?
    [ "$code" = 0 ] || [ "$code" = 3 ] || { cat /tmp/why >&2; exit "$code"; }
}
# SOURCE FILES RESULT: one request an object, which costs less than the copy.
look() {
    rclone lsjson -R -M --hash --files-only --no-mimetype --files-from-raw "$2" "$1" | lines |
        jq -r '"\(.Path | tojson)\t\(.Size)\t\(.ModTime[:23])\t\(.Hashes.md5 // "")\t\(.Metadata // {} | tojson)"' >"$3"
}
"""
SCRIPTS = {
    # TARGET
    "stamps": r"""
if_there asked rclone lsf --files-only "$1/lists" | sed 's/^/list /'
if_there asked rclone lsf --dirs-only "$1/replaced" | sed 's/^/replaced /'
""",
    # SOURCE FILE
    "source": r"""
{ asked rclone lsjson --dirs-only --no-mimetype "$1" | lines | jq -r '"\(.Path + "/" | tojson)\t0\t\(.ModTime[:23])"'
  rclone lsjson -R --files-only --no-mimetype --fast-list "$1" | lines |
      jq -r '"\(.Path | tojson)\t\(.Size)\t\(.ModTime[:23])"'
} >"$2"
""",
    # TARGET FILE PLACE...
    "held": r"""
target=$1 file=$2; shift 2
for place; do
    if_there rclone lsjson -R --files-only --no-mimetype --no-modtime --fast-list "$target/$place" | lines |
        jq -r --arg place "${place#replaced/}" '"\(.Path | tojson)\t\($place)\t\(.Size)"'
done >"$file"
""",
    # SOURCE FILES RESULT
    "look": r"""
look "$@"
""",
    # SOURCE TARGET REPLACED MOVE COPY RESULT TIDY
    "batch": r"""
say() { local what=$1 code=0; shift; "$@" 2>&1 || code=$?; echo "@$what $code"; [ "$code" = 0 ]; }
[ ! -s "$4" ] ||
    say move rclone move --use-json-log --stats 0 --files-from-raw "$4" "$2/current" "$2/replaced/$3" || exit 0
# Directories that were emptied can stand where an object wants to be.
[ -z "$7" ] || rclone rmdirs --leave-root "$2/current" || :
[ -s "$5" ] || exit 0
say copy rclone copy --use-json-log --stats 5s --stats-log-level NOTICE --no-check-dest --files-from-raw "$5" \
    "$1" "$2/current" || :
say look look "$1" "$5" "$6" || :
""",
    # FILE TARGET STAMP
    "put-list": r"""
zstd -q -f "$1" -o "$1.zst"
rclone copyto "$1.zst" "$2/lists/$3.part"
rclone moveto "$2/lists/$3.part" "$2/lists/$3"
rm "$1.zst"
""",
    # TARGET STAMP FILE
    "get-list": r"""
rclone cat "$1/lists/$2" | zstd -q -d >"$3"
""",
    # TARGET NAME...
    "purge": r"""
target=$1; shift
for name; do
    case $name in lists/*) rclone deletefile "$target/$name" ;; *) rclone purge "$target/$name" ;; esac
done
""",
    # PLACE FILES RESULT
    "hash": r"""
rclone hashsum md5 --download --files-from-raw "$2" "$1" |
    jq -Rr '"\(.[34:] | tojson)\t\(.[:32] | gsub(" "; ""))"' >"$3"
""",
    # REMOTE FILE: a bucket a line
    "buckets": r"""
while IFS= read -r bucket; do rclone mkdir "$1$bucket"; done <"$2"
""",
    # FILE: requests for curl
    "write": r"""
rclone rcd --rc-no-auth --rc-addr 127.0.0.1:5572 --rc-server-read-timeout 24h --rc-server-write-timeout 24h >&2 &
server=$!
trap 'kill "$server"' EXIT
for _n in $(seq 100); do curl -sf -o /tmp/answer -X POST http://127.0.0.1:5572/rc/noop && break; sleep 0.1; done
mkdir /tmp/answers
curl -s --no-progress-meter --parallel --parallel-max 8 --config "$1" || :
find /tmp/answers -type f -size +4c -exec cat {} + | jq -c 'select(.error) | [.input.dstRemote, .error]' | sed 's/^/!/'
""",
}


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

    def sync(self, store, stamp, tell=lambda done, total: None):
        """Bring the target to what the store holds now; what happened, as a dict.

        Raises SourceError, TargetError, and BackupError where so much is gone that somebody has to look. What was kept
        by then stays kept, and the next sync goes on from there.
        """
        started = time.monotonic()
        work = Work(self.settings.path("objects"), self.name, store)
        try:
            lists, replaced = self.stamps(store)
            if lists and lists[-1] > stamp:
                raise BackupError(f"Target {self.name} holds objects of {lists[-1]}, which is later than now: set "
                                  "the clock.")
            known = self._known(store, work, lists, replaced)
            listed = files.moment(time.time() - CLOCK_SECONDS)
            self.step("source", f"store-{store}:", work.inside("source"), error=SourceError)
            sort(work.path("source"))
            run = Sync(self, store, work, aside(stamp, replaced), listed, tell)
            run.run(known)
            if run.is_changed or not lists:
                self._commit(store, work, stamp)
            run.raise_errors()
            return dict(run.result, seconds=time.monotonic() - started)
        finally:
            work.tidy()

    def _known(self, store, work, lists, replaced):
        """Path of the list of what `current` holds, with what an interrupted sync knew."""
        base = lists[-1] if lists else NONE
        if work.base != base:
            self._rebuild(store, work, base, replaced)
        if os.path.exists(work.journal):
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
        with work.write("list-" + base) as stream:
            for line in rebuilt(read(work.path("told")), read(work.path("held"))):
                stream.write(line + "\n")
        work.use(base)

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

        The oldest restore point reads the newest list up to it, and what was replaced after that list.
        """
        lists, replaced = self.stamps(store)
        before = [name for name in lists if name <= oldest_stamp]
        if not before:
            return []
        # Lists last: without its list nothing finds a version, and without the version the list lies.
        gone = ["replaced/" + name for name in replaced if name[:len(before[-1])] <= before[-1]]
        gone = ["lists/" + name for name in before[:-1]] + gone
        if gone:
            self.step("purge", self.place(store), *gone)
        return gone

    # -- Restore ------------------------------------------------------------------------------------------------------

    def state_at(self, store, stamp=None):
        """What the store held at a moment, at the last sync by default, and where each object lies: a State.

        It needs the target alone. Raises BackupError where the target does not go back so far.
        """
        work = Work(self.settings.path("objects"), self.name, store)
        lists, replaced = self.stamps(store)
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
        later = ["replaced/" + name for name in replaced if name[:len(before[-1])] > before[-1]]
        self.step("held", self.place(store), work.inside("held"), "current", *later)
        sort(work.path("held"))
        state = State(work, before[-1], not after)
        until = files.moment(files.seconds_of(stamp))[:-1] + ".999"
        chosen = versions(
            read(work.path("before")), before[-1], read(work.path("after")), after[0] if after else "", until)
        with work.write("state") as stream:
            for place, line in placed(chosen, read(work.path("held"))):
                stream.write(f"{line}\t{place}\n")
        state.count()
        return state

    def bring_back(self, store, stamp, remote, only=None, into=None, tell=lambda done, total: None):
        """Write what the store held at a moment into a remote ("store-objects:"); what happened, as a dict.

        only: "bucket", "bucket/key" or all below "bucket/prefix". into: "bucket" or "bucket/prefix", which takes the
        place of the bucket's name. Objects of the remote that the state does not name stay. missing: what the target
        should hold and does not. Raises TargetError with the first object that failed.
        """
        started = time.monotonic()
        state = self.state_at(store, stamp)
        work, chosen = state.work, [entry for entry in state.buckets if within(entry, only)]
        result = {"objects": 0, "bytes": 0, "missing": [], "failed": [], "stamp": state.stamp}
        try:
            buckets = {into.partition("/")[0]} if into else set(chosen)
            made = set()
            total = sum(size for path, size, _n, _n, place in state.entries() if within(path, only) and place)
            done = [0]
            for group in chunks((entry for entry in state.entries() if within(entry[0], only)), BATCH_OBJECTS):
                buckets |= set() if into else {entry[0].partition("/")[0] for entry in group} - made
                self._make(work, remote, buckets)
                made, buckets = made | buckets, set()
                self._write(store, work, remote, group, into, result, done, lambda: tell(done[0], total))
            self._make(work, remote, buckets)
            if result["failed"]:
                name, why = result["failed"][0]
                raise TargetError(f"Target {self.name}: {len(result['failed'])} objects could not be brought back, the "
                                  f"first one is {name}: {cleaned(why)}.")
            if only and not result["objects"] and not chosen:
                raise BackupError(f"{store} held no {only} at {stamp}.")
            return dict(result, seconds=time.monotonic() - started)
        finally:
            work.tidy()

    def _make(self, work, remote, buckets):
        """Make buckets that are not there."""
        if buckets:
            work.write_names("buckets", sorted(buckets))
            self.step("buckets", remote, work.inside("buckets"))

    def _write(self, store, work, remote, group, into, result, done, tell):
        """Write a group of entries of a state into a remote."""
        wanted = {}
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

        if wanted:
            self.step("write", work.inside("requests"), read_lines=read_line)
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


class Sync:
    """One sync while it runs."""

    def __init__(self, mirror, store, work, replaced, listed, tell):
        self._mirror, self._store, self._work, self._replaced, self._tell = mirror, store, work, replaced, tell
        self._listed = listed
        self._failed, self._total, self._done = {}, 0, 0
        self.is_changed = False
        self.result = {"objects": 0, "bytes": 0, "copied": 0, "copied_bytes": 0, "replaced": 0, "left_out": [],
                       "warnings": []}

    def _plan(self, known):
        """(what to do, line that is known, line of the source) of all that is not as it was."""
        for action, old, new in compared(read(known), read(self._work.path("source"))):
            why = new and self._why_not(path_of(new))
            yield action if not why else "gone" if old else "left out", old, new, why

    def _why_not(self, path):
        """Why an object cannot be kept here under its name, None where it can."""
        if "\n" in path or "\r" in path:
            return "its name has a line break"
        sizes = [encrypted(len(part.encode())) for part in path.split("/")]
        if self._mirror.part_bytes and max(sizes) > self._mirror.part_bytes:
            return "a part of its name is longer than 143 bytes, which an encrypted file name cannot hold"
        if sum(sizes) + len(sizes) > self._mirror.name_bytes:
            return "its name is longer than the target can hold once it is encrypted"
        return None

    def run(self, known):
        """Compare, refuse or do."""
        gone = total = 0
        for action, old, new, why in self._plan(known):
            if old and not is_bucket(old):
                total += 1
                gone += action == "gone" and not why
            if why and action in ("left out", "gone"):
                self._leave_out(path_of(new), why)
            elif new and not is_bucket(new):
                self.result["objects"] += 1
                self.result["bytes"] += size_of(new)
                self._total += size_of(new) if action != "same" else 0
        if total >= GUARD_OBJECTS and gone * 2 > total and not self._mirror.settings.get("accept_vanished"):
            raise BackupError(
                f"{gone} of {total} objects of {self._store} are gone since the last backup, which has them: nothing "
                "was changed; if they are meant to be gone, run the backup with --accept-vanished.")
        batch, size = [], 0
        for action, old, new, _n in self._plan(known):
            if action in ("same", "left out"):
                continue
            self.is_changed = True
            if is_bucket(new or old):
                self._work.note([("=", new + "\t\t{}") if new else ("-", old)])
                continue
            batch.append((action, old, new))
            size += size_of(new) if action != "gone" else 0
            if len(batch) >= BATCH_OBJECTS or size >= BATCH_BYTES:
                self._do(batch)
                batch, size = [], 0
        self._do(batch)
        self._try_again()

    def _leave_out(self, path, why):
        self.result["left_out"].append(path)
        self.result["warnings"].append(
            f"The object {path!r} of {self._store} is not kept: {why}; give it another name.")

    def _do(self, batch, tidy=""):
        """Do a part of the plan, and note before and after what is then known."""
        batch = self._adopt(batch)
        if not batch:
            return
        work = self._work
        copies = {key_of(new): new for action, _n, new in batch if action != "gone"}
        # A version that is only copied again keeps its place in the list whatever happens to the copy.
        work.note([("=", flagged(new or old, LOST if action == "repair" else UNKNOWN)) for action, old, new in batch])
        moves = [path_of(old) for action, old, _n in batch if action in ("changed", "gone")]
        work.write_names("move", moves)
        work.write_names("copy", [path_of(line) for line in copies.values()])
        looked, failures, codes = self._run(tidy)
        if codes.get("move"):
            raise TargetError(self._mirror.sentence(TargetError, failures.get("", "its files cannot be moved")))
        self.result["replaced"] += sum(
            action in ("changed", "gone") and md5_of(old) != UNKNOWN for action, old, _n in batch)
        if copies and codes.get("look", 1):
            raise SourceError(self._mirror.sentence(SourceError, failures.get("", "they cannot be listed")))
        if codes.get("copy") and not any(path_of(line) in failures for line in copies.values()):
            raise TargetError(self._mirror.sentence(TargetError, failures.get("", "objects cannot be copied")))
        notes = [("-", old) for action, old, _n in batch if action == "gone"]
        for key, line in copies.items():
            path, now = path_of(line), looked.get(key)
            if now and is_version(now, line) and path in failures:
                self._failed[path] = (line, failures[path])
            elif now and is_version(now, line):
                notes.append(("=", self._kept(line, now)))
                self.result["copied"] += 1
                self.result["copied_bytes"] += size_of(line)
            elif now and path not in failures:
                notes.append(("=", flagged(line, OTHER)))
            # Else it was deleted meanwhile, and stays unknown.
        work.note(notes)
        self._done += sum(map(size_of, copies.values()))
        self._tell(self._done, self._total)
        if all(path_of(line) in self._failed for line in copies.values()):
            self._give_up_early(len(copies))

    def _kept(self, line, now):
        """The line of a list for an object that was copied and looked at."""
        when, md5, metadata = now.split("\t")[2:]
        # What was written within the second of the list may have been written twice in it: the MD5 could be that of the
        # other one.
        return "\t".join([*line.split("\t")[:3], "" if when >= self._listed[:19] else md5, metadata])

    def _give_up_early(self, number):
        # With nothing kept of many, the rest would only take its time to fail.
        if number >= GUARD_OBJECTS and not any(TOO_LONG.search(why) or IN_THE_WAY.search(why)
                                               for _n, why in self._failed.values()):
            self.raise_errors()

    def _run(self, tidy):
        """Move, copy and look: ({key: line of the source now}, {path: why it failed}, {step: exit code})."""
        work, failures, codes = self._work, {}, {}

        def read_line(line):
            if line.startswith("@"):
                name, _n, code = line[1:].partition(" ")
                codes[name] = int(code)
                return
            told = message(line)
            if told.get("stats"):
                # rclone counts what encryption adds.
                self._tell(min(self._done + told["stats"].get("bytes", 0), self._total), self._total)
            elif told.get("level") == "error":
                failures[told.get("object", "")] = failures[""] = told.get("msg", "")

        with contextlib.suppress(FileNotFoundError):
            os.unlink(work.path("looked"))
        self._mirror.step(
            "batch", f"store-{self._store}:", self._mirror.place(self._store), self._replaced, work.inside("move"),
            work.inside("copy"), work.inside("looked"), tidy, read_lines=read_line)
        return {key_of(line): line for line in read(work.path("looked"))}, failures, codes

    def _adopt(self, batch):
        """Note objects that were written again with the same content, as a restore does; the rest of the batch."""
        same = {key_of(new): old for action, old, new in batch if action == "changed" and size_of(old) == size_of(new)
                and len(md5_of(old)) == 32}
        if not same:
            return batch
        self._work.write_names("copy", [path_of(old) for old in same.values()])
        self._mirror.step(
            "look", f"store-{self._store}:", self._work.inside("copy"), self._work.inside("looked"), error=SourceError)
        looked = {key_of(line): line for line in read(self._work.path("looked"))}
        rest, notes = [], []
        for action, old, new in batch:
            now = looked.get(key_of(new or old))
            is_same = action == "changed" and key_of(new) in same and now and is_version(now, new)
            if is_same and md5_of(now) == md5_of(old):
                notes.append(("=", "\t".join([*new.split("\t")[:3], *now.split("\t")[3:]])))
            else:
                rest.append((action, old, new))
        self._work.note(notes)
        return rest

    def _try_again(self):
        """Copy once more what failed; what the target does not take under its name is left out."""
        again, self._failed = self._failed, {}
        if not again:
            return
        tidy = "yes" if any(IN_THE_WAY.search(why) for _n, why in again.values()) else ""
        self._do([("new", None, line) for line, _n in again.values()], tidy)
        for path, (line, why) in list(self._failed.items()):
            if TOO_LONG.search(why) or IN_THE_WAY.search(why):
                self.result["objects"] -= 1
                self.result["bytes"] -= size_of(line)
                self._leave_out(path, f"target {self._mirror.name} does not take it ({cleaned(why)})")
                self._work.note([("-", line)])
                del self._failed[path]

    def raise_errors(self):
        """Raise what could not be copied, after all else was."""
        if self._failed:
            path, (_n, why) = next(iter(self._failed.items()))
            error = SourceError if "source object" in why else TargetError
            raise error(self._mirror.sentence(
                error, f"{len(self._failed)} objects were not copied, the first one is {path}: {cleaned(why)}"))


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

    def entries(self):
        """(path, bytes, MD5 or mark, headers, Place or None where the target has it not) of all objects, by path."""
        for line in read(self.work.path("state")):
            if not is_bucket(line):
                key, size, _n, md5, metadata, place = line.split("\t")
                name, _n, held = place.partition(" ")
                yield json.loads(key), int(size), md5, json.loads(metadata), Place(name, held) if name else None


class Place(str):
    """Where an object lies, below its store, and how many bytes the target holds there."""

    def __new__(cls, name, held):
        """From what a state tells."""
        place = super().__new__(cls, name if name == "current" else "replaced/" + name)
        place.held = int(held)
        return place


class Work:
    """The directory of a store and a target on the host: the list, what a running sync knows, files for containers."""

    def __init__(self, directory, target, store):
        self._inside = f"{INSIDE}/{target}/{store}"
        self._directory = os.path.join(directory, target, store)
        owner = os.stat(directory)
        for path in (os.path.join(directory, target), self._directory):
            if not os.path.isdir(path):
                os.mkdir(path, 0o700)
                os.chown(path, owner.st_uid, owner.st_gid)
        lists = sorted(name[5:] for name in os.listdir(self._directory) if name.startswith("list-"))
        self.base = None
        if lists:
            self.use(lists[-1])

    def use(self, base):
        """Take the list of a stamp for what is known."""
        self.base = base
        self.list, self.journal = self.path("list-" + base), self.path("journal-" + base)

    def path(self, name):
        """A file, on the host."""
        return os.path.join(self._directory, name)

    def inside(self, name):
        """A file, as containers see it."""
        return f"{self._inside}/{name}"

    @contextlib.contextmanager
    def write(self, name):
        """Write a file that is there as a whole or not at all."""
        with open(self.path("new"), "w", encoding="utf-8", newline="\n") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(self.path("new"), self.path(name))

    def empty(self, name):
        """Write an empty file."""
        with self.write(name):
            pass

    def write_names(self, name, paths):
        """Write the paths of objects for rclone."""
        with self.write(name) as stream:
            stream.writelines(path + "\n" for path in paths)

    def note(self, notes):
        """Note in the journal that `current` holds (=) or does not hold (-) the line of a list."""
        notes = list(notes)
        if notes:
            with open(self.journal, "a", encoding="utf-8", newline="\n") as stream:
                stream.writelines(f"{sign}\t{line}\n" for sign, line in notes)
                stream.flush()
                os.fsync(stream.fileno())

    def mark(self, marks):
        """Note the marks, or the MD5 that was read, of {path: mark}; `current` holds what the list says otherwise."""
        if marks:
            self.note(("=", flagged(line, marks[path_of(line)])) for line in read(self.list) if path_of(line) in marks)

    def merge(self, into):
        """Write the list with what the journal knows."""
        with self.write("notes") as stream:
            stream.writelines(note + "\n" for note in read(self.journal))
        sort(self.path("notes"), 2)
        with self.write(os.path.basename(into)) as stream:
            stream.writelines(line + "\n" for line in merged(read(self.list), read(self.path("notes"))))

    def forget(self):
        """Remove what is known."""
        for name in os.listdir(self._directory):
            if name.startswith(("list-", "journal-")):
                os.unlink(self.path(name))

    def tidy(self):
        """Remove all but what is known."""
        for name in os.listdir(self._directory):
            if not name.startswith(("list-" + (self.base or ""), "journal-" + (self.base or ""))):
                os.unlink(self.path(name))


# -- Lines and lists --------------------------------------------------------------------------------------------------

def read(path):
    """The lines of a file, none where it is not there. An object's path never breaks one: it is JSON."""
    if os.path.exists(path):
        with open(path, encoding="utf-8", newline="\n") as stream:
            for line in stream:
                # A journal's last line is cut off where the power went.
                if line.endswith("\n"):
                    yield line[:-1]


def sort(path, field=1):
    """Sort a file by a field, in little memory; lines of the same path stay in their order."""
    done = subprocess.run(
        ["sort", "-s", "-S", "64M", "-T", os.path.dirname(path), "-t", "\t", "-k", f"{field},{field}", "-o", path,
         path],
        env=dict(os.environ, LC_ALL="C"), stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise BackupError(f"The list of objects cannot be sorted: {done.stderr.strip().rstrip('.')}.")


def split(line):
    """A line's fields, the path as it is."""
    key, *rest = line.split("\t")
    return [json.loads(key), *rest]


def key_of(line):
    """The path as lists sort it."""
    return line.partition("\t")[0]


def path_of(line):
    """The path as people and rclone know it."""
    return json.loads(key_of(line))


def size_of(line):
    """Bytes of a line's object."""
    return int(line.split("\t", 2)[1])


def md5_of(line):
    """MD5 or mark of a line; none in one of a source."""
    return (line.split("\t") + ["", ""])[3]


def is_bucket(line):
    """Whether a line is that of a bucket."""
    return key_of(line).endswith('/"')


def flagged(line, mark):
    """A line with a mark in place of the MD5."""
    fields = line.split("\t")
    return "\t".join([*fields[:3], mark, fields[4] if len(fields) > 4 else "{}"])


def is_version(now, line):
    """Whether an object that was looked at by itself, which tells seconds only, is that of a line."""
    (_n, size, when), (_n, size_then, then) = now.split("\t")[:3], line.split("\t")[:3]
    return size == size_then and when[:19] == then[:19]


def pairs(one, other, key=key_of):
    """(line or None, line or None) of two sorted streams, by path."""
    one, other = iter(one), iter(other)
    first, second = next(one, None), next(other, None)
    while first is not None or second is not None:
        if second is None or (first is not None and key(first) < key(second)):
            yield first, None
            first = next(one, None)
        elif first is None or key(second) < key(first):
            yield None, second
            second = next(other, None)
        else:
            yield first, second
            first, second = next(one, None), next(other, None)


def compared(known, source):
    """(same, new, changed, gone or repair; line that is known; line of the source) of two sorted lists."""
    for old, new in pairs(known, source):
        if old is None or new is None:
            yield "new" if old is None else "gone", old, new
        elif is_bucket(old):
            yield "same", old, new
        else:
            mark = md5_of(old)
            is_same = old.split("\t")[1:3] == new.split("\t")[1:3] and mark not in (UNKNOWN, OTHER)
            yield "changed" if not is_same else "repair" if mark == LOST else "same", old, new


def merged(known, notes):
    """The lines of a list with what notes, sorted by path, say last."""
    by_path = itertools.groupby(notes, lambda note: note.split("\t", 2)[1])
    last = (list(group)[-1].split("\t", 1) for _n, group in by_path)
    changes = (line if sign == "=" else key_of(line) + "\t-" for sign, line in last)
    for old, new in pairs(known, changes):
        line = old if new is None else new
        if not line.endswith("\t-"):
            yield line


def rebuilt(told, held):
    """The lines of a host's list, from the target's newest one and what the target holds."""
    for line, entries in grouped(told, held):
        key = key_of(line) if line else entries[0][0]
        size = next((entry[2] for entry in entries if entry[1] == "current"), None)
        # What was moved aside after the list was written is no longer what the list says.
        is_moved = any(entry[1] != "current" for entry in entries)
        if line and is_bucket(line):
            yield line
        elif line and not is_moved:
            is_held = size == line.split("\t")[1] or md5_of(line) in (UNKNOWN, OTHER)
            yield line if is_held else flagged(line, LOST)
        elif size is not None:
            yield f"{key}\t{size}\t\t{UNKNOWN}\t{{}}"


def grouped(lines, held):
    """(line or None, [[key, place, bytes]...]) by path, of a list and of what a target holds."""
    entries = ([entry.split("\t") for entry in group] for _n, group in itertools.groupby(held, key_of))
    return ((line, group or []) for line, group in
            pairs(lines, entries, lambda one: one[0][0] if isinstance(one, list) else key_of(one)))


def versions(before, listed, after, listed_after, until):
    """(line, stamp of its list) of each object at a moment between two lists.

    What the later list has and was written by then was there by then; of all else the earlier one knows the version.
    """
    for old, new in pairs(before, after):
        if new and not is_bucket(new) and new.split("\t")[2] <= until and md5_of(new) not in (UNKNOWN, OTHER):
            yield new, listed_after
        elif old and md5_of(old) != UNKNOWN:
            yield old, listed


def placed(chosen, held):
    """("place bytes" or "", line) of versions, by what the target holds."""
    keyed = ((line, listed) for line, listed in chosen)
    entries = ([entry.split("\t") for entry in group] for _n, group in itertools.groupby(held, key_of))
    for version, group in pairs(keyed, entries, lambda one: key_of(one[0]) if isinstance(one, tuple) else one[0][0]):
        if version:
            line, listed = version
            # "current" sorts after every stamp.
            places = sorted([place, size] for _n, place, size in group or [] if place[:len(listed)] > listed)
            yield " ".join(places[0]) if places else "", line


def unlisted(lines, held):
    """Paths of `current` that no list has."""
    for line, entries in grouped(lines, held):
        if line is None and any(entry[1] == "current" for entry in entries):
            yield json.loads(entries[0][0])


def aside(stamp, replaced):
    """Name of a new directory for what is replaced. An interrupted sync of the same stamp has one of its own."""
    return next(name for name in itertools.chain([stamp], (f"{stamp}-{number:02}" for number in itertools.count(2)))
                if name not in replaced)


def encrypted(size):
    """Bytes of an encrypted name of so many bytes: padded to blocks of 16, five bits a character."""
    return ((size // 16 + 1) * 16 * 8 + 4) // 5


def within(path, only):
    """Whether a path is what is wanted: all, a bucket, or an object."""
    return not only or path in (only, only.rstrip("/")) or path.startswith(only.rstrip("/") + "/")


def chunks(entries, number):
    """Lists of up to so many entries."""
    entries = iter(entries)
    return iter(lambda: list(itertools.islice(entries, number)), [])


def upload_headers(metadata):
    """What rclone is to send with an object, so that it has the headers that it had."""
    return [{"Key": name if name in HEADERS else "X-Amz-Meta-" + name,
             "Value": number(value) if name == "mtime" else value}
            for name, value in sorted(metadata.items()) if name not in NOT_HEADERS]


def number(when):
    """A time as rclone keeps it in a header, in seconds, of how it tells it."""
    whole, _n, fraction = when.rstrip("Z").partition(".")
    with contextlib.suppress(ValueError):
        return str(files.seconds_of_moment(whole + "Z")) + ("." + fraction if fraction else "")
    return when


def request(number, content):
    """A request to rclone's server in the configuration of curl."""
    data = json.dumps(content).replace("\\", "\\\\").replace('"', '\\"')
    return ('url = "http://127.0.0.1:5572/operations/copyfile"\nheader = "Content-Type: application/json"\n'
            f'data = "{data}"\noutput = "/tmp/answers/{number}"\nwrite-out = "%{{http_code}} {number}\\n"\n')

