# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is known of runs on the host: records, also of those that were killed, the status, and metrics."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.trenova.selfhost.plugins.plugin_utils.verification import backups

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "roles/backup/templates/host/usr/local/lib/trenova"
# Byte code among the templates would travel to the hosts.
sys.dont_write_bytecode = True
sys.path.insert(0, str(PROGRAM))

from trenova_backup import records  # noqa: E402
from trenova_backup.files import moment, seconds_of, stamp_of  # noqa: E402
from trenova_backup.settings import Settings  # noqa: E402

NOW = seconds_of("20261123T013000Z")
MINUTE, HOUR, DAY = 60, 3600, 86400


def settings_in(directory, **more):
    (directory / "backup").mkdir(parents=True, exist_ok=True)
    return Settings(dict({
        "data_dir": str(directory), "host": "erp1", "installation": "trenova", "stores": [{"name": "postgres"}],
        "targets": [{"name": "disk"}, {"name": "bucket"}]}, **more))


@pytest.fixture
def settings(tmp_path):
    """Those of an installation, with its directory."""
    return settings_in(tmp_path)


def content(settings, *words):
    return json.loads(pathlib.Path(settings.path(*words)).read_text())


def run(settings, verb="backup", state="ok", now=NOW, seconds=60, **told):
    return records.finish(settings, records.begin(settings, verb, now), now + seconds, state, **told)


def metrics(settings):
    """{name with its labels: value}, of a file in which every line is one of the format."""
    text = pathlib.Path(settings.path("metrics/trenova_backup.prom")).read_text()
    assert text.endswith("\n")
    found, described = {}, {}
    for line in text.splitlines():
        if line.startswith("#"):
            _mark, what, name, rest = line.split(" ", 3)
            described.setdefault(name, []).append(what)
            assert what == "HELP" or rest == "gauge"
        else:
            name, labels, value = re.fullmatch(
                r'(\w+)((?:\{(?:\w+="(?:[^"\\]|\\["\\n])*",?)+\})?) (\S+)', line).groups()
            assert described[name] == ["HELP", "TYPE"]
            assert name + labels not in found
            found[name + labels] = float(value)
    return {name.replace("trenova_backup_", "", 1): value for name, value in found.items()}


# -- Records ----------------------------------------------------------------------------------------------------------


def test_a_record_is_there_before_its_run_does_anything(settings, monkeypatch):
    monkeypatch.setenv("INVOCATION_ID", "0a1b")
    record = records.begin(settings, "backup", NOW, level="full")
    assert content(settings, "records/20261123T013000Z.json") == record
    assert (record["state"], record["started"], record["level"], record["invocation"], record["unit"]) == (
        "running", "2026-11-23T01:30:00Z", "full", "0a1b", "trenova-backup.service")
    assert not os.path.exists(settings.path("status.json"))


def test_the_end_of_a_run_stands_in_its_record(settings):
    record = run(settings, level="full", steps=[{"name": "postgres", "state": "ok"}])
    assert content(settings, "records/20261123T013000Z.json") == record
    assert (record["state"], record["finished"], record["seconds"], record["exit_status"], record["level"]) == (
        "ok", "2026-11-23T01:31:00Z", 60, 0, "full")
    assert "process" not in record


def test_a_run_knows_its_unit_by_the_schedules(tmp_path):
    settings = settings_in(tmp_path, schedules=[
        {"verb": "check"}, {"verb": "drill", "unit": "trenova-drill.service"}, {"verb": "backup", "unit": "x.service"}])
    assert [records.begin(settings, verb, NOW)["unit"] for verb in ("drill", "backup", "check", "cut")] == [
        "trenova-drill.service", "x.service", "trenova-backup.service", "trenova-backup.service"]


def test_a_clock_that_was_set_back_makes_no_run_shorter_than_nothing(settings):
    assert run(settings, seconds=-HOUR)["seconds"] == 0


def test_two_programs_of_one_second_have_a_stamp_each(settings):
    """The cycle and the night begin at 01:30:00."""
    with another_program(settings, "backup"), another_program(settings, "cut"), another_program(settings, "check"):
        found = records.read(settings, NOW + 60)
        assert {record["verb"] for record in found} == {"backup", "cut", "check"}
        assert [record["stamp"] for record in found] == [stamp_of(NOW + number) for number in range(3)]


def test_two_runs_that_end_at_once_wait_for_each_other(settings):
    """Both write the metrics."""
    begun = [records.begin(settings, "cut", NOW) for _number in range(20)]
    errors = []

    def finish(record):
        try:
            records.finish(settings, record, NOW + 60, "ok")
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=finish, args=(record,)) for record in begun]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert {record["state"] for record in records.read(settings, NOW + 60)} == {"ok"}


