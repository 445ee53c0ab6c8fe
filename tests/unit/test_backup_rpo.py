# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can be lost: the sum that docs/backups.md states is one of the figures that the code has."""

from __future__ import annotations

import json
import pathlib
import re
import sys

import test_backup_scripts
import yaml

from ansible_collections.trenova.selfhost.plugins.plugin_utils.backup import stores
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import backup as sizing

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "roles/backup/templates/host/usr/local/lib/trenova"))

from trenova_backup import watch  # noqa: E402  # found by the line above

DEFAULTS = yaml.safe_load((ROOT / "roles/backup/defaults/main.yml").read_text())
PAGE = (ROOT / "docs/backups.md").read_text()
SECTION = " ".join(PAGE.partition("\n## What can be lost\n")[2].partition("\n## ")[0].split())
#: How the page calls the kinds of stores.
CALLED = {"directory": "directories", "command": "what programs tell", "postgres": "PostgreSQL", "objects": "objects",
          "redis": "Redis"}
CUT_TIMER = "/etc/systemd/system/trenova-backup-cut.timer"


def number(pattern):
    """The only number that the section has in such a place."""
    [found] = re.findall(pattern, SECTION)
    return int(found)


def text(seconds):
    """A time as the section writes it."""
    return f"{seconds // 60} min {seconds % 60} s"


def test_the_parts_of_the_sum_are_the_defaults():
    timer = test_backup_scripts.contents({})[CUT_TIMER]
    minutes = number(r"from the end of the one before \| (\d+) min")
    assert minutes == DEFAULTS["backup_cut_minutes"]
    assert f"OnUnitInactiveSec={minutes}min" in timer
    assert re.findall(r"AccuracySec=(\d+)", timer) == [str(number(r"\(`AccuracySec`\) \| (\d+) s"))]
    assert number(r"`backup_timeout_seconds` \((\d+) h\)") * 3600 == DEFAULTS["backup_timeout_seconds"]
    assert number(r"up to (\d+) min by which a night") * 60 == DEFAULTS["backup_random_delay_seconds"]
    assert number(r"for (\d+) h \(`cuts_hours`\)") == sizing.CUTS_HOURS
    assert watch.GIVES_WAY["cut"] == ("backup", "check", "restore", "upgrade")
    told = json.loads(test_backup_scripts.contents({})[test_backup_scripts.SETTINGS])
    [cut] = [schedule for schedule in told["schedules"] if schedule["verb"] == "cut"]
    assert cut["grace_seconds"] == 3600
    assert "late by an hour in which nothing else was at work" in SECTION


def test_the_sums_are_those_of_their_parts():
    small = number(r"2 × (\d+) s")
    by_day = number(r"before \| (\d+) min") * 60 + number(r"`\) \| (\d+) s") + 2 * small
    night = number(r"what that takes \| (\d+) s")
    plans = (ROOT / "docs/plans.md").read_text()
    tiers = [int(plans.partition(f"## Tier {tier}\n")[2].partition("usual_minutes ")[2].split()[0])
             for tier in ("minimum", "large")]
    assert f"So at most {text(by_day)} by day and {text(by_day + night)} in the night of a full backup" in SECTION
    assert "{} min with tier minimum and {} min with tier large, and with these {} and {}.".format(
        *tiers, *(text(by_day + 60 * minutes) for minutes in tiers)) in SECTION


def test_the_order_is_that_in_which_stores_are_saved():
    assert set(CALLED) == set(stores.ORDER)
    sentence = SECTION.partition("A backup saves ")[2].partition(".")[0]
    assert sorted(stores.ORDER, key=lambda kind: sentence.index(CALLED[kind])) == list(stores.ORDER)
