# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Work that is started by hand is systemd's; who watches it reads its journal and its record."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import time
import types

import pytest
import test_backup_runs

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Byte code among the templates would travel to the hosts.
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "roles/backup/templates/host/usr/local/lib/trenova"))

from trenova_backup import allowed, by_hand, main, records  # noqa: E402
from trenova_backup.errors import BackupError  # noqa: E402
from trenova_backup.settings import Settings  # noqa: E402
from trenova_backup.upgrade import verbs as upgrading  # noqa: E402

#: One without an Engine that can make backups.
installation = test_backup_runs.settings


class Systemd:
    """systemd with one unit, and its journal."""

    def __init__(self):
        self.state, self.invocation, self.next, self.code, self.said = "inactive", "old", "new", 0, ""
        self.journal, self.commands, self.title = {}, [], ""

    def run(self, words, **_more):
        self.commands.append(words)
        if words[0] == "journalctl":
            return self.tell(words)
        if words[1] == "show":
            return subprocess.CompletedProcess(
                words, 0, f"ActiveState={self.state}\nInvocationID={self.invocation}\nDescription={self.title}\n")
        if words[1] == "reset-failed":
            return subprocess.CompletedProcess(words, 0, "")
        assert words[1:3] == ["start", "--no-block"] or words[0] == "systemd-run"
        if self.code == 0 and self.next:
            self.state, self.invocation = "activating", self.next
            if "--description" in words:
                self.title = words[words.index("--description") + 1]
        return subprocess.CompletedProcess(words, self.code, self.said)

    def tell(self, words):
        wanted = words[-1].partition("=")[2]
        since = next((int(word.rpartition("=")[2]) for word in words if word.startswith("--after-cursor")), 0)
        lines = self.journal.get(wanted, [])[since:]
        end = [f"-- cursor: {since + len(lines)}"] if lines else []
        return subprocess.CompletedProcess(words, 0, "\n".join([*lines, *end, ""]))


@pytest.fixture
def systemd(monkeypatch):
    """systemd, in place of this machine's."""
    found = Systemd()
    monkeypatch.setattr(by_hand, "subprocess", types.SimpleNamespace(
        run=found.run, DEVNULL=subprocess.DEVNULL, PIPE=subprocess.PIPE, STDOUT=subprocess.STDOUT))
    monkeypatch.setattr(by_hand, "START_SECONDS", 0.5)
    return found


@pytest.fixture
def settings(tmp_path):
    """An installation without stores."""
    (tmp_path / "backup").mkdir()
    return Settings({
        "data_dir": str(tmp_path), "host": "erp1", "installation": "trenova", "stores": [], "full_days": 7,
        "targets": [{"name": "disk"}, {"name": "bucket"}]})


def record(settings, monkeypatch, invocation, state="ok", level="full"):
    monkeypatch.setenv("INVOCATION_ID", invocation)
    return records.finish(settings, records.begin(settings, "backup", time.time(), level=level), time.time(), state)


def words(*words):
    return main._parser().parse_args(words)


def told(settings, capsys, *words):
    capsys.readouterr()
    arguments = main._parser().parse_args(words)
    assert main.VERBS[arguments.verb](settings, arguments) == 0
    return json.loads(capsys.readouterr().out)


def test_a_start_tells_which_run_it_is_and_does_not_wait(settings, systemd, capsys):
    assert told(settings, capsys, "start") == {
        "targets": ["disk", "bucket"], "unit": "trenova-backup.service", "is_running": False, "invocation": "new",
        "level": "full"}
    assert ["systemctl", "start", "--no-block", "trenova-backup.service"] in systemd.commands


