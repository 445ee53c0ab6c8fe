# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a deployment would change against what is applied."""

from __future__ import annotations

import copy
import hashlib

import pytest

from ansible_collections.trenova.selfhost.plugins.plugin_utils.bundle import digest_of
from ansible_collections.trenova.selfhost.plugins.plugin_utils.report.changes import Wish, changes, figure_changes
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import plan
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.plan_file import part_of

HOST = {"cores": 12, "memory_mb": 24576, "disk_free_gb": 100, "disk_total_gb": 100}
SMALL = plan(HOST, {"tier": "small"})
MEDIUM = plan(HOST, {"tier": "medium"})


def file(path, content="x\n"):
    return {"path": f"/opt/trenova/{path}", "content": content, "mode": "0444", "owner": 0, "group": 0}


def unit(name, digest="d1"):
    return {"name": name, "digest": digest, "also": ["as the first edition called d1"]}


def arguments(service, *containers, **more):
    """What the module gets of a service, as far as it is looked at here."""
    wanted = dict({
        "name": service, "files": [file(f"{service}/config/main.conf"), file(f"{service}/compose.yaml")],
        "secret_files": [file(f"{service}/secrets/password")], "reload": [], "follows": [], "jobs": [],
        "containers": [unit(name) for name in containers]}, **more)
    return dict(wanted, wish=digest_of(wanted))


REDIS = arguments("redis", "tren-redis")
API = arguments("api", "tren-api-1", "tren-api-2", follows=["tren-redis"],
                jobs=[{"service": "api-prepare", "seconds": 900, "says": "Migrations of the database"}])


def container(name, role, digest="d1", **more):
    return dict({"name": name, "role": role, "digest": digest, "state": "running", "one_off": False}, **more)


def hashes(wanted):
    return {entry["path"]: hashlib.sha256(entry["content"].encode()).hexdigest() for entry in wanted["files"]}


class Server:
    """A host on which some services have been brought to their wanted state with a plan."""

    def __init__(self, applied=SMALL, **wanted):
        names = {name: [unit["name"] for unit in entry["containers"]] for name, entry in wanted.items()}
        self.capacity = {
            "containers": [container(unit, name) for name, units in names.items() for unit in units],
            "deployed": {
                "services": {name: {} for name in wanted},
                "plan": {name: part_of(applied, name) for name in wanted},
                "files": {name: hashes(entry) for name, entry in wanted.items()},
                "unchanged": {name: entry["wish"] for name, entry in wanted.items()}}}
        self.deployed = self.capacity["deployed"]

    def says(self, *wishes, wanted=SMALL):
        """{service: what is said of it}."""
        found = changes(wanted, [Wish(entry["name"], entry) if isinstance(entry, dict) else entry for entry in wishes],
                        self.capacity)
        assert found["remarks"] == []
        return {entry["service"]: entry["says"] for entry in found["services"]}


@pytest.fixture
def server():
    return Server(redis=REDIS, api=API)


def changed(wanted, **more):
    other = dict(copy.deepcopy(wanted), **more)
    return dict(other, wish=digest_of(other))


def test_nothing_changes_where_every_wish_is_as_its_record_says(server):
    assert server.says(REDIS, API) == {}


def test_another_digest_replaces_the_container_and_restarts_who_follows_it(server):
    redis = changed(REDIS, containers=[unit("tren-redis", "d2")])
    assert server.says(redis, API) == {
        "redis": ["replaces tren-redis"],
        "api": ["restarts tren-api-1 after tren-redis", "restarts tren-api-2 after tren-redis"]}


def test_following_goes_on_from_one_to_the_next(server):
    edge = arguments("caddy", "tren-caddy", follows=["tren-api-1"])
    server = Server(redis=REDIS, api=API, caddy=edge)
    redis = changed(REDIS, containers=[unit("tren-redis", "d2")])
    assert server.says(edge, API, redis)["caddy"] == ["restarts tren-caddy after tren-api-1"]


def test_containers_are_created_started_and_removed(server):
    server.capacity["containers"][1]["state"] = "exited"
    api = changed(API, containers=[unit(f"tren-api-{number}") for number in (1, 3)])
    assert server.says(REDIS, api) == {"api": [
        "starts tren-api-1", "creates tren-api-3", "removes tren-api-2",
        "runs before that: Migrations of the database"]}


def test_a_new_service_is_created(server):
    minio = arguments("minio", "tren-minio")
    assert server.says(REDIS, API, minio) == {"minio": ["creates tren-minio"]}


def test_one_off_containers_are_no_service(server):
    server.capacity["containers"].append(container("tren-minio", "minio", one_off=True))
    assert server.says(arguments("minio", "tren-minio")) == {"minio": ["creates tren-minio"]}


