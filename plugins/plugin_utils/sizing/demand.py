# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the users' load asks of each service, and how the document's tiers go on beyond the largest.

The large tier is read as one for 500 users: its 400 GB are what the growth law gives to as many in a year. Up to there
the tiers' figures hold. Beyond, PostgreSQL's go on at the same rate, and those of the others follow the load.
"""

from __future__ import annotations

import math

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import load
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.arguments import formula
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import ceil_to

#: Users of the document's largest tier.
TIER_USERS = 500
#: Users for a core and a GiB of PostgreSQL: the large tier has four of each. HikariCP's law, two busy connections for a
#: core and one for the disk, comes to nearly as much (37 cores of 40 for 5000 users).
USERS_PER_CORE = 125
_DATABASE_STEP_MB = 1024

#: Redis: what a session with its events and permissions takes; jobs that a user makes in a second, how long they must
#: be able to pile up, what one takes, and how many of each queue are kept after they failed. Assumptions, but the last.
SESSION_KB = 64
JOBS_PER_SECOND = 0.02
BACKLOG_SECONDS = 4 * 3600
JOB_KB = 2
KEPT_JOBS = 4 * 10000
#: Seen (make bench-memory): commands in a second that one thread of Redis executes; how many a request causes.
OPERATIONS_PER_CORE = 50000
OPERATIONS_PER_REQUEST = 5
#: Cores from which Redis reads and writes in threads of its own, and how much more it then does.
THREADED_CORES = 4
_THREADED_FACTOR = 2
_REDIS_STEP_MB = 256
_REDIS_DATA_SHARE = 0.75

#: Caddy: what it takes itself, and for each connection; a user keeps one open. Requests in a second that a core
#: encrypts and passes on, an assumption.
CADDY_MB = 64
CONNECTION_KB = 60
CADDY_REQUESTS_PER_CORE = 4000
_CADDY_STEP_MB = 128
_CADDY_STEP_CORES = 0.5

#: PgBouncer: queries of a request, and queries in a second that its one process passes on. Assumptions.
QUERIES_PER_REQUEST = 5
QUERIES_PER_PROCESS = 50000
#: Memory of PgBouncer itself, and of a client with four buffers of 4 kB.
PGBOUNCER_MB = 32
CLIENT_KB = 16


#: What one user asks for at the peak.
_PEAK_OF_ONE = load.peak_requests_per_second(load.requests_per_second(1))
_BUSY_OF_ONE = load.busy_database_connections(_PEAK_OF_ONE)


@formula
def peak_requests_per_second(users: int) -> float:
    """Requests per second of so many users in the busiest minutes. Source: `load.peak_requests_per_second`."""
    return users * _PEAK_OF_ONE


@formula
def summary(users: int) -> dict[str, float]:
    """What so many users ask for at the peak, as a plan shows it. Source: the functions of the file."""
    return {
        "requests_per_second": round(peak_requests_per_second(users), 1),
        "busy_database_connections": round(busy_connections(users), 1),
        "redis_commands_per_second": round(redis_operations(users)),
        "documents_on_the_way": round(busy_uploads(users), 1),
        "open_connections": users,
    }


@formula
def busy_connections(users: int) -> float:
    """Connections to the database, as a number, that so many users keep busy at the peak.

    Source: `load.busy_database_connections`.
    """
    return users * _BUSY_OF_ONE


@formula
def busy_uploads(users: int) -> float:
    """Documents, as a number, that are on their way at the peak of so many users. Source: `load.busy_uploads`."""
    return load.busy_uploads(users * _PEAK_OF_ONE)


@formula
def server_pool(users: int) -> int:
    """Server connections, as a number, of which so many users keep three quarters busy at the peak.

    Source: Little's law; a quarter is for bursts, chosen here.
    """
    return math.ceil(round(users * _BUSY_OF_ONE / load.POOL_BUSY_SHARE, 6))


@formula
def database_cores(users: int) -> int:
    """Cores of PostgreSQL, as a number, for so many users: one for each 125.

    Source: the document's four for its large tier, continued.
    """
    return max(1, -(-users // USERS_PER_CORE))


@formula
def database_memory_mb(users: int) -> int:
    """Memory in MiB of PostgreSQL beyond 500 users: a GiB for each core. Up to there the tier's figure holds, and this
    is 0. Source: the document's 4 GB and 4 cores for its large tier, continued."""
    return database_cores(users) * _DATABASE_STEP_MB if users > TIER_USERS else 0


