# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ten thousand random hosts; `make fuzz-sizing` plans a million. A failure names the host and the wish."""

from __future__ import annotations

import random

import invariants
import pytest


# What they run, examples cover, and measuring that takes as long again.
@pytest.mark.no_cover
@pytest.mark.parametrize("seed", range(10))
def test_plans_hold(seed):
    chance = random.Random(seed)
    for _number in range(1000):
        capacity, intent = invariants.random_capacity(chance), invariants.random_intent(chance)
        try:
            result = invariants.check(capacity, intent)
            if "overrides" not in intent and chance.random() < 0.2:
                invariants.check_more(capacity, intent, chance)
                invariants.check_accepted(result, capacity, intent)
            if chance.random() < 0.02:
                invariants.check_bought(intent)
        except AssertionError as error:
            pytest.fail(f"{error}: {capacity}, {intent}")
