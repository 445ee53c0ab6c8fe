# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""docs/incidents.md names tests; they exist."""

from __future__ import annotations

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/incidents.md").read_text()
CASES = (ROOT / "molecule/default/tests/bad_input.py").read_text()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([a-z_]+::test_[a-z_0-9]+)`", PAGE))))
def test_named_test_exists(name):
    scenario, _separator, function = name.partition("::")
    assert any(
        f"def {function}(" in path.read_text() for path in (ROOT / "molecule" / scenario / "tests").glob("*.py"))


@pytest.mark.parametrize("name", sorted(set(re.findall(r"(?<!\*)\*([a-z ]+)\*(?!\*)", PAGE))))
def test_named_case_exists(name):
    assert f'Case("{name.replace(" ", "-")}"' in CASES
