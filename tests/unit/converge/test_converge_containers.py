# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Starting, waiting, replacing one by one, holding clients meanwhile, and going back where that fails."""

from __future__ import annotations

import os
import threading

import pytest
from converge_builders import MIB
from fake_engine import Clock, Killed

from ansible_collections.trenova.selfhost.plugins.module_utils import files
from ansible_collections.trenova.selfhost.plugins.module_utils.converge import containers
from ansible_collections.trenova.selfhost.plugins.module_utils.converge.errors import ConvergeError
from ansible_collections.trenova.selfhost.plugins.module_utils.converge.tools import Tools
from ansible_collections.trenova.selfhost.plugins.module_utils.engine import EngineError

NOT_HEALTHY = "tren-redis did not become healthy: "


@pytest.mark.parametrize(("ends_up", "says", "seconds"), [
    ("unhealthy",
     "30 s have passed (state running, exit code 0, health unhealthy); its check said: asked for its health", 30),
    ("starting", "30 s have passed (state running, exit code 0, health starting)", 30),
    ("exited", "it ended (state exited, exit code 3, health starting)", 0),
    ("crashing", "it ended 5 times (state running, exit code 0, health starting)", 1),
])
def test_a_container_that_does_not_serve_is_told_with_its_last_words(host, ends_up, says, seconds):
    host.engine.ends_up["sha256:redis:1"] = ends_up
    run = host.run(host.service("redis"))
    assert run.failure() == f"redis: {NOT_HEALTHY}{says}\n  The last log lines:\n    last words of tren-redis"
    assert run.result()["services"]["redis"]["log_lines"] == ["last words of tren-redis"]
    assert seconds <= host.clock.now < seconds + 1


def test_a_container_is_given_the_time_that_it_may_take(host):
    redis = host.service("redis")
    redis["containers"][0]["wait_seconds"] = 90
    host.engine.ends_up["sha256:redis:1"] = "starting"
    host.clock.on_sleep = lambda: host.clock.now > 80 and host.engine.ends_up.clear()
    host.converge(redis)


def test_restarts_of_before_do_not_count(host):
    host.converge(host.service("redis"))
    host.container("tren-redis").update(RestartCount=9)
    host.container("tren-redis")["State"]["Health"]["Status"] = "starting"
    host.engine.ends_up["sha256:redis:1"] = "starting"
    host.clock.on_sleep = host.engine.ends_up.clear
    host.converge(host.service("redis"))


def test_a_container_that_somebody_removes_meanwhile_is_told(host):
    host.engine.ends_up["sha256:redis:1"] = "starting"
    host.clock.on_sleep = host.engine.found.clear
    assert "redis: tren-redis is gone, somebody else has removed it" in host.run(host.service("redis")).failure()


def test_what_failed_where_nothing_ran_before_is_left_to_look_at(host):
    host.engine.ends_up["sha256:redis:1"] = "unhealthy"
    run = host.run(host.service("redis", files={"config/redis.conf": "a"}))
    assert host.container("tren-redis")["State"]["Status"] == "running"
    assert (host.directory / "redis/config/redis.conf").exists()
    assert run.result()["services"]["redis"]["put_back"] == []
    host.engine.ends_up.clear()
    host.converge(host.service("redis", files={"config/redis.conf": "a"}))


def test_what_compose_says_of_a_start_that_fails_has_the_containers_name(host):
    host.engine.failing["compose up"] = "port is already allocated"
    assert host.run(host.service("redis")).failure() == "redis: tren-redis was not started: port is already allocated"


# -- Back -------------------------------------------------------------------------------------------------------------


def both(host, version="1", image=None, limits=None, **more):
    return host.service(
        "redis", "tren-redis", "tren-redis-2", version=version, image=image, limits=limits,
        files={"config/redis.conf": version}, secrets={"secrets/acl": version}, **more)


