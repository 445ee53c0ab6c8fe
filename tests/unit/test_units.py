# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What holds for every unit of systemd that a role brings."""

from __future__ import annotations

import pathlib
import re
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "roles/backup/templates/host/usr/local/lib/trenova"))

from trenova_backup.drill import kit  # noqa: E402

HOME, SECONDS = "/var/lib/trenova-drills/erp1", "{{ backup_timeout_seconds }}"
DRILL = ROOT / "roles/backup/templates/host/etc/systemd/system/trenova-drill.service.j2"
UNITS = sorted(ROOT.glob("roles/*/templates/host/etc/systemd/system/*"))
#: Settings for which systemd makes and removes cgroups of a controller (systemd.resource-control).
OF_A_CONTROLLER = re.compile(
    r"^(?:(?:Startup)?(?:CPU|IO|BlockIO)(?:Weight|Quota\w*|Accounting)|(?:Startup)?AllowedCPUs|BlockIO\w+|"
    r"IO(?:Read|Write|Device)\w+|Memory\w+|Slice|Delegate)\s*=", re.MULTILINE)


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_no_unit_asks_for_a_controller(unit):
    """Else systemd takes the containers of a Docker with cgroups of version 1 and its own driver out of theirs."""
    assert OF_A_CONTROLLER.findall(unit.read_text()) == []


def made_elsewhere(calendar):
    """The units that a host which only makes drills is given: {name: text}."""
    return kit.units({"installation": "erp1", "timeout_seconds": SECONDS, "away": {
        "home": HOME, "calendar": calendar, "delay_seconds": 60}})


@pytest.mark.parametrize("calendar", ["weekly", ""])
def test_no_unit_of_another_host_asks_for_a_controller(calendar):
    units = made_elsewhere(calendar)
    assert len(units) == (2 if calendar else 1)
    assert [found for text in units.values() for found in OF_A_CONTROLLER.findall(text)] == []


def test_a_drill_on_another_host_runs_as_the_one_on_the_server():
    """But for the name of the installation, and where the program lies."""
    [text] = [text for name, text in made_elsewhere("weekly").items() if name.endswith(".service")]
    assert text.replace("of erp1", "of Trenova").replace(HOME + "/program", "/usr/local/lib/trenova") == (
        DRILL.read_text())


def test_the_rule_finds_what_it_looks_for():
    assert UNITS
    assert OF_A_CONTROLLER.findall("[Service]\nIOWeight=20\nCPUWeight=20\nMemoryMax=1G\nIOSchedulingPriority=7\n") == [
        "IOWeight=", "CPUWeight=", "MemoryMax="]
