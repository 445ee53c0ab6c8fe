# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Commands that make a running service read its files: run when they are due, and never forgotten."""

from __future__ import annotations

import os
import subprocess

import pytest
from fake_engine import Killed

from ansible_collections.trenova.selfhost.plugins.module_utils.engine import EngineError

RELOAD, ROLES, UNIT = "config/reload.conf", "secrets/roles.sql", "timer"


def postgres(host, conf="a", roles="r", unit="u", version="1", **more):
    """PostgreSQL: a signal for its settings, a command for its roles, one on the host for its unit."""
    unit_path = str(host.root / "systemd" / UNIT)
    reload = [
        {"files": [host.path("postgres", RELOAD)], "container": "tren-db", "signal": "SIGHUP"},
        {"files": [host.path("postgres", ROLES)], "container": "tren-db", "command": ["psql", "roles"],
         "after_start": True},
        {"files": [unit_path], "command": ["systemctl", "daemon-reload"]}]
    return host.service(
        "postgres", "tren-db", version=version, files={RELOAD: conf, unit_path: unit}, secrets={ROLES: roles},
        reload=reload, **more)


HUP, PSQL, SYSTEMD = "SIGHUP tren-db", "psql roles", "systemctl daemon-reload"


@pytest.mark.parametrize(("change", "reloaded"), [
    ({}, []), ({"conf": "b"}, [HUP]), ({"roles": "s"}, [PSQL]), ({"unit": "v"}, [SYSTEMD]),
    ({"conf": "b", "roles": "s", "unit": "v"}, [HUP, PSQL, SYSTEMD]),
    # What is started anew has read its files; only what is asked for after a start runs then.
    ({"conf": "b", "version": "2"}, [PSQL]), ({"version": "2", "unit": "v"}, [PSQL, SYSTEMD])])
def test_a_reload_runs_when_one_of_its_files_changes(host, change, reloaded):
    assert host.converge(postgres(host))["reloaded"] == [PSQL, SYSTEMD]
    host.forget_calls()
    changed = postgres(host, **change)
    assert host.converge(changed, check=True)["reloaded"] == reloaded
    assert host.commands == host.engine.calls == []
    result = host.converge(changed)
    assert result["reloaded"] == reloaded
    assert [f"reloaded: {each}" for each in reloaded] == [
        each for each in result["services"]["postgres"]["says"] if each.startswith("reloaded")]
    assert host.converge(changed)["changed"] is False


def test_a_reload_alone_is_the_state_of_a_service(host):
    host.converge(postgres(host))
    assert host.converge(postgres(host, conf="b"))["services"]["postgres"]["state"] == "reloaded"


def test_a_reload_in_a_container_that_is_not_there_is_left_out(host):
    client = {"name": "client", "files": [{"path": str(host.root / "x"), "content": "1"}], "reload": [
        {"files": [str(host.root / "x")], "container": "tren-caddy", "command": ["caddy", "reload"]}]}
    assert host.converge(client)["reloaded"] == []
    host.converge(host.service("caddy"))
    client["files"][0]["content"] = "2"
    assert host.converge(client)["reloaded"] == ["caddy reload"]


FAILURES = {
    "psql": (EngineError("syntax error"), "syntax error", []),
    "systemctl": ((1, "line\n" * 30), "systemctl daemon-reload failed", ["line"] * 20),
}


@pytest.mark.parametrize("failing", FAILURES)
def test_a_failed_reload_puts_the_files_back_and_stays_owed_where_one_has_read_new_ones(host, failing):
    host.converge(postgres(host))
    error, says, lines = FAILURES[failing]
    if isinstance(error, EngineError):
        host.engine.failing[failing] = str(error)
    else:
        host.failing_commands[failing] = error
    run = host.run(postgres(host, conf="b", roles="s", unit="v"))
    result = run.result()["services"]["postgres"]
    assert run.failure().startswith(f"postgres: {says}")
    assert (result["state"], result["log_lines"], result["changed_files"]) == ("failed", lines, [])
    assert (host.directory / "postgres" / RELOAD).read_text() == "a"
    assert (host.directory / "postgres" / ROLES).read_text() == "r"

    host.engine.failing.clear()
    host.failing_commands.clear()
    assert host.converge(postgres(host))["reloaded"] == [HUP, PSQL, SYSTEMD]
    assert host.converge(postgres(host))["changed"] is False


def test_a_program_that_is_missing_puts_the_files_back_too(host):
    host.converge(postgres(host))
    host.failing_commands["systemctl"] = FileNotFoundError("No such file or directory: 'systemctl'")
    run = host.run(postgres(host, conf="b", unit="v"))
    assert "No such file or directory: 'systemctl'" in run.failure()
    assert (host.directory / "postgres" / RELOAD).read_text() == "a"
    assert (host.root / "systemd" / UNIT).read_text() == "u"