@given(st.lists(st.sampled_from(["backup", "cut"]), min_size=2, max_size=6))
def test_no_run_takes_the_record_of_another(tmp_path_factory, verbs):
    settings = settings_in(tmp_path_factory.mktemp("host"))
    begun = [records.begin(settings, verb, NOW) for verb in verbs]
    assert len({record["stamp"] for record in begun}) == len(verbs)
    assert [record["verb"] for record in records.read(settings, NOW + 60)] == verbs
    assert sorted(os.listdir(settings.state_dir)) == ["records"]


# -- Interrupted ------------------------------------------------------------------------------------------------------

BEGIN = """
import sys, time
sys.path.insert(0, {program!r}); sys.dont_write_bytecode = True
from trenova_backup import records, settings
records.begin(settings.Settings({{"data_dir": {data!r}, "stores": [], "targets": []}}), {verb!r}, {now})
print("begun", flush=True)
time.sleep(60)
"""


@contextlib.contextmanager
def another_program(settings, verb="backup", now=NOW):
    """A program that has begun a run."""
    data = os.path.dirname(settings.state_dir)
    process = subprocess.Popen(
        [sys.executable, "-c", BEGIN.format(program=str(PROGRAM), data=data, verb=verb, now=now)],
        stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "begun\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_run_that_was_killed_is_told_at_the_next_start(settings):
    with another_program(settings) as process:
        assert records.interrupted(settings, NOW + 60) == []
        process.kill()
        process.wait()
        [record] = records.interrupted(settings, NOW + 3600)
    assert (record["state"], record["exit_status"]) == ("interrupted", 1)
    assert record["because"] == "It was interrupted: its program was ended."
    assert content(settings, "records", record["stamp"] + ".json") == record
    assert content(settings, "status.json")["because"] == record["because"]
    assert records.interrupted(settings, NOW + 3700) == []


def test_a_server_that_lost_its_power_is_told_so(settings, monkeypatch):
    """Another program may have the number by now, and be as old."""
    records.begin(settings, "backup", NOW)
    assert records.interrupted(settings, NOW) == []
    monkeypatch.setattr(records, "_boot", lambda: "another")
    [record] = records.interrupted(settings, NOW + 60)
    assert record["because"] == "It was interrupted: the server was restarted, or lost its power."


def test_another_process_with_the_number_is_not_the_run(settings, monkeypatch):
    records.begin(settings, "cut", NOW)
    monkeypatch.setattr(records, "_born", lambda pid: "1")
    assert [record["verb"] for record in records.interrupted(settings, NOW + 60)] == ["cut"]


def test_a_process_is_known_whatever_its_name_is(tmp_path, monkeypatch):
    (tmp_path / "7").mkdir()
    (tmp_path / "7/stat").write_text("7 (a ) b (c) S " + " ".join(str(number) for number in range(4, 53)) + "\n")
    monkeypatch.setattr(records, "PROC", str(tmp_path))
    assert (records._born(7), records._born(8)) == ("22", "")


def test_what_systemd_says_of_a_unit_is_the_reason(settings, monkeypatch):
    records.begin(settings, "backup", NOW)
    monkeypatch.setattr(records, "_boot", lambda: "another")
    reason = records.why({"SERVICE_RESULT": "timeout"})
    assert reason == "It took longer than backup_timeout_seconds allows, and was ended."
    assert [record["because"] for record in records.interrupted(settings, NOW, reason)] == [reason]


@pytest.mark.parametrize(("environment", "word"), [
    ({"SERVICE_RESULT": "timeout", "EXIT_CODE": "killed"}, "longer"), ({}, "interrupted"),
    ({"SERVICE_RESULT": "success", "EXIT_CODE": "killed"}, "interrupted"),
    ({"SERVICE_RESULT": "signal"}, "interrupted"),
    ({"SERVICE_RESULT": "exit-code", "EXIT_CODE": "exited"}, "said last"),
])
def test_why_a_unit_ended_is_one_sentence(environment, word):
    assert word in records.why(environment)


def test_a_night_that_was_interrupted_long_ago_is_not_the_newest(settings, monkeypatch):
    """Somebody has made one by hand meanwhile."""
    records.begin(settings, "backup", NOW)
    good = run(settings, now=NOW + HOUR)
    monkeypatch.setattr(records, "_boot", lambda: "another")
    assert [record["state"] for record in records.interrupted(settings, NOW + DAY)] == ["interrupted"]
    assert content(settings, "status.json")["stamp"] == good["stamp"]


# -- Which records there are ------------------------------------------------------------------------------------------


def write(settings, *found):
    os.makedirs(settings.path("records"), exist_ok=True)
    for record in found:
        pathlib.Path(settings.path("records", record["stamp"] + ".json")).write_text(json.dumps(record))


def record(seconds_ago, verb="cut", state="ok", **more):
    time = NOW - seconds_ago
    return dict({"stamp": stamp_of(time), "verb": verb, "state": state, "started": moment(time),
                 "finished": moment(time), "seconds": 1}, **more)


def test_the_newest_records_are_kept_and_what_alarms_are_made_of(settings, monkeypatch):
    monkeypatch.setattr(records, "KEPT", 1)
    good = [record(20 * DAY, "drill"), record(19 * DAY, "backup", level="full"),
            record(18 * DAY, "backup", level="incremental"),
            record(17 * DAY, "backup", "failed", stores=[
                {"name": "postgres", "state": "ok", "targets": [{"name": "disk", "state": "ok"}]}])]
    write(settings, record(21 * DAY, "drill"), record(19.5 * DAY, "backup", "failed"), *good,
          *(record(HOUR + number * 300) for number in range(50)))
    run(settings, "cut")
    found = records.read(settings, NOW + 60)
    assert [entry["stamp"] for entry in found if entry["verb"] != "cut"] == [entry["stamp"] for entry in good]
    assert len(found) == records.KEPT + len(good)


VERBS = ("backup", "cut", "check", "drill", "restore")
STATES = ("ok", "failed", "skipped", "interrupted")
RECORDS = st.lists(
    st.tuples(st.integers(0, 400 * 24 * 12), st.sampled_from(VERBS), st.sampled_from(STATES)), max_size=40,
    unique_by=lambda entry: entry[0])


def history(drawn):
    """Records of every so many five minutes ago, oldest first."""
    return [record(ago * 5 * MINUTE, verb, state, level="full" if ago % 7 else "incremental")
            for ago, verb, state in sorted(drawn, reverse=True)]


@given(RECORDS, RECORDS, st.integers(1, 5), st.data())
def test_small_backups_push_out_no_record_of_others_and_none_goes_before_what_it_tells_of(drawn, more, kept, data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "KEPT", kept)
        found = history(drawn)
        held = data.draw(st.sets(st.sampled_from([entry["stamp"] for entry in found]))) if found else set()
        stay = records.wanted(found, held)
        assert held <= stay
        # However many small ones come in between, before or after.
        times = {ago for ago, _verb, _state in drawn}
        cuts = [(ago, "cut", state) for ago, _verb, state in more if ago not in times]
        among = records.wanted(history([*drawn, *cuts]), held)
        others = {entry["stamp"] for entry in found if entry["verb"] != "cut"}
        assert among & others == stay & others
        for verb in VERBS:
            of_verb = [entry["stamp"] for entry in found if entry["verb"] == verb]
            assert set(of_verb[-kept:]) <= stay
            # What an alarm is made of: two levels, and the verb; and what is held.
            assert len(stay.intersection(of_verb) - held) <= kept + 3


def test_small_backups_of_two_days_leave_the_nights_of_a_month(settings):
    nights = [record(days * DAY, "backup") for days in range(1, 31)]
    drills = [record(days * DAY + HOUR, "drill") for days in range(7, 31, 7)]
    write(settings, *nights, *drills, *(record(2 * MINUTE + number * 300) for number in range(576)))
    run(settings, "cut")
    found = records.read(settings, NOW + 60)
    assert {entry["stamp"] for entry in [*nights, *drills]} <= {entry["stamp"] for entry in found}
    assert len([entry for entry in found if entry["verb"] == "cut"]) == records.KEPT


def test_the_record_of_what_a_target_holds_stays_until_the_target_lets_it_go(settings, monkeypatch):
    monkeypatch.setattr(records, "KEPT", 2)
    old = [record(days * DAY, "backup", "failed") for days in (400, 300, 200, 100)]
    write(settings, *old)
    records.note_held(settings, "disk", [old[0]["stamp"], old[2]["stamp"]])
    records.note_held(settings, "bucket", [old[1]["stamp"]])
    run(settings, "cut")
    assert [entry["stamp"] for entry in old] == [
        entry["stamp"] for entry in records.read(settings, NOW) if entry["verb"] == "backup"]
    records.note_held(settings, "disk", [old[2]["stamp"]])
    # What a target held that is none any more counts no longer.
    settings.targets.remove({"name": "bucket"})
    records.note_held(settings, "disk", [])
    run(settings, "cut", now=NOW + HOUR)
    assert [entry["stamp"] for entry in records.read(settings, NOW) if entry["verb"] == "backup"] == [
        entry["stamp"] for entry in old[2:]]


def test_a_restore_is_known_as_long_as_what_it_replaced_is_there(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "KEPT", 1)
    copy = tmp_path / ".postgres.before"
    copy.mkdir()
    restore = record(3 * DAY, "restore", "failed", copies={"postgres": str(copy)})
    write(settings, restore, record(2 * DAY, "restore"), record(DAY, "restore"))
    run(settings, "cut")
    assert restore["stamp"] in {entry["stamp"] for entry in records.read(settings, NOW)}
    copy.rmdir()
    run(settings, "cut", now=NOW + HOUR)
    assert restore["stamp"] not in {entry["stamp"] for entry in records.read(settings, NOW)}


def test_a_record_of_a_clock_that_was_ahead_is_not_the_newest(settings):
    write(settings, record(-90 * DAY, "backup", "failed"), record(DAY, "backup"), record(2 * DAY, "backup", "failed"))
    found = records.read(settings, NOW)
    assert records.newest(found, "backup")["stamp"] == stamp_of(NOW - DAY)
    assert records.newest(found, "backup", "failed")["stamp"] == stamp_of(NOW - 2 * DAY)
    assert records.newest(found, "drill") is None
    assert records.newest(found, "backup", level="full") is None


def test_a_clock_that_was_set_back_removes_no_record_of_what_just_ran(settings):
    write(settings, *(record(number * 300) for number in range(records.KEPT + 5)))
    stamp = run(settings, "backup", "failed", now=100)["stamp"]
    assert os.path.exists(settings.path("records", stamp + ".json"))


def test_what_runs_keeps_its_record(settings):
    begun = records.begin(settings, "drill", NOW - 9 * DAY)
    write(settings, *(record(number * 300) for number in range(records.KEPT + 5)))
    run(settings, "cut")
    assert os.path.exists(settings.path("records", begun["stamp"] + ".json"))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "{}", '{"stamp": "20260101T000000Z"}'])
