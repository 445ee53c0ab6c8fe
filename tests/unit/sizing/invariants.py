# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What holds for every plan, and random hosts and wishes to hold it against."""

from __future__ import annotations

import random

from sizing_builders import placed

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import plan

TIERS = ("minimum", "small", "medium", "large")
#: Overrides that an operator may come up with, by service.
OVERRIDES = {
    "postgres": ("memory_limit_mb", "cpus", "work_mem_kb", "shared_buffers_mb", "maintenance_work_mem_mb",
                 "autovacuum_max_workers", "max_connections", "volume_gb", "max_wal_size_mb"),
    "pgbouncer": ("default_pool_size", "reserve_pool_size", "max_db_connections", "max_client_conn"),
    "redis": ("memory_limit_mb", "maxmemory_mb", "cpus"),
    "rabbitmq": ("memory_limit_mb", "memory_high_watermark_mb"),
    "minio": ("memory_limit_mb", "volume_gb"),
    "api": ("instances", "cpus", "memory_limit_mb", "workers", "database_pool", "gomaxprocs"),
}


def random_capacity(chance: random.Random) -> dict:
    """A host between a toy and the largest that can be bought, whole numbers and odd ones."""
    def about(low, high):
        return low * (high / low) ** chance.random()

    total_gb = round(about(5, 50000), chance.choice((0, 1)))
    return {
        "cores": chance.choice((chance.randint(1, 256), round(about(0.1, 256), 2))),
        "memory_mb": int(about(256, 4 * 1024 * 1024)),
        "disk_total_gb": total_gb,
        "disk_free_gb": round(total_gb * chance.random(), 1),
        "disk_used_by_trenova_gb": chance.choice((0, round(total_gb * chance.random() / 2, 1))),
        "disk_kind": chance.choice(("ssd", "nvme", "hdd", "unknown")),
        "architecture": chance.choice(("x86_64", "aarch64")),
        "backup_on_data_disk": chance.choice((None, False, True)),
    }


def random_intent(chance: random.Random, overridden: bool = True) -> dict:
    """A wish with anything that an inventory can say, overrides included where they are wanted."""
    intent = {"mode": chance.choice(("document", "balanced"))}
    which = chance.random()
    if which < 0.8:
        intent["tier"] = chance.choice(TIERS)
    if which > 0.5:
        intent["users"] = int(10 ** (5 * chance.random()))
    for name in ("strict", "accept_undersized_host", "accept_overcommit", "accept_backup_on_data_disk"):
        if chance.random() < 0.3:
            intent[name] = True
    if chance.random() < 0.2:
        intent["reserved_memory_mb"] = chance.choice((1, 50, 200))
    if chance.random() < 0.2:
        intent["minio_mode"] = "external"
    if chance.random() < 0.2:
        intent["foreign"] = {"greeter": {
            kind: random_resources(chance) for kind in chance.choice((("main",), ("main", "sidecar")))}}
    if overridden and chance.random() < 0.4:
        intent["overrides"] = {
            service: {name: chance.choice((0, 1, chance.randint(1, 5000), chance.randint(0, 10**9)))
                      for name in chance.sample(names, chance.randint(1, 2))}
            for service, names in OVERRIDES.items()
            if chance.random() < 0.3 and not (service == "minio" and "minio_mode" in intent)}
    return intent


def random_resources(chance: random.Random) -> dict:
    """What a role of somebody else's may say of a container."""
    limit = int(10 ** chance.uniform(1, 5))
    return {
        "count": chance.choice((1, 1, 3)), "memory_limit_mb": limit, "memory_reservation_mb": chance.randint(0, limit),
        "cpus": chance.choice((0.25, 1, 48)), "pids_limit": 64, "nofile": 1024, "oom_score_adj": 300}


def rules(result: dict) -> set:
    """The rules by which a plan is refused or warned of."""
    return {entry["rule"] for entry in result["refusals"] + result["warnings"]}