def test_what_ran_before_is_put_back_with_its_files(host):
    host.converge(both(host))
    before, files = host.engine.state()["containers"], host.files()
    host.engine.ends_up["sha256:redis:2"] = "unhealthy"
    host.forget_calls()
    run = host.run(both(host, version="2", image="redis:2"))
    result = run.result()
    assert run.failure().splitlines()[0].startswith("redis: " + NOT_HEALTHY)
    assert run.failure().splitlines()[-1] == "Put back: tren-redis."
    assert (result["rolled_back"], result["started"], result["changed_files"]) == (["tren-redis"], [], [])
    assert result["diff"] == []
    assert host.engine.state()["containers"] == before
    assert {path: text for path, text in host.files().items() if ".state" not in path} == {
        path: text for path, text in files.items() if ".state" not in path}
    # The second one was never touched: one by one, in the given order.
    assert host.engine.calls == ["pull --quiet redis:2"] + ["compose up --detach --no-deps --force-recreate redis"] * 2


def test_the_first_of_two_is_put_back_too_where_the_second_fails(host):
    host.converge(both(host))
    before = host.engine.state()["containers"]
    host.engine.failing["--force-recreate redis-2"] = "no space left on device"
    run = host.run(both(host, version="2"))
    assert run.result()["rolled_back"] == ["tren-redis"]
    assert "tren-redis-2 was not started: no space left" in run.failure()
    assert "tren-redis-2 could not be put back: tren-redis-2 was not started: no space" in str(
        run.result()["services"]["redis"]["says"])
    assert host.engine.state()["containers"] == before


def test_an_instance_that_is_added_and_fails_puts_the_files_back_and_leaves_the_others_alone(host):
    host.converge(host.service("api", "tren-api", limits={"memory": 512 * MIB}))
    fragment = (host.directory / "api/compose.yaml").read_text()
    host.engine.failing["no-deps api-2"] = "no space left on device"
    run = host.run(host.service("api", "tren-api", "tren-api-2", limits={"memory": 768 * MIB}))
    assert run.failure() == "api: tren-api-2 was not started: no space left on device"
    assert run.result()["limited"] == []
    assert (host.directory / "api/compose.yaml").read_text() == fragment
    assert host.container("tren-api")["HostConfig"]["Memory"] == 512 * MIB


def test_limits_that_were_set_live_are_put_back_when_the_service_fails_later(host):
    old, new = {"memory": 512 * MIB, "nano_cpus": 10**9}, {"memory": 768 * MIB, "nano_cpus": 2 * 10**9}
    reload = [{"files": [host.path("redis", "config/redis.conf")], "container": "tren-redis", "command": ["reread"]}]
    host.converge(both(host, limits=old, reload=reload))
    before = host.engine.state()["containers"]
    host.engine.failing["reread"] = "no such setting"
    wanted = both(host, limits=new, reload=reload)
    wanted["files"][-1]["content"] = "other"
    run = host.run(wanted)
    assert run.result()["rolled_back"] == ["limits of tren-redis", "limits of tren-redis-2"]
    assert run.result()["limited"] == []
    configs = {name: found[3] for name, found in host.engine.state()["containers"].items()}
    assert configs == {name: dict(found[3], PidsLimit=-1) for name, found in before.items()}


def test_limits_that_cannot_be_put_back_do_not_hide_the_first_cause(host):
    reload = [{"files": [host.path("redis", "config/redis.conf")], "container": "tren-redis", "command": ["reread"]}]
    host.converge(both(host, limits={"memory": 512 * MIB}, reload=reload))
    host.engine.failing.update({"reread": "no such setting", f"--memory {512 * MIB}": "no"})
    wanted = both(host, limits={"memory": 768 * MIB}, reload=reload)
    wanted["files"][-1]["content"] = "other"
    assert host.run(wanted).failure().startswith("redis: no such setting")


