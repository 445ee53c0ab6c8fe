# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""PostgreSQL: memory for the backends that can really exist, never at the edge of the container's limit.

One backend killed by the kernel restarts every session, so the worst case must stay under 90 % of the limit.
"""

from __future__ import annotations

import math

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import (
    arguments,
    container,
    disk,
    pgbouncer,
    tiers,
    tuners,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import Bounds, ceil_to, clamp

#: Parts of what containers may use, in mode balanced: beside all other services, and on a host of its own.
SHARE = 0.30
MOST_SHARE = 0.40
#: Part of the cores, in mode balanced.
CPU_SHARE = 0.35


def balanced_cpus(host_cores: float) -> int:
    """Cores in mode balanced: 35 % of the host's, at least 2, and one is left to the others.

    Source: chosen; a quota stalls what bursts, so PostgreSQL never gets less than two.
    """
    return min(max(2, int(CPU_SHARE * host_cores)), max(1, int(host_cores) - 1))


ENVELOPE = container.Envelope(
    memory=tiers.POSTGRES_MEMORY, cpus=tiers.POSTGRES_CPUS, reservation=tiers.POSTGRES_RESERVATION,
    least_memory_mb=256, cpu_shares=2048, oom_score_adj=-300, share=SHARE, balanced_cpus=balanced_cpus,
    stop_seconds=90, start_seconds=120)

#: Memory in MiB of a backend besides its work_mem: rule books say 5 to 10, measurements 2 to 5.
BACKEND_MB = 4
#: Sort and hash nodes that a busy backend holds at once, on average.
NODES_PER_BACKEND = tuners.NODES_PER_BACKEND
#: Part of the limit that the worst case may fill.
SAFE_SHARE = 0.9
#: Timeouts are milliseconds in 32 bits.
MOST_TIMEOUT_SECONDS = 2147483
LEAST_WORK_MEM_KB = 1024
MOST_WORK_MEM_KB = 65536

#: What of the memory an operator may have made larger himself.
MEMORY_FIGURES = ("work_mem_kb", "shared_buffers_mb", "maintenance_work_mem_mb", "autovacuum_max_workers")

_PGTUNE = "pgtune"
_PGTUNE_CLASSIC = "pgtune, classic (e2c7f39)"
_DISK_COSTS = {kind: (tuners.pgtune_random_page_cost(disk), tuners.pgtune_io_concurrency(disk))
               for kind, disk in (("hdd", "hdd"), ("ssd", "ssd"), ("nvme", "nvme"), ("unknown", "ssd"))}
#: Memory in MiB of an idle backend that the page cache cannot have.
_IDLE_BACKEND_MB = 2
_WAL_SEGMENT_MB = 16
#: MiB a second that a slow disk takes of what is scattered over it.
_SLOW_WRITE_MB = 100
_PAGE_KB = 8
_SECONDS_PER_DAY = 86400


# -- formulas ----------------------------------------------------------------------------------------------------------

def shared_buffers_mb(memory_limit_mb: int) -> int:
    """Shared buffers in MiB: a quarter of the container's limit. Source: the document, pgtune."""
    return arguments.whole("memory_limit_mb", memory_limit_mb) // 4


