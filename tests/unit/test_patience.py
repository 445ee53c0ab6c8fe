# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What fails is asked again until it does not, or time is up; a clock of the test stands in for time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.trenova.selfhost.plugins.module_utils.patience import until_ok


class Clock:
    """Time that passes when one waits, or asks."""

    def __init__(self, each_answer=0.0):
        self.now, self.each_answer = 100.0, each_answer

    def pause(self, seconds):
        self.now += seconds


def asked(fails, deadline, each_answer=0.0, **failure):
    """(answer, how often it was asked) of something that fails so many times."""
    clock, calls = Clock(each_answer), []

    def ask():
        clock.now += each_answer
        calls.append(clock.now)
        ok = len(calls) > fails
        return {"ok": ok, "detail": "fine" if ok else "refused", **({} if ok else failure)}

    return until_ok(ask, 100 + deadline, lambda: clock.now, clock.pause), len(calls)


def test_what_is_well_at_once_is_asked_once():
    assert asked(0, 30) == ({"ok": True, "detail": "fine", "seconds": 0.0}, 1)


def test_the_detail_says_how_long_it_took():
    assert asked(3, 30) == ({"ok": True, "detail": "fine (after 3 s)", "seconds": 3.0}, 4)


def test_time_is_bounded():
    answer, calls = asked(99, 5)
    assert (answer["ok"], answer["detail"], calls) == (False, "refused (asked for 5 s)", 6)
    answer, calls = asked(99, 5, each_answer=2)
    assert calls == 2


def test_without_time_it_is_asked_once():
    assert asked(99, 0) == ({"ok": False, "detail": "refused", "seconds": 0.0}, 1)


def test_a_lasting_failure_is_not_asked_about_again():
    assert asked(1, 30, lasting=True) == ({"ok": False, "detail": "refused", "seconds": 0.0}, 1)
    assert asked(1, 30, lasting=False)[0]["ok"]


@given(st.integers(0, 50), st.integers(0, 40), st.sampled_from([0.0, 0.3, 4.0]))
def test_it_is_never_begun_after_the_deadline_and_what_is_well_ends_it(fails, deadline, each_answer):
    answer, calls = asked(fails, deadline, each_answer)
    assert answer["ok"] is (calls == fails + 1)
    assert answer["seconds"] <= deadline + each_answer * 2 + 0.01
    assert "lasting" not in answer
    assert calls == 1 or answer["seconds"] == pytest.approx((calls - 1) + calls * each_answer, abs=0.02)
