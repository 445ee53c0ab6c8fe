# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""All services in one go: order, side by side and one by one, two steps of an edge, removals, and what is told."""

from __future__ import annotations

import itertools
import json
import os
import shutil

import pytest

from ansible_collections.trenova.selfhost.plugins.module_utils.converge import releases, service
from ansible_collections.trenova.selfhost.plugins.module_utils.engine import EngineError


def house(host, version="1", **images):
    """Services as they need each other."""
    return [
        host.service("postgres", version=version, image=images.get("postgres")),
        host.service("redis", version=version, image=images.get("redis")),
        host.service("pgbouncer", needs=["postgres"], version=version),
        host.service("api", needs=["pgbouncer", "redis", "minio"], version=version),
    ]


def states(run):
    return {name: found["state"] for name, found in run.result()["services"].items()}


def test_a_service_starts_when_all_that_it_needs_serve(host):
    # In the plan the one that needs stands first.
    result = host.converge(*reversed(house(host)))
    events = host.engine.events
    for name, need in (("pgbouncer", "postgres"), ("api", "pgbouncer"), ("api", "redis")):
        assert events.index(("serves", f"tren-{need}")) < events.index(("started", f"tren-{name}"))
    assert list(result["services"]) == ["api", "pgbouncer", "redis", "postgres"]


@pytest.mark.parametrize(("needs", "circle"), [
    ({"a": "b", "b": "a"}, "a → b → a"), ({"a": "a"}, "a → a"),
    ({"z": "b", "b": "c", "c": "d", "d": "b"}, "b → c → d → b")])
def test_services_that_need_each_other_are_told_before_anything_is_changed(host, needs, circle):
    with pytest.raises(host.error, match=f"need each other in a circle: {circle}. Take one of these needs out."):
        host.run(*[host.service(name, needs=[need]) for name, need in needs.items()], host.service("redis"))
    assert host.files() == {}


def test_what_ran_before_is_replaced_one_service_after_the_other_in_the_order_of_the_plan(host):
    host.converge(*house(host))
    host.forget_calls()
    host.converge(*house(host, version="2"))
    names = ["tren-postgres", "tren-redis", "tren-pgbouncer", "tren-api"]
    assert host.engine.events == [(event, name) for name in names for event in ("started", "serves")]


def test_a_failure_stops_those_that_need_it_and_nobody_else(host):
    host.engine.ends_up["sha256:postgres:1"] = "unhealthy"
    run = host.run(*house(host), host.service("caddy"))
    assert states(run) == {
        "postgres": "failed", "redis": "started", "pgbouncer": "waited", "api": "waited", "caddy": "started"}
    assert run.result()["services"]["api"]["says"] == ["waited for postgres"]
    assert run.failure().splitlines()[0].startswith("postgres: tren-postgres did not become healthy")
    assert run.failure().splitlines()[-2:] == [
        "Not begun because of that: pgbouncer, api.", "In their wanted state: redis, caddy."]
    assert not (host.directory / "api").exists()
    assert run.result()["changed"] is True
    host.engine.ends_up.clear()
    assert host.converge(*house(host), host.service("caddy"))["started"] == [
        "tren-postgres", "tren-pgbouncer", "tren-api"]


def test_what_has_nothing_to_do_is_looked_at_once(host):
    host.converge(*house(host))
    asked = []
    containers_of = host.engine.containers_of
    host.engine.containers_of = lambda project: asked.append(project) or containers_of(project)
    host.converge(*house(host))
    assert asked == ["trenova"]


def test_what_has_nothing_to_do_does_not_wait_for_a_need_that_fails(host):
    host.converge(*house(host))
    host.engine.ends_up["sha256:postgres:2"] = "unhealthy"
    wanted = [host.service("postgres", image="postgres:2"), *house(host)[1:]]
    run = host.run(*wanted)
    assert states(run) == {"postgres": "failed", "redis": "unchanged", "pgbouncer": "unchanged", "api": "unchanged"}


