# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The users' load: what it asks for, where the plan follows it, and what is said where the host or the operator does
not (R11), of quotas (R12) and of hosts that idle (notes)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sizing_builders import TIERS, host_of, plan_of, value_at

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import (
    SERVICES,
    api,
    demand,
    load,
    minio,
    plan,
    plan_hosts,
)

#: As the review of the engine had it: 82 cores, 96 GiB, everything on it.
LARGE = host_of("large", cores=128, memory_mb=256 * 1024, disk_free_gb=20000, disk_total_gb=20000)


def said(result, rule="R11"):
    return [entry["text"] for entry in result["refusals"] + result["warnings"] if entry["rule"] == rule]


# -- the formulas, by hand ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("users", "busy", "pool"), [
    (50, 0.74, 1), (200, 2.94, 4), (500, 7.35, 10), (2000, 29.4, 40), (5000, 73.5, 99)])
def test_busy_connections(users, busy, pool):
    assert demand.busy_connections(users) == pytest.approx(busy, abs=0.05)
    assert load.busy_database_connections(load.peak_requests_per_second(load.requests_per_second(users)), 0.015) == (
        pytest.approx(demand.busy_connections(users)))
    assert demand.server_pool(users) == pool


@pytest.mark.parametrize(("users", "cores", "memory_mb"), [
    (0, 1, 0), (1, 1, 0), (125, 1, 0), (126, 2, 0), (500, 4, 0), (501, 5, 5120), (1000, 8, 8192), (5000, 40, 40960)])
def test_the_tiers_of_the_database_go_on(users, cores, memory_mb):
    assert (demand.database_cores(users), demand.database_memory_mb(users)) == (cores, memory_mb)


@given(st.integers(1, 500))
def test_no_tier_of_the_document_has_less_than_its_users_ask_for(users):
    """Up to 500 users the document's figures hold for everybody."""
    result = plan(LARGE, {"users": users})
    assert value_at(result, "postgres.cpus") >= demand.database_cores(users)
    of_tier = plan_of(result["tier"], LARGE)
    for path in ("postgres.memory_limit_mb", "postgres.cpus", "postgres.settings.work_mem_kb", "redis.memory_limit_mb",
                 "pgbouncer.settings.default_pool_size", "caddy.memory_limit_mb", "caddy.cpus",
                 "minio.memory_limit_mb"):
        assert value_at(result, path) == value_at(of_tier, path)


@pytest.mark.parametrize(("users", "data_mb", "memory_mb"), [
    (500, 390.6, 768), (5000, 3203.1, 4352), (10000, 6328.1, 8448)])
def test_memory_of_redis(users, data_mb, memory_mb):
    assert demand.redis_data_mb(users) == pytest.approx(data_mb, abs=0.1)
    assert demand.redis_memory_mb(users) == memory_mb


@pytest.mark.parametrize(("users", "cores"), [(500, 1), (6119, 1), (6121, 4), (100000, 4)])
def test_cores_of_redis(users, cores):
    assert demand.redis_cores(users) == cores


# 4370 users: 64 MiB, and 256 of connections.
@pytest.mark.parametrize(("users", "memory_mb", "cores"), [
    (50, 128, 0.5), (1092, 128, 0.5), (1093, 256, 0.5), (3276, 256, 1.5), (3277, 384, 1.5), (5000, 384, 2.5)])
def test_caddy(users, memory_mb, cores):
    assert (demand.caddy_memory_mb(users), demand.caddy_cores(users)) == (memory_mb, cores)


def test_pgbouncer_and_minio():
    assert [demand.pgbouncer_processes(users) for users in (1, 6119, 6121, 20000)] == [1, 1, 2, 4]
    assert (demand.pgbouncer_memory_mb(5000), demand.pgbouncer_clients_most(128)) == (111, 6144)
    assert demand.busy_uploads(500) == pytest.approx(24.5, abs=0.05)
    assert (minio.memory_for_mb(152), minio.memory_for_mb(153), minio.memory_for_mb(601, 4)) == (512, 768, 4096)


@given(st.integers(0, 10**5), st.integers(0, 1000))
def test_more_users_ask_for_no_less(users, more):
    for function in (demand.server_pool, demand.database_cores, demand.database_memory_mb, demand.redis_memory_mb,
                     demand.redis_cores, demand.caddy_memory_mb, demand.caddy_cores, demand.pgbouncer_processes,
                     minio.memory_for_users_mb):
        assert function(users) <= function(users + more)


