# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The real Engine and the real host: which commands they are given."""

from __future__ import annotations

import subprocess

import pytest

from ansible_collections.trenova.selfhost.plugins.module_utils import engine as docker_engine
from ansible_collections.trenova.selfhost.plugins.module_utils.converge import tools
from ansible_collections.trenova.selfhost.plugins.module_utils.engine import EngineError


@pytest.fixture
def commands(monkeypatch):
    """Commands that would be run, with their options."""
    seen = []

    def run(command, **options):
        seen.append((" ".join(command), options))
        return subprocess.CompletedProcess(command, 1 if "fails" in command else 0, "said\n", "no")

    monkeypatch.setattr(docker_engine, "run", run)
    return seen


ENGINE = tools.Engine("/opt/trenova")


@pytest.mark.parametrize(("call", "command", "seconds"), [
    (lambda: ENGINE.compose("up", "a", seconds=9), "docker compose --ansi never --progress plain up a", 9),
    (lambda: ENGINE.compose("up", "fails", seconds=9), "docker compose --ansi never --progress plain up fails", 9),
    (lambda: ENGINE.exec_("tren-db", ["psql", "-c", "x"], 9), "docker exec tren-db psql -c x", 9),
    (lambda: ENGINE.exec_("tren-db", ["psql"]), "docker exec tren-db psql", 600),
    (lambda: ENGINE.signal("tren-db", "SIGHUP"), "docker kill --signal SIGHUP tren-db", 600),
    (lambda: ENGINE.update("tren-db", ["--memory", "9"]), "docker update --memory 9 tren-db", 600),
    (lambda: ENGINE.stop("a", "b"), "docker stop a b", 900),
    (lambda: ENGINE.remove("a", "b"), "docker rm --force a b", 600),
    (lambda: ENGINE.remove("a", volumes=True), "docker rm --force --volumes a", 600),
    (lambda: ENGINE.remove_network("n"), "docker network rm n", 600),
    (lambda: ENGINE.docker("pull", "x", seconds=9, check=False), "docker pull x", 9),
])
def test_each_call_is_one_command_with_a_time_limit(commands, call, command, seconds):
    call()
    assert [(text, options["timeout"]) for text, options in commands] == [(command, seconds)]


def test_compose_runs_in_the_directory_of_the_project(commands):
    ENGINE.compose("up", seconds=9)
    assert commands[0][1]["cwd"] == "/opt/trenova"


def test_what_fails_raises_except_compose_of_which_the_caller_asks(commands):
    assert ENGINE.compose("fails", seconds=9).returncode == 1
    with pytest.raises(EngineError, match="no"):
        ENGINE.exec_("tren-db", ["fails"])
    assert len(commands) == 2


def test_logs_are_both_streams(commands):
    assert ENGINE.logs("tren-db") == ["said"]
    assert commands[0][0] == "docker logs --tail 30 tren-db"


def test_a_command_on_the_host_gives_both_streams():
    done = tools.run_on_host(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (done.returncode, done.stdout) == (3, "out\nerr\n")


@pytest.mark.parametrize(("command", "seconds", "says"), [
    (["no-such-program", "x"], 9, "no-such-program cannot be run: .*No such file"),
    (["sleep", "9"], 0.05, "sleep 9 took longer than 0.05 s")])
def test_a_program_that_is_missing_or_does_not_end_is_an_error_of_the_engine(command, seconds, says):
    with pytest.raises(EngineError, match=says):
        tools.run_on_host(command, seconds)
