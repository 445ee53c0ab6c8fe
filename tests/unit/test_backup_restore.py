# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The way back: what is chosen, in which order it is done, and that an interruption anywhere loses nothing.

The stores themselves come back in molecule/restore.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time
import types

import pytest
from backup_figures import FIGURES
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "roles/backup/templates/host/usr/local/lib/trenova"))

from trenova_backup import records  # noqa: E402  # found by the line above
from trenova_backup.engine import Process  # noqa: E402
from trenova_backup.errors import BackupError, Interrupted, SourceError, TargetError  # noqa: E402
from trenova_backup.files import moment, seconds_of, seconds_of_moment, stamp_of  # noqa: E402
from trenova_backup.kinds import kind as kind_module  # noqa: E402
from trenova_backup.kinds.command import Command  # noqa: E402
from trenova_backup.kinds.objects import Objects  # noqa: E402
from trenova_backup.kinds.postgres import Postgres  # noqa: E402
from trenova_backup.kinds.redis import Redis, without_mark  # noqa: E402
from trenova_backup.mirror.steps import BEGIN as SHELL  # noqa: E402
from trenova_backup.repository import Repository, Snapshot  # noqa: E402
from trenova_backup.restore import copies, journal, laying, plan, run, verbs  # noqa: E402
from trenova_backup.settings import Settings  # noqa: E402

BEGIN = 1_790_000_000
NUMBERS = itertools.count()


# -- Directories that change their names ------------------------------------------------------------------------------

class Killed(BaseException):
    """The power goes."""


def tree(path):
    """{path below: content} of all files."""
    return {str(found.relative_to(path)): found.read_text()
            for found in pathlib.Path(path).rglob("*") if found.is_file()}


def place(tmp_path, live=True):
    """(what is restored, the live directory, the copy)."""
    path = tmp_path / "data"
    if live:
        (path / "sub/own").mkdir(parents=True)
        (path / "row").write_text("live")
        (path / "sub/own/row").write_text("of its own")
    new = pathlib.Path(laying.beside(str(path), "restored"))
    (new / "deep").mkdir(parents=True)
    (new / "row").write_text("restored")
    (new / "deep/row").write_text("restored, too")
    return str(new), str(path), laying.beside(str(path), "before-1")


@pytest.mark.parametrize("is_disk", [False, True])
def test_a_change_of_places_that_is_cut_off_anywhere_is_ended_by_the_next_try(tmp_path, monkeypatch, is_disk):
    """Killed before each change of the file system in turn, and once more in the next try: afterwards the live place
    holds what was restored, and the copy all that was live, and nothing of neither is lost."""
    monkeypatch.setattr(os.path, "ismount", lambda path: is_disk and os.path.basename(str(path)) == "data")
    calls = {name: getattr(os, name) for name in ("rename", "mkdir", "rmdir", "unlink")}
    for steps in itertools.count():
        folder = tmp_path / str(steps)
        folder.mkdir()
        new, path, copy = place(folder)
        for allowed in (steps, 1, None):
            left = itertools.count()

            def cut(name, *words, allowed=allowed, left=left, **more):
                if allowed is not None and next(left) >= allowed:
                    raise Killed
                return calls[name](*words, **more)
            for name in calls:
                monkeypatch.setattr(os, name, lambda *words, name=name, cut=cut, **more: cut(name, *words, **more))
            try:
                laying.lay(new, path, copy, ["sub/own"])
                is_killed = False
            except Killed:
                is_killed = True
            for name, call in calls.items():
                monkeypatch.setattr(os, name, call)
        found = {name: text for name, text in tree(path).items() if not name.startswith(".data.")}
        assert {name: found[name] for name in ("row", "deep/row")} == {
            "row": "restored", "deep/row": "restored, too"}, steps
        assert tree(copy)["row"] == "live", steps
        assert found["sub/own/row"] == "of its own", steps
        beside = folder / "data" if is_disk else folder
        assert [name for name in os.listdir(beside) if name.startswith(".data.")] == [os.path.basename(copy)], steps
        if not is_killed and steps > 12:
            break


@pytest.mark.parametrize("is_disk", [False, True])
def test_copies_of_earlier_restores_do_not_come_back_and_hidden_files_of_a_service_do(tmp_path, monkeypatch, is_disk):
    """Below the root of a disk they were saved with the rest, and would lie in the way of those that are there."""
    monkeypatch.setattr(os.path, "ismount", lambda path: is_disk and os.path.basename(str(path)) == "data")
    new, path, copy = place(tmp_path)
    for folder in (new, path):
        pathlib.Path(folder, ".data.before-0").mkdir()
        pathlib.Path(folder, ".data.before-0/row").write_text(folder)
        pathlib.Path(folder, ".data.cache").write_text(folder)
    laying.lay(new, path, copy)
    assert tree(path)["row"] == "restored"
    assert pathlib.Path(path, ".data.cache").read_text() == new
    assert pathlib.Path(copy, ".data.cache").read_text() == path
    assert tree(path).get(".data.before-0/row") == (path if is_disk else None)


def test_a_database_whose_directory_is_the_root_of_a_disk_can_read_what_was_put_aside(tmp_path, monkeypatch):
    """It reads all that is below when it is saved, and ends where it may not."""
    monkeypatch.setattr(os.path, "ismount", lambda path: os.path.basename(str(path)) == "data")
    new, path, copy = place(tmp_path)
    pathlib.Path(path).chmod(0o710)
    laying.lay(new, path, copy)
    told = [os.stat(place) for place in (copy, path)]
    assert len({(one.st_mode, one.st_uid, one.st_gid) for one in told}) == 1


def test_what_somebody_made_in_the_place_meanwhile_is_no_reason_to_leave_it_there(tmp_path):
    """Docker makes a directory that a container mounts and that is not there."""
    new, path, copy = place(tmp_path)
    os.rename(path, copy)
    os.mkdir(path)
    laying.lay(new, path, copy)
    assert tree(path)["row"] == "restored"
    assert tree(copy)["row"] == "live"


def test_the_way_back_where_the_directory_is_a_disk_is_as_it_is_written(tmp_path, monkeypatch):
    """What was there is there again, what had come is aside, and neither is in the way of backups and restores."""
    monkeypatch.setattr(os.path, "ismount", lambda path: os.path.basename(str(path)) == "postgres")
    page = (ROOT / "docs/recovery.md").read_text()
    section = page.partition("\n## It was the wrong moment\n")[2].partition("\n## ")[0]
    begin = section.index("\n    cd /var/lib/trenova/postgres\n")
    commands = "\n".join(line[4:] for line in section[begin:].splitlines() if line.startswith("    "))
    path = tmp_path / "postgres"
    for name in ("lost+found", ".postgres.before-0", "sub", ".hidden"):
        (path / name).mkdir(parents=True)
        (path / name / "row").write_text("live")
    (path / "row").write_text("live")
    path.chmod(0o710)
    before = tree(path)

    def restore(stamp):
        new = pathlib.Path(laying.beside(str(path), "restored"))
        (new / "deep").mkdir(parents=True)
        for name in ("row", "deep/row"):
            (new / name).write_text("restored")
        laying.lay(str(new), str(path), laying.beside(str(path), f"before-{stamp}"))
    restore("1")
    assert tree(path)["row"] == "restored"
    subprocess.run(["sh", "-euc", commands.replace("/var/lib/trenova/postgres", str(path)).replace("<stamp>", "1")],
                   check=True)
    aside = {name: tree(path).pop(f".postgres.before-wrong/{name}") for name in ("row", "deep/row")}
    assert set(aside.values()) == {"restored"}
    assert {name: text for name, text in tree(path).items() if not name.startswith(".postgres.before-wrong/")} == before
    assert not (path / ".postgres.before-1").exists()
    assert (path / ".postgres.before-wrong").stat().st_mode == path.stat().st_mode
    restore("2")
    assert tree(path / ".postgres.before-wrong") == aside
    assert tree(path / ".postgres.before-2") == {"row": "live", "sub/row": "live", ".hidden/row": "live"}