@pytest.mark.parametrize(("pool", "workers", "most"), [(20, 2, 82), (100, 2, 402), (20, 0, 80)])
def test_pools_of_the_application_at_most(pool, workers, most):
    assert api.database_pools_most(pool, workers) == most


@given(st.integers(1, 500), st.integers(1, 300), st.integers(0, 50), st.integers(0, 10), st.integers(1, 50))
def test_pools_of_the_application_stay_within_what_the_server_pool_asks_for(pool, instances, jobs, workers, of_worker):
    pool = max(pool, api.server_pool_least(instances, jobs, workers, of_worker))
    each = api.database_pool_within(pool, instances, jobs, workers, of_worker)
    assert each >= max(10, jobs)
    assert instances * each + workers * of_worker <= api.database_pools_most(pool, workers)


# -- the plan follows --------------------------------------------------------------------------------------------------

def test_five_thousand_users():
    """What was planned before, for the same load: 4 cores, 4096 MiB and 25 connections of PostgreSQL."""
    result = plan(LARGE, {"users": 5000})
    paths = {
        "postgres.cpus": 40, "postgres.memory_limit_mb": 40960, "pgbouncer.settings.default_pool_size": 107,
        "pgbouncer.settings.max_client_conn": 650, "redis.memory_limit_mb": 4352, "caddy.memory_limit_mb": 384,
        "caddy.cpus": 2.5, "api.instances": 41, "api.settings.database_pool": 10, "minio.memory_limit_mb": 2048}
    assert {path: value_at(result, path) for path in paths} == paths
    assert (result["refusals"], said(result)) == ([], [])
    assert result["load"] == {
        "requests_per_second": 4902.0, "busy_database_connections": 73.5, "redis_commands_per_second": 24510,
        "documents_on_the_way": 245.1, "open_connections": 5000}


@pytest.mark.parametrize("tier", TIERS)
def test_the_hosts_of_the_document_are_planned_as_the_document_says(tier):
    users = {"minimum": 20, "small": 50, "medium": 200, "large": 500}[tier]
    with_users = plan(host_of(tier, disk_free_gb=500, disk_total_gb=500), {"tier": tier, "users": users})
    assert said(with_users) == said(plan_of(tier)) == []
    without = plan_of(tier, host_of(tier, disk_free_gb=500, disk_total_gb=500))
    for service in ("postgres", "pgbouncer", "redis", "caddy", "rabbitmq"):
        figures = [dict(result["services"][service], settings={}) for result in (with_users, without)]
        assert figures[0] == figures[1]


def test_a_figure_beyond_the_document_does_not_quote_it_alone():
    result = plan(LARGE, {"users": 5000, "mode": "balanced"})
    for path, entry in result["explain"].items():
        floor = entry["bounds"].get("document_floor")
        if floor is not None and isinstance(entry["value"], (int, float)) and entry["value"] > floor:
            assert "chosen" in entry["source"], path


@pytest.mark.parametrize(("tier", "mode"), [("small", "balanced"), ("large", "balanced"), ("large", "document")])
def test_a_figure_of_the_document_quotes_it(tier, mode):
    explained = plan_of(tier, mode=mode)["explain"]["postgres.memory_limit_mb"]
    quoted = explained["source"].startswith("requirements.md:")
    assert quoted == (explained["value"] == explained["bounds"]["document_floor"])
    assert quoted or explained["source"].startswith("chosen: 0.3 of what containers may use; at least requirements.md:")


# -- R11: what the host does not give ----------------------------------------------------------------------------------

def test_too_few_cores_for_the_database_are_told():
    result = plan(host_of("large"), {"users": 5000})
    assert said(result) == [
        "R11: PostgreSQL has 31 CPU cores, 5000 users ask for 40 (one for each 125, as in the document's large tier)."]
    assert next(entry for entry in result["warnings"] if entry["rule"] == "R11")["remedy"] == [
        "give the host 41 cores, or postgres a host of its own (group postgres)"]


