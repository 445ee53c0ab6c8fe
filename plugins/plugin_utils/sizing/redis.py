# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Redis: one instance for cache, sessions and jobs. It must never evict a job."""

from __future__ import annotations

from typing import NamedTuple

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import arguments, container, tiers
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import Bounds, ceil_to

ENVELOPE = container.Envelope(
    memory=tiers.REDIS_MEMORY, cpus=tiers.REDIS_CPUS, reservation=tiers.REDIS_RESERVATION, least_memory_mb=64,
    cpu_shares=2048, pids=128, oom_score_adj=-200, swapless=True, share=0.08, most_memory_mb=8192)

#: Without allkeys-*: these evict jobs.
POLICIES = ("volatile-lru", "volatile-lfu", "volatile-ttl", "volatile-random", "noeviction")
DEFAULT_MAXCLIENTS = 10000
#: Files that Redis opens besides those of its clients.
_OWN_FILES = 32
#: Connections of backup, verification and administrators.
_OTHER_CLIENTS = 16
#: Percent of a limit that data may take, by what else the instance does: without persistence, with snapshots, with an
#: append-only file that must not fail.
_DATA_PERCENT = {"none": 85, "rdb": 75, "aof": 60}
#: The queue's part of a divided Redis: 640 of 2048 MiB.
_QUEUE_SHARE = 0.3125
_QUEUE_STEP_MB = 128
#: What the queue's data must have beside the backlog of an outage.
_BACKLOG_FACTOR = 1.2
#: What asynq keeps of a task besides its payload. An assumption.
_TASK_BYTES = 1024
#: Archived tasks that asynq keeps of each queue, for 90 days.
ARCHIVED_PER_QUEUE = 10000
#: What a full instance takes, in percent of its data.
_FULL_PERCENT = 110
#: A dump beside the data in memory. An assumption.
_DUMP_SHARE = 0.5


class Split(NamedTuple):
    """Two instances instead of one: a cache that may evict and a queue that must not. Everything in MiB."""

    cache_limit_mb: int
    cache_maxmemory_mb: int
    queue_limit_mb: int
    queue_maxmemory_mb: int


def maxmemory_mb(memory_limit_mb: int) -> int:
    """Data in MiB: three quarters of the limit. The rest is for buffers and the copies that a snapshot forces.

    Source: the document; redis.io "Administration".
    """
    return memory_limit_mb * 3 // 4


