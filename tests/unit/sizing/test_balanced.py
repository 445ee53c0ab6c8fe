# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Mode balanced: what the document's numbers leave of a host is used."""

from __future__ import annotations

import pytest
from sizing_builders import TIERS, host_of, plan_of, value_at

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import balance, plan

#: Worked out by hand from the formulas, for the recommended hosts and an application with a worker-only mode.
FIGURES = {
    "postgres.memory_limit_mb": (2816, 6400, 13312, 27136),
    "postgres.cpus": (2, 4, 7, 11),
    "pgbouncer.settings.default_pool_size": (20, 20, 30, 46),
    "pgbouncer.settings.reserve_pool_size": (5, 5, 8, 12),
    "postgres.settings.backends": (33, 33, 46, 66),
    "postgres.settings.work_mem_kb": (17582, 44281, 64299, 65536),
    "redis.memory_limit_mb": (2048, 2048, 3328, 7168),
    "api.instances": (1, 1, 2, 3),
    "api.memory_limit_mb": (1280, 2048, 2048, 2048),
    "api.containers.worker.count": (0, 0, 0, 2),
    "api.settings.database_pool": (40, 40, 33, 23),
    "minio.memory_limit_mb": (512, 1280, 2560, 4096),
    "rabbitmq.memory_limit_mb": (512, 1024, 1536, 3584),
    "pgbouncer.settings.max_client_conn": (200, 200, 200, 200),
}
SUMS = (7808, 13440, 25600, 51200)


@pytest.mark.parametrize("path", FIGURES)
def test_figures_on_the_recommended_hosts(path):
    profile = {"worker_only": True}
    assert tuple(value_at(plan_of(tier, mode="balanced", profile=profile), path) for tier in TIERS) == FIGURES[path]


def test_sums_on_the_recommended_hosts():
    sums = tuple(plan_of(tier, mode="balanced")["totals"]["memory_limit_mb"] for tier in TIERS)
    assert sums == SUMS


def test_workers_of_the_large_tier_have_half_of_an_instance():
    assert value_at(plan_of("large", mode="balanced"), "api.containers.worker.memory_limit_mb") == 1024


@pytest.mark.parametrize("tier", TIERS)
def test_the_document_is_the_floor(tier):
    document, balanced = plan_of(tier), plan_of(tier, mode="balanced")
    for service, figures in document["services"].items():
        assert balanced["services"][service]["memory_limit_mb"] >= figures["memory_limit_mb"]
        assert balanced["services"][service]["cpus"] >= figures["cpus"]


def test_growth_stops_where_the_host_ends():
    """11000 MiB: all together would exceed what can be allocated, so those that are decided last stay small."""
    host = host_of("medium", memory_mb=11700)
    result = plan_of("medium", host, mode="balanced")
    totals = result["totals"]
    assert [refusal["rule"] for refusal in result["refusals"]] == []
    assert totals["memory_limit_mb"] + totals["memory_limit_jobs_mb"] <= result["host"]["allocatable_mb"]
    explained = result["explain"]["postgres.memory_limit_mb"]
    assert explained["value"] < explained["inputs"]["wanted_mb"] == 2816


def test_an_override_takes_nothing_of_the_growth():
    given = {"postgres": {"memory_limit_mb": 4096}}
    result = plan_of("small", mode="balanced", overrides=given)
    assert value_at(result, "postgres.memory_limit_mb") == 4096
    assert result["explain"]["postgres.memory_limit_mb"]["overridden"]
    assert value_at(result, "minio.memory_limit_mb") == 1280


def test_a_database_on_its_own_host_gets_more():
    result = plan_of("small", mode="balanced", services=["postgres", "pgbouncer", "backup"])
    assert value_at(result, "postgres.memory_limit_mb") == int(0.4 * 21422 / 256) * 256


def test_memory_of_other_software_is_left_alone():
    result = plan_of("small", mode="balanced", reserved_memory_mb=8192)
    assert result["host"]["allocatable_mb"] == 21422 - 8192
    assert value_at(result, "postgres.memory_limit_mb") == int(0.3 * 13230 / 256) * 256