def maintenance_work_mem_mb(memory_limit_mb: int) -> int:
    """Memory in MiB for one VACUUM or index build: a sixteenth of the limit, 32 MiB to 2 GiB. Source: pgtune."""
    return max(32, tuners.pgtune_maintenance_work_mem_kb(memory_limit_mb * 1024) // 1024)


def autovacuum_workers(memory_limit_mb: int, cpus: int) -> int:
    """Autovacuum workers: 2 below 1 GiB, 3, then 4 from 16 cores and 5 from 32. Source: pgtune, 2 chosen here."""
    return 2 if memory_limit_mb < 1024 else tuners.pgtune_autovacuum_workers(cpus) or 3


def wal_buffers_kb(shared_mb: int) -> int:
    """WAL buffers in kB: 3 % of the shared buffers, 32 kB to 16 MiB; close to 16 MiB becomes 16. Source: pgtune."""
    return tuners.pgtune_wal_buffers_kb(shared_mb * 1024)


def pgtune_work_mem_kb(memory_mb: int, cpus: int, connections: int) -> int:
    """pgtune's work_mem in kB for web and OLTP: what the shared buffers leave, divided by three for each connection
    and worker process. At least 64 kB.

    `connections` must be the backends that can really exist. Source: pgtune, classic (e2c7f39); the newer floor of
    4 MiB over-commits small containers.
    """
    return tuners.pgtune_classic_work_mem_kb(memory_mb * 1024, cpus, connections)


def worst_case_mb(shared_mb: float, work_mem_mb: float, backends: int, maintenance_mb: float,
                  autovacuum: int = 3, wal_mb: float = 0, backend_mb: float = 0) -> float:
    """Memory in MiB when every backend and every autovacuum worker is busy at once.

    The plan adds WAL buffers and 4 MiB for each backend. More than 90 % of the limit is unsafe. Source:
    postgresqltuner's estimate, which it is with the defaults of the last two.
    """
    estimate = tuners.postgresqltuner_worst_case_mb(shared_mb, work_mem_mb, backends, maintenance_mb, autovacuum)
    return estimate + wal_mb + backends * backend_mb


def work_mem_bound_mb(memory_limit_mb: int, backends: int, autovacuum: int = 3, shared_mb: int | None = None,
                      maintenance_mb: int | None = None) -> float:
    """Largest work_mem in MiB that keeps the worst case within 90 % of the limit; 0 or less is infeasible.

    Shared buffers and maintenance memory follow from the limit unless given. Source: `worst_case_mb`, solved for
    work_mem.
    """
    shared = shared_buffers_mb(memory_limit_mb) if shared_mb is None else shared_mb
    maintenance = maintenance_work_mem_mb(memory_limit_mb) if maintenance_mb is None else maintenance_mb
    count = arguments.whole("backends", backends, 1)
    idle = worst_case_mb(shared, 0, count, maintenance, autovacuum, wal_buffers_kb(shared) / 1024, BACKEND_MB)
    return (SAFE_SHARE * memory_limit_mb - idle) / (NODES_PER_BACKEND * count)


def max_connections(nominal: int, backends: int) -> int:
    """max_connections: the document's number, or a fifth more than the real backends, in tens, if that is higher.

    Source: the document; a fifth is chosen here.
    """
    return max(nominal, ceil_to(1.2 * (backends + pgbouncer.SUPERUSER_RESERVED), 10))


def wal_streams(replicas: int) -> int:
    """WAL senders, and replication slots, for so many replicas: two for each and four for backups and administrators,
    at least PostgreSQL's default of 10. Source: PostgreSQL; a replica that connects anew needs a second one."""
    return max(10, 2 * replicas + 4)


def parallel_workers(cpus: int):
    """(worker processes, parallel workers, per gather, per maintenance): pgtune's from four cores on, PostgreSQL's own
    defaults below. Source: pgtune, PostgreSQL."""
    return tuners.pgtune_parallel_workers(cpus) or (tuners.DEFAULT_WORKER_PROCESSES, 8, 2, 2)


def shm_size_mb(memory_limit_mb: int, maintenance_mb: int) -> int:
    """Shared memory file system in MiB: at least 128, a quarter of the limit and two maintenance_work_mem; at
    most half the limit.

    Source: docker-library/postgres 416; parallel workers share their memory there.
    """
    return clamp(max(memory_limit_mb // 4, 2 * maintenance_mb), 128, max(128, memory_limit_mb // 2))


def backends(max_db_connections: int, processes: int = 1, direct: int = pgbouncer.DIRECT_CONNECTIONS) -> int:
    """Backends that can really exist: what the processes of PgBouncer let through, and the direct connections.

    Source: PgBouncer's max_db_connections is a hard cap for each process.
    """
    cap = arguments.whole("max_db_connections", max_db_connections, 1)
    return arguments.whole("processes", processes, 1) * cap + arguments.whole("direct", direct)


def work_mem_kb(memory_limit_mb: int, cpus: int, backends: int) -> int:
    """work_mem in kB: pgtune's, as far as the worst case stays within 90 % of the limit; 1 to 64 MiB.

    Even 1 MiB may be too much, which `work_mem_bound_mb` says. Source: `pgtune_work_mem_kb`, `work_mem_bound_mb`.
    """
    limit = arguments.whole("memory_limit_mb", memory_limit_mb, 1)
    count = arguments.whole("backends", backends, 1)
    bound = work_mem_bound_mb(limit, count, autovacuum_workers(limit, cpus))
    return clamp(min(pgtune_work_mem_kb(limit, cpus, count), math.floor(bound * 1024)),
                 LEAST_WORK_MEM_KB, MOST_WORK_MEM_KB)


def memory(memory_limit_mb: int, cpus: int, backends: int) -> dict[str, float]:
    """How a PostgreSQL of so many MiB, cores and backends divides its memory, as the plan does it without figures of an
    operator's own; the names say the units.

    `peak_memory_mb` is the worst case in MiB, and `safe` whether it stays within 90 % of the limit.
    Source: the functions of each figure.
    """
    limit, cores = arguments.whole("memory_limit_mb", memory_limit_mb, 1), arguments.whole("cpus", cpus, 1)
    count = arguments.whole("backends", backends, 1)
    shared, maintenance = shared_buffers_mb(limit), maintenance_work_mem_mb(limit)
    work_mem, autovacuum = work_mem_kb(limit, cores, count), autovacuum_workers(limit, cores)
    wal = wal_buffers_kb(shared)
    worst = worst_case_mb(shared, work_mem / 1024, count, maintenance, autovacuum, wal / 1024, BACKEND_MB)
    return {
        "shared_buffers_mb": shared, "work_mem_kb": work_mem, "maintenance_work_mem_mb": maintenance,
        "wal_buffers_kb": wal, "effective_cache_size_mb": effective_cache_size_mb(limit, count),
        "autovacuum_max_workers": autovacuum, "hash_mem_multiplier": hash_mem_multiplier(limit),
        "shm_size_mb": shm_size_mb(limit, maintenance), "peak_memory_mb": round(worst),
        "safe": worst <= SAFE_SHARE * limit}


def effective_cache_size_mb(memory_limit_mb: int, backends: int) -> int:
    """What the planner takes for cached in MiB: three quarters of the limit, as far as idle backends of 2 MiB leave it.

    Source: the document, pgtune; the page cache of a container is inside its limit.
    """
    limit = arguments.whole("memory_limit_mb", memory_limit_mb, 1)
    left = limit - _IDLE_BACKEND_MB * arguments.whole("backends", backends)
    return max(1, min(3 * limit // 4, left))


def stop_seconds(shared_mb: int) -> int:
    """Seconds that a shutdown may take: at least 90, and what its checkpoint needs to write all shared buffers at
    100 MiB/s. Source: PostgreSQL, fast shutdown; the speed of a slow disk is chosen here."""
    return max(ENVELOPE.stop_seconds, -(-arguments.whole("shared_mb", shared_mb) // _SLOW_WRITE_MB))


def io_workers(cpus: int) -> int:
    """Processes that read ahead, from PostgreSQL 18 on: a quarter of the cores, 3 to 32. Source: pgtune 7caef27."""
    return clamp(arguments.whole("cpus", cpus, 1) // 4, 3, 32)


def hash_mem_multiplier(memory_limit_mb: int) -> float:
    """How many work_mem a hash may take, as a number: 1 below 1 GiB, else PostgreSQL's default of 2.

    Source: PostgreSQL 15; 1 is chosen here.
    """
    return 1.0 if arguments.whole("memory_limit_mb", memory_limit_mb, 1) < 1024 else 2.0


def max_wal_size_mb(volume_gb: float) -> int:
    """WAL in MiB between two checkpoints: pgtune's 4 GiB, at most a fifth of the volume, at least 512 MiB.

    Source: pgtune, bounded by the volume (decimal GB).
    """
    return clamp(_fifth_mb(volume_gb), 512, 4096)


def min_wal_size_mb(max_wal_size: int) -> int:
    """WAL in MiB that is kept for reuse: a quarter of max_wal_size. Source: pgtune."""
    return max(32, arguments.whole("max_wal_size", max_wal_size, 32) // 4)


def max_slot_wal_keep_size_mb(max_wal_size: int, volume_gb: float) -> int:
    """WAL in MiB that a dead replication slot may hold: max_wal_size, at most a fifth of the volume, at least 1 GiB.

    Source: chosen here; PostgreSQL keeps without end.
    """
    return max(1024, min(arguments.whole("max_wal_size", max_wal_size, 32), _fifth_mb(volume_gb)))


def wal_gib_per_day(archive_timeout_seconds: float = 0, writes_per_second: float = 0) -> float:
    """WAL in GiB per day, uncompressed: 8 KiB for each write, at least a segment of 16 MiB for each archive_timeout.

    An archive_timeout of 0 is none. Source: PostgreSQL switches segments; a page for each write is an assumption.
    """
    timeout = arguments.amount("archive_timeout_seconds", archive_timeout_seconds)
    written_mb = arguments.amount("writes_per_second", writes_per_second) * _PAGE_KB / 1024
    forced_mb = _WAL_SEGMENT_MB / timeout if timeout else 0
    return max(written_mb, forced_mb) * _SECONDS_PER_DAY / 1024


def _fifth_mb(volume_gb) -> int:
    """A fifth of a disk of decimal GB, in MiB."""
    return int(arguments.above_zero("volume_gb", volume_gb) * 200 * 1000 * 1000 // (1024 * 1024))


# -- the plan ----------------------------------------------------------------------------------------------------------

def plan_container(draft) -> int:
    """Decide memory and cores, and return the whole cores that the connection pool follows from."""
    alone = set(draft.intent.services) & {"redis", "rabbitmq", "minio", "api"} == set()
    container.plan_memory(draft, "postgres", ENVELOPE._replace(share=MOST_SHARE if alone else SHARE))
    container.plan_cpus(draft, "postgres", ENVELOPE)
    return _cores(draft.sheet("postgres"))


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
        bounds=Bounds(high=max(500, nominal.value(tier)), floor=nominal.value(tier), least=1, most=262143))
    sheet.setting(
        "superuser_reserved_connections", pgbouncer.SUPERUSER_RESERVED, rule="3: an administrator still gets in",
        source="PostgreSQL's default")


def _plan_workers(draft, sheet):
    cpus = _cores(sheet)
    processes, parallel, gather, maintenance = parallel_workers(cpus)
    rule = "as the cores from four on, else PostgreSQL's default"
    for name, value, text in (
        ("max_worker_processes", processes, rule),
        ("max_parallel_workers", parallel, rule),
        ("max_parallel_workers_per_gather", gather, "half the cores, at most 4; from four cores on"),
        ("max_parallel_maintenance_workers", maintenance, "half the cores, at most 4; from four cores on"),
    ):
        sheet.setting(name, value, unit="processes", rule=text, source=_PGTUNE, inputs={"cpus": cpus})
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
        "hash_mem_multiplier", hash_mem_multiplier(max(1, limit)), rule="1.0 below 1 GiB, else 2.0",
        source="PostgreSQL's default is 2.0 since version 15; it doubles the budget of every hash", inputs=of_limit,
        bounds=Bounds(least=1, most=1000))
    sheet.setting(
        "huge_pages", "try" if shared >= 2048 else "off", rule="try from 2 GiB of shared_buffers on", source=_PGTUNE,
        inputs={"shared_buffers_mb": shared}, bounds=Bounds(choices=("off", "try", "on")))
    sheet.limit(
        "shm_size_mb", shm_size_mb(limit, maintenance), unit="MiB",
        rule="max(128 MiB, memory_limit / 4, 2 * maintenance_work_mem), at most half the limit",
        source="docker-library/postgres 416", inputs=dict(of_limit, maintenance_work_mem_mb=maintenance),
        bounds=Bounds(least=1, most=limit), deviation="postgres-shm", document=64)


def _plan_work_mem(sheet, limit, backends, shared, maintenance, wal):
    autovacuum, cpus = sheet["autovacuum_max_workers"], _cores(sheet)
    idle = worst_case_mb(shared, 0, backends, maintenance, autovacuum, wal / 1024, BACKEND_MB)
    bound_mb = (SAFE_SHARE * limit - idle) / (NODES_PER_BACKEND * backends)
    pgtune_kb = pgtune_work_mem_kb(limit, cpus, backends)
    sheet.setting(
        "work_mem_kb", min(pgtune_kb, int(math.floor(bound_mb * 1024))), unit="kB",
        rule="min(pgtune(memory_limit, cores, backends), (0.9 * memory_limit - shared_buffers - wal_buffers"
             " - autovacuum_max_workers * maintenance_work_mem - 4 MiB * backends) / (1.5 * backends))",
        source=_PGTUNE_CLASSIC + "; bound: postgresqltuner's worst case at 90 % of the limit",
        inputs={"memory_limit_mb": limit, "cpus": cpus, "backends": backends, "shared_buffers_mb": shared,
                "wal_buffers_kb": wal, "autovacuum_max_workers": autovacuum, "maintenance_work_mem_mb": maintenance,
                "pgtune_kb": pgtune_kb, "safe_bound_mb": bound_mb},
        bounds=Bounds(low=LEAST_WORK_MEM_KB, high=MOST_WORK_MEM_KB, least=64))
    sheet.setting(
        "peak_memory_mb", round(planned_worst_case_mb(sheet)), unit="MiB", derived=True,
        rule="shared_buffers + wal_buffers + autovacuum_max_workers * maintenance_work_mem + backends * (4 MiB + 1.5 *"
             " work_mem), when all sort at once", source="postgresqltuner's worst case",
        inputs={"backends": backends, "shared_buffers_mb": shared, "work_mem_kb": sheet["work_mem_kb"],
                "wal_buffers_kb": wal, "autovacuum_max_workers": autovacuum, "maintenance_work_mem_mb": maintenance})


def _plan_cache_hint(sheet, limit, backends):
    sheet.setting(
        "effective_cache_size_mb", effective_cache_size_mb(max(1, limit), backends), unit="MiB",
        rule="min(3/4 of memory_limit, memory_limit - 2 MiB * backends)", source=str(tiers.POSTGRES_CACHE_SIZE),
        inputs={"memory_limit_mb": limit, "backends": backends}, bounds=Bounds(least=1),
        deviation="postgres-cache-hint", document=3 * limit // 4)


def _plan_wal(draft, sheet):
    intent, capacity, besides = draft.intent, draft.capacity_of("postgres"), disk.besides_gb(draft, "postgres")
    volume = sheet.setting(
        "volume_gb", disk.volume_gb("postgres", intent.tier, intent.users, besides, capacity.disk_total_gb), unit="GB",
        rule="10 and a third of the growth planned for, at most a third of the disk", source=str(tiers.POSTGRES_VOLUME),
        inputs={"tier": intent.tier, "users": intent.users, "disk_total_gb": capacity.disk_total_gb,
                "besides_gb": besides},
        bounds=Bounds(floor=10, least=1))
    wal = sheet.setting(
        "max_wal_size_mb", max_wal_size_mb(max(1, volume)), unit="MiB",
        rule="min(4 GiB, 20 % of the volume), at least 512 MiB",
        source=_PGTUNE + "; bounded by the volume", inputs={"volume_gb": volume}, bounds=Bounds(least=32),
        deviation="postgres-wal-size", document=4096)
    sheet.setting("min_wal_size_mb", min_wal_size_mb(max(32, wal)), unit="MiB", rule="max_wal_size / 4", source=_PGTUNE,
                  inputs={"max_wal_size_mb": wal}, bounds=Bounds(low=32, least=32, most=wal))
    sheet.setting(
        "max_slot_wal_keep_size_mb", max_slot_wal_keep_size_mb(max(32, wal), max(1, volume)), unit="MiB",
        rule="min(max_wal_size, 20 % of the volume), at least 1 GiB",
        source="chosen: PostgreSQL keeps without end by default", inputs={"max_wal_size_mb": wal, "volume_gb": volume},
        bounds=Bounds(least=-1), deviation="postgres-slot-wal", document=-1)
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


def safe_limit_mb(sheet) -> int:
    """Least memory limit in MiB, in steps of 16, at which a sheet would be safe.

    What the operator set stays as it is; everything else follows the limit, and work_mem may go down to 1 MiB.
    """
    def fixed(name, otherwise):
        return sheet[name] if sheet.overridden(name) else otherwise

    def safe(limit):
        shared = fixed("shared_buffers_mb", shared_buffers_mb(limit))
        worst = worst_case_mb(
            shared, fixed("work_mem_kb", LEAST_WORK_MEM_KB) / 1024, sheet["backends"],
            fixed("maintenance_work_mem_mb", maintenance_work_mem_mb(limit)),
            fixed("autovacuum_max_workers", autovacuum_workers(limit, _cores(sheet))),
            fixed("wal_buffers_kb", wal_buffers_kb(shared)) / 1024, BACKEND_MB)
        return worst <= SAFE_SHARE * limit

    step = 16
    high = 1
    while not safe(high * step):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if safe(middle * step) else (middle, high)
    return high * step


def planned_worst_case_mb(sheet) -> float:
    """The worst case in MiB of the figures that a sheet holds, overrides included."""
    return worst_case_mb(
        sheet["shared_buffers_mb"], sheet["work_mem_kb"] / 1024, sheet["backends"], sheet["maintenance_work_mem_mb"],
        sheet["autovacuum_max_workers"], sheet["wal_buffers_kb"] / 1024, BACKEND_MB)
