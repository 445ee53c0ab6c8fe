# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Redis: one instance for cache, sessions and jobs. It must never evict a job."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import arguments, container, demand, tiers
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.arguments import formula
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import Bounds, ceil_to

ENVELOPE = container.Envelope(
    memory=tiers.REDIS_MEMORY, cpus=tiers.REDIS_CPUS, reservation=tiers.REDIS_RESERVATION, least_memory_mb=64,
    cpu_shares=2048, pids=128, oom_score_adj=-200, share=0.08, most_memory_mb=8192, stop_seconds=60, start_seconds=120,
    users_memory_mb=demand.redis_memory_mb, users_cpus=demand.redis_cores,
    users_source="chosen: sessions and waiting jobs of the users, commands of the peak")

#: Without allkeys-*: these evict jobs.
POLICIES = ("volatile-lru", "volatile-lfu", "volatile-ttl", "volatile-random", "noeviction")
DEFAULT_MAXCLIENTS = 10000
#: Files that Redis opens besides those of its clients.
_OWN_FILES = 32
_MOST_INT = 2147483647
#: Connections of backup, verification and administrators.
_OTHER_CLIENTS = 16
#: Percent of a limit that data may take, by what else the instance does: without persistence, with snapshots, with an
#: append-only file that must not fail.
#: MiB a second that a slow disk takes of a snapshot.
_SLOW_WRITE_MB = 100
_DATA_PERCENT = {"none": 85, "rdb": 75, "aof": 60}
#: What a full instance takes, in percent of its data.
_FULL_PERCENT = 110


@formula
def maxmemory_mb(memory_limit_mb: int) -> int:
    """Data in MiB: three quarters of the limit. The rest is for buffers and the copies that a snapshot forces.

    Source: the document; redis.io "Administration".
    """
    return memory_limit_mb * 3 // 4


@formula
def maxmemory_for_mb(memory_limit_mb: int, persistence: str = "rdb", replica_buffers_mb: int = 0) -> int:
    """Data in MiB of an instance without persistence (`none`, 85 % of the limit), with snapshots (`rdb`, 75 %) or with
    an append-only file and noeviction (`aof`, 60 %), without the buffers for replicas.

    Source: redis.io "Administration"; a snapshot or rewrite copies what is written meanwhile.
    """
    percent = _DATA_PERCENT[arguments.choice("persistence", persistence, tuple(_DATA_PERCENT))]
    return max(0, memory_limit_mb * percent // 100 - replica_buffers_mb)


@formula
def io_threads(cpus: float) -> int:
    """I/O threads: one below four cores, then three quarters of them, at most 8. Source: redis.conf."""
    return min(8, int(cpus * 3 // 4)) if cpus >= 4 else 1


@formula
def peak_memory_mb(maxmemory: int) -> int:
    """Memory in MiB of an instance that is full: its data, and a tenth for the allocator, the buffers of clients, and
    the pages that a rewrite copies at a thousand writes a second.

    Source: make bench-memory.
    """
    return round(maxmemory * _FULL_PERCENT / 100)


@formula
def stop_seconds(maxmemory: int) -> int:
    """Seconds that a shutdown may take: at least 60, and what a snapshot of all data needs at 100 MiB/s.

    Source: Redis saves on SIGTERM where it has save points; the speed of a slow disk is chosen here.
    """
    return max(ENVELOPE.stop_seconds, -(-maxmemory // _SLOW_WRITE_MB))


@formula
def volume_gb(maxmemory: int) -> int:
    """Disk in GB for a data set of so many MiB: three times for the append-only file and its rewrite, twice for a
    snapshot. At least the document's 1 GB.

    Source: redis.io "Persistence"; a rewrite starts when the file has doubled.
    """
    return max(1, ceil_to(5 * maxmemory * 1.048576 / 1000, 1))


@formula
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
    maxclients, maxmemory = _plan_clients(draft), draft.sheet("redis")["maxmemory_mb"]
    _plan_saves(draft.sheet("redis"))
    container.plan_weights(
        draft.sheet("redis"), ENVELOPE, open_files=max(container.OPEN_FILES, maxclients + _OWN_FILES),
        files_rule="max(65536, maxclients + 32)", stop_seconds=stop_seconds(maxmemory),
        rule="max(60, maxmemory / 100 MiB/s): it saves when it is stopped",
        source="chosen: a slow disk; Redis, SHUTDOWN", inputs={"maxmemory_mb": maxmemory})


def _plan_saves(sheet):
    """Save points and how long connections are kept: beside the append-only file a snapshot is what starts fast."""
    for name, value, unit, rule in (
        ("save_seconds", 3600, "s", "a snapshot after so long with save_changes writes"),
        ("save_changes", 1, "writes", "see save_seconds"),
        ("save_busy_seconds", 300, "s", "a snapshot after so long with save_busy_changes writes"),
        ("save_busy_changes", 1000, "writes", "see save_busy_seconds"),
    ):
        sheet.setting(
            name, value, unit=unit, rule=rule, bounds=Bounds(least=1, most=_MOST_INT),
            source="chosen: the append-only file loses a second at most; a snapshot copies what is written meanwhile")
    sheet.setting(
        "tcp_backlog", 511, unit="connections", rule="511, below net.core.somaxconn of the host (4096)",
        source="redis.conf's default", bounds=Bounds(least=1, most=65535))
    sheet.setting(
        "tcp_keepalive_seconds", 60, unit="s", rule="60: connections of clients that died are found; 0 is off",
        source="chosen: redis.conf's default is 300", bounds=Bounds(least=0, most=_MOST_INT))


def _plan_data(sheet, limit, cpus):
    maxmemory = sheet.setting(
        "maxmemory_mb", maxmemory_mb(limit), unit="MiB", rule="3/4 of memory_limit", source=str(tiers.REDIS_MAXMEMORY),
        inputs={"memory_limit_mb": limit}, bounds=Bounds(least=1, most=limit * _DATA_PERCENT["none"] // 100))
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
        source=f"chosen: redis.io, persistence; at least {tiers.REDIS_VOLUME}", inputs={"maxmemory_mb": maxmemory},
        bounds=Bounds(floor=1),
        deviation="redis-volume", document=1, here=f"Here maxmemory is {maxmemory} MiB.")


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