def check(capacity: dict, intent: dict) -> dict:
    """Plan, assert what holds for every plan, and return it."""
    result = plan(capacity, intent)
    services, said = result["services"], rules(result)
    _check_memory(result, said)
    _check_postgres(services["postgres"], said)
    _check_connections(services, said)
    for service, figures in services.items():
        assert figures["cpus"] <= capacity["cores"]
        for name, value in intent.get("overrides", {}).get(service, {}).items():
            assert placed(figures, name) == value or "R9" in said, f"override of {service}.{name} is lost"
    return result


def _check_memory(result, said):
    totals, allocatable = result["totals"], result["host"]["allocatable_mb"]
    limits = totals["memory_limit_mb"] + totals["memory_limit_jobs_mb"]
    assert (limits <= allocatable) == ("R3" not in said), "the sum of the limits is not what R3 says"
    assert limits > allocatable or totals["memory_reservation_mb"] <= 0.8 * allocatable or "R4" in said


def _check_postgres(figures, said):
    chosen = figures["settings"]
    worst = (
        chosen["shared_buffers_mb"] + chosen["wal_buffers_kb"] / 1024
        + chosen["autovacuum_max_workers"] * chosen["maintenance_work_mem_mb"]
        + chosen["backends"] * (4 + 1.5 * chosen["work_mem_kb"] / 1024))
    safe = 0.9 * figures["memory_limit_mb"]
    assert worst <= safe + 1e-6 or "R5" in said, "PostgreSQL's worst case is beyond 90 % of its limit"
    assert worst >= safe - 1e-6 or "R5" not in said


def _check_connections(services, said):
    bouncer, database, api = (services[name]["settings"] for name in ("pgbouncer", "postgres", "api"))
    worker = services["api"]["containers"]["worker"]
    through, direct = bouncer["max_db_connections"], 8 + database["superuser_reserved_connections"]
    opened = services["api"]["instances"] * api["database_pool"] + worker["count"] * worker["settings"]["database_pool"]
    closed = (
        bouncer["default_pool_size"] + bouncer["reserve_pool_size"] <= through
        and through + direct <= database["max_connections"]
        and opened <= bouncer["max_client_conn"])
    assert closed == ("R6" not in said), "the connection budget is not what R6 says"


def check_more(capacity: dict, intent: dict, chance: random.Random) -> None:
    """Assert that more memory, cores or users never leave less, for a wish without overrides."""
    first = plan(capacity, intent)
    roomier = plan(dict(capacity, memory_mb=capacity["memory_mb"] + chance.randint(1, 65536)), intent)
    for path in ("host.allocatable_mb", "services.postgres.memory_limit_mb", "services.postgres.settings.work_mem_kb",
                 "totals.memory_limit_mb"):
        assert _at(first, path) <= _at(roomier, path), f"{path} falls with more memory"
    faster = plan(dict(capacity, cores=min(4096, capacity["cores"] + chance.randint(1, 64))), intent)
    for path in ("services.postgres.cpus", "services.pgbouncer.settings.default_pool_size", "services.api.cpus"):
        assert _at(first, path) <= _at(faster, path), f"{path} falls with more cores"
    if "users" in intent and "tier" in intent:
        fuller = plan(capacity, dict(intent, users=min(100000, intent["users"] + chance.randint(1, 1000))))
        for path in ("services.api.instances", "services.postgres.settings.volume_gb"):
            assert _at(first, path) <= _at(fuller, path), f"{path} falls with more users"


def check_accepted(result: dict, capacity: dict, intent: dict) -> None:
    """Assert that a plan which is not refused is not refused either when each of its numbers is asked for by name."""
    if result["refusals"]:
        return
    asked = {}
    for path, explanation in result["explain"].items():
        service, *place, name = path.split(".")
        # A volume that is asked for by name must be there from the first day on, a planned one may come later.
        if service in result["services"] and not explanation["derived"] and name != "volume_gb":
            wishes = asked.setdefault(service, {})
            if place[:1] == ["containers"]:
                wishes = wishes.setdefault(place[1], {})
            wishes[name] = explanation["value"]
    again = plan(capacity, dict(intent, overrides=asked))
    assert again["services"] == result["services"], "a plan's own numbers as overrides give another plan"
    assert again["refusals"] == [], "a plan's own numbers as overrides are refused"


def _at(result, path):
    for key in path.split("."):
        result = result[key]
    return result
