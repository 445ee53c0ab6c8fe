# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is wanted against what is there: each difference is found, said in words, and put right, and nothing more."""

from __future__ import annotations

import os

import pytest
from converge_builders import MIB

from ansible_collections.trenova.selfhost.plugins.module_utils.converge import compare, releases
from ansible_collections.trenova.selfhost.plugins.module_utils.engine import EngineError

LIMITS = {"memory": 512 * MIB, "memory_swap": 512 * MIB, "pids_limit": 100}
UP = "compose up --detach --no-deps redis"
UP_ANEW = "compose up --detach --no-deps --force-recreate redis"
UPDATE = (
    f"update tren-redis --memory {512 * MIB} --memory-swap {512 * MIB} --pids-limit 100 --restart unless-stopped")


def wanted(host, **more):
    """Redis, with everything that can differ, and the database that it follows."""
    redis = host.service(
        "redis", limits=LIMITS, files={"config/redis.conf": "maxmemory 1gb\n"},
        secrets={"secrets/users.acl": "user >s3\n"}, directories=[{"path": str(host.root / "data"), "mode": "0700"}],
        follows=["tren-postgres"], needs=["postgres"],
        **more)
    return [host.service("postgres"), redis]


def everything(found):
    """What there is to see of a host in files and containers."""
    return found.files(), found.engine.state()


def container_is(**state):
    return lambda host: host.container("tren-redis")["State"].update(state)


def health_is(status):
    return container_is(Health={"Status": status, "Log": []})


def config_is(**config):
    return lambda host: host.container("tren-redis")["HostConfig"].update(config)


def another_digest(host):
    host.container("tren-redis")["Config"]["Labels"]["trenova.digest"] = "other"


def another_image(host):
    host.engine.local["redis:1"] = "sha256:new"


def off_the_network(host):
    host.container("tren-redis")["NetworkSettings"]["Networks"].clear()


def on_a_network_that_was_made_anew(host):
    host.container("tren-redis")["NetworkSettings"]["Networks"]["trenova_data"]["NetworkID"] = "gone"


def older_than_what_it_follows(host):
    host.container("tren-redis")["State"]["StartedAt"] = "2026-11-25T09:00:00Z"


CONTAINERS = [
    (lambda host: host.engine.found.pop("tren-redis"), "started", "started tren-redis", [UP]),
    (another_digest, "replaced", "replaced tren-redis: another definition", [UP_ANEW]),
    (another_image, "replaced", "replaced tren-redis: another image", [UP_ANEW]),
    (health_is("unhealthy"), "restarted", "put right: tren-redis was unhealthy", [UP_ANEW]),
    (container_is(Status="paused"), "restarted", "put right: tren-redis was paused", [UP_ANEW]),
    (container_is(Status="dead"), "restarted", "put right: tren-redis was dead", [UP_ANEW]),
    (container_is(Status="restarting"), "restarted", "put right: tren-redis was restarting", [UP_ANEW]),
    (container_is(Status="exited"), "started", "put right: tren-redis had ended", [UP]),
    (container_is(Status="created"), "started", "put right: tren-redis was never started", [UP]),
    (off_the_network, "restarted", "put right: tren-redis was not on the network trenova_data", [UP_ANEW]),
    (on_a_network_that_was_made_anew, "restarted",
     "put right: tren-redis was on a network trenova_data that is gone", [UP_ANEW]),
    (older_than_what_it_follows, "restarted", "restarted tren-redis: tren-postgres was started after it", [UP_ANEW]),
    (config_is(Memory=256 * MIB), "limits", "set limits of tren-redis: memory", [UPDATE]),
    (config_is(Memory=0, PidsLimit=None), "limits", "set limits of tren-redis: memory, pids_limit", [UPDATE]),
    (config_is(RestartPolicy={"Name": "no"}), "limits", "set limits of tren-redis: restart_policy", [UPDATE]),
]


