# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether works that calendars start get into each other's way: one rule for all of them.

A work may be going on from when its calendar is due until its delay and its usual time have passed. What has no
calendar cannot overlap: a small backup begins so many minutes after the last one has ended, and gives way to whoever
is at work; a check is started by hand, and waits, or is refused.
"""

from __future__ import annotations

import datetime
import itertools
import math
from typing import NamedTuple

from ansible_collections.trenova.selfhost.plugins.plugin_utils import schedules
from ansible_collections.trenova.selfhost.plugins.plugin_utils.problem import INVENTORY, Problem

#: Minutes between the times that are tried for a proposal.
STEP_MINUTES = 30
DAY_MINUTES = 1440


class Work(NamedTuple):
    """What a calendar starts: the variable with its expression, a title for people, and how long it may take."""

    variable: str
    title: str
    calendar: str
    delay_seconds: int
    usual_seconds: int

    @property
    def seconds(self):
        """From when it is due to when it is done, usually."""
        return self.delay_seconds + self.usual_seconds


def problems(works, today):
    """A Problem for each work that its own next one meets, and for each two that meet, from a day on."""
    for work in works:
        interval = schedules.shortest_interval(work.calendar, today)
        if interval is not None and interval.total_seconds() < work.seconds:
            hours = math.ceil(work.seconds / 3600)
            often = "hour" if hours == 1 else f"{hours} hours"
            yield Problem(
                f"{work.variable} ({work.calendar}) is due again after {_minutes(interval.total_seconds())}, and "
                f"{work.title} may be at work for {_minutes(work.seconds)}{_delays(work)}.", INVENTORY,
                f"{work.variable}: one that is due every {often} or less often")
    for first, second in itertools.combinations(works, 2):
        met = schedules.meeting((first.calendar, first.seconds), (second.calendar, second.seconds), today)
        if met is not None:
            yield Problem(_words(first, second, met), INVENTORY, _proposal(first, second, today))


def _words(first, second, met):
    spans = [f"from {begin:%H:%M} to about {_end(begin, work)}"
             for work, begin in zip((first, second), met, strict=True)]
    return (
        f"{first.variable} ({first.calendar}) and {second.variable} ({second.calendar}) overlap: on "
        f"{met[0]:%a %Y-%m-%d} {first.title} is at work {spans[0]} and {second.title} {spans[1]}"
        f"{_delays(first, second)}.")


def _end(begin, work):
    return f"{begin + datetime.timedelta(seconds=work.seconds):%H:%M}"


def _delays(*works):
    most = max(work.delay_seconds for work in works)
    return f", with a delay of up to {_minutes(most)}" if most else ""


def _minutes(seconds):
    return f"{math.ceil(seconds / 60)} minutes"


def _proposal(first, second, today):
    """What to write instead: the next time of the day at which the second does not meet the first."""
    calendar = proposed(first, second, today)
    if calendar:
        return f"{second.variable}: {calendar}"
    return f"{first.variable}: one that is due less often; no time of a day is left for {second.title}"


def proposed(first, second, today):
    """The days of the second work, at the next half hour at which it meets the first one no more; "" where none is."""
    begin = schedules.first_time(second.calendar) // 60
    times = [number * STEP_MINUTES for number in range(DAY_MINUTES // STEP_MINUTES)]
    for time in sorted(times, key=lambda minutes: (minutes - begin) % DAY_MINUTES):
        calendar = schedules.at_time(second.calendar, *divmod(time, 60))
        if not schedules.meeting((first.calendar, first.seconds), (calendar, second.seconds), today):
            return calendar
    return ""
