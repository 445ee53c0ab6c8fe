# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What holds for every plan, and random hosts and wishes to hold it against."""

from __future__ import annotations

import random
import re

from sizing_builders import placed

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import comparison, plan

TIERS = ("minimum", "small", "medium", "large")
#: Figures that may fall when a host gets more cores or an installation more users, and why. With more memory or more
#: disk none does.
_MAY_FALL = {direction: re.compile("|".join(f"(?:{path})" for path in paths)) for direction, paths in {
    "memory": ("nothing",),
    "disk": ("nothing",),
    "cores": (
        # More backends share the same memory.
        r"services\.postgres\.settings\.(work_mem_kb|hash_mem_multiplier|effective_cache_size_mb|peak_memory_mb)",
        # More instances share a pool, and in mode balanced a part of the memory.
        r"services\.api\.(settings|containers\.worker|memory)", r"totals\.memory_(limit|reservation)_mb",
        r"services\.pgbouncer\.settings\.(max_client_conn|file_descriptors)",
        r"totals\.connections\.(application|max_client_conn|spare)",
        # Whoever packs a backup has more of them, and ends sooner.
        r"services\.backup\.settings\.(usual|drill)_minutes",
        # The logs of more containers take their part from the first day on.
        r"disk\.(runway|full)_days",
    ),
}.items()}
_MAY_FALL["users"] = _MAY_FALL["cores"]
#: Overrides that an operator may come up with, by service.
OVERRIDES = {
    "postgres": ("memory_limit_mb", "cpus", "work_mem_kb", "shared_buffers_mb", "maintenance_work_mem_mb",
                 "autovacuum_max_workers", "max_connections", "volume_gb", "max_wal_size_mb", "hash_mem_multiplier",
                 "max_parallel_workers", "max_worker_processes", "max_slot_wal_keep_size_mb"),
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
    _check_load(result, said)
    _check_cores(result, capacity, intent, said)
    for entry in (*result["refusals"], *result["warnings"], *result["notes"]):
        assert 1 <= len(entry["remedy"]) <= 3, f"nobody is told what helps: {entry}"
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
    worst, safe = worst_case_mb(chosen), 0.9 * figures["memory_limit_mb"]
    assert worst <= safe + 1e-6 or "R5" in said, "PostgreSQL's worst case is beyond 90 % of its limit"
    assert worst >= safe - 1e-6 or "R5" not in said


def worst_case_mb(chosen):
    """The memory of a PostgreSQL in which everything that its settings allow happens at once."""
    may_ask = chosen["max_parallel_workers_per_gather"] or chosen["max_parallel_maintenance_workers"]
    workers = min(chosen["max_parallel_workers"], chosen["max_worker_processes"]) if may_ask else 0
    return (
        chosen["shared_buffers_mb"] + chosen["wal_buffers_kb"] / 1024
        + chosen["autovacuum_max_workers"] * chosen["maintenance_work_mem_mb"]
        + (chosen["backends"] + workers) * (
            4 + 1.5 * chosen["work_mem_kb"] / 1024 * chosen["hash_mem_multiplier"]))


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


def _check_load(result, said):
    connections, users, services = result["totals"]["connections"], result["users"], result["services"]
    workers = services["api"]["containers"]["worker"]["count"]
    assert connections["application"] <= 4 * connections["pool"] + workers or "R11" in said, "too many wait unseen"
    if not users:
        return
    peak = users * 4 / 10.2 * 2.5
    for enough, what in (
        (peak * 0.015 <= min(connections["pool"], connections["through_pgbouncer"]), "the pool"),
        (services["postgres"]["cpus"] >= users / 125, "the cores of PostgreSQL"),
        (users <= 500 or services["postgres"]["memory_limit_mb"] >= users / 125 * 1024, "the memory of PostgreSQL"),
        (services["caddy"]["memory_limit_mb"] >= 64 + users * 60 / 1024, "the memory of Caddy"),
        ("minio" not in services or services["minio"]["settings"]["requests_max"] >= peak * 0.05, "MinIO's requests"),
    ):
        assert enough or "R11" in said, f"{what} is not held against {users} users"


def _check_cores(result, capacity, intent, said):
    assert result["totals"]["cpus"] <= 2 * capacity["cores"] or said & {"R12", "R1"}, "nobody counts the quotas"
    own, database = intent.get("overrides", {}).get("postgres", {}), result["services"]["postgres"]
    if "cpus" not in own:
        most = max(min(1, capacity["cores"]), capacity["cores"] - 1)
        assert database["cpus"] <= most + 1e-9, "PostgreSQL takes all cores"
    if not own:
        cores, chosen = max(1, int(database["cpus"])), database["settings"]
        assert chosen["max_parallel_workers"] == cores
        assert chosen["max_worker_processes"] >= max(8, cores)
        assert bool(chosen["max_parallel_workers_per_gather"]) == (cores > 1)


def numbers(result):
    """(path, number) of everything in a plan that is one."""
    def within(value, path):
        if isinstance(value, dict):
            for name, inner in value.items():
                yield from within(inner, f"{path}.{name}")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield path, value

    for section in ("services", "totals", "disk"):
        yield from within(result[section], section)
    yield "host.allocatable_mb", result["host"]["allocatable_mb"]


def is_tight(result):
    """Whether mode balanced could not give everybody what he wanted."""
    return any(entry["value"] < entry["inputs"]["wanted_mb"] for entry in result["explain"].values()
               if "wanted_mb" in entry["inputs"])


def check_more(capacity: dict, intent: dict, chance: random.Random) -> None:
    """Assert of every figure that more memory, cores, disk or users never leave less, for a wish without overrides."""
    first, more_disk = plan(capacity, intent), chance.randint(1, 1000)
    wishes = {
        "memory": (dict(capacity, memory_mb=capacity["memory_mb"] + chance.randint(1, chance.choice((8, 512, 65536)))),
                   intent),
        "cores": (dict(capacity, cores=min(4096, capacity["cores"] + chance.randint(1, 64))), intent),
        "disk": (dict(capacity, disk_total_gb=capacity["disk_total_gb"] + more_disk,
                      disk_free_gb=capacity["disk_free_gb"] + more_disk), intent),
    }
    if "users" in intent:
        wishes["users"] = (capacity, dict(intent, users=min(100000, intent["users"] + chance.randint(1, 1000))))
    for direction, wish in wishes.items():
        result = plan(*wish)
        # Where the host is used up, what one needs more another has less.
        used_up = direction in ("cores", "users") and (is_tight(result) or is_tight(first))
        after = dict(numbers(result))
        for path, before in numbers(first):
            if not used_up and not _MAY_FALL[direction].match(path) and path in after:
                assert before <= after[path] + 1e-9, f"{path} falls with more {direction}"


def check_bought(intent: dict) -> None:
    """Assert that the host to buy for a wish is not refused by the wish's own plan, or that it says that none does."""
    needed = comparison.needed_host(intent)
    result = plan(needed["capacity"], dict(intent, tier=needed["tier"]))
    refused = [comparison.first_sentence(entry["text"]) for entry in result["refusals"]]
    assert set(refused) <= set(needed["unmet"]), "the host to buy is refused"
    # One PgBouncer and one Redis run on a core each; a strict plan does not let that pass.
    if "overrides" not in intent and intent.get("users", 0) <= (5000 if intent.get("strict") else 30000):
        assert needed["unmet"] == [], "a host that could be bought is not found"


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