@pytest.mark.parametrize(("happens", "state", "says", "calls"), CONTAINERS, ids=[row[2] for row in CONTAINERS])
def test_each_difference_of_a_container_is_said_put_right_and_gone_then(host, happens, state, says, calls):
    services = wanted(host)
    host.converge(*services)
    assert set(releases.measure(str(host.directory), host.engine)["unchanged"]) == {"postgres", "redis"}
    happens(host)
    before = everything(host)
    foretold = host.converge(*services, check=True)["services"]["redis"]
    assert everything(host) == before
    assert set(releases.measure(str(host.directory), host.engine)["unchanged"]) == {"postgres"}

    host.forget_calls()
    done = host.converge(*services)["services"]
    assert (done["redis"]["state"], done["redis"]["says"]) == (state, [says])
    assert host.engine.calls == calls
    assert {**done["redis"], "seconds": 0} == {**foretold, "seconds": 0}
    assert done["postgres"]["state"] == "unchanged"

    host.forget_calls()
    assert host.converge(*services)["changed"] is False
    assert host.engine.calls == []


def test_a_container_that_is_starting_is_waited_for(host):
    services = wanted(host)
    host.converge(*services)
    health_is("starting")(host)
    host.engine.ends_up["sha256:redis:1"] = "starting"
    says = host.converge(*services, check=True)["services"]["redis"]["says"]
    assert set(releases.measure(str(host.directory), host.engine)["unchanged"]) == {"postgres"}
    host.forget_calls()
    host.clock.on_sleep = host.engine.ends_up.clear
    result = host.converge(*services)["services"]["redis"]
    assert result["says"] == says == ["waited for tren-redis, which was starting"]
    assert host.engine.calls == [UP]


FILES = [
    (lambda host: (host.directory / "redis/config/redis.conf").write_text("maxmemory 2gb\n"), "wrote 1 file"),
    (lambda host: (host.directory / "redis/config/redis.conf").chmod(0o600), "wrote 1 file"),
    (lambda host: (host.directory / "redis/config/redis.conf").unlink(), "wrote 1 file"),
    (lambda host: (host.directory / "redis/secrets/users.acl").write_text("user >s4\n"), "wrote 1 file"),
    (lambda host: (host.directory / "redis/secrets/old.acl").write_text("left"),
     "removed 1 file that nothing wants any more"),
    (lambda host: (host.root / "data").chmod(0o755), "made or mended 1 directory"),
    (lambda host: (host.root / "data").rmdir(), "made or mended 1 directory"),
]


@pytest.mark.parametrize(("happens", "says"), FILES)
def test_each_difference_of_a_file_is_said_and_put_right(host, happens, says):
    services = wanted(host)
    host.converge(*services)
    whole = host.files()
    happens(host)
    before = everything(host)
    foretold = host.converge(*services, check=True)
    assert everything(host) == before
    assert set(releases.measure(str(host.directory), host.engine)["unchanged"]) == {"postgres"}
    done = host.converge(*services)
    assert done["services"]["redis"]["says"] == foretold["services"]["redis"]["says"] == [says]
    assert done["diff"] == foretold["diff"] != []
    assert "s3" not in str(done["diff"])
    assert host.files() == whole
    assert os.stat(host.root / "data").st_mode & 0o777 == 0o700


def test_a_file_outside_of_the_project_that_a_service_is_not_to_have_any_more_goes(host):
    """A timer whose setting switches it off would go on otherwise."""
    unit = host.root / "some.timer"
    unit.write_text("[Timer]")
    services = [dict(service, wish=service["wish"] + "x", host_files=[str(unit), str(host.root / "never-there")])
                if service["name"] == "redis" else service for service in wanted(host)]
    foretold = host.converge(*services, check=True)["services"]["redis"]["says"]
    assert unit.exists()
    says = host.converge(*services)["services"]["redis"]["says"]
    assert "removed 1 file that nothing wants any more" in says
    assert foretold == says
    assert not unit.exists()
    assert host.converge(*services)["changed"] is False


