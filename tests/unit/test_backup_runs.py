# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Runs of the host's program: what is kept where, when stores, targets or the program itself fail.

restic is played here by a class with its exit codes; the real one is used in molecule/backup.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import sys
import threading
import time

import pytest
from backup_figures import FIGURES

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "roles/backup/templates/host/usr/local/lib/trenova"))
from trenova_backup import main, records, runs  # noqa: E402  # found by the line above
from trenova_backup.errors import BackupError, SourceError, TargetError  # noqa: E402
from trenova_backup.files import size, stamp_of  # noqa: E402
from trenova_backup.repository import Repository, Snapshot  # noqa: E402
from trenova_backup.settings import Settings  # noqa: E402

DAY = 86400


class Said:
    """A process that has ended."""

    def __init__(self, code=0, lines=(), errors=()):
        self.code, self.lines, self.errors = code, list(lines), list(errors)
        self.said = (self.errors or self.lines or [""])[-1]

    def wait(self, _seconds=None):
        return self.code

    def end(self):
        pass


class Keeping(threading.Thread):
    """restic, which takes a stream while it is written and keeps it where its writer ended well."""

    def __init__(self, restic, repository, tags, file, pipe):
        super().__init__(daemon=True)
        self.restic, self.repository, self.tags, self.file, self.pipe = restic, repository, tags, file, pipe
        self.code, self.lines, self.errors, self.said = None, [], [], ""
        self.given_up = False
        self.start()

    def run(self):
        with open(self.pipe, "rb") as stream:
            content = stream.read()
        while not os.path.exists(self.pipe + ".end") and not self.given_up:
            time.sleep(0.01)
        if self.given_up or pathlib.Path(self.pipe + ".end").read_text() != "good\n":
            self.code, self.said = 1, "Fatal: the command failed"
            return
        self.restic.add(self.repository, self.tags, self.file, content)
        self.code = 0

    def wait(self, _seconds=None):
        self.join(10)
        return self.code

    def end(self):
        if self.code is None:
            self.given_up = True
            self.join(10)


class Restic:
    """The repositories of all targets: {place: [snapshot]}, None for one that is away."""

    def __init__(self, *places):
        self.repositories = {place: [] for place in places}
        self.refusing = {}
        #: What rclone answers of a place.
        self.reached = {}
        self.commands = []

    def add(self, place, tags, file, content=b""):
        self.repositories[place].append({
            "id": f"{len(self.commands):04}{len(self.repositories[place]):04}", "tags": tags, "hostname": "erp1",
            "paths": ["/" + file], "content": content,
            "summary": {"total_bytes_processed": len(content), "data_added_packed": len(content)}})

    def command(self, words, pipes, read_lines):
        place, words = words[2], words[3:]
        words = [word for word in words if word not in ("--retry-lock", "10m", "--no-lock")]
        self.commands.append((place, words))
        if place in self.refusing:
            return Said(self.refusing[place], errors=["Fatal: refused"])
        mine = self.repositories[place]
        if mine is None:
            return Said(10, errors=["Fatal: repository does not exist"])
        if words[0] == "snapshots":
            return Said(lines=[json.dumps([{k: v for k, v in each.items() if k != "content"} for each in mine])])
        if words[0] == "backup":
            tags = [words[index + 1] for index, word in enumerate(words) if word == "--tag"]
            if "--stdin-filename" not in words:
                self.add(place, tags, words[-1].lstrip("/"))
                return Said(lines=['{"message_type": "summary", "total_bytes_processed": 7}'])
            inside = words[words.index("/run/trenova/config/receive.sh") + 1]
            return Keeping(self, place, tags, words[words.index("--stdin-filename") + 1],
                           os.path.join(pipes, os.path.basename(inside)))
        if words[0] == "dump":
            [each] = [each for each in mine if each["id"] == words[1]]
            return Said(lines=each["content"].decode().splitlines())
        if words[0] == "copy":
            wanted, source = words[3:], self.repositories[words[2]]
            # There it has a name of its own.
            mine.extend(dict(each, id=f"{place}{len(self.commands):04}{each['id']}") for each in source
                        if each["id"] in wanted)
        if words[0] == "forget":
            self.repositories[place] = [each for each in mine if each["id"] not in words[1:]]
        return Said()


