# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the Engine does not answer is never taken for an answer: directories change their places by it."""

from __future__ import annotations

import os
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


# -- Containers of jobs -----------------------------------------------------------------------------------------------

#: Takes down what it is told. A job starts when two of them are to, or one where only one will; "broken" does not.
DOCKER = r"""#!/bin/sh
echo "$*" >>"$LOG"
case $* in
    *broken*) echo "no such image"; exit 1 ;;
    *" run "*)
        for _n in $(seq 50); do [ "$(grep -c ' run ' "$LOG")" -ge "$AT_ONCE" ] && exit 0; sleep 0.1; done
        exit 1 ;;
esac
"""


@pytest.fixture
def told(tmp_path, monkeypatch):
    """What the command of Docker is told, as a function; jobs start only when this many are begun."""
    def of(at_once):
        monkeypatch.setenv("AT_ONCE", str(at_once))
        return lambda verb: [line for line in (tmp_path / "log").read_text().splitlines() if f"{verb} " in line]
    (tmp_path / "docker").write_text(DOCKER)
    (tmp_path / "docker").chmod(0o700)
    (tmp_path / "log").touch()
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(engine.Engine, "runs", staticmethod(lambda: True))
    return of


def of_jobs(tmp_path):
    """An Engine whose jobs are started by the command of Docker."""
    return Asked(tmp_path, "")


def test_containers_of_jobs_are_started_at_once_and_once(tmp_path, told):
    lines, there = told(2), of_jobs(tmp_path)
    there.prepare("backup-keep", "backup-objects", "backup-keep")
    assert [there.run(job, ["true"]).code for job in ("backup-keep", "backup-objects", "backup-keep")] == [0, 0, 0]
    assert len(lines("run")) == 2
    assert len(lines("exec")) == 3


def test_who_needs_a_container_that_did_not_start_is_told_and_the_next_one_tries_again(tmp_path, told):
    lines, there = told(1), of_jobs(tmp_path)
    there.prepare("backup-keep", "broken")
    assert there.run("backup-keep", ["true"]).code == 0
    for _number in range(2):
        with pytest.raises(BackupError, match="The job broken cannot be started: no such image"):
            there.run("broken", ["true"])
    assert len([line for line in lines("run") if "broken" in line]) == 2


def test_containers_that_nobody_needed_are_removed_even_if_they_are_starting(tmp_path, told):
    lines, there = told(1), of_jobs(tmp_path)
    there.prepare("backup-keep", "backup-objects", "broken")
    there.close()
    removed = {word for line in lines("rm") for word in line.split() if word.startswith("trenova-")}
    started = {words[words.index("--name") + 1] for words in (line.split() for line in lines("run"))}
    assert removed == started
    assert len(started) == 3
    there.run("backup-keep", ["true"])
    assert len(lines("run")) == 4, "it is started anew"
