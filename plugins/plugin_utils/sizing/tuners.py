# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""pgtune's recommendations for PostgreSQL, and rules of other tools that the plan follows.

Memory is given as MiB or as text with a unit ("512MB", "4GB"); recommendations are in kB, floored as the tools do. They
are keyed by PostgreSQL's names with the unit; None stands for a parameter that the tool does not write.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import arguments
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.arguments import formula

WORKLOADS = ("web", "oltp", "dw", "desktop", "mixed")
STORAGES = ("hdd", "ssd", "san", "nvme")
#: How large the database is beside the memory.
DBSIZES = ("less_ram", "mid_ram", "greater_ram")
OLDEST_VERSION, NEWEST_VERSION = 10, 18

#: max_worker_processes when nothing else is said; pgtune counts it below four cores.
DEFAULT_WORKER_PROCESSES = 8
#: pgtune leaves parallel workers alone below.
LEAST_PARALLEL_CORES = 4
#: Sort and hash nodes that a busy backend holds at once, on average.
NODES_PER_BACKEND = 1.5

_MB, _GB = 1024, 1024 ** 2
_CONNECTIONS = {"web": 200, "oltp": 300, "dw": 40, "desktop": 20, "mixed": 100}
_WAL_SIZES_MB = {
    "web": (1024, 4096), "oltp": (2048, 8192), "dw": (4096, 16384), "desktop": (100, 2048), "mixed": (1024, 4096)}
_IO_CONCURRENCY = {"hdd": 2, "ssd": 200, "san": 300, "nvme": 1000}
_WORK_MEM_DIVISORS = {"web": 1, "oltp": 1, "dw": 2, "desktop": 6, "mixed": 2}
_WORK_MEM_FACTORS = {"less_ram": 1.3, "mid_ram": 1, "greater_ram": 0.9}


class _Server(NamedTuple):
    memory_kb: int
    cpu: int
    connections: int
    workload: str
    storage: str
    version: int


# -- pgtune ------------------------------------------------------------------------------------------------------------

def pgtune(ram, cpu=None, connections=None, workload="web", storage="ssd", pg_version=NEWEST_VERSION,
           dbsize="mid_ram") -> dict[str, Any]:
    """pgtune's current recommendation for a Linux server: memory in kB, keyed by PostgreSQL's names.

    Without `cpu` nothing is said of workers, without `connections` the number is that of the workload. Not for
    containers as it is: its floor of 4 MiB for work_mem over-commits small ones, and Docker blocks io_uring.
    Source: le0pard/pgtune 7caef27.
    """
    server = _server(ram, cpu, connections, workload, storage, pg_version)
    size = arguments.choice("dbsize", dbsize, DBSIZES)
    shared = _shared_buffers_kb(server.memory_kb, server.workload)
    maintenance = pgtune_maintenance_work_mem_kb(server.memory_kb, server.workload, 8 * _GB)
    work_mem = _work_mem_kb(server.memory_kb, server.cpu, server.connections, server.workload)
    return {
        **_in_common(server, maintenance),
        "work_mem_kb": max(4 * _MB, int(work_mem * _WORK_MEM_FACTORS[size])),
        "huge_pages": "try" if shared >= 2 * _GB else "off",
        "random_page_cost": pgtune_random_page_cost(server.storage, server.workload, size),
        "effective_io_concurrency": _IO_CONCURRENCY[server.storage],
        "jit": "off" if server.version >= 12 and server.workload in ("web", "oltp", "mixed") else None,
        "wal_compression": "lz4" if server.version >= 15 else "on",
        "autovacuum_max_workers": pgtune_autovacuum_workers(server.cpu),
        "autovacuum_work_mem_kb": 2 * _GB if maintenance >= 2 * _GB else None,
        "io_method": "io_uring" if server.version >= 18 else None,
    }


@formula
def pgtune_classic_work_mem_kb(memory_kb: int, cpu: int, connections: int, workload="web") -> int:
    """work_mem in kB: what the shared buffers leave, divided by three for each connection and worker process, at least
    64 kB.

    Source: le0pard/pgtune e2c7f39.
    """
    kind = arguments.choice("workload", workload, WORKLOADS)
    return max(64, _work_mem_kb(memory_kb, cpu, connections, kind))


@formula
def pgtune_wal_buffers_kb(shared_buffers_kb: int) -> int:
    """WAL buffers in kB: 3 % of the shared buffers, 32 kB to 16 MiB; more than 14 MiB becomes 16.

    Source: le0pard/pgtune, both forms.
    """
    three_percent = 3 * shared_buffers_kb // 100
    return 16 * _MB if three_percent > 14 * _MB else max(32, three_percent)


