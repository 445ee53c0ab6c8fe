# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""PgBouncer: the connection budget. Its hard cap is what makes PostgreSQL's memory arithmetic true."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import api, container, demand, tiers
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.arguments import formula
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import Bounds, ceil_to, clamp
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.words import counted

ENVELOPE = container.Envelope(
    memory=tiers.PGBOUNCER_MEMORY, cpus=tiers.PGBOUNCER_CPUS, reservation=tiers.PGBOUNCER_RESERVATION,
    cpu_shares=2048, pids=64, stop_seconds=30, least_memory_mb=demand.PGBOUNCER_MB)

#: Connections that PostgreSQL keeps for its superuser.
SUPERUSER_RESERVED = 3
#: Connections past PgBouncer: migrations 1, backup 2, exporter 1, administrators 2, scheduled jobs 2.
DIRECT_CONNECTIONS = 8
#: Memory in MiB of a backend besides its work_mem: rule books say 5 to 10, measurements 2 to 5.
BACKEND_MB = 4
#: Backends of the smallest pool with its reserve; fewer serve nobody.
LEAST_BACKENDS = 20 + 5 + DIRECT_CONNECTIONS
#: The document's most connections of PostgreSQL.
MOST_CONNECTIONS = 500
#: Descriptors that PgBouncer needs for itself.
_OWN_FILES = 10
#: What the application's statements may take: as long as Asynq lets a task run.
STATEMENT_SECONDS = 1800
#: How long a client waits for a server connection.
WAIT_SECONDS = 30
_MOST_SECONDS = 2147483


@formula
def hikari_connections(cores: int, spindles: int = 1) -> int:
    """Connections that keep a database of so many cores and disks busy: 2 * cores + spindles.

    Source: HikariCP's "About Pool Sizing".
    """
    return 2 * cores + spindles


@formula(cpus=1)
def server_pool(cpus: int) -> int:
    """Server connections that keep so many cores of PostgreSQL busy: 2 * (2 * cores + 1), between 20 and 100.

    Source: HikariCP's "About Pool Sizing" with one disk, doubled for connections idle in a transaction.
    """
    return clamp(2 * hikari_connections(cpus), 20, 100)


