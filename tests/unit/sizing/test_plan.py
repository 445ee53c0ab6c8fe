# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whole plans: the figures of the four tiers, their explanations, and what the plan says of itself."""

from __future__ import annotations

import json
import sys
import time

import pytest
from sizing_builders import TIERS, host_of, leaves, plan_of, value_at

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import PlanError, deviations, plan

# tier: allocatable, sum of limits, pool, reserve, backends, max_connections, work_mem in kB
RESULTING_DEFAULTS = [
    ("minimum", 10035, 4736, 20, 5, 33, 100, 2750),
    ("small", 21422, 5248, 20, 5, 33, 100, 2750),
    ("medium", 44524, 8960, 20, 5, 33, 200, 12787),
    ("large", 90726, 17408, 20, 5, 33, 200, 28339),
]


@pytest.mark.parametrize("row", RESULTING_DEFAULTS, ids=TIERS)
def test_resulting_defaults(row):
    tier, allocatable, limits, pool, reserve, backends, connections, work_mem = row
    result = plan_of(tier)
    postgres, bouncer = (result["services"][name]["settings"] for name in ("postgres", "pgbouncer"))
    assert result["host"]["allocatable_mb"] == allocatable
    assert result["totals"]["memory_limit_mb"] == limits
    assert (bouncer["default_pool_size"], bouncer["reserve_pool_size"]) == (pool, reserve)
    assert bouncer["max_db_connections"] == pool + reserve
    assert (postgres["backends"], postgres["max_connections"]) == (backends, connections)
    assert postgres["work_mem_kb"] == work_mem


# path, minimum, small, medium, large
FIGURES = [
    ("postgres.shm_size_mb", 128, 128, 512, 1024),
    ("postgres.settings.maintenance_work_mem_mb", 32, 32, 128, 256),
    ("postgres.settings.wal_buffers_kb", 3932, 3932, 16384, 16384),
    ("postgres.settings.autovacuum_max_workers", 2, 2, 3, 3),
    ("postgres.settings.max_worker_processes", 8, 8, 8, 8),
    ("postgres.settings.max_parallel_workers", 1, 1, 2, 4),
    ("postgres.settings.max_parallel_workers_per_gather", 0, 0, 1, 2),
    ("postgres.settings.max_parallel_maintenance_workers", 0, 0, 1, 2),
    ("postgres.settings.max_wal_size_mb", 1907, 4096, 4096, 4096),
    ("postgres.settings.min_wal_size_mb", 476, 1024, 1024, 1024),
    ("postgres.settings.max_slot_wal_keep_size_mb", 1907, 4096, 4096, 4096),
    ("postgres.settings.hash_mem_multiplier", 1.0, 1.0, 1.2, 1.1),
    ("postgres.settings.peak_memory_mb", 461, 461, 1839, 3646),
    ("postgres.settings.huge_pages", "off", "off", "off", "off"),
    ("postgres.settings.superuser_reserved_connections", 3, 3, 3, 3),
    ("postgres.settings.io_method", "worker", "worker", "worker", "worker"),
    ("postgres.settings.jit", "off", "off", "off", "off"),
    ("pgbouncer.settings.max_client_conn", 200, 200, 200, 200),
    ("pgbouncer.settings.file_descriptors", 230, 230, 230, 230),
    ("redis.settings.maxmemory_policy", *["volatile-lru"] * 4),
    ("redis.settings.appendonly", *["yes"] * 4),
    ("redis.settings.io_threads", 1, 1, 1, 1),
    ("redis.settings.maxclients", 10000, 10000, 10000, 10000),
    ("rabbitmq.settings.memory_high_watermark_mb", 307, 614, 614, 1228),
    ("rabbitmq.settings.disk_free_limit_mb", 1024, 1024, 1024, 1228),
    ("rabbitmq.settings.raft_wal_max_size_mb", 64, 128, 128, 256),
    ("minio.settings.requests_max", 152, 152, 304, 608),
    ("api.settings.gomaxprocs", 2, 2, 2, 2),
    ("api.settings.gomemlimit_mb", 460, 460, 921, 921),
    ("api.settings.database_pool", 40, 40, 25, 20),
    ("api.settings.redis_pool_size", 20, 20, 20, 20),
    ("api.settings.asynq_concurrency", 10, 10, 10, 10),
    ("api.containers.worker.memory_limit_mb", 512, 512, 512, 512),
    ("api.containers.worker.settings.database_pool", 10, 10, 10, 10),
    ("caddy.settings.gomemlimit_mb", 108, 108, 230, 230),
    ("client.settings.gomemlimit_mb", 230, 230, 230, 230),
    ("asynq_dashboard.settings.gomemlimit_mb", 108, 108, 108, 108),
    ("backup.memory_reservation_mb", 0, 0, 0, 0),
]