@pytest.mark.parametrize(("entry", "says"), [
    ({"container": "tren-redis", "signal": "SIGHUP"}, "reloads tren-redis"),
    ({"container": None, "command": ["sysctl", "--load"]}, "reloads sysctl --load"),
])
def test_a_changed_file_that_can_be_reloaded_reloads(server, entry, says):
    path = "/opt/trenova/redis/config/main.conf"
    redis = changed(REDIS, files=[file("redis/config/main.conf", "other\n"), file("redis/compose.yaml")],
                    reload=[dict(entry, files=[path])])
    assert server.says(redis, API) == {"redis": [says]}
    redis["containers"][0]["digest"] = "d2"
    expected = ["replaces tren-redis"] + ([says] if entry["container"] is None else [])
    assert server.says(redis)["redis"] == expected


def test_changed_files_that_nobody_reads_at_start_restart_nothing(server):
    redis = changed(REDIS, files=[file("redis/config/main.conf", "other\n"), file("redis/compose.yaml")])
    assert server.says(redis, API) == {"redis": ["writes /opt/trenova/redis/config/main.conf, restarts nothing"]}


def test_a_file_that_is_gone_is_a_change(server):
    redis = changed(REDIS, files=[file("redis/compose.yaml")])
    assert server.says(redis, API) == {"redis": ["writes /opt/trenova/redis/config/main.conf, restarts nothing"]}


def test_limits_alone_are_set_while_the_containers_run(server):
    redis = changed(REDIS, files=[file("redis/config/main.conf"), file("redis/compose.yaml", "mem_limit: 1g\n")])
    assert server.says(redis, API) == {"redis": ["sets the limits of tren-redis while it runs"]}


def test_a_container_of_the_first_edition_is_the_same_by_its_digest_of_then(server):
    server.capacity["containers"][0]["digest"] = "as the first edition called d1"
    assert server.says(REDIS, API) == {}


def test_what_is_left_for_later_runs_alone_is_only_written(server):
    redis = changed(REDIS, release={"plan": {}})
    assert server.says(redis, API) == {"redis": [
        "no container, file or figure differs that can be seen from here: a secret, an owner, or a change on the host"]}


def test_what_cannot_be_seen_from_here_is_said_to_be_that(server):
    redis = changed(REDIS, secret_files=[file("redis/secrets/password", "other")])
    assert server.says(redis, API) == {"redis": [
        "no container, file or figure differs that can be seen from here: a secret, an owner, or a change on the host"]}


def test_a_service_without_a_record_is_compared_on_the_host(server):
    del server.deployed["unchanged"]["redis"], server.deployed["files"]["redis"]
    assert server.says(REDIS, API) == {"redis": ["is compared on the host: it has no record of its files"]}


def test_a_service_that_is_not_wanted_any_more_is_removed(server):
    assert server.says(REDIS, Wish("api", None)) == {"api": ["removes tren-api-1", "removes tren-api-2"]}
    assert server.says(REDIS, API, Wish("minio", None)) == {}
    server.capacity["containers"] = []
    assert server.says(Wish("api", None)) == {"api": ["its files are removed"]}


def test_without_secrets_figures_are_listed_and_restarts_are_not():
    wishes = [Wish("postgres", None, "no secrets"), Wish("minio", None, "no secrets"), Wish("api", None, "odd.")]
    found = changes(MEDIUM, wishes, Server(postgres=arguments("postgres", "tren-db")).capacity)
    entry, = found["services"]
    assert (entry["service"], entry["says"]) == ("postgres", ["its restarts cannot be told"])
    assert {"name": "memory_limit_mb", "unit": "MiB", "before": 512, "after": 2048} in entry["figures"]
    assert found["remarks"] == [
        "tier: small -> medium", "Restarts of postgres, minio cannot be told: no secrets.",
        "Restarts of api cannot be told: odd."]


def test_figures_are_compared_by_name_and_the_new_and_the_gone_ones_are_told():
    part = part_of(SMALL, "redis")
    part["figures"] = copy.deepcopy(part["figures"])
    part["figures"]["settings"]["old_number"] = 7
    del part["figures"]["settings"]["maxclients"]
    assert figure_changes(SMALL, "redis", part) == [
        {"name": "maxclients", "unit": "connections", "before": None, "after": 10000},
        {"name": "old_number", "unit": "", "before": 7, "after": None}]
    assert figure_changes(SMALL, "redis", None) == []
    assert figure_changes(SMALL, "docker", part) == []


def test_users_that_were_applied_are_compared_too():
    server = Server(plan(HOST, {"tier": "small", "users": 40}), redis=REDIS)
    found = changes(SMALL, [Wish("redis", REDIS)], server.capacity)
    assert found == {"remarks": ["users: 40 -> –"], "services": []}


def test_an_applied_plan_that_cannot_be_read_is_said_and_counts_as_absent(server):
    server.deployed["plan"]["redis"] = {"schema_version": 99}
    redis = changed(REDIS, containers=[unit("tren-redis", "d2")])
    found = changes(MEDIUM, [Wish("redis", redis)], dict(server.capacity))
    assert found["services"] == [{"service": "redis", "says": ["replaces tren-redis"], "figures": []}]
    assert found["remarks"][-1].startswith("The applied plan of redis is not compared. This is a part of a")
