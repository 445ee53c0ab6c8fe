# Managed by trenova.selfhost.
"""To what a target can bring stores back, worked out from its snapshots. Nothing here reads or writes anything.

What a run has kept is a point. A PostgreSQL server can be brought back to any moment of its windows: one for each base
backup whose chain is whole, from the moment at which that was consistent up to the last one that the log since it
holds. Times are in seconds since 1970, UTC.
"""

from __future__ import annotations

import collections
import dataclasses

from trenova_backup import deployed
from trenova_backup.files import seconds_of_moment

BASE, WAL, DUMP, GLOBALS, RECORD = "base", "wal", "dump", "globals", "record"
#: The part that a store of a kind consists of, where it has but one.
PARTS = {"directory": "archive", "command": "output", "redis": "snapshot"}
CUT = "cut"
#: What tells of runs, and of the installation, and is no part of what can be brought back.
ABOUT = (RECORD, deployed.PART)


@dataclasses.dataclass(frozen=True)
class Window:
    """Moments to which a PostgreSQL server can be brought back by one base and the log since.

    bases: snapshots to put together, the full one first. wal: the snapshot that holds all of the log since the last of
    them. begin, end: the first and the last moment.
    """

    store: str
    bases: tuple
    wal: object
    begin: float
    end: float


@dataclasses.dataclass(frozen=True)
class Point:
    """What one run has kept.

    run: its stamp. level: full, incremental, "cut" for what only adds to a point before it, "" where the base of a
    database is missing. stores: names of what can be brought back by it. missing: those of the others, none for a cut.
    bytes: as they were read. added: bytes that the target did not have before. window: {name of a PostgreSQL store:
    (begin, end)}, the moments to which the base of this run leads.
    """

    run: str
    level: str
    stores: tuple
    missing: tuple
    bytes: int
    added: int
    window: dict

    @property
    def is_complete(self):
        """Whether everything can be brought back by it. By a cut it never can, which adds to the point before it."""
        return self.level not in ("", CUT) and not self.missing


# -- PostgreSQL -------------------------------------------------------------------------------------------------------


def windows(snapshots, store):
    """The windows of a PostgreSQL store, in the order of their bases."""
    bases = {snapshot.run: snapshot for snapshot in _of(snapshots, store, BASE)}
    logs = collections.defaultdict(list)
    for snapshot in _of(snapshots, store, WAL):
        base = bases.get(snapshot.pairs.get("base", ""))
        # The log of another cluster, under the same name, fits nothing.
        if base and _time(snapshot) is not None and _fits(base, snapshot):
            logs[base.run].append(snapshot)
    found = []
    for run in sorted(logs):
        chain = _chain(bases, run)
        if chain:
            last = max(logs[run], key=lambda snapshot: (_position(snapshot), _time(snapshot)))
            # The log is fetched as soon as a base has ended: where that was up to, it is consistent.
            begin = min(map(_time, logs[run]))
            found.append(Window(store, chain, last, begin, max(begin, _time(last))))
    return found


def intervals(found):
    """Windows as [(begin, end)], in order; those that touch are one."""
    merged = []
    for begin, end in sorted((window.begin, window.end) for window in found):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


def window_at(found, moment):
    """The window that brings a moment back with the least of log; None where none does."""
    fitting = [window for window in found if window.begin <= moment <= window.end]
    return max(fitting, key=lambda window: (window.begin, window.bases[-1].run), default=None)


def _chain(bases, run):
    """The snapshots that a base is put together from; () where one is missing, or they are of several clusters."""
    chain = []
    while run:
        base = bases.get(run)
        if base is None or base in chain or chain and not _fits(base, chain[0]):
            return ()
        chain.insert(0, base)
        run = base.after
    return tuple(chain)


def _fits(one, other):
    return one.pairs.get("system", "") == other.pairs.get("system", "")


