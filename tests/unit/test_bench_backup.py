# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the benchmark of the backups makes of its measurements."""

from __future__ import annotations

import pathlib
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/bench"), str(ROOT / "tests/lab")]
import figures  # noqa: E402  # it is found by the path
from figures import Part  # noqa: E402
from load import Answer  # noqa: E402

SECONDS = st.floats(0.1, 10000)


def answer(began, seconds, fault=None):
    """An answer to a request that was due long before."""
    return Answer(0.0, seconds, fault, began)


@pytest.mark.parametrize("size", [0.1, 1, 5])
def test_half_of_the_size_is_rows_and_half_objects(size):
    found = figures.amount(size)
    assert found.rows * figures.ROW_BYTES == pytest.approx(size * figures.GB / 2, rel=0.2)
    assert found.objects * figures.OBJECT_BYTES == pytest.approx(size * figures.GB / 2, rel=0.2)
    # A tenth of them changes.
    assert found.rows % 10 == found.objects % 10 == 0


@pytest.mark.parametrize("size", [0, -1, 0.001])
def test_a_size_of_less_than_ten_objects_is_refused_with_the_least_one(size):
    with pytest.raises(ValueError, match=r"SIZE is \S+: write GB, at least 0\.014\."):
        figures.amount(size)
    assert figures.amount(0.014).objects == 10


def test_the_space_grows_with_the_size():
    assert figures.space_needed(5) == 5 * figures.space_needed(1) > 5 * figures.GB


def test_parts_are_read_with_and_without_bytes():
    assert figures.parts(["stop 1.50 ", "base 12.25 4096"]) == [Part("stop", 1.5), Part("base", 12.25, 4096)]


@pytest.mark.parametrize("line", ["", "stop", "stop soon", "base 1.0 many"])
def test_a_line_that_is_no_part_is_not_passed_over(line):
    with pytest.raises(ValueError):
        figures.parts([line])


def test_the_median_of_each_part_is_taken_by_its_name():
    rounds = [[Part("stop", 1), Part("copy", 9, 10)], [Part("copy", 7, 20), Part("stop", 3)], [Part("stop", 2)]]
    assert figures.medians(rounds) == [Part("stop", 2), Part("copy", 7, 20)]


def test_parts_of_one_name_are_added_in_a_round():
    assert figures.medians([[Part("stop", 1), Part("stop", 2)]]) == [Part("stop", 3)]


def test_without_a_round_there_is_no_median():
    with pytest.raises(ValueError, match="no round"):
        figures.medians([])


def test_a_rate_counts_good_answers_that_ended_in_the_window():
    answers = [answer(0.5, 0.4), answer(0.5, 0.5), answer(1.5, 0.1, "429"), answer(1.9, 0.05), answer(2.5, 0.5)]
    # Of 1.0 to 3.0: the second and the fourth; the last ends at its end.
    assert figures.rate(answers, 1.0, 3.0) == 1.0


def test_a_window_without_length_has_no_rate():
    with pytest.raises(ValueError, match="ends at 1.0 s"):
        figures.rate([], 1.0, 1.0)


@given(st.integers(1, 6), st.floats(-3, 3), st.floats(0, 0.9), st.integers(0, 3))
def test_what_falls_steadily_is_no_loss_of_what_is_held_in_turns(groups, slope, loss, more):
    """Windows of a rate that changes by so much each turn, of which what goes on costs a part."""
    order = [True, False, False, True] * (groups + 1)
    rates = [(is_on, 500 + slope * number) for number, is_on in enumerate(order)][:4 * groups + more]
    found = figures.turns(rates)
    assert len(found) == groups
    assert all(on == pytest.approx(held) for on, held in found)
    found = figures.turns([(is_on, (1 - loss) * 500 if is_on else 500) for is_on, _rate in rates])
    during, without = zip(*found, strict=True)
    assert figures.loss_percent(without, during) == pytest.approx(100 * loss)


@pytest.mark.parametrize("order", [[], [True, False, False], [True, False, True, False]])
def test_what_was_not_held_in_turns_is_refused(order):
    with pytest.raises(ValueError, match="on, held, held, on"):
        figures.turns([(is_on, 1.0) for is_on in order])


@pytest.mark.parametrize(("part", "value"), [(0.01, 1), (0.5, 50), (0.99, 99), (1, 100)])
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(part, value):
    assert figures.percentile(list(range(100, 0, -1)), part) == value


@given(st.lists(SECONDS, min_size=1), st.floats(0.001, 1))
def test_a_percentile_is_one_of_the_values_and_so_many_do_not_exceed_it(values, part):
    found = figures.percentile(values, part)
    assert found in values
    assert sum(value <= found for value in values) >= part * len(values) - 1e-9


@pytest.mark.parametrize(("values", "part"), [([], 0.5), ([1.0], 0), ([1.0], 1.1)])
def test_a_percentile_of_nothing_is_refused(values, part):
    with pytest.raises(ValueError, match="no such part"):
        figures.percentile(values, part)


@pytest.mark.parametrize(("without", "during", "percent"), [
    ([100], [90], 10), ([100, 200, 90], [50, 62, 200], 20), ([100], [110], -10), ([100], [0], 100)])
def test_a_loss_is_that_of_the_means(without, during, percent):
    assert figures.loss_percent(without, during) == pytest.approx(percent)


@pytest.mark.parametrize(("without", "during"), [([], [1]), ([1], []), ([0], [1])])
def test_a_loss_needs_both_measurements(without, during):
    with pytest.raises(ValueError, match="have to be measured"):
        figures.loss_percent(without, during)


@pytest.mark.parametrize(("goal", "is_reached", "words"), [
    (figures.restore_goal([30], [20]), True, "1.50 times: reached."),
    (figures.restore_goal([31, 99, 1], [20]), False, "1.55 times: NOT reached."),
    (figures.drill_goal([100], [40]), True, "60.0 s: reached."),
    (figures.drill_goal([101], [40]), False, "61.0 s: NOT reached."),
    (figures.throughput_goal([200], [180]), True, "10.0 %: reached."),
    (figures.throughput_goal([200], [179]), False, "10.5 %: NOT reached."),
])
def test_a_goal_says_what_was_found_and_whether_that_reaches_it(goal, is_reached, words):
    assert goal.is_reached is is_reached
    assert str(goal).startswith("Goal: a ")
    assert str(goal).endswith(words)


@given(SECONDS, SECONDS)
def test_a_goal_of_a_restore_is_reached_where_the_ratio_is(ours, raw):
    assert figures.restore_goal([ours], [raw]).is_reached is (ours / raw <= figures.GOAL_RESTORE)
