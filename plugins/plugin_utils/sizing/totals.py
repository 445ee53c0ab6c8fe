# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The sums over all services."""

from __future__ import annotations

from typing import Any

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import host, pgbouncer
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.services import known


def by_service(sheets, name) -> dict[str, Any]:
    """A figure by service, summed over all its containers. An unlimited container counts nothing."""
    summed: dict[str, Any] = {}
    for sheet in sheets.values():
        summed[sheet.service] = summed.get(sheet.service, 0) + sheet.count * sheet[name]
    return summed


def headroom_mb(draft) -> int:
    """Memory in MiB that the limits leave of what containers may use, jobs included; negative when they exceed it."""
    return host.allocatable_of(draft.capacity) - sum(by_service(draft.here, "memory_limit_mb").values())


def application_connections(draft) -> int:
    """Database connections that the application may open, from all its containers on all hosts."""
    return sum(
        draft.intent.hosts_of(sheet.service) * sheet.count * sheet["database_pool"]
        for sheet in draft.sheets.values() if "database_pool" in sheet.names)


def connections(draft) -> dict[str, int]:
    """The connection budget over all hosts: what reaches PostgreSQL, and what the application may open."""
    bouncer, database = draft.sheets["pgbouncer"], draft.sheets["postgres"]
    bouncers = draft.intent.hosts_of("pgbouncer")
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
        "application": application_connections(draft),
        "max_client_conn": bouncer["max_client_conn"],
    }


def summary(draft) -> dict[str, Any]:
    """The totals of a plan. Memory and CPU are those of the standing services; the jobs' memory is beside it."""
    sheets = draft.here
    limits, reservations, cpus = (
        by_service(sheets, name) for name in ("memory_limit_mb", "memory_reservation_mb", "cpus"))
    jobs = [service for service in limits if known(service).job]
    standing = [service for service in limits if service not in jobs]
    return {
        "memory_limit_mb": sum(limits[service] for service in standing),
        "memory_limit_jobs_mb": sum(limits[service] for service in jobs),
        "memory_reservation_mb": sum(reservations[service] for service in standing),
        "cpus": round(sum(cpus[service] for service in standing), 4),
        "connections": connections(draft),
    }
