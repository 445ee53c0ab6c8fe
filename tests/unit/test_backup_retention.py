# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which backups are kept: each rule as a sentence about all histories, and the histories that we are afraid of."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import pathlib
import random
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Byte code among the templates would travel to the hosts.
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "roles/backup/templates/host/usr/local/lib/trenova"))

from trenova_backup import retention  # noqa: E402
from trenova_backup.files import seconds_of, stamp_of  # noqa: E402
from trenova_backup.retention import Point, Wal  # noqa: E402

POLICY = {"daily": 7, "weekly": 4, "monthly": 6, "cuts_hours": 24}
NOW = seconds_of("20261123T020000Z")
MINUTE, HOUR, DAY = 60, 3600, 86400


def night(days_ago, **more):
    return Point(stamp_of(NOW - days_ago * DAY - 30 * MINUTE), **more)


def cut(seconds_ago, **more):
    return Point(stamp_of(NOW - seconds_ago), cut=True, **more)


def kept(points, policy=None, now=NOW, **more):
    return retention.decide(points, dict(POLICY, **(policy or {})), now, **more).keep


def stamps(points):
    return [point.stamp for point in points]


# -- Histories --------------------------------------------------------------------------------------------------------


@st.composite
def histories(draw, until=NOW + 40 * DAY):
    """Points of a store, as real ones are and as no real ones would be."""
    count = draw(st.integers(0, 25))
    near, far = st.integers(0, 30 * HOUR), st.integers(0, 400 * DAY)
    ages = draw(st.lists(st.one_of(near, far), min_size=count, max_size=count))
    ahead = draw(st.lists(st.integers(NOW + 1, until), max_size=2)) if until > NOW else []
    made = []
    for moment in sorted({*(NOW - age for age in ages), *ahead}):
        after = draw(st.sampled_from(["", "", *(point.stamp for point in made[-4:]), "20200101T000000Z"]))
        made.append(Point(
            stamp_of(moment), good=draw(st.sampled_from([True, True, True, False])), after=after,
            pinned=draw(st.sampled_from([False] * 7 + [True])), cut=draw(st.booleans())))
    return draw(st.permutations(made))


@st.composite
def policies(draw):
    policy = {key: draw(st.integers(0, 8)) for key in ("daily", "weekly", "monthly")}
    if not any(policy.values()):
        policy["daily"] = 1
    return dict(policy, cuts_hours=draw(st.sampled_from([0, 1, 24, 72])))


def is_sound(point, points):
    """Said another way than the program does."""
    known = {other.stamp: other for other in points}
    for _step in range(len(points) + 1):
        if not point.good:
            return False
        if not point.after:
            return True
        if point.after not in known:
            return False
        point = known[point.after]
    return False


def past(points, now=NOW):
    return [point for point in points if seconds_of(point.stamp) <= now]


def sound(points, now=NOW):
    return [point for point in past(points, now) if is_sound(point, points)]


# -- Sentences about all of them --------------------------------------------------------------------------------------


@given(histories(), policies())
def test_each_point_is_either_kept_or_let_go(points, policy):
    decision = retention.decide(points, policy, NOW)
    assert sorted(stamps(decision.keep) + stamps(decision.let_go)) == sorted(stamps(points))
    assert stamps(decision.keep) == sorted(stamps(decision.keep))
    assert set(decision.window) <= set(stamps(decision.keep))


@given(histories(), policies())
def test_what_is_kept_stays_kept(points, policy):
    once = retention.decide(points, policy, NOW).keep
    assert retention.decide(once, policy, NOW).let_go == []


@given(histories(), policies())
def test_what_a_kept_point_builds_on_is_kept(points, policy):
    found = stamps(retention.decide(points, policy, NOW).keep)
    known = {point.stamp: point for point in points}
    assert [stamp for stamp in found if known[stamp].after in known and known[stamp].after not in found] == []


@given(histories(), policies())
def test_the_newest_that_can_be_brought_back_is_kept(points, policy):
    found = retention.decide(points, policy, NOW).keep
    for among in (lambda point: True, lambda point: point.cut, lambda point: not point.cut):
        newest = max(filter(among, sound(points)), key=lambda point: point.stamp, default=None)
        assert newest is None or newest in found


