# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How the services themselves report what the plan gave them.

Settings of the plan are mapped to {name as the server says it: value as the server says it}.
"""

from __future__ import annotations

MIB = 1048576
PAGE_KB = 8

#: Setting of the plan -> (name in pg_settings, divisor to the unit that pg_settings reports).
POSTGRES = {
    "max_connections": ("max_connections", 1),
    "superuser_reserved_connections": ("superuser_reserved_connections", 1),
    "shared_buffers_mb": ("shared_buffers", PAGE_KB / 1024),
    "effective_cache_size_mb": ("effective_cache_size", PAGE_KB / 1024),
    "maintenance_work_mem_mb": ("maintenance_work_mem", 1 / 1024),
    "work_mem_kb": ("work_mem", 1),
    "wal_buffers_kb": ("wal_buffers", PAGE_KB),
    "min_wal_size_mb": ("min_wal_size", 1),
    "max_wal_size_mb": ("max_wal_size", 1),
    "max_slot_wal_keep_size_mb": ("max_slot_wal_keep_size", 1),
    "max_worker_processes": ("max_worker_processes", 1),
    "max_parallel_workers": ("max_parallel_workers", 1),
    "max_parallel_workers_per_gather": ("max_parallel_workers_per_gather", 1),
    "max_parallel_maintenance_workers": ("max_parallel_maintenance_workers", 1),
    "autovacuum_max_workers": ("autovacuum_max_workers", 1),
}


def _postgres(settings):
    """As in pg_settings: pages of 8 kB, kB or MB, by setting. PostgreSQL rounds to the nearest whole unit."""
    return {
        name: str(int(settings[key] / divisor + 0.5)) for key, (name, divisor) in POSTGRES.items() if key in settings}


def _pgbouncer(settings):
    """As in SHOW CONFIG."""
    names = ("default_pool_size", "reserve_pool_size", "max_db_connections", "max_client_conn")
    return {name: str(settings[name]) for name in names if name in settings}


def _redis(settings):
    """As in CONFIG GET."""
    return {
        "maxmemory": str(settings["maxmemory_mb"] * MIB),
        "maxmemory-policy": settings["maxmemory_policy"],
        "maxclients": str(settings["maxclients"]),
        "appendonly": settings["appendonly"],
    }


def _rabbitmq(settings):
    """As in /api/nodes."""
    return {
        "mem_limit": settings["memory_high_watermark_mb"] * MIB,
        "disk_free_limit": settings["disk_free_limit_mb"] * MIB,
    }


SERVICES = {"postgres": _postgres, "pgbouncer": _pgbouncer, "redis": _redis, "rabbitmq": _rabbitmq}


#: Lines of a configuration file that decide what a service reports under another name.
OTHER_NAMES = {
    "mem_limit": ("vm_memory_high_watermark.absolute", "vm_memory_high_watermark.relative"),
    "disk_free_limit": ("disk_free_limit.absolute", "disk_free_limit.relative"),
}


def reported_settings(settings, service, own=()):
    """What a service reports when it runs with these settings; nothing for a service without a plan.

    `own` are the operator's own lines of its configuration file: they win over the plan, which cannot expect anything
    there. Raises KeyError for a service that reports none.
    """
    reported = SERVICES[service](settings) if settings else {}
    return {
        name: value for name, value in reported.items()
        if not any(line in own for line in OTHER_NAMES.get(name, (name,)))}