def test_a_full_one_is_asked_for_until_it_begins(settings, systemd, capsys, monkeypatch):
    record(settings, monkeypatch, "x")
    assert told(settings, capsys, "start", "--check")["level"] == "incremental"
    assert told(settings, capsys, "start", "--full")["level"] == "full"
    assert by_hand.is_full_wanted(settings)
    asked = []
    monkeypatch.setattr(main, "_work", lambda _settings, verb, is_full: asked.append((verb, is_full)) or 0)
    main._backup(settings, words("backup"))
    by_hand.has_begun(settings)
    main._backup(settings, words("backup"))
    assert asked == [("backup", True), ("backup", False)]


def test_check_starts_nothing(settings, systemd, capsys):
    before = os.listdir(settings.path())
    assert told(settings, capsys, "start", "--full", "--check")["level"] == "full"
    assert os.listdir(settings.path()) == before
    assert all(words[1] == "show" for words in systemd.commands)


def test_one_that_is_at_work_is_told_and_none_is_started(settings, systemd, capsys, monkeypatch):
    systemd.state, systemd.invocation = "activating", "now"
    monkeypatch.setenv("INVOCATION_ID", "now")
    records.begin(settings, "backup", time.time(), level="incremental")
    found = told(settings, capsys, "start", "--full")
    assert (found["is_running"], found["invocation"], found["level"]) == (True, "now", "incremental")
    assert all(words[1] == "show" for words in systemd.commands)
    assert not by_hand.is_full_wanted(settings)


@pytest.mark.parametrize("name", allowed.MEANINGS)
@pytest.mark.parametrize("verb", ["start", "backup"])
def test_what_is_allowed_reaches_the_unit_and_holds_until_a_run_went_well(
        installation, systemd, capsys, monkeypatch, verb, name):
    """It is the word that the refusal tells, and what a run that failed did not come to is for the next one."""
    seen, is_good = [], [False]

    def all_stores(run):
        seen.append(allowed.has(run.settings, name))
        if not is_good[0]:
            raise BackupError("A target is away.")

    monkeypatch.setattr(main.runs.Run, "all_stores", all_stores)
    option = allowed.hint(name).split()[-1].rstrip(".")
    assert "trenova_backup_" + name.replace("-", "_") + "=true" in allowed.hint(name)
    assert option == "--" + name
    if verb == "start":
        told(installation, capsys, "start", option)
        assert main._backup(installation, words("backup")) == 1
    else:
        assert main._backup(installation, words("backup", option)) == 1
    is_good[0] = True
    assert main._cut(installation, None) == 0
    assert main._backup(installation, words("backup")) == 0
    assert seen == [True, True, False]
    told(installation, capsys, "start", option, "--check")
    assert allowed.names(installation) == []


def test_what_is_allowed_while_a_run_is_at_work_is_for_the_next_one(installation, monkeypatch):
    monkeypatch.setattr(main.runs.Run, "all_stores", lambda run: allowed.take_down(
        run.settings, words("backup", "--accept-vanished")))
    assert main._cut(installation, None) == 0
    assert allowed.names(installation) == [allowed.VANISHED]


def test_a_unit_that_is_not_there_is_a_sentence_and_no_full_one_is_owed(settings, systemd):
    systemd.code, systemd.said = 5, "Unit trenova-backup.service not found.\n"
    with pytest.raises(BackupError, match=r"No backup can be started: Unit trenova-backup.service not found\."):
        by_hand.start(settings, words("start", "--full", "--clock-is-right"))
    assert not by_hand.is_full_wanted(settings)
    assert allowed.names(settings) == []


def test_one_that_ends_before_systemd_is_asked_is_found_by_its_record(settings, systemd, monkeypatch):
    systemd.next, systemd.invocation = "", ""
    monkeypatch.setattr(by_hand.time, "sleep", lambda _seconds: record(settings, monkeypatch, "quick"))
    assert by_hand.start(settings, words("start")) == "quick"


def test_a_systemd_that_begins_nothing_is_told(settings, systemd):
    systemd.next = ""
    with pytest.raises(BackupError, match="systemctl status trenova-backup.service"):
        by_hand.start(settings, words("start"))


