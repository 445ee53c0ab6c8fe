# Managed by trenova.selfhost.
"""Lists of objects, as the package describes them: read, compared and put together, line by line.

Nothing here knows a target.
"""

from __future__ import annotations

import heapq
import itertools
import json
import os
import subprocess

from trenova_backup.errors import BackupError

UNKNOWN, OTHER, LOST = "?", "~", "!"
#: A list before the first one.
NONE = "0"


class Place(str):
    """Where an object lies, below its store, and how many bytes the target holds there."""

    def __new__(cls, name, held):
        """From what a state tells."""
        place = super().__new__(cls, name if name == "current" else "replaced/" + name)
        place.held = int(held)
        return place


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


def reaching_back(lists, since):
    """Of the lists up to a moment, sorted, those besides the last that tell what was there since an earlier one; the
    newest first.

    A list has the stamp of its run, which had much to do before it listed the objects. What was there when that began
    is in the list before it.
    """
    before, later = [name for name in lists if name <= since], [name for name in lists if name > since]
    return sorted({*before[-2:], *later[:1]} - {*lists[-1:]}, reverse=True)


def with_gone(chosen, older, until):
    """The versions of a moment, and of objects that are not there any more those of older lists.

    Where a version was written after `until`, an older one of the same object takes its place. older: [(lines, stamp)],
    the newest list first.
    """
    streams = [((key_of(line), 0, line, listed) for line, listed in chosen)]
    streams += [_keyed(lines, rank, listed) for rank, (lines, listed) in enumerate(older, 1)]
    for _key, group in itertools.groupby(heapq.merge(*streams, key=lambda entry: entry[:2]), lambda entry: entry[0]):
        found = list(group)
        by_then = [entry for entry in found if until is None or entry[2].split("\t")[2] <= until]
        _key, _rank, line, listed = (by_then or found)[0]
        yield line, listed


def _keyed(lines, rank, listed):
    """Objects of an older list whose version is known, as with_gone merges them."""
    return ((key_of(line), rank, line, listed) for line in lines
            if not is_bucket(line) and md5_of(line) not in (UNKNOWN, OTHER))


def placed(chosen, held):
    """("place bytes" or "", line, stamp of its list) of versions, by what the target holds."""
    keyed = ((line, listed) for line, listed in chosen)
    entries = ([entry.split("\t") for entry in group] for _n, group in itertools.groupby(held, key_of))
    for version, group in pairs(keyed, entries, lambda one: key_of(one[0]) if isinstance(one, tuple) else one[0][0]):
        if version:
            line, listed = version
            # "current" sorts after every stamp.
            places = sorted([place, size] for _n, place, size in group or [] if place[:len(listed)] > listed)
            yield " ".join(places[0]) if places else "", line, listed


def unlisted(lines, held):
    """Paths of `current` that no list has."""
    for line, entries in grouped(lines, held):
        if line is None and any(entry[1] == "current" for entry in entries):
            yield json.loads(entries[0][0])


def aside(stamp, replaced):
    """Name of a new directory for what is replaced. An interrupted sync of the same stamp has one of its own."""
    return next(name for name in itertools.chain([stamp], (f"{stamp}-{number:02}" for number in itertools.count(2)))
                if name not in replaced)


def within(path, only):
    """Whether a path is what is wanted: all, a bucket, or an object."""
    return not only or path in (only, only.rstrip("/")) or path.startswith(only.rstrip("/") + "/")


def chunks(entries, number):
    """Lists of up to so many entries."""
    entries = iter(entries)
    return iter(lambda: list(itertools.islice(entries, number)), [])
