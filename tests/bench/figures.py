# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The arithmetic of the benchmark of the backups: what is made of measurements, and which goals that reaches."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

#: Goals of the project: a restore against the programs alone, seconds of a drill beyond a restore, and the part of the
#: application's throughput, in per cent, that a running backup costs.
GOAL_RESTORE, GOAL_DRILL_SECONDS, GOAL_LOSS_PERCENT = 1.5, 60, 10
GB = 10**9
#: What a row takes on the disk with its indexes, and an object on average: 32, 128, 512 and 2048 KiB in turns.
ROW_BYTES, OBJECT_BYTES = 1240, 680 * 1024
#: How many times its data a run takes on the disk, most of it at once: live, each generation in the targets and in the
#: log that they fetch, the copies that the programs alone make, and what each restore has replaced.
COPIES = 11


class Amount(NamedTuple):
    """What is saved: half of it rows, half objects."""

    rows: int
    objects: int


class Part(NamedTuple):
    """A part of a measured work: seconds, and bytes where it leaves any."""

    name: str
    seconds: float
    bytes: int | None = None


class Goal(NamedTuple):
    """What is to be reached, in words, and whether it was."""

    words: str
    is_reached: bool

    def __str__(self) -> str:
        return f"Goal: {self.words}: {'reached' if self.is_reached else 'NOT reached'}."


def amount(gigabytes: float) -> Amount:
    """Rows and objects of so many GB (decimal, more than 0); each of them a multiple of ten, a tenth of which changes.

    Raises ValueError for less than what makes ten of each.
    """
    half = gigabytes * GB / 2
    found = Amount(*(int(half // each) // 10 * 10 for each in (ROW_BYTES, OBJECT_BYTES)))
    if min(found) < 1:
        raise ValueError(f"SIZE is {gigabytes:g}: write GB, at least {20 * OBJECT_BYTES / GB:.3f}.")
    return found


def space_needed(gigabytes: float) -> int:
    """Bytes of the disk that a run over so many GB takes at most."""
    return int(gigabytes * GB * COPIES)


def parts(lines: Iterable[str]) -> list[Part]:
    """The parts that a program tells, a line each: NAME SECONDS [BYTES]. Raises ValueError for any other line."""
    found = []
    for line in lines:
        name, seconds, *more = line.split()
        found.append(Part(name, float(seconds), int(more[0]) if more else None))
    return found


def total(found: Iterable[Part]) -> float:
    """Seconds of all parts."""
    return sum(part.seconds for part in found)


def medians(rounds: Sequence[Sequence[Part]]) -> list[Part]:
    """Each part of a work with the median of its seconds over the rounds; bytes are those of the last one.

    A part that a round lacks took no time there. Raises ValueError without a round.
    """
    if not rounds:
        raise ValueError("no round was measured")
    names = list(dict.fromkeys(part.name for one in rounds for part in one))
    seconds = {name: [total(part for part in one if part.name == name) for one in rounds] for name in names}
    last = {part.name: part.bytes for one in rounds for part in one}
    return [Part(name, statistics.median(seconds[name]), last[name]) for name in names]


def rate(answers: Iterable, begin: float, end: float) -> float:
    """Good answers a second that ended between two moments, in seconds since the start of the load.

    answers: each with `due`, `seconds` and `fault`, and `began`, the moment at which it was asked. Raises ValueError
    where the end is not after the begin.
    """
    if end <= begin:
        raise ValueError(f"the window ends at {end:.1f} s and begins at {begin:.1f} s")
    return sum(begin <= answer.began + answer.seconds < end and not answer.fault for answer in answers) / (end - begin)


def turns(rates: Sequence[tuple[bool, float]]) -> list[tuple[float, float]]:
    """[(mean rate while something goes on, while it is held)] of each four windows, in the order on, held, held, on:
    what changes steadily meanwhile weighs on both alike. An incomplete group at the end is left out.

    rates: (whether it went on, rate). Raises ValueError where no group is whole, or the order is another one.
    """
    groups = [rates[first:first + 4] for first in range(0, len(rates) - 3, 4)]
    if not groups or any([is_on for is_on, _rate in group] != [True, False, False, True] for group in groups):
        raise ValueError("a backup was held and let go in no turns of on, held, held, on")
    return [tuple(statistics.mean(rate for is_on, rate in group if is_on is wanted) for wanted in (True, False))
            for group in groups]


def percentile(values: Sequence[float], part: float) -> float:
    """The least of the values below or at which this part of them lies (0 < part <= 1). Raises ValueError for none."""
    if not values or not 0 < part <= 1:
        raise ValueError(f"no such part ({part}) of {len(values)} values")
    return sorted(values)[math.ceil(part * len(values)) - 1]


def loss_percent(without: Sequence[float], during: Sequence[float]) -> float:
    """By how much the mean of a rate is lower while something runs, in per cent; below 0 where it is higher.

    The mean: some parts of a backup cost more than others, and all of them count. Raises ValueError where nothing was
    measured, or nothing went through without it.
    """
    if not without or not during or statistics.mean(without) <= 0:
        raise ValueError("a throughput without a backup, and one with it, have to be measured")
    return 100 * (1 - statistics.mean(during) / statistics.mean(without))


def restore_goal(ours: Sequence[float], raw: Sequence[float]) -> Goal:
    """Medians of the seconds of a restore against those of the programs alone."""
    ratio = statistics.median(ours) / statistics.median(raw)
    return Goal(f"a restore takes at most {GOAL_RESTORE} times as long as the programs alone, and took {ratio:.2f} "
                "times", ratio <= GOAL_RESTORE)


def drill_goal(drills: Sequence[float], restores: Sequence[float]) -> Goal:
    """Medians of the seconds of a drill against those of a restore."""
    more = statistics.median(drills) - statistics.median(restores)
    return Goal(f"a drill takes at most {GOAL_DRILL_SECONDS} s longer than a restore, and took {more:.1f} s",
                more <= GOAL_DRILL_SECONDS)


def throughput_goal(without: Sequence[float], during: Sequence[float]) -> Goal:
    """Throughputs without and with a backup that runs."""
    loss = loss_percent(without, during)
    return Goal(f"a running backup costs at most {GOAL_LOSS_PERCENT} % of the throughput, and cost {loss:.1f} %",
                loss <= GOAL_LOSS_PERCENT)
