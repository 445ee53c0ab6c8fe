# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the software that reads a figure takes at all: the bounds of an operator's own figures.

A number beyond them would stop a service from starting, or stop what it does, so it is refused. Bounds that hang on
other figures of the same plan (a reservation within its limit) stand with the figure and count as well; `within` says
which they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import Bounds

#: Of 32 bits, as most programs count.
_INT = 2 ** 31 - 1
#: PostgreSQL's MAX_BACKENDS.
_BACKENDS = 2 ** 18 - 1
#: More than any host has: MiB, GB.
_MEMORY_MB, _DISK_GB = 64 * 1024 ** 2, 10 ** 6
#: Seconds, beyond which nobody waits.
_DAY = 86400
#: Connections of one process: what a network address and a port have between them.
_PORTS = 65535


class Limit(NamedTuple):
    """The least and the most that a figure may be, who says so, and on what it hangs besides."""

    least: float
    most: float
    source: str
    within: str = ""


#: By name, for every container and for every program of a kind.
COMMON: Mapping[str, Limit] = {
    "memory_limit_mb": Limit(6, _MEMORY_MB, "Docker: at least 6 MiB", "what the service needs at least"),
    "memory_reservation_mb": Limit(0, _MEMORY_MB, "Docker", "at most memory_limit_mb"),
    "memory_swap_limit_mb": Limit(6, 2 * _MEMORY_MB, "Docker: memory and swap together", "at least memory_limit_mb"),
    "cpus": Limit(0.01, 4096, "Docker: hundredths of a core", "the cores of the host"),
    "cpu_shares": Limit(2, 262144, "Linux, cpu.shares"),
    "pids_limit": Limit(1, 4194304, "Linux, pid_max"),
    "nofile": Limit(1, 1048576, "Linux, fs.nr_open"),
    "oom_score_adj": Limit(-1000, 1000, "Linux, oom_score_adj"),
    "shm_size_mb": Limit(1, _MEMORY_MB, "Docker", "at most memory_limit_mb"),
    "instances": Limit(1, 1000, "chosen: a host starts no more"),
    "count": Limit(0, 1000, "chosen: a host starts no more"),
    "gomaxprocs": Limit(1, 4096, "Go, GOMAXPROCS; no host has more cores"),
    "gomemlimit_mb": Limit(
        4, _MEMORY_MB, "Go, GOMEMLIMIT: below what a program holds it only collects garbage",
        "85 % of what the service needs at least, at most memory_limit_mb"),
    "stop_grace_seconds": Limit(1, _DAY, "chosen: no container may take a day to end"),
    "start_grace_seconds": Limit(0, _DAY, "chosen: no container may take a day to begin"),
    "health_interval_seconds": Limit(1, _DAY, "Docker: at least a millisecond; chosen: a second to a day"),
    "volume_gb": Limit(1, _DISK_GB, "no disk has more"),
    "volume_mb": Limit(1, _DISK_GB, "chosen: certificates are small"),
}

_GUC = "PostgreSQL, pg_settings"
_PATIENCE = "PgBouncer: microseconds in 64 bits; chosen: as PostgreSQL's timeouts, milliseconds in 32 bits"
_CADDY = "Caddy, durations; chosen: up to a day"