def maxmemory_for_mb(memory_limit_mb: int, persistence: str = "rdb", replica_buffers_mb: int = 0) -> int:
    """Data in MiB of an instance without persistence (`none`, 85 % of the limit), with snapshots (`rdb`, 75 %) or with
    an append-only file and noeviction (`aof`, 60 %), without the buffers for replicas.

    Source: redis.io "Administration"; a snapshot or rewrite copies what is written meanwhile.
    """
    limit = arguments.whole("memory_limit_mb", memory_limit_mb)
    percent = _DATA_PERCENT[arguments.choice("persistence", persistence, tuple(_DATA_PERCENT))]
    return max(0, limit * percent // 100 - arguments.whole("replica_buffers_mb", replica_buffers_mb))


def queue_limit_mb(total_mb: int, backlog_mb: float = 0) -> int:
    """Memory limit in MiB of the queue's instance: 31.25 % of both, down to a multiple of 128; more where the backlog
    of an outage needs it, up to a multiple of 128.

    Source: chosen here: the backlog and a fifth more must fit into 60 % of the limit.
    """
    step = _QUEUE_STEP_MB
    share = int(_QUEUE_SHARE * arguments.whole("total_mb", total_mb, 1) // step) * step
    backlog = arguments.amount("backlog_mb", backlog_mb) * _BACKLOG_FACTOR * 100 / _DATA_PERCENT["aof"]
    return max(share, ceil_to(backlog, step))


def queue_maxmemory_mb(queue_limit_mb: int) -> int:
    """Data in MiB of the queue's instance: 60 % of its limit, with noeviction and an append-only file.

    Worth an alert from 75 % on, since a full queue cannot even be worked off. Source: `maxmemory_for_mb`.
    """
    return maxmemory_for_mb(queue_limit_mb, "aof")


def cache_maxmemory_mb(total_mb: int, queue_limit_mb: int) -> int:
    """Data in MiB of the cache's instance: three quarters of both limits without the queue's data, at most 85 % of its
    own limit.

    Source: the document's 1.5 of 2 GiB for both; redis.io "Administration".
    """
    total, queue = arguments.whole("total_mb", total_mb, 1), arguments.whole("queue_limit_mb", queue_limit_mb)
    if queue >= total:
        raise ValueError(
            f"queue_limit_mb: {queue} MiB leave nothing of {total} MiB for the cache; write less, or a larger total_mb")
    return min(maxmemory_mb(total) - queue_maxmemory_mb(queue), maxmemory_for_mb(total - queue, "none"))


def split(total_mb: int, backlog_mb: float = 0) -> Split:
    """Limits and data in MiB of two instances that have so much memory together.

    Source: `queue_limit_mb`, `queue_maxmemory_mb`, `cache_maxmemory_mb`.
    """
    queue = queue_limit_mb(total_mb, backlog_mb)
    cache = cache_maxmemory_mb(total_mb, queue)
    return Split(total_mb - queue, cache, queue, queue_maxmemory_mb(queue))


def queue_backlog_mb(tasks_per_second: float, outage_seconds: float, payload_bytes: float = 1024) -> float:
    """Memory in MiB of the tasks that pile up while no worker runs: each has its payload and 1 KiB besides.

    Source: asynq keeps a hash for each task; the KiB is an assumption.
    """
    tasks = arguments.amount("tasks_per_second", tasks_per_second) * arguments.amount("outage_seconds", outage_seconds)
    return _tasks_mb(tasks, payload_bytes)


def queue_archive_mb(queues: int, payload_bytes: float = 1024) -> float:
    """Memory in MiB of archived tasks: up to 10000 of each queue, for 90 days. Source: asynq, maxArchiveSize."""
    return _tasks_mb(arguments.whole("queues", queues) * ARCHIVED_PER_QUEUE, payload_bytes)


def queue_completed_mb(tasks_per_second: float, retention_seconds: float, payload_bytes: float = 1024) -> float:
    """Memory in MiB of completed tasks that are kept on wish. Source: asynq, Retention."""
    return queue_backlog_mb(tasks_per_second, retention_seconds, payload_bytes)


def queue_memory_mb(tasks_per_second: float, outage_seconds: float, queues: int, payload_bytes: float = 1024) -> float:
    """Memory in MiB that the queue's data may need: the backlog of an outage and the archive.

    Source: `queue_backlog_mb`, `queue_archive_mb`.
    """
    return (queue_backlog_mb(tasks_per_second, outage_seconds, payload_bytes)
            + queue_archive_mb(queues, payload_bytes))


def _tasks_mb(tasks, payload_bytes) -> float:
    return tasks * (arguments.amount("payload_bytes", payload_bytes) + _TASK_BYTES) / 1024 ** 2


def dump_mb(maxmemory: int, copies: int = 1) -> float:
    """Disk in MiB of so many dumps: half of the data in memory each. Source: an assumption."""
    return arguments.amount("maxmemory", maxmemory) * _DUMP_SHARE * arguments.whole("copies", copies)


def io_threads(cpus: float) -> int:
    """I/O threads: one below four cores, then three quarters of them, at most 8. Source: redis.conf."""
    return min(8, int(cpus * 3 // 4)) if cpus >= 4 else 1


def peak_memory_mb(maxmemory: int) -> int:
    """Memory in MiB of an instance that is full: its data, and a tenth for the allocator, the buffers of clients, and
    the pages that a rewrite copies at a thousand writes a second.

    Source: make bench-memory.
    """
    return round(arguments.whole("maxmemory", maxmemory) * _FULL_PERCENT / 100)


def volume_gb(maxmemory: int) -> int:
    """Disk in GB for a data set of so many MiB: three times for the append-only file and its rewrite, twice for a
    snapshot. At least the document's 1 GB.

    Source: redis.io "Persistence"; a rewrite starts when the file has doubled.
    """
    return split_volume_gb(maxmemory, maxmemory)


def split_volume_gb(appended_mb: float, dumped_mb: float) -> int:
    """Disk in GB for data sets of so many MiB: three times what is kept in an append-only file, twice what is kept in
    snapshots. At least the document's 1 GB. Source: redis.io "Persistence".
    """
    disk_mb = 3 * arguments.amount("appended_mb", appended_mb) + 2 * arguments.amount("dumped_mb", dumped_mb)
    return max(1, ceil_to(disk_mb * 1.048576 / 1000, 1))


def clients(processes: int, pool_size: int, dashboard_threads: int) -> int:
    """Connections that Redis sees at most: each API process has two pools (its own and Asynq's), the dashboard one.

    Source: the application; go-redis.
    """
    return processes * 2 * pool_size + 10 * dashboard_threads + _OTHER_CLIENTS


def plan(draft):
    """Decide Redis."""
    limit = container.plan_memory(draft, "redis", ENVELOPE)
    cpus = container.plan_cpus(draft, "redis", ENVELOPE)
    _plan_data(draft.sheet("redis"), limit, cpus)
    draft.sheet("redis").setting(
        "nodes", draft.intent.hosts_of("redis"), unit="nodes", derived=True,
        rule="the hosts that run Redis, each with a sentinel where there are several", source="groups of the inventory")
    maxclients = _plan_clients(draft)
    container.plan_weights(
        draft.sheet("redis"), ENVELOPE, open_files=max(container.OPEN_FILES, maxclients + _OWN_FILES),
        files_rule="max(65536, maxclients + 32)")


def _plan_data(sheet, limit, cpus):
    maxmemory = sheet.setting(
        "maxmemory_mb", maxmemory_mb(limit), unit="MiB", rule="3/4 of memory_limit", source=str(tiers.REDIS_MAXMEMORY),
        inputs={"memory_limit_mb": limit}, bounds=Bounds(least=1, most=limit * 85 // 100))
    sheet.setting(
        "peak_memory_mb", peak_memory_mb(maxmemory), unit="MiB", derived=True, rule="1.1 * maxmemory, when it is full",
        source="make bench-memory", inputs={"maxmemory_mb": maxmemory})
    sheet.setting(
        "maxmemory_policy", "volatile-lru", rule="volatile-lru: jobs never expire, so they are never evicted",
        source="asynq: tasks and queues carry no TTL", bounds=Bounds(choices=POLICIES),
        deviation="redis-policy", document="allkeys-lru")
    sheet.setting(
        "appendonly", "yes", rule="yes: jobs survive a crash", source="asynq issue 650: persist Redis",
        bounds=Bounds(choices=("yes", "no")), deviation="redis-persistence", document="no")
    sheet.setting("appendfsync", "everysec", rule="everysec: one second is lost at most", source="redis.conf",
                  bounds=Bounds(choices=("always", "everysec", "no")))
    sheet.setting(
        "io_threads", io_threads(cpus), unit="threads", rule="1 below four cores, else 3/4 of them, at most 8",
        source="redis.conf", inputs={"cpus": cpus}, bounds=Bounds(least=1, most=128))
    sheet.setting(
        "volume_gb", volume_gb(maxmemory), unit="GB", rule="3 * maxmemory (AOF) + 2 * maxmemory (RDB)",
        source=str(tiers.REDIS_VOLUME), inputs={"maxmemory_mb": maxmemory}, bounds=Bounds(floor=1),
        deviation="redis-volume", document=1)


def _plan_clients(draft):
    api = draft.sheet("api")
    processes = sum(sheet.count for sheet in draft.sheets_of("api")) * draft.intent.hosts_of("api")
    threads = draft.sheet("asynq_dashboard")["gomaxprocs"]
    expected = clients(processes, api["redis_pool_size"], threads)
    return draft.sheet("redis").setting(
        "maxclients", max(DEFAULT_MAXCLIENTS, ceil_to(1.5 * expected, 1)), unit="connections",
        rule="max(10000, 1.5 * expected clients)", source="redis.conf's default; pools of go-redis",
        inputs={"api_processes": processes, "redis_pool_size": api["redis_pool_size"], "expected": expected},
        bounds=Bounds(least=expected))