def test_a_limit_that_the_engine_refuses_to_set_replaces_the_container(host):
    host.converge(host.service("redis", limits={"memory": 512 * MIB}))
    host.engine.failing["update"] = "the kernel does not want that"
    result = host.converge(host.service("redis", limits={"memory": 768 * MIB}))["services"]["redis"]
    assert result["says"][-1] == "replaced tren-redis: the Engine refused to set its new limits live"
    assert (result["state"], result["limited"], result["started"]) == ("replaced", [], ["tren-redis"])
    assert host.container("tren-redis")["HostConfig"]["Memory"] == 768 * MIB


def test_limits_that_a_new_container_does_not_have_are_set_at_once(host):
    redis = host.service("redis")
    redis["containers"][0]["limits"] = {"memory": 512 * MIB}
    host.converge(redis)
    assert host.container("tren-redis")["HostConfig"]["Memory"] == 512 * MIB
    assert host.converge(redis)["changed"] is False


def test_a_container_that_could_not_be_healed_is_not_started_from_the_same_files_twice(host):
    host.converge(host.service("redis"))
    host.engine.ends_up["sha256:redis:1"] = "unhealthy"
    host.container("tren-redis")["State"]["Health"]["Status"] = "unhealthy"
    host.forget_calls()
    started = host.clock.now
    assert host.run(host.service("redis")).failure()
    assert host.engine.calls == ["compose up --detach --no-deps --force-recreate redis"]
    assert host.clock.now - started < 31


def test_another_image_behind_a_reference_that_fails_gives_the_reference_back(host):
    host.converge(host.service("redis"))
    host.engine.local["redis:1"] = "sha256:new"
    host.engine.ends_up["sha256:new"] = "unhealthy"
    run = host.run(host.service("redis"))
    assert run.failure()
    assert run.result()["rolled_back"] == ["image redis:1", "tren-redis"]
    assert host.engine.local["redis:1"] == host.container("tren-redis")["Image"] == "sha256:redis:1"
    assert host.container("tren-redis")["State"]["Health"]["Status"] == "healthy"


def test_files_that_cannot_be_written_are_put_back_and_nothing_is_started(host, monkeypatch):
    host.converge(both(host))
    before = host.files()
    replace = files._replace

    def full(path, *arguments):
        if path.endswith("secrets/acl"):
            raise OSError(28, "No space left on device")
        replace(path, *arguments)

    monkeypatch.setattr(files, "_replace", full)
    host.forget_calls()
    run = host.run(both(host, version="2"))
    assert run.failure() == (
        "redis: the files cannot be written, nothing was started: [Errno 28] No space left on device")
    assert host.engine.calls == []
    assert {path: text for path, text in host.files().items() if ".state" not in path} == {
        path: text for path, text in before.items() if ".state" not in path}


def test_on_a_disk_so_full_that_not_even_the_record_can_go_nothing_is_begun(host, monkeypatch):
    host.converge(both(host))
    before = host.files()

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "_replace", full)
    assert host.run(both(host, version="2")).failure() == "redis: [Errno 28] No space left on device"
    assert host.files() == before


def test_the_base_file_that_others_hold_with_is_not_put_back(host):
    host.converge(host.service("minio"))
    host.networks["app"] = {"name": "trenova_app"}
    host.engine.ends_up["sha256:minio:2"] = "unhealthy"
    started = threading.Event()
    step = host.mortal.step
    host.mortal.step = lambda: step() or "tren-caddy" in host.engine.found and started.set()
    # MinIO has written the base file, and fails when Caddy has been started by it.
    host.clock.on_sleep = lambda: "tren-minio" in host.engine.found and host.clock.now > 1 and started.wait(5)
    caddy = host.service("caddy", networks=["app"], reload=[{
        "files": [], "container": "tren-caddy", "command": ["hello"], "after_start": True}])
    assert host.run(host.service("minio", image="minio:2"), caddy).failure()
    assert "trenova_app" in (host.directory / "compose.yaml").read_text()
    assert host.container("tren-minio")["State"]["Status"] == "running"