def test_all_first_causes_are_told(host):
    host.engine.ends_up.update({"sha256:postgres:1": "unhealthy", "sha256:redis:1": "exited"})
    message = host.run(*house(host)).failure()
    assert "redis: tren-redis did not become healthy" in message
    assert "postgres: tren-postgres did not become healthy" in message


def test_a_fault_of_this_program_is_no_failure_of_a_service(host, monkeypatch):
    monkeypatch.setattr(host.engine, "compose", lambda *words, seconds: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        host.run(*house(host))


def test_a_service_follows_what_was_replaced_before_it(host):
    def wanted(limits=None, version="1"):
        return [
            host.service("redis", version=version, limits=limits),
            host.service("api", needs=["redis"], follows=["tren-redis"])]

    host.converge(*wanted())
    foretold = host.converge(*wanted(version="2"), check=True)
    done = host.converge(*wanted(version="2"))
    assert done["services"]["api"]["says"] == foretold["services"]["api"]["says"] == [
        "restarted tren-api: tren-redis was started after it"]
    assert host.converge(*wanted(version="2"))["changed"] is False
    # A limit that is set live restarts nobody; one that the Engine refuses is a restart after all.
    assert host.converge(*wanted({"pids_limit": 100}, "2"))["started"] == []
    host.engine.failing["update"] = "no"
    assert host.converge(*wanted({"pids_limit": 200}, "2"))["started"] == ["tren-redis", "tren-api"]


def test_starts_are_collected_a_moment(host):
    host.converge(host.service("redis"))
    assert host.clock.now == pytest.approx(0.05)


# -- Two steps --------------------------------------------------------------------------------------------------------


def edge(host, upstreams, interim=None, names=("tren-api",), between=None, past=None, **more):
    """An edge that leads to some instances, and the instances. past: {instance: what leads to the others alone}."""
    caddyfile = host.path("caddy", "config/Caddyfile")
    reload = [{"files": [caddyfile], "container": "tren-caddy", "command": ["caddy", "reload"]}]
    first = [] if interim is None else [{"path": caddyfile, "content": interim}]
    second = [] if between is None else [{"path": caddyfile, "content": between}]
    return [
        host.service(
            "caddy", files={"config/Caddyfile": upstreams}, interim=first, between=second, reload=reload,
            past=[{"container": name, "files": [{"path": caddyfile, "content": content}]}
                  for name, content in (past or {}).items()]),
        host.service("api", *names, needs=["caddy"], **more)]


def caddyfile(host):
    return (host.directory / "caddy/config/Caddyfile").read_text()


class Steps:
    """What the edge leads to at each event."""

    def __init__(self, host):
        self.seen = []
        step = host.mortal.step

        def look():
            step()
            self.seen.append((host.engine.calls[-1] if host.engine.calls else "", caddyfile(host)))

        host.mortal.step = look

    def at(self, call):
        """What it led to whenever a call was made, which is noted after its step."""
        return [content for (_before, content), (made, _content) in itertools.pairwise(self.seen) if made == call]


def test_the_edge_leads_to_a_new_instance_after_it_serves_and_away_from_an_old_one_before_it_stops(host):
    host.converge(*edge(host, "one"))
    host.forget_calls()
    calls = ["exec tren-caddy caddy reload", "stop tren-api", "rm tren-api"]
    wanted = edge(host, "two", interim="one", names=["tren-api-2"])
    says = {name: found["says"] for name, found in host.converge(*wanted, check=True)["services"].items()}
    done = host.converge(*wanted)
    assert host.engine.calls == ["compose up --detach --no-deps api-2", *calls]
    assert done["services"]["caddy"]["state"] == "reloaded"
    assert {name: found["says"] for name, found in done["services"].items()} == says
    assert caddyfile(host) == "two"
    assert "pending" not in host.state("caddy")
    assert host.converge(*wanted)["changed"] is False


def test_the_first_step_is_taken_where_what_is_there_is_neither(host):
    host.converge(*edge(host, "one"))
    steps = Steps(host)
    host.converge(*edge(host, "three", interim="two", version="2"))
    assert [content for _call, content in steps.seen] == ["two", "two", "three"]
    assert host.engine.calls[-3:] == [
        "exec tren-caddy caddy reload", "compose up --detach --no-deps --force-recreate api",
        "exec tren-caddy caddy reload"]


def test_the_edge_leads_to_what_is_new_before_the_first_of_what_ran_is_replaced(host):
    host.converge(*edge(host, "one"))
    steps = Steps(host)
    host.forget_calls()
    host.converge(*edge(host, "two", interim="one", names=["tren-api", "tren-api-2"], version="2"))
    assert host.engine.calls == [
        "compose up --detach --no-deps api-2", "exec tren-caddy caddy reload",
        "compose up --detach --no-deps --force-recreate api"]
    assert [content for _call, content in steps.seen][-1] == caddyfile(host) == "two"


def test_what_will_go_is_led_to_until_all_is_done(host):
    host.converge(*edge(host, "one and two", names=["tren-api", "tren-api-2"]))
    steps = Steps(host)
    host.forget_calls()
    host.converge(*edge(
        host, "one and three", interim="one and two", between="one, two and three", names=["tren-api", "tren-api-3"],
        version="2"))
    seen = [content for _call, content in steps.seen]
    assert list(dict.fromkeys(seen)) == ["one and two", "one, two and three", "one and three"]
    assert host.engine.calls[-2:] == ["stop tren-api-2", "rm tren-api-2"]


def test_an_edge_that_cannot_be_widened_fails_who_asked_for_it_and_nothing_that_ran_is_replaced(host):
    host.converge(*edge(host, "one"))
    before = host.container("tren-api")["State"]["StartedAt"]
    host.engine.failing["caddy reload"] = "unknown directive"
    run = host.run(*edge(host, "two", interim="one", names=["tren-api", "tren-api-2"], version="2"))
    assert "unknown directive" in run.failure()
    assert caddyfile(host) == "one"
    assert host.container("tren-api")["State"]["StartedAt"] == before


@pytest.mark.parametrize("interim", ["two", None])
def test_without_another_first_step_there_is_one(host, interim):
    host.converge(*edge(host, "one"))
    host.forget_calls()
    host.converge(*edge(host, "two", interim=interim, version="2"))
    assert host.engine.calls == [
        "exec tren-caddy caddy reload", "compose up --detach --no-deps --force-recreate api"]


def test_what_has_its_last_files_does_not_go_back_to_the_first_step(host):
    host.converge(*edge(host, "two"))
    assert host.converge(*edge(host, "two", interim="one"))["changed"] is False


def test_after_a_failure_the_edge_keeps_its_first_step_and_nothing_is_taken_away(host):
    host.converge(*edge(host, "one", names=["tren-api", "tren-api-2"]))
    host.engine.ends_up["sha256:api:2"] = "unhealthy"
    run = host.run(*edge(host, "three", interim="two", names=["tren-api"], image="api:2"))
    assert caddyfile(host) == "two"
    assert "tren-api-2" in host.engine.found
    assert run.result()["services"]["caddy"]["says"][-1] == "keeps the files of its first step, because api failed"
    assert "In their wanted state" not in run.failure()
    assert "record" not in host.state("caddy")
    host.engine.ends_up.clear()
    host.converge(*edge(host, "three", interim="two", names=["tren-api"], image="api:2"))
    assert caddyfile(host) == "three"
    assert "tren-api-2" not in host.engine.found


def test_a_second_step_that_fails_goes_back_to_the_first(host):
    host.converge(*edge(host, "one"))
    wanted = edge(host, "two", interim="one", version="2")
    host.engine.failing["caddy reload"] = "unknown directive"
    run = host.run(*wanted)
    assert (states(run)["caddy"], states(run)["api"]) == ("failed", "replaced")
    assert run.failure().startswith("caddy: unknown directive")
    assert caddyfile(host) == "one"
    host.engine.failing.clear()
    host.converge(*wanted)
    assert caddyfile(host) == "two"


# -- Requests that run ------------------------------------------------------------------------------------------------


BOTH = ["tren-api", "tren-api-2"]
PAST = {"tren-api": "two", "tren-api-2": "one"}


def test_the_edge_leads_past_an_instance_while_it_is_replaced_and_requests_in_it_may_end(host):
    host.converge(*edge(host, "both", names=BOTH))
    steps = Steps(host)
    host.forget_calls()
    before = host.clock.now
    done = host.converge(*edge(host, "both", names=BOTH, past=PAST, version="2", drain_seconds=3))
    assert steps.at("compose up --detach --no-deps --force-recreate api") == ["two"]
    assert steps.at("compose up --detach --no-deps --force-recreate api-2") == ["one"]
    assert caddyfile(host) == "both"
    assert [call for call in host.engine.calls if "reload" in call] == ["exec tren-caddy caddy reload"] * 4
    assert host.clock.now - before >= 6
    assert done["services"]["caddy"]["state"] == "unchanged"
    assert host.converge(*edge(host, "both", names=BOTH, past=PAST, version="2"))["changed"] is False


def test_nothing_is_led_past_for_a_change_of_limits(host):
    host.converge(*edge(host, "both", names=BOTH))
    host.forget_calls()
    host.converge(*edge(host, "both", names=BOTH, past=PAST, limits={"memory": 1 << 29}))
    assert [call for call in host.engine.calls if "reload" in call] == []


def test_where_the_edge_takes_two_steps_it_leads_back_to_all_that_serve(host):
    host.converge(*edge(host, "one"))
    steps = Steps(host)
    host.converge(*edge(
        host, "both", interim="one", names=BOTH, past={"tren-api": "two"}, version="2"))
    seen = [content for _call, content in steps.seen]
    assert [content for number, content in enumerate(seen) if seen[number - 1:number] != [content]] == [
        "one", "both", "two", "both"]


def test_what_goes_is_stopped_a_while_after_nobody_is_led_to_it(host):
    host.converge(*edge(host, "both", names=BOTH))
    steps, before = Steps(host), host.clock.now
    host.converge(*edge(host, "one", interim="both", past=PAST, drain_seconds=5))
    assert steps.at("stop tren-api-2") == ["one"]
    assert host.clock.now - before >= 5


def test_an_instance_that_fails_is_not_led_to_before_it_is_put_back(host):
    host.converge(*edge(host, "both", names=BOTH))
    steps = Steps(host)
    host.engine.ends_up["sha256:api:2"] = "unhealthy"
    run = host.run(*edge(host, "both", names=BOTH, past=PAST, image="api:2"))
    assert run.result()["services"]["api"]["put_back"] == ["tren-api"]
    assert steps.at("compose up --detach --no-deps --force-recreate api") == ["two", "two"]
    assert caddyfile(host) == "both"
    assert host.container("tren-api")["Image"] == "sha256:api:1"


def test_an_edge_that_cannot_lead_past_an_instance_leaves_it_as_it_is(host):
    host.converge(*edge(host, "both", names=BOTH))
    before = host.container("tren-api")["State"]["StartedAt"]
    host.engine.failing["caddy reload"] = "unknown directive"
    run = host.run(*edge(host, "both", names=BOTH, past=PAST, version="2"))
    assert "unknown directive" in run.failure()
    assert caddyfile(host) == "both"
    assert host.container("tren-api")["State"]["StartedAt"] == before


# -- Removals ---------------------------------------------------------------------------------------------------------


def with_units(host):
    """A service with a unit of systemd and a timer."""
    units = [host.systemd + name for name in ("backup.service", "backup.timer")]
    return units, host.service("backup", files=dict.fromkeys(units, "[Unit]"))


@pytest.fixture
def systemd(host, monkeypatch):
    """A folder of units."""
    host.systemd = str(host.root / "systemd") + "/"
    monkeypatch.setattr(service, "SYSTEMD", host.systemd)


@pytest.mark.usefixtures("systemd")
def test_a_service_goes_with_its_containers_files_and_units_and_its_data_stays(host):
    units, wanted = with_units(host)
    host.converge(wanted, host.service("redis"))
    data = host.root / "data"
    data.mkdir()
    gone = host.absent("backup", host_files=[*units, "/etc/none"])
    before = host.files(), host.engine.state()
    foretold = host.converge(gone, check=True)
    assert (host.files(), host.engine.state()) == before
    host.forget_calls()
    done = host.converge(gone)
    assert done["services"]["backup"]["says"] == foretold["services"]["backup"]["says"] == [
        "removed tren-backup", "removed its files"]
    assert (done["removed"], done["services"]["backup"]["state"]) == (["tren-backup"], "removed")
    assert host.engine.calls == ["stop tren-backup", "rm tren-backup --volumes"]
    assert host.commands == ["systemctl disable --quiet --now backup.timer", "systemctl daemon-reload"]
    assert not [path for path in host.files() if "backup" in path]
    assert "COMPOSE_FILE=compose.yaml:redis/compose.yaml\n" in (host.directory / ".env").read_text()
    assert data.exists()
    again = host.converge(gone)
    assert (again["changed"], again["services"]["backup"]["state"]) == (False, "unchanged")


@pytest.mark.usefixtures("systemd")
@pytest.mark.parametrize("outcome", [(1, "no such unit"), EngineError("systemctl cannot be run")])
def test_a_systemd_that_does_not_work_does_not_keep_a_service_from_going(host, outcome):
    units, wanted = with_units(host)
    host.converge(wanted)
    host.failing_commands["systemctl"] = outcome
    assert host.converge(host.absent("backup", host_files=units))["removed"] == ["tren-backup"]


def test_a_container_goes_although_an_administrator_has_removed_its_files(host):
    host.converge(host.service("minio"))
    shutil.rmtree(host.directory / "minio")
    (host.directory / ".state/minio.json").unlink()
    assert host.converge(host.absent("minio"))["services"]["minio"]["says"] == ["removed tren-minio"]
    assert host.engine.found == {}


def test_removals_come_last_and_in_reverse_order(host):
    host.converge(*house(host))
    host.forget_calls()
    host.converge(host.absent("postgres"), host.absent("pgbouncer"), host.service("redis", version="2"))
    assert host.engine.calls == [
        "compose up --detach --no-deps --force-recreate redis", "stop tren-pgbouncer", "rm tren-pgbouncer --volumes",
        "stop tren-postgres", "rm tren-postgres --volumes"]


def test_nothing_is_removed_after_a_failure(host):
    host.converge(*house(host))
    host.engine.ends_up["sha256:redis:2"] = "unhealthy"
    run = host.run(host.absent("minio"), host.absent("postgres"), host.service("redis", image="redis:2"))
    assert states(run) == {"minio": "unchanged", "postgres": "waited", "redis": "failed"}
    assert "tren-postgres" in host.engine.found


def test_a_removal_that_fails_is_told_and_done_by_the_next_run(host):
    host.converge(*house(host))
    host.engine.failing["stop"] = "the daemon is busy"
    assert host.run(host.absent("api")).failure().startswith("api: the daemon is busy")
    host.engine.failing.clear()
    host.converge(host.absent("api"))
    assert host.state("api") is None


def test_without_an_engine_the_remains_of_a_service_stay(host):
    host.converge(*house(host))
    host.engine.answers = False
    with pytest.raises(EngineError, match="does not answer"):
        host.run(host.absent("api"))
    assert (host.directory / "api").exists()
    assert host.converge(host.absent("minio"))["changed"] is False


# -- What is told -----------------------------------------------------------------------------------------------------


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_service_is_told_as_it_ends(host):
    path = host.root / "progress"
    host.engine.ends_up["sha256:postgres:1"] = "unhealthy"
    host.run(host.service("caddy"), progress=str(path))
    run = host.run(*house(host), host.absent("minio"), progress=str(path))
    first, *told = lines(path)
    assert first == {"total": 5}
    result = run.result()["services"]
    assert sorted(each["service"] for each in told) == sorted(result)
    for each in told:
        found = result[each["service"]]
        assert each == {"service": each["service"], "state": found["state"], "says": found["says"],
                        "seconds": found["seconds"]}
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_what_is_left_for_the_end_is_told_at_the_end(host):
    host.converge(*edge(host, "one"))
    path = host.root / "progress"
    host.converge(*edge(host, "two", interim="one", names=["tren-api-2"]), progress=str(path))
    told = {each["service"]: each for each in lines(path)[1:]}
    assert (told["caddy"]["state"], told["caddy"]["says"][-1]) == ("reloaded", "reloaded: caddy reload")
    assert told["api"]["says"][-1] == "removed tren-api: no longer wanted"


def test_the_file_of_the_progress_goes_when_the_result_is_there(host):
    path = host.root / "progress"
    run = host.run(host.service("redis"), progress=str(path))
    assert path.exists()
    run.progress.remove()
    run.progress.remove()
    assert not path.exists()


def test_no_secret_stands_in_the_progress(host):
    path = host.root / "progress"
    host.engine.failing["compose up"] = "cannot use s3cret for that"
    host.run(host.service("redis"), progress=str(path), secrets=["s3cret", ""])
    assert lines(path)[1]["says"][-1] == "tren-redis was not started: cannot use ******** for that"


def test_nobodys_run_fails_because_nobody_can_be_told(host):
    host.converge(host.service("redis"), progress=str(host.root / "no" / "folder"))


def test_a_check_tells_nobody(host):
    path = host.root / "progress"
    host.converge(host.service("redis"), progress=str(path), check=True)
    assert not path.exists()


def test_the_lists_of_all_services_are_gathered_in_the_order_of_the_plan(host):
    foretold = host.converge(*house(host), check=True)
    result = host.converge(*house(host))
    # The base file that all share is foretold, and written, once.
    assert sorted(foretold["changed_files"]) == sorted(result["changed_files"])
    assert result["started"] == ["tren-postgres", "tren-redis", "tren-pgbouncer", "tren-api"]
    assert len(result["changed_files"]) == len(set(result["changed_files"])) == 5
    assert len(result["diff"]) == 5
    assert not [entry for entry in result["diff"] if ".state" in str(entry)]


def test_what_a_service_takes_is_told_in_seconds(host):
    host.engine.ends_up["sha256:redis:1"] = "starting"
    host.clock.on_sleep = lambda: host.clock.now > 4 and host.engine.ends_up.clear()
    assert host.converge(host.service("redis"))["services"]["redis"]["seconds"] == pytest.approx(4.3, abs=0.3)


def test_files_that_a_killed_run_has_not_brought_to_their_places_go(host):
    redis = host.service("redis", files={"config/redis.conf": "a", str(host.root / "etc/unit"): "u"})
    host.converge(redis)
    left = [
        host.directory / "redis/config/.trenova-x", host.root / "etc/.trenova-y", host.directory / ".trenova-z",
        host.directory / ".state/.trenova-s"]
    for path in left:
        path.write_text("s3cret")
    assert host.converge(redis)["changed"] is False
    assert not [path for path in left if path.exists()]


def test_a_run_without_services_is_one(host):
    assert host.converge()["changed"] is False
    assert releases.read(str(host.directory)).services == {}