def test_a_directory_of_an_earlier_edition_goes_with_all_that_is_in_it_and_a_link_leads_nowhere(host):
    left, elsewhere, link = host.root / "packed", host.root / "elsewhere", host.root / "link"
    for directory in (left / "more", elsewhere):
        directory.mkdir(parents=True)
        (directory / "file").write_text("x")
    link.symlink_to(elsewhere)
    services = [dict(service, wish=service["wish"] + "x", host_files=[str(left), str(link)])
                if service["name"] == "redis" else service for service in wanted(host)]
    host.converge(*wanted(host))
    assert host.converge(*services)["changed_files"] == [str(left), str(link)]
    assert (left.exists(), link.is_symlink(), (elsewhere / "file").exists()) == (False, False, True)
    assert host.converge(*services)["changed"] is False


def test_without_a_record_that_can_be_read_a_service_is_looked_at_again(host):
    host.converge(*wanted(host))
    (host.directory / ".state/redis.json").write_text("{")
    assert set(releases.measure(str(host.directory), host.engine)["unchanged"]) == {"postgres"}
    assert host.converge(*wanted(host))["changed"] is False
    assert set(releases.measure(str(host.directory), host.engine)["unchanged"]) == {"postgres", "redis"}


def test_a_digest_of_an_earlier_edition_that_means_the_same_replaces_nothing(host):
    redis = host.service("redis")
    host.converge(redis)
    host.forget_calls()
    container = dict(redis["containers"][0], digest="of-today", also=["of-before", redis["containers"][0]["digest"]])
    assert host.converge(dict(redis, containers=[container]))["changed"] is False
    assert host.engine.calls == []


def test_limits_that_are_not_given_are_those_that_the_container_was_made_with(host):
    redis = host.service("redis", limits={"memory": 512 * MIB})
    host.converge(redis)
    host.container("tren-redis")["HostConfig"].update(MemorySwap=1, NanoCpus=1, CpuShares=1, PidsLimit=1)
    assert host.converge(redis)["services"]["redis"]["says"] == ["replaced tren-redis: changed by hand (limits)"]
    assert host.converge(redis)["changed"] is False


@pytest.mark.parametrize(("limit", "key"), [
    ("memory", "Memory"), ("memory_swap", "MemorySwap"), ("memory_reservation", "MemoryReservation"),
    ("nano_cpus", "NanoCpus"), ("cpu_shares", "CpuShares"), ("pids_limit", "PidsLimit")])
def test_every_limit_is_set_while_the_container_runs(host, limit, key):
    host.converge(host.service("redis"))
    host.forget_calls()
    redis = host.service("redis", limits={limit: 1_500_000_000})
    assert host.converge(redis)["limited"] == ["tren-redis"]
    assert host.container("tren-redis")["HostConfig"][key] == 1_500_000_000
    assert [call.split()[0] for call in host.engine.calls] == ["update"]


@pytest.mark.parametrize(("before", "limit", "used", "action"), [
    (1000, 500, 400, compare.LIMITS), (1000, 500, 460, compare.REPLACE), (0, 500, 460, compare.REPLACE),
    (0, 500, 100, compare.LIMITS), (400, 500, 490, compare.LIMITS)])
def test_a_memory_limit_below_what_is_used_replaces_the_container(host, before, limit, used, action):
    host.converge(host.service("redis", limits={"memory": before * MIB} if before else {}))
    host.engine.memory["tren-redis"] = used * MIB
    redis = host.service("redis", limits={"memory": limit * MIB})
    result = host.converge(redis)["services"]["redis"]
    assert result["state"] == {compare.LIMITS: "limits", compare.REPLACE: "replaced"}[action]
    assert host.container("tren-redis")["HostConfig"]["Memory"] == limit * MIB
    if action == compare.REPLACE:
        assert result["says"][-1] == "replaced tren-redis: it uses more memory than its new limit leaves"


