# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the Engine does not answer is never taken for an answer: directories change their places by it."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "roles/backup/templates/host/usr/local/lib/trenova"))
from trenova_backup import engine  # noqa: E402  # found by the line above
from trenova_backup.errors import BackupError, Interrupted  # noqa: E402
from trenova_backup.settings import Settings  # noqa: E402


class Asked(engine.Engine):
    """An Engine that answers what it is told to, one answer after the other, the last one for ever."""

    def __init__(self, tmp_path, *answers):
        super().__init__(Settings({
            "project": "trenova", "project_dir": str(tmp_path), "data_dir": str(tmp_path), "jobs": [], "stores": [],
            "targets": []}))
        self.answers, self.looks, self.is_another = list(answers), 0, False

    def look(self):
        self.looks += 1
        if self.is_another:
            raise Interrupted("It was interrupted: the Docker Engine was stopped or restarted.")

    def _ask(self, *_words):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer if isinstance(answer, subprocess.CompletedProcess) else subprocess.CompletedProcess(
            (), 0, answer, "")


AWAY = subprocess.CompletedProcess((), 1, "", "Cannot connect to the Docker daemon.")
RUNNING = "tren-db\tpostgres\trunning\tFalse\ntren-api\tapi\texited\tFalse\nsomething\tapi\trunning\tTrue\n"


def test_services_are_told_with_whether_they_run_and_without_jobs(tmp_path):
    assert Asked(tmp_path, RUNNING).services() == {"postgres": [("tren-db", True)], "api": [("tren-api", False)]}


def test_an_engine_that_does_not_tell_what_runs_does_not_say_that_nothing_does(tmp_path):
    with pytest.raises(BackupError, match="does not tell what runs: Cannot connect"):
        Asked(tmp_path, AWAY).services()
    another = Asked(tmp_path, AWAY)
    another.look = lambda: Interrupted  # at first it is the same one
    with pytest.raises(BackupError):
        another.services()


def test_a_container_is_healthy_only_when_the_engine_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(engine.time, "sleep", lambda _seconds: None)
    there = Asked(tmp_path, AWAY, "starting none", AWAY, "healthy")
    there.need_healthy(["tren-db", "tren-redis"])
    assert there.answers == ["healthy"], "all answers were waited for"


def test_an_engine_that_is_another_one_ends_the_waiting_at_once(tmp_path):
    there = Asked(tmp_path, AWAY)
    there.is_another = True
    with pytest.raises(Interrupted):
        there.need_healthy(["tren-db"])


@pytest.mark.parametrize(("command", "is_another"), [("false", False), ("true", True)])
def test_a_command_that_ends_well_or_in_the_same_engine_is_told_as_it_ended(tmp_path, command, is_another):
    there = Asked(tmp_path, RUNNING)
    there.is_another = is_another
    there.start = lambda *_words: engine.Process([command])
    assert there.run("job", [command]).code == int(command == "false")


def test_a_command_that_was_cut_off_is_not_told_as_one_that_failed(tmp_path):
    there = Asked(tmp_path, RUNNING)
    there.is_another = True
    there.start = lambda *_words: engine.Process(["sh", "-c", "exit 255"])
    with pytest.raises(Interrupted):
        there.run("job", ["restic"])


def test_a_container_that_does_not_get_healthy_is_told_with_its_last_words(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "HEALTHY_SECONDS", -1)
    with pytest.raises(BackupError, match="tren-db is not healthy .*: could not bind"):
        Asked(tmp_path, "starting", "could not bind\n").need_healthy(["tren-db"])