def test_an_empty_server_has_nothing_to_copy(tmp_path):
    new, path, copy = place(tmp_path, live=False)
    laying.lay(new, path, copy)
    assert tree(path)["row"] == "restored"
    assert not os.path.exists(copy)


# -- What is chosen ---------------------------------------------------------------------------------------------------

class Target:
    """A target with some snapshots."""

    name = "local"

    def __init__(self, snapshots):
        self.snapshots = snapshots


def snapshot(run_at, store="rows", part="base", size=10, **tags):
    pairs = dict(run=stamp_of(run_at), store=store, part=part, **tags)
    return Snapshot({"id": f"{next(NUMBERS):064}", "tags": [f"{key}={value}" for key, value in pairs.items()],
                     "paths": ["/file"], "summary": {"total_bytes_processed": size}})


@st.composite
def histories(draw):
    """Bases, some of them increments, each followed by its log, as runs leave them; as seconds after BEGIN."""
    clock, made, before = BEGIN, [], ""
    for _number in range(draw(st.integers(1, 6))):
        is_full = not before or draw(st.booleans())
        run_at = clock = clock + draw(st.integers(10, 1000))
        stamp = stamp_of(run_at)
        made.append(snapshot(
            run_at, level="full" if is_full else "incremental", after="" if is_full else before, version="17"))
        clock += draw(st.integers(1, 50))
        if before:
            made.append(snapshot(run_at, part="wal", base=before, until=moment(clock)))
        made.append(snapshot(run_at, part="wal", base=stamp, until=moment(clock)))
        for _cut in range(draw(st.integers(0, 3))):
            clock += draw(st.integers(1, 300))
            made.append(snapshot(clock, part="wal", base=stamp, until=moment(clock)))
        before = stamp
    return made, clock


def postgres(tmp_path):
    for name in ("wal", "manifests"):
        (tmp_path / "backup" / name).mkdir(parents=True, exist_ok=True)
    told = {"data_dir": str(tmp_path), "stores": [], "targets": [], "owner": [os.getuid(), os.getgid()],
            "figures": FIGURES}
    work = type("Work", (), {"settings": Settings(told), "stamp": "x"})()
    return Postgres({"store": "rows", "title": "Rows", "physical": True, "databases": []}, work)


@settings(max_examples=200, deadline=None)
@given(histories(), st.integers(-100, 8000))
def test_any_moment_after_the_first_base_is_chosen_with_all_that_it_needs(tmp_path_factory, history, at):
    """And none before it, nor after the last log; the sentence names both."""
    made, last = history
    kind, until = postgres(tmp_path_factory.mktemp("x")), BEGIN + at
    first = min(int(seconds) for seconds in (
        seconds_of_moment(each.pairs["until"]) for each in made if each.part == "wal"))
    if not first <= until <= last:
        with pytest.raises(BackupError, match=f"{moment(first)} to {moment(last)}"):
            kind.choose(Target(made), until)
        return
    choice = kind.choose(Target(made), until)
    *bases, log = choice.snapshots
    assert bases[0].level == "full"
    assert [base.after for base in bases[1:]] == [base.run for base in bases[:-1]]
    assert log.pairs["base"] == bases[-1].run
    # The base had ended by then, and the log goes on until then.
    ended = min(seconds_of_moment(each.pairs["until"]) for each in made
                if each.part == "wal" and each.pairs["base"] == bases[-1].run)
    assert ended <= until <= seconds_of_moment(log.pairs["until"])
    assert choice.bytes == 10 * len(choice.snapshots)
    assert (choice.facts["version"], choice.adds) == ("17", None)
    kind.store["restore_job"] = "backup-restore-rows"
    for major in ("17", "18"):
        kind.run.engine = types.SimpleNamespace(
            run=lambda *_words, major=major: types.SimpleNamespace(lines=[f"pg_basebackup (PostgreSQL) {major}.1"]))
        with contextlib.nullcontext() if major == "17" else pytest.raises(BackupError, match="cannot read it"):
            kind.foresee(choice)


@settings(max_examples=100, deadline=None)
@given(histories(), st.data())
def test_a_chain_that_lacks_a_base_is_not_chosen(tmp_path_factory, history, data):
    made, _last = history
    gone = data.draw(st.sampled_from([each for each in made if each.part == "base"]))
    rest = [each for each in made if each is not gone]
    kind = postgres(tmp_path_factory.mktemp("x"))
    try:
        choice = kind.choose(Target(rest), None)
    except BackupError as error:
        assert "no backup" in str(error)
        return
    *bases, log = choice.snapshots
    assert bases[0].level == "full"
    assert gone not in choice.snapshots
    assert log.pairs["base"] == bases[-1].run


@settings(max_examples=100, deadline=None)
@given(histories(), st.data())
def test_of_a_run_that_has_recorded_what_there_was_the_very_position_is_chosen(tmp_path_factory, history, data):
    """With the base that had ended before, though the log of the same run goes on with the one before, too."""
    made, _last = history
    base = data.draw(st.sampled_from([each for each in made if each.part == "base"]))
    told = {"books": {"lsn": "0/30", "timeline": 2, "at": moment(BEGIN), "is_exact": True, "tables": {}}}
    target = Target([*made, snapshot(seconds_of(base.run), part="facts")])
    target.repository = type("Repository", (), {"read": lambda _self, _snapshot: json.dumps(told)})()
    choice = postgres(tmp_path_factory.mktemp("x")).choose_run(target, base.run)
    *bases, log = choice.snapshots
    assert (bases[-1], bases[0].level) == (base, "full")
    assert (log.run, log.pairs["base"]) == (base.run, base.run)
    assert (choice.facts["target"], choice.facts["recorded"], choice.at) == ("0/30@2", told, BEGIN)


def test_a_run_that_has_recorded_nothing_is_refused(tmp_path):
    made = [snapshot(BEGIN, level="full"), snapshot(BEGIN, part="wal", base=stamp_of(BEGIN), until=moment(BEGIN))]
    with pytest.raises(BackupError, match="holds no state that could be compared"):
        postgres(tmp_path).choose_run(Target(made), stamp_of(BEGIN))


def test_other_stores_are_chosen_as_they_were_last_before_the_moment():
    made = [snapshot(BEGIN + at, store="cache", part="snapshot") for at in (0, 100, 200)]
    kind = Redis({"store": "cache", "title": "Cache", "path": "/x"}, None)
    assert kind.choose(Target(made), None).snapshots == [made[2]]
    assert kind.choose(Target(made), BEGIN + 199.5).snapshots == [made[1]]
    with pytest.raises(BackupError, match=f"Cache: {moment(BEGIN - 1)} cannot be restored. The target holds it from "
                                          f"{moment(BEGIN)} to {moment(BEGIN + 200)}"):
        kind.choose(Target(made), BEGIN - 1)
    with pytest.raises(BackupError, match="Cache: the target holds no backup of it"):
        kind.choose(Target([]), None)


# -- Clocks -----------------------------------------------------------------------------------------------------------

NOW = BEGIN + 10_000
#: When a clock was wrong, in seconds from now: it was ahead, or the present one is behind.
JUMPS = [3600, 400 * 86400]