@pytest.mark.parametrize("row", FIGURES, ids=lambda row: row[0])
def test_figures(row):
    path, *expected = row
    assert [value_at(plan_of(tier), path) for tier in TIERS] == expected


@pytest.mark.parametrize(("service", "score", "shares"), [
    ("postgres", -300, 2048), ("redis", -200, 2048), ("rabbitmq", -100, 1024), ("pgbouncer", 0, 2048),
    ("api", 0, 2048), ("caddy", 0, 2048), ("minio", 0, 1024), ("client", 300, 1024), ("asynq_dashboard", 300, 512),
    ("backup", 500, 256),
])
def test_who_is_killed_last_and_that_nobody_swaps(service, score, shares):
    figures = plan_of("small")["services"][service]
    assert (figures["oom_score_adj"], figures["cpu_shares"]) == (score, shares)
    assert figures["memory_swap_limit_mb"] == figures["memory_limit_mb"]


def test_swap_can_be_allowed_and_goes_with_a_limit_of_memory_only():
    assert value_at(plan_of("small", overrides={"client": {"memory_swap_limit_mb": 512}}),
                    "client.memory_swap_limit_mb") == 512
    unlimited = plan_of("small", restore_document=["rabbitmq-limit"])
    assert value_at(unlimited, "rabbitmq.memory_swap_limit_mb") == 0
    refused = plan_of("small", restore_document=["rabbitmq-limit"],
                      overrides={"rabbitmq": {"memory_swap_limit_mb": 1024}})["refusals"]
    assert [entry["rule"] for entry in refused] == ["R9"]


def test_services_and_keys_come_in_a_fixed_order():
    result = plan_of("large")
    assert list(result) == ["schema_version", "tier", "users", "mode", "host", "services", "explain", "totals",
                            "disk", "deviations", "requirements", "load", "notes", "warnings", "refusals"]
    assert list(result["services"]) == ["postgres", "pgbouncer", "redis", "rabbitmq", "minio", "api", "client",
                                        "asynq_dashboard", "caddy", "backup"]


@pytest.mark.parametrize("tier", TIERS)
def test_every_figure_is_explained(tier):
    result = plan_of(tier)
    figures = dict(leaves(result["services"]))
    assert list(figures) == list(result["explain"])
    for path, explanation in result["explain"].items():
        assert explanation["value"] == figures[path]
        assert explanation["rule"]
        assert explanation["source"]


def test_work_mem_is_explained():
    assert plan_of("minimum")["explain"]["postgres.settings.work_mem_kb"] == {
        "value": 2750,
        "unit": "kB",
        "rule": "min(pgtune(memory_limit, cores, backends), (0.9 * memory_limit - shared_buffers - wal_buffers"
                " - autovacuum_max_workers * maintenance_work_mem - 4 MiB * (backends + parallel_workers)) / (1.5 *"
                " (backends + parallel_workers)))",
        "inputs": {
            "memory_limit_mb": 512, "cpus": 1, "backends": 33, "parallel_workers": 0, "shared_buffers_mb": 128,
            "wal_buffers_kb": 3932, "autovacuum_max_workers": 2, "maintenance_work_mem_mb": 32,
            "pgtune_kb": 3196, "safe_bound_mb": 2.686,
        },
        "bounds": {"min": 1024, "max": 65536, "technical_min": 64},
        "source": "pgtune, classic (e2c7f39); bound: postgresqltuner's worst case at 90 % of the limit",
        "deviates": None,
        "overridden": False,
        "derived": False,
    }


def test_quota_never_exceeds_the_host_and_says_so():
    explanation = plan_of("large", host_of("large", cores=2.5))["explain"]["postgres.cpus"]
    assert explanation["value"] == 1.5
    assert explanation["bounds"] == {
        "max": 1.5, "document_floor": 4, "technical_min": 0.01, "technical_max": 2.5, "before": 4.0,
        "hit": "max"}


@pytest.mark.parametrize(("cores", "cpus", "idle"), [
    (0.5, 0.03, 0.12), (1, 0.07, 0.25), (2, 0.13, 0.5), (4, 0.27, 1), (6, 0.4, 1), (64, 1, 1)])
