# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The watch of the API's sessions, in a world of instances that fail in the ways in which the real ones do."""

from __future__ import annotations

import json
import os
import pathlib
import stat
import subprocess
import types

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.trenova.selfhost.plugins.module_utils import locking

SOURCE = pathlib.Path(__file__).resolve().parents[2] / (
    "roles/api/templates/host/usr/local/lib/trenova/api-sessions.py")
# Not imported, which would leave byte code among the templates.
watch = types.ModuleType("api_sessions")
watch.__file__ = str(SOURCE)
exec(compile(SOURCE.read_text(), SOURCE, "exec"), watch.__dict__)  # noqa: S102

PASSWORD = "of-the-administrator"
LOOK_SECONDS = 20
COMPLAINT = "blocked by circuit breaker"
EVENTS = ("open", "close", "ill", "well", "lost")


class World:
    """Instances of the API and what they need, a clock, and the journal of the watch."""

    def __init__(self, folder, instances=("tren-api", "tren-api-2"), with_password=True):
        self.now = 1000.0
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.names = list(instances)
        self.health = dict.fromkeys([*instances, "tren-redis", "tren-db"], "healthy")
        #: Instances whose breaker is open, and those that a start does not help.
        self.open, self.hopeless = set(), set()
        #: Sessions that Redis keeps, logins and questions that were asked, restarts.
        self.sessions, self.logins, self.asked, self.restarts = set(), [], [], []
        self.password = PASSWORD
        self.attempts = []
        self.engine_runs = True
        body = folder / "login.json"
        body.write_text(json.dumps({"emailAddress": "admin@trucks.co", "password": PASSWORD}))
        self.login = {
            "port": 3001, "origin": "https://erp.trucks.co", "uri": "/login/", "me": "/me/", "logout": "/logout/",
            "body_file": str(body)}
        (folder / "api-sessions.json").write_text(json.dumps({
            "instances": self.names, "needs": ["tren-redis", "tren-db"], "stop_seconds": 40, "complaint": COMPLAINT,
            "login": self.login if with_password else None}))

    # -- What the watch meets -----------------------------------------------------------------------------------------

    def described(self, names):
        states = {name: self.health[name] for name in names if name in self.health}
        return {name: {
            "State": {"Status": "running", "Health": {"Status": state}} if state != "paused" else {"Status": state},
            "NetworkSettings": {"Networks": {"data": {"IPAddress": name}}}} for name, state in states.items()}

    def request(self, address, _port, _method, path, body=None, headers=None):
        cookies = (headers or {}).get("Cookie")
        if self.health[address] == "unhealthy":
            return 0, ""
        if path == "/login/":
            self.logins.append((self.now, address))
            self.attempts = [moment for moment in self.attempts if self.now - moment < 900] + [self.now]
            if len(self.attempts) > 5:
                return 429, ""
            if json.loads(body)["password"] != self.password:
                return 400, ""
            if address in self.open:
                return 500, ""
            self.attempts.clear()
            self.sessions.add(f"session={len(self.logins)}")
            return 200, f"session={len(self.logins)}"
        if path == "/logout/":
            self.sessions.discard(cookies)
            return 204, ""
        self.asked.append((self.now, address))
        if address in self.open:
            return 500, ""
        return (200, "") if cookies in self.sessions else (401, "")

    def run(self, command, **_options):
        if command[0] == "systemctl":
            return subprocess.CompletedProcess(command, 0 if self.engine_runs else 3)
        if command[:2] == ["docker", "logs"]:
            text = f"WRN redis operation {COMPLAINT}\n" if command[-1] in self.open else "INF all is well\n"
            return subprocess.CompletedProcess(command, 0, text)
        assert command[:4] == ["docker", "restart", "--time", "40"], command
        self.restarts.append((self.now, command[-1]))
        self.now += 5
        if command[-1] not in self.hopeless:
            self.open.discard(command[-1])
            self.health[command[-1]] = "healthy"
        return subprocess.CompletedProcess(command, 0)

    # -- What happens -------------------------------------------------------------------------------------------------

    def pass_time(self, seconds, gap=LOOK_SECONDS):
        """Looks for so many seconds."""
        for _look in range(round(seconds / gap)):
            self.now += gap
            assert watch.main() == 0

    def restarted(self):
        return [name for _moment, name in self.restarts]


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Function that makes a world, in which the watch lives from then on."""

    def made(**more):
        world = World(tmp_path / "world", **more)
        monkeypatch.setattr(watch, "HERE", str(world.folder))
        monkeypatch.setattr(watch, "LOCK", str(tmp_path / "lock"))
        monkeypatch.setattr(watch, "MEMORY", str(tmp_path / "memory.json"))
        (tmp_path / "memory.json").unlink(missing_ok=True)
        monkeypatch.setattr(watch, "described", world.described)
        monkeypatch.setattr(watch, "request", world.request)
        monkeypatch.setattr(watch, "subprocess", types.SimpleNamespace(
            run=world.run, PIPE=subprocess.PIPE, DEVNULL=subprocess.DEVNULL, STDOUT=subprocess.STDOUT))
        monkeypatch.setattr(watch, "time", types.SimpleNamespace(
            monotonic=lambda: world.now, sleep=lambda seconds: setattr(world, "now", world.now + seconds)))
        return world

    return made


def test_a_day_on_which_all_is_well(make, capsys):
    world = make()
    world.pass_time(24 * 3600)
    assert capsys.readouterr().out == ""
    assert world.restarts == []
    # A session is renewed each six hours and ended, and each instance asked once a minute.
    assert len(world.logins) == 4
    assert len(world.sessions) == 1
    assert len(world.asked) <= 2 * 24 * 60


@pytest.mark.parametrize(("with_password", "fault"), [
    (True, "/me/ answered 500"), (False, f"its log says: {COMPLAINT}")])
def test_a_breaker_that_closes_by_itself_is_left_alone(make, capsys, with_password, fault):
    world = make(with_password=with_password)
    world.pass_time(60)
    world.open.add("tren-api")
    world.pass_time(20)
    world.open.clear()
    world.pass_time(600)
    assert world.restarts == []
    assert capsys.readouterr().out.splitlines() == [
        f"tren-api: nobody can work with it, {fault}", "tren-api: one can work with it again, after 20 s"]


@pytest.mark.parametrize(("with_password", "fault"), [
    (True, "/me/ answered 500"), (False, f"its log says: {COMPLAINT}")])
def test_an_instance_with_which_nobody_can_work_is_restarted(make, capsys, with_password, fault):
    world = make(with_password=with_password)
    world.pass_time(60)
    world.open.add("tren-api-2")
    began = world.now
    world.pass_time(180)
    assert world.restarted() == ["tren-api-2"]
    assert watch.FAILING_SECONDS <= world.restarts[0][0] - began <= 60 + watch.FAILING_SECONDS + 2 * LOOK_SECONDS
    told = capsys.readouterr().out.splitlines()
    assert told[0] == f"tren-api-2: nobody can work with it, {fault}"
    assert told[1].startswith("tren-api-2: restarting it, nobody could work with it for ")
    assert told[2:] == ["tren-api-2: one can work with it again"]


def test_both_are_restarted_one_after_the_other(make):
    world = make()
    world.pass_time(60)
    world.open.update(world.names)
    world.pass_time(300)
    assert world.restarted() == world.names
    assert world.restarts[1][0] - world.restarts[0][0] >= LOOK_SECONDS


def test_where_a_start_does_not_help_the_others_stay_and_restarts_are_bounded(make, capsys):
    world = make()
    world.pass_time(60)
    world.open.update(world.names)
    world.hopeless.update(world.names)
    world.pass_time(50 * 60)
    assert world.restarted() == ["tren-api"] * watch.RESTARTS
    told = capsys.readouterr().out.splitlines()
    assert told.count("tren-api is left alone: it was restarted 3 times within an hour") == 1
    assert told.count("tren-api-2 is left alone: a start did not help tren-api") == 1
    world.pass_time(3600)
    assert len(world.restarts) <= 3 * watch.RESTARTS


@pytest.mark.parametrize("state", ["unhealthy", "paused", "starting"])
def test_nothing_is_restarted_while_what_it_needs_is_ill(make, capsys, state):
    world = make()
    world.pass_time(60)
    world.open.update(world.names)
    world.health["tren-redis"] = state
    world.pass_time(600)
    assert world.restarts == []
    assert "tren-api is left alone: tren-redis is not well itself" in capsys.readouterr().out.splitlines()
    world.health["tren-redis"] = "healthy"
    world.open.clear()
    world.pass_time(60)
    assert world.restarts == []


def test_an_instance_that_answers_nothing_is_restarted_also_without_a_password(make):
    for with_password in (True, False):
        world = make(with_password=with_password)
        world.health["tren-api"] = "unhealthy"
        world.pass_time(200)
        assert world.restarted() == ["tren-api"]


def test_a_lost_session_is_begun_anew_and_nothing_else(make, capsys):
    world = make()
    world.pass_time(120)
    world.sessions.clear()
    world.pass_time(300)
    assert len(world.logins) == 2
    assert world.restarts == []
    assert capsys.readouterr().out == ""


def test_logins_that_fail_stay_below_what_the_application_allows(make):
    world = make()
    # No session yet, so that each look is a login.
    world.open.update(world.names)
    world.hopeless.update(world.names)
    world.pass_time(3600)
    for moment, _address in world.logins:
        assert len([other for other, _address in world.logins if 0 <= other - moment < 900]) <= watch.LOGINS


def test_after_failed_logins_the_log_decides(make):
    """An instance that is well again is not restarted because nobody may log in for a quarter of an hour."""
    world = make()
    world.open.update(world.names)
    world.health["tren-redis"] = "paused"
    world.pass_time(100)
    world.open.clear()
    world.health["tren-redis"] = "healthy"
    world.pass_time(1200)
    assert world.restarts == []


def test_a_password_that_is_not_his_any_more_is_asked_once(make, capsys):
    world = make()
    world.password = "another one"
    world.pass_time(3600)
    assert len(world.logins) == 1
    assert capsys.readouterr().out.splitlines() == [
        "The administrator's login answered 400: from now on only the log is looked at. Is trenova_admin_password the "
        "one that he has?"]
    world.open.add("tren-api")
    world.pass_time(120)
    assert world.restarted() == ["tren-api"]
    # A run of the playbook has written the right one.
    os.utime(world.login["body_file"], (1, 1))
    world.password = PASSWORD
    world.pass_time(120)
    assert len(world.logins) == 2
    assert len(world.sessions) == 1


def test_looks_far_apart_do_not_add_up(make):
    world = make()
    world.pass_time(60)
    world.open.add("tren-api")
    world.pass_time(20 * 61, gap=61)
    assert world.restarts == []


def test_times_of_another_boot_are_forgotten(make):
    world = make()
    world.pass_time(600)
    world.now, before = 10.0, len(world.asked)
    world.pass_time(300)
    assert world.restarts == []
    assert len(world.asked) - before >= 8


def test_it_leaves_its_turn_out_while_a_deployment_is_at_work(make):
    world = make()
    with locking.held(watch.LOCK):
        world.pass_time(120)
    assert world.asked == world.logins == []
    assert locking.LOCK == "/run/trenova.lock"
    assert 'LOCK = "/run/trenova.lock"' in SOURCE.read_text()


def test_an_engine_that_is_stopped_stays_so(make):
    world = make()
    world.engine_runs = False
    world.pass_time(120)
    assert world.asked == world.logins == []


def test_the_session_is_for_root_alone(make, tmp_path):
    world = make()
    world.pass_time(60)
    memory = tmp_path / "memory.json"
    assert stat.S_IMODE(memory.stat().st_mode) == 0o600
    assert PASSWORD not in memory.read_text()
    assert "session=" in memory.read_text()


def test_it_runs_on_the_python_of_old_hosts():
    """Nothing in it is newer than Python 3.8, which compiles no match, no unparenthesised with and no new names."""
    import ast  # noqa: PLC0415

    tree = ast.parse(SOURCE.read_text(), feature_version=(3, 8))
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not used & {"removeprefix", "removesuffix", "UTC", "pairwise", "bit_count"}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 1), st.integers(1, 12)), max_size=12), st.booleans())
def test_no_more_restarts_than_the_limit_and_never_two_at_a_time(make, story, with_password):
    world = make(with_password=with_password)
    for event, which, looks in story:
        name = world.names[which]
        if event == "open":
            world.open.add(name)
        elif event == "close":
            world.open.discard(name)
        elif event == "lost":
            world.sessions.clear()
        else:
            world.health["tren-redis"] = "unhealthy" if event == "ill" else "healthy"
        world.pass_time(looks * LOOK_SECONDS)
    for name in world.names:
        mine = [moment for moment, restarted in world.restarts if restarted == name]
        for moment in mine:
            assert len([other for other in mine if 0 <= other - moment < 3600]) <= watch.RESTARTS
    moments = [moment for moment, _name in world.restarts]
    assert all(after - before >= LOOK_SECONDS for before, after in zip(moments, moments[1:], strict=False))
