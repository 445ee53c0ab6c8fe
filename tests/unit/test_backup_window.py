# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is left of many nights, by any retention: what the list promises comes back, and nothing stays for ever."""

from __future__ import annotations

import pathlib
import sys

from hypothesis import given, settings
from hypothesis import strategies as st
from test_backup_restore import Target, postgres, snapshot

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "roles/backup/templates/host/usr/local/lib/trenova"))
from trenova_backup import points, runs  # noqa: E402  # found by the line above
from trenova_backup.files import moment, seconds_of, stamp_of  # noqa: E402

FIRST = seconds_of("20260301T013000Z")
MINUTE, HOUR, DAY = 60, 3600, 86400
POLICIES = st.fixed_dictionaries({
    "daily": st.integers(0, 8), "weekly": st.integers(0, 3), "monthly": st.integers(0, 2),
    "cuts_hours": st.sampled_from([0, 24])}).filter(lambda policy: any(policy[key] for key in runs.retention.PERIODS))


def night(number, full_days, before, cuts):
    """What a night and the small backups after it leave in a target."""
    at = FIRST + number * DAY
    stamp, ended = stamp_of(at), at + 5 * MINUTE
    is_full = not before or not number % full_days
    made = [snapshot(at, level="full" if is_full else "incremental", after="" if is_full else before)]
    bases = [base for base in dict.fromkeys((before, stamp)) if base]
    made += [snapshot(at, part="wal", base=base, until=moment(ended)) for base in bases]
    made += [snapshot(at + hour * HOUR, part="wal", base=stamp, until=moment(at + hour * HOUR)) for hour in cuts]
    return stamp, made


def moments(found):
    """Begin, middle and end of what the list promises."""
    return [at for begin, end in points.intervals(points.windows(found, "rows"))
            for at in (begin, begin + (end - begin) // 2, end)]


@settings(max_examples=30, deadline=None)
@given(POLICIES, st.integers(1, 8), st.lists(st.integers(1, 23), max_size=3, unique=True), st.integers(1, 45),
       st.sets(st.integers(1, 44), max_size=10))
def test_what_the_list_promises_comes_back_and_nothing_stays_for_ever(
        tmp_path_factory, policy, full_days, cuts, nights, missed):
    kind = postgres(tmp_path_factory.mktemp("x"))
    found, before = [], ""
    for number in range(nights):
        if number in missed:
            continue  # the server was off
        before, made = night(number, full_days, before, ())
        found += made
        now = FIRST + number * DAY + 10 * MINUTE
        promised, newest = moments(found), max(moments(found))
        gone = runs.unwanted(found, policy, now)
        found = [each for each in found if each not in gone]
        left = moments(found)
        # The last good backup, whatever the policy says.
        assert max(left) == newest
        assert before in {each.run for each in found if each.part == "base"}
        for at in left:
            assert kind.choose(Target(found), at).snapshots[-1].part == "wal"
        # Any moment of the days that are kept and have a backup.
        days = sorted({each.run[:8] for each in found if each.part == "base"})[-policy["daily"]:] if (
            policy["daily"]) else []
        if days:
            kept_from = min(seconds_of(each.run) for each in found if each.part == "base" and each.run[:8] == days[0])
            assert [at for at in promised if at > kept_from + 5 * MINUTE and not any(
                begin <= at <= end for begin, end in points.intervals(points.windows(found, "rows")))] == []
        # No more than the policy counts: each point, what it builds on, and a day for a clock that may have jumped.
        most = (2 * sum(policy[key] for key in runs.retention.PERIODS) + 3) * max(full_days, 1)
        assert len([each for each in found if each.part == "base"]) <= most
        last = [each for each in found if each.part == "wal"]
        assert len(last) <= 3 * len([each for each in found if each.part == "base"])
        found += [each for each in night(number, full_days, "", cuts)[1] if each.run > before]


@settings(max_examples=15, deadline=None)
@given(POLICIES, st.integers(1, 8))
def test_what_a_policy_has_no_place_for_any_more_is_gone(policy, full_days):
    """A year of nights later nothing of the first weeks is there, but what a month counts."""
    found, before = [], ""
    for number in range(370):
        before, made = night(number, full_days, before, ())
        found += made
        if number % 7 == 0 or number == 369:
            gone = runs.unwanted(found, policy, FIRST + number * DAY + 10 * MINUTE)
            found = [each for each in found if each not in gone]
    horizon = max(policy["daily"], 7 * policy["weekly"], 31 * policy["monthly"]) + full_days + 32
    assert min(each.run for each in found) >= stamp_of(FIRST + (369 - horizon) * DAY)


def test_where_no_days_are_kept_no_moments_between_the_points_are():
    """But those since the newest one, which is all that there is of today."""
    found, before = [], ""
    for number in range(22):
        before, made = night(number, 1, before, (6, 18))
        found += made
    now = FIRST + 21 * DAY + 19 * HOUR
    policy = {"daily": 0, "weekly": 3, "monthly": 0, "cuts_hours": 24}
    left = [each for each in found if each not in runs.unwanted(found, policy, now)]
    *weeks, last = points.windows(left, "rows")
    assert [end - begin for begin, end in ((window.begin, window.end) for window in weeks)] == [0] * len(weeks)
    assert len(weeks) >= 2
    assert last.end - last.begin == 18 * HOUR - 5 * MINUTE
