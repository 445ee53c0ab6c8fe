# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Works that calendars start: whether two meet, told and proposed by one rule, against counting them out."""

from __future__ import annotations

import datetime
import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.trenova.selfhost.plugins.plugin_utils import schedules, sizing
from ansible_collections.trenova.selfhost.plugins.plugin_utils.backup import timetable
from ansible_collections.trenova.selfhost.plugins.plugin_utils.backup.timetable import Work

TODAY = datetime.date(2026, 11, 30)
HOUR = 3600
NIGHTLY, SUNDAYS = "*-*-* 01:30:00", "Sun *-*-* 04:00:00"


def work(calendar, minutes, delay=0, name="backup"):
    variable = "backup_schedule" if name == "backup" else "backup_drill_schedule"
    return Work(variable, f"the {name}", calendar, delay, minutes * 60)


def told(*works):
    return [(problem.what, problem.write) for problem in timetable.problems(works, TODAY)]


# -- Counted out ------------------------------------------------------------------------------------------------------


@st.composite
def calendars(draw):
    """(expression, its weekdays, its minutes of the day)."""
    weekdays = sorted(draw(st.sets(st.integers(0, 6), min_size=1)))
    hours, minute = sorted(draw(st.sets(st.integers(0, 23), min_size=1, max_size=4))), draw(st.integers(0, 59))
    names = ",".join(schedules.WEEKDAYS[day].title() for day in weekdays)
    text = f"{names} *-*-* {','.join(f'{hour:02}' for hour in hours)}:{minute:02}:00"
    return text, weekdays, [hour * 60 + minute for hour in hours]


def begins(calendar, days):
    """All times of some days at which a calendar is due, in seconds from the first one on."""
    _text, weekdays, minutes = calendar
    return [(number * 1440 + minute) * 60 for number in range(days)
            if (TODAY + datetime.timedelta(number)).weekday() in weekdays for minute in minutes]


def meet(begin, seconds, other, other_seconds):
    return begin < other + other_seconds and other < begin + seconds


LENGTHS = st.integers(1, 60 * HOUR)


@settings(max_examples=100, deadline=None)
@given(calendars(), LENGTHS, calendars(), LENGTHS)
def test_two_works_meet_where_counting_them_out_finds_it(one, seconds, other, other_seconds):
    found = schedules.meeting((one[0], seconds), (other[0], other_seconds), TODAY)
    # Four weeks, as what begins earlier may still go on.
    pairs = [(begin, second) for begin, second in itertools.product(begins(one, 28), begins(other, 28))
             if meet(begin, seconds, second, other_seconds)]
    assert (found is None) == (not pairs)
    if found:
        midnight = datetime.datetime.combine(TODAY, datetime.time())
        assert tuple((time - midnight).total_seconds() for time in found) in pairs
        assert (found[0] - midnight).total_seconds() == min(pairs)[0]


@settings(max_examples=50, deadline=None)
@given(calendars(), LENGTHS)
def test_a_work_meets_its_next_one_where_counting_finds_it(calendar, seconds):
    gaps = [later - earlier for earlier, later in itertools.pairwise(begins(calendar, 28))]
    assert schedules.shortest_interval(calendar[0], TODAY).total_seconds() == min(gaps)
    assert bool(told(Work("backup_schedule", "the backup", calendar[0], 0, seconds))) == (min(gaps) < seconds)


@settings(max_examples=60, deadline=None)
@given(calendars(), calendars(), st.integers(1, 600), st.integers(1, 600), st.integers(0, 7200))
def test_what_is_proposed_overlaps_no_more_and_keeps_the_days(one, other, minutes, other_minutes, delay):
    first, second = work(one[0], minutes, delay), work(other[0], other_minutes, delay, "drill")
    problems = [entry for entry in told(first, second) if "overlap" in entry[0]]
    assert len(problems) == (schedules.meeting(
        (first.calendar, first.seconds), (second.calendar, second.seconds), TODAY) is not None)
    for _what, write in problems:
        proposal = re.fullmatch("backup_drill_schedule: (.*)", write)
        if proposal:
            assert proposal[1].split()[0] == other[0].split()[0]
            moved = second._replace(calendar=proposal[1])
            assert not [what for what, _write in told(first, moved) if "overlap" in what]
        else:
            assert "no time of a day is left" in write


