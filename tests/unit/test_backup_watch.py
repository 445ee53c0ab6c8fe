# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What nobody would tell of otherwise: runs that do not happen, and disks that are gone or full."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import threading
import types

import pytest
import test_backup_runs
import test_backup_scripts
from backup_figures import FIGURES
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Byte code among the templates would travel to the hosts.
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "roles/backup/templates/host/usr/local/lib/trenova"))

from trenova_backup import main, notify, places, records, runs, watch  # noqa: E402
from trenova_backup.drill import place  # noqa: E402
from trenova_backup.drill import verbs as drilling  # noqa: E402
from trenova_backup.errors import BackupError, Interrupted, NothingYet, SourceError  # noqa: E402
from trenova_backup.files import moment, seconds_of, stamp_of  # noqa: E402
from trenova_backup.settings import Settings  # noqa: E402

NOW = seconds_of("20261123T013000Z")
MINUTE, HOUR, DAY = 60, 3600, 86400
NIGHT = {"verb": "backup", "title": "Nightly backup", "seconds": DAY, "grace_seconds": 12 * HOUR,
         "unit": "trenova-backup.service"}
FULL = {"verb": "full", "title": "Weekly full backup", "seconds": 7 * DAY, "grace_seconds": DAY}
CYCLE = {"verb": "cut", "title": "Cycle", "seconds": 5 * MINUTE, "grace_seconds": 10 * MINUTE}
DRILL = {"verb": "drill", "title": "Weekly drill", "seconds": 7 * DAY, "grace_seconds": DAY, "unit": "drill.service"}


#: Two directories and one Redis to save, without an Engine.
settings = test_backup_runs.settings