@pytest.mark.parametrize("jump", JUMPS)
@pytest.mark.parametrize("part", ["snapshot", "archive"])
def test_what_was_saved_while_the_clock_was_ahead_is_not_the_newest(monkeypatch, part, jump):
    """Who asks for the newest gets what was saved last, and not what would bring back the state of before."""
    monkeypatch.setattr(time, "time", lambda: NOW)
    told = [{"id": f"{number:064}", "tags": [f"run={stamp_of(at)}", "store=cache", f"part={part}"]}
            for number, at in enumerate((NOW - 200, NOW + jump, NOW - 100))]
    engine = type("Engine", (), {"run": lambda *_words: type("Process", (), {"code": 0, "lines": [json.dumps(told)]})})
    found = Repository({"name": "one", "repository": "/one"}, engine(), {}).snapshots()
    assert [each.run for each in found] == [stamp_of(at) for at in (NOW + jump, NOW - 200, NOW - 100)]
    kind = Redis({"store": "cache", "title": "Cache", "path": "/x"}, None)
    kind.part = part
    assert kind.choose(Target(found), None).at == NOW - 100
    with pytest.raises(BackupError, match=f"from {moment(NOW - 200)} to {moment(NOW + jump)}"):
        kind.choose(Target(found), BEGIN - 1)


@pytest.mark.parametrize("jump", JUMPS)
def test_a_database_comes_back_from_the_log_that_was_fetched_last_although_a_clock_was_ahead(
        tmp_path, monkeypatch, jump):
    monkeypatch.setattr(time, "time", lambda: NOW)

    def saved(at, lsn):
        return [snapshot(at, level="full"), snapshot(at, part="wal", base=stamp_of(at), until=moment(at), lsn=lsn)]

    made = [*saved(NOW - 500, "0/10"), *saved(NOW + jump, "0/20"), *saved(NOW - 100, "0/30")]
    kind = postgres(tmp_path)
    assert [each.run for each in kind.choose(Target(made), None).snapshots] == [stamp_of(NOW - 100)] * 2
    # Of one base the log only grows, whatever the clock says of it.
    made += [snapshot(NOW - 90, part="wal", base=stamp_of(NOW - 100), until=moment(NOW - 200), lsn="0/40")]
    assert kind.choose(Target(made), None).snapshots[-1].pairs["lsn"] == "0/40"


@pytest.mark.parametrize("mark", [b"", b"0123456789abcdef0123456789abcdef01234567"])
def test_a_snapshot_ends_where_redis_says_so(tmp_path, mark):
    """Not with the mark that a replica is sent, which redis-cli leaves in its output."""
    content = b"REDIS0012" + b"a" * 60 + b"\xff" + b"abcdef01"
    (tmp_path / "dump.rdb").write_bytes(content + mark)
    without_mark(str(tmp_path / "dump.rdb"))
    assert (tmp_path / "dump.rdb").read_bytes() == content


def test_what_nobody_takes_back_is_read_from_the_target_and_not_from_what_is_removed():
    """The file that was fetched goes with the end of the restore."""
    warned = []
    kind = Command({"store": "queues", "title": "Queues", "file": "told.json"},
                   type("Work", (), {"warn": lambda _self, text: warned.append(text)})())
    choice = kind.choose(Target([snapshot(BEGIN, store="queues", part="output")]), None)
    kind.write(choice, "/var/lib/trenova/backup/restored-queues")
    [sentence] = warned
    assert f"backup.py read queues --run {stamp_of(BEGIN)}" in sentence
    assert "restored-queues" not in sentence


# -- What is stopped --------------------------------------------------------------------------------------------------

@given(st.dictionaries(st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdef")), min_size=1))
def test_each_service_is_stopped_before_what_it_needs(wanted):
    # Without circles: a name may only need later ones.
    needs = {name: {other for other in those if other > name} for name, those in wanted.items()}
    services = set(needs) | set().union(*needs.values())
    order = run.in_order(services, needs)
    assert sorted(order) == sorted(services)
    for name, those in needs.items():
        assert all(order.index(name) < order.index(other) for other in those)
    # What is stopped at the same time does not need each other, and nothing waits longer than it has to.
    for before, level in itertools.pairwise([[], *run.levels(services, needs)]):
        assert not any(needs.get(name, set()) & set(level) for name in level)
        assert not before or all(any(name in needs.get(other, set()) for other in before) for name in level)


def test_services_that_need_each_other_are_stopped_all_the_same():
    assert run.levels(["a", "b", "c"], {"a": ["b"], "b": ["a"], "c": ["a"]}) == [["c"], ["a"], ["b"]]


# -- Moments and journals ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("text", [
    "2026-11-23 14:05:00+00", "2026-11-23T14:05:00Z", "2026-11-23 15:05:00+01:00", " 2026-11-23 14:05:00+00 ",
    "2026-11-23 14:05:00+0000"])
def test_a_moment_is_read_as_people_write_it(text):
    assert moment(verbs.moment_of(text)) == "2026-11-23T14:05:00Z"


@pytest.mark.parametrize(("text", "words"), [
    ("yesterday", "is no moment"), ("2026-11-23", "no time. .* without a space: 2026-11-23T14:05:00Z"),
    ("2026-11-23 14:05:00", "no time zone"),
    ("2026-13-23 14:05:00+00", "is no moment")])
def test_what_is_no_moment_is_refused(text, words):
    with pytest.raises(BackupError, match=words):
        verbs.moment_of(text)


@pytest.fixture
def settings_of(tmp_path):
    (tmp_path / "backup").mkdir()
    (tmp_path / ".state").mkdir()
    return Settings({"data_dir": str(tmp_path), "project_dir": str(tmp_path), "stores": [], "targets": [],
                     "figures": FIGURES})


WISH = {"target": None, "until": None, "stores": ["postgres"]}


def test_a_restore_that_was_interrupted_is_gone_on_with_and_no_other_one_begun(settings_of):
    first = journal.Journal(settings_of)
    assert first.begin(WISH, "20261123T140500Z")
    first.set_phase("postgres", journal.FETCHED)
    first.update(touched=True)
    again = journal.Journal(settings_of)
    assert not again.begin(WISH, "20261123T150000Z")
    assert (again.content["stamp"], again.phase("postgres")) == ("20261123T140500Z", journal.FETCHED)
    with pytest.raises(BackupError, match="A restore of postgres that was begun at 2026-11-23T14:05:00Z was"):
        journal.Journal(settings_of).begin(dict(WISH, until=BEGIN), "20261123T150000Z")


def test_nothing_is_saved_of_what_is_half_restored(settings_of):
    journal.need_none(settings_of)
    work = journal.Journal(settings_of)
    work.begin(WISH, "20261123T140500Z")
    journal.need_none(settings_of)  # it has only fetched
    work.update(touched=True)
    with pytest.raises(BackupError, match="has not ended. Nothing is saved"):
        journal.need_none(settings_of)
    work.update(done=True)
    journal.need_none(settings_of)


def test_a_server_that_waits_for_its_data_saves_nothing(settings_of):
    pathlib.Path(settings_of["project_dir"], journal.HOLD).touch()
    with pytest.raises(BackupError, match="waits for its data"):
        journal.need_none(settings_of)


@pytest.mark.parametrize("is_handed_over", [False, True])
def test_a_server_whose_secrets_are_not_taken_over_yet_goes_on_waiting(settings_of, is_handed_over):
    """Or whoever is interrupted there would have the data, and no way to it."""
    pathlib.Path(settings_of["project_dir"], journal.HOLD).touch()
    if is_handed_over:
        pathlib.Path(settings_of["project_dir"], run.HANDED_OVER).touch()
    work = run.Restore(settings_of, None, WISH)
    work.journal.begin(WISH, "20261123T140500Z")
    work.end()
    assert journal.is_waiting(settings_of) is is_handed_over


