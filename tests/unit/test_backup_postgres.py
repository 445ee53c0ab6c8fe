# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a run keeps of PostgreSQL and in which order, with the server and the targets played."""

from __future__ import annotations

import itertools
import pathlib
import sys
import types

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "roles/backup/templates/host/usr/local/lib/trenova"))
sys.path.insert(0, str(ROOT / "tests/postgres"))
import dumped  # noqa: E402  # found by the line above
from trenova_backup import records, runs  # noqa: E402  # found by the line above
from trenova_backup.errors import BackupError, NothingYet, SourceError  # noqa: E402  # found by the line above
from trenova_backup.files import read_json  # noqa: E402
from trenova_backup.kinds import postgres  # noqa: E402
from trenova_backup.kinds.kind import Choice  # noqa: E402
from trenova_backup.settings import Settings  # noqa: E402

SEGMENT = postgres.SEGMENT_BYTES
STORE = {"store": "rows", "title": "Rows", "kind": "postgres", "physical": True, "databases": ["trenova"],
         "restore_job": "backup-restore-rows"}


class Run:
    """A run that takes down what it is given to keep. held: runs whose bases a target holds."""

    stamp, is_full = "20261201T013000Z", False

    def __init__(self, settings, held=()):
        self.settings, self.held = settings, held
        self.facts, self.log, self.warnings = {}, [], []

    def any_has(self, _store, _part, run):
        return run in self.held

    def keep(self, stream, _source, _expected=int):
        self.log.append(stream.part)

    def keep_tree(self, stream, _path, expected):
        self.log.append((stream.part, expected))

    def warn(self, text):
        self.warnings.append(text)

    def say(self, _text):
        pass


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """The store, of a server that answers. Its last base is of the night before."""
    for part in ("wal", "manifests"):
        (tmp_path / "backup" / part).mkdir(parents=True)
    settings = Settings({"data_dir": str(tmp_path), "stores": [STORE], "targets": []} | {
        "owner": [tmp_path.stat().st_uid, tmp_path.stat().st_gid]})
    kind = postgres.Postgres(STORE, Run(settings, ["20261130T013000Z"]))
    kind.memory = {"system": "7", "bases": [{"run": "20261130T013000Z", "after": "", "lsn": "0/2000028"}]}
    monkeypatch.setattr(kind, "_look", lambda: None)
    at_end = "0/5000000", "2026-12-01T01:31:00Z"
    monkeypatch.setattr(kind, "_receive", lambda: kind.run.log.append("fetched") or at_end)
    monkeypatch.setattr(kind, "_base", lambda: kind.run.log.append("base"))
    monkeypatch.setattr(kind, "facts", lambda: kind.run.log.append("counted") or {})
    return kind


def test_what_was_counted_is_kept_with_the_log_that_leads_to_it(rows):
    rows.save()
    assert [what if isinstance(what, str) else what[0] for what in rows.run.log] == [
        "base", "counted", "fetched", "wal", "facts"]


@pytest.mark.parametrize(("is_full", "dumps"), [(True, ["dumps"]), (False, [])])
def test_the_log_is_kept_behind_a_base_and_again_behind_dumps(rows, monkeypatch, is_full, dumps):
    """Of what is written while a nightly backup is at work, docs/backups.md says how long it waits."""
    log, positions = rows.run.log, itertools.count(5)
    rows.store, rows.run.is_full = dict(STORE, incremental=False), is_full
    monkeypatch.delattr(rows, "_base")
    monkeypatch.setattr(rows, "_keep_base", lambda _parent: log.append("base"))
    monkeypatch.setattr(rows, "_begin_of", lambda _stamp: "0/4000028")
    monkeypatch.setattr(rows, "_dumps", lambda: log.append("dumps"))
    monkeypatch.setattr(rows, "_receive", lambda: (f"0/{next(positions)}000000", "2026-12-01T01:31:00Z"))
    rows.save()
    # Behind the base as the log of that and as the end of the one before.
    assert [what if isinstance(what, str) else what[0] for what in log] == [
        "base", "wal", "wal", *dumps, "counted", "wal", "facts"]
    page = " ".join((ROOT / "docs/backups.md").read_text().split())
    assert "It keeps the log behind the base, and once more behind the weekly dumps and what was counted." in page


def test_without_that_log_it_is_not_kept(rows, monkeypatch):
    def fails():
        raise SourceError("The log cannot be fetched.")
    monkeypatch.setattr(rows, "_receive", fails)
    with pytest.raises(SourceError):
        rows.save()
    assert "facts" not in rows.run.log