class Host:
    """A host whose runs are written by hand, and its watch."""

    def __init__(self, root, **more):
        (root / "backup").mkdir(exist_ok=True)
        self.root = root
        self.settings = Settings(dict({
            "data_dir": str(root), "host": "erp1", "installation": "x", "stores": [], "targets": [],
            "mail": {"to": "ops@trucks.test"}, "schedules": [NIGHT], "figures": FIGURES}, **more))

    def run(self, now, verb="backup", state="ok", **told):
        """A run that ends now, and what is told of it: the subjects."""
        record = records.finish(self.settings, records.begin(self.settings, verb, now - MINUTE), now, state, **told)
        watch.after_run(self.settings, record, now)
        return self.told()

    def look(self, now):
        """What the watch says."""
        return watch.look(self.settings, now)

    def messages(self):
        """What is owed, which is then owed no more."""
        found = []
        for name in notify.owed(self.settings):
            path = pathlib.Path(self.settings.path("unsent", name))
            found.append(json.loads(path.read_text()))
            path.unlink()
        return found

    def told(self):
        """Subjects of what is owed, which is then owed no more."""
        return [notify.subject(self.settings, message).replace(" on erp1", "") for message in self.messages()]


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host that was started long ago, with a disk for everything."""
    monkeypatch.setattr(watch, "UPTIME", str(tmp_path / "uptime"))
    (tmp_path / "uptime").write_text("900000.12 1.0\n")
    monkeypatch.setattr(places, "MOUNTS", str(tmp_path / "mounts"))
    monkeypatch.setattr(places, "FSTAB", str(tmp_path / "fstab"))
    (tmp_path / "mounts").write_text("/dev/sda / ext4 rw 0 0\n")
    return lambda **more: Host(tmp_path, **more)


# -- Overdue ----------------------------------------------------------------------------------------------------------


def test_a_night_that_did_not_come_is_told_once_and_each_day_again(host):
    found = host()
    found.run(NOW)
    for hours, expected in ((24, 0), (36, 0), (36.1, 1), (37, 0), (60, 0), (60.2, 1), (61, 0)):
        sentences = found.look(NOW + hours * HOUR)
        assert len(sentences) == len(found.messages()) == expected, hours
    assert found.look(NOW + 90 * HOUR) == [
        "Nightly backup: the last good one ended at 2026-11-23T01:30:00Z, 90.0 h ago, and one is due at least every "
        "24.0 h."]
    [message] = found.messages()
    assert (message["kind"], message["verb"], message["unit"]) == ("overdue", "backup", "trenova-backup.service")
    assert found.run(NOW + 91 * HOUR) == ["The backup of Trenova is good again"]
    assert found.look(NOW + 92 * HOUR) == []
    assert found.look(NOW + 140 * HOUR) != [], "a new incident"


def test_a_failed_night_is_no_good_one(host):
    found = host()
    found.run(NOW)
    found.run(NOW + DAY, state="failed")
    assert len(found.look(NOW + 37 * HOUR)) == 1


def test_each_schedule_is_overdue_by_itself(host):
    """Nights that go well are no weekly full one, and no drill."""
    found = host(schedules=[NIGHT, FULL, CYCLE, DRILL])
    found.run(NOW, level="full")
    found.run(NOW, "drill")
    for day in range(10):
        found.run(NOW + day * DAY + HOUR, level="incremental")
        found.run(NOW + day * DAY + HOUR, "cut")
        found.look(NOW + day * DAY + HOUR)
    assert found.told() == ["The backup of Trenova is overdue", "The drill with the backups of Trenova is overdue"]
    assert found.look(NOW + 9 * DAY + 2 * HOUR) == [
        "Cycle: the last good one ended at 2026-12-02T02:30:00Z, 60 min ago, and one is due at least every 5 min."]
    assert found.run(NOW + 9 * DAY + 3 * HOUR, "cut") == ["The backup of Trenova between the nights is overdue",
                                                           "The backup of Trenova between the nights is good again"]
    assert found.run(NOW + 9 * DAY + 3 * HOUR, level="full") == ["The backup of Trenova is good again"]


def test_where_there_was_none_yet_the_schedule_begins_when_it_is_first_seen(host):
    found = host(schedules=[DRILL])
    assert found.look(NOW) == found.look(NOW + 8 * DAY) == []
    assert found.look(NOW + 8 * DAY + MINUTE) == [
        "Weekly drill: there is none yet, and since 2026-11-23T01:30:00Z one is due at least every 168.0 h."]


def test_a_schedule_that_asks_for_more_begins_anew(host):
    found = host(schedules=[dict(NIGHT, seconds=7 * DAY)])
    found.run(NOW)
    assert found.look(NOW + 5 * DAY) == []
    found = host(schedules=[NIGHT])
    assert found.look(NOW + 5 * DAY) == []
    assert found.look(NOW + 6 * DAY) == []
    assert len(found.look(NOW + 6.6 * DAY)) == 1


def test_a_schedule_that_cannot_be_told_or_is_gone_is_silent(host):
    found = host(schedules=[dict(NIGHT, seconds=None)])
    assert found.look(NOW) == found.look(NOW + 900 * DAY) == []
    found = host()
    found.run(NOW)
    assert len(found.look(NOW + 2 * DAY)) == 1
    assert host(schedules=[]).look(NOW + 3 * DAY) == []
    assert "overdue backup" not in json.loads((found.root / "backup/told.json").read_text())


def test_what_runs_is_not_overdue_unless_it_does_not_end(host):
    found = host()
    found.run(NOW)
    records.begin(found.settings, "backup", NOW + 35 * HOUR)
    assert found.look(NOW + 40 * HOUR) == []
    assert len(found.look(NOW + 72 * HOUR)) == 1


def test_what_was_killed_does_not_run(host, monkeypatch):
    found = host()
    found.run(NOW)
    records.begin(found.settings, "backup", NOW + 35 * HOUR)
    monkeypatch.setattr(records, "_boot", lambda: "another")
    assert len(found.look(NOW + 40 * HOUR)) == 1


def test_after_a_start_timers_may_catch_up(host):
    found = host()
    found.run(NOW)
    (found.root / "uptime").write_text("600.00 1.0\n")
    assert found.look(NOW + 10 * DAY) == []
    (found.root / "uptime").write_text("3700.00 1.0\n")
    assert len(found.look(NOW + 10 * DAY + HOUR)) == 1


def test_a_clock_that_was_ahead_neither_hides_nor_repeats(host):
    """One good night of next year would be good until then."""
    found = host()
    found.run(NOW)
    found.look(NOW)
    found.run(NOW + 300 * DAY)
    found.look(NOW + 302 * DAY)
    found.messages()
    assert found.look(NOW + DAY) == ["It is done on time again."]
    found.run(NOW + DAY)
    assert len(found.look(NOW + 3 * DAY)) == 1
    assert found.look(NOW + 3 * DAY + HOUR) == []


@pytest.mark.parametrize("text", [
    "", "[]", "null", '{"overdue backup": 3}', '{"overdue backup": {"told": 7, "since": [], "interval": "x"}}'])
def test_a_memory_that_a_disk_has_lost_is_none(host, text):
    found = host()
    found.run(NOW)
    (found.root / "backup/told.json").write_text(text)
    assert found.look(NOW + HOUR) == []
    assert len(found.look(NOW + 40 * HOUR)) == 1


@given(st.lists(st.integers(0, 20 * DAY), max_size=6), st.integers(0, 40 * DAY), st.integers(0, 40 * DAY),
       st.sampled_from([NIGHT, FULL, CYCLE, DRILL]))
def test_a_schedule_is_overdue_when_its_last_good_run_is_too_old_and_stays_it(ends, first, second, schedule):
    verb, level = watch.MEANINGS.get(schedule["verb"], (schedule["verb"], None))
    found = [{"verb": verb, "level": level, "state": "ok", "stamp": stamp_of(NOW + end), "finished": moment(NOW + end)}
             for end in sorted(ends)]
    found += [dict(record, state="failed", finished=moment(NOW + 39 * DAY)) for record in found]
    first, second = sorted((first, second))
    last = max([end for end in ends if end <= first], default=0)
    told = watch.overdue(schedule, found, NOW, NOW + first)
    assert bool(told) == (first - last > schedule["seconds"] + schedule["grace_seconds"])
    if told and not [end for end in ends if first < end <= second]:
        assert watch.overdue(schedule, found, NOW, NOW + second)


# -- Held up ----------------------------------------------------------------------------------------------------------

HOUR_OF_GRACE = dict(CYCLE, grace_seconds=HOUR, unit="trenova-backup-cut.service")


@pytest.mark.parametrize("verb", ["backup", "check", "restore", "upgrade"])
def test_small_ones_that_give_way_for_hours_are_not_overdue_until_their_grace_has_passed_after_it(
        host, stopped, verb):
    found = host(schedules=[HOUR_OF_GRACE], timeout_seconds=6 * HOUR)
    found.run(NOW, "cut")
    record = records.begin(found.settings, verb, NOW + MINUTE)
    for hours in range(1, 6):
        assert found.look(NOW + hours * HOUR) == faults(found, NOW + hours * HOUR) == [], hours
    records.finish(found.settings, record, NOW + 5 * HOUR, "ok")
    assert found.look(NOW + 6 * HOUR + 4 * MINUTE) == faults(found, NOW + 6 * HOUR + 4 * MINUTE) == []
    assert len(faults(found, NOW + 6 * HOUR + 5 * MINUTE)) == len(found.look(NOW + 6 * HOUR + 5 * MINUTE)) == 1
    assert found.told() == ["The backup of Trenova between the nights is overdue"]


def test_a_backup_ends_no_alarm_of_small_ones_that_do_not_come(host):
    """Their timer is dead: a night that tells that all is good would be believed."""
    found = host(schedules=[HOUR_OF_GRACE], timeout_seconds=6 * HOUR)
    found.run(NOW, "cut")
    assert len(found.look(NOW + 2 * HOUR)) == 1
    record = records.begin(found.settings, "backup", NOW + 3 * HOUR)
    assert found.look(NOW + 4 * HOUR) == []
    record = records.finish(found.settings, record, NOW + 5 * HOUR, "ok")
    watch.after_run(found.settings, record, NOW + 5 * HOUR)
    assert found.look(NOW + 5 * HOUR) == []
    assert found.told() == ["The backup of Trenova between the nights is overdue"]


def test_what_was_killed_or_does_not_end_holds_nothing_up_for_ever(host, monkeypatch, stopped):
    found = host(schedules=[HOUR_OF_GRACE], timeout_seconds=6 * HOUR)
    found.run(NOW, "cut")
    records.begin(found.settings, "restore", NOW)
    assert found.look(NOW + 7 * HOUR + 5 * MINUTE) == []
    assert len(found.look(NOW + 7 * HOUR + 6 * MINUTE)) == 1
    monkeypatch.setattr(records, "_boot", lambda: "another")
    assert len(watch.faults(found.settings, NOW + 2 * HOUR)) == 1


@pytest.mark.parametrize(("verb", "hours"), [
    ("check", 46), ("restore", 46), ("upgrade", 46), ("cut", 36), ("backup", 36), ("drill", 36), ("rehearsal", 36)])
def test_a_night_is_held_up_by_a_restore_and_by_no_small_one_nor_itself(host, verb, hours):
    found = host(timeout_seconds=12 * HOUR)
    found.run(NOW)
    record = records.begin(found.settings, verb, NOW + HOUR)
    records.finish(found.settings, record, NOW + 11 * HOUR, "failed")
    assert found.look(NOW + hours * HOUR) == []
    assert len(found.look(NOW + hours * HOUR + MINUTE)) == 1


def ran(verb, begin, end, state="ok"):
    """A record, in minutes; of one that runs and is alive where there is no end."""
    begin, told = NOW + begin * MINUTE, {"verb": verb, "state": state}
    told.update(stamp=stamp_of(begin), started=moment(begin))
    return dict(told, state="running", process=records._myself()) if end is None else dict(
        told, finished=moment(NOW + end * MINUTE))


WORKS = st.lists(st.tuples(
    st.sampled_from(["backup", "check", "restore", "upgrade", "drill", "cut"]), st.integers(-60, 900),
    st.one_of(st.none(), st.integers(0, 500))), max_size=8)


@given(WORKS, st.integers(0, 1000), st.integers(30, 360))
def test_a_clock_stands_in_each_minute_in_which_another_one_is_at_work(works, now, longest):
    """Whatever overlaps, is of the future, runs, or takes too long: counted minute by minute."""
    found = [ran(verb, begin, None if length is None else begin + length, "failed") for verb, begin, length in works]
    held = {minute for verb, begin, length in works if verb not in ("cut", "drill")
            for minute in range(begin, min(begin + longest, begin + length if length is not None else now))}
    age = sum(minute not in held for minute in range(now))
    is_running = any(verb == "cut" and length is None and begin <= now <= begin + 65 for verb, begin, length in works)
    found.append(ran("cut", -1, 0))
    assert bool(watch.overdue(HOUR_OF_GRACE, found, NOW - DAY, NOW + now * MINUTE, longest * MINUTE)) == (
        age > 65 and not is_running)


@limits(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(["backup", "check", "restore", "upgrade"]), st.integers(0, 60),
                          st.integers(1, 360)), min_size=1, max_size=6))
def test_who_comes_whenever_nobody_else_is_at_work_is_never_overdue(works):
    """Small ones are tried every 5 minutes, and give way; each work begins so long after another, and takes so long."""
    found, minute, tried = [ran("cut", -1, 0)], 0, 0
    for verb, pause, length in works:
        for work, end in ((None, minute + pause), (verb, minute + pause + length)):
            running = [ran(work, minute, None)] if work else []
            ended = [ran(work, minute, end)] if work else []
            while tried + 5 <= end:
                tried += 5
                assert not watch.overdue(HOUR_OF_GRACE, found + running, NOW, NOW + tried * MINUTE, 6 * HOUR)
                found += [] if work else [ran("cut", tried, tried)]
            found, minute = found + ended, end
            assert not watch.overdue(HOUR_OF_GRACE, found, NOW, NOW + minute * MINUTE, 6 * HOUR)
    # In each pause less than 5 minutes may have passed without one.
    late = minute + HOUR_OF_GRACE["grace_seconds"] // MINUTE
    assert not watch.overdue(HOUR_OF_GRACE, found, NOW, NOW + (late + 5 - 4 * len(works)) * MINUTE, 6 * HOUR)
    assert watch.overdue(HOUR_OF_GRACE, found, NOW, NOW + (late + 6) * MINUTE, 6 * HOUR)


# -- Asked ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def stopped(monkeypatch):
    """Timers that do not run."""
    found = set()
    monkeypatch.setattr(watch, "subprocess", types.SimpleNamespace(
        run=lambda words, **_more: subprocess.CompletedProcess(words, 3 if words[-1] in found else 0)))
    return found


def faults(found, now):
    """What is wrong, and that nothing is taken down for it."""
    before = {path: path.read_bytes() for path in found.root.rglob("*") if path.is_file()}
    said = watch.faults(found.settings, now)
    assert {path: path.read_bytes() for path in found.root.rglob("*") if path.is_file()} == before
    return said


ALL = [NIGHT, FULL, dict(CYCLE, unit="trenova-backup-cut.service")]


def test_every_schedule_is_looked_at_where_nobody_watches(host, stopped):
    """The watch has never run, and no night hides that the full one or the small ones do not come."""
    found = host(schedules=ALL)
    found.run(NOW, level="full")
    found.run(NOW, "cut")
    assert faults(found, NOW + 10 * MINUTE) == []
    assert faults(found, NOW + HOUR) == [
        "Cycle: the last good one ended at 2026-11-23T01:30:00Z, 60 min ago, and one is due at least every 5 min."]
    for day in range(1, 9):
        found.run(NOW + day * DAY, level="incremental")
        found.run(NOW + day * DAY, "cut")
    assert faults(found, NOW + 8 * DAY + MINUTE) == [
        "Weekly full backup: the last good one ended at 2026-11-23T01:30:00Z, 192.0 h ago, and one is due at least "
        "every 168.0 h."]
    assert [sentence.split(":")[0] for sentence in faults(found, NOW + 10 * DAY)] == [
        "Nightly backup", "Weekly full backup", "Cycle"]


def test_where_there_is_none_yet_a_schedule_begins_when_it_was_written(host, stopped):
    found = host()
    found.settings.written = NOW
    assert faults(found, NOW + DAY) == []
    assert faults(found, NOW + 3 * DAY) == [
        "Nightly backup: there is none yet, and since 2026-11-23T01:30:00Z one is due at least every 24.0 h."]
    found.look(NOW + 2 * DAY)
    assert faults(found, NOW + 3 * DAY) == [], "the watch knows it since then"
    found.settings.written = None
    (found.root / "backup/told.json").write_text("[3]")
    assert faults(found, NOW + 3 * DAY) == []


@pytest.mark.parametrize(("verb", "state", "words"), [
    ("backup", "failed", "The backup of Trenova of 20261123T012900Z failed: The disk is full."),
    ("cut", "failed", "The backup of Trenova between the nights of 20261123T012900Z failed: The disk is full."),
    ("check", "failed", "The check of the backups of Trenova of 20261123T012900Z failed: The disk is full."),
    ("backup", "skipped", "The backup of Trenova of 20261123T012900Z was skipped: The disk is full."),
    ("backup", "interrupted", "The backup of Trenova of 20261123T012900Z was interrupted: The disk is full."),
    ("cut", "skipped", None)])
def test_a_run_that_was_no_good_one_is_told_until_one_is(host, stopped, verb, state, words):
    found = host(schedules=ALL)
    found.settings.written = NOW
    found.run(NOW, verb, state, because="The disk is full.")
    assert faults(found, NOW) == ([words] if words else [])
    found.run(NOW + MINUTE, verb)
    assert faults(found, NOW + MINUTE) == []


def test_a_run_that_gave_way_to_one_that_went_well_is_forgotten(host, stopped):
    """The one that gave way began later, and ended before."""
    found = host()
    record = records.begin(found.settings, "backup", NOW)
    found.run(NOW + 10 * MINUTE, state="skipped")
    assert len(faults(found, NOW + 11 * MINUTE)) == 1
    records.finish(found.settings, record, NOW + HOUR, "ok")
    assert faults(found, NOW + HOUR) == []


def test_a_timer_that_does_not_run_is_told(host, stopped):
    found = host(schedules=ALL)
    found.run(NOW, level="full")
    found.run(NOW, "cut")
    stopped |= {"trenova-backup-cut.timer", "trenova-backup-watch.timer"}
    assert faults(found, NOW + MINUTE) == [
        "trenova-backup-cut.timer does not run, and starts nothing. Run the playbook.",
        "trenova-backup-watch.timer does not run, and starts nothing. Run the playbook."]


def test_a_disk_that_is_gone_is_a_fault(host, tmp_path, stopped):
    assert faults(with_disk(host, tmp_path, str(tmp_path / "disk")), NOW) == [
        f"The disk of the backups is not mounted on {tmp_path}/disk. Mount it."]


# -- After a run ------------------------------------------------------------------------------------------------------


def test_each_failed_night_is_told_and_the_first_good_one_after_them(host):
    found = host()
    assert found.run(NOW) == []
    assert found.run(NOW + DAY, state="failed") == ["The backup of Trenova failed"]
    assert found.run(NOW + DAY + HOUR, state="interrupted") == ["The backup of Trenova failed"]
    assert found.run(NOW + 2 * DAY) == ["The backup of Trenova is good again"]
    assert found.run(NOW + 3 * DAY) == []


def test_what_is_good_again_says_since_when_it_was_not(host):
    found = host()
    for number in range(3):
        found.run(NOW + number * DAY, state="failed")
    record = records.finish(found.settings, records.begin(found.settings, "backup", NOW + 3 * DAY), NOW + 3 * DAY, "ok")
    assert watch.after_run(found.settings, record, NOW + 3 * DAY)
    [message] = found.messages()
    assert message["because"] == "It is good again, after trouble since 2026-11-23T01:30:00Z."
    assert not watch.after_run(found.settings, record, NOW + 4 * DAY)


def test_a_cycle_that_fails_for_days_is_told_each_day(host):
    found = host()
    told = [found.run(NOW + number * HOUR, "cut", "failed") for number in range(49)]
    assert [number for number, subjects in enumerate(told) if subjects] == [0, 24, 48]
    assert found.run(NOW + 50 * HOUR, "cut") == ["The backup of Trenova between the nights is good again"]


def test_another_kind_that_is_good_ends_no_failure(host):
    found = host()
    found.run(NOW, "drill", "failed")
    assert found.run(NOW + HOUR, "backup") == []
    assert found.run(NOW + DAY, "drill") == ["The drill with the backups of Trenova is good again"]


def test_a_night_that_gave_way_is_told_and_a_cut_is_not(host):
    found = host()
    assert found.run(NOW, "cut", "skipped") == []
    assert found.run(NOW, "backup", "skipped") == ["The backup of Trenova was skipped"]
    assert found.run(NOW + MINUTE, "backup", "failed") == ["The backup of Trenova failed"]
    assert found.run(NOW + HOUR, "backup", "skipped") == []


def test_two_programs_that_tell_at_once_wait_for_each_other(host):
    found = host()
    thread = threading.Thread(
        target=watch.after_run, args=(found.settings, {"verb": "backup", "state": "failed"}, NOW), daemon=True)
    with records.alone(found.settings.path("told.json.lock")):
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
        (found.root / "backup/told.json").write_text('{"overdue drill": {"since": "x"}}')
    thread.join(20)
    assert set(json.loads((found.root / "backup/told.json").read_text())) == {"overdue drill", "failed backup"}


# -- Disks ------------------------------------------------------------------------------------------------------------


def with_disk(host, root, mount, **more):
    (root / "state.json").write_text(json.dumps({"places": {str(root / "disk/backups"): mount}}))
    return host(schedules=[], record=str(root / "state.json"), targets=[
        dict({"name": "disk", "directory": str(root / "disk/backups")}, **more), {"name": "bucket"}])


def test_a_disk_that_is_gone_is_told_and_that_it_is_back(host, tmp_path):
    found = with_disk(host, tmp_path, str(tmp_path / "disk"))
    sentence = f"The disk of the backups is not mounted on {tmp_path}/disk. Mount it."
    assert found.look(NOW) == [sentence]
    assert found.look(NOW + HOUR) == []
    assert found.look(NOW + DAY) == [sentence]
    assert found.told() == ["The disk of the backups of Trenova needs attention"] * 2
    (tmp_path / "mounts").write_text(f"/dev/sdb {tmp_path}/disk ext4 rw 0 0\n")
    assert found.look(NOW + 25 * HOUR) == ["The disk of the target disk is as it should be."]
    assert found.look(NOW + 26 * HOUR) == []
    assert found.told() == ["The backup of Trenova is good again"]


def step(name, size, service="rows", **more):
    return dict({"service": service, "name": name, "state": "ok", "target": "disk", "bytes": size}, **more)


def test_a_disk_that_is_filling_up_is_told_by_what_a_run_asks_of_it(host, tmp_path, monkeypatch, stopped):
    """The settings are those of the template, the free bytes those that the largest stream of the last runs needs."""
    told = json.loads(test_backup_scripts.contents({})[test_backup_scripts.SETTINGS])
    store = told["stores"][0]["name"]
    (tmp_path / "disk").mkdir()
    found = host(**{key: told[key] for key in ("stores", "figures")}, schedules=[], record="", targets=[
        dict(told["targets"][0], directory=str(tmp_path / "disk"))])
    needed = 4e9 * told["figures"]["stream_growth"] + told["figures"]["left_free_bytes"]
    free = [needed]
    monkeypatch.setattr(places, "free", lambda _path: free[0])
    found.run(NOW, level="full", steps=[
        step("full base", 4_000_000_000, store), step("wal", 90_000_000_000, store),
        step("full base", 90_000_000_000, "of a service that is gone"),
        {"service": store, "name": "objects to disk", "state": "ok", "bytes": 90_000_000_000, "objects": 3}])
    found.run(NOW + DAY, steps=[step("incremental base", 5_000, store)])
    found.run(NOW + DAY, "drill", steps=[step("brought back", 90_000_000_000, store)])
    assert found.look(NOW + DAY) == watch.faults(found.settings, NOW + DAY) == []
    free[0] -= 1
    sentence = (f"The disk of the backups at {tmp_path}/disk has 6.0 GB free, less than the 6.0 GB that the next ones "
                "may need. Give it a larger disk, or lower backup_retention.")
    assert found.look(NOW + DAY) == watch.faults(found.settings, NOW + DAY) == [sentence]
    assert found.told() == ["The disk of the backups of Trenova needs attention"]
    found.run(NOW + 2 * DAY, level="full", steps=[step("full base", 3_000_000_000, store)])
    assert found.look(NOW + 2 * DAY) == ["The disk of the target local is as it should be."]


@pytest.mark.parametrize(("known", "fstab", "mounts", "missing"), [
    ({}, "", "", None),
    ({"/srv/backups": "/"}, "", "", None),
    ({"/srv/backups": "/srv"}, "", "", "/srv"),
    ({"/srv/backups": "/srv"}, "", "/dev/sdb /srv ext4 rw", None),
    ({"/elsewhere": "/srv"}, "", "", None),
    ({}, "UUID=1 /srv ext4 defaults", "", "/srv"),
    ({}, "UUID=1 /srv/ ext4 defaults", "", "/srv/"),
    ({}, "# UUID=1 /srv ext4 defaults", "", None),
    ({}, "UUID=1 /srv/backups-of-others ext4 defaults", "", None),
    ({}, "UUID=1 none swap sw\n\nhalf", "", None),
    ({}, "UUID=1 /srv ext4 x", "/dev/sdb /srv ext4 rw", None),
    ({"/srv/back ups": "/srv/back ups"}, "", "/dev/sdb /srv/back\\040ups ext4 rw", None),
    ({"/other": "/other"}, "", "", "/other"),
])
def test_where_a_disk_is_missing(tmp_path, monkeypatch, known, fstab, mounts, missing):
    """By what the deployment has taken down, and by what /etc/fstab says."""
    for name, text in (("FSTAB", fstab), ("MOUNTS", "/dev/sda / ext4 rw\n" + mounts)):
        (tmp_path / name).write_text(text + "\n")
        monkeypatch.setattr(places, name, str(tmp_path / name))
    monkeypatch.setattr(os.path, "realpath", lambda path: path)
    assert places.missing_mount(["/srv/backups", "/other"] if "/srv/back ups" not in known else ["/srv/back ups"],
                                known) == missing


def test_a_link_leads_to_the_disk(tmp_path, monkeypatch):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    (tmp_path / "fstab").write_text(f"UUID=1 {tmp_path}/disk ext4 x\n")
    monkeypatch.setattr(places, "FSTAB", str(tmp_path / "fstab"))
    assert places.missing_mount([str(tmp_path / "link")], {}) == str(tmp_path / "disk")


def test_what_the_deployment_has_taken_down(host, tmp_path):
    found = with_disk(host, tmp_path, "/srv")
    assert places.recorded(found.settings) == {f"{tmp_path}/disk/backups": "/srv"}
    (tmp_path / "state.json").write_text('{"places": []}')
    assert places.recorded(found.settings) == {}
    assert places.recorded(host().settings) == {}


def test_free_space_of_a_path_that_is_not_there_yet_is_that_of_its_disk(tmp_path):
    told = os.statvfs(tmp_path)
    assert places.free(str(tmp_path / "a/b")) == pytest.approx(told.f_bavail * told.f_frsize, rel=0.05)


# -- The programs -----------------------------------------------------------------------------------------------------


@pytest.fixture
def woken(monkeypatch):
    """How often the delivery was started."""
    found = []
    monkeypatch.setattr(notify, "wake", lambda: found.append(1))
    return found


@pytest.mark.parametrize(("error", "because"), [
    (BackupError("A drill could not be removed: /x stayed. Remove that by hand."),
     "A drill could not be removed: /x stayed. Remove that by hand."),
    (subprocess.TimeoutExpired(["docker"], 300),
     "What a drill has left is still there: the Docker Engine does not answer within 300 s."),
    (Interrupted("It was interrupted."), "What a drill has left is still there. It was interrupted.")])
def test_what_a_drill_has_left_silences_no_alarm_and_is_told_once_a_day(host, monkeypatch, woken, error, because):
    monkeypatch.setattr(main.time, "time", lambda: NOW)
    found = host(drill={"containers": []}, project="trenova", project_dir="/x", jobs=[])
    found.run(NOW - 3 * DAY)
    root = pathlib.Path(place.of(found.settings).root)
    root.mkdir()

    def removed(_settings):
        assert found.told() == expected, "the alarms came first"
        if error:
            raise error
        root.rmdir()

    monkeypatch.setattr(drilling, "remove_left", removed)

    def watched():
        try:
            return main._watch(found.settings, None)
        except Interrupted:
            return "interrupted"

    expected = ["The backup of Trenova is overdue"]
    code = "interrupted" if isinstance(error, Interrupted) else 0
    assert watched() == code
    [message] = found.messages()
    assert notify.subject(found.settings, message) == (
        "What a drill with the backups of Trenova has left needs attention on erp1")
    assert message["because"] == because
    assert len(woken) == 2
    expected = []
    assert watched() == code
    assert found.told() == []
    error = None
    assert watched() == 0
    assert [message["because"] for message in found.messages()] == ["What a drill had left is removed."]


def test_what_an_engine_that_is_stopped_keeps_is_not_told_as_removed(host, monkeypatch, woken):
    found = host(drill={"containers": []}, project="trenova", project_dir="/x", jobs=[], schedules=[])
    root = pathlib.Path(place.of(found.settings).root)
    root.mkdir()
    watch.left_of_a_drill(found.settings, "It stayed.", NOW)
    found.messages()
    monkeypatch.setattr(drilling.Engine, "runs", staticmethod(lambda: False))
    main._watch(found.settings, None)
    assert found.told() == []
    root.rmdir()
    main._watch(found.settings, None)
    assert found.told() == ["The drill with the backups of Trenova is good again"]


def test_a_full_disk_of_the_host_is_told_each_hour_although_there_is_nothing_to_take_down(host, monkeypatch, capsys):
    found = host(schedules=[])
    told = []
    monkeypatch.setattr(main.Settings, "read", lambda _directory: found.settings)
    monkeypatch.setattr(main, "_listen", lambda _deadline: None)
    monkeypatch.setattr(notify, "tell_now", lambda _settings, kind, about, _now: told.append((kind, about["because"])))
    assert main.main(["watch"]) == 0
    before = sorted(os.listdir(found.settings.path()))
    for _hour in range(2):
        # It is opened, and takes nothing.
        os.symlink("/dev/full", found.settings.path("probe.new"))
        assert main.main(["watch"]) == 1
    sentence = f"Nothing can be written to {found.settings.state_dir}: No space left on device. Make room there."
    assert told == [("disk", sentence)] * 2
    assert main.main(["watch"]) == 0
    assert sorted(os.listdir(found.settings.path())) == before, "it leaves nothing there"


def half_restored(settings):
    pathlib.Path(settings.path("restore.json")).write_text(json.dumps({
        "touched": True, "begun": "2026-11-22T10:00:00Z", "wish": {"stores": [], "until": None, "target": None}}))


def test_a_night_that_is_refused_is_skipped_and_told_and_a_small_backup_is_not(host, monkeypatch, woken, stopped):
    monkeypatch.setenv("INVOCATION_ID", "0a1b")
    found = host(full_days=7)
    half_restored(found.settings)
    with pytest.raises(BackupError) as refused:
        main._backup(found.settings, main._parser().parse_args(["backup"]))
    because = ("A restore of everything was begun at 2026-11-22T10:00:00Z and has not ended. Nothing is saved before "
               "it is repeated to its end.")
    assert str(refused.value) == because
    [message] = found.messages()
    assert (notify.subject(found.settings, message), message["because"], len(woken)) == (
        "The backup of Trenova was skipped on erp1", because, 1)
    [record] = records.read(found.settings, main.time.time())
    assert (record["verb"], record["state"], record["invocation"]) == ("backup", "skipped", "0a1b")
    assert because in " ".join(watch.faults(found.settings, main.time.time()))
    with pytest.raises(BackupError, match="has not ended"):
        main._cut(found.settings, None)
    assert (found.messages(), records.read(found.settings, main.time.time())) == ([], [record])


@pytest.mark.parametrize(("holder", "said"), [
    ("backup", "A backup is at work, which saves this, too."), ("cut", "A backup is at work, which saves this, too."),
    ("check", "A check is at work; this one gives way to it."),
    ("restore", "A restore is at work; this one gives way to it."),
    ("upgrade", "An upgrade of PostgreSQL is at work; this one gives way to it."),
    ("drill", "The record of a drill is at work; this one gives way to it.")])
def test_a_small_backup_gives_way_to_whoever_is_at_work_and_says_who_that_is(host, capsys, holder, said):
    found = host()
    with runs.alone(found.settings, holder):
        assert main._cut(found.settings, None) == 0
    assert capsys.readouterr().out == said + "\n"


# -- Warnings ---------------------------------------------------------------------------------------------------------


def test_what_a_good_backup_warns_of_is_told_while_it_is_new(host):
    found = host()
    assert found.run(NOW) == []
    assert found.run(NOW + DAY, warnings=["One.", "Two."]) == ["The backup of Trenova was made and has a warning"]
    assert found.run(NOW + 2 * DAY, warnings=["Two.", "One."]) == []
    record = records.finish(found.settings, records.begin(found.settings, "backup", NOW + 3 * DAY), NOW + 3 * DAY, "ok",
                            warnings=["Two.", "Three."])
    assert watch.after_run(found.settings, record, NOW + 3 * DAY)
    assert [message["because"] for message in found.messages()] == ["Three."]
    assert found.run(NOW + 4 * DAY) == []
    assert found.run(NOW + 5 * DAY, warnings=["Two."]) != [], "it was gone in between"
    assert found.run(NOW + 5 * DAY, "cut", warnings=["Four."]) == []


def test_what_a_small_backup_has_noticed_is_told_by_the_full_one_that_it_starts(settings, monkeypatch):
    lost = "Rows had to drop write-ahead log that was not fetched."

    def all_stores(run):
        if run.verb == "cut":
            run.warn(lost)
            raise NothingYet("Rows has no base backup yet.")
        run.warn("Two.")

    monkeypatch.setattr(runs.Run, "all_stores", all_stores)
    settings.content.update(mail={"to": "ops@trucks.test"})
    monkeypatch.setattr(notify, "wake", lambda: None)
    assert main._cut(settings, None) == 0
    cut, backup = records.read(settings, main.time.time() + 60)
    assert (cut["verb"], cut["state"], cut["warnings"]) == ("cut", "skipped", [lost])
    assert (backup["verb"], backup["state"], backup["warnings"]) == ("backup", "ok", [lost, "Two."])
    [name] = notify.owed(settings)
    message = json.loads(pathlib.Path(settings.path("unsent", name)).read_text())
    assert (message["kind"], message["because"]) == ("warned", lost + " Two.")


def test_a_failed_one_tells_its_warnings_in_its_message(settings, monkeypatch):
    test_backup_runs.Engine.stores["backup-redis"] = SourceError("no route to host")
    describe = runs.Run.describe
    monkeypatch.setattr(runs.Run, "describe", lambda run: (run.warn("Log was dropped."), describe(run)))
    monkeypatch.setattr(notify, "wake", lambda: None)
    settings.content.update(mail={"to": "ops@trucks.test"})
    assert main._work(settings, "backup") == 1
    [name] = notify.owed(settings)
    message = json.loads(pathlib.Path(settings.path("unsent", name)).read_text())
    assert "  WARNING: Log was dropped." in notify.body(settings, message)