def test_a_plan_says_what_it_replaces_how_old_it_is_and_how_long_it_takes():
    lines = plan.words({
        "installation": "erp1", "target": "local", "seconds": 300, "bytes": 2 * 10**9, "stops": ["api", "postgres"],
        "space": {"/var/lib/trenova": 3 * 10**9}, "stores": [
            {"title": "PostgreSQL", "kind": "postgres", "at": "2026-11-23T14:05:00Z", "age_seconds": 600,
             "bytes": 10**9, "objects": None, "replaces": "/var/lib/trenova/postgres", "now_bytes": 4 * 10**9},
            {"title": "MinIO", "kind": "objects", "at": "2026-11-23T14:05:00Z", "age_seconds": 600, "bytes": 10**9,
             "objects": 7, "over": 2, "replaces": "", "now_bytes": None}]})
    text = "\n".join(lines)
    assert "/var/lib/trenova/postgres (4.0 GB)" in text
    assert re.search("1.0 GB, 7 objects +2 objects that are other ones now$", text, re.MULTILINE)
    assert "10 min ago" in text
    assert "Stopped meanwhile: api, postgres. About 5 min. Space: 3.0 GB in /var/lib/trenova." in text


# -- What was there before --------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("days", "is_gone"), [(1, False), (6.9, False), (7.1, True)])
def test_what_a_restore_has_replaced_stays_for_a_week(settings_of, tmp_path, days, is_gone):
    path = tmp_path / ".postgres.before"
    path.mkdir()
    (path / "row").touch()
    record = records.begin(settings_of, "restore", BEGIN)
    left = {"postgres": str(path), "redis": str(tmp_path / "none")}
    records.finish(settings_of, record, BEGIN, records.OK, copies=left)
    assert copies.let_go(settings_of, BEGIN + days * 86400) == [str(path)] * is_gone
    assert path.exists() is not is_gone


class Asked:
    """A target that is asked what it holds: None where it does not answer."""

    def __init__(self, name, held):
        self.name, self.repository, self.held, self.asked = name, self, held, 0

    def reach(self):
        self.asked += 1
        if self.held is None:
            raise TargetError(f"Target {self.name}: it does not answer.")

    def snapshots(self):
        return self.held


@pytest.mark.parametrize(("one", "two", "until", "chosen", "asked"), [
    (0, 600, None, "two", 2), (600, 0, None, "one", 2), (0, 0, None, "one", 2), (None, 0, None, "two", 2),
    (0, None, None, "one", 2),
    # With a moment the first one that has it will do.
    (0, 600, 0, "one", 1), (None, 600, 600, "two", 2)])
def test_the_target_that_has_the_newest_is_taken(settings_of, monkeypatch, one, two, until, chosen, asked):
    """One that was away for a while comes first in the settings, and is not what was last saved."""
    settings_of.stores[:] = [{"store": "desk", "service": "desk", "title": "Desk", "kind": "directory", "path": "/desk",
                              "without": []}]
    settings_of.targets[:] = [{"name": "one"}, {"name": "two"}]
    targets = {name: Asked(name, None if at is None else [snapshot(BEGIN + at, "desk", "archive")])
               for name, at in (("one", one), ("two", two))}
    monkeypatch.setattr(run, "Target", lambda told, *_more: targets[told["name"]])
    wish = dict(WISH, stores=["desk"], until=None if until is None else BEGIN + until)
    work = run.Restore(settings_of, Engine(), wish)
    work.choose()
    assert work.target.name == chosen
    assert sum(target.asked for target in targets.values()) == asked


@pytest.mark.parametrize(("touched", "needed"), [(False, 10), (True, 0)])
def test_what_a_failed_try_had_fetched_needs_its_room_again(settings_of, tmp_path, touched, needed):
    """It was removed, as nothing live was touched; of one that had begun all is there."""
    work = run.Restore(settings_of, Engine(), dict(WISH, stores=["rows"]))
    work.kinds = {"rows": Laid(Engine(), str(tmp_path / "rows"))}
    work.choices = {"rows": kind_module.Choice([], BEGIN, 10, 10)}
    work.journal.begin(work.wish, stamp_of(BEGIN))
    work.journal.set_phase("rows", journal.FETCHED)
    work.journal.update(touched=touched)
    assert sum(work._spaces().values()) == needed


class Cut:
    """An Engine that has cut off its client while what it had begun goes on; ending: what ends that."""

    def __init__(self, code, looks):
        self.code, self.looks, self.ended, self.writer = code, looks, 0, None

    def start(self, _job, command):
        inside = command[command.index("sh", 1) + 1]
        self.writer = subprocess.Popen(["sh", "-c", 'exec sleep 60 <>"$1"', "sh", inside])
        return Process(["sh", "-c", f"kill -KILL $$; exit {self.code}" if self.code < 0 else f"exit {self.code}"],
                       ending=self.end)

    def look(self):
        if self.looks:
            raise Interrupted("It was interrupted: the Docker Engine was stopped or restarted.")

    def end(self):
        self.ended += 1
        self.writer.kill()


@pytest.mark.parametrize(("code", "looks", "raised", "ended"), [
    (255, True, Interrupted, False), (-9, False, TargetError, True)], ids=["Engine", "killed"])
def test_who_reads_waits_for_nobody_that_was_cut_off(settings_of, tmp_path, code, looks, raised, ended):
    """What had been begun goes on in its container and holds the pipe, for hours or for ever."""
    (tmp_path / "backup/pipes").mkdir()
    engine = Cut(code, looks)
    work = run.Restore(settings_of, engine, WISH)
    work.target = type("Target", (), {"repository": type("There", (), {
        "command": lambda _self, *words: words, "dump": lambda _self, _snapshot: ("dump",),
        "why": lambda _self, process: process.said})()})()
    pipes = settings_of.pipe

    def pipe(name):
        made = pipes(name)
        made.inside = made.path
        return made
    settings_of.pipe = pipe
    try:
        with pytest.raises(raised):
            work.bring_file(Snapshot({"id": "a" * 64, "tags": ["store=rows"]}), str(tmp_path / "file"))
    finally:
        engine.writer.kill()
        engine.writer.wait()
    assert bool(engine.ended) is ended


class Unknown:
    """A database of which a target holds nothing, as is found while somebody reads from it."""

    has_rows = False
    reads_with = ()

    def __init__(self, store, begun):
        self.store, self.begun = store, begun

    def choose(self, _target, _until):
        assert self.begun.wait(5)
        raise BackupError("Rows: the target holds no backup of it.")


def test_where_nothing_can_be_chosen_nobody_reads_any_more(settings_of, monkeypatch):
    """What is read meanwhile would start a container that nobody removes."""
    settings_of.stores[:] = [{"store": "rows", "service": "rows", "title": "Rows", "kind": "postgres"}]
    settings_of.targets[:] = [{"name": "one"}]
    begun, ended = threading.Event(), []
    monkeypatch.setattr(run, "Target", lambda told, *_more: Asked("one", []))
    monkeypatch.setattr(run.kinds, "of", lambda store, _run: Unknown(store, begun))
    work = run.Restore(settings_of, Engine(), dict(WISH, stores=["rows"]))
    monkeypatch.setattr(work, "_read_secrets", lambda _target: begun.set() or time.sleep(0.3) or ended.append(1))
    with pytest.raises(BackupError, match="Rows: the target holds no backup of it"):
        work.choose()
    assert ended


@given(st.lists(st.booleans(), max_size=6))
def test_what_rows_point_to_is_chosen_after_all_rows_and_knows_from_when_on_they_are(kinds):
    """In whatever order the stores were named, and the choices stay in that order."""
    work, asked = object.__new__(run.Restore), []
    work.kinds = {str(number): type("Some", (), {"has_rows": has_rows, "number": number})()
                  for number, has_rows in enumerate(kinds)}
    work.choices = {}

    def choose(kind):
        asked.append((kind.has_rows, work.rows_since()))
        return kind_module.Choice([], BEGIN - kind.number)
    assert list(work.choose_all(choose)) == list(work.kinds)
    assert [has_rows for has_rows, _since in asked] == sorted(kinds, reverse=True)
    oldest = min((BEGIN - number for number, has_rows in enumerate(kinds) if has_rows), default=None)
    assert {since for has_rows, since in asked if not has_rows} <= {oldest}


