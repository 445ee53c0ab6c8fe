# Managed by trenova.selfhost.
"""Which points of a store are kept, and which are let go. Nothing here reads or removes anything.

A point is kept by one of the rules of `decide`, or because a kept one builds on it. What is not understood is kept, and
nothing is let go for the sake of a point whose time is not certain: clocks jump, and history does not come back.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime

from trenova_backup.files import seconds_of

HOUR, DAY = 3600, 86400
#: What a policy counts of nights, and the period of each.
PERIODS = {
    "daily": lambda day: day,
    "weekly": lambda day: tuple(day.isocalendar())[:2],
    "monthly": lambda day: (day.year, day.month),
}
KEYS = (*PERIODS, "cuts_hours")
#: A gap among cuts that is longer than this part of their window, and what follows it and is shorter than that, may be
#: a clock that jumped.
PARTS_OF_WINDOW = 12


@dataclasses.dataclass(frozen=True)
class Point:
    """A time to which a store can be brought back.

    good: whether it succeeded. after: stamp of the point that it builds on, "" for a full one. pinned: kept until
    somebody says otherwise. cut: made by a cycle, every few minutes between the nights.
    """

    stamp: str
    good: bool = True
    after: str = ""
    pinned: bool = False
    cut: bool = False


@dataclasses.dataclass(frozen=True)
class Wal:
    """What PostgreSQL has written since the base with the stamp `base`, up to a time."""

    stamp: str
    base: str


class Decision(collections.namedtuple("Decision", "keep let_go window")):
    """Points to keep and to let go, oldest first; window: stamps of the daily ones, whose whole days are wanted."""


def fault(policy):
    """What is wrong with a policy, as one sentence; "" where nothing is."""
    for key in KEYS:
        value = policy.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            return f"{key} of what backups are kept must be a whole number from 0 on, and is {value!r}."
    unknown = sorted(str(key) for key in policy if key not in KEYS)
    if unknown:
        return f"{unknown[0]} is nothing that backups are kept by; there are {', '.join(KEYS)}."
    if not any(policy[key] for key in PERIODS):
        return "daily, weekly and monthly are all 0: no backup would be kept but the newest one."
    return ""


def decide(points, policy, now, interval=DAY):
    """What is kept of one store's points: a Decision. Raises ValueError for a policy with a fault.

    policy: daily, weekly, monthly (numbers of such periods that have a good point), cuts_hours. now: in seconds.
    interval: longest time between two nights by their schedule, in seconds.
    """
    problem = fault(policy)
    if problem:
        raise ValueError(problem)
    times, known = {}, {}
    # Where two have one stamp, the good one counts.
    for point in sorted(points, key=lambda point: point.good):
        known[point.stamp] = point
        try:
            times[point.stamp] = seconds_of(point.stamp)
        except ValueError:  # not one of ours to judge
            times[point.stamp] = float("inf")
    past = sorted((stamp for stamp in known if times[stamp] <= now), key=times.get)
    whole = _whole(known)
    sound = [stamp for stamp in past if stamp in whole]
    nights = [stamp for stamp in sound if not known[stamp].cut]
    cuts = [stamp for stamp in sound if known[stamp].cut]

    kept = {stamp for stamp in known if times[stamp] > now or known[stamp].pinned}
    kept.update(nights[-1:] + cuts[-1:])
    newest = times[sound[-1]] if sound else float("-inf")
    kept.update(stamp for stamp in past if stamp not in whole and times[stamp] > newest)

    certain = _until_certain([times[stamp] for stamp in sound], 2 * interval, interval)
    before = [stamp for stamp in nights if times[stamp] <= certain]
    kept.update([stamp for stamp in cuts if times[stamp] <= certain][-1:])
    window = _newest_of_periods(nights, times, "daily", policy) | _newest_of_periods(before, times, "daily", policy)
    kept |= window
    for period in ("weekly", "monthly"):
        kept |= _newest_of_periods(nights, times, period, policy) | _newest_of_periods(before, times, period, policy)

    seconds = policy["cuts_hours"] * HOUR
    certain = _until_certain(
        [times[stamp] for stamp in sound], seconds / PARTS_OF_WINDOW, seconds / PARTS_OF_WINDOW)
    kept.update(stamp for stamp in cuts if times[stamp] > certain - seconds)

    for stamp in list(kept):
        base = known[stamp].after
        while base in known and base not in kept:
            kept.add(base)
            base = known[base].after
    ordered = sorted(points, key=lambda point: point.stamp)
    return Decision(
        [point for point in ordered if point.stamp in kept], [point for point in ordered if point.stamp not in kept],
        sorted(window))


def _whole(known):
    """Stamps of the points that are good, as is all that they build on: another one brings nothing back."""
    verdicts = {"": True}
    for first in known:
        chain, stamp = [], first
        while stamp not in verdicts:
            # Of a circle that does not end, nothing is whole.
            verdicts[stamp] = False
            if stamp in known and known[stamp].good:
                chain.append(stamp)
                stamp = known[stamp].after
        if verdicts[stamp]:
            verdicts.update(dict.fromkeys(chain, True))
    return {stamp for stamp in known if verdicts[stamp]}


def _until_certain(times, gap, settled):
    """Time up to which a clock can be believed, of sorted times of good points.

    What follows a gap for less than `settled` seconds may have been made while the clock was wrong.
    """
    if not times:
        return float("-inf")
    last = len(times) - 1
    while last and times[-1] - times[last - 1] < settled:
        last -= 1
    return times[last - 1] if last and times[last] - times[last - 1] > gap else times[-1]


def _newest_of_periods(stamps, times, period, policy):
    """The newest of each of the newest periods, of stamps that are sorted."""
    found = {}
    for stamp in stamps:
        found[PERIODS[period](datetime.datetime.fromtimestamp(times[stamp], datetime.timezone.utc).date())] = stamp
    newest = sorted(found.values(), key=times.get)
    return set(newest[len(newest) - min(policy[period], len(newest)):])


def oldest(points):
    """The oldest point that can be brought back; None where there is none."""
    known = {point.stamp: point for point in sorted(points, key=lambda point: point.good)}
    return known[min(_whole(known))] if _whole(known) else None


def wal_epochs(bases, window, wals, now):
    """(kept, let go) of what PostgreSQL has written, oldest first, by the bases that are kept.

    bases: their stamps. window: those of which any later time is wanted. A base needs the first that follows it to be
    whole. Each one holds all since its base, so the last of an epoch brings back any time of it; that of the newest
    base is kept whatever the window says.
    """
    epochs = collections.defaultdict(list)
    for wal in wals:
        if wal.base in bases:
            epochs[wal.base].append(wal.stamp)
    ordered = sorted(bases)
    present = [base for base in ordered if _seconds(base) <= now]
    # After a clock that was ahead, the newest is not the one with the last stamp.
    wanted = {*window, *ordered[-1:], *present[-1:]}
    kept = set()
    for base, stamps in epochs.items():
        stamps.sort()
        following = next((other for other in ordered if other > base), None)
        kept.add((stamps[0], base))
        kept.update((stamp, base) for stamp in stamps if _seconds(stamp) > now)
        if base in wanted:
            for limit in (lambda stamp: _seconds(stamp) <= now, lambda stamp, end=following: end and stamp < end):
                kept.update((stamp, base) for stamp in [stamp for stamp in stamps if limit(stamp)][-1:])
    ordered = sorted(wals, key=lambda wal: (wal.stamp, wal.base))
    return ([wal for wal in ordered if (wal.stamp, wal.base) in kept],
            [wal for wal in ordered if (wal.stamp, wal.base) not in kept])


def _seconds(stamp):
    """Time of a stamp; one that is none lies in the future, where nothing is let go."""
    try:
        return seconds_of(stamp)
    except ValueError:
        return float("inf")
