# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""PostgreSQL: memory for the backends that can really exist, never at the edge of the container's limit.

One backend killed by the kernel restarts every session, so the worst case must stay under 90 % of the limit.
"""

from __future__ import annotations

import math

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import (
    arguments,
    balance,
    container,
    demand,
    disk,
    limits,
    pgbouncer,
    tiers,
    tuners,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.arguments import formula
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import Bounds, ceil_to, clamp

#: Parts of what containers may use, in mode balanced: beside all other services, and on a host of its own.
SHARE = 0.30
MOST_SHARE = 0.40
#: Part of the cores, in mode balanced.
CPU_SHARE = 0.35


@formula
def balanced_cpus(host_cores: float) -> int:
    """Cores in mode balanced: 35 % of the host's, at least 2, and one is left to the others.

    Source: chosen; a quota stalls what bursts, so PostgreSQL never gets less than two.
    """
    return min(max(2, int(CPU_SHARE * host_cores)), max(1, int(host_cores) - 1))


def _cores_beyond_tiers(users: int) -> int:
    """Cores for users beyond the document's tiers; 0 up to there, where the tier is the operator's choice."""
    return demand.database_cores(users) if users > demand.TIER_USERS else 0


ENVELOPE = container.Envelope(
    memory=tiers.POSTGRES_MEMORY, cpus=tiers.POSTGRES_CPUS, reservation=tiers.POSTGRES_RESERVATION,
    least_memory_mb=256, cpu_shares=2048, oom_score_adj=-300, share=SHARE, balanced_cpus=balanced_cpus,
    users_memory_mb=demand.database_memory_mb, users_cpus=_cores_beyond_tiers,
    users_source="chosen: a core and a GiB for each 125 users, as the document's large tier has for 500",
    stop_seconds=90, start_seconds=120)

BACKEND_MB = pgbouncer.BACKEND_MB
#: Sort and hash nodes that a busy backend holds at once, on average.
NODES_PER_BACKEND = tuners.NODES_PER_BACKEND
#: Part of the limit that the worst case may fill.
SAFE_SHARE = 0.9
#: Timeouts are milliseconds in 32 bits.
MOST_TIMEOUT_SECONDS = 2147483
LEAST_WORK_MEM_KB = 1024
MOST_WORK_MEM_KB = 65536

#: PostgreSQL's default from version 15 on, and the least that it takes.
MOST_HASH_MULTIPLIER = 2.0
LEAST_HASH_MULTIPLIER = 1.0
#: What of the memory an operator may have made larger himself.
MEMORY_FIGURES = (
    "work_mem_kb", "hash_mem_multiplier", "shared_buffers_mb", "maintenance_work_mem_mb", "autovacuum_max_workers",
    "wal_buffers_kb", "max_parallel_workers", "max_worker_processes", "max_parallel_workers_per_gather",
    "max_parallel_maintenance_workers")

_PGTUNE = "pgtune"
_PGTUNE_CLASSIC = "pgtune, classic (e2c7f39)"
_DISK_COSTS = {kind: (tuners.pgtune_random_page_cost(disk), tuners.pgtune_io_concurrency(disk))
               for kind, disk in (("hdd", "hdd"), ("ssd", "ssd"), ("nvme", "nvme"), ("unknown", "ssd"))}
#: Memory in MiB of an idle backend that the page cache cannot have.
_IDLE_BACKEND_MB = 2
#: Shared memory in kB of a connection or worker process that may come, and the least of them that always fit.
_SLOT_KB = 32
_LEAST_SLOTS = 500
_WAL_SEGMENT_MB = 16
#: MiB a second that a slow disk takes of what is scattered over it.
_SLOW_WRITE_MB = 100
_PAGE_KB = 8
_SECONDS_PER_DAY = 86400


# -- formulas ----------------------------------------------------------------------------------------------------------

@formula
def shared_buffers_mb(memory_limit_mb: int) -> int:
    """Shared buffers in MiB: a quarter of the container's limit. Source: the document, pgtune."""
    return memory_limit_mb // 4


