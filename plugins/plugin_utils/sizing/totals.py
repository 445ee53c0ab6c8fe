# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The sums over all services."""

from __future__ import annotations

from typing import Any

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import host, pgbouncer

#: Services that run for a while only; they are not part of the sum that stands all the time.
JOBS = ("backup",)


def _over_containers(sheets, name, worker_name) -> dict[str, Any]:
    """A figure of every service, times its instances; the API's workers are added to the API."""
    summed = {}
    for service, sheet in sheets.items():
        summed[service] = sheet[name] * sheet.names.get("instances", 1)
    if "api" in sheets:
        api = sheets["api"]
        summed["api"] += api["workers"] * api[worker_name]
    return summed


def memory_by_service(sheets, name="memory_limit_mb") -> dict[str, int]:
    """Memory limits (or reservations) in MiB by service, instances and workers counted; an unlimited service counts
    nothing."""
    return _over_containers(sheets, name, "worker_" + name)


def headroom_mb(draft) -> int:
    """Memory in MiB that the limits leave of what containers may use, jobs included; negative when they exceed it."""
    return host.allocatable_of(draft.capacity) - sum(memory_by_service(draft.here).values())


def connections(draft) -> dict[str, int]:
    """The connection budget over all hosts: what reaches PostgreSQL, and what the application may open."""
    bouncer, database, api = draft.sheets["pgbouncer"], draft.sheets["postgres"], draft.sheets["api"]
    bouncers, api_hosts = draft.intent.hosts_of("pgbouncer"), draft.intent.hosts_of("api")
    through = bouncers * bouncer["max_db_connections"]
    needed = through + pgbouncer.DIRECT_CONNECTIONS + database["superuser_reserved_connections"]
    return {
        "pool": bouncer["default_pool_size"],
        "reserve": bouncer["reserve_pool_size"],
        "max_db_connections": bouncer["max_db_connections"],
        "pgbouncers": bouncers,
        "through_pgbouncer": through,
        "direct": pgbouncer.DIRECT_CONNECTIONS,
        "backends": database["backends"],
        "superuser_reserved": database["superuser_reserved_connections"],
        "max_connections": database["max_connections"],
        "spare": database["max_connections"] - needed,
        "application": api_hosts * (
            api["instances"] * api["database_pool"] + api["workers"] * api["worker_database_pool"]),
        "max_client_conn": bouncer["max_client_conn"],
    }


def summary(draft) -> dict[str, Any]:
    """The totals of a plan. Memory and CPU are those of the standing services; the jobs' memory is beside it."""
    sheets = draft.here
    limits = memory_by_service(sheets)
    reservations = memory_by_service(sheets, "memory_reservation_mb")
    cpus = _over_containers(sheets, "cpus", "worker_cpus")
    standing = [service for service in sheets if service not in JOBS]
    return {
        "memory_limit_mb": sum(limits[service] for service in standing),
        "memory_limit_jobs_mb": sum(limits.get(service, 0) for service in JOBS),
        "memory_reservation_mb": sum(reservations[service] for service in standing),
        "cpus": round(sum(cpus[service] for service in standing), 4),
        "connections": connections(draft),
    }
