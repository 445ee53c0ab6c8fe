# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How long who waits for what, and connections in pool mode session."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sizing_builders import TIERS, host_of, plan_of, value_at
from test_properties import hosts, quick

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import (
    PlanError,
    pgbouncer,
    plan,
    postgres,
    rabbitmq,
    redis,
)

#: What the unit of a figure is called at the end of its name.
ENDINGS = {"s": "_seconds", "ms": "_ms", "MiB": "_mb", "kB": "_kb", "GB": "_gb", "MB": "_mb"}


@pytest.mark.parametrize("tier", TIERS)
def test_a_figure_with_a_unit_of_time_or_size_is_called_by_it(tier):
    for path, entry in plan_of(tier)["explain"].items():
        ending = next((found for found in ENDINGS.values() if path.endswith(found)), None)
        assert ENDINGS.get(entry["unit"]) == ending, path


def test_times_are_what_the_servers_are_told():
    settings = plan_of("small")["services"]
    assert settings["postgres"]["settings"]["idle_in_transaction_session_timeout_seconds"] == 120
    bouncer = settings["pgbouncer"]["settings"]
    assert {name: value for name, value in bouncer.items() if name.endswith("_seconds")} == {
        "query_wait_timeout_seconds": 30, "reserve_pool_timeout_seconds": 3, "server_lifetime_seconds": 3600,
        "server_idle_timeout_seconds": 600, "server_login_retry_seconds": 1, "statement_timeout_seconds": 1800,
        "lock_timeout_seconds": 30}
    assert [settings[name]["stop_grace_seconds"] for name in (
        "postgres", "pgbouncer", "redis", "rabbitmq", "minio", "api", "client", "asynq_dashboard", "caddy")] == [
            90, 30, 60, 90, 30, 40, 15, 10, 30]
    assert "stop_grace_seconds" not in settings["backup"]


def test_who_waits_for_a_lock_waits_as_long_as_who_waits_for_a_connection():
    own = plan_of("small", overrides={"pgbouncer": {"query_wait_timeout_seconds": 12}})
    assert value_at(own, "pgbouncer.settings.lock_timeout_seconds") == 12
    off = plan_of("small", overrides={"pgbouncer": {"lock_timeout_seconds": 0, "statement_timeout_seconds": 0}})
    assert (value_at(off, "pgbouncer.settings.lock_timeout_seconds"), off["refusals"]) == (0, [])


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_more_to_write_takes_longer_to_stop(one, other):
    less, more = sorted((one, other))
    for seconds, least in ((postgres.stop_seconds, 90), (redis.stop_seconds, 60)):
        assert least <= seconds(less) <= seconds(more)
        # 100 MiB a second, rounded up.
        assert seconds(more) >= more / 100


@pytest.mark.parametrize(("cpus", "expected"), [(0.5, 2), (1, 2), (2, 2), (2.1, 3), (4, 4)])
def test_schedulers_follow_the_quota(cpus, expected):
    assert rabbitmq.schedulers(cpus) == expected
    with pytest.raises(ValueError, match="cpus: expected"):
        rabbitmq.schedulers(-1)


def test_the_application_says_how_long_it_takes_to_end():
    planned = plan_of("large", profile={"stop_seconds": 55})["services"]["api"]
    assert planned["stop_grace_seconds"] == planned["containers"]["worker"]["stop_grace_seconds"] == 55
    own = plan_of("large", overrides={"api": {"stop_grace_seconds": 20}})["services"]["api"]
    assert own["stop_grace_seconds"] == own["containers"]["worker"]["stop_grace_seconds"] == 20
    with pytest.raises(PlanError, match="application profile: stop_seconds: expected at least 1, got 0"):
        plan_of("small", profile={"stop_seconds": 0})


# -- pool mode session -------------------------------------------------------------------------------------------------

@quick
@given(hosts, st.sampled_from(TIERS), st.none() | st.integers(1, 100000), st.integers(1, 40), st.booleans())
def test_in_pool_mode_session_every_connection_of_the_application_gets_through(
        capacity, tier, users, jobs, worker_only):
    planned = plan(capacity, {"tier": tier, "users": users, "pool_mode": "session", "profile": {
        "job_concurrency": jobs, "worker_only": worker_only}})
    budget = planned["totals"]["connections"]
    assert budget["application"] <= budget["pgbouncers"] * budget["pool"]
    assert budget["backends"] >= budget["application"]


@pytest.mark.parametrize("tier", TIERS)
def test_pool_mode_transaction_is_what_is_planned_without_a_word(tier):
    assert plan_of(tier, pool_mode="transaction") == plan_of(tier)
    assert value_at(plan_of(tier), "pgbouncer.settings.pool_mode") == "transaction"


@pytest.mark.parametrize(("tier", "pool", "of_instance", "work_mem"), [
    ("minimum", 20, 20, 2750), ("small", 20, 20, 2750), ("medium", 20, 10, 12787), ("large", 50, 10, 13981)])
def test_pools_of_pool_mode_session(tier, pool, of_instance, work_mem):
    planned = plan_of(tier, pool_mode="session")
    assert planned["refusals"] == []
    assert [value_at(planned, path) for path in (
        "pgbouncer.settings.default_pool_size", "api.settings.database_pool", "postgres.settings.work_mem_kb")] == [
            pool, of_instance, work_mem]


@pytest.mark.parametrize("own", [
    {"pgbouncer": {"default_pool_size": 5, "reserve_pool_size": 1, "max_db_connections": 6}},
    {"api": {"database_pool": 60}}])
def test_too_few_connections_in_pool_mode_session_are_refused(own):
    refused = plan_of("small", pool_mode="session", overrides=own)["refusals"]
    assert [entry["rule"] for entry in refused] == ["R6"]
    assert refused[0]["text"].startswith(
        "R6: connection budget: in pool mode session each connection of the application is one of PostgreSQL, and of ")
    assert refused[0]["remedy"][0] == "set pgbouncer_pool_mode: transaction"


def test_a_session_is_given_back_as_new_so_nothing_can_be_set_in_it():
    settings = plan_of("small", pool_mode="session")["services"]["pgbouncer"]["settings"]
    assert (settings["statement_timeout_seconds"], settings["lock_timeout_seconds"]) == (0, 0)
    refused = plan_of("small", pool_mode="session", overrides={"pgbouncer": {"lock_timeout_seconds": 5}})["refusals"]
    assert [entry["rule"] for entry in refused] == ["R9"]


def test_the_pool_mode_is_a_variable_of_its_own():
    with pytest.raises(PlanError, match="pgbouncer.pool_mode: cannot be set, it follows from other figures"):
        plan_of("small", overrides={"pgbouncer": {"pool_mode": "session"}})
    with pytest.raises(PlanError, match="pgbouncer_pool_mode: expected one of transaction, session; got \"sesion\""):
        plan_of("small", pool_mode="sesion")


@pytest.mark.parametrize("pools", [1, 50, 840])
def test_session_pool_is_all_of_them(pools):
    assert pgbouncer.session_pool(pools) == pools
    assert plan(host_of("small"), {"tier": "small"})["totals"]["connections"]["pool"] == 20
