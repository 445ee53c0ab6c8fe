# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How long it is from one run to the next, for every calendar expression that preflight accepts."""

from __future__ import annotations

import datetime
import itertools
import os
import re
import shutil
import subprocess

import pytest
import test_formats
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.trenova.selfhost.plugins.plugin_utils import formats, schedules

TODAY = datetime.date(2026, 11, 25)


def hours(text):
    interval = schedules.longest_interval(text, TODAY)
    return None if interval is None else interval.total_seconds() / 3600


@pytest.mark.parametrize(("text", "expected"), [
    ("*-*-* 01:30:00", 24), ("03:15", 24), ("daily", 24), ("*-*-* 02:00:00 UTC", 24), ("hourly", 1),
    ("minutely", 1 / 60),
    ("*-*-* 00/6:00:00", 6), ("*:0/15", 0.25), ("*-*-* 06,08:00", 22), ("*-*-* 09..17:00", 16),
    ("Sun 03:00", 168), ("weekly", 168), ("Sun 03:00 Europe/Berlin", 168), ("Sunday", 168),
    ("Mon..Fri *-*-* 22:00", 72), ("Mon,Thu 01:30", 96), ("Sat..Mon 12:00", 120), ("Mon, 01:00", 168),
    ("*-*-01 04:00:00", 31 * 24), ("monthly", 31 * 24), ("*-*~01 03:00", 31 * 24), ("quarterly", 92 * 24),
    ("semiannually", 184 * 24), ("yearly", 366 * 24), ("annually", 366 * 24), ("12-24 18:00", 366 * 24),
    ("*-*-31 01:00", 61 * 24), ("*-02-29 01:00", 1461 * 24), ("*-*~07/1 01:00", 25 * 24), ("*-*-1/10 00:00", 10 * 24),
    ("2026,2027-*-* 01:00", 24),
])
def test_the_longest_interval(text, expected):
    assert hours(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", [
    "", "every night", "30 1 * * *", "2026-12-24 18:00", "2020-*-* 01:00", "Sun *-02-29 01:00", "*-02-30 01:00",
    "*-*-1/0 01:00", "*-*~03..01 01:00", "*-*~* 01:00",
])
def test_what_cannot_be_told_is_not_guessed(text):
    assert schedules.longest_interval(text, TODAY) is None


def test_every_word_of_systemd_is_known():
    assert set(schedules.SHORTHANDS) == formats.CALENDAR_WORDS
    assert [word for word in schedules.SHORTHANDS if hours(word) is None] == []


def test_whatever_preflight_accepts_is_answered():
    for text in test_formats.GOOD_CALENDARS:
        assert text.startswith("2026") or hours(text) > 0


WEEKDAYS = st.sets(st.integers(0, 6), min_size=1)


@given(WEEKDAYS, st.sets(st.integers(0, 23), min_size=1), st.integers(0, 59))
@settings(max_examples=60, deadline=None)
def test_no_time_without_a_run_is_longer_than_the_interval(weekdays, at_hours, minute):
    names = ",".join(schedules.WEEKDAYS[day].title() for day in sorted(weekdays))
    text = f"{names} *-*-* {','.join(f'{hour:02}' for hour in sorted(at_hours))}:{minute:02}"
    runs = [
        datetime.datetime.combine(TODAY + datetime.timedelta(days), datetime.time(hour, minute))
        for days in range(15) if (TODAY + datetime.timedelta(days)).weekday() in weekdays for hour in sorted(at_hours)]
    gaps = [later - earlier for earlier, later in itertools.pairwise(runs)]
    assert schedules.longest_interval(text, TODAY) == max(gaps)


@given(st.integers(1, 12), st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_a_date_that_comes_again_is_due_within_a_leap_cycle(month, day):
    interval = schedules.longest_interval(f"*-{month:02}-{day:02} 00:00", TODAY)
    if (month, day) == (2, 29):
        assert interval == datetime.timedelta(1461)
    elif (month, day) == (2, 30):
        assert interval is None
    else:
        assert interval == datetime.timedelta(366)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd to ask")
@pytest.mark.parametrize("text", [
    "Mon..Fri 22:00", "Mon,Thu 01:30", "*-*-1/10 00:00", "*-*~07/1 01:00", "*-*~02 03:00", "*-*-* 00/6:00:00", "*-*-31",
    "Sat,Sun *-*-* 09..17/4:30", "*-1/3-05 12:00", "*-*-10..12 01:00", "*:10,40", "Sun 1..7:00/30",
])
def test_systemd_runs_as_often(text):
    done = subprocess.run(
        ["systemd-analyze", "calendar", "--iterations=400", text], env=dict(os.environ, TZ="UTC", LANG="C"),
        capture_output=True, text=True, check=True)
    moments = [
        datetime.datetime.fromisoformat(moment)
        for moment in re.findall(r"(?:Next elapse|Iter.*#\d+): \w+ (\S+ \S+) UTC", done.stdout)]
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert len(moments) > 40
    assert schedules.longest_interval(text, TODAY) == max(gaps)