# -- As people read it ------------------------------------------------------------------------------------------------


def test_the_two_that_overlap_are_named_with_when_and_what_to_write():
    assert told(work(NIGHTLY, 16, 900), work("Sun *-*-* 02:00:00", 15, 900, "drill")) == [(
        "backup_schedule (*-*-* 01:30:00) and backup_drill_schedule (Sun *-*-* 02:00:00) overlap: on Sun 2026-12-06 "
        "the backup is at work from 01:30 to about 02:01 and the drill from 02:00 to about 02:30, with a delay of up "
        "to 15 minutes.", "backup_drill_schedule: Sun *-*-* 02:30:00")]


def test_a_schedule_that_is_due_again_too_soon_is_told():
    assert told(work("*:0/15", 16)) == [(
        "backup_schedule (*:0/15) is due again after 15 minutes, and the backup may be at work for 16 minutes.",
        "backup_schedule: one that is due every hour or less often")]
    assert told(work("hourly", 16, 44 * 60)) == []
    assert told(work("hourly", 16, 45 * 60)) != []


@pytest.mark.parametrize(("one", "other", "met"), [
    ("*-*-* 23:50:00", "Mon *-*-* 00:10:00", True), ("*-*-* 23:50:00", "Mon *-*-* 00:20:00", False),
    ("Sun 23:50", "Tue 00:10", False), ("*-*-31 23:50", "*-*-01 00:00", True), ("*-*-30 23:50", "*-03-01 00:00", False),
    ("*-02-28 23:50", "*-02-29 00:00", True), ("daily", "weekly", True), ("*-*-* 12:00", "hourly", True),
    # A touch is no overlap.
    ("*-*-* 01:00", "*-*-* 01:30", False), ("*-*-* 01:00", "*-*-* 01:29", True), ("*-*-* 01:29", "*-*-* 01:00", True),
    # Zones: 02:00 in Berlin is 00:00 or 01:00 in UTC.
    ("02:00 Europe/Berlin", "01:00 UTC", True), ("02:00 Europe/Berlin", "00:00 UTC", True),
    ("02:00 Europe/Berlin", "02:00 UTC", False), ("02:00 Europe/Berlin", "02:10 Europe/Berlin", True),
    ("Sun 00:10 Europe/Berlin", "Sat 23:15 UTC", True), ("Sun 00:10 Europe/Berlin", "Sun 23:15 UTC", False),
    # That of the host is not known.
    ("02:00", "02:00 UTC", False),
    # What is no expression is told elsewhere.
    ("every night", "02:00", False), ("", "02:00", False),
])
def test_days_ends_of_months_and_zones(one, other, met):
    for pair in ((one, other), (other, one)):
        assert (schedules.meeting(*((text, 1800) for text in pair), TODAY) is not None) is met


def test_any_expression_is_judged_in_a_moment():
    begun = datetime.datetime.now()
    assert schedules.meeting(("*:*:*", 60), ("*:*:*", 60), TODAY)
    assert told(work("*:*:0/30", 1), work("*:*:0/30", 1, name="drill"))
    assert datetime.datetime.now() - begun < datetime.timedelta(seconds=20)


@pytest.mark.parametrize(("users", "proposal"), [
    (1, []), (10, []), (50, []), (200, []), (500, []), (1000, ["backup_drill_schedule: Sun *-*-* 04:30:00"])])
def test_the_defaults_overlap_for_no_installation_of_the_document(users, proposal):
    """Twice its largest has so much to save that the drill has to begin later."""
    host = {"cores": 64, "memory_mb": 262144, "disk_free_gb": 9000, "disk_total_gb": 9999}
    figures = sizing.plan(host, {"users": users})["services"]["backup"]["settings"]
    works = [work(NIGHTLY, figures["usual_minutes"], 900), work(SUNDAYS, figures["drill_minutes"], 900, "drill")]
    assert [write for _what, write in told(*works)] == proposal