def test_a_backup_takes_a_fifteenth_of_a_host_that_is_busy(cores, cpus, idle):
    told = plan_of("minimum", host_of("minimum", cores=cores), accept_undersized_host=True)["services"]["backup"]
    assert (told["cpus"], told["settings"]["idle_cpus"]) == (cpus, idle)


def test_host_part():
    assert plan_of("minimum", host_of("minimum", disk_free_gb=20, disk_used_by_trenova_gb=9.5))["host"] == {
        "cores": 6, "cpu_reserve_millicores": 160, "memory_mb": 12288, "reserve_mb": 2253,
        "reserved_memory_mb": 0, "allocatable_mb": 10035,
        "disk_free_gb": 20, "disk_total_gb": 30, "disk_used_by_trenova_gb": 9.5, "disk_available_gb": 29.5,
        "disk_kind": "ssd", "architecture": "x86_64", "fitting_tier": "minimum",
    }


def test_totals_count_instances_and_workers():
    assert plan_of("large")["totals"] == {
        "memory_limit_mb": 17408, "memory_limit_jobs_mb": 512, "memory_reservation_mb": 8704, "cpus": 21.0,
        "connections": {
            "pool": 20, "reserve": 5, "max_db_connections": 25, "pgbouncers": 1, "through_pgbouncer": 25, "direct": 8,
            "backends": 33, "superuser_reserved": 3, "max_connections": 200, "spare": 164, "application": 80,
            "max_client_conn": 200,
        },
    }


def test_what_counts_containers_counts_instances_and_workers():
    """Three instances, two workers, two clients, and one of everything else, the backup job among it."""
    result = plan_of("large")
    assert result["disk"]["items"][0]["what"] == "images, twice at an upgrade; of logs at most 0.45"
    assert result["explain"]["redis.settings.maxclients"]["inputs"]["api_processes"] == 5


@pytest.mark.parametrize(("users", "tier", "instances"), [(20, "small", 1), (200, "medium", 2), (500, "large", 5)])
def test_users_give_the_tier_and_the_instances(users, tier, instances):
    result = plan(host_of(tier), {"users": users})
    assert (result["tier"], result["users"]) == (tier, users)
    assert result["services"]["api"]["instances"] == instances


def test_named_tier_wins_over_users_who_still_count_for_the_load():
    result = plan(host_of("small"), {"tier": "small", "users": 300})
    assert result["tier"] == "small"
    assert result["services"]["api"]["instances"] == 3


def test_instances_are_bounded_by_half_the_cores():
    result = plan(host_of("large"), {"users": 5000})
    assert result["services"]["api"]["instances"] == 16
    assert "R2: 16 API instances with 1 CPU core each planned, the peak of 5000 users needs 41." in [
        warning["text"] for warning in result["warnings"]]


def test_workers_take_the_jobs_where_the_application_can():
    profile = {"worker_only": True}
    assert value_at(plan_of("large", profile=profile), "api.settings.database_pool") == 10
    assert value_at(plan_of("medium", profile=profile), "api.settings.database_pool") == 25


def test_concurrency_of_the_profile_is_followed():
    result = plan_of("small", profile={"job_concurrency": 30})
    assert value_at(result, "api.settings.database_pool") == 60
    assert value_at(result, "api.settings.redis_pool_size") == 40


@pytest.mark.parametrize(("kind", "page_cost", "concurrency"), [
    ("hdd", 4.0, 2), ("ssd", 1.1, 200), ("nvme", 1.1, 1000), ("unknown", 1.1, 200),
])
def test_disk_kind(kind, page_cost, concurrency):
    settings = plan_of("small", host_of("small", disk_kind=kind))["services"]["postgres"]["settings"]
    assert (settings["random_page_cost"], settings["effective_io_concurrency"]) == (page_cost, concurrency)


def test_external_object_store_is_not_planned():
    result = plan_of("small", minio_mode="external")
    assert "minio" not in result["services"]
    assert not [path for path in result["explain"] if path.startswith("minio.")]
    assert result["totals"]["memory_limit_mb"] == 5248 - 512
    assert value_at(result, "backup.settings.storage_need_gb") == 69
    assert "minio-single-node" not in [entry["id"] for entry in result["deviations"]]