@formula
def redis_data_mb(users: int) -> float:
    """Memory in MiB of what Redis must hold for so many users: their sessions, the jobs of four hours in which nobody
    works on them, and the failed ones that are kept.

    Source: 64 KiB for a session and a job of 2 KiB for each user in 50 s are assumptions; asynq keeps 10000 failed
    tasks of each of four queues.
    """
    backlog_kb = users * JOBS_PER_SECOND * BACKLOG_SECONDS * JOB_KB
    return (users * SESSION_KB + backlog_kb + KEPT_JOBS * JOB_KB) / 1024


@formula
def redis_memory_mb(users: int) -> int:
    """Memory limit in MiB of a Redis that holds that in three quarters of it, in steps of 256.

    Source: `redis_data_mb`.
    """
    return ceil_to(redis_data_mb(users) / _REDIS_DATA_SHARE, _REDIS_STEP_MB)


@formula
def redis_operations_most(cpus: float) -> float:
    """Commands per second, as a number, that Redis should execute at most: 60 % of 50000 on one core, twice as much
    from four cores on, where threads of its own read and write.

    Source: make bench-memory; redis.conf says twice.
    """
    return load.BUSY_SHARE * OPERATIONS_PER_CORE * (_THREADED_FACTOR if cpus >= THREADED_CORES else 1)


@formula
def redis_operations(users: int) -> float:
    """Commands per second, as a number, that so many users cause at the peak: five for each request.

    Source: the application: session, rate limit, permissions; an assumption.
    """
    return OPERATIONS_PER_REQUEST * users * _PEAK_OF_ONE


@formula
def redis_cores(users: int) -> int:
    """Cores of Redis, as a number, for so many users: one, or four where it must read and write in threads of its own.

    Source: `redis_operations`, `redis_operations_most`.
    """
    return 1 if redis_operations(users) <= redis_operations_most(1) else THREADED_CORES


@formula
def caddy_memory_mb(users: int) -> int:
    """Memory limit in MiB of Caddy for so many users: 64 MiB, and 60 KiB for the connection that each keeps open, in
    steps of 128. Source: an assumption."""
    return ceil_to(CADDY_MB + users * CONNECTION_KB / 1024, _CADDY_STEP_MB)


@formula
def caddy_cores(users: int) -> float:
    """Cores of Caddy, as a number, for so many users at the peak: 4000 requests per second on a core at 60 %, in halves
    of a core.

    Source: an assumption; encryption takes most of it.
    """
    per_core = CADDY_REQUESTS_PER_CORE * load.BUSY_SHARE
    return _CADDY_STEP_CORES * math.ceil(round(users * _PEAK_OF_ONE / per_core / _CADDY_STEP_CORES, 6))


@formula
def pgbouncer_processes(users: int) -> int:
    """Processes of PgBouncer, as a number, that pass on the queries of so many users at the peak: five for each
    request, 50000 per second and process at 60 %.

    Source: PgBouncer runs on one core; both figures are assumptions.
    """
    queries = QUERIES_PER_REQUEST * users * _PEAK_OF_ONE
    return max(1, math.ceil(round(queries / (QUERIES_PER_PROCESS * load.BUSY_SHARE), 6)))


@formula
def pgbouncer_memory_mb(clients: int) -> int:
    """Memory in MiB of PgBouncer with so many clients: 32, and 16 kB for each with its buffers.

    Source: PgBouncer's manual, memory of prepared statements.
    """
    return math.ceil(PGBOUNCER_MB + clients * CLIENT_KB / 1024)


@formula
def pgbouncer_clients_most(memory_limit_mb: int) -> int:
    """Clients, as a number, that a PgBouncer with so many MiB holds; at least one. Source: `pgbouncer_memory_mb`."""
    return max(1, (memory_limit_mb - PGBOUNCER_MB) * 1024 // CLIENT_KB)