def asked_for(points, policy):
    """What the sentences of the policy ask for, said another way than the program does."""
    good, found = sorted(sound(points), key=lambda point: point.stamp), set()
    nights = [point for point in good if not point.cut]
    for key, period in (("daily", "%Y-%m-%d"), ("weekly", "%G-%V"), ("monthly", "%Y-%m")):
        groups = collections.defaultdict(list)
        for point in nights:
            moment = datetime.datetime.fromtimestamp(seconds_of(point.stamp), datetime.UTC)
            groups[moment.strftime(period)].append(point)
        newest = sorted((group[-1] for group in groups.values()), key=lambda point: point.stamp)
        found.update(newest[-policy[key]:] if policy[key] else [])
    cuts = [point for point in good if point.cut]
    found.update(point for point in cuts if seconds_of(point.stamp) > NOW - policy["cuts_hours"] * HOUR)
    return found | set(nights[-1:]) | set(cuts[-1:])


@given(histories(), policies())
def test_what_the_policy_asks_for_is_kept(points, policy):
    assert asked_for(points, policy) <= set(kept(points, policy))


@given(histories(), policies())
def test_what_nothing_asks_for_is_let_go_when_the_clock_is_certain(points, policy):
    """One run after the other, without gaps: no more is kept than is asked for, and what that builds on."""
    moments = [NOW - number * HOUR for number in range(len(points))]
    points = [dataclasses.replace(point, stamp=stamp_of(moment), after="", good=True, pinned=False)
              for point, moment in zip(points, moments, strict=True)]
    policy = dict(policy, cuts_hours=min(policy["cuts_hours"], 12) and 24)
    assert set(kept(points, policy)) == asked_for(points, policy)


@given(histories(), policies())
def test_pinned_and_future_points_are_kept_and_failed_ones_while_nothing_newer_is_good(points, policy):
    found = retention.decide(points, policy, NOW).keep
    newest = max((point.stamp for point in sound(points)), default="")
    built_on = {point.after for point in found}
    for point in points:
        if point.pinned or point not in past(points):
            assert point in found
        elif not is_sound(point, points):
            assert (point in found) == (point.stamp > newest or point.stamp in built_on)


@given(histories(), policies(), st.integers(0, 40 * DAY), st.booleans())
def test_a_later_run_that_fails_lets_nothing_good_go(points, policy, later, is_cut):
    now = NOW + later
    failed = Point(stamp_of(now), good=False, cut=is_cut)
    points = [point for point in points if point.stamp != failed.stamp]
    before = {point for point in kept(points, policy, now) if point.good}
    assert before <= set(kept([*points, failed], policy, now))


@given(histories(), policies(), st.lists(st.integers(1, 900 * DAY), max_size=3), st.booleans(), st.booleans())
def test_points_in_the_future_change_nothing_for_others(points, policy, ahead, is_good, is_cut):
    points = past(points)
    future = [Point(stamp_of(NOW + seconds), good=is_good, cut=is_cut) for seconds in set(ahead)]
    found = kept([*points, *future], policy)
    assert set(found) == set(kept(points, policy)) | set(future)


@given(histories(until=NOW), policies(), st.integers(2 * DAY + 1, 4000 * DAY), st.booleans(), st.booleans())
def test_a_clock_that_was_ahead_for_one_run_has_destroyed_nothing(points, policy, ahead, is_good, is_cut):
    newest = max((seconds_of(point.stamp) for point in sound(points)), default=NOW)
    then = newest + ahead
    jumped = Point(stamp_of(then), good=is_good, cut=is_cut)
    while_ahead = kept([*points, jumped], policy, then)
    pinned = {point for point in points if point.pinned}
    assert asked_for(points, policy) | pinned <= set(kept(while_ahead, policy))


@given(histories(until=NOW))
def test_the_oldest_is_one_that_can_be_brought_back(points):
    assert retention.oldest(points) == min(sound(points), key=lambda point: point.stamp, default=None)


# -- Histories that we are afraid of ----------------------------------------------------------------------------------


def test_a_year_of_nights_becomes_seven_days_four_weeks_and_six_months():
    found = stamps(kept([night(days) for days in range(365)]))
    assert [stamp[:8] for stamp in found] == [
        "20260630", "20260731", "20260831", "20260930", "20261031", "20261108", "20261115",
        *(f"202611{day}" for day in range(17, 24))]


def test_the_year_of_a_week_is_that_of_iso():
    """The 1st of January 2027 belongs to week 53 of 2026; a week of the calendar year would be two."""
    points = [Point("20261231T013000Z"), Point("20270101T013000Z")]
    assert stamps(kept(points, {"daily": 0, "monthly": 0}, seconds_of("20270101T020000Z"))) == ["20270101T013000Z"]


def test_days_without_a_backup_do_not_count():
    """A server that was off for a month has seven days of backups, not one."""
    old = [night(days) for days in range(40, 60)]
    found = kept([night(0), night(1), *old], {"weekly": 0, "monthly": 0})
    assert found == sorted([night(0), night(1), *old[:5]], key=lambda point: point.stamp)