def test_a_record_that_a_disk_has_lost_is_none(settings, text):
    write(settings, record(0))
    pathlib.Path(settings.path("records/20260101T000000Z.json")).write_text(text)
    assert [entry["stamp"] for entry in records.read(settings, NOW)] == [stamp_of(NOW)]
    run(settings)


# -- Status -----------------------------------------------------------------------------------------------------------


def test_the_status_is_that_of_the_newest_night_and_of_nothing_else(settings):
    run(settings, now=NOW)
    run(settings, "cut", "failed", now=NOW + HOUR)
    run(settings, "check", "failed", now=NOW + 2 * HOUR)
    run(settings, state="skipped", now=NOW + 3 * HOUR)
    assert content(settings, "status.json")["started"] == "2026-11-23T01:30:00Z"
    run(settings, state="failed", now=NOW + DAY, because="No.", level="full", next="2026-11-25T01:30:00Z",
        targets=[{"name": "bucket", "state": "failed", "because": "Full."}])
    status = content(settings, "status.json")
    assert status == {
        "started": "2026-11-24T01:30:00Z", "finished": "2026-11-24T01:31:00Z", "exit_status": 1, "place": "",
        "bytes": 0, "objects_bytes": 0, "steps": [], "because": "No.", "stamp": "20261124T013000Z", "state": "failed",
        "level": "full", "restorable": {}, "checked": "", "next": "2026-11-25T01:30:00Z",
        "targets": [{"name": "bucket", "state": "failed", "because": "Full."}]}
    assert os.stat(settings.path("status.json")).st_mode & 0o777 == 0o644