def test_a_reload_that_an_interrupted_run_owes_is_made_up_for_whatever_changes_then(host):
    host.converge(postgres(host))
    host.mortal.dies_at = host.mortal.count + 1
    with pytest.raises(Killed):
        host.run(postgres(host, conf="b"))
    assert host.state("postgres")["pending"] is True
    host.mortal.dies_at = None
    assert host.converge(postgres(host, conf="b", unit="v"))["reloaded"] == [HUP, PSQL, SYSTEMD]
    assert "pending" not in host.state("postgres")


# -- A program of the host that has to start again with a new file ----------------------------------------------------


LOG = ["journalctl", "--unit", "engine.service"]


def engine(host, content, **more):
    """A service of one file of the host, which its program looks at, takes over, and is started anew with."""
    path = str(host.root / "etc" / "engine.json")
    return {"name": "engine", "files": [{"path": path, "content": content}], "wish": content, "reload": [
        {"files": [path], "command": ["systemctl", "reload", "engine"], "validate": ["engined", "--check", "{file}"],
         "log": LOG, "says": "the engine takes over its settings"},
        {"files": [path], "command": ["systemctl", "restart", "engine"], "log": LOG, "says": "the engine starts anew"}],
        **more}


def engine_file(host):
    return (host.root / "etc" / "engine.json").read_text()


def test_a_program_looks_at_a_file_before_it_takes_its_place(host):
    host.converge(engine(host, "1"))
    looked = [command for command in host.commands if command.startswith("engined --check")]
    [(_program, _option, path)] = [command.split() for command in looked]
    assert path.startswith(str(host.root / "etc" / ".trenova-"))
    assert host.commands[1:] == ["systemctl reload engine", "systemctl restart engine"]
    assert [each.name for each in (host.root / "etc").iterdir()] == ["engine.json"]


def test_a_file_that_its_program_refuses_changes_nothing(host):
    host.converge(engine(host, "1"))
    before = host.files()
    host.forget_calls()
    host.failing_commands["engined"] = (1, "unable to configure: unknown key\n")
    run = host.run(engine(host, "2"))
    assert run.failure().splitlines() == [
        f"engine: engined refuses the new {host.root}/etc/engine.json; nothing was changed",
        "  The last log lines:", "    unable to configure: unknown key"]
    assert len(host.commands) == 1
    assert host.files() == before
    host.failing_commands.clear()
    assert host.converge(engine(host, "2"))["reloaded"] == [
        "the engine takes over its settings", "the engine starts anew"]


def test_a_program_that_does_not_start_with_a_new_file_is_started_with_the_old_one(host):
    host.converge(engine(host, "1"))
    host.forget_calls()
    seen = []

    def outcome(command, seconds=600):
        host.commands.append(" ".join(command))
        seen.append((" ".join(command), engine_file(host)))
        lines = {"journalctl": (0, "starting\nfailed: unknown log opt\n")}
        fails = command[1] == "restart" and engine_file(host) == "2"
        code, text = lines.get(command[0], (1, "Job failed, see the journal.") if fails else (0, ""))
        return subprocess.CompletedProcess(command, code, text)

    host.command, ordinary = outcome, host.command
    run = host.run(engine(host, "2"))
    assert run.failure().splitlines() == [
        "engine: the engine starts anew: systemctl restart engine failed",
        "  The last log lines:", "    starting", "    failed: unknown log opt",
        "  The files were put back, and what reads them was told so: the engine takes over its settings, the engine "
        "starts anew."]
    assert seen[-2:] == [("systemctl reload engine", "1"), ("systemctl restart engine", "1")]
    assert engine_file(host) == "1"
    host.command = ordinary
    # Nothing is owed: what runs has read what is there.
    assert host.converge(engine(host, "1"))["reloaded"] == []


def test_a_program_that_has_gone_with_its_files_is_told_nothing(host):
    """What a first deployment brought and a refusal took away again."""
    path = str(host.root / "etc" / "tell.py")
    service = {"name": "engine", "files": [{"path": path, "content": "1"}], "wish": "1", "reload": [
        {"files": [path], "command": ["env", "python3", path, "prove"], "says": "messages"}]}
    host.failing_commands["env"] = (1, "The login was refused.")
    run = host.run(service)
    assert run.failure().splitlines() == [
        f"engine: messages: env python3 {path} prove failed", "  The last log lines:", "    The login was refused."]
    assert len([command for command in host.commands if command.startswith("env")]) == 1
    assert not os.path.exists(path)


def test_a_program_that_does_not_come_back_is_told_and_stays_owed(host):
    host.converge(engine(host, "1"))
    host.failing_commands.update({"restart": (1, "Job failed."), "journalctl": EngineError("no journal")})
    run = host.run(engine(host, "2"))
    assert run.failure().splitlines() == [
        "engine: the engine starts anew: systemctl restart engine failed", "  The last log lines:", "    Job failed.",
        "  With the files that were put back it did not work either: the engine starts anew: systemctl restart engine "
        "failed"]
    host.failing_commands.clear()
    assert host.converge(engine(host, "1"))["reloaded"] == [
        "the engine takes over its settings", "the engine starts anew"]