@pytest.mark.parametrize(("allocatable", "share", "containers", "limit"), [
    (10035, 0.3, 1, 2816), (10035, 0.15, 1, 1280), (90726, 0.15, 5, 2560), (100, 0.3, 1, 0), (2560, 0.1, 1, 256),
])
def test_share(allocatable, share, containers, limit):
    assert balance.share_mb(allocatable, share, containers) == limit


def claim(least_mb, share, containers=1, most_mb=10**6):
    return balance.Claim(least_mb, most_mb, share, containers, lambda limit: containers * limit)


def test_growth_goes_from_the_least_to_the_share_and_no_further_than_what_helps():
    growth = balance.Growth()
    assert growth.grown(claim(512, 0.3), 10000) == 2816
    assert growth.grown(claim(4096, 0.3), 10000) == 4096
    assert growth.grown(claim(512, 0.3, most_mb=2048), 10000) == 2048
    assert growth.grown(claim(512, 0.3, containers=2), 10000) == 1280


@pytest.mark.parametrize(("excess", "limits"), [
    (1, (2560, 512)), (256, (2560, 512)), (257, (2304, 512)), (2300, (512, 512)), (10**6, (512, 512))])
def test_where_not_all_can_grow_all_shares_are_taken_of_a_smaller_part(excess, limits):
    """Two that would have 2816 and 512 of 10000 MiB, so much less in all."""
    claims, growth = (claim(512, 0.3), claim(512, 0.06)), balance.Growth()
    assert [growth.grown(each, 10000) for each in claims] == [2816, 512]
    smaller = growth.within(10000, excess)
    assert tuple(smaller.grown(each, 10000) for each in claims) == limits


def test_more_memory_leaves_nobody_less():
    """Balanced, 64 cores, 4 TB, 50 users: the volumes, the WAL and the backups of a host with more memory."""
    plans = [plan(host_of("small", cores=64, memory_mb=gib * 1024, disk_free_gb=4000, disk_total_gb=4000),
                  {"users": 50, "mode": "balanced"}) for gib in (24, 64, 128, 512)]
    assert [entry["disk"]["backup_storage_gb"] for entry in plans] == [131] * 4
    settings = [entry["services"]["postgres"]["settings"] for entry in plans]
    assert [entry["volume_gb"] for entry in settings] == [23] * 4
    assert [entry["max_wal_size_mb"] for entry in settings] == [4096] * 4


def test_more_users_leave_the_database_no_less():
    limits = [plan(host_of("small"), {"users": users, "mode": "balanced"})["services"]["postgres"]["memory_limit_mb"]
              for users in (500, 599, 700, 1000, 2000)]
    assert limits == sorted(limits)


@pytest.mark.parametrize(("users", "volume", "most"), [(10, 23, 29440), (500, 129, 164096)])
def test_the_database_gets_no_more_than_its_data_needs(users, volume, most):
    """512 GiB: three quarters of the limit hold all that is planned for."""
    host = host_of("large", memory_mb=512 * 1024, disk_free_gb=2000, disk_total_gb=2000)
    result = plan(host, {"users": users, "mode": "balanced"})
    database = result["services"]["postgres"]
    assert database["settings"]["volume_gb"] == volume
    wanted = int(0.3 * result["host"]["allocatable_mb"] / 256) * 256
    assert database["memory_limit_mb"] == min(most, wanted)
    assert 0.75 * most >= volume * 1000**3 / 1024**2 > 0.75 * (most - 256)


def test_a_volume_of_the_operators_own_counts_as_the_data():
    host = host_of("large", memory_mb=512 * 1024, disk_free_gb=2000, disk_total_gb=2000)
    result = plan(host, {"users": 10, "mode": "balanced", "overrides": {"postgres": {"volume_gb": 60}}})
    assert value_at(result, "postgres.memory_limit_mb") == 76544