def test_the_base_file_that_nobody_else_holds_with_is_put_back(host):
    host.converge(host.service("minio"))
    host.networks["app"] = {"name": "trenova_app"}
    host.engine.ends_up["sha256:minio:2"] = "unhealthy"
    assert host.run(host.service("minio", image="minio:2"), host.service("client", needs=["minio"])).failure()
    assert "trenova_app" not in (host.directory / "compose.yaml").read_text()


def test_after_a_fragment_is_put_back_the_list_of_compose_files_is_valid(host, monkeypatch):
    host.converge(host.service("redis"))
    job = {"service": "check", "once_per": "files"}
    host.engine.job_results["check"] = (1, "no")
    seen = []
    unlink = os.unlink

    def removes(path):
        if str(path).endswith("backup/compose.yaml"):
            seen.append((host.directory / ".env").read_text())
        unlink(path)

    monkeypatch.setattr(os, "unlink", removes)
    assert host.run(host.without_containers("backup", jobs=[job])).failure()
    assert not (host.directory / "backup/compose.yaml").exists()
    # Not even for a moment does it name a file that is not there.
    assert len(seen) == 1
    assert "backup" not in seen[0]
    assert "COMPOSE_FILE=compose.yaml:redis/compose.yaml\n" in (host.directory / ".env").read_text()


# -- Holding clients --------------------------------------------------------------------------------------------------

HOLD = [{
    "container": "tren-pgbouncer", "before": ["PAUSE"], "after": ["RESUME"], "seconds": 9,
    "says": "Making clients wait"}]
REPLACE = "compose up --detach --no-deps --force-recreate db"
PAUSE, RESUME = "exec tren-pgbouncer PAUSE", "exec tren-pgbouncer RESUME"


def database(host, version="1", image=None, hold=tuple(HOLD), **more):
    return [
        host.service("postgres", "tren-db", version=version, image=image, hold=list(hold), **more),
        host.service("pgbouncer", needs=["postgres"])]


def test_clients_wait_while_a_container_that_ran_is_replaced_and_only_then(host):
    host.converge(*database(host))
    assert not [call for call in host.engine.calls if "exec" in call]
    host.forget_calls()
    host.converge(*database(host, version="2"))
    assert host.engine.calls == [PAUSE, REPLACE, RESUME]
    assert "held" not in host.state("postgres")


@pytest.mark.parametrize("happens", [
    lambda host: host.container("tren-db")["State"].update(Status="exited"),
    lambda host: host.container("tren-db")["State"].update(Status="dead"),
    lambda host: host.container("tren-pgbouncer")["State"].update(Status="exited"),
    lambda host: host.container("tren-db")["HostConfig"].update(RestartPolicy={"Name": "no"}),
])
def test_nobody_is_made_to_wait_for_what_does_not_run_or_is_not_restarted(host, happens):
    host.converge(*database(host))
    happens(host)
    host.forget_calls()
    host.converge(*database(host))
    assert host.engine.calls
    assert not [call for call in host.engine.calls if "exec" in call]


def test_clients_that_cannot_be_made_to_wait_stop_nobody_and_are_let_go_all_the_same(host):
    host.converge(*database(host))
    host.forget_calls()
    host.engine.failing["PAUSE"] = "took longer than 9 s"
    result = host.converge(*database(host, version="2"))["services"]["postgres"]
    assert host.engine.calls == [PAUSE, REPLACE, RESUME]
    assert "Making clients wait did not work, went on without: took longer than 9 s" in result["says"]


def test_clients_are_let_go_when_the_replacement_fails_and_again_when_it_is_put_back(host):
    host.converge(*database(host))
    host.forget_calls()
    host.engine.ends_up["sha256:postgres:2"] = "unhealthy"
    assert host.run(*database(host, image="postgres:2")).failure()
    assert host.engine.calls[1:] == [PAUSE, REPLACE, RESUME] * 2