def test_deviations_of_the_minimum_host():
    listed = [(entry["id"], entry["setting"], entry["planned"]) for entry in plan_of("minimum")["deviations"]]
    assert listed == [
        ("postgres-backends", "pgbouncer.settings.default_pool_size", 20),
        ("postgres-wal-size", "postgres.settings.max_wal_size_mb", 1907),
        ("postgres-slot-wal", "postgres.settings.max_slot_wal_keep_size_mb", 1907),
        ("postgres-shm", "postgres.shm_size_mb", 128),
        ("redis-policy", "redis.settings.maxmemory_policy", "volatile-lru"),
        ("redis-persistence", "redis.settings.appendonly", "yes"),
        ("redis-volume", "redis.settings.volume_gb", 9),
        ("rabbitmq-limit", "rabbitmq.memory_limit_mb", 512),
        ("rabbitmq-volume", "rabbitmq.settings.volume_gb", 3),
        ("minio-single-node", "minio.settings.nodes", 1),
        ("api-gomaxprocs", "api.settings.gomaxprocs", 2),
        ("rabbitmq-ports", "rabbitmq.ports", "5672, 15672"),
        ("host-distribution", "host.distribution",
         "Ubuntu 22.04, Debian 12, RHEL 9 and its family, Fedora 41, or newer"),
    ]


def test_deviation_is_complete():
    entry = next(entry for entry in plan_of("small")["deviations"] if entry["id"] == "redis-policy")
    assert entry == {
        "id": "redis-policy",
        "setting": "redis.settings.maxmemory_policy",
        "document": "Max Memory Policy: allkeys-lru",
        "planned": "volatile-lru",
        "reason": "jobs carry no expiry; allkeys-lru evicts them silently, and nothing logs or retries a lost job. "
                  "volatile-lru evicts only keys that were made to expire.",
        "restore": "trenova_plan_overrides.redis.maxmemory_policy to another volatile-* policy or to noeviction; "
                   "allkeys-* is refused",
    }


@pytest.mark.parametrize("tier", TIERS)
def test_deviations_and_explanations_agree(tier):
    result = plan_of(tier)
    # Ports and distributions are no figures.
    assert {entry["setting"]: entry["id"] for entry in result["deviations"]} == {
        "rabbitmq.ports": "rabbitmq-ports", "host.distribution": "host-distribution", **{
            path: explanation["deviates"] for path, explanation in result["explain"].items()
            if explanation["deviates"]}}


RESTORED = [
    ("postgres-backends", "pgbouncer.settings.default_pool_size", 71),
    ("postgres-wal-size", "postgres.settings.max_wal_size_mb", 4096),
    ("postgres-slot-wal", "postgres.settings.max_slot_wal_keep_size_mb", -1),
    ("postgres-shm", "postgres.shm_size_mb", 64),
    ("redis-persistence", "redis.settings.appendonly", "no"),
    ("redis-volume", "redis.settings.volume_gb", 1),
    ("rabbitmq-limit", "rabbitmq.memory_limit_mb", 0),
    ("rabbitmq-volume", "rabbitmq.settings.volume_gb", 1),
    ("api-gomaxprocs", "api.settings.gomaxprocs", 6),
]


@pytest.mark.parametrize(("deviation", "path", "value"), RESTORED)
def test_document_can_be_restored(deviation, path, value):
    result = plan_of("minimum", restore_document=[deviation])
    assert value_at(result, path) == value
    assert deviation not in [entry["id"] for entry in result["deviations"]]
    assert result["explain"][path]["deviates"] is None
    assert [warning["text"] for warning in result["warnings"] if warning["rule"] != "R7"] == [
        f"restored: {path} is {value} again, as the document has it ({deviation}): "
        f"{deviations.CATALOGUE[deviation].reason}"]


def test_every_deviation_is_tested_for_its_way_back():
    by_name = {name for name, entry in deviations.CATALOGUE.items() if not entry.restore}
    # The cache hint departs only where there are many backends: see below.
    assert by_name == {row[0] for row in RESTORED} | {"postgres-cache-hint"}


def test_cache_hint_yields_to_many_backends_and_can_be_restored():
    wide = {"pgbouncer": {"default_pool_size": 80, "max_db_connections": 100}, "postgres": {"max_connections": 200}}
    result = plan_of("small", overrides=wide)
    assert value_at(result, "postgres.settings.effective_cache_size_mb") == 512 - 2 * 108
    assert "postgres-cache-hint" in [entry["id"] for entry in result["deviations"]]
    result = plan_of("small", overrides=wide, restore_document=["postgres-cache-hint"])
    assert value_at(result, "postgres.settings.effective_cache_size_mb") == 384


