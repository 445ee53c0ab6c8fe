# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Each field report has a test that tells of it."""

from __future__ import annotations

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "docs"))
from generator.field import KINDS, reports  # noqa: E402 - it is found by the line above

FOUND = reports()
NUMBERS = sorted(number for numbers in KINDS.values() for number in numbers)


@pytest.mark.parametrize("number", NUMBERS)
def test_report_is_a_test_that_tells_symptom_and_what_happens_here(number):
    assert number in FOUND
    assert [len(case.told) for case in FOUND[number]] == [2, *[1] * (len(FOUND[number]) - 1)]


def test_no_test_is_of_a_report_that_nobody_made():
    assert set(FOUND) <= set(NUMBERS)
