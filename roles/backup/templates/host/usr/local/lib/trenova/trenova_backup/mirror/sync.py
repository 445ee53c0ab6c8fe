# Managed by trenova.selfhost.
"""A sync: what has to be moved aside and copied, in batches that a kill can make it do again."""

from __future__ import annotations

import contextlib
import os
import re

from trenova_backup import allowed
from trenova_backup.errors import BackupError, SourceError, TargetError
from trenova_backup.mirror.lists import (
    LOST,
    OTHER,
    UNKNOWN,
    compared,
    flagged,
    is_bucket,
    is_version,
    key_of,
    md5_of,
    path_of,
    read,
    size_of,
)
from trenova_backup.mirror.names import encrypted
from trenova_backup.words import cleaned, message

#: What a kill can make a sync do again.
BATCH_OBJECTS, BATCH_BYTES = 5000, 4 * 10**9
#: Fewer objects may all vanish: a new installation is tidied up.
GUARD_OBJECTS = 20
#: Reasons of targets that no other attempt helps.
TOO_LONG = re.compile("name too long|KeyTooLong|InvalidObjectName|unsupported characters", re.IGNORECASE)
IN_THE_WAY = re.compile("is a directory|not a directory|ParentIsObject|ExistsAsDirectory", re.IGNORECASE)


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

    def run(self, known, need_space):
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
        if total >= GUARD_OBJECTS and gone * 2 > total and not allowed.has(
                self._mirror.settings, allowed.VANISHED):
            raise BackupError(
                f"{gone} of {total} objects of {self._store} are gone since the last backup, which has them: nothing "
                f"was changed. If they are meant to be gone, {allowed.hint(allowed.VANISHED)}")
        if self._total:
            # What is replaced or deleted stays, moved aside.
            need_space(self._total)
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