@pytest.mark.parametrize("feature", ["SwapLimit", "PidsLimit"])
def test_what_the_kernel_cannot_limit_is_no_difference(host, feature):
    host.engine.features[feature] = False
    redis = host.service("redis", limits=LIMITS)
    host.converge(redis)
    host.container("tren-redis")["HostConfig"].update({"SwapLimit": {"MemorySwap": -1}, "PidsLimit": {"PidsLimit": 0}}[
        feature])
    assert host.converge(redis)["changed"] is False


NETWORKS = {
    "was internal": lambda found: found.update(Internal=True),
    "had the driver macvlan": lambda found: found.update(Driver="macvlan"),
    "had IPv6": lambda found: found.update(EnableIPv6=True),
}


@pytest.mark.parametrize("why", NETWORKS)
def test_a_network_that_cannot_be_changed_is_made_anew_with_all_that_is_on_it(host, why):
    services = [
        host.service("caddy", networks=["edge"]), host.service("redis"),
        host.service("asynq", networks=["data", "edge"])]
    host.converge(*services)
    NETWORKS[why](host.engine.networks_found["trenova_edge"])
    before = everything(host)
    foretold = host.converge(*services, check=True)["services"]
    assert everything(host) == before
    assert set(releases.measure(str(host.directory), host.engine)["unchanged"]) == {"redis"}
    host.forget_calls()
    done = host.converge(*services)["services"]
    assert host.engine.calls[:3] == [
        "stop tren-asynq tren-caddy", "rm tren-asynq tren-caddy", "network rm trenova_edge"]
    assert done["caddy"]["says"] == [f"replaced tren-caddy: its network trenova_edge {why}"]
    assert {name: found["says"] for name, found in done.items()} == {
        name: found["says"] for name, found in foretold.items()}
    assert [done[name]["state"] for name in ("caddy", "redis", "asynq")] == ["replaced", "unchanged", "replaced"]
    assert host.engine.networks_found["trenova_edge"]["Internal"] is False
    assert host.converge(*services)["changed"] is False


@pytest.mark.parametrize("there", [True, False])
def test_report_17_a_network_is_made_anew_only_where_that_is_wished(host, there):
    """With the containers on it, which are started again; one that is as wished stays."""
    def services(has_ipv6):
        host.networks["edge"] = dict({"name": "trenova_edge"}, **({"enable_ipv6": True} if has_ipv6 else {}))
        return [host.service("caddy", networks=["edge"]), host.service("redis")]

    host.converge(*services(there))
    assert host.converge(*services(there))["changed"] is False
    says = host.converge(*services(not there))["services"]
    assert says["caddy"]["says"][-1] == (
        f"replaced tren-caddy: its network trenova_edge had {'' if there else 'no '}IPv6")
    assert not [words for words in says["redis"]["says"] if "replaced" in words]
    assert host.engine.networks_found["trenova_edge"]["EnableIPv6"] is not there


def test_a_network_that_must_be_internal_is_made_so(host):
    redis = host.service("redis")
    host.converge(redis)
    host.engine.networks_found["trenova_data"]["Internal"] = False
    says = host.converge(redis)["services"]["redis"]["says"]
    assert says == ["replaced tren-redis: its network trenova_data was not internal"]
    assert host.engine.networks_found["trenova_data"]["Internal"] is True


def test_a_network_of_another_name_goes(host):
    host.converge(host.service("redis"))
    host.networks = {"data": {"name": "trenova_store", "internal": True}}
    host.converge(host.service("redis"))
    assert list(host.engine.networks_found) == ["trenova_store"]
    assert list(host.container("tren-redis")["NetworkSettings"]["Networks"]) == ["trenova_store"]


def test_what_goes_with_its_network_need_not_be_removed_again(host):
    host.converge(host.service("redis"), host.service("minio"))
    labels = dict(host.container("tren-minio")["Config"]["Labels"], **{"com.docker.compose.oneoff": "True"})
    host.engine.found["tren-job"] = dict(host.container("tren-minio"), Name="/tren-job", Config={"Labels": labels})
    host.engine.networks_found["trenova_data"]["Internal"] = False
    result = host.converge(host.service("redis"), host.absent("minio"))
    assert [result["services"][name]["state"] for name in ("redis", "minio")] == ["replaced", "removed"]
    assert set(host.engine.found) == {"tren-redis"}