@pytest.mark.parametrize(("overrides", "users", "says", "remedies"), [
    ({"postgres": {"cpus": 4}}, 5000,
     "R11: PostgreSQL has 4 CPU cores, 5000 users ask for 40 (one for each 125, as in the document's large tier).",
     ["take postgres.cpus out of trenova_plan_overrides", "set postgres.cpus to 40 in trenova_plan_overrides"]),
    ({"postgres": {"memory_limit_mb": 8192}}, 2000,
     "R11: PostgreSQL has 8192 MiB, 2000 users ask for 16384 (a GiB for each 125, as in the document's large tier).",
     ["take postgres.memory_limit_mb out of trenova_plan_overrides",
      "set postgres.memory_limit_mb to 16384 in trenova_plan_overrides"]),
    ({"redis": {"maxmemory_mb": 1024}}, 5000,
     "R11: Redis holds 1024 MiB, the sessions and waiting jobs of 5000 users can be 3204.",
     ["take redis.maxmemory_mb out of trenova_plan_overrides",
      "set redis.memory_limit_mb to 4352 in trenova_plan_overrides"]),
    ({"caddy": {"memory_limit_mb": 128}}, 5000,
     "R11: Caddy has 128 MiB, 5000 users ask for 384 (64, and 60 KiB for the connection of each).",
     ["take caddy.memory_limit_mb out of trenova_plan_overrides",
      "set caddy.memory_limit_mb to 384 in trenova_plan_overrides"]),
    ({"caddy": {"cpus": 0.5}}, 5000, "R11: Caddy has 0.5 CPU cores, 5000 users ask for 2.5.",
     ["take caddy.cpus out of trenova_plan_overrides", "set caddy.cpus to 2.5 in trenova_plan_overrides"]),
    ({"minio": {"requests_max": 100}}, 5000,
     "R11: MinIO serves 100 requests at once, the peak of 5000 users has 245 documents on the way.",
     ["take minio.requests_max out of trenova_plan_overrides",
      "set minio.memory_limit_mb to 1024 in trenova_plan_overrides"]),
    ({"pgbouncer": {"memory_limit_mb": 40, "max_client_conn": 500}}, 300,
     "R11: PgBouncer has 40 MiB, 500 clients can need 40.", None),
    ({}, 7000, "R11: 1 PgBouncer planned, which runs on one core, 7000 users ask for 2.",
     ["have 2 hosts in the group pgbouncer", "divide the users among several installations"]),
    ({"pgbouncer": {"default_pool_size": 60}}, 5000,
     "R11: the peak of 5000 users keeps 74 connections of PostgreSQL busy (4902 requests a second of 15 ms), 60 and 15 "
     "in reserve can be had.",
     ["take the connection settings out of trenova_plan_overrides",
      "set pgbouncer.default_pool_size to 99 in trenova_plan_overrides",
      "divide the users among several installations, at most 4080 in this one"]),
    ({"api": {"database_pool": 60}}, 400,
     "R11: the application may open 260 connections, four for each of PgBouncer's 20 and one for each worker are 82; "
     "more of them only wait.",
     ["take the connection settings out of trenova_plan_overrides",
      "set pgbouncer.default_pool_size to 65 in trenova_plan_overrides"]),
])
def test_r11_warns_where_the_operators_figures_are_too_small(overrides, users, says, remedies):
    result = plan(LARGE, {"users": users, "overrides": overrides})
    if remedies is None:
        assert says not in said(result)
        return
    assert says in said(result)
    assert next(entry for entry in result["warnings"] if entry["text"] == says)["remedy"] == remedies
    assert not [entry for entry in result["refusals"] if entry["rule"] == "R11"]


@pytest.mark.parametrize(("overrides", "users", "rule"), [
    ({"postgres": {"cpus": 4}}, 5000, "R11"), ({"caddy": {"cpus": 0.5}}, 5000, "R11"), ({}, 5000, None)])
def test_r11_refuses_where_strict(overrides, users, rule):
    result = plan(LARGE, {"users": users, "overrides": overrides, "strict": True})
    assert {entry["rule"] for entry in result["refusals"]} == ({rule} if rule else set())
    assert all(entry["override"] == "trenova_strict: false" for entry in result["refusals"])


def test_r11_refuses_a_database_that_is_further_behind_with_each_second():
    overrides = {"pgbouncer": {"default_pool_size": 20}}
    result = plan(LARGE, {"users": 5000, "overrides": overrides})
    refusal, = result["refusals"]
    assert refusal["text"].startswith(
        "R11: the peak of 5000 users keeps 74 connections of PostgreSQL busy (4902 requests a second of 15 ms), 20 and "
        "5 in reserve can be had.")
    assert (refusal["dimension"], refusal["found"], refusal["required"]) == ("pgbouncer.default_pool_size", 20, 99)
    assert refusal["override"] == "trenova_accept_undersized_host: true"
    accepted = plan(LARGE, {"users": 5000, "overrides": overrides, "accept_undersized_host": True})
    assert accepted["refusals"] == []