# -- Secrets that data was written with --------------------------------------------------------------------------------

NAMES = ("trenova_api_secret_key", "trenova_ledger_key", "trenova_postgres_password")
SECRETS_OF = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["hushed", "whispered"]))
ONE, OTHER = {NAMES[0]: "hushed"}, {NAMES[0]: "whispered"}


class Asking:
    """A database of which a target holds something."""

    is_laid, is_recovered, has_rows, reads_with = True, False, True, ()

    def __init__(self, store, _run):
        self.store = store

    def foresee(self, _choice):
        pass

    def choose(self, _target, _until):
        return kind_module.Choice([], BEGIN)


def with_secrets(settings_of, kind, kept, here, there, engine=None):
    """A restore of a store of a kind. kept: names of the secrets that data is written with. here: those of this server.
    there: those of the backup."""
    settings_of.content.update(kept_secrets=list(kept))
    path = pathlib.Path(settings_of["project_dir"], run.SECRETS)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(here))
    work = run.Restore(settings_of, engine or Engine(), dict(WISH, stores=["rows"]))
    store = {"store": "rows", "service": "rows", "title": "Rows", "kind": kind, "path": "/rows"}
    work.kinds = {"rows": Asking(store, work)}
    work._read_secrets = lambda _target: there
    return work


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sets(st.sampled_from(NAMES)), SECRETS_OF, SECRETS_OF, st.sampled_from(["postgres", "directory", "objects"]),
       st.booleans())
@example({NAMES[0]}, ONE, OTHER, "postgres", False)
@example({NAMES[0]}, ONE, OTHER, "postgres", True)
@example({NAMES[0]}, ONE, OTHER, "objects", False)
@example({NAMES[0]}, ONE, ONE, "postgres", False)
@example({NAMES[0]}, ONE, {}, "postgres", False)
@example({NAMES[0]}, {}, OTHER, "postgres", False)
def test_only_a_secret_that_rows_were_written_with_and_that_is_another_one_here_is_refused(
        settings_of, kept, here, there, kind, is_waiting):
    """By its name. Nobody can read them with another one; a server that waits takes those of the backup over."""
    hold = pathlib.Path(settings_of["project_dir"], journal.HOLD)
    hold.unlink(missing_ok=True)
    if is_waiting:
        hold.touch()
    work = with_secrets(settings_of, kind, kept, here, there)
    others = {name for name in kept if name in here and name in there and here[name] != there[name]}
    if not others or kind != "postgres" or is_waiting:
        work.need_secrets()
        return
    with pytest.raises(BackupError, match="of this server is not the one that the data of the backup was") as refused:
        work.need_secrets()
    assert {name for name in NAMES if name in str(refused.value)} == others
    assert [value for value in ("hushed", "whispered") if value in str(refused.value)] == []


@pytest.mark.parametrize(("here", "is_refused"), [("another", True), ("its own", False)])
def test_a_secret_that_is_another_one_is_told_before_anything_is_touched(
        settings_of, monkeypatch, tmp_path, here, is_refused):
    """By the command itself, in one sentence that says what to do."""
    settings_of.content.update(installation="erp1", needs=NEEDS)
    settings_of.stores[:] = [{"store": "rows", "service": "rows", "title": "Rows", "kind": "postgres",
                              "path": str(tmp_path / "rows")}]
    settings_of.targets[:] = [{"name": "one"}]
    engine, done = Engine(), []
    engine.take_all = lambda: None
    work = with_secrets(settings_of, "postgres", NAMES[:1], {NAMES[0]: here}, {NAMES[0]: "its own"}, engine)
    monkeypatch.setattr(verbs, "Engine", lambda _settings: engine)
    monkeypatch.setattr(verbs, "Restore", lambda *_words: work)
    monkeypatch.setattr(verbs.runs, "Run", lambda *_words: types.SimpleNamespace(prepare=lambda: None))
    monkeypatch.setattr(run, "Target", lambda told, *_more: Asked("one", []))
    monkeypatch.setattr(run.kinds, "of", Asking)
    monkeypatch.setattr(work, "execute", done.append)
    (tmp_path / "rows").mkdir()
    before = tree(tmp_path)
    asked = argparse.Namespace(target=None, to=None, store=["rows"], only=None, plan=False, json=False, confirm="erp1",
                               leave_stopped=True)
    if not is_refused:
        assert verbs.restore(settings_of, asked) == 0
        assert len(done) == 1
        return
    with pytest.raises(BackupError, match=rf"^{NAMES[0]} of this server is not .* run site\.yml: backup\.py read "
                                          r"installation \| tar --extract --to-stdout \./backup/secrets/"):
        verbs.restore(settings_of, asked)
    assert (done, engine.log, tree(tmp_path)) == ([], [], before)


# -- What is written over ---------------------------------------------------------------------------------------------

class Ended:
    """A command in a container that has ended."""

    def __init__(self, code=0):
        self.code, self.said = code, "It is away."

    def wait(self, _seconds=None):
        return self.code

    def end(self):
        pass


@pytest.mark.parametrize(("takes", "code", "kept"), [
    (["import"], 0, b"now"), ([], 0, None), (["import"], 1, BackupError)])
def test_definitions_are_kept_as_a_file_before_others_take_their_place(settings_of, tmp_path, takes, code, kept):
    class Broker:
        """A container whose command says what there is."""

        @staticmethod
        def execute(container, command, output):
            assert (container, command) == ("tren-mq", ["export"])
            pathlib.Path(output).write_bytes(b"now")
            return Ended(code)
    work = types.SimpleNamespace(settings=settings_of, engine=Broker(), stamp="x")
    store = {"store": "mq", "title": "MQ", "container": "tren-mq", "command": ["export"], "restore": takes,
             "file": "definitions.json"}
    if kept is BackupError:
        with pytest.raises(BackupError, match="MQ does not tell what would be replaced: It is away"):
            Command(store, work).keep_live(None, "before-1")
        return
    path = Command(store, work).keep_live(None, "before-1")
    if kept is None:
        assert path == ""
        return
    assert pathlib.Path(path, "definitions.json").read_bytes() == kept
    assert os.stat(path).st_mode & 0o777 == 0o700
    record = records.begin(settings_of, "restore", BEGIN)
    records.finish(settings_of, record, BEGIN, records.OK, copies={"mq": path, "papers": "before-1"})
    assert copies.let_go(settings_of, BEGIN + 8 * 86400) == [path]


def test_a_redis_of_somebody_else_s_stays_as_it_is_and_the_file_is_named(settings_of):
    """It has no directory here, so that nothing could be laid in its place."""
    engine = Engine()
    settings_of.content.update(needs={}, installation="erp1", figures=FIGURES)
    work = run.Restore(settings_of, engine, dict(WISH, stores=["cache"]))
    store = {"store": "cache", "service": "elsewhere", "title": "Redis", "kind": "redis"}
    work.target = types.SimpleNamespace(name="local", mirror=None)
    work.kinds = {"cache": Redis(store, work)}
    work.choices = {"cache": kind_module.Choice([snapshot(BEGIN, "cache", "snapshot")], BEGIN, 10, 10)}
    work.foresee()
    assert work.told()["stores"][0]["replaces"] == ""
    work.execute(stamp_of(BEGIN))
    assert work.warnings == [
        "Redis is somebody else's, and stays as it is. To have its snapshot as a file: backup.py read cache --run "
        + stamp_of(BEGIN)]
    assert work.journal.phase("cache") == "written"
    assert [what for what in engine.log if what[1] != "tren-elsewhere"] == []


class Buckets:
    """A mirror of a store with some buckets."""

    def __init__(self, names):
        self.names = names

    def buckets(self, remote):
        assert remote == "store-papers:"
        return self.names

    def purge_live(self, remote, names):
        assert remote == "store-papers:"
        self.names = [name for name in self.names if name not in names]