def test_what_runs_on_a_network_of_services_that_this_run_is_not_about_comes_back(host):
    host.converge(host.service("redis"), host.service("minio"))
    host.engine.networks_found["trenova_data"]["Internal"] = False
    host.forget_calls()
    host.converge(host.service("redis"))
    assert host.engine.calls[-1] == "compose up --detach --no-deps minio"
    assert host.container("tren-minio")["State"]["Status"] == "running"
    assert "stopped" not in host.state("host")


def test_a_network_that_somebody_elses_container_is_on_stays_with_all_that_is_ours(host):
    host.converge(host.service("redis"))
    host.engine.networks_found["trenova_data"]["Internal"] = False
    host.engine.found["metabase"] = dict(host.container("tren-redis"), Name="/metabase", Config={"Labels": {}})
    host.forget_calls()
    with pytest.raises(host.error, match="was not internal, and cannot be made anew .* on it: metabase. Take"):
        host.converge(host.service("redis"))
    assert host.engine.calls == []


def test_what_cannot_come_back_from_a_network_is_told_and_tried_again(host):
    host.converge(host.service("redis"), host.service("minio"))
    host.engine.networks_found["trenova_data"]["Internal"] = False
    host.engine.failing["no-deps minio"] = "no space left"
    with pytest.raises(host.error, match="minio had to be stopped for a network, and cannot .* again: no space left"):
        host.converge(host.service("redis"))
    host.engine.failing.clear()
    host.converge(host.service("redis"))
    assert host.container("tren-minio")["State"]["Status"] == "running"


def test_on_a_bare_server_a_check_needs_no_engine(host):
    host.engine.answers = False
    assert host.converge(*wanted(host), check=True)["started"] == ["tren-postgres", "tren-redis"]
    assert host.files() == {}
    with pytest.raises(EngineError, match="does not answer"):
        host.converge(*wanted(host))


def test_a_service_of_files_alone_needs_no_engine(host):
    host.engine.answers = False
    result = host.converge({"name": "docker", "files": [{"path": str(host.root / "daemon.json"), "content": "{}"}]})
    assert result["services"]["docker"]["state"] == "written"
    assert host.converge({"name": "docker"})["changed"] is False


def test_containers_that_nobody_wants_any_more_go_when_all_else_is_done(host):
    host.converge(host.service("api", "tren-api", "tren-api-2"), host.service("caddy"))
    fewer = [host.service("api", "tren-api"), host.service("caddy", version="2")]
    foretold = host.converge(*fewer, check=True)
    assert set(releases.measure(str(host.directory), host.engine)["unchanged"]) == {"api", "caddy"}
    host.forget_calls()
    done = host.converge(*fewer)
    assert host.engine.calls[-2:] == ["stop tren-api-2", "rm tren-api-2"]
    assert done["removed"] == foretold["removed"] == ["tren-api-2"]
    assert done["services"]["api"]["says"] == foretold["services"]["api"]["says"] == [
        "wrote 1 file", "removed tren-api-2: no longer wanted"]


def test_only_a_container_too_many_is_a_removal(host):
    api = host.service("api")
    host.converge(api)
    labels = dict(host.container("tren-api")["Config"]["Labels"])
    host.engine.found["tren-api-9"] = dict(host.container("tren-api"), Name="/tren-api-9", Config={"Labels": labels})
    host.engine.found["tren-api-run"] = dict(
        host.container("tren-api"), Config={"Labels": dict(labels, **{"com.docker.compose.oneoff": "True"})})
    assert releases.measure(str(host.directory), host.engine)["unchanged"] == {}
    result = host.converge(api)["services"]["api"]
    assert (result["state"], result["removed"]) == ("removed", ["tren-api-9"])
    assert set(host.engine.found) == {"tren-api", "tren-api-run"}
