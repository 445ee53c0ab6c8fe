# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What holds for every unit of systemd that a role brings."""

from __future__ import annotations

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNITS = sorted(ROOT.glob("roles/*/templates/host/etc/systemd/system/*"))
#: Settings for which systemd makes and removes cgroups of a controller (systemd.resource-control).
OF_A_CONTROLLER = re.compile(
    r"^(?:(?:Startup)?(?:CPU|IO|BlockIO)(?:Weight|Quota\w*|Accounting)|(?:Startup)?AllowedCPUs|BlockIO\w+|"
    r"IO(?:Read|Write|Device)\w+|Memory\w+|Slice|Delegate)\s*=", re.MULTILINE)


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_no_unit_asks_for_a_controller(unit):
    """Else systemd takes the containers of a Docker with cgroups of version 1 and its own driver out of theirs."""
    assert OF_A_CONTROLLER.findall(unit.read_text()) == []


def test_the_rule_finds_what_it_looks_for():
    assert UNITS
    assert OF_A_CONTROLLER.findall("[Service]\nIOWeight=20\nCPUWeight=20\nMemoryMax=1G\nIOSchedulingPriority=7\n") == [
        "IOWeight=", "CPUWeight=", "MemoryMax="]