def test_the_bucket_of_a_copy_is_one_that_backups_leave_out_and_remove(settings_of):
    """Under the very name that a restore gives it."""
    made = []
    work = run.Restore(settings_of, Engine(), WISH)
    work.target = types.SimpleNamespace(mirror=types.SimpleNamespace(
        keep_live=lambda _state, remote, bucket, _need: made.append((remote, bucket)) or True))
    kind = Objects({"store": "papers", "title": "Papers"}, work)
    work.choices = {"papers": kind_module.Choice([], BEGIN, facts={"state": None})}
    work.stamp = stamp_of(BEGIN)
    work.journal.begin(work.wish, work.stamp)
    work._keep_live("papers", kind)
    [(remote, bucket)] = made
    assert (remote, work.journal.content["copies"]["papers"]) == ("store-papers:", bucket)
    assert re.fullmatch("[a-z0-9-]{3,63}", bucket)
    names = [f"{bucket}/", f"{bucket}/papers/9", "papers/9", f"papers/{bucket}/9", f"x{bucket}/9", f"{bucket}x/9"]
    listed = "".join(json.dumps(name) + "\t7\n" for name in names)
    left = subprocess.run(["bash", "-c", SHELL + 'grep -v "$COPIES"'], input=listed, text=True, check=True,
                          capture_output=True).stdout
    assert [json.loads(line.partition("\t")[0]) for line in left.splitlines()] == names[2:]
    work.good = [types.SimpleNamespace(mirror=Buckets([bucket, "papers"]))]
    assert kind.let_go_copies(BEGIN + 6 * 86400) == []
    assert kind.let_go_copies(BEGIN + 8 * 86400) == [bucket]


def test_buckets_of_copies_are_removed_after_a_week_and_no_others():
    now = seconds_of("20261209T120000Z")
    old = ["before-20261202t115959z", "before-20261101t000000z"]
    others = ["before-20261202t120000z", "before-20261209t110000z", "before-2026", "papers",
              "before-20261101t000000z-x", "xbefore-20261101t000000z", "restored-20261101t000000z"]
    mirror = Buckets([*old, *others])
    work = types.SimpleNamespace(good=[types.SimpleNamespace(mirror=mirror)])
    kind = Objects({"store": "papers", "title": "Papers"}, work)
    assert sorted(kind.let_go_copies(now)) == sorted(old)
    assert mirror.names == others


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("asked", ["foresee", "foresee_part"])
def test_what_is_written_into_somebody_else_s_store_takes_no_room_here(settings_of, tmp_path, elsewhere, asked):
    store = {"store": "papers", "service": "papers", "title": "Papers", "path": "" if elsewhere else str(tmp_path)}
    work = run.Restore(settings_of, Engine(), WISH)
    found = types.SimpleNamespace(over=["a"], new_bytes=40, over_bytes=30)
    work.target = types.SimpleNamespace(mirror=types.SimpleNamespace(compare=lambda *_words: found))
    kind = Objects(store, work)
    state = types.SimpleNamespace(bytes_of=lambda _only: 70)
    work.kinds, choice = {"papers": kind}, kind_module.Choice([], BEGIN, 100, facts={"state": state})
    work.choices = {"papers": choice}
    assert sum(work._spaces().values()) == (0 if elsewhere else 100)
    getattr(kind, asked)(choice, *(["papers"] if asked == "foresee_part" else []))
    assert sum(work._spaces().values()) == (0 if elsewhere else 70)
    # A part of it is read all the same.
    assert choice.adds == 70


@pytest.mark.parametrize(("choice", "here", "taken"), [
    # What it adds is known; nobody could be asked, and what is there is most of it, or nothing of it.
    ({"bytes": 100, "adds": 30}, 80, 30), ({"bytes": 100}, 80, 20), ({"bytes": 100}, 0, 100),
    ({"bytes": 100}, 900, 0)])
def test_room_is_asked_for_what_is_written_into_a_running_service(settings_of, tmp_path, choice, here, taken):
    store = {"store": "papers", "service": "papers", "title": "Papers", "path": str(tmp_path)}
    work = run.Restore(settings_of, Engine(), WISH)
    work.kinds = {"papers": Objects(store, work)}
    work.kinds["papers"].bytes_here = lambda: here
    work.choices = {"papers": kind_module.Choice([], BEGIN, **choice)}
    assert sum(work._spaces().values()) == taken


# -- A part ------------------------------------------------------------------------------------------------------------

class Parted(Asking):
    """A store of which a part takes 50 bytes, with a way for it."""

    def choose(self, _target, _until):
        return kind_module.Choice([], BEGIN, 1000)

    def foresee_part(self, choice, only):
        if only == "no":
            raise BackupError("There is no such object.")
        choice.adds = 50 if self.store["kind"] == "objects" else None

    def bring_part(self, _choice, beside, only, name):
        if not beside:
            raise BackupError("Rows: no part of it can be restored.")
        assert os.path.isdir(beside)
        return f"{only} is in {name}."

    def bytes_here(self):
        return 0


@pytest.fixture
def ask_for_a_part(settings_of, monkeypatch, tmp_path):
    """A function that asks the command for a part of a store of a kind; what it has printed follows by capsys."""
    settings_of.content.update(installation="erp1", needs=NEEDS)
    settings_of.targets[:] = [{"name": "one"}]
    engine = Engine()
    engine.take_all = lambda: None
    (tmp_path / "rows").mkdir()
    monkeypatch.setattr(verbs, "Engine", lambda _settings: engine)
    monkeypatch.setattr(verbs.runs, "Run", lambda *_words: types.SimpleNamespace(prepare=lambda: None))
    monkeypatch.setattr(run, "Target", lambda told, *_more: Asked("one", []))
    monkeypatch.setattr(run.kinds, "of", Parted)
    monkeypatch.setattr(run.Restore, "_read_secrets", lambda *_target: {})

    def ask(kind="postgres", physical=True, stores=("rows",), **words):
        settings_of.stores[:] = [
            {"store": name, "service": name, "title": name.title(), "kind": kind, "path": str(tmp_path / name),
             "physical": physical} for name in ("rows", "papers")]
        assert verbs.restore(settings_of, argparse.Namespace(**dict({
            "target": None, "to": None, "store": list(stores), "only": "public.loads", "plan": False, "json": False,
            "confirm": None, "leave_stopped": False}, **words))) == 0
        assert engine.log == []

    return ask