def test_a_night_after_a_clock_that_was_ahead_is_the_newest(settings):
    run(settings, now=NOW + 300 * DAY)
    run(settings, now=NOW)
    assert content(settings, "status.json")["stamp"] == "20261123T013000Z"


def test_verify_reads_the_status(settings):
    services = {"backup": {"backup_status": {
        "file": "x", "schedule": "daily", "command": "systemctl start trenova-backup"}}}
    now = datetime.datetime(2026, 11, 23, 2, 31, tzinfo=datetime.UTC)
    for state, more, expected in (
            ("ok", {"bytes": 2_000_000, "objects_bytes": 500_000}, (True, "exit status 0, 2.5 MB, 1.0 hours old")),
            ("failed", {"because": "Why."}, (False, "exit status 1, 0.0 MB, 1.0 hours old: Why"))):
        run(settings, state=state, **more)
        [result] = backups.results(services, content(settings, "status.json"), None, now)
        assert (result["ok"], result["detail"]) == expected
        os.unlink(settings.path("status.json"))


# -- Metrics ----------------------------------------------------------------------------------------------------------


def postgres(*good, state="ok", **more):
    return dict({"name": "postgres", "state": state, "bytes": 7000, "targets": [
        {"name": name, "state": "ok" if name in good else "failed"} for name in ("disk", "bucket")]}, **more)