def test_letting_go_is_tried_three_times(host):
    host.converge(*database(host))
    host.forget_calls()
    host.engine.failing["RESUME"] = "busy"
    attempts = []

    def world():
        attempts.append(1)
        if len(attempts) == 2:
            host.engine.failing.clear()

    host.clock.on_sleep = world
    host.converge(*database(host, version="2"))
    assert host.engine.calls == [PAUSE, REPLACE, RESUME, RESUME, RESUME]


def test_clients_that_cannot_be_let_go_are_a_failure_and_the_next_run_tries_again(host):
    host.converge(*database(host))
    host.forget_calls()
    host.engine.failing["RESUME"] = "busy"
    run = host.run(*database(host, version="2"))
    assert "postgres: tren-pgbouncer did not let its clients go on: RESUME failed" in run.failure()
    assert host.engine.calls == [PAUSE, REPLACE, RESUME, RESUME, RESUME]
    assert host.state("postgres")["held"] == [dict(HOLD[0])]
    host.engine.failing.clear()
    host.forget_calls()
    says = host.converge(*database(host, version="2"), check=True)["services"]["postgres"]["says"]
    result = host.converge(*database(host, version="2"))["services"]["postgres"]
    assert host.engine.calls == [RESUME]
    assert result["says"] == says == [
        "told clients of tren-pgbouncer to go on, which an earlier run had left waiting"]
    assert result["state"] == "written"
    assert "held" not in host.state("postgres")


def test_clients_of_a_container_that_has_ended_meanwhile_need_not_be_let_go(host):
    host.converge(*database(host))
    host.forget_calls()
    host.engine.on_exec = lambda container, command: host.container(container)["State"].update(Status="exited")
    host.run(*database(host, version="2"))
    assert host.engine.calls[:2] == [PAUSE, REPLACE]
    assert RESUME not in host.engine.calls
    assert "held" not in host.state("postgres")


def test_clients_that_a_killed_run_left_waiting_are_let_go_by_a_run_about_something_else(host):
    host.converge(*database(host))
    host.mortal.dies_at = host.mortal.count + 2
    with pytest.raises(Killed):
        host.run(*database(host, version="2"))
    host.mortal.dies_at = None
    host.forget_calls()
    host.converge(host.service("redis"))
    assert host.engine.calls[0] == RESUME
    assert "held" not in host.state("postgres")


# -- Starting together ------------------------------------------------------------------------------------------------


class Compose:
    """Compose, with failures by the name of a service."""

    def __init__(self, fails=()):
        self.fails = fails
        self.calls = []

    def compose(self, *arguments, seconds):
        self.calls.append(arguments[3:])
        failing = [name for name in arguments if name in self.fails]
        return type("Done", (), {"returncode": len(failing), "stderr": f"no {failing}"})


@pytest.mark.parametrize(("fails", "calls"), [
    ((), [("a", "b", "c")]), (("b",), [("a", "b", "c"), ("a",), ("b",), ("c",)])])
def test_what_becomes_possible_together_starts_with_one_command_and_each_failure_has_a_name(fails, calls):
    compose, clock = Compose(fails), Clock()
    starter = containers.Starter(Tools(compose, clock))
    faults, others = {}, []

    def start(name):
        try:
            starter.start([{"service": name, "name": f"tren-{name}"}])
        except ConvergeError as error:
            faults[name] = str(error)

    def meanwhile():
        for number, name in enumerate("bc"):
            others.append(threading.Thread(target=start, args=name))
            others[-1].start()
            while len(starter.batch.services) < number + 2:
                pass

    clock.on_sleep = meanwhile
    start("a")
    for thread in others:
        thread.join(5)
    assert (compose.calls[0], sorted(compose.calls[1:])) == (calls[0], calls[1:])
    assert faults == {name: f"tren-{name} was not started: no ['{name}']" for name in fails}


def test_a_start_that_does_not_end_is_a_failure_of_that_start(host):
    def hangs(*_arguments, **_options):
        raise EngineError("docker compose took longer than 1800 s")

    host.engine.compose = hangs
    assert "redis: tren-redis was not started: docker compose took longer" in host.run(host.service("redis")).failure()