def test_months_of_failures_leave_the_last_good_one():
    points = [night(200), *(night(days, good=False) for days in range(200))]
    assert night(200) in kept(points, {"daily": 1, "weekly": 0, "monthly": 0})
    assert len(kept(points)) == 201
    first, second = Point(stamp_of(NOW)), Point(stamp_of(NOW + DAY))
    assert kept([*points, first, second], {"daily": 1, "weekly": 0, "monthly": 0}, NOW + DAY) == [second]


def test_an_incremental_one_whose_base_is_gone_takes_no_place_of_a_whole_one():
    whole = night(3)
    orphan = night(0, after="20200101T000000Z")
    assert kept([whole, orphan], {"daily": 1, "weekly": 0, "monthly": 0}) == [whole, orphan]
    on_failed = night(1, after=night(2).stamp)
    assert whole in kept([whole, night(2, good=False), on_failed], {"daily": 1, "weekly": 0, "monthly": 0})


def test_points_that_build_on_each_other_in_a_circle_are_no_backup():
    one, other = night(1, after=night(2).stamp), night(2, after=night(1).stamp)
    assert retention.oldest([one, other]) is None
    assert night(9) in kept([night(9), one, other], {"daily": 1, "weekly": 0, "monthly": 0})


def test_cuts_take_no_day_of_a_night():
    points = [night(days) for days in range(7)] + [cut(HOUR), cut(26 * HOUR, after=night(1).stamp)]
    found = kept(points, {"weekly": 0, "monthly": 0})
    assert [point for point in found if not point.cut] == sorted(points[:7], key=lambda point: point.stamp)


def test_cuts_are_let_go_after_their_hours():
    cuts = [cut(minutes * MINUTE) for minutes in range(0, 3 * 24 * 60, 5)]
    found = kept(cuts)
    assert len(found) == 24 * 12
    assert min(stamps(found)) > stamp_of(NOW - DAY)
    assert kept(cuts, {"cuts_hours": 0}) == [cut(0)]


def test_the_newest_cut_stays_when_the_cycle_has_stopped_and_the_others_go():
    cuts = [cut(10 * DAY + minutes * MINUTE) for minutes in range(0, 24 * 60, 5)]
    assert [point for point in kept([*cuts, *(night(days) for days in range(9))]) if point.cut] == [cut(10 * DAY)]


def test_a_server_that_was_off_keeps_its_cuts_until_there_are_new_ones():
    cuts = [cut(10 * DAY + minutes * MINUTE) for minutes in range(0, 24 * 60, 5)]
    assert set(cuts) <= set(kept([*cuts, cut(0)]))
    assert len(kept([*cuts, *(cut(minutes * MINUTE) for minutes in range(0, 25 * 60, 5))])) == 24 * 12


def test_a_schedule_of_weeks_keeps_no_more_than_it_shall():
    points = [night(days) for days in range(0, 140, 7)]
    policy = {"daily": 0, "monthly": 0}
    assert len(kept(points, policy, interval=7 * DAY)) == 4
    assert len(kept(points, policy)) == 5, "a gap that the schedule does not know may be a clock that jumped"


@pytest.mark.parametrize("hours", [3, 12, 36, 24 * 365])
def test_a_clock_that_was_ahead_for_one_cut_has_cost_none(hours):
    """The clock of the hardware in another time zone, and one without a battery."""
    points = [cut(minutes * MINUTE) for minutes in range(0, 24 * 60, 5)] + [night(days) for days in range(7)]
    then = NOW + hours * HOUR
    while_ahead = kept([*points, Point(stamp_of(then), cut=True)], now=then)
    assert set(points) <= set(kept(while_ahead))


def test_a_clock_in_the_past_lets_nothing_go():
    points = [night(days) for days in range(300)]
    early = Point("19700101T000100Z")
    assert retention.decide([*points, early], POLICY, 100).let_go == []
    assert early not in kept([*points, early])


def test_what_has_no_time_is_kept_and_takes_no_place():
    strange = Point("by hand")
    points = [night(days) for days in range(30)]
    assert set(kept([*points, strange])) == {*kept(points), strange}


def test_of_two_with_one_stamp_the_good_one_counts():
    failed = dataclasses.replace(night(0), good=False)
    for points in ([night(0), failed], [failed, night(0)]):
        assert night(0) in kept([*points, night(1)], {"daily": 1, "weekly": 0, "monthly": 0})
        assert retention.oldest(points) == night(0)


def test_a_week_of_cuts_that_build_on_each_other_is_judged_at_once():
    cuts = [cut(seconds, after=stamp_of(NOW - seconds - 60)) for seconds in range(0, 7 * DAY, MINUTE)]
    base = Point(stamp_of(NOW - 7 * DAY))
    begun = time.monotonic()
    assert set(kept([base, *cuts])) == {base, *cuts}
    assert retention.oldest([base, *cuts]) == base
    assert time.monotonic() - begun < 5