def test_the_metrics_of_a_night(settings):
    run(settings, stores=[postgres("disk", "bucket", wal_lag_seconds=2.5, restorable={
        "from": moment(NOW - DAY), "to": moment(NOW)})])
    assert metrics(settings) == {
        'last_success_timestamp_seconds{verb="backup",store="postgres",target="disk"}': NOW + 60,
        'last_success_timestamp_seconds{verb="backup",store="postgres",target="bucket"}': NOW + 60,
        'last_run_timestamp_seconds{verb="backup"}': NOW + 60, 'last_run_success{verb="backup"}': 1,
        'duration_seconds{verb="backup"}': 60, 'size_bytes{store="postgres"}': 7000,
        'restorable_from_timestamp_seconds{store="postgres"}': NOW - DAY,
        'restorable_to_timestamp_seconds{store="postgres"}': NOW, 'wal_lag_seconds{store="postgres"}': 2.5}
    assert os.stat(settings.path("metrics/trenova_backup.prom")).st_mode & 0o777 == 0o644
    assert os.listdir(settings.path("metrics")) == ["trenova_backup.prom"]


def test_a_target_that_failed_keeps_the_time_of_its_last_success(settings):
    run(settings, stores=[postgres("disk", "bucket")])
    run(settings, state="failed", now=NOW + DAY, stores=[postgres("disk", bytes=9000)])
    found = metrics(settings)
    assert found['last_success_timestamp_seconds{verb="backup",store="postgres",target="disk"}'] == NOW + DAY + 60
    assert found['last_success_timestamp_seconds{verb="backup",store="postgres",target="bucket"}'] == NOW + 60
    assert (found['last_run_success{verb="backup"}'], found['size_bytes{store="postgres"}']) == (0, 9000)


def test_a_store_that_failed_has_no_new_size(settings):
    run(settings, stores=[postgres("disk")])
    run(settings, state="failed", now=NOW + DAY, stores=[postgres(state="failed", bytes=1)])
    found = metrics(settings)
    assert found['size_bytes{store="postgres"}'] == 7000
    assert found['last_success_timestamp_seconds{verb="backup",store="postgres",target="disk"}'] == NOW + 60


def test_each_kind_of_run_has_its_own_and_what_runs_or_gave_way_has_none(settings):
    for number, verb in enumerate(("backup", "cut", "check", "drill")):
        run(settings, verb, now=NOW + number * HOUR, seconds=number)
    run(settings, "drill", "skipped", now=NOW + DAY)
    records.begin(settings, "check", NOW + DAY)
    records.write_metrics(settings, NOW + DAY)
    found = metrics(settings)
    assert [found[f'duration_seconds{{verb="{verb}"}}'] for verb in ("backup", "cut", "check", "drill")] == [0, 1, 2, 3]
    assert found['last_run_success{verb="check"}'] == 1


def test_what_an_installation_has_no_more_is_no_alarm_for_ever(tmp_path):
    before = settings_in(tmp_path)
    run(before, stores=[postgres("disk", "bucket")])
    after = settings_in(tmp_path, targets=[{"name": "disk"}])
    run(after, "cut", now=NOW + HOUR)
    assert [name for name in metrics(after) if "bucket" in name] == []
    assert 'last_success_timestamp_seconds{verb="backup",store="postgres",target="disk"}' in metrics(after)


def test_metrics_without_a_run_are_an_empty_file(settings):
    assert records.exposition(settings, []) == ""


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_name_is_a_label(tmp_path_factory, name):
    settings = settings_in(tmp_path_factory.mktemp("host"), stores=[{"name": name}])
    text = records.exposition(settings, [record(0, "backup", stores=[{"name": name, "state": "ok", "bytes": 1}])])
    [line] = [line for line in text.split("\n") if line.startswith("trenova_backup_size_bytes")]
    label = re.fullmatch(r'trenova_backup_size_bytes\{store="((?:[^"\\\n]|\\["\\n])*)"\} 1', line)[1]
    assert re.sub(r"\\(.)", lambda match: {"n": "\n"}.get(match[1], match[1]), label) == name
