# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""When a plan must not be carried out, and what to do about it.

A rule looks at a finished draft and yields findings. A fatal finding becomes a refusal, unless the operator has
accepted it by name; then, as all others, it becomes a warning.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import (
    api,
    disk,
    host,
    pgbouncer,
    postgres,
    shortages,
    tiers,
    totals,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.deviations import CATALOGUE
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.finding import OVERRIDES, Finding
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import TIERS, VARIABLES, plain
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.services import SERVICES, WHOLE_HOST, known
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.sheet import Draft
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.words import amount, counted

#: Part of what can be allocated that may be promised to containers.
RESERVED_PERCENT = 80
#: Quotas of CPU for each core: it is compressible, and not all are busy at once.
QUOTAS_PER_CORE = 2
#: How full a disk may be: what is planned for, and what lies there from the first day on.
DISK_HIGH_PERCENT = 80
DISK_FULL_PERCENT = 95
#: A disk that is 80 % full in less than half a year is warned of.
LEAST_RUNWAY_DAYS = 180


#: Less than this of what containers may use is a host that is mostly idle, if so much is left at least.
IDLE_PERCENT = 50
_IDLE_MB = 4096


def judge(draft: Draft):
    """(warnings, refusals) of a finished draft, in the order of the rules."""
    warnings, refusals = [], []
    fitting_tier = host.fitting_tier(draft.capacity)
    for rule in RULES:
        for finding in rule(draft):
            accepted = finding.fatal and finding.waiver is not None and getattr(draft.intent, finding.waiver)
            if finding.fatal and not accepted:
                refusals.append(finding.refusal(fitting_tier))
            else:
                warnings.append(finding.warning(accepted))
    return warnings, refusals


def notes(draft: Draft) -> list[dict[str, Any]]:
    """What does not speak against a plan but could be made better, each with the line to write."""
    allocatable, left = host.allocatable_of(draft.capacity), totals.headroom_mb(draft)
    given = allocatable - left
    if (draft.intent.mode == "balanced" or not set(draft.intent.services) >= MAIN_SERVICES or left < _IDLE_MB
            or given * 100 >= IDLE_PERCENT * allocatable):
        return []
    return [{
        "text": f"the host is mostly idle: {given} of the {allocatable} MiB that containers may use are given to them "
                f"({100 * given / allocatable:.0f} %), {left} MiB are left.",
        "remedy": [f"share out the rest, most of it to PostgreSQL, with the requirements' numbers as the least: "
                   f"{VARIABLES['mode']}: balanced"]}]


#: Where one of these is missing, the document's numbers for a whole host say nothing; the sums of R3 do.
MAIN_SERVICES = WHOLE_HOST


# -- R1, R2: the host --------------------------------------------------------------------------------------------------

def minimum_host(draft: Draft) -> Iterator[Finding]:
    """R1: below the document's minimum of cores, memory or free disk. It is that of a host with everything."""
    if not set(draft.intent.services) >= MAIN_SERVICES:
        return
    capacity = draft.capacity
    cores, memory_gib, disk_gb = (
        row.value("minimum") for row in (tiers.HOST_CORES, tiers.HOST_MEMORY_GIB, tiers.HOST_DISK_GB))
    memory_mb, free_gb = host.accepted_memory_mb(memory_gib), host.accepted_disk_gb(disk_gb)
    if capacity.cores < cores:
        yield _undersized(
            "cores", capacity.cores, cores, f"{counted(capacity.cores, 'CPU core')} found, {cores} needed.",
            f"raise the CPU limit of this virtual machine, or of the container it is, to {cores} cores",
            f"move to a machine with {cores} cores or more")
    if capacity.usable_memory_mb < memory_mb:
        yield _undersized(
            "memory_mb", capacity.usable_memory_mb, memory_mb,
            f"{_memory_found(capacity)} found, {memory_mb} MiB needed "
            f"({memory_gib} GiB less the 10 % that a host may keep back).",
            f"raise the memory limit of this virtual machine, or of the container it is, to {memory_gib} GiB",
            f"move to a machine with {memory_gib} GiB or more")
    if capacity.disk_available_gb < free_gb:
        found_gb = capacity.disk_available_gb
        yield _undersized(
            "disk_free_gb", found_gb, free_gb,
            f"{plain(found_gb)} GB of free disk found, {plain(free_gb)} GB needed ({disk_gb} GB less 5 %).",
            f"free {plain(round(free_gb - found_gb, 1))} GB on the file system that holds the data "
            "(`docker image prune` removes unused images)",
            "put the data on a larger file system: trenova_data_dir",
            f"grow the file system to {disk_gb} GB of free space")


def _memory_found(capacity) -> str:
    """The memory of a host in words, with what is kept from us."""
    kept = f" beside {capacity.reserved_memory_mb} MiB for other software" if capacity.reserved_memory_mb else ""
    return f"{capacity.usable_memory_mb} MiB of memory{kept}"


def _undersized(dimension, found, required, what, *remedy) -> Finding:
    return Finding("R1", dimension, found, required, what, remedy, "accept_undersized_host")


class Shortfall(NamedTuple):
    """Less than the document recommends; `tolerated` where even a strict plan only warns."""

    dimension: str
    found: Any
    required: Any
    what: str
    remedy: str
    tolerated: bool = False


def recommended_host(draft: Draft) -> Iterator[Finding]:
    """R2: enough to run, but less than the document recommends for the tier. Refused where `trenova_strict` is set."""
    if not set(draft.intent.services) >= MAIN_SERVICES:
        return
    refused = {finding.dimension for finding in minimum_host(draft)}
    for shortfall in _shortfalls(draft):
        if shortfall.dimension not in refused:
            yield Finding(
                "R2", *shortfall[:4], remedy=(*_smaller_tier(draft), shortfall.remedy),
                override=f"{VARIABLES['strict']}: false", fatal=draft.intent.strict and not shortfall.tolerated)


def _smaller_tier(draft) -> tuple[str, ...]:
    """The remedy of planning the tier that fits, where that is a smaller one."""
    fitting = host.fitting_tier(draft.capacity)
    if fitting and TIERS.index(fitting) < TIERS.index(draft.intent.tier):
        return (f"plan the tier that fits: {VARIABLES['tier']}: {fitting}",)
    return ()


def _shortfalls(draft) -> Iterator[Shortfall]:
    capacity, tier = draft.capacity, draft.intent.tier
    yield from _machine_shortfalls(capacity, tier)
    if tier != "minimum":
        yield from _disk_shortfalls(capacity, tier)
    recommended = tiers.tier_for_users(draft.intent.users) if draft.intent.users else tier
    if TIERS.index(tier) < TIERS.index(recommended):
        yield Shortfall(
            "users", draft.intent.users, recommended,
            f"tier {tier} planned for {counted(draft.intent.users, 'user')}, the document recommends {recommended}.",
            f"set {VARIABLES['tier']}: {recommended}")
    yield from _instance_shortfalls(draft)


def _instance_shortfalls(draft) -> Iterator[Shortfall]:
    users, sheet = draft.intent.users, draft.sheets["api"]
    needed = api.instances_for(users, sheet["cpus"]) if users else 0
    if sheet["instances"] < needed:
        yield Shortfall(
            "api.instances", sheet["instances"], needed,
            f"{counted(sheet['instances'], 'API instance')} with {counted(sheet['cpus'], 'CPU core')} each planned, "
            f"the peak of {counted(users, 'user')} needs {needed}.",
            f"give the host {2 * needed} cores, or each instance more of them: api.cpus in {OVERRIDES}")


def _machine_shortfalls(capacity, tier) -> Iterator[Shortfall]:
    cores, memory_gib = tiers.HOST_CORES.value(tier), tiers.HOST_MEMORY_GIB.value(tier)
    if capacity.cores < cores:
        yield Shortfall(
            "cores", capacity.cores, cores,
            f"{counted(capacity.cores, 'CPU core')} found, {cores} recommended for tier {tier}.",
            f"give the host {cores} cores")
    acceptance = host.memory_acceptance(capacity.usable_memory_mb, memory_gib)
    if acceptance != "accept":
        yield Shortfall(
            "memory_mb", capacity.usable_memory_mb, memory_gib * 1024,
            f"{_memory_found(capacity)} found, {memory_gib} GiB recommended for tier {tier}.",
            f"give the host {memory_gib} GiB", tolerated=acceptance == "warn")
    if capacity.architecture not in ("x86_64", "amd64", "unknown"):
        yield Shortfall(
            "architecture", capacity.architecture, "x86_64",
            f"architecture {capacity.architecture} found, the document names x86_64 only.", "move to an x86_64 machine")


def _disk_shortfalls(capacity, tier) -> Iterator[Shortfall]:
    disk_gb, growth_gb = tiers.HOST_DISK_GB.value(tier), tiers.HOST_GROWTH_GB.value(tier)
    total_gb, free_gb = capacity.disk_total_gb, capacity.disk_available_gb
    if total_gb < host.accepted_disk_gb(disk_gb):
        yield Shortfall(
            "disk_total_gb", total_gb, disk_gb,
            f"a disk of {plain(total_gb)} GB found, {disk_gb} GB recommended for tier {tier}.",
            f"grow the disk to {disk_gb} GB")
    if free_gb < growth_gb:
        yield Shortfall(
            "disk_free_gb", free_gb, growth_gb,
            f"{plain(free_gb)} GB of free disk found, tier {tier} plans for growth to {growth_gb} GB.",
            f"free or add {plain(round(growth_gb - free_gb, 1))} GB")
    if capacity.disk_kind == "hdd":
        yield Shortfall(
            "disk_kind", "hdd", "ssd",
            f"a rotating disk found, an SSD recommended for tier {tier}. Where it is none (controllers of RAID may say "
            "so), write trenova_capacity: {disk_kind: ssd}.", "put the data on an SSD: trenova_data_dir")


# -- R3, R5, R6: the sums ----------------------------------------------------------------------------------------------

def memory_budget(draft: Draft) -> Iterator[Finding]:
    """R3: the limits of all containers and of the backup job exceed what the host can allocate."""
    capacity, consumers = draft.capacity, totals.by_service(draft.here, "memory_limit_mb")
    limits, allocatable = sum(consumers.values()), host.allocatable_of(capacity)
    if limits <= allocatable:
        return
    largest = sorted(consumers.items(), key=lambda item: -item[1])[:3]
    named = ", ".join(f"{service} {limit}" for service, limit in largest)
    yield Finding(
        "R3", "memory_limit_mb", limits, allocatable,
        f"the memory limits add up to {limits} MiB, {allocatable} MiB can be allocated "
        f"({capacity.memory_mb} MiB less the system's {capacity.usable_memory_mb - allocatable}"
        f"{_kept_back(capacity)}). Largest: {named}.",
        (*_smaller_tier(draft), f"lower a limit in {OVERRIDES}, beginning with {largest[0][0]}",
         f"add {_memory_to_add(capacity, limits)} MiB of memory"), "accept_overcommit")


def _kept_back(capacity) -> str:
    return f" and {capacity.reserved_memory_mb} for other software" if capacity.reserved_memory_mb else ""


def _memory_to_add(capacity, limits: int) -> int:
    """Memory in MiB after which the limits fit; the system takes a part of what is added, too."""
    wanted, needed = capacity.memory_mb, limits + capacity.reserved_memory_mb
    while host.allocatable_mb(wanted) < needed:
        wanted += needed - host.allocatable_mb(wanted)
    return wanted - capacity.memory_mb


def reservation_budget(draft: Draft) -> Iterator[Finding]:
    """R4: what the containers are promised exceeds four fifths of what the host can allocate. Where the limits do not
    fit either, R3 says what helps."""
    if totals.headroom_mb(draft) < 0 and not draft.intent.accept_overcommit:
        return
    reserved = totals.by_service(draft.here, "memory_reservation_mb")
    promised, allocatable = sum(reserved.values()), host.allocatable_of(draft.capacity)
    if promised * 100 <= allocatable * RESERVED_PERCENT:
        return
    largest = max(reserved, key=lambda service: reserved[service])
    yield Finding(
        "R4", "memory_reservation_mb", promised, allocatable * RESERVED_PERCENT // 100,
        f"the memory reservations add up to {promised} MiB, {allocatable * RESERVED_PERCENT // 100} MiB can be "
        f"promised ({RESERVED_PERCENT} % of the {allocatable} MiB that can be allocated).",
        (*_smaller_tier(draft), f"lower a memory_reservation_mb in {OVERRIDES}, beginning with {largest}",
         f"add {_memory_to_add(draft.capacity, -(-promised * 100 // RESERVED_PERCENT))} MiB of memory"),
        "accept_overcommit")


def postgres_memory(draft: Draft) -> Iterator[Finding]:
    """R5: all backends busy at once would fill more than 90 % of PostgreSQL's limit."""
    if "postgres" not in draft.here:
        return
    sheet = draft.sheets["postgres"]
    limit, worst = sheet["memory_limit_mb"], postgres.planned_worst_case_mb(sheet)
    safe = postgres.SAFE_SHARE * limit
    if worst <= safe:
        return
    needed = postgres.safe_limit_mb(sheet)
    workers, hashes = postgres.busy_workers(sheet), sheet["hash_mem_multiplier"]
    processes = counted(sheet["backends"], "backend") + (f", {counted(workers, 'parallel worker')}" if workers else "")
    of_hashes = f" ({plain(float(hashes))} times as much for a hash)" if hashes != 1 else ""
    yield Finding(
        "R5", "postgres.memory_limit_mb", limit, needed or math.ceil(worst / postgres.SAFE_SHARE),
        f"PostgreSQL with {processes} and work_mem {sheet['work_mem_kb']} kB{of_hashes} can need "
        f"{worst:.0f} MiB, {safe:.0f} MiB are safe (90 % of {limit}); "
        + (f"a limit of {needed} MiB would do." if needed else "no host has enough."),
        (*_postgres_remedies(draft, sheet),
         *([f"set postgres.memory_limit_mb to {needed} in {OVERRIDES}"] if needed else [])))


def _postgres_remedies(draft, sheet) -> Iterator[str]:
    """What makes PostgreSQL smaller: first what the operator himself made larger."""
    own = [f"postgres.{name}" for name in postgres.MEMORY_FIGURES if sheet.overridden(name)]
    if own:
        yield f"take {', '.join(own)} out of {OVERRIDES}"
    if any(deviation == "postgres-backends" for deviation, _key, _value in draft.restored):
        yield f"take postgres-backends out of {VARIABLES['restore_document']}"
    elif sheet["backends"] > pgbouncer.LEAST_BACKENDS:
        yield f"lower the pool of pgbouncer in {OVERRIDES}"


def connection_budget(draft: Draft) -> Iterator[Finding]:
    """R6: somebody would wait for a connection that cannot be had."""
    budget = totals.connections(draft)
    if draft.intent.pool_mode == "session" and budget["application"] > budget["through_pgbouncer"]:
        needed = -(-budget["application"] // budget["pgbouncers"])
        yield Finding(
            "R6", "pgbouncer.max_db_connections", budget["max_db_connections"], needed,
            "connection budget: in pool mode session each connection of the application is one of PostgreSQL, and of "
            "{application} only {through_pgbouncer} get through PgBouncer.".format(**budget),
            ("set pgbouncer_pool_mode: transaction", f"take the connection settings out of {OVERRIDES}",
             f"set pgbouncer.max_db_connections to {needed} or more in {OVERRIDES}"))
    direct = budget["direct"] + budget["superuser_reserved"]
    for key, needed, what in (
        ("pgbouncer.max_db_connections", budget["pool"] + budget["reserve"],
         "pool {pool} and reserve {reserve} exceed max_db_connections {max_db_connections}"),
        ("postgres.max_connections", budget["through_pgbouncer"] + direct,
         counted(budget["through_pgbouncer"], "connection") + " through PgBouncer, {direct} direct and "
         "{superuser_reserved} reserved ones exceed max_connections {max_connections}"),
        ("pgbouncer.max_client_conn", -(-budget["application"] // draft.intent.hosts_of("pgbouncer")),
         "the application's pools of {application} exceed max_client_conn {max_client_conn}"),
    ):
        found = budget[key.split(".")[1]]
        if needed > found:
            yield Finding(
                "R6", key, found, needed, f"connection budget: {what.format(**budget)}.",
                (*shortages.connections_given(draft), *shortages.room_for(draft, key, needed)))


# -- R12: the cores ----------------------------------------------------------------------------------------------------

def quotas(draft: Draft) -> Iterator[Finding]:
    """R12: the CPU quotas add up to more than twice the cores, so that all of them are stalled at the peak. Where R1
    refuses the cores, it says what helps."""
    if not draft.intent.accept_undersized_host and any(
            finding.dimension == "cores" for finding in minimum_host(draft)):
        return
    by_service = {name: cpus for name, cpus in totals.by_service(draft.here, "cpus").items() if not known(name).job}
    promised, cores = round(sum(by_service.values()), 2), draft.capacity.cores
    if promised <= QUOTAS_PER_CORE * cores:
        return
    largest = max(by_service, key=lambda service: by_service[service])
    yield Finding(
        "R12", "cpus", promised, QUOTAS_PER_CORE * cores, fatal=False,
        what=f"the CPU quotas add up to {counted(promised, 'core')}, the host has {plain(cores)}; more than twice as "
             "many as there are stall each other at the peak.",
        remedy=(f"give the host {counted(math.ceil(promised / QUOTAS_PER_CORE), 'core')}",
                f"lower cpus in {OVERRIDES}, beginning with {largest}"))


# -- R7, R8: disks -----------------------------------------------------------------------------------------------------

def disk_budget(draft: Draft) -> Iterator[Finding]:
    """R7: the disk does not hold what lies on it on the first day, or will be full before anybody expects it."""
    budget = disk.budget(draft)
    # Of a disk that is smaller than the document asks for, R1 and R2 speak.
    small = [finding for rule in (minimum_host, recommended_host) for finding in rule(draft)
             if finding.dimension.startswith("disk") and finding.dimension != "disk_kind"]
    available_gb, first_gb, planned_gb = budget["available_gb"], budget["day_one_gb"], budget["planned_gb"]
    if first_gb > available_gb * DISK_FULL_PERCENT / 100 and not small:
        needed_gb = plain(round(first_gb * 100 / DISK_FULL_PERCENT, 1))
        yield Finding(
            "R7", "disk_free_gb", available_gb, first_gb,
            f"volumes, images and logs take {plain(first_gb)} GB from the first day on, {plain(available_gb)} GB can "
            f"be had ({DISK_FULL_PERCENT} % of it may be filled).",
            (*_volumes_given(draft), "put the data on a larger file system: trenova_data_dir",
             f"grow the file system to {needed_gb} GB of free space"), "accept_undersized_host")
    elif planned_gb > available_gb * DISK_HIGH_PERCENT / 100 and not small:
        yield Finding(
            "R7", "disk_free_gb", available_gb, planned_gb, fatal=False,
            what=f"the volumes that are planned for add up to {plain(planned_gb)} GB with images and logs, more than "
                 f"{DISK_HIGH_PERCENT} % of {plain(available_gb)} GB.",
            remedy=(*_volumes_given(draft), *_larger_disk(planned_gb)))
    runway = budget["runway_days"]
    if runway is not None and runway < LEAST_RUNWAY_DAYS:
        yield Finding(
            "R7", "runway_days", runway, LEAST_RUNWAY_DAYS, fatal=False,
            what=f"with {counted(draft.intent.users, 'user')} the disk is {DISK_HIGH_PERCENT} % full after about "
                 f"{counted(runway, 'day')} (grows by {plain(budget['growth_gb_per_year'])} GB a year).",
            remedy=(*_volumes_given(draft), *_larger_disk(first_gb + budget["growth_gb_per_year"])))
    if budget["logs_gb"] > disk.LOGS_SHARE * budget["total_gb"]:
        yield Finding(
            "R7", "logs_gb", budget["logs_gb"], round(disk.LOGS_SHARE * budget["total_gb"], 1), fatal=False,
            what=f"the logs of all containers can take {plain(budget['logs_gb'])} GB, more than "
                 f"{disk.LOGS_SHARE * 100:.0f} % of the disk of {plain(budget['total_gb'])} GB.",
            remedy=(f"grow the disk to {math.ceil(budget['logs_gb'] / disk.LOGS_SHARE)} GB",))


def _larger_disk(gb) -> Iterator[str]:
    """The remedies of a disk that so much fills to no more than four fifths."""
    yield f"grow the file system to {math.ceil(gb * 100 / DISK_HIGH_PERCENT)} GB"
    yield "put the data on a larger file system: trenova_data_dir"


def _volumes_given(draft) -> Iterator[str]:
    given = [f"{service}.{name}" for service in draft.here
             for name in ("volume_gb", "max_wal_size_mb", "max_slot_wal_keep_size_mb") if draft.is_given(service, name)]
    if given:
        yield f"lower {', '.join(given)} in {OVERRIDES}"


def backup_target(draft: Draft) -> Iterator[Finding]:
    """R8: a disk that dies takes the backups with it."""
    if draft.capacity.backup_on_data_disk and "backup" in draft.here:
        yield Finding(
            "R8", "backup_directory", "the disk with the data", "another disk",
            "the backups would go to the disk that holds the data, and be lost with it.",
            ("mount another disk, or a share of another machine, and set backup_directory to it",
             "add a target elsewhere to backup_targets"), "accept_backup_on_data_disk")


# -- R10: majorities ---------------------------------------------------------------------------------------------------

def quorums(draft: Draft) -> Iterator[Finding]:
    """R10: a number of nodes of which no majority outlives the loss of one, or which cannot form a cluster."""
    for service, found in SERVICES.items():
        nodes, allowed = draft.intent.hosts_of(service), found.nodes
        if service in draft.here and allowed and nodes not in allowed:
            fitting = [count for count in allowed if count < nodes][-1], next(
                (count for count in allowed if count > nodes), None)
            yield Finding(
                "R10", f"{service}.nodes", nodes, list(allowed),
                f"{counted(nodes, 'node')} of {service} planned; {found.why_nodes}.",
                tuple(f"have {counted(count, 'host')} in the group {service}" for count in fitting if count))


# -- R9 and undone deviations: the operator's own figures --------------------------------------------------------------

_ODD = {
    "floor": "{key} is set to {value}, below the document's {limit}.",
    "least": "{key} is set to {value}, it cannot work below {limit}.",
    "most": "{key} is set to {value}, it cannot work above {limit}.",
    "cap": "{key} is set to {value}, the host has {limit}; planned: {limit}.",
}


def odd_overrides(draft: Draft) -> Iterator[Finding]:
    """R9: an override below the document (warned of), beyond the host (cut, warned of) or beyond what works."""
    for odd in draft.odd_overrides:
        value, limit = amount(odd.value, odd.unit), amount(odd.limit, odd.unit)
        yield Finding(
            "R9", odd.key, odd.value, odd.limit,
            _ODD[odd.kind].format(key=odd.key, value=value, limit=limit) + _allowed(odd),
            (f"take it out of {OVERRIDES}", f"set it to {limit}"),
            fatal=odd.kind in ("least", "most"))


def _allowed(odd) -> str:
    """What may be written instead of an override that cannot work, and who says so."""
    if odd.kind not in ("least", "most"):
        return ""
    least, most = plain(odd.bounds.least), amount(max(odd.bounds.most, odd.bounds.least), odd.unit)
    return f" Allowed: {least} to {most}" + (f" ({odd.source})." if odd.source else ".")


_TAKE_BACK = "take {} out of " + VARIABLES["restore_document"]


def undone_deviations(draft: Draft) -> Iterator[Finding]:
    """The document's values that the operator wants back, each with what it brings back."""
    undone = {deviation for deviation, _key, _value in draft.restored}
    for deviation, key, value in draft.restored:
        yield Finding("restored", key, value, None, fatal=False,
                      what=f"{key} is {plain(value)} again, as the document has it ({deviation}): "
                           f"{CATALOGUE[deviation].reason}", remedy=(_TAKE_BACK.format(deviation),))
    for deviation in draft.intent.restore_document:
        if deviation not in undone:
            yield Finding("restored", deviation, None, None, fatal=False,
                          what=f"{deviation} is not undone: the plan follows the document there already, "
                               f"or {OVERRIDES} sets the value.", remedy=(_TAKE_BACK.format(deviation),))


RULES = (minimum_host, recommended_host, memory_budget, reservation_budget, postgres_memory, connection_budget,
         disk_budget, backup_target, odd_overrides, quorums, shortages.load_of_users,
         quotas, undone_deviations)
