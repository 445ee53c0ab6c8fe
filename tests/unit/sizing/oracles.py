# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What other tools and models say: nothing of it is planned with, the plan is compared with it.

Memory is given as MiB or as text with a unit ("512MB", "4GB"); recommendations are in kB, floored as the tools do. They
are keyed by PostgreSQL's names with the unit; None stands for a parameter that the tool does not write.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import arguments
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.tuners import (
    _GB,
    _IO_CONCURRENCY,
    _MB,
    NEWEST_VERSION,
    OLDEST_VERSION,
    WORKLOADS,
    _in_common,
    _server,
    pgtune_classic_work_mem_kb,
    pgtune_maintenance_work_mem_kb,
    pgtune_random_page_cost,
    postgresqltuner_worst_case_mb,
)

_PGCONFIG_PARTS = {"web": 0.25, "oltp": 0.35, "dw": 0.5, "mixed": 0.2, "desktop": 0.1}
_TSTUNE_WORK_MEM_BYTES = 400 * 1024 ** 2
_TSTUNE_CONNECTIONS = ((2, 25), (4, 50), (6, 75))
_TSTUNE_LOCKS = ((8, 128), (16, 256), (32, 512))


class Verdict(NamedTuple):
    """What postgresqltuner thinks of a configuration."""

    worst_case_mb: float
    #: The worst case in percent of the memory.
    percent: float
    #: bad, warn or good.
    verdict: str
    #: A sentence for everything else that it objects to.
    warnings: tuple[str, ...]


def pgtune_classic(ram, cpu=None, connections=None, workload="web", storage="ssd",
                   pg_version=NEWEST_VERSION) -> dict[str, Any]:
    """pgtune's recommendation of 2025, with the same keys: memory in kB. An NVMe disk counts as an SSD, it knew none.

    Source: le0pard/pgtune e2c7f39.
    """
    server = _server(ram, cpu, connections, workload, storage, pg_version)
    if server.storage == "nvme":
        server = server._replace(storage="ssd")
    return {
        **_in_common(server, pgtune_maintenance_work_mem_kb(server.memory_kb, server.workload, 2 * _GB)),
        "work_mem_kb": pgtune_classic_work_mem_kb(
            server.memory_kb, server.cpu, server.connections, server.workload),
        "huge_pages": "try" if server.memory_kb >= 32 * _GB else "off",
        "random_page_cost": pgtune_random_page_cost(server.storage),
        "effective_io_concurrency": _IO_CONCURRENCY[server.storage],
        **dict.fromkeys((
            "jit", "wal_compression", "autovacuum_max_workers", "autovacuum_work_mem_kb", "io_method")),
    }


def pgtune_memory_warning(ram) -> str | None:
    """The word with which pgtune warns that it is not made for so much memory: low, very high, or None.

    Source: le0pard/pgtune, both forms: below 256 MiB and above 100 GiB.
    """
    memory = arguments.memory_kb("ram", ram)
    return "low" if memory < 256 * _MB else "very high" if memory > 100 * _GB else None