class Engine:
    """An Engine whose jobs are played: `stores` says what the reader of each job writes, or how it fails."""

    restic = None
    stores = {}

    def __init__(self, settings):
        self.settings = settings

    def wait(self):
        return True

    def look(self):
        pass

    def take_all(self):
        pass

    def keep_pace(self, figures, _patience):
        assert figures["cpus"] <= figures["idle_cpus"]

    def fetch_images(self):
        pass

    def model(self):
        sources = self.settings["data_dir"] + "/backup", "/etc/hosts"
        return {"services": {"api": {"image": "api:1", "volumes": [
            {"type": "bind", "source": source} for source in sources]}}}

    def digests(self, references):
        return {reference: f"{reference}@sha256:1" for reference in references}

    def left(self):
        return []

    def remove(self, _containers):
        pass

    def close(self):
        pass

    def start(self, job, command, read_lines=None):
        if command[0] == "timeout":
            self.restic.commands.append((command[-1], ["reach"]))
            return self.restic.reached.get(command[-1], Said())
        if command[0] == "restic":
            return self.restic.command(command, self.settings.path("pipes"), read_lines)
        names = [os.path.basename(word) for word in command if word.startswith("/pipes/")]
        pipe = self.settings.path("pipes", names[0])
        content = self.stores[job]
        if isinstance(content, Exception):
            return Said(1, errors=[str(content)])
        with open(pipe, "wb") as stream:
            stream.write(content)
        return Said()

    def run(self, job, command, seconds=None, read_lines=None):
        return self.start(job, command, read_lines)

    @staticmethod
    def hand_on(path, output):
        with open(output, "wb") as stream:
            stream.write(pathlib.Path(path).read_bytes())
        return Said()