def _time(snapshot):
    """The moment up to which a snapshot holds the log; None where it does not tell."""
    try:
        return seconds_of_moment(snapshot.pairs.get("until", ""))
    except ValueError:
        return None


def _position(snapshot):
    try:
        return [int(word, 16) for word in snapshot.pairs.get("lsn", "").split("/")]
    except ValueError:
        return []


# -- Runs -------------------------------------------------------------------------------------------------------------


def points(snapshots, stores, objects=None):
    """The points of a target, oldest first: [Point].

    stores: as settings.json has them; with none, those that the snapshots tell of. objects: {store: stamps of the
    states that its mirror holds}.
    """
    snapshots, objects = [snapshot for snapshot in snapshots if snapshot.part not in ABOUT], objects or {}
    stores = list(stores) or _told_by(snapshots, objects)
    reach = {store["store"]: {window.bases[-1].run: (window.begin, window.end)
                              for window in windows(snapshots, store["store"])}
             for store in stores if store["kind"] == "postgres"}
    runs = collections.defaultdict(list)
    for snapshot in snapshots:
        runs[snapshot.run].append(snapshot)
    for stamps in objects.values():
        for stamp in stamps:
            runs.setdefault(stamp, [])
    found = []
    for run in sorted(runs):
        is_cut = all(snapshot.part == WAL or "cut" in snapshot.pairs for snapshot in runs[run])
        held = [store["store"] for store in stores if _holds(store, run, runs[run], reach, objects, is_cut)]
        missing = () if is_cut else tuple(store["store"] for store in stores if store["store"] not in held)
        found.append(Point(
            run, CUT if is_cut else _level(runs[run], stores), tuple(held), missing,
            sum(snapshot.bytes for snapshot in runs[run]), sum(snapshot.added for snapshot in runs[run]),
            {name: reached[run] for name, reached in reach.items() if run in reached}))
    return found


def never(found, stores):
    """Names of the stores that no point holds."""
    held = {name for point in found for name in point.stores}
    return [store["store"] for store in stores if store["store"] not in held]


def _holds(store, run, snapshots, reach, objects, is_cut):
    """Whether a store can be brought back by what a run has kept."""
    name, kind = store["store"], store["kind"]
    there = [snapshot for snapshot in snapshots if snapshot.store == name]
    parts = {snapshot.part for snapshot in there}
    if kind == "objects":
        # Where nothing has changed there is no new state, and the one before it is that of the run.
        stamps = objects.get(name, ())
        return run in stamps if is_cut else any(stamp <= run for stamp in stamps)
    if kind == "postgres":
        if is_cut:
            return WAL in parts
        return run in reach[name] if store.get("physical") else (
            GLOBALS in parts and set(store.get("databases") or ()) <= {
                snapshot.pairs.get("database", "") for snapshot in there if snapshot.part == DUMP})
    return PARTS.get(kind) in parts


def _level(snapshots, stores):
    levels = {snapshot.level for snapshot in snapshots if snapshot.part == BASE}
    if levels:
        return "incremental" if "incremental" in levels else "full"
    # All that is no increment of another one is whole by itself.
    return "" if any(store.get("physical") for store in stores) else "full"


def _told_by(snapshots, objects):
    """Stores as far as a target alone tells of them."""
    parts = collections.defaultdict(set)
    for snapshot in snapshots:
        parts[snapshot.store].add(snapshot.part)
    kinds = {part: kind for kind, part in PARTS.items()}
    found = [{"store": name, "kind": "objects"} for name in objects]
    for name, those in sorted(parts.items()):
        kind = next((kinds[part] for part in sorted(those) if part in kinds), None)
        found.append({"store": name, "kind": kind} if kind else {
            "store": name, "kind": "postgres", "physical": BASE in those})
    return found


def _of(snapshots, store, part):
    return sorted((snapshot for snapshot in snapshots if (snapshot.store, snapshot.part) == (store, part)),
                  key=lambda snapshot: snapshot.run)