@formula
def reserve_pool(pool: int) -> int:
    """Extra connections for bursts: a quarter of the pool, rounded up, at least 5. Source: chosen here."""
    return max(5, -(-pool // 4))


@formula
def pool_for(connections: int) -> int:
    """The largest pool in connections that fits with its reserve into so many. Source: `reserve_pool`."""
    return max(1, min(connections - 5, connections * 4 // 5))


@formula(bouncers=1)
def pool_of_one(pool: int, bouncers: int) -> int:
    """Server connections of each of several PgBouncers that share a pool, rounded up, at least 5.

    Source: chosen here.
    """
    return max(5, -(-pool // bouncers)) if bouncers > 1 else pool


@formula(app_pools=1)
def session_pool(app_pools: int) -> int:
    """Server connections that pool mode session needs: as many as the application's pools together.

    Source: PgBouncer; a session keeps its server connection until the client leaves.
    """
    return app_pools


@formula(cpus=1, bouncers=1)
def pool(cpus: int, bouncers: int = 1) -> dict[str, int]:
    """What each of some PgBouncers is told before a PostgreSQL of so many cores, as numbers of connections, and the
    `backends` that all of them and the direct connections come to.

    Source: `server_pool`, `pool_of_one`, `reserve_pool`, with max_db_connections as the hard cap.
    """
    size = pool_of_one(server_pool(cpus), bouncers)
    most = size + reserve_pool(size)
    return {"default_pool_size": size, "reserve_pool_size": reserve_pool(size), "max_db_connections": most,
            "backends": bouncers * most + DIRECT_CONNECTIONS}


@formula
def client_connections(app_pools: int) -> int:
    """max_client_conn for the sum of the application's pools: half as many again in fifties, between 200 and 5000.

    Source: chosen here; PgBouncer's default of 100 is one API instance's default pool.
    """
    return clamp(ceil_to(1.5 * app_pools, 50), 200, 5000)


@formula(databases=1, users=1)
def file_descriptors(clients: int, pool: int, databases: int = 1, users: int = 1) -> int:
    """Descriptors that PgBouncer opens at most: clients, 10 of its own, and a pool for each database and user.

    A database whose user is forced counts one user. Source: PgBouncer's `check_limits`.
    """
    return clients + _OWN_FILES + databases * users * pool


@formula
def open_files(file_descriptors: int) -> int:
    """Limit of open files: twice what PgBouncer opens at most, at least 65536. Source: chosen here."""
    return max(container.OPEN_FILES, 2 * file_descriptors)


def plan_servers(draft, postgres_cpus):
    """Decide how many connections reach a PostgreSQL of so many cores."""
    container.plan_memory(draft, "pgbouncer", ENVELOPE)
    container.plan_cpus(draft, "pgbouncer", ENVELOPE)
    sheet = draft.sheet("pgbouncer")
    nominal, bouncers = tiers.POSTGRES_CONNECTIONS.value(draft.intent.tier), draft.intent.hosts_of("pgbouncer")
    mode = sheet.setting(
        "pool_mode", draft.intent.pool_mode, derived=True, source="pgbouncer_pool_mode",
        rule="when a server connection goes back to the pool")
    planned, how = _servers(draft, postgres_cpus, bouncers)
    most = pool_for((MOST_CONNECTIONS - SUPERUSER_RESERVED - DIRECT_CONNECTIONS) // bouncers)
    pool = sheet.setting(
        "default_pool_size", planned, **how,
        bounds=Bounds(low=20 if bouncers == 1 else 5, high=None if mode == "session" else most, least=1),
        deviation="postgres-backends",
        document=pool_for((nominal - SUPERUSER_RESERVED - DIRECT_CONNECTIONS) // bouncers),
        here=f"Here {nominal} backends would take {nominal * BACKEND_MB} of PostgreSQL's "
             f"{draft.sheet('postgres')['memory_limit_mb']} MiB, and it has {counted(postgres_cpus, 'core')}.")
    reserve = sheet.setting(
        "reserve_pool_size", reserve_pool(pool), rule="ceil(pool / 4), at least 5",
        source="chosen: a quarter more for bursts", inputs={"default_pool_size": pool})
    sheet.setting(
        "max_db_connections", pool + reserve, rule="pool + reserve: the hard cap",
        source="PgBouncer: reserve is added to the pool",
        inputs={"default_pool_size": pool, "reserve_pool_size": reserve}, bounds=Bounds(least=1))


def _servers(draft, postgres_cpus, bouncers):
    """(server connections of one PgBouncer, what explains them)."""
    running, of_cores = api.processes(draft), server_pool(postgres_cpus)
    of_users, of_pools = demand.server_pool(draft.intent.users or 0), api.server_pool_least(**running)
    if draft.intent.pool_mode != "session":
        return pool_of_one(max(of_cores, of_users, of_pools), bouncers), {
            "rule": "max(2 * (2 * postgres cores + 1) from 20 to 100, what the users keep busy / 0.75, a quarter of the"
                    " application's least pools), shared by all PgBouncers",
            "source": "HikariCP, about pool sizing; doubled for transactions that idle; Little's law",
            "inputs": {"postgres_cpus": postgres_cpus, "for_users": of_users, "for_pools": of_pools,
                       "pgbouncers": bouncers}}
    instances, of_workers = running["instances"], running["workers"] * running["worker_pool"]
    app_pools = instances * api.session_database_pool(max(of_cores, of_users), instances) + of_workers
    return -(-session_pool(max(1, app_pools)) // bouncers), {
        "rule": "sum of the application's pools, shared by all PgBouncers",
        "source": "PgBouncer: in pool mode session a client keeps its server connection until it leaves",
        "inputs": {"app_pools": app_pools, "pgbouncers": bouncers}}


def plan_clients(draft, app_pools):
    """Decide how many connections of the application PgBouncer takes, given the sum of their pools."""
    sheet, bouncers = draft.sheet("pgbouncer"), draft.intent.hosts_of("pgbouncer")
    clients = sheet.setting(
        "max_client_conn", client_connections(-(-app_pools // bouncers)),
        rule="1.5 * sum of the application's pools / pgbouncers, in fifties",
        source="PgBouncer: its default of 100 is one API instance's default pool",
        inputs={"app_pools": app_pools, "pgbouncers": bouncers},
        bounds=Bounds(low=200, high=5000, least=1, most=demand.pgbouncer_clients_most(sheet["memory_limit_mb"])))
    _plan_patience(draft, sheet)
    files = sheet.setting(
        "file_descriptors", file_descriptors(clients, sheet["default_pool_size"]), unit="files", derived=True,
        rule="max_client_conn + 10 + pool", source="PgBouncer: check_limits",
        inputs={"max_client_conn": clients, "default_pool_size": sheet["default_pool_size"]})
    container.plan_weights(
        sheet, ENVELOPE, open_files=open_files(files), files_rule="max(65536, 2 * file_descriptors)")


def _plan_patience(draft, sheet):
    """Decide how long who waits for what, and how long connections are kept."""
    def seconds(name, value, rule, source, least=0, most=_MOST_SECONDS):
        return sheet.setting(name, value, unit="s", rule=rule, source=source, bounds=Bounds(least=least, most=most))

    wait = seconds(
        "query_wait_timeout_seconds", WAIT_SECONDS, "30: who waits longer for a connection gets an error; 0 is off",
        "chosen: the user has given up by then; PgBouncer's default is 120")
    seconds("reserve_pool_timeout_seconds", 3, "a client that waits so long opens the reserve; 0 opens it never",
            "chosen: PgBouncer's default is 5")
    seconds("server_lifetime_seconds", 3600, "a server connection is closed when it is so old and free",
            "PgBouncer's default; what a backend has cached goes with it", least=1)
    seconds("server_idle_timeout_seconds", 600, "a server connection that nobody needs is closed; 0 is off",
            "PgBouncer's default")
    seconds("server_login_retry_seconds", 1, "clients wait for a database that starts: it is asked again each second",
            "seen: PgBouncer's default of 15 makes 15 s of errors of a crash that takes 1 s", least=1)
    sheet.setting(
        "max_prepared_statements", 200, unit="statements", rule="kept on each server connection; 0 is off",
        source="PgBouncer's default from 1.24 on", bounds=Bounds(least=0, most=2147483647))
    # PgBouncer gives a connection of a session back as new, without what it was told when it was opened.
    off = draft.intent.pool_mode == "session"
    in_session, most = ("; off in pool mode session, which undoes it", 0) if off else ("", _MOST_SECONDS)
    seconds(
        "statement_timeout_seconds", 0 if off else STATEMENT_SECONDS,
        "1800: no statement of the application takes longer; 0 is off. Migrations, backups and administrators go past "
        "PgBouncer and are not held to it" + in_session,
        "Asynq: its default timeout of a task is 30 minutes, and nobody waits longer", most=most)
    seconds(
        "lock_timeout_seconds", 0 if off else wait,
        "query_wait_timeout: who waits for a lock holds a server connection that others wait for; 0 is off"
        + in_session, "chosen: an error for one instead of for all", most=most)