@pytest.mark.parametrize(("kind", "place", "read"), [("postgres", "a schema", 1000), ("objects", "a bucket", 50)])
def test_the_plan_of_a_part_says_which_of_what_and_when_and_does_nothing(
        ask_for_a_part, capsys, monkeypatch, tmp_path, kind, place, read):
    monkeypatch.setattr(run.time, "time", lambda: BEGIN + 600)
    before = tree(tmp_path)
    ask_for_a_part(kind, plan=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["Restore of a part of erp1 from target one", "",
                         f"  public.loads of Rows, as of {moment(BEGIN)}, 10 min ago"]
    assert f"in {place} of its own. Nothing is replaced and nobody is stopped," in "\n".join(lines)
    assert "needs no confirmation" in "\n".join(lines)
    ask_for_a_part(kind, plan=True, json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["text"].splitlines() == lines
    assert (told["only"], told["stops"], told["bytes"], told["stores"][0]["replaces"]) == ("public.loads", [], read, "")
    assert tree(tmp_path) == before


def test_the_record_of_a_part_tells_what_was_asked_for_and_where_it_is(ask_for_a_part, capsys, settings_of, tmp_path):
    before = tree(tmp_path / "rows")
    ask_for_a_part(to=moment(BEGIN), target="one")
    [told] = [json.loads(path.read_text()) for path in (tmp_path / "backup/records").iterdir()]
    assert told["part"] == {"only": "public.loads", "stores": ["rows"], "to": moment(BEGIN), "target": "one"}
    assert told["where"] == f"public.loads is in restored_{told['stamp'].lower()}."
    assert (told["verb"], told["state"]) == ("restore", "ok")
    assert told["where"] in capsys.readouterr().out.splitlines()[-1]
    assert tree(tmp_path / "rows") == before
    assert not journal.Journal(settings_of).is_open


def test_a_part_that_fails_is_a_record_with_the_reason(ask_for_a_part, tmp_path):
    with pytest.raises(BackupError, match="no such object"):
        ask_for_a_part("objects", only="no")
    [told] = [json.loads(path.read_text()) for path in (tmp_path / "backup/records").iterdir()]
    assert (told["state"], told["because"], "where" in told) == ("failed", "There is no such object.", False)


@pytest.mark.parametrize("is_plan", [True, False])
@pytest.mark.parametrize(("words", "sentence"), [
    ({"stores": ()}, "A part is one of one store. Write: --store, once."),
    ({"stores": ("rows", "papers")}, "A part is one of one store. Write: --store, once."),
    ({"confirm": "erp1"}, "--only brings a part back beside the live ones. It replaces nothing, so nobody "),
    ({"confirm": "other"}, "This is erp1, and other was to be restored. Nothing was changed."),
    ({"kind": "directory"}, "Rows: no part of it can be restored."),
    ({"kind": "redis"}, "Rows: no part of it can be restored."),
    ({"physical": False}, "Rows: no part of it can be restored.")])
def test_what_cannot_come_back_as_a_part_is_a_sentence_before_anything_begins(
        ask_for_a_part, tmp_path, words, sentence, is_plan):
    before = tree(tmp_path)
    with pytest.raises(BackupError) as refused:
        ask_for_a_part(plan=is_plan, **words)
    assert str(refused.value).startswith(sentence)
    assert tree(tmp_path) == before


def test_no_part_comes_back_beside_what_is_half_replaced(ask_for_a_part, settings_of):
    work = journal.Journal(settings_of)
    work.begin(WISH, "20261123T140500Z")
    work.update(touched=True)
    for is_plan in (True, False):
        with pytest.raises(BackupError, match=r"^A restore has not ended\. Repeat that one first\.$"):
            ask_for_a_part(plan=is_plan)


# -- All of it, killed anywhere ---------------------------------------------------------------------------------------

NEEDS = {"api": ["rows", "papers"], "rows": [], "papers": [], "client": ["api"], "other": []}


class Engine:
    """Containers that run or not, and may be killed with the whole program before any of their changes."""

    def __init__(self):
        self.running = {f"tren-{service}": True for service in NEEDS}
        self.left, self.log = None, []

    def prepare(self, *jobs):
        pass

    def close(self):
        pass

    def services(self):
        return {name[5:]: [(name, is_running)] for name, is_running in self.running.items()}

    def spend(self, what):
        """Be killed before the change, when it is time."""
        if self.left is not None:
            if self.left == 0:
                raise Killed
            self.left -= 1
        self.log.append(what)

    def stop(self, containers):
        for name in containers:
            self.spend(("stop", name))
            self.running[name] = False

    def set_going(self, containers):
        for name in containers:
            self.spend(("start", name))
            self.running[name] = True

    def need_healthy(self, containers):
        assert all(self.running[name] for name in containers)

    def start_again(self, containers):
        self.set_going(containers)


class Laid:
    """A store that is a directory of its service."""

    is_laid, is_recovered = True, False

    def __init__(self, engine, path):
        self.engine = engine
        self.store = {"store": "rows", "service": "rows", "title": "Rows", "kind": "directory", "path": path}

    def fetch(self, _choice, beside):
        self.engine.spend(("fetch", "rows"))
        pathlib.Path(beside, "row").write_text("restored")
        return beside


class Written:
    """A store that is written into its running service."""

    is_laid, is_recovered, is_read_at_start, reads_with = False, False, True, ()

    def __init__(self, engine):
        self.engine = engine
        engine.papers = getattr(engine, "papers", ["live"])
        self.store = {"store": "papers", "service": "papers", "title": "Papers", "kind": "objects"}

    def fetch(self, _choice, beside):
        return beside

    def keep_live(self, _choice, name):
        self.engine.spend(("keep", "papers"))
        self.engine.kept = list(self.engine.papers)
        return "/" + name

    def write(self, _choice, _beside):
        self.engine.spend(("write", "papers"))
        self.engine.papers += ["restored"]
        self.engine.spend(("written", "papers"))
        assert self.engine.running["tren-papers"]
        assert not self.engine.running["tren-api"]
        assert not self.engine.running["tren-client"]


def attempt(settings_of, engine, path):
    """One try of a restore, from its wish to its end, as the program does it."""
    work = run.Restore(settings_of, engine, dict(WISH, stores=["rows", "papers"]))
    work.kinds = {"rows": Laid(engine, path), "papers": Written(engine)}
    work.choices = {name: kind_module.Choice([], BEGIN) for name in work.kinds}
    work.execute(stamp_of(BEGIN + len(engine.log)))
    work.start()
    work.end()
    return work


def test_a_restore_takes_down_what_took_its_time(tmp_path):
    """Stopping and starting as well: that part is the same however much is restored."""
    (tmp_path / "backup").mkdir()
    (tmp_path / "rows").mkdir()
    told = Settings({"data_dir": str(tmp_path), "project_dir": str(tmp_path), "stores": [], "targets": [],
                     "needs": NEEDS})
    steps = [(step["service"], step["name"]) for step in attempt(told, Engine(), str(tmp_path / "rows")).steps]
    assert steps == [
        ("rows", "fetched"), ("papers", "fetched"), ("restore", "stopped what works with it"),
        ("rows", "laid in its place"), ("restore", "waited for papers"), ("papers", "written")]


# -- Whatever needs whatever ------------------------------------------------------------------------------------------

SERVICES = "abcdef"
#: {service: what it needs}, without circles: each needs only those before it.
GRAPHS = st.tuples(*(st.sets(st.sampled_from(SERVICES[:number])) if number else st.just(set())
                     for number in range(len(SERVICES)))).map(lambda needed: dict(zip(SERVICES, needed, strict=True)))


def reached(service, needs):
    """All that a service needs to work."""
    return {service}.union(*(reached(other, needs) for other in needs[service]))


class OfAny(Engine):
    """An Engine with a container of each service."""

    def __init__(self):
        super().__init__()
        self.running = {f"tren-{service}": True for service in SERVICES}


class Placed(Laid):
    """A store of any service that is laid: neither that nor who works with it runs."""

    def __init__(self, engine, service, path, needs):
        super().__init__(engine, path)
        self.store.update(store=service, service=service)
        self.needs = needs

    def need_still(self):
        running = {name[5:] for name, is_running in self.engine.running.items() if is_running}
        assert [user for user in running if self.store["service"] in reached(user, self.needs)] == []


class Told(Written):
    """A store of any service that is written: it runs with all that it needs, and nobody who works with it does."""

    def __init__(self, engine, service, needs, is_read_at_start):
        super().__init__(engine)
        self.store.update(store=service, service=service)
        self.needs, self.is_read_at_start, self.times = needs, is_read_at_start, 0

    def write(self, _choice, _beside):
        self.times += 1
        mine, running = self.store["service"], {name[5:] for name, is_on in self.engine.running.items() if is_on}
        assert reached(mine, self.needs) <= running
        assert [user for user in running - {mine} if mine in reached(user, self.needs)] == []


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(GRAPHS, st.sets(st.sampled_from(SERVICES)), st.dictionaries(st.sampled_from(SERVICES), st.booleans()))
def test_whatever_needs_whatever_nobody_works_with_what_is_replaced(tmp_path, needs, laid, written):
    """And what is written into works, with all that it needs; at the end everything runs again that did."""
    for left in tmp_path.iterdir():
        shutil.rmtree(left)
    (tmp_path / "backup").mkdir()
    engine = OfAny()
    work = run.Restore(Settings({"data_dir": str(tmp_path), "project_dir": str(tmp_path), "stores": [], "targets": [],
                                 "needs": {name: sorted(needed) for name, needed in needs.items()}}), engine, WISH)
    work.kinds = {name: Told(engine, name, needs, is_read) for name, is_read in written.items() if name not in laid}
    for name in laid:
        (tmp_path / name).mkdir()
        work.kinds[name] = Placed(engine, name, str(tmp_path / name), needs)
    work.choices = {name: kind_module.Choice([], BEGIN) for name in work.kinds}
    lay = work._lay

    def checked(name, kind):
        kind.need_still()
        lay(name, kind)
    work._lay = checked
    stops = work._consumers_in_order()
    assert all(stops.index(user) < stops.index(needed) for user in stops for needed in needs[user] if needed in stops)
    work.execute(stamp_of(BEGIN))
    work.start()
    assert all(engine.running.values())
    assert all(kind.times == 1 for kind in work.kinds.values() if isinstance(kind, Told))


def test_stores_of_one_service_are_written_one_after_the_other_and_it_is_stopped_then(settings_of):
    """However long one takes: the first that has ended would stop the service under the others."""
    engine = OfAny()
    settings_of.content["needs"] = {}
    work = run.Restore(settings_of, engine, WISH)
    at_work, met = [], []

    def writes(*_words):
        met.append(list(at_work))
        at_work.append(1)
        time.sleep(0.1)
        assert engine.running["tren-a"]
        at_work.pop()
    work.kinds = {name: Told(engine, "a", {name: set() for name in SERVICES}, True) for name in ("one", "two")}
    for kind in work.kinds.values():
        kind.write = writes
    work.choices = {name: kind_module.Choice([], BEGIN) for name in work.kinds}
    work.execute(stamp_of(BEGIN))
    assert met == [[], []]
    assert [what for what in engine.log if what[0] == "stop"][-1] == ("stop", "tren-a")
    assert not engine.running["tren-a"]
    assert {work.journal.phase(name) for name in work.kinds} == {"written"}
    took = {step["service"]: step["seconds"] for step in work.steps if step["name"] == "written"}
    assert sorted(took) == ["one", "two"]
    assert min(took.values()) >= 0.1, "who watches is told what took its time"


@pytest.mark.parametrize("seconds", [0, 0.2])
def test_what_failed_on_this_host_is_told_before_what_that_has_ended(settings_of, seconds):
    """Who reads beside it ends with the container that both read in, and may be the first to say so."""
    engine, ended = Engine(), threading.Event()
    engine.close = ended.set
    work = run.Restore(settings_of, engine, WISH)

    def fails():
        ended.set()
        time.sleep(seconds)
        raise SourceError("The disk is full.")

    def is_ended():
        assert ended.wait(5)
        raise TargetError("It was killed.")
    begun = []
    with pytest.raises(SourceError, match="disk is full"):
        work.do([fails, is_ended, *[lambda: begun.append(1)] * 5])
    assert begun == []
    assert engine.is_ending is False


class Recovered(Laid):
    """A store that recovers as long as the other one is fetched, or until the Engine ends that."""

    is_recovered = True

    def __init__(self, engine, path, fails=False):
        super().__init__(engine, path)
        self.fails, self.is_over, self.was_in_time = fails, threading.Event(), False
        engine.close = self.is_over.set

    def fetch(self, _choice, beside):
        pathlib.Path(beside, "base").write_text("restored")
        return beside

    def recover(self, _choice, beside):
        self.was_in_time = self.is_over.wait(10)
        assert self.was_in_time
        if self.fails:
            raise BackupError("Rows cannot be recovered.")
        os.mkdir(os.path.join(beside, "data"))
        os.replace(os.path.join(beside, "base"), os.path.join(beside, "data/row"))
        return os.path.join(beside, "data")


@pytest.fixture
def recovering(settings_of, tmp_path):
    """A restore of objects, and of rows that recover meanwhile."""
    def of(fetch, fails=False):
        engine = Engine()
        settings_of.content["needs"] = NEEDS
        work = run.Restore(settings_of, engine, dict(WISH, stores=["papers", "rows"]))
        work.kinds = {"papers": Written(engine), "rows": Recovered(engine, str(tmp_path / "rows"), fails)}
        work.kinds["papers"].fetch = lambda _choice, beside: fetch(work.kinds["rows"]) or beside
        work.choices = {name: kind_module.Choice([], BEGIN) for name in work.kinds}
        return work
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows/row").write_text("live")
    return of


def test_what_recovers_does_so_while_the_others_are_fetched(recovering, tmp_path):
    work = recovering(lambda rows: rows.is_over.set())
    work.execute(stamp_of(BEGIN))
    assert (tmp_path / "rows/row").read_text() == "restored"
    assert [(step["service"], step["name"]) for step in work.steps[:3]] == [
        ("rows", "fetched"), ("papers", "fetched"), ("rows", "waited for its recovery")]


def test_what_recovers_ends_where_another_cannot_be_fetched(recovering, tmp_path):
    def fails(_rows):
        raise TargetError("The target went away.")
    work = recovering(fails)
    with pytest.raises(TargetError, match="went away"):
        work.execute(stamp_of(BEGIN))
    assert work.kinds["rows"].was_in_time
    assert sorted(path.name for path in tmp_path.iterdir() if "restored" in path.name) == []
    assert (tmp_path / "rows/row").read_text() == "live"
    assert work.engine.log == []


def test_what_cannot_recover_is_told_before_anything_is_stopped(recovering, tmp_path):
    work = recovering(lambda rows: rows.is_over.set(), fails=True)
    with pytest.raises(BackupError, match="Rows cannot be recovered"):
        work.execute(stamp_of(BEGIN))
    assert (tmp_path / "rows/row").read_text() == "live"
    assert work.engine.log == []
    assert not work.journal.is_touched


def test_a_restore_that_is_killed_before_any_change_is_ended_by_the_next(tmp_path, monkeypatch):
    """Twice in a row, too. Then the store is the restored one, the copy the live one, and all that ran runs."""
    lay = laying.lay
    for first, second in itertools.product(range(16), (0, 2, None)):
        folder = tmp_path / f"{first}-{second}"
        (folder / "backup").mkdir(parents=True)
        (folder / "rows").mkdir()
        (folder / "rows/row").write_text("live")
        told = Settings({"data_dir": str(folder), "project_dir": str(folder), "stores": [], "targets": [],
                         "needs": NEEDS, "figures": FIGURES})
        engine = Engine()

        def cut(*words, engine=engine):
            engine.spend(("lay", "rows"))
            assert not any(engine.running[f"tren-{name}"] for name in ("rows", "api", "client"))
            lay(*words)
        monkeypatch.setattr(laying, "lay", cut)
        for allowed in (first, second, None):
            engine.left = allowed
            try:
                work = attempt(told, engine, str(folder / "rows"))
                break
            except Killed:
                continue
        assert (folder / "rows/row").read_text() == "restored"
        assert set(work.journal.content["copies"]) == {"rows", "papers"}
        assert pathlib.Path(work.journal.content["copies"]["rows"], "row").read_text() == "live"
        assert engine.kept == ["live"]
        assert engine.papers[-1] == "restored"
        assert set(engine.running.values()) == {True}
        assert ("stop", "tren-other") not in engine.log
        stops = [name for what, name in engine.log if what == "stop"]
        assert stops.index("tren-client") < stops.index("tren-api") < stops.index("tren-rows")
        assert ("write", "papers") in engine.log
        assert (folder / ".state/renewed/rows").exists()
        journal.need_none(told)