class Mirror:
    """Mirrors of objects that are always up to date."""

    def __init__(self, *_details):
        pass

    def sync(self, *_details):
        return {"objects": 0}

    def retain(self, *_details):
        pass

    def buckets(self, _remote):
        return []

    def stamps(self, _store):
        return ["20261123T013000Z"], []


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Two directories and one Redis to save, and nobody who is told."""
    for name in ("pipes", "records"):
        (tmp_path / "backup" / name).mkdir(parents=True)
    Engine.restic, Engine.stores = Restic("/one", "/two"), {"backup-directories": b"files", "backup-redis": b"REDIS"}
    monkeypatch.setattr(runs, "Engine", Engine)
    monkeypatch.setattr(runs, "Mirror", Mirror)
    told = {
        "project": "trenova", "project_dir": str(tmp_path), "data_dir": str(tmp_path), "installation": "erp1",
        "host": "erp1", "keeper": "erp1-backup", "jobs": [], "full_days": 7, "record": "", "schedules": [],
        "figures": FIGURES,
        "retention": {"daily": 7, "weekly": 4, "monthly": 6, "cuts_hours": 24}, "mail": {}, "webhook": {},
        "targets": [{"name": name, "kind": "s3", "repository": "/" + name, "objects": ""} for name in ("one", "two")],
        "stores": [
            {"store": "papers", "name": "papers", "kind": "directory", "title": "Papers", "job": "backup-directories",
             "inside": "/state/papers", "without": []},
            {"store": "cache", "name": "cache", "kind": "redis", "title": "Cache", "job": "backup-redis",
             "host": "tren-redis", "port": 6379}]}
    return Settings(told)


def work(settings, verb="backup", is_full=True):
    return main._work(settings, verb, is_full)


def kept(place):
    return [(Snapshot(each).store, Snapshot(each).part, each["content"])
            for each in Engine.restic.repositories[place] or [] if Snapshot(each).part not in ("record", "deployed")]


def told_in(place):
    """The records that a target holds, oldest first."""
    return [json.loads(each["content"]) for each in Engine.restic.repositories[place]
            if Snapshot(each).part == "record"]


def status(settings):
    return json.loads(pathlib.Path(settings.path("status.json")).read_text())


ALL = [("papers", "archive", b"files"), ("cache", "snapshot", b"REDIS")]


def test_every_target_holds_every_store(settings):
    assert work(settings) == 0
    assert kept("/one") == kept("/two") == ALL
    assert status(settings)["exit_status"] == 0
    assert {target["state"] for target in status(settings)["targets"]} == {"ok"}
    assert os.listdir(settings.path("pipes")) == []


def test_what_a_reader_wrote_before_it_failed_is_not_kept_and_the_others_are(settings):
    Engine.stores["backup-directories"] = SourceError("tar: cannot read")
    assert work(settings) == 1
    assert kept("/one") == kept("/two") == ALL[1:]
    assert "tar: cannot read" in status(settings)["because"]
    assert {step["service"] for step in status(settings)["steps"] if step["state"] == "failed"} == {"papers"}


@pytest.mark.parametrize(("code", "words"), [
    (10, "no repository"), (12, "trenova_backup_key does not open"), (1, "refused")])
@pytest.mark.parametrize("away", ["one", "two"])
def test_a_target_that_refuses_does_not_keep_the_others_from_it(settings, away, code, words):
    Engine.restic.refusing["/" + away] = code
    other = {"one": "/two", "two": "/one"}[away]
    assert work(settings) == 1
    assert kept(other) == ALL
    assert words in status(settings)["because"]
    assert [target["name"] for target in status(settings)["targets"] if target["state"] == "failed"] == [away]
    assert os.path.exists(settings.path("check-wanted")) is (code == 10), "what the playbook takes for a wish"


REFUSED = 'Post "http://s3": dial tcp 192.0.2.9:9000: connect: connection refused'


@pytest.mark.parametrize(("answer", "words"), [
    (Said(1, errors=["2026/11/30 01:30:15 ERROR : error listing: " + REFUSED, "2026/11/30 01:30:15 NOTICE: Failed to "
                     "lsf with 2 errors: last error was: error in ListJSON: " + REFUSED]), "connection refused."),
    (Said(124), "Target two: it does not answer within 45 s.")])
def test_a_target_that_is_away_is_asked_once_in_a_run_and_told_once(settings, answer, words):
    Engine.restic.repositories["rclone:target-two:trucks"] = []
    settings.targets[1]["repository"] = "rclone:target-two:trucks"
    Engine.restic.reached["target-two:trucks"] = answer
    assert work(settings) == 1
    assert kept("/one") == ALL
    assert [command for place, command in Engine.restic.commands if "two" in place] == [["reach"]]
    because = status(settings)["because"]
    assert because.count("Target two") == 1
    assert words in because
    assert "ERROR" not in because
    # Without a directory there is no repository, and restic says so.
    Engine.restic.reached["target-two:trucks"] = Said(3, errors=["directory not found"])
    time.sleep(1)
    assert work(settings) == 0


@pytest.mark.parametrize("away", ["/one", "/two"])
def test_a_target_that_was_away_takes_over_what_it_lacks(settings, away):
    """Whichever it is: the first one, too."""
    Engine.restic.refusing[away] = 1
    assert work(settings) == 1
    assert kept(away) == []
    del Engine.restic.refusing[away]
    time.sleep(1)
    assert work(settings) == 0
    assert kept("/two") == kept("/one") == ALL
    assert {each["tags"][0] for each in Engine.restic.repositories[away]} == {
        each["tags"][0] for each in Engine.restic.repositories[{"/one": "/two", "/two": "/one"}[away]]}


def test_what_retention_has_let_go_of_is_not_brought_back_from_a_target_that_was_away(settings):
    """It would be copied by every backup, and removed again."""
    old = time.time() - 400 * DAY
    for days in range(20):
        Engine.restic.add("/two", [f"run={stamp_of(old + days * DAY)}", "store=papers", "part=archive"], "archive.tar")
    assert work(settings) == 0
    [copied] = [words for place, words in Engine.restic.commands if words[0] == "copy" and place == "/one"]
    assert 0 < len(copied) - 3 < 20
    assert [words for place, words in Engine.restic.commands if words[0] == "forget" and place == "/one"] == []
    assert len(Engine.restic.repositories["/one"]) == len(Engine.restic.repositories["/two"])


def test_a_disk_that_has_no_room_for_what_it_lacks_is_not_filled(settings, tmp_path, monkeypatch):
    settings.targets[1]["directory"] = str(tmp_path)
    settings.content["figures"] = dict(FIGURES, left_free_bytes=1000)
    monkeypatch.setattr(runs.places, "is_read_only", lambda _path: False)
    monkeypatch.setattr(runs.places, "free", lambda _path: 1001)
    assert work(settings) == 1
    assert kept("/one") == ALL
    assert kept("/two") == []
    assert "Target two: 1.0 kB are free" in status(settings)["because"]


def test_what_was_the_same_as_before_takes_no_room_in_a_copy(settings, tmp_path, monkeypatch):
    """Of a large directory that nobody changes each backup adds next to nothing."""
    settings.targets[1]["directory"] = str(tmp_path)
    settings.content["figures"] = dict(FIGURES, left_free_bytes=1000)
    monkeypatch.setattr(runs.places, "is_read_only", lambda _path: False)
    monkeypatch.setattr(runs.places, "free", lambda _path: 10_000)
    Engine.restic.add("/one", ["run=20261123T013000Z", "store=papers", "part=archive"], "archive.tar")
    Engine.restic.repositories["/one"][0]["summary"] = {"total_bytes_processed": 10**12, "data_added_packed": 0}
    assert work(settings) == 0
    assert len(kept("/two")) == len(kept("/one")) == 3


@pytest.mark.parametrize("error", [
    SourceError("The objects cannot be read: one of them."), BackupError("Set the clock.")])
def test_what_one_mirror_stumbles_over_keeps_no_other_from_being_brought_up_to_date(settings, monkeypatch, error):
    settings.stores.append({"store": "objects", "name": "objects", "kind": "objects", "title": "Objects"})
    synced = []

    class Stumbling(Mirror):
        def __init__(self, target, *_details):
            self.name = target["name"]

        def sync(self, *_details):
            synced.append(self.name)
            if self.name == "one":
                raise error
            return {"objects": 0}

    monkeypatch.setattr(runs, "Mirror", Stumbling)
    assert work(settings) == 1
    assert synced == ["one", "two"]
    assert kept("/one") == kept("/two") == ALL
    assert str(error) in status(settings)["because"]


def test_a_target_that_breaks_off_is_replaced_by_the_next_one_in_the_same_run(settings, monkeypatch):
    keep = Repository.keep

    def breaking(self, stream, source, tell):
        if self.name == "one" and stream.store == "cache":
            raise TargetError("Target one: no space left on device.")
        return keep(self, stream, source, tell)

    monkeypatch.setattr(Repository, "keep", breaking)
    assert work(settings) == 1
    assert kept("/one") == ALL[:1]
    assert ("cache", "snapshot", b"REDIS") in kept("/two")


@pytest.mark.parametrize(("last", "files", "free", "growth", "left", "is_enough"), [
    (100, 0, 1000, 1.25, 875, True), (100, 0, 999, 1.25, 875, False), (100, 0, 1000, 1.25, 876, False),
    (100, 0, 1000, 9, 100, True), (100, 5000, 1000, 9, 100, True), (100, 0, 999, 9, 100, False),
    (0, 8192, 9192, 9, 1000, True), (0, 8192, 9191, 9, 1000, False), (0, 0, 1000, 9, 1000, True)])
def test_a_disk_has_room_for_a_stream_that_grew_and_for_what_is_left_alone(
        settings, tmp_path, monkeypatch, last, files, free, growth, left, is_enough):
    """By the figures of the plan and the bytes of the last time; the first time by those of the files."""
    settings.content["figures"] = dict(FIGURES, stream_growth=growth, left_free_bytes=left)
    for target in settings.targets[:1]:
        target["directory"] = str(tmp_path)
    (tmp_path / "papers").mkdir()
    if files:
        (tmp_path / "papers/one").write_bytes(b"x" * files)
    settings.stores[0]["path"] = str(tmp_path / "papers")
    del settings.stores[1:]
    if last:
        Engine.restic.add("/one", ["run=20261123T013000Z", "store=papers", "part=archive"], "archive.tar", b"x" * last)
    monkeypatch.setattr(runs.places, "free", lambda _path: free)
    run = runs.Run(settings, "backup", "20261124T013000Z")
    run.look_at_targets()
    run.all_stores()
    assert run.targets[0].is_good is is_enough
    if not is_enough:
        assert re.search(f"^Target one: .* are free .* are needed and {re.escape(size(left))} left alone",
                         run.targets[0].because)
    assert len(kept("/one")) == bool(last) + is_enough
    assert len(kept("/two")) == (not is_enough)


def test_a_disk_that_has_no_room_for_new_objects_is_not_filled_with_them(settings, tmp_path, monkeypatch):
    settings.content["figures"] = dict(FIGURES, left_free_bytes=1000)
    settings.stores[:] = [{"store": "papers", "name": "papers", "kind": "objects", "title": "Papers"}]
    asked = []

    def sync(self, _store, _stamp, _tell, need_space):
        need_space(500)
        asked.append(self)
        return {"objects": 1}
    monkeypatch.setattr(Mirror, "sync", sync)
    for target, free in zip(settings.targets, (1499, 1500), strict=True):
        target["directory"] = str(tmp_path / str(free))
    monkeypatch.setattr(runs.places, "free", lambda path: int(os.path.basename(path)))
    run = runs.Run(settings, "backup", "20261124T013000Z")
    run.all_stores()
    assert [target.is_good for target in run.targets] == [False, True]
    assert asked == [run.targets[1].mirror]


def test_every_target_holds_the_record_of_a_run_once(settings):
    work(settings)
    work(settings, "cut", False)
    for place in ("/one", "/two"):
        assert [(record["verb"], record["state"]) for record in told_in(place)] == [
            ("backup", "ok"), ("cut", "ok")]
    [record, _cut] = told_in("/one")
    assert record == json.loads(pathlib.Path(settings.path("records", record["stamp"] + ".json")).read_text())
    assert {"level", "seconds", "checked", "restorable", "stores", "targets"} <= set(record)


@pytest.mark.parametrize(("number", "words"), [
    (1, ["Target one: the snapshot {} is missing."]), (8, ["Target one: 8 snapshots are missing, the oldest is {}."])])
def test_what_a_target_holds_no_more_is_warned_of_once(settings, monkeypatch, number, words):
    """Nobody but a backup removes anything there, and it takes that down."""
    monkeypatch.setattr(runs, "unwanted", lambda *_details: [])
    settings["retention"].update(daily=30)
    for _night in range(4):
        work(settings)
    held = Engine.restic.repositories["/one"]
    gone = held[:number]
    del held[:number]
    work(settings)
    work(settings)
    # Runs of one second have the next ones for their stamps.
    warned = [record["warnings"] for record in records.read(settings, time.time() + 60)][-2:]
    assert warned == [[text.format(gone[0]["id"]) for text in words], []]


def test_the_record_of_a_run_that_failed_is_kept_too_and_a_target_that_was_away_gets_it_later(settings):
    Engine.stores["backup-redis"] = SourceError("no route to host")
    Engine.restic.refusing["/two"] = 1
    work(settings)
    [record] = told_in("/one")
    assert record["state"] == "failed"
    assert "no route to host" in record["because"]
    assert told_in("/two") == []
    del Engine.restic.refusing["/two"]
    Engine.stores["backup-redis"] = b"REDIS"
    work(settings)
    assert [record["state"] for record in told_in("/two")] == [record["state"] for record in told_in("/one")] == [
        "failed", "ok"]


def test_a_cut_that_had_nothing_to_keep_leaves_no_record_in_a_target(settings):
    del settings.stores[1]
    assert work(settings, "cut", False) == 0
    assert told_in("/one") == []


def test_a_target_that_takes_no_record_makes_no_good_run_a_bad_one(settings, monkeypatch, capsys):
    keep = Repository.keep

    def breaking(self, stream, source, tell):
        if stream.part == "record":
            raise TargetError("Target one: no space left on device.")
        return keep(self, stream, source, tell)

    monkeypatch.setattr(Repository, "keep", breaking)
    assert work(settings) == 0
    assert "the record was not kept in the target one: Target one: no space left" in capsys.readouterr().out


def test_without_any_target_nothing_is_read(settings):
    Engine.restic.refusing.update({"/one": 1, "/two": 1})
    Engine.stores.clear()
    assert work(settings) == 1
    assert status(settings)["because"] == "Target one: Fatal: refused. Target two: Fatal: refused."


def test_a_second_run_gives_way(settings):
    with runs.alone(settings), pytest.raises(runs.Busy, match="Another backup is at work"):
        work(settings)


def test_a_small_backup_takes_only_what_changes(settings):
    assert work(settings, "cut", False) == 0
    assert kept("/one") == ALL[1:]
    assert "cut=yes" in Engine.restic.repositories["/one"][0]["tags"]
    assert not os.path.exists(settings.path("status.json"))


def test_an_unexpected_end_leaves_a_record_that_says_so(settings, monkeypatch):
    monkeypatch.setattr(runs.Run, "all_stores", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        work(settings)
    [record] = records.read(settings, time.time())
    assert record["state"] == "failed"


def test_a_full_backup_is_due_after_its_days_and_when_there_is_none(settings):
    assert main._is_full_due(settings)
    work(settings)
    assert not main._is_full_due(settings)
    [path] = pathlib.Path(settings.path("records")).iterdir()
    record = json.loads(path.read_text())
    record["finished"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 6.6 * DAY))
    path.write_text(json.dumps(record))
    assert main._is_full_due(settings)


def test_a_full_backup_of_a_clock_that_was_ahead_does_not_put_off_the_next_one_for_years(settings):
    work(settings)
    [path] = pathlib.Path(settings.path("records")).iterdir()
    record = json.loads(path.read_text())
    record["finished"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 700 * DAY))
    path.write_text(json.dumps(record))
    assert main._is_full_due(settings)


def stamp(days):
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(1_800_000_000 + days * DAY))


def snapshot(run, part, store="db", file="base.tar", **pairs):
    tags = [f"run={run}", f"store={store}", f"part={part}", *(f"{key}={value}" for key, value in pairs.items())]
    return Snapshot({"id": f"{run}{part}{store}{pairs}", "tags": tags, "paths": ["/" + file]})


def test_what_a_kept_increment_builds_on_stays_and_the_log_follows_its_base():
    found, now = [], 1_800_000_000 + 60 * DAY
    for day in range(60):
        after = stamp(day - 1) if day % 7 else ""
        found.append(snapshot(stamp(day), "base", level="incremental" if after else "full", after=after))
        found += [snapshot(stamp(day + part), "wal", file="wal", base=stamp(day)) for part in (0.1, 0.5, 0.9)]
    policy = {"daily": 7, "weekly": 4, "monthly": 6, "cuts_hours": 24}
    gone = {each.id for each in runs.unwanted(found, policy, now)}
    kept_bases = {each.run: each for each in found if each.part == "base" and each.id not in gone}
    assert all(not each.after or each.after in kept_bases for each in kept_bases.values())
    assert {stamp(day) for day in range(53, 60)} <= set(kept_bases)
    for each in kept_bases.values():
        of_base = sorted(wal.run for wal in found if wal.part == "wal" and wal.pairs["base"] == each.run
                         and wal.id not in gone)
        assert of_base, "a base without its log cannot be restored"
        if each.run >= stamp(53):
            assert of_base[-1] == max(wal.run for wal in found if wal.pairs.get("base") == each.run)
    kept_wals = [each for each in found if each.part == "wal" and each.id not in gone]
    assert {each.pairs["base"] for each in kept_wals} <= set(kept_bases)


def test_a_record_stays_as_long_as_its_run():
    def record(when, state="ok", verb="backup"):
        return snapshot(stamp(when), "record", store="records", file="record.json", verb=verb, state=state)

    now = 1_800_000_000 + 60 * DAY
    found = [snapshot(stamp(day), "archive", store="papers", file="archive.tar") for day in range(60)]
    found += [record(day) for day in range(60)]
    found += [record(20.5, "failed"), record(58.5, "failed"), record(30.5, verb="cut"), record(58.6, verb="cut")]
    found.sort(key=lambda each: each.run)
    gone = runs.unwanted(found, {"daily": 7, "weekly": 4, "monthly": 6, "cuts_hours": 24}, now)
    left = {each.run for each in found if each not in gone and each.part != "record"}
    records_left = {each.run for each in found if each not in gone and each.part == "record"}
    assert records_left == left | {stamp(58.5)}, "a failed run has nothing but its record"
    assert stamp(20) not in left


def test_a_target_of_records_alone_keeps_the_newest():
    found = [snapshot(stamp(day), "record", store="records", file="record.json", verb="cut") for day in range(3)]
    gone = runs.unwanted(found, {"daily": 7, "weekly": 4, "monthly": 6, "cuts_hours": 24}, 1_800_000_000 + 60 * DAY)
    assert gone == found[:2]


def test_a_backup_that_is_made_by_hand_at_noon_leaves_no_gap_in_the_night():
    """Any moment of the newest days can be restored, also that before noon."""
    found, now = [], 1_800_000_000 + 10 * DAY
    for time_of in (8, 9, 9.4, 9.6):
        found.append(snapshot(stamp(time_of), "base", level="full"))
        found.append(snapshot(stamp(time_of + 0.1), "wal", file="wal", base=stamp(time_of)))
        found.append(snapshot(stamp(time_of + 0.15), "wal", file="wal", base=stamp(time_of)))
    assert runs.unwanted(found, {"daily": 7, "weekly": 0, "monthly": 0, "cuts_hours": 24}, now) == []


def test_a_backup_by_hand_on_the_first_day_takes_no_moment_of_it_away():
    found, now = [], 1_800_000_000 + DAY
    for time_of in (0.1, 0.2, 0.3):
        found.append(snapshot(stamp(time_of), "base", level="full"))
        found += [snapshot(stamp(time_of + part), "wal", file="wal", base=stamp(time_of)) for part in (0.02, 0.05)]
    policy = {"daily": 7, "weekly": 4, "monthly": 6, "cuts_hours": 24}
    assert runs.unwanted(found, policy, now) == []
    week = [snapshot(stamp(day), "base", level="full") for day in range(1, 8)]
    gone = runs.unwanted(found + week, policy, now + 7 * DAY)
    assert {each.run for each in found if each.part == "base"} <= {each.run for each in gone} | {stamp(0.3)}


@pytest.mark.parametrize("text", ["", "0/4", "5/4", "1/257", "1/0", "1", "1/4/4", "10%", "5G", "-1/4", "a/b", "1/4\n"])
def test_what_is_no_part_is_refused_before_anything_is_read(settings, text):
    with pytest.raises(BackupError) as refused:
        main._check(settings, main._parser().parse_args(["check", f"--part={text}"]))
    assert str(refused.value) == (
        f"{text} is no part. Write which one, and of how many, up to 256: 1/4. Nothing was read.")
    assert records.read(settings, time.time()) == []


@pytest.mark.parametrize("text", ["1/1", "4/4", "256/256", None])
def test_a_part_goes_to_whoever_reads(settings, monkeypatch, text):
    asked = []
    monkeypatch.setattr(runs.Run, "check", lambda _run, part: asked.append(part) or [])
    assert main._check(settings, main._parser().parse_args(["check", *([f"--part={text}"] if text else [])])) == 0
    assert asked == [text]


def test_a_store_that_failed_since_keeps_its_last_good_backup():
    found = [snapshot(stamp(0), "snapshot", store="cache", file="dump.rdb")]
    found += [snapshot(stamp(day), "archive", store="papers", file="archive.tar") for day in range(400)]
    gone = runs.unwanted(found, {"daily": 1, "weekly": 0, "monthly": 0, "cuts_hours": 24}, 1_800_000_000 + 400 * DAY)
    assert found[0] not in gone
    assert len(found) - len(gone) == 2


def listed(settings, capsys):
    capsys.readouterr()
    assert main._list(settings, main._parser().parse_args(["list", "--json"])) == 0
    return json.loads(capsys.readouterr().out)


def test_a_list_tells_of_every_target_what_it_holds_or_why_it_cannot_be_read(settings, capsys):
    settings.stores.append({"store": "pictures", "name": "pictures", "kind": "objects", "title": "Pictures"})
    work(settings)
    Engine.restic.refusing["/two"] = 1
    told = listed(settings, capsys)
    one, two = told["targets"]
    assert [(point["level"], point["stores"]) for point in one["points"] if point["level"] != "cut"] == [
        ("full", ["papers", "cache", "pictures"])]
    assert one["objects"] == {"pictures": ["20261123T013000Z"]}
    assert (two["because"], two["points"]) == ("Target two: Fatal: refused.", [])
    assert told["failure"] == {}
    assert "two (s3) cannot be read: Fatal: refused." in told["text"]


def test_a_list_tells_of_the_last_failure(settings, capsys):
    Engine.stores["backup-redis"] = SourceError("no route to host")
    work(settings)
    assert "no route to host" in listed(settings, capsys)["failure"]["because"]


def test_a_host_that_knows_nothing_reads_of_the_last_failure_in_a_target(settings, capsys):
    Engine.stores["backup-redis"] = SourceError("no route to host")
    work(settings)
    Engine.stores["backup-redis"] = b"REDIS"
    time.sleep(1)
    work(settings)
    for path in pathlib.Path(settings.path("records")).iterdir():
        path.unlink()
    failure = listed(settings, capsys)["failure"]
    assert "no route to host" in failure["because"]
    assert failure["good_since"]


@pytest.mark.parametrize("is_readable", [True, False])
def test_what_an_earlier_version_has_saved_is_told_and_how_it_is_read(settings, tmp_path, capsys, is_readable):
    """Beside our own repository, and where there is none yet."""
    for name, content in (("20261101T013000Z", {"steps": []}), ("20261102T013000Z", {"steps": []}),
                          ("20261103T013000Z", {}), ("attic", {"steps": []})):
        (tmp_path / "disk" / name).mkdir(parents=True)
        (tmp_path / "disk" / name / "manifest.json").write_text(json.dumps(content))
    settings.targets[0]["directory"] = str(tmp_path / "disk")
    if is_readable:
        work(settings)
    else:
        Engine.restic.refusing["/one"] = 10
    told = listed(settings, capsys)
    text = " ".join(told["text"].split())
    assert (f"{tmp_path}/disk holds 2 backups of an earlier version of this collection, too: 20261101T013000Z - "
            "20261102T013000Z. They are plain files") in text
    assert "docs/recovery.md tells how" in text
    assert told["targets"][1]["earlier"] == ""


def test_errors_are_sentences(settings, capsys):
    with pytest.raises(BackupError, match="cannot be read: .* Run the playbook"):
        Settings.read("/nowhere")
    assert capsys.readouterr().out == ""
