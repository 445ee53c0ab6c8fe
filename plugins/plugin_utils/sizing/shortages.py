# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""R11: whether the services of a plan can carry the load of the users.

The plan follows the users; what is left to find is what the host does not give, what the operator's own figures take
away, and what one process cannot do at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import (
    api,
    demand,
    load,
    minio,
    pgbouncer,
    totals,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.finding import OVERRIDES, Finding
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import VARIABLES, plain
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.services import WHOLE_HOST
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.sheet import Draft
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.words import counted

#: What of the connections an operator may have set himself, by sheet.
_CONNECTION_FIGURES = {
    "postgres": ("max_connections", "superuser_reserved_connections"),
    "pgbouncer": ("default_pool_size", "reserve_pool_size", "max_db_connections", "max_client_conn", "memory_limit_mb"),
    "api": ("instances", "database_pool"), "api.worker": ("count", "database_pool")}
#: Beyond what one installation holds.
_FEWER_USERS = "divide the users among several installations"


class Shortage(NamedTuple):
    """What a service has of something and what the users ask of it; a shortage only where that is more."""

    service: str
    figure: str
    found: float
    needed: float
    what: str
    remedy: tuple[str, ...]


def connections_given(draft: Draft) -> Iterator[str]:
    """The remedy of taking out what the operator has set of the connections, if he has."""
    if any(draft.sheets[sheet].overridden(name) for sheet, names in _CONNECTION_FIGURES.items() for name in names):
        yield f"take the connection settings out of {OVERRIDES}"


def room_for(draft: Draft, key: str, needed: int) -> Iterator[str]:
    """The remedies of making room for so many connections, in a way that is not refused itself."""
    if key == "pgbouncer.max_client_conn" and needed > demand.pgbouncer_clients_most(
            draft.sheets["pgbouncer"]["memory_limit_mb"]):
        memory_mb = demand.pgbouncer_memory_mb(needed)
        yield f"set pgbouncer.memory_limit_mb to {memory_mb} and {key} to {needed} in {OVERRIDES}"
    else:
        yield f"set {key} to {needed} or more in {OVERRIDES}"
    if draft.intent.users:
        yield _FEWER_USERS


def load_of_users(draft: Draft) -> Iterator[Finding]:
    """R11: the users ask for more than a service has: a warning, a refusal where `trenova_strict` is set. A database
    that would be further behind with each second is refused in any case."""
    yield from _pools_of_application(draft)
    if not draft.intent.users:
        return
    if "pgbouncer" in draft.here or "postgres" in draft.here:
        yield from _busy_connections(draft)
    for shortage in (*_of_database(draft), *_of_redis(draft), *_of_caddy(draft), *_of_others(draft)):
        if shortage.service in draft.here and shortage.found < shortage.needed:
            yield Finding(
                "R11", shortage.figure, shortage.found, shortage.needed, shortage.what,
                (*_given(draft, shortage), *shortage.remedy), override=f"{VARIABLES['strict']}: false",
                fatal=draft.intent.strict)


def _given(draft, shortage) -> Iterator[str]:
    """The remedy of taking out what the operator has made smaller himself."""
    names = dict.fromkeys((shortage.figure.rpartition(".")[2], "memory_limit_mb"))
    given = [f"{shortage.service}.{name}" for name in names if draft.is_given(shortage.service, name)]
    if given:
        yield f"take {', '.join(given)} out of {OVERRIDES}"


# -- connections -------------------------------------------------------------------------------------------------------

def _pools_of_application(draft) -> Iterator[Finding]:
    """More connections of the application than PgBouncer should have to queue."""
    if "api" not in draft.here and "pgbouncer" not in draft.here:
        return
    budget, workers = totals.connections(draft), api.processes(draft)["workers"]
    servers, bouncers = budget["pool"] * budget["pgbouncers"], budget["pgbouncers"]
    most = api.database_pools_most(servers, workers)
    if budget["application"] > most:
        needed = -(-(budget["application"] - workers) // (api.CLIENTS_PER_SERVER * bouncers))
        yield Finding(
            "R11", "api.database_pool", budget["application"], most, fatal=False,
            what=f"the application may open {counted(budget['application'], 'connection')}, four for each of "
                 f"PgBouncer's {servers} and one for each worker are {most}; more of them only wait.",
            remedy=(*connections_given(draft), f"set pgbouncer.default_pool_size to {needed} in {OVERRIDES}"))


def _busy_connections(draft) -> Iterator[Finding]:
    """Fewer connections to PostgreSQL than the users keep busy at the peak."""
    users, budget = draft.intent.users, totals.connections(draft)
    busy, bouncers = demand.busy_connections(users), budget["pgbouncers"]
    pool, most = budget["pool"] * bouncers, budget["through_pgbouncer"]
    if busy <= min(pool, most):
        return
    hopeless = busy > most
    needed = -(-demand.server_pool(users) // bouncers)
    larger = () if needed > pgbouncer.pool_for(pgbouncer.MOST_CONNECTIONS // bouncers) else (
        f"set pgbouncer.default_pool_size to {needed} in {OVERRIDES}",)
    yield Finding(
        "R11", "pgbouncer.default_pool_size", budget["pool"], needed,
        f"the peak of {counted(users, 'user')} keeps {busy:.0f} connections of PostgreSQL busy "
        f"({demand.peak_requests_per_second(users):.0f} requests a second of {load.DATABASE_SECONDS * 1000:.0f} ms), "
        f"{pool} and {most - pool} in reserve can be had.",
        (*connections_given(draft), *larger, f"{_FEWER_USERS}, at most {int(users * pool / busy)} in this one"),
        waiver="accept_undersized_host" if hopeless else None,
        override=None if hopeless else f"{VARIABLES['strict']}: false", fatal=hopeless or draft.intent.strict)


# -- services ----------------------------------------------------------------------------------------------------------

def _asks(users) -> str:
    return f"{counted(users, 'user')} {'asks' if users == 1 else 'ask'} for"


def _bigger_host(draft, service, cores, setting) -> str:
    """The remedy for too few cores: a larger host where this one has too few, else a figure of the operator's."""
    if draft.capacity_of(service).cores < cores:
        return f"give the host {counted(cores, 'core')}, or {service} a host of its own (group {service})"
    return f"set {setting} in {OVERRIDES}"


def _of_database(draft) -> Iterator[Shortage]:
    users, sheet = draft.intent.users, draft.sheets["postgres"]
    cores, memory_mb = demand.database_cores(users), demand.database_memory_mb(users)
    yield Shortage(
        "postgres", "postgres.cpus", sheet["cpus"], cores,
        f"PostgreSQL has {counted(sheet['cpus'], 'CPU core')}, {_asks(users)} {cores} (one for each "
        f"{demand.USERS_PER_CORE}, as in the document's large tier).",
        (_bigger_host(draft, "postgres", cores + 1, f"postgres.cpus to {cores}"),))
    yield Shortage(
        "postgres", "postgres.memory_limit_mb", sheet["memory_limit_mb"], memory_mb,
        f"PostgreSQL has {sheet['memory_limit_mb']} MiB, {_asks(users)} {memory_mb} (a GiB for each "
        f"{demand.USERS_PER_CORE}, as in the document's large tier).",
        (f"set postgres.memory_limit_mb to {memory_mb} in {OVERRIDES}",))


def _of_redis(draft) -> Iterator[Shortage]:
    users, sheet = draft.intent.users, draft.sheets["redis"]
    data_mb, cores = math.ceil(demand.redis_data_mb(users)), demand.THREADED_CORES
    yield Shortage(
        "redis", "redis.maxmemory_mb", sheet["maxmemory_mb"], data_mb,
        f"Redis holds {sheet['maxmemory_mb']} MiB, the sessions and waiting jobs of {counted(users, 'user')} can be "
        f"{data_mb}.", (f"set redis.memory_limit_mb to {demand.redis_memory_mb(users)} in {OVERRIDES}",))
    operations, most = demand.redis_operations(users), demand.redis_operations_most(sheet["cpus"])
    threads = [_bigger_host(draft, "redis", cores, f"redis.cpus to {cores}")]
    yield Shortage(
        "redis", "redis.cpus", most, operations,
        f"Redis with {counted(sheet['cpus'], 'CPU core')} executes {most:.0f} commands a second at ease, "
        f"{_asks(users)} {operations:.0f}.",
        (*(threads if operations <= demand.redis_operations_most(cores) else ()), _FEWER_USERS))


def _of_caddy(draft) -> Iterator[Shortage]:
    users, sheet = draft.intent.users, draft.sheets["caddy"]
    memory_mb, cores = demand.caddy_memory_mb(users), demand.caddy_cores(users)
    yield Shortage(
        "caddy", "caddy.memory_limit_mb", sheet["memory_limit_mb"], memory_mb,
        f"Caddy has {sheet['memory_limit_mb']} MiB, {_asks(users)} {memory_mb} ({demand.CADDY_MB}, and "
        f"{demand.CONNECTION_KB} KiB for the connection of each).",
        (f"set caddy.memory_limit_mb to {memory_mb} in {OVERRIDES}",))
    yield Shortage(
        "caddy", "caddy.cpus", sheet["cpus"], cores,
        f"Caddy has {counted(sheet['cpus'], 'CPU core')}, {_asks(users)} {plain(cores)}.",
        (_bigger_host(draft, "caddy", math.ceil(cores), f"caddy.cpus to {plain(cores)}"),))


def _of_others(draft) -> Iterator[Shortage]:
    users, sheets, hosts = draft.intent.users, draft.sheets, draft.intent.hosts_of
    bouncer, processes = sheets["pgbouncer"], demand.pgbouncer_processes(users)
    yield Shortage(
        "pgbouncer", "pgbouncer.processes", hosts("pgbouncer"), processes,
        f"{hosts('pgbouncer')} PgBouncer planned, which runs on one core, {_asks(users)} {processes}.",
        (f"have {counted(processes, 'host')} in the group pgbouncer", _FEWER_USERS))
    clients, clients_mb = bouncer["max_client_conn"], demand.pgbouncer_memory_mb(bouncer["max_client_conn"])
    yield Shortage(
        "pgbouncer", "pgbouncer.memory_limit_mb", bouncer["memory_limit_mb"], clients_mb,
        f"PgBouncer has {bouncer['memory_limit_mb']} MiB, {counted(clients, 'client')} can need {clients_mb}.",
        (f"set pgbouncer.memory_limit_mb to {clients_mb} in {OVERRIDES}",))
    if "minio" in sheets:
        nodes, uploads = hosts("minio"), demand.busy_uploads(users)
        requests = sheets["minio"]["requests_max"] * nodes
        yield Shortage(
            "minio", "minio.requests_max", requests, uploads,
            f"MinIO serves {counted(requests, 'request')} at once, the peak of {counted(users, 'user')} has "
            f"{uploads:.0f} documents on the way.",
            (f"set minio.memory_limit_mb to {minio.memory_for_mb(-(-uploads // nodes), nodes)} in {OVERRIDES}",))
    # Where the document's whole host is here, R2 speaks of the API.
    if not set(draft.intent.services) >= WHOLE_HOST:
        instance, each = sheets["api"], hosts("api")
        count, needed = each * instance["instances"], api.instances_for(users, instance["cpus"])
        yield Shortage(
            "api", "api.instances", count, needed,
            f"{counted(count, 'API instance')} with {counted(instance['cpus'], 'CPU core')} each planned on "
            f"{counted(each, 'host')}, the peak of {counted(users, 'user')} needs {needed}.",
            (f"give each host of the API {2 * -(-needed // each)} cores, or have more of them in the group api",))