# -- The policy -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("change", "sentence"), [
    ({"daily": -1}, "daily of what backups are kept must be a whole number from 0 on, and is -1."),
    ({"weekly": True}, "weekly of what backups are kept must be a whole number from 0 on, and is True."),
    ({"monthly": "6"}, "monthly of what backups are kept must be a whole number from 0 on, and is '6'."),
    ({"cuts_hours": None}, "cuts_hours of what backups are kept must be a whole number from 0 on, and is None."),
    ({"yearly": 1}, "yearly is nothing that backups are kept by; there are daily, weekly, monthly, cuts_hours."),
    ({"daily": 0, "weekly": 0, "monthly": 0},
     "daily, weekly and monthly are all 0: no backup would be kept but the newest one."),
    ({"daily": 0, "weekly": 0}, ""),
    ({"cuts_hours": 0}, ""),
    ({}, ""),
])
def test_a_policy_is_judged_in_one_sentence(change, sentence):
    policy = dict(POLICY, **change)
    assert retention.fault(policy) == sentence
    if sentence:
        with pytest.raises(ValueError, match="0|yearly"):
            retention.decide([], policy, NOW)


# -- WAL --------------------------------------------------------------------------------------------------------------


def wals(base, *hours_later):
    return [Wal(stamp_of(seconds_of(base) + int(hours * HOUR)), base) for hours in hours_later]


def test_a_base_keeps_what_makes_it_whole_and_one_in_the_window_its_last_besides():
    old, first, second = (night(days).stamp for days in (30, 1, 0))
    points = wals(old, 0.1, 1, 2) + wals(first, 0.1, 1, 23.9) + wals(second, 0.1, 0.2, 0.4)
    gone = wals(night(5).stamp, 0.1, 1)
    keep, let_go = retention.wal_epochs([old, first, second], [first, second], points + gone, NOW)
    assert keep == [points[0], points[3], points[5], points[6], points[8]]
    assert let_go == sorted([points[1], points[2], points[4], points[7], *gone], key=lambda wal: wal.stamp)


def test_the_last_of_the_newest_base_is_kept_whatever_the_window_says():
    [base, older] = [night(days).stamp for days in (0, 1)]
    points = wals(older, 1, 2) + wals(base, 0.1, 0.2, 0.3)
    assert retention.wal_epochs([older, base], [], points, NOW)[0] == [points[0], points[2], points[4]]


def test_a_clock_that_was_ahead_does_not_make_an_early_one_the_last():
    """Neither while its stamp lies in the future, nor when the time has come; nor a base of that clock."""
    older, base = night(1).stamp, night(0).stamp
    jumped, last = wals(older, 72)[0], wals(older, 23.9)[0]
    points = [*wals(older, 0.1), last, jumped, *wals(base, 0.1)]
    for now in (NOW, NOW + 5 * DAY):
        keep, _let_go = retention.wal_epochs([older, base], [older, base], points, now)
        assert {last, jumped} <= set(keep)
    ahead = stamp_of(NOW + 90 * DAY)
    keep, _let_go = retention.wal_epochs([base, ahead], [], wals(base, 0.1, 0.2, 0.3), NOW)
    assert keep == wals(base, 0.1, 0.3)


@st.composite
def epochs(draw):
    """(kept bases, those in the window, WAL)."""
    bases = sorted({stamp_of(NOW - days * DAY - HOUR) for days in draw(st.lists(st.integers(-2, 20), max_size=6))})
    minutes = st.integers(0, 60 * 24 * 3)
    found = {Wal(stamp_of(seconds_of(base) + draw(minutes) * MINUTE), base) for base in [*bases, "20250101T000000Z"]
             for _number in range(draw(st.integers(0, 6)))}
    return bases, [base for base in bases if draw(st.booleans())], sorted(found, key=lambda wal: wal.stamp)


@given(epochs())
def test_wal_of_kept_bases_alone_is_kept_and_no_base_is_left_in_pieces(drawn):
    bases, window, found = drawn
    random.Random(1).shuffle(found)
    keep, let_go = retention.wal_epochs(bases, window, found, NOW)
    assert sorted(keep + let_go, key=str) == sorted(found, key=str)
    assert {wal.base for wal in keep} == {wal.base for wal in found if wal.base in bases}
    assert retention.wal_epochs(bases, window, keep, NOW) == (keep, [])
    for base in window:
        ours = [wal for wal in found if wal.base == base and seconds_of(wal.stamp) <= NOW]
        assert not ours or max(ours, key=lambda wal: wal.stamp) in keep