@pytest.mark.parametrize("users", [501, 700, 1000, 2000, 3300, 5000, 8000, 12000, 20000])
def test_the_pool_holds_the_peak_or_the_plan_says_so(users):
    result = plan(LARGE, {"users": users})
    connections = result["totals"]["connections"]
    assert connections["pool"] >= demand.busy_connections(users)
    assert connections["through_pgbouncer"] + 8 + 3 <= connections["max_connections"] <= 500
    workers = value_at(result, "api.containers.worker.count")
    assert connections["application"] <= 4 * connections["pool"] + workers


def test_500_users_on_the_host_of_the_document_stay_within_four_server_pools():
    connections = plan(host_of("large"), {"users": 500})["totals"]["connections"]
    assert (connections["application"], connections["pool"]) == (80, 20)


def test_without_users_no_load_is_known():
    result = plan_of("large", overrides={"postgres": {"cpus": 4}})
    assert (result["load"], said(result)) == (None, [])


# -- several hosts -----------------------------------------------------------------------------------------------------

BIG = host_of("large", cores=64, memory_mb=128 * 1024, disk_free_gb=5000, disk_total_gb=5000)
APPS = ["app1", "app2", "app3"]
GROUPS = dict(dict.fromkeys(SERVICES, ["rest"]), postgres=["db"], pgbouncer=["db"], api=APPS)
HOSTS = {"db": BIG, "rest": BIG, **dict.fromkeys(APPS, host_of("medium"))}


def test_each_host_is_told_of_its_own_services():
    result = plan_hosts(dict(HOSTS, db=host_of("medium")), GROUPS, {"users": 5000})
    assert said(result["db"]) == [
        "R11: PostgreSQL has 19 CPU cores, 5000 users ask for 40 (one for each 125, as in the document's large tier)."]
    assert said(result["rest"]) == []
    assert said(result["app1"]) == said(result["app3"]) == [
        "R11: 30 API instances with 1 CPU core each planned on 3 hosts, the peak of 5000 users needs 41."]
    assert result["app1"]["warnings"][-1]["remedy"] == [
        "give each host of the API 28 cores, or have more of them in the group api"]


def test_what_the_hosts_share_is_the_same_on_each():
    result = plan_hosts(HOSTS, dict(GROUPS, pgbouncer=APPS), {"users": 3000})
    connections = [plan_["totals"]["connections"] for plan_ in result.values()]
    assert all(each == connections[0] for each in connections)
    assert 3 * connections[0]["pool"] >= demand.busy_connections(3000)
    assert [plan_["load"] for plan_ in result.values()] == [demand.summary(3000)] * 5


def test_backup_storage_is_that_of_the_installation_where_backups_run():
    result = plan_hosts(HOSTS, GROUPS, {"users": 300})
    assert {name: plan_["disk"]["backup_storage_gb"] for name, plan_ in result.items()} == {
        "db": None, "rest": 873, "app1": None, "app2": None, "app3": None}
    assert result["db"]["services"]["postgres"]["settings"]["volume_gb"] == 129


# -- R12 and notes -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("cores", "accepted", "says"), [
    *((cores, True, [f"R12: the CPU quotas add up to 9.5 cores, the host has {cores}; more than twice as many as there "
                     "are stall each other at the peak."]) for cores in (4, 2)),
    (4, False, []), (5, True, []), (12, False, []),
])
def test_quotas_of_more_than_twice_the_cores(cores, accepted, says):
    result = plan_of("small", host_of("small", cores=cores), accept_undersized_host=accepted)
    assert said(result, "R12") == says
    if says:
        assert result["warnings"][-1]["remedy"] == [
            "give the host 5 cores", "lower cpus in trenova_plan_overrides, beginning with rabbitmq"]


@pytest.mark.parametrize(("cores", "quota"), [(0.5, 0.5), (1, 1), (1.5, 1), (2, 1), (4, 3), (5, 4), (6, 4)])
def test_the_database_leaves_a_core_to_the_others(cores, quota):
    assert value_at(plan_of("large", host_of("large", cores=cores)), "postgres.cpus") == quota


def test_a_host_that_idles_is_told_of_mode_balanced():
    note, = plan(host_of("large"), {"users": 500})["notes"]
    assert note == {
        "text": "the host is mostly idle: 19968 of the 90726 MiB that containers may use are given to them (22 %), "
                "70758 MiB are left.",
        "remedy": ["share out the rest, most of it to PostgreSQL, with the requirements' numbers as the least: "
                   "trenova_mode: balanced"]}


@pytest.mark.parametrize(("tier", "intent"), [
    ("minimum", {}), ("large", {"mode": "balanced"}), ("large", {"services": ["redis"]})])
def test_a_host_that_is_used_or_has_others_is_not(tier, intent):
    assert plan_of(tier, **intent)["notes"] == []
