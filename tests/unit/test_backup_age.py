# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A backup is missed when its schedule says so, and not by a constant."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.trenova.selfhost.plugins.plugin_utils.verification import backups, table

NOW = datetime.datetime(2026, 11, 25, 12, 0, tzinfo=datetime.UTC)
HOUR = 3600


def services(schedule="*-*-* 01:30:00", **more):
    told = {"file": "/x/status.json", "schedule": schedule, "command": "systemctl start trenova-backup", **more}
    return {"redis": {}, "backup": {"backup_status": told}}


def status(hours, exit_status=0):
    finished = (NOW - datetime.timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"finished": finished, "exit_status": exit_status, "bytes": 2_000_000, "objects_bytes": 500_000}


def result(found=None, waiting=None, **more):
    [one] = backups.results(services(**more), found, waiting, NOW)
    assert (one["name"], one["seconds"]) == ("Newest backup", 0)
    return one["ok"], one["detail"]


def test_a_host_that_makes_no_backups_has_no_result():
    assert backups.results({"redis": {}}, None, None, NOW) == []


def test_that_nobody_keeps_the_key_is_a_note_and_no_failure():
    for kept in (True, False):
        found = backups.results(services(key_kept=kept), status(1), None, NOW)
        notes = [entry for entry in found if table.is_note(entry)]
        assert [entry["name"] for entry in notes] == ([] if kept else ["Key of the backups"])
        assert "backup_key_kept: true" in "".join(entry["detail"] for entry in notes) or kept
        assert "failed" not in table.conclusion(found, "x")


def test_a_good_backup_of_last_night():
    assert result(status(10.5)) == (True, "exit status 0, 2.5 MB, 10.5 hours old")


def test_a_backup_that_failed():
    assert result(status(1, exit_status=3)) == (False, "exit status 3, 2.5 MB, 1.0 hours old")


@pytest.mark.parametrize(("schedule", "allowed"), [
    ("*-*-* 01:30:00", 36), ("daily", 36), ("Sun 03:00", 180), ("Mon..Fri 22:00", 84), ("hourly", 13),
    ("*-*-01 04:00", 31 * 24 + 12),
])
def test_a_backup_may_be_older_by_half_a_day_than_the_next_one_is_due(schedule, allowed):
    assert result(status(allowed - 0.1), schedule=schedule)[0]
    ok, detail = result(status(allowed + 0.1), schedule=schedule)
    assert not ok
    assert detail.endswith(f"hours old, {allowed}.0 are allowed with the schedule {schedule}")


def test_a_random_delay_is_no_fault():
    assert not result(status(40))[0]
    assert result(status(40), delay_seconds=6 * HOUR)[0]


@pytest.mark.parametrize("schedule", ["2027-01-01 00:00", "whenever"])
def test_where_the_age_cannot_be_told_it_says_so_and_does_not_fail(schedule):
    ok, detail = result(status(9999), schedule=schedule)
    assert ok
    assert detail.endswith(f"; how old it may be cannot be told from the schedule {schedule}")
    ok, detail = result(None, 1e9, schedule=schedule)
    assert ok
    assert detail.startswith(f"none yet, due {schedule}; make one: systemctl start trenova-backup; how old")


@pytest.mark.parametrize(("waiting", "ok", "detail"), [
    (None, True, "none yet, due Sun 03:00; make one: systemctl start trenova-backup"),
    (100 * HOUR, True, "none yet, due Sun 03:00; make one: systemctl start trenova-backup"),
    (200 * HOUR, False, "none in 200.0 hours, due Sun 03:00; make one: systemctl start trenova-backup"),
])
def test_none_yet_is_well_until_one_was_due(waiting, ok, detail):
    assert result(None, waiting, schedule="Sun 03:00") == (ok, detail)


@given(st.floats(0, 2000), st.floats(0, 2000), st.sampled_from(["daily", "Sun 03:00", "Mon,Thu 01:30", "monthly"]))
@settings(deadline=None)
def test_an_older_backup_is_never_better(younger, older, schedule):
    younger, older = sorted((younger, older))
    assert result(status(younger), schedule=schedule)[0] or not result(status(older), schedule=schedule)[0]
    assert result(None, younger * HOUR, schedule=schedule)[0] or not result(None, older * HOUR, schedule=schedule)[0]