def timescaledb_tune(ram, cpu, connections=0, pg_version=17, wal_disk=0, background_workers=16) -> dict[str, Any]:
    """timescaledb-tune's recommendation: memory in kB, keyed by PostgreSQL's names.

    `connections` 0 stands for its default, `wal_disk` is the size of a disk for the WAL alone. Memory is cut to whole
    kB, where the tool prints large amounts in whole MB. Source: timescale/timescaledb-tune v0.19.0.
    """
    memory, cores = arguments.memory_kb("ram", ram), arguments.whole("cpu", cpu, 1)
    version = arguments.whole("pg_version", pg_version, OLDEST_VERSION, NEWEST_VERSION)
    background = arguments.whole("background_workers", background_workers, 16)
    gib = memory / _GB
    wanted = arguments.whole("connections", connections or 0)
    clients = wanted or next((count for most, count in _TSTUNE_CONNECTIONS if gib <= most), 100)
    half = math.floor(cores / 2 + 0.5)
    wal = _tstune_wal_kb(arguments.memory_kb("wal_disk", wal_disk)) if wal_disk else _GB
    parallel = cores > 1
    return {
        "max_connections": clients,
        "shared_buffers_kb": memory // 4,
        "effective_cache_size_kb": memory * 3 // 4,
        "maintenance_work_mem_kb": min(int(gib * 128 * _MB), 2047 * _MB),
        "work_mem_kb": max(64, int(gib * (_TSTUNE_WORK_MEM_BYTES / clients) / half) // 1024),
        "wal_buffers_kb": int(gib * 7864) if gib < 2 else 16 * _MB,
        "min_wal_size_kb": wal // 2,
        "max_wal_size_kb": wal,
        "max_worker_processes": 3 + background + cores if parallel else None,
        "max_parallel_workers": cores if parallel else None,
        "max_parallel_workers_per_gather": half if parallel else None,
        "max_locks_per_transaction": next((locks for below, locks in _TSTUNE_LOCKS if gib < below), 1024),
        "checkpoint_completion_target": 0.9,
        "default_statistics_target": 100,
        "random_page_cost": 1.1,
        "effective_io_concurrency": 256 if version >= 13 else 200,
        "autovacuum_max_workers": 10,
        "autovacuum_naptime_seconds": 10,
        "default_toast_compression": "lz4" if version >= 14 else None,
        "jit": "off" if version >= 12 else None,
    }


def _tstune_wal_kb(disk_kb) -> int:
    """60 % of a disk in kB, rounded up to segments of 16 MiB."""
    return -(-disk_kb * 60 // (100 * 16 * _MB)) * 16 * _MB


def pgconfig(ram, connections, workload="web") -> dict[str, float]:
    """pgconfig.org's recommendation for memory in MiB: a quarter, three quarters, a twentieth, and a part by workload
    divided among the connections.

    Later versions first reduce the memory of mixed workloads to a half and of desktops to a fifth. Source: pgconfig/api
    12156e2.
    """
    memory = arguments.memory_kb("ram", ram) / _MB
    part = _PGCONFIG_PARTS[arguments.choice("workload", workload, WORKLOADS)]
    return {
        "shared_buffers_mb": memory / 4,
        "effective_cache_size_mb": memory * 3 / 4,
        "work_mem_mb": memory * part / arguments.whole("connections", connections, 1),
        "maintenance_work_mem_mb": memory / 20,
    }


def postgresqltuner_verdict(memory_mb: float, shared_buffers_mb: float, work_mem_mb: float, max_connections: int,
                            maintenance_work_mem_mb: float, autovacuum_max_workers: int = 3,
                            superuser_reserved: int = 3, used_connections: int = 0,
                            track_activity_query_size_bytes: int = 0) -> Verdict:
    """The worst case in MiB, in percent of the memory, and a verdict: bad above 100 %, warn above 80 %, else good.

    Warned of besides: shared buffers above 40 % of the memory, more than 20 % of the connections kept for superusers or
    none of them, more than 70 % of the connections in use. Below 60 % it suggests larger shared buffers.
    Source: jfcoz/postgresqltuner 288bce8.
    """
    memory = arguments.above_zero("memory_mb", memory_mb)
    connections = arguments.whole("max_connections", max_connections, 1)
    reserved = arguments.whole("superuser_reserved", superuser_reserved)
    used = arguments.whole("used_connections", used_connections)
    worst = postgresqltuner_worst_case_mb(
        shared_buffers_mb, work_mem_mb, connections, maintenance_work_mem_mb, autovacuum_max_workers,
        track_activity_query_size_bytes)
    percent = worst * 100 / memory
    objections = (
        (shared_buffers_mb / memory > 0.4, "shared_buffers take more than 40 % of the memory"),
        (reserved * 100 / connections > 20, "more than 20 % of the connections are kept for superusers"),
        (reserved == 0, "no connection is kept for superusers"),
        (used * 100 / connections > 70, "more than 70 % of the connections are in use"))
    return Verdict(
        worst, percent, "bad" if percent > 100 else "warn" if percent > 80 else "good",
        tuple(sentence for holds, sentence in objections if holds))


def usl_capacity(instances: float, contention: float, coherency: float, capacity_of_one: float = 1) -> float:
    """Capacity of so many instances, in the unit of `capacity_of_one`: C(N) = N / (1 + a(N - 1) + bN(N - 1)).

    `contention` (a) is what they do one after another, `coherency` (b) what each exchanges with each; both are fitted
    to measurements, never guessed. Source: Gunther's universal scalability law.
    """
    count = arguments.above_zero("instances", instances)
    serial = 1 + arguments.part("contention", contention) * (count - 1)
    return (arguments.amount("capacity_of_one", capacity_of_one) * count
            / (serial + arguments.part("coherency", coherency) * count * (count - 1)))


def usl_peak(contention: float, coherency: float) -> float:
    """Instances from which more of them make it slower, as a number: sqrt((1 - a) / b); infinite without coherency.

    Source: Gunther's universal scalability law.
    """
    serial, crosstalk = arguments.part("contention", contention), arguments.part("coherency", coherency)
    return math.sqrt((1 - serial) / crosstalk) if crosstalk else math.inf


def kubelet_reserve_memory_mb(memory_mb: float, pods: int = 0) -> float:
    """Memory in MiB that the system of a Kubernetes node keeps: 20 MB for each pod and 50 MB, at most a quarter of the
    memory, and 100 MiB before it evicts.

    Source: Azure Kubernetes Service 1.29; to compare with `reserve_memory_mb`, which counts the memory alone.
    """
    for_pods = (20 * arguments.whole("pods", pods) + 50) * 1000 ** 2 / 1024 ** 2
    return min(for_pods, arguments.amount("memory_mb", memory_mb) / 4) + 100