def test_who_follows_reads_every_line_once_and_the_record_at_the_end(settings, systemd, capsys, monkeypatch):
    systemd.state, systemd.invocation, systemd.journal = "activating", "run", {"run": ["one"], "other": ["not mine"]}
    first = told(settings, capsys, "follow", "run")
    assert (first["lines"], first["is_running"], first["record"], first["text"]) == (["one"], True, None, "")
    second = told(settings, capsys, "follow", "run", "--cursor", first["cursor"])
    assert (second["lines"], second["cursor"]) == ([], first["cursor"])
    systemd.journal["run"].append("two")
    record(settings, monkeypatch, "run")
    systemd.state = "inactive"
    last = told(settings, capsys, "follow", "run", "--cursor", second["cursor"])
    assert (last["lines"], last["is_running"], last["record"]["state"]) == (["two"], False, "ok")
    assert last["text"].startswith("Full backup of 20")


PROGRAM = "/usr/local/lib/trenova/backup.py"


@pytest.mark.parametrize(("words", "unit", "expected"), [
    (["restore", "--store", "rows", "--to", "2026-11-23 14:05:00Z", "--confirm", "erp1", "--leave-stopped", "--start"],
     "trenova-restore.service",
     ["restore", "--confirm", "erp1", "--to", "2026-11-23 14:05:00Z", "--store", "rows", "--leave-stopped"]),
    (["restore", "--store", "papers", "--only", "-a/cost ${HOME} $5", "--target", "box", "--start"],
     "trenova-restore.service",
     ["restore", "--only=-a/cost $${HOME} $$5", "--target", "box", "--store", "papers"]),
    (["upgrade", "--image", "postgres:17.1", "--major", "17", "--confirm", "erp1:17", "--back", "--start"],
     "trenova-upgrade.service",
     ["upgrade", "--major", "17", "--store", "postgres", "--image", "postgres:17.1", "--volume",
      "/var/lib/postgresql/data", "--confirm", "erp1:17", "--back"])])
def test_what_a_playbook_starts_is_tidied_up_after_and_told_of_when_it_is_killed(
        settings, systemd, capsys, monkeypatch, words, unit, expected):
    monkeypatch.setattr(sys, "argv", [PROGRAM, *words])
    arguments = main._parser().parse_args(words)
    start = main._restore if words[0] == "restore" else upgrading._start
    assert start(settings, arguments) == 0
    assert json.loads(capsys.readouterr().out) == {"unit": unit, "is_running": False, "invocation": "new"}
    [command] = [words for words in systemd.commands if words[0] == "systemd-run"]
    program = [sys.executable, "-B", PROGRAM]
    assert command[command.index("--unit") + 1] == unit
    assert "--property=ExecStopPost=" + " ".join([*program, "end"]) in command
    assert command[command.index(program[0]):] == [*program, *expected]


@pytest.mark.parametrize(("words", "is_part"), [
    (["--store", "rows", "--only", "public.loads"], True), (["--store", "rows", "--confirm", "erp1"], False)])
def test_a_playbook_is_told_whether_a_part_is_at_work(settings, systemd, capsys, words, is_part):
    assert main._restore(settings, main._parser().parse_args(["restore", *words, "--start"])) == 0
    assert told(settings, capsys, "restore", "--plan", "--json") == {
        "is_running": True, "unit": "trenova-restore.service", "invocation": "new", "is_part": is_part}


def test_what_systemd_does_not_start_is_a_sentence(settings, systemd):
    systemd.code, systemd.said = 1, "Failed to connect to bus.\n"
    with pytest.raises(BackupError, match="No rehearsal can be started: Failed to connect to bus"):
        by_hand.run_unit(settings, "trenova-upgrade.service", "rehearsal", "Upgrade", ["upgrade"])


def test_the_next_run_of_the_unit_is_not_the_one_that_is_followed(settings, systemd, capsys):
    systemd.state, systemd.invocation = "activating", "next"
    assert not told(settings, capsys, "follow", "run")["is_running"]