def test_a_server_that_cannot_be_counted_is_saved_all_the_same(rows, monkeypatch):
    def fails():
        raise SourceError("It does not tell.")
    monkeypatch.setattr(rows, "facts", fails)
    rows.save()
    assert rows.run.log[-1] == ("wal", 0)
    assert rows.run.warnings == ["The next drill has nothing to compare with: It does not tell."]


def test_a_log_whose_base_no_target_holds_begins_anew(rows):
    """It leads to nothing there. The base of this very run no target had when it was asked."""
    rows.run.held = ()
    with pytest.raises(NothingYet, match="no target that is there holds the base backup 20261130T013000Z"):
        rows.cut()
    assert rows.run.log == []
    rows.memory["bases"][-1]["run"] = rows.run.stamp
    rows.cut()
    assert ("wal", 0) in rows.run.log


@pytest.mark.parametrize(("kept", "files"), [(None, 4), ("0/2000028", 4), ("0/4000010", 2), ("0/5800000", 1)])
def test_room_is_asked_for_the_log_that_no_target_may_hold(rows, tmp_path, kept, files):
    """A segment that was half full when it was kept is another one now."""
    for number, end in ((2, ""), (3, ""), (4, ""), (5, ".partial")):
        with (tmp_path / f"backup/wal/rows/00000001{'0' * 8}{number:08X}{end}").open("wb") as segment:
            segment.truncate(SEGMENT)
    (tmp_path / "backup/wal/rows/00000002.history").write_text("1")
    rows.memory["cut"] = {"lsn": kept, "at": ""} if kept else {}
    rows.cut()
    assert ("wal", files * SEGMENT) in rows.run.log


# -- The proof ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "because", "sentence"), [
    ("ok", "", None),
    ("failed", "No route to host.",
     'The backup is failed, and its step "dump trenova" is failed. The backup says: No route to host.'),
    (None, "", 'The backup is ok, and its step "dump trenova" is missing; there are: globals.')])
def test_the_proof_with_external_servers_reads_the_step_as_a_run_takes_it_down(
        rows, monkeypatch, state, because, sentence):
    """`make proof-postgres` asks the status for the dump, by the name that runs give it."""
    streams = []
    monkeypatch.setattr(rows.run, "keep", lambda stream, *_more: streams.append(stream))
    monkeypatch.setattr(rows, "_connection", lambda database="": database)
    rows._dumps()
    states = {"dump": state, "globals": "ok"}
    steps = [{"service": "rows", "name": runs._title(stream), "state": states[stream.part]} for stream in streams
             if states[stream.part]]
    record = records.begin(rows.run.settings, "backup", 0)
    records.finish(rows.run.settings, record, 0, state or "ok", steps=steps, because=because)
    status = read_json(rows.run.settings.path("status.json"))
    if sentence is None:
        assert dumped.dumped(status, "trenova") == "dump trenova ok"
        return
    with pytest.raises(SystemExit) as refused:
        dumped.dumped(status, "trenova")
    assert str(refused.value) == sentence


class Image:
    """The image of a server, whose programs tell their version."""

    def __init__(self, said):
        self.said = said

    def run(self, job, command):
        assert (job, command) == (STORE["restore_job"], ["pg_basebackup", "--version"])
        return types.SimpleNamespace(lines=self.said)


@pytest.mark.parametrize(("said", "then", "now"), [
    ("pg_basebackup (PostgreSQL) 17.11", "15", "17"), ("pg_basebackup (PostgreSQL) 15.18", "17", "15"),
    ("pg_basebackup (PostgreSQL) 18beta1", "17", "18"), ("pg_basebackup (PostgreSQL) 18beta1", "18", ""),
    ("pg_basebackup (PostgreSQL) 17.11 (Debian 17.11-1)", "18", "17"),
    ("pg_basebackup (PostgreSQL) 17.11 (Debian 17.11-1)", "17", ""),
    # Of a base that does not say it nothing is known, nor of a program that says nothing.
    ("pg_basebackup (PostgreSQL) 17.11", "", ""), ("", "17", "")])
def test_a_base_of_another_major_is_refused(rows, said, then, now):
    rows.run.engine = Image(said.splitlines())
    choice = Choice([], 0, facts={"version": then})
    if not now:
        rows._need_version(choice)
        return
    with pytest.raises(BackupError) as refused:
        rows._need_version(choice)
    assert str(refused.value) == (
        f"Rows: the backup is of PostgreSQL {then}, and the server is PostgreSQL {now}, which cannot read it. Set "
        f"postgres_image to a {then}.x image, restore, and upgrade then.")