def test_unlimited_rabbitmq_keeps_an_absolute_watermark():
    settings = plan_of("minimum", restore_document=["rabbitmq-limit"])["services"]["rabbitmq"]["settings"]
    assert settings["memory_high_watermark_mb"] == 307


def test_restored_backends_do_not_fit_and_the_plan_says_what_would():
    result = plan_of("minimum", restore_document=["postgres-backends"])
    assert [(refusal["rule"], refusal["found"], refusal["required"]) for refusal in result["refusals"]] == [
        ("R5", 512, 1184)]


def test_json_is_the_same_for_the_same_input_and_survives_a_round_trip():
    first, second = (plan_of("medium", users=120) for _attempt in range(2))
    assert json.dumps(first) == json.dumps(second)
    assert json.loads(json.dumps(first)) == first


def test_input_is_not_changed():
    capacity, intent = host_of("small"), {"tier": "small", "overrides": {"postgres": {"memory_limit_mb": 1024}}}
    before = json.dumps([capacity, intent])
    plan(capacity, intent)
    assert json.dumps([capacity, intent]) == before


def test_a_plan_takes_milliseconds():
    """Five, on a machine that squares twenty thousand numbers in one; as many of those on a slower or busy one."""
    capacity, fastest, squares, tracer = host_of("large"), 1.0, 1.0, sys.gettrace()
    # What measures coverage costs as much again.
    sys.settrace(None)
    try:
        for _attempt in range(20):
            start = time.process_time()
            plan(capacity, {"tier": "large"})
            fastest = min(fastest, time.process_time() - start)
            start = time.process_time()
            sum(number * number for number in range(20_000))
            squares = min(squares, time.process_time() - start)
    finally:
        sys.settrace(tracer)
    assert fastest < 5 * squares


def test_sums_are_those_of_the_services_on_the_host():
    """A host for Redis alone needs what Redis needs, and is not held to the minimum of a host with everything."""
    alone = plan_of("minimum", host_of("minimum", cores=1, memory_mb=3000), services=["redis"])
    assert list(alone["services"]) == ["redis"]
    assert alone["totals"]["memory_limit_mb"] == alone["services"]["redis"]["memory_limit_mb"]
    assert alone["refusals"] == []
    too_small = plan_of("minimum", host_of("minimum", cores=1, memory_mb=2000), services=["redis"])
    assert [entry["rule"] for entry in too_small["refusals"]] == ["R3"]


def test_database_elsewhere_frees_its_memory():
    everything = plan_of("small")
    elsewhere = plan_of("small", services=[name for name in everything["services"] if name != "postgres"])
    freed = everything["services"]["postgres"]["memory_limit_mb"]
    assert elsewhere["totals"]["memory_limit_mb"] == everything["totals"]["memory_limit_mb"] - freed
    assert elsewhere["totals"]["connections"] == everything["totals"]["connections"]


def test_switched_off_dashboard_does_not_lift_the_minimum():
    names = [name for name in plan_of("small")["services"] if name != "asynq_dashboard"]
    refused = plan_of("small", host_of("small", cores=2), services=names)["refusals"]
    assert "R1" in [entry["rule"] for entry in refused]


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("mode", ["document", "balanced"])
def test_foretold_peaks_leave_room_in_the_limit(tier, mode):
    services = plan_of(tier, mode=mode)["services"]
    peaks = {name: entry["settings"]["peak_memory_mb"] for name, entry in services.items()
             if "peak_memory_mb" in entry["settings"]}
    assert list(peaks) == ["postgres", "redis", "rabbitmq"]
    assert peaks["redis"] == round(1.1 * services["redis"]["settings"]["maxmemory_mb"])
    assert peaks["rabbitmq"] == round(1.2 * services["rabbitmq"]["settings"]["memory_high_watermark_mb"])
    # Peaks are whole MiB; PostgreSQL's is planned to be 90 % exactly.
    assert all(peak <= 0.9 * services[name]["memory_limit_mb"] + 0.5 for name, peak in peaks.items())


def test_a_foretold_peak_cannot_be_set():
    with pytest.raises(PlanError, match="redis.peak_memory_mb: cannot be set, it follows from other figures"):
        plan_of("small", overrides={"redis": {"peak_memory_mb": 100}})