@formula
def pgtune_maintenance_work_mem_kb(memory_kb: int, workload="web", most_kb: int = 2 * _GB) -> int:
    """Memory in kB for one VACUUM or index build: a sixteenth of the memory, for data warehouses an eighth, at most 2
    GiB (classic) or 8 GiB (now).

    Source: le0pard/pgtune, both forms.
    """
    divisor = 8 if arguments.choice("workload", workload, WORKLOADS) == "dw" else 16
    return min(memory_kb // divisor, most_kb)


@formula(cpu=1)
def pgtune_parallel_workers(cpu: int, workload="web") -> tuple[int, int, int, int] | None:
    """(worker processes, parallel workers, per gather, per maintenance) from four cores on, None below: the cores, and
    half of them rounded up, at most 4. Data warehouses gather with half of any number.

    Source: le0pard/pgtune, both forms.
    """
    if cpu < LEAST_PARALLEL_CORES:
        return None
    half = -(-cpu // 2)
    gather = half if arguments.choice("workload", workload, WORKLOADS) == "dw" else min(4, half)
    return cpu, cpu, gather, min(4, half)


@formula
def pgtune_autovacuum_workers(cpu: int) -> int | None:
    """Autovacuum workers: 4 from 16 cores, 5 from 32; None keeps PostgreSQL's default of 3.

    Source: le0pard/pgtune 7caef27.
    """
    return 5 if cpu >= 32 else 4 if cpu >= 16 else None


def pgtune_random_page_cost(storage="ssd", workload="web", dbsize="mid_ram") -> float:
    """Cost of a page out of order as a number: 1.1; 4 on hard disks and for data warehouses, unless the database fits
    into memory. The classic form knows the disk alone.

    Source: le0pard/pgtune, both forms.
    """
    disk = arguments.choice("storage", storage, STORAGES)
    kind = arguments.choice("workload", workload, WORKLOADS)
    if arguments.choice("dbsize", dbsize, DBSIZES) == "less_ram":
        return 1.1
    return 4.0 if disk == "hdd" or kind == "dw" else 1.1


def pgtune_io_concurrency(storage="ssd") -> int:
    """effective_io_concurrency as a number: hdd 2, ssd 200, san 300, nvme 1000. Source: le0pard/pgtune 7caef27."""
    return _IO_CONCURRENCY[arguments.choice("storage", storage, STORAGES)]


def _server(ram, cpu, connections, workload, storage, pg_version) -> _Server:
    kind = arguments.choice("workload", workload, WORKLOADS)
    return _Server(
        memory_kb=arguments.memory_kb("ram", ram),
        cpu=0 if cpu is None else arguments.whole("cpu", cpu, 1),
        connections=_CONNECTIONS[kind] if connections is None else arguments.whole("connections", connections, 1),
        workload=kind,
        storage=arguments.choice("storage", storage, STORAGES),
        version=arguments.whole("pg_version", pg_version, OLDEST_VERSION, NEWEST_VERSION))


def _shared_buffers_kb(memory_kb, workload) -> int:
    return memory_kb // (16 if workload == "desktop" else 4)


def _work_mem_kb(memory_kb, cpu, connections, workload) -> int:
    """work_mem in kB without a floor; divided in floating point, as JavaScript does."""
    workers = cpu if cpu >= LEAST_PARALLEL_CORES else DEFAULT_WORKER_PROCESSES
    each = (memory_kb - _shared_buffers_kb(memory_kb, workload)) / ((connections + workers) * 3)
    return int(each / _WORK_MEM_DIVISORS[workload])


def _in_common(server, maintenance_kb) -> dict[str, Any]:
    """What both forms of pgtune say."""
    shared = _shared_buffers_kb(server.memory_kb, server.workload)
    least_wal, most_wal = _WAL_SIZES_MB[server.workload]
    workers = pgtune_parallel_workers(server.cpu, server.workload) if server.cpu else None
    processes, parallel, gather, maintenance = workers or (None,) * 4
    desktop = server.workload == "desktop"
    return {
        "max_connections": server.connections,
        "shared_buffers_kb": shared,
        "effective_cache_size_kb": server.memory_kb // 4 if desktop else server.memory_kb * 3 // 4,
        "maintenance_work_mem_kb": maintenance_kb,
        "checkpoint_completion_target": 0.9,
        "wal_buffers_kb": pgtune_wal_buffers_kb(shared),
        "default_statistics_target": 500 if server.workload == "dw" else 100,
        "min_wal_size_kb": least_wal * _MB,
        "max_wal_size_kb": most_wal * _MB,
        "max_worker_processes": processes,
        "max_parallel_workers": parallel,
        "max_parallel_workers_per_gather": gather,
        "max_parallel_maintenance_workers": maintenance if server.version >= 11 else None,
        "wal_level": "minimal" if desktop else None,
        "max_wal_senders": 0 if desktop else None,
    }


# -- postgresqltuner ---------------------------------------------------------------------------------------------------

@formula
def postgresqltuner_worst_case_mb(shared_buffers_mb: float, work_mem_mb: float, max_connections: int,
                                  maintenance_work_mem_mb: float, autovacuum_max_workers: int = 3,
                                  track_activity_query_size_bytes: int = 0) -> float:
    """Memory in MiB when every connection holds one and a half work_mem and every autovacuum worker is busy.

    The text of running queries counts as many times as there are connections and workers; it is left out unless its
    size is given. Source: jfcoz/postgresqltuner 288bce8.
    """
    return (
        shared_buffers_mb + max_connections * NODES_PER_BACKEND * work_mem_mb
        + autovacuum_max_workers * maintenance_work_mem_mb
        + (max_connections + autovacuum_max_workers) * track_activity_query_size_bytes / 1024 ** 2)
