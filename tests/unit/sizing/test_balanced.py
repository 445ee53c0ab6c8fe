# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Mode balanced: what the document's numbers leave of a host is used."""

from __future__ import annotations

import pytest
from sizing_builders import TIERS, host_of, plan_of, value_at

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import balance

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


def test_growth_is_given_in_steps_until_it_is_used_up():
    growth = balance.Growth(1000)
    assert growth.grown(512, 1024) == 1024
    assert growth.grown(512, 1024) == 512 + 256
    assert growth.grown(512, 4096, containers=2) == 512
    assert growth.grown(2048, 512) == 2048