#: By service and name, where the software says more.
LIMITS: Mapping[str, Limit] = {
    "postgres.max_connections": Limit(1, _BACKENDS, _GUC, "32 kB each in a tenth of memory_limit_mb, 500 at least"),
    "postgres.superuser_reserved_connections": Limit(0, _BACKENDS, _GUC, "below max_connections"),
    "postgres.max_worker_processes": Limit(0, _BACKENDS, _GUC, "32 kB each in a tenth of memory_limit_mb"),
    "postgres.max_parallel_workers": Limit(0, 1024, _GUC, "max_worker_processes"),
    "postgres.max_parallel_workers_per_gather": Limit(0, 1024, _GUC, "max_worker_processes"),
    "postgres.max_parallel_maintenance_workers": Limit(0, 1024, _GUC, "max_worker_processes"),
    "postgres.autovacuum_max_workers": Limit(1, _BACKENDS, _GUC),
    "postgres.max_wal_senders": Limit(0, _BACKENDS, _GUC, "at least the replicas"),
    "postgres.max_replication_slots": Limit(0, _BACKENDS, _GUC, "at least the replicas"),
    "postgres.io_workers": Limit(1, 32, _GUC),
    "postgres.shared_buffers_mb": Limit(1, _INT // 2 // 128, _GUC, "at most memory_limit_mb"),
    "postgres.maintenance_work_mem_mb": Limit(1, _INT // 1024, _GUC),
    "postgres.wal_buffers_kb": Limit(32, 262143 * 8, _GUC),
    "postgres.work_mem_kb": Limit(64, _INT, _GUC),
    "postgres.hash_mem_multiplier": Limit(1, 1000, _GUC),
    "postgres.effective_cache_size_mb": Limit(1, _INT // 128, _GUC),
    "postgres.max_wal_size_mb": Limit(32, _INT, _GUC, "half of the disk"),
    "postgres.min_wal_size_mb": Limit(32, _INT, _GUC, "at most max_wal_size_mb"),
    "postgres.max_slot_wal_keep_size_mb": Limit(-1, _INT, _GUC, "half of the disk; -1 is without end"),
    "postgres.checkpoint_completion_target": Limit(0, 1, _GUC),
    "postgres.random_page_cost": Limit(0.01, 10 ** 6, _GUC),
    "postgres.effective_io_concurrency": Limit(0, 1000, _GUC),
    "postgres.default_statistics_target": Limit(1, 10000, _GUC),
    "postgres.idle_in_transaction_session_timeout_seconds": Limit(0, _INT // 1000, _GUC),
    "pgbouncer.default_pool_size": Limit(1, _BACKENDS, "PostgreSQL: no more connections"),
    "pgbouncer.reserve_pool_size": Limit(0, _BACKENDS, "PostgreSQL: no more connections"),
    "pgbouncer.max_db_connections": Limit(
        1, _BACKENDS, "PostgreSQL: no more connections; PgBouncer takes 0 for without end"),
    "pgbouncer.max_client_conn": Limit(
        1, _PORTS, "PgBouncer: a descriptor for each", "16 kB each in memory_limit_mb"),
    "pgbouncer.query_wait_timeout_seconds": Limit(0, _INT // 1000, _PATIENCE),
    "pgbouncer.reserve_pool_timeout_seconds": Limit(0, _INT // 1000, _PATIENCE),
    "pgbouncer.server_lifetime_seconds": Limit(1, _INT // 1000, _PATIENCE),
    "pgbouncer.server_idle_timeout_seconds": Limit(0, _INT // 1000, _PATIENCE),
    "pgbouncer.server_login_retry_seconds": Limit(1, _INT // 1000, _PATIENCE),
    "pgbouncer.max_prepared_statements": Limit(0, _INT, "PgBouncer, an integer"),
    "pgbouncer.statement_timeout_seconds": Limit(0, _INT // 1000, _GUC, "0 in pool mode session"),
    "pgbouncer.lock_timeout_seconds": Limit(0, _INT // 1000, _GUC, "0 in pool mode session"),
    "redis.maxmemory_mb": Limit(16, _MEMORY_MB, "Redis: 0 is without end, and an empty one takes some MiB",
                                "85 % of memory_limit_mb"),
    "redis.io_threads": Limit(1, 128, "Redis, IO_THREADS_MAX_NUM"),
    "redis.maxclients": Limit(1, 1048576 - 32, "Redis: a descriptor for each", "at least what the application opens"),
    "redis.save_seconds": Limit(1, _INT, "Redis, an integer"),
    "redis.save_changes": Limit(1, _INT, "Redis, an integer"),
    "redis.save_busy_seconds": Limit(1, _INT, "Redis, an integer"),
    "redis.save_busy_changes": Limit(1, _INT, "Redis, an integer"),
    "redis.tcp_backlog": Limit(1, _PORTS, "Linux, net.core.somaxconn"),
    "redis.tcp_keepalive_seconds": Limit(0, _INT, "Redis, an integer"),
    "rabbitmq.memory_high_watermark_mb": Limit(
        128, _MEMORY_MB, "RabbitMQ: an idle node takes about 100 MiB, and above the mark publishers are blocked",
        "at most memory_limit_mb"),
    "rabbitmq.disk_free_limit_mb": Limit(
        50, _INT, "RabbitMQ: publishers are blocked while less is free", "what is free after the first day"),
    "rabbitmq.raft_wal_max_size_mb": Limit(1, 4096, "RabbitMQ, quorum queues", "a third of the watermark"),
    "rabbitmq.schedulers": Limit(1, 1024, "Erlang, +S"),
    "rabbitmq.heartbeat_seconds": Limit(0, 65535, "AMQP 0-9-1: 16 bits"),
    "rabbitmq.quorum_group_size": Limit(1, 7, "RabbitMQ, quorum queues", "the nodes"),
    "minio.requests_max": Limit(1, _INT, "MinIO, api requests_max", "what memory_limit_mb holds"),
    "api.database_pool": Limit(1, _PORTS, "pgx, pool_max_conns"),
    "api.redis_pool_size": Limit(1, _PORTS, "go-redis, PoolSize"),
    "api.worker.database_pool": Limit(1, _PORTS, "pgx, pool_max_conns"),
    "caddy.stream_close_seconds": Limit(1, _DAY, _CADDY),
    "caddy.upstream_try_seconds": Limit(1, _DAY, _CADDY),
    "caddy.upstream_try_interval_ms": Limit(1, _DAY, _CADDY),
    "caddy.upstream_health_interval_seconds": Limit(1, _DAY, _CADDY),
    "caddy.upstream_health_timeout_seconds": Limit(1, _DAY, _CADDY),
    "backup.database_storage_gb": Limit(0, 100 * _DISK_GB, "no storage has more"),
    "backup.object_storage_gb": Limit(0, 100 * _DISK_GB, "no storage has more"),
    "backup.idle_cpus": Limit(0.01, 4096, "Docker: hundredths of a core", "the cores of the host"),
    "backup.copy_mb_per_second": Limit(1, 100_000, "no disk is as fast"),
    "backup.usual_minutes": Limit(1, 7 * _DAY // 60, "chosen: backup_timeout_seconds ends a run after a week at most"),
    "backup.drill_minutes": Limit(1, 7 * _DAY // 60, "chosen: backup_timeout_seconds ends a run after a week at most"),
    "backup.left_free_gb": Limit(0.1, _DISK_GB, "chosen: a file system without a rest refuses every write"),
    "backup.stream_growth": Limit(1, 10, "chosen: less than there was the last time is no reckoning"),
    "backup.chain_bases": Limit(1, 366, "chosen: a year of nights"),
    "backup.cuts_hours": Limit(0, 8784, "chosen: a year; each one lies in the target"),
}


def limit_of(sheet: str, name: str) -> Limit | None:
    """The bounds of a figure, by the sheet (`api`, `api.worker`) and the name under which an operator sets it."""
    return LIMITS.get(f"{sheet}.{name}") or COMMON.get(name)


def within(bounds: Bounds, limit: Limit | None) -> Bounds:
    """The bounds of a figure as far as the software takes them."""
    if limit is None:
        return bounds
    return bounds._replace(
        least=max(bounds.least, limit.least) if limit.least >= 0 else limit.least,
        most=limit.most if bounds.most is None else min(bounds.most, limit.most))