@formula
def maintenance_work_mem_mb(memory_limit_mb: int) -> int:
    """Memory in MiB for one VACUUM or index build: a sixteenth of the limit, 32 MiB to 2 GiB. Source: pgtune."""
    return max(32, tuners.pgtune_maintenance_work_mem_kb(memory_limit_mb * 1024) // 1024)


@formula
def autovacuum_workers(memory_limit_mb: int, cpus: int) -> int:
    """Autovacuum workers: 2 below 1 GiB, 3, then 4 from 16 cores and 5 from 32. Source: pgtune, 2 chosen here."""
    return 2 if memory_limit_mb < 1024 else tuners.pgtune_autovacuum_workers(cpus) or 3


@formula
def wal_buffers_kb(shared_mb: int) -> int:
    """WAL buffers in kB: 3 % of the shared buffers, 32 kB to 16 MiB; close to 16 MiB becomes 16. Source: pgtune."""
    return tuners.pgtune_wal_buffers_kb(shared_mb * 1024)


@formula
def pgtune_work_mem_kb(memory_mb: int, cpus: int, connections: int) -> int:
    """pgtune's work_mem in kB for web and OLTP: what the shared buffers leave, divided by three for each connection
    and worker process. At least 64 kB.

    `connections` must be the backends that can really exist. Source: pgtune, classic (e2c7f39); the newer floor of
    4 MiB over-commits small containers.
    """
    return tuners.pgtune_classic_work_mem_kb(memory_mb * 1024, cpus, connections)


@formula(hash_multiplier=LEAST_HASH_MULTIPLIER)
def worst_case_mb(shared_mb: float, work_mem_mb: float, backends: int, maintenance_mb: float,
                  autovacuum: int = 3, wal_mb: float = 0, backend_mb: float = 0, parallel: int = 0,
                  hash_multiplier: float = 1) -> float:
    """Memory in MiB when every backend, every parallel worker and every autovacuum worker is busy at once, and each of
    the first two holds one and a half hash tables, which may take `hash_multiplier` times work_mem.

    The plan adds WAL buffers and 4 MiB for each process. More than 90 % of the limit is unsafe. Source:
    postgresqltuner's estimate, which it is with the defaults of the last four.
    """
    processes = backends + parallel
    estimate = tuners.postgresqltuner_worst_case_mb(
        shared_mb, work_mem_mb * hash_multiplier, processes, maintenance_mb, autovacuum)
    return estimate + wal_mb + processes * backend_mb


@formula(backends=1, hash_multiplier=LEAST_HASH_MULTIPLIER)
def work_mem_bound_mb(memory_limit_mb: int, backends: int, autovacuum: int = 3, shared_mb: int | None = None,
                      maintenance_mb: int | None = None, parallel: int = 0, hash_multiplier: float = 1) -> float:
    """Largest work_mem in MiB that keeps the worst case within 90 % of the limit; 0 or less is infeasible.

    Shared buffers and maintenance memory follow from the limit unless given. Source: `worst_case_mb`, solved for
    work_mem.
    """
    shared = shared_buffers_mb(memory_limit_mb) if shared_mb is None else shared_mb
    maintenance = maintenance_work_mem_mb(memory_limit_mb) if maintenance_mb is None else maintenance_mb
    idle = worst_case_mb(
        shared, 0, backends, maintenance, autovacuum, wal_buffers_kb(shared) / 1024, BACKEND_MB, parallel)
    return (SAFE_SHARE * memory_limit_mb - idle) / (NODES_PER_BACKEND * (backends + parallel) * hash_multiplier)


@formula
def max_connections(nominal: int, backends: int) -> int:
    """max_connections: the document's number, or a fifth more than the real backends, in tens, if that is higher.

    Source: the document; a fifth is chosen here.
    """
    return max(nominal, ceil_to(1.2 * (backends + pgbouncer.SUPERUSER_RESERVED), 10))


@formula
def wal_streams(replicas: int) -> int:
    """WAL senders, and replication slots, for so many replicas: two for each and four for backups and administrators,
    at least PostgreSQL's default of 10. Source: PostgreSQL; a replica that connects anew needs a second one."""
    return max(10, 2 * replicas + 4)


@formula(cpus=1)
def parallel_workers(cpus: int) -> tuple[int, int, int, int]:
    """(worker processes, parallel workers, per gather, per maintenance): the cores, of the first at least PostgreSQL's
    default of 8, and half of the cores, at most 4; none of the last two on a single core, where they only take turns.

    Source: pgtune, whose rule from four cores on is taken for all.
    """
    half = min(4, -(-cpus // 2)) if cpus > 1 else 0
    return max(tuners.DEFAULT_WORKER_PROCESSES, cpus), cpus, half, half


@formula
def busy_parallel_workers(max_parallel_workers: int, max_worker_processes: int, per_gather: int,
                          per_maintenance: int) -> int:
    """Parallel workers, as a number, that can exist at once: none where nothing may ask for one.

    Source: PostgreSQL; more than max_worker_processes are never started.
    """
    return min(max_parallel_workers, max_worker_processes) if per_gather or per_maintenance else 0


@formula
def shm_size_mb(memory_limit_mb: int, maintenance_mb: int) -> int:
    """Shared memory file system in MiB: at least 128, a quarter of the limit and two maintenance_work_mem; at
    most half the limit.

    Source: docker-library/postgres 416; parallel workers share their memory there.
    """
    return clamp(max(memory_limit_mb // 4, 2 * maintenance_mb), 128, max(128, memory_limit_mb // 2))


@formula(max_db_connections=1, processes=1)
def backends(max_db_connections: int, processes: int = 1, direct: int = pgbouncer.DIRECT_CONNECTIONS) -> int:
    """Backends that can really exist: what the processes of PgBouncer let through, and the direct connections.

    Source: PgBouncer's max_db_connections is a hard cap for each process.
    """
    return processes * max_db_connections + direct


@formula(memory_limit_mb=1, cpus=1, backends=1)
def work_mem_kb(memory_limit_mb: int, cpus: int, backends: int) -> int:
    """work_mem in kB: pgtune's, as far as the worst case stays within 90 % of the limit; 1 to 64 MiB.

    Even 1 MiB may be too much, which `work_mem_bound_mb` says. Source: `pgtune_work_mem_kb`, `work_mem_bound_mb`.
    """
    bound = _bound_mb(memory_limit_mb, cpus, backends)
    return clamp(min(pgtune_work_mem_kb(memory_limit_mb, cpus, backends), math.floor(bound * 1024)),
                 LEAST_WORK_MEM_KB, MOST_WORK_MEM_KB)


@formula(memory_limit_mb=1, cpus=1, backends=1)
def hash_mem_multiplier(memory_limit_mb: int, cpus: int, backends: int) -> float:
    """How many work_mem a hash may take, as a number: what the worst case leaves beside work_mem, in tenths, from 1 to
    PostgreSQL's default of 2.

    Source: PostgreSQL; `work_mem_bound_mb`.
    """
    return _multiplier(_bound_mb(memory_limit_mb, cpus, backends), work_mem_kb(memory_limit_mb, cpus, backends))


def _bound_mb(memory_limit_mb, cpus, backends) -> float:
    """The largest safe work_mem of a PostgreSQL that is planned without figures of an operator's own."""
    return work_mem_bound_mb(
        memory_limit_mb, backends, autovacuum_workers(memory_limit_mb, cpus),
        parallel=busy_parallel_workers(*_in_order(parallel_workers(cpus))))


def _in_order(workers):
    """The numbers of `parallel_workers` as `busy_parallel_workers` takes them."""
    processes, parallel, gather, maintenance = workers
    return parallel, processes, gather, maintenance


def _multiplier(bound_mb, work_mem) -> float:
    """How many times so much work_mem is still within its bound."""
    return clamp(math.floor(bound_mb * 1024 / work_mem * 10 + 1e-9) / 10, LEAST_HASH_MULTIPLIER, MOST_HASH_MULTIPLIER)


@formula(memory_limit_mb=1, cpus=1, backends=1)
def memory(memory_limit_mb: int, cpus: int, backends: int) -> dict[str, float]:
    """How a PostgreSQL of so many MiB, cores and backends divides its memory, as the plan does it without figures of an
    operator's own; the names say the units.

    `peak_memory_mb` is the worst case in MiB, and `safe` whether it stays within 90 % of the limit.
    Source: the functions of each figure.
    """
    limit = memory_limit_mb
    shared, maintenance = shared_buffers_mb(limit), maintenance_work_mem_mb(limit)
    work_mem, autovacuum = work_mem_kb(limit, cpus, backends), autovacuum_workers(limit, cpus)
    wal, multiplier = wal_buffers_kb(shared), hash_mem_multiplier(limit, cpus, backends)
    worst = worst_case_mb(
        shared, work_mem / 1024, backends, maintenance, autovacuum, wal / 1024, BACKEND_MB,
        busy_parallel_workers(*_in_order(parallel_workers(cpus))), multiplier)
    return {
        "shared_buffers_mb": shared, "work_mem_kb": work_mem, "maintenance_work_mem_mb": maintenance,
        "wal_buffers_kb": wal, "effective_cache_size_mb": effective_cache_size_mb(limit, backends),
        "autovacuum_max_workers": autovacuum, "hash_mem_multiplier": multiplier,
        "shm_size_mb": shm_size_mb(limit, maintenance), "peak_memory_mb": round(worst),
        "safe": worst <= SAFE_SHARE * limit}


@formula
def data_memory_mb(volume_gb: float) -> int:
    """Memory limit in MiB whose cache, three quarters of it, holds a database of so many decimal GB, in steps of 256.

    More is of no use. Source: `effective_cache_size_mb`.
    """
    return ceil_to(4 / 3 * volume_gb * 1000 ** 3 / 1024 ** 2, balance.STEP_MB)


@formula(memory_limit_mb=1)
def effective_cache_size_mb(memory_limit_mb: int, backends: int) -> int:
    """What the planner takes for cached in MiB: three quarters of the limit, as far as idle backends of 2 MiB leave it.

    Source: the document, pgtune; the page cache of a container is inside its limit.
    """
    return max(1, min(3 * memory_limit_mb // 4, memory_limit_mb - _IDLE_BACKEND_MB * backends))


@formula
def stop_seconds(shared_mb: int) -> int:
    """Seconds that a shutdown may take: at least 90, and what its checkpoint needs to write all shared buffers at
    100 MiB/s. Source: PostgreSQL, fast shutdown; the speed of a slow disk is chosen here."""
    return max(ENVELOPE.stop_seconds, -(-shared_mb // _SLOW_WRITE_MB))


@formula(cpus=1)
def io_workers(cpus: int) -> int:
    """Processes that read ahead, from PostgreSQL 18 on: a quarter of the cores, 3 to 32. Source: pgtune 7caef27."""
    return clamp(cpus // 4, 3, 32)


@formula(volume_gb=arguments.above_zero)
def max_wal_size_mb(volume_gb: float) -> int:
    """WAL in MiB between two checkpoints: pgtune's 4 GiB, at most a fifth of the volume, at least 512 MiB.

    Source: pgtune, bounded by the volume (decimal GB).
    """
    return clamp(_fifth_mb(volume_gb), 512, 4096)


@formula(max_wal_size=32)
def min_wal_size_mb(max_wal_size: int) -> int:
    """WAL in MiB that is kept for reuse: a quarter of max_wal_size. Source: pgtune."""
    return max(32, max_wal_size // 4)


@formula(max_wal_size=32, volume_gb=arguments.above_zero)
def max_slot_wal_keep_size_mb(max_wal_size: int, volume_gb: float) -> int:
    """WAL in MiB that a dead replication slot may hold: max_wal_size, at most a fifth of the volume, at least 1 GiB.

    Source: chosen here; PostgreSQL keeps without end.
    """
    return max(1024, min(max_wal_size, _fifth_mb(volume_gb)))


@formula
def wal_gib_per_day(archive_timeout_seconds: float = 0, writes_per_second: float = 0) -> float:
    """WAL in GiB per day, uncompressed: 8 KiB for each write, at least a segment of 16 MiB for each archive_timeout.

    An archive_timeout of 0 is none. Source: PostgreSQL switches segments; a page for each write is an assumption.
    """
    written_mb = writes_per_second * _PAGE_KB / 1024
    forced_mb = _WAL_SEGMENT_MB / archive_timeout_seconds if archive_timeout_seconds else 0
    return max(written_mb, forced_mb) * _SECONDS_PER_DAY / 1024


@formula
def slots_most(memory_limit_mb: int) -> int:
    """Connections or worker processes that the tenth of a limit has room for which the worst case leaves: each takes
    about 32 kB of shared memory, used or not.

    Source: PostgreSQL, 64 locks for each of them.
    """
    return max(_LEAST_SLOTS, memory_limit_mb * 1024 // 10 // _SLOT_KB)


@formula
def wal_most_mb(disk_gb: float, volume_gb: float) -> int:
    """WAL in MiB that a disk of so many GB may be asked to hold: half of it, and no less than pgtune's 4 GiB or half of
    the database's volume. Source: chosen here."""
    return max(4096, int(max(disk_gb, volume_gb) / 2 * 1000 ** 3 / 1024 ** 2))


def _fifth_mb(volume_gb) -> int:
    """A fifth of a disk of decimal GB, in MiB."""
    return int(volume_gb * 200 * 1000 * 1000 // (1024 * 1024))


# -- the plan ----------------------------------------------------------------------------------------------------------

def plan_container(draft) -> int:
    """Decide memory and cores, and return the whole cores that the connection pool follows from."""
    alone = set(draft.intent.services) & {"redis", "rabbitmq", "minio", "api"} == set()
    volume = draft.sheet("postgres").asked("volume_gb", _planned_volume_gb(draft))
    container.plan_memory(draft, "postgres", ENVELOPE._replace(
        share=MOST_SHARE if alone else SHARE, most_memory_mb=data_memory_mb(volume)))
    container.plan_cpus(draft, "postgres", ENVELOPE, spare=1)
    return _cores(draft.sheet("postgres"))


def _planned_volume_gb(draft) -> int:
    intent, total_gb = draft.intent, draft.capacity_of("postgres").disk_total_gb
    return disk.volume_gb("postgres", intent.tier, intent.users, disk.besides_gb(intent.tier), total_gb)


def _cores(sheet) -> int:
    return max(1, int(sheet["cpus"]))


def plan_settings(draft):
    """Decide everything that follows from the backends that PgBouncer lets through."""
    sheet = draft.sheet("postgres")
    _plan_connections(draft, sheet)
    _plan_workers(draft, sheet)
    _plan_memory(draft, sheet)
    _plan_wal(draft, sheet)
    _plan_planner(draft, sheet)
    _plan_timeouts(sheet)
    shared = sheet["shared_buffers_mb"]
    container.plan_weights(
        sheet, ENVELOPE, pids=max(ENVELOPE.pids, 2 * sheet["max_connections"]), stop_seconds=stop_seconds(shared),
        rule="max(90, shared_buffers / 100 MiB/s): the checkpoint of a shutdown writes them all",
        source="chosen: a slow disk; PostgreSQL, fast shutdown", inputs={"shared_buffers_mb": shared})


def _plan_timeouts(sheet):
    sheet.setting(
        "idle_in_transaction_session_timeout_seconds", 120, unit="s",
        rule="120: a transaction that nobody goes on with holds one of the few server connections; 0 is off",
        source="chosen: the application's transactions take milliseconds; pg_dump switches it off for itself",
        bounds=Bounds(least=0, most=MOST_TIMEOUT_SECONDS))


def _plan_connections(draft, sheet):
    tier, cap = draft.intent.tier, draft.sheet("pgbouncer")["max_db_connections"]
    bouncers = draft.intent.hosts_of("pgbouncer")
    real = sheet.setting(
        "backends", backends(max(1, cap), bouncers), derived=True,
        rule="pgbouncers * max_db_connections + 8 direct ones (migrations 1, backup 2, exporter 1, admin 2, scheduled "
             "jobs 2)",
        source="PgBouncer: max_db_connections is the hard cap",
        inputs={"max_db_connections": cap, "pgbouncers": bouncers})
    nominal = tiers.POSTGRES_CONNECTIONS
    sheet.setting(
        "max_connections", max_connections(nominal.value(tier), real),
        rule="max(the tier's figure, 1.2 * (backends + 3) in tens)", source=nominal.source(tier),
        inputs={"tier": tier, "backends": real},
        bounds=Bounds(high=max(500, nominal.value(tier)), floor=nominal.value(tier), least=1,
                      most=slots_most(sheet["memory_limit_mb"])))
    sheet.setting(
        "superuser_reserved_connections", pgbouncer.SUPERUSER_RESERVED, rule="3: an administrator still gets in",
        source="PostgreSQL's default", bounds=Bounds(most=sheet["max_connections"] - 1))


def _plan_workers(draft, sheet):
    cpus = _cores(sheet)
    processes, parallel, gather, maintenance = parallel_workers(cpus)
    processes = sheet.setting(
        "max_worker_processes", processes, unit="processes", rule="the cores, at least PostgreSQL's default of 8",
        source=_PGTUNE, inputs={"cpus": cpus}, bounds=Bounds(most=slots_most(sheet["memory_limit_mb"])))
    half = "half the cores, at most 4; none on a single core, where they only take turns"
    for name, value, text in (
        ("max_parallel_workers", min(parallel, processes), "the cores, as far as max_worker_processes"),
        ("max_parallel_workers_per_gather", gather, half), ("max_parallel_maintenance_workers", maintenance, half),
    ):
        sheet.setting(name, value, unit="processes", rule=text, source=_PGTUNE, inputs={"cpus": cpus},
                      bounds=Bounds(most=max(parallel, processes)))
    sheet.setting(
        "autovacuum_max_workers", autovacuum_workers(sheet["memory_limit_mb"], cpus), unit="processes",
        rule="2 below 1 GiB, 3, 4 from 16 cores, 5 from 32", source=_PGTUNE,
        inputs={"memory_limit_mb": sheet["memory_limit_mb"], "cpus": cpus}, bounds=Bounds(least=1))
    replicas = draft.intent.hosts_of("postgres") - 1
    for name, unit in (("max_wal_senders", "processes"), ("max_replication_slots", "slots")):
        sheet.setting(
            name, wal_streams(replicas), unit=unit, rule="max(10, 2 * replicas + 4 for backups and administrators)",
            source="PostgreSQL's default; a replica that connects anew needs a second one until the first ends",
            inputs={"replicas": replicas}, bounds=Bounds(least=replicas))
    sheet.setting("io_method", "worker", rule="never io_uring: Docker's seccomp profile blocks it",
                  source="docker-library/postgres 1365; PostgreSQL 18 and later",
                  bounds=Bounds(choices=("worker", "sync", "io_uring")))
    sheet.setting("io_workers", io_workers(cpus), unit="processes", rule="clamp(cores / 4, 3, 32)",
                  source=_PGTUNE + "; PostgreSQL 18 and later", inputs={"cpus": cpus}, bounds=Bounds(least=1, most=32))


def _plan_memory(draft, sheet):
    limit, backends = sheet["memory_limit_mb"], sheet["backends"]
    of_limit = {"memory_limit_mb": limit}
    shared = sheet.setting(
        "shared_buffers_mb", shared_buffers_mb(limit), unit="MiB", rule="memory_limit / 4",
        source=str(tiers.POSTGRES_SHARED_BUFFERS), inputs=of_limit, bounds=Bounds(least=1, most=limit))
    maintenance = sheet.setting(
        "maintenance_work_mem_mb", maintenance_work_mem_mb(limit), unit="MiB",
        rule="memory_limit / 16, 32 MiB to 2 GiB", source=_PGTUNE_CLASSIC, inputs=of_limit,
        bounds=Bounds(low=32, high=2048, least=1))
    wal = sheet.setting(
        "wal_buffers_kb", wal_buffers_kb(shared), unit="kB", rule="3 % of shared_buffers, at most 16 MiB",
        source=_PGTUNE, inputs={"shared_buffers_mb": shared}, bounds=Bounds(low=32, high=16384, least=32))
    _plan_work_mem(sheet, limit, backends, shared, maintenance, wal)
    _plan_cache_hint(sheet, limit, backends)
    sheet.setting(
        "huge_pages", "try" if shared >= 2048 else "off", rule="try from 2 GiB of shared_buffers on", source=_PGTUNE,
        inputs={"shared_buffers_mb": shared}, bounds=Bounds(choices=("off", "try", "on")))
    sheet.limit(
        "shm_size_mb", shm_size_mb(limit, maintenance), unit="MiB",
        rule="max(128 MiB, memory_limit / 4, 2 * maintenance_work_mem), at most half the limit",
        source="docker-library/postgres 416", inputs=dict(of_limit, maintenance_work_mem_mb=maintenance),
        bounds=Bounds(least=1, most=limit), deviation="postgres-shm", document=64,
        here=f"Here maintenance_work_mem is {maintenance} MiB.")


def _plan_work_mem(sheet, limit, backends, shared, maintenance, wal):
    autovacuum, cpus, parallel = sheet["autovacuum_max_workers"], _cores(sheet), busy_workers(sheet)
    idle = worst_case_mb(shared, 0, backends, maintenance, autovacuum, wal / 1024, BACKEND_MB, parallel)
    bound_mb = (SAFE_SHARE * limit - idle) / (NODES_PER_BACKEND * (backends + parallel))
    pgtune_kb = pgtune_work_mem_kb(limit, cpus, backends)
    # Hashes of the operator's own size leave less to work_mem; otherwise they get what it leaves.
    hashes = max(LEAST_HASH_MULTIPLIER, sheet.asked("hash_mem_multiplier", LEAST_HASH_MULTIPLIER))
    counted = {"backends": backends, "parallel_workers": parallel, "shared_buffers_mb": shared, "wal_buffers_kb": wal,
               "autovacuum_max_workers": autovacuum, "maintenance_work_mem_mb": maintenance}
    work_mem = sheet.setting(
        "work_mem_kb", min(pgtune_kb, int(math.floor(bound_mb / hashes * 1024))), unit="kB",
        rule="min(pgtune(memory_limit, cores, backends), (0.9 * memory_limit - shared_buffers - wal_buffers"
             " - autovacuum_max_workers * maintenance_work_mem - 4 MiB * (backends + parallel_workers)) / (1.5 *"
             " (backends + parallel_workers)))",
        source=_PGTUNE_CLASSIC + "; bound: postgresqltuner's worst case at 90 % of the limit",
        inputs={"memory_limit_mb": limit, "cpus": cpus, **counted, "pgtune_kb": pgtune_kb, "safe_bound_mb": bound_mb},
        bounds=Bounds(low=LEAST_WORK_MEM_KB, high=MOST_WORK_MEM_KB, least=64))
    sheet.setting(
        "hash_mem_multiplier", _multiplier(bound_mb, work_mem),
        rule="what the worst case leaves beside work_mem, in tenths, 1 to PostgreSQL's default of 2",
        source="PostgreSQL: each hash may take so many work_mem",
        inputs={"work_mem_kb": work_mem, "safe_bound_mb": bound_mb}, bounds=Bounds(least=1, most=1000))
    sheet.setting(
        "peak_memory_mb", round(planned_worst_case_mb(sheet)), unit="MiB", derived=True,
        rule="shared_buffers + wal_buffers + autovacuum_max_workers * maintenance_work_mem + (backends +"
             " parallel_workers) * (4 MiB + 1.5 * work_mem * hash_mem_multiplier), when all hash at once",
        source="postgresqltuner's worst case",
        inputs={**counted, "work_mem_kb": work_mem, "hash_mem_multiplier": sheet["hash_mem_multiplier"]})


def busy_workers(sheet) -> int:
    """Parallel workers that can exist at once by the figures of a sheet."""
    return busy_parallel_workers(*(sheet[name] for name in (
        "max_parallel_workers", "max_worker_processes", "max_parallel_workers_per_gather",
        "max_parallel_maintenance_workers")))


def _plan_cache_hint(sheet, limit, backends):
    sheet.setting(
        "effective_cache_size_mb", effective_cache_size_mb(max(1, limit), backends), unit="MiB",
        rule="min(3/4 of memory_limit, memory_limit - 2 MiB * backends)", source=str(tiers.POSTGRES_CACHE_SIZE),
        inputs={"memory_limit_mb": limit, "backends": backends}, bounds=Bounds(least=1),
        deviation="postgres-cache-hint", document=3 * limit // 4)


def _plan_wal(draft, sheet):
    intent, capacity = draft.intent, draft.capacity_of("postgres")
    volume = sheet.setting(
        "volume_gb", _planned_volume_gb(draft), unit="GB",
        rule="10 and a third of the growth planned for, at most a third of the disk",
        source=f"{tiers.POSTGRES_VOLUME}; chosen: a third of the growth",
        inputs={"tier": intent.tier, "users": intent.users, "disk_total_gb": capacity.disk_total_gb,
                "besides_gb": disk.besides_gb(intent.tier)},
        bounds=Bounds(floor=10, least=1))
    most_wal = wal_most_mb(capacity.disk_available_gb, volume)
    wal = sheet.setting(
        "max_wal_size_mb", max_wal_size_mb(max(1, volume)), unit="MiB",
        rule="min(4 GiB, 20 % of the volume), at least 512 MiB",
        source=_PGTUNE + "; bounded by the volume", inputs={"volume_gb": volume},
        bounds=Bounds(least=32, most=most_wal),
        deviation="postgres-wal-size", document=4096, here=f"Here the volume has {volume} GB.")
    sheet.setting("min_wal_size_mb", min_wal_size_mb(max(32, wal)), unit="MiB", rule="max_wal_size / 4", source=_PGTUNE,
                  inputs={"max_wal_size_mb": wal}, bounds=Bounds(low=32, least=32, most=wal))
    sheet.setting(
        "max_slot_wal_keep_size_mb", max_slot_wal_keep_size_mb(max(32, wal), max(1, volume)), unit="MiB",
        rule="min(max_wal_size, 20 % of the volume), at least 1 GiB",
        source="chosen: PostgreSQL keeps without end by default", inputs={"max_wal_size_mb": wal, "volume_gb": volume},
        bounds=Bounds(least=-1, most=most_wal), deviation="postgres-slot-wal", document=-1)
    sheet.setting("wal_compression", "lz4", rule="lz4 where the image has it", source=_PGTUNE,
                  bounds=Bounds(choices=("off", "on", "pglz", "lz4", "zstd")))
    sheet.setting("checkpoint_completion_target", 0.9, rule="0.9", source=_PGTUNE, bounds=Bounds(most=1))


def _plan_planner(draft, sheet):
    kind = draft.capacity_of("postgres").disk_kind
    page_cost, concurrency = _DISK_COSTS[kind]
    source = _PGTUNE + "; an unknown disk is taken for the SSD that the document asks for"
    sheet.setting("random_page_cost", page_cost, rule="hdd 4, else 1.1", source=source, inputs={"disk_kind": kind},
                  bounds=Bounds(least=0.01))
    sheet.setting("effective_io_concurrency", concurrency, rule="hdd 2, ssd 200, nvme 1000", source=source,
                  inputs={"disk_kind": kind}, bounds=Bounds(most=1000))
    sheet.setting("default_statistics_target", 100, rule="100", source=_PGTUNE, bounds=Bounds(least=1, most=10000))
    sheet.setting("jit", "off", rule="off: short queries pay for it and do not gain", source=_PGTUNE,
                  bounds=Bounds(choices=("off", "on")))


def safe_limit_mb(sheet) -> int | None:
    """Least memory limit in MiB, in steps of 16, at which a sheet would be safe; None where no host has so much.

    What the operator set stays as it is; everything else follows the limit, and work_mem may go down to 1 MiB.
    """
    def fixed(name, otherwise):
        return sheet[name] if sheet.overridden(name) else otherwise

    parallel = busy_workers(sheet)

    def safe(limit):
        shared = fixed("shared_buffers_mb", shared_buffers_mb(limit))
        worst = worst_case_mb(
            shared, fixed("work_mem_kb", LEAST_WORK_MEM_KB) / 1024, sheet["backends"],
            fixed("maintenance_work_mem_mb", maintenance_work_mem_mb(limit)),
            fixed("autovacuum_max_workers", autovacuum_workers(limit, _cores(sheet))),
            fixed("wal_buffers_kb", wal_buffers_kb(shared)) / 1024, BACKEND_MB, parallel,
            fixed("hash_mem_multiplier", LEAST_HASH_MULTIPLIER))
        return worst <= SAFE_SHARE * limit

    step = 16
    high = 1
    while not safe(high * step):
        high *= 2
        if high * step > limits.COMMON["memory_limit_mb"].most:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if safe(middle * step) else (middle, high)
    return high * step


def planned_worst_case_mb(sheet) -> float:
    """The worst case in MiB of the figures that a sheet holds, overrides included."""
    return worst_case_mb(
        sheet["shared_buffers_mb"], sheet["work_mem_kb"] / 1024, sheet["backends"], sheet["maintenance_work_mem_mb"],
        sheet["autovacuum_max_workers"], sheet["wal_buffers_kb"] / 1024, BACKEND_MB, busy_workers(sheet),
        sheet["hash_mem_multiplier"])
