# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Every report from the field is a test that says what people met, and what happens here instead."""

from __future__ import annotations

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "docs"))
from generator import field  # noqa: E402  # found by the line above

NUMBERS = sorted(number for numbers in field.KINDS.values() for number in numbers)
FOUND = field.reports()


def test_every_report_is_of_one_kind():
    assert len(NUMBERS) == len(set(NUMBERS)) == 43
    assert sorted(FOUND) == NUMBERS


@pytest.mark.parametrize("number", NUMBERS)
def test_every_report_tells_its_symptom_and_what_happens_here(number):
    symptom, here = FOUND[number][0].told
    assert min(len(symptom), len(here)) > 20
