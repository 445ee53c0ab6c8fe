# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The API: instances for the users, pools for the instances, workers for the jobs."""

from __future__ import annotations

import math

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import container, demand, golang, load, tiers
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.arguments import formula
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import Bounds

#: Least memory: seen by running v0.7.2, 125 MiB resident after a light load. Two cores in mode balanced: a quota of
#: one stalls whatever runs in parallel, the garbage collector first.
ENVELOPE = container.Envelope(
    memory=tiers.API_MEMORY, cpus=tiers.API_CPUS, least_memory_mb=128, cpu_shares=2048, share=0.15,
    most_memory_mb=2048, balanced_cpus=lambda host_cores: min(2, host_cores), start_seconds=90)

#: Containers that work on jobs alone.
WORKER = "worker"
LEAST_POOL = 10
#: How many connections of the application one of PgBouncer's should have at most.
CLIENTS_PER_SERVER = 4
_LEAST_WORKER_MB = 512


@formula
def requests_per_second(users: int) -> float:
    """Requests per second of so many concurrent users, by the interactive law X = U * k / (Z + R) with 4 calls per
    action, 10 s of thought and 0.2 s of response. Source: `load.requests_per_second`."""
    return load.requests_per_second(users)


@formula
def peak_requests_per_second(users: int) -> float:
    """Requests per second in the busiest minutes: 2.5 times the average. Source: `load.peak_requests_per_second`."""
    return demand.peak_requests_per_second(users)


@formula
def instances_for(users: int, cpus: float) -> int:
    """API instances that answer the peak of so many users, each with so many cores at 60 % of 200 requests per second
    and core. Source: `load.instances`."""
    return load.instances(peak_requests_per_second(users), max(cpus, 0.01))


@formula(instances=1)
def database_pool(server_pool: int, instances: int, concurrency: int) -> int:
    """Database connections of one instance: its part of one and a half server pools, at least 10, and one for each job
    that it works on. Source: chosen here; queueing belongs into PgBouncer, so more would not help."""
    return max(LEAST_POOL, -(-3 * server_pool // (2 * instances))) + concurrency


@formula(instances=1)
def session_database_pool(server_pool: int, instances: int) -> int:
    """Database connections of one instance where each of them is a server connection (pool mode session): its part of
    the server pool, at least 10. Source: PgBouncer; the instance queues in its own pool then."""
    return max(LEAST_POOL, -(-server_pool // instances))


@formula
def worker_database_pool(concurrency: int) -> int:
    """Database connections of a process that works on jobs alone: one for each, at least 10. Source: chosen here; a job
    holds one connection."""
    return max(LEAST_POOL, concurrency)


@formula
def database_pools_most(server_pool: int, workers: int = 0) -> int:
    """Database connections of all processes together at most: four for each server connection, and one for each
    dedicated worker.

    Source: chosen here; more of them only wait, and PgBouncer must know each.
    """
    return CLIENTS_PER_SERVER * server_pool + workers


@formula(instances=1)
def database_pool_within(server_pool: int, instances: int, concurrency: int, workers: int = 0,
                         worker_pool: int = LEAST_POOL) -> int:
    """Database connections of one instance beside some dedicated workers: `database_pool`, as far as all together stay
    within `database_pools_most`; at least 10, and one for each job that it works on.

    Source: the functions of the file.
    """
    part = (database_pools_most(server_pool, workers) - workers * worker_pool) // instances
    return max(LEAST_POOL, concurrency, min(part, database_pool(server_pool, instances, concurrency)))


@formula
def server_pool_least(instances: int, concurrency: int, workers: int = 0, worker_pool: int = LEAST_POOL) -> int:
    """Server connections, as a number, before which the least pools of so many instances and dedicated workers stay
    within `database_pools_most`.

    Source: that function, solved for the server pool.
    """
    least = instances * max(LEAST_POOL, concurrency) + workers * worker_pool - workers
    return max(0, -(-least // CLIENTS_PER_SERVER))


@formula
def redis_pool(threads: int, concurrency: int) -> int:
    """Redis connections of one process: go-redis' own 10 per thread, at least 10 beside the jobs. Source: go-redis."""
    return max(10 * threads, 10 + concurrency)


def plan_processes(draft):
    """Decide how many instances and workers there are."""
    container.plan_cpus(draft, "api", ENVELOPE)
    _plan_instances(draft, draft.sheet("api"))
    _plan_workers(draft, draft.sheet("api", WORKER))


def processes(draft) -> dict[str, int]:
    """The processes of all hosts and their jobs, as `server_pool_least` takes them."""
    hosts, profile = draft.intent.hosts_of("api"), draft.intent.profile
    workers = hosts * draft.sheet("api", WORKER).count
    # Without a worker-only mode every instance works on jobs, dedicated workers or not.
    concurrency = 0 if profile.worker_only and tiers.API_WORKERS.value(draft.intent.tier) else profile.job_concurrency
    return {
        "instances": max(1, hosts * draft.sheet("api").count), "concurrency": concurrency, "workers": workers,
        "worker_pool": _worker_pool(draft)}


def _worker_pool(draft) -> int:
    planned = worker_database_pool(draft.intent.profile.job_concurrency)
    return int(draft.sheet("api", WORKER).asked("database_pool", planned))


def plan(draft):
    """Decide the API and its workers, whose numbers are decided already."""
    sheet, worker = draft.sheet("api"), draft.sheet("api", WORKER)
    instances, workers = sheet.count, worker.count
    container.plan_memory(draft, "api", ENVELOPE, containers=max(1, instances + workers), total_mb=_total_mb(draft))
    container.plan_weights(sheet, ENVELOPE, **_stop(draft))
    cores = draft.capacity_of("api").whole_cores
    golang.plan_runtime(sheet, ENVELOPE.least_memory_mb, deviation="api-gomaxprocs", document=cores)
    _plan_jobs(draft, sheet)
    _plan_pools(draft, sheet)
    _plan_worker_limits(draft, sheet, worker)
    departs = {"deviation": "api-gomaxprocs", "document": cores} if workers else {}
    golang.plan_runtime(worker, ENVELOPE.least_memory_mb, **departs)
    worker.setting(
        "database_pool", worker_database_pool(draft.intent.profile.job_concurrency), unit="connections",
        rule="one for each job, at least 10", source="chosen: a job holds one connection",
        inputs={"asynq_concurrency": draft.intent.profile.job_concurrency}, bounds=Bounds(least=1))


def _stop(draft) -> dict:
    """How long the application may take to end, which only its profile knows."""
    seconds = draft.intent.profile.stop_seconds
    return {"stop_seconds": seconds, "rule": "time to hand back jobs and write what is audited before it is killed",
            "source": "application profile"}


def _plan_instances(draft, sheet):
    tier, users, row, hosts = draft.intent.tier, draft.intent.users, tiers.API_INSTANCES, draft.intent.hosts_of("api")
    floor, needed = -(-row.value(tier) // hosts), _needed(users, sheet["cpus"])
    return sheet.limit(
        "instances", max(floor, -(-needed // hosts)), unit="instances",
        rule="max(the tier's figure, peak requests / (200 per core * cpus * 0.6)), shared by all hosts of the API",
        source=row.source(tier) if floor >= -(-needed // hosts) else
        f"chosen: the load of the users; at least {row.source(tier)}",
        inputs={"tier": tier, "users": users, "cpus": sheet["cpus"], "hosts": hosts,
                "peak_rps": peak_requests_per_second(users) if users else None, "needed_for_load": needed},
        bounds=Bounds(low=floor, high=max(floor, draft.capacity_of("api").whole_cores // 2),
                      floor=None if row.floor(tier) is None else floor, least=1))


def _needed(users: int | None, cpus: float) -> int:
    return instances_for(users, cpus) if users else 0


def _plan_jobs(draft, sheet):
    limit, profile = sheet["memory_limit_mb"], draft.intent.profile
    sheet.setting(
        "asynq_concurrency", profile.job_concurrency, unit="jobs", derived=True,
        rule="hard coded in the application", source="application profile")
    sheet.setting(
        "asynq_memory_mb", min(512, limit // 2), unit="MiB", derived=True, rule="half of memory_limit, at most 512 MiB",
        source=str(tiers.ASYNQ_MEMORY), inputs={"memory_limit_mb": limit})


def _total_mb(draft):
    """What instances and workers take together where an instance has a limit of so many MiB."""
    instances, worker = draft.sheet("api").count, draft.sheet("api", WORKER)
    return lambda limit_mb: instances * limit_mb + worker.count * worker.asked(
        "memory_limit_mb", max(_LEAST_WORKER_MB, limit_mb // 2))


def _plan_pools(draft, sheet):
    profile, running = draft.intent.profile, processes(draft)
    server_pool, instances = draft.sheet("pgbouncer")["default_pool_size"] * draft.intent.hosts_of("pgbouncer"), (
        running["instances"])
    if draft.intent.pool_mode == "session":
        of_workers = running["workers"] * running["worker_pool"]
        sheet.setting(
            "database_pool", session_database_pool(max(0, server_pool - of_workers), instances), unit="connections",
            rule="max(10, (server pool - workers' pools) / instances), each of which is a server connection",
            source="PgBouncer: a session keeps its server connection until the client leaves",
            inputs={"server_pool": server_pool, "workers_pools": of_workers, "instances": instances},
            bounds=Bounds(least=1))
    else:
        sheet.setting(
            "database_pool", database_pool_within(server_pool, **running), unit="connections",
            rule="max(10, ceil(1.5 * server pool / instances)) + jobs of the instance; no more than its part of four"
                 " server pools and the workers, at least 10 and its jobs",
            source="chosen: queueing belongs into PgBouncer",
            inputs={"server_pool": server_pool, "instances": instances, "jobs": running["concurrency"],
                    "workers": running["workers"]}, bounds=Bounds(least=1))
    sheet.setting(
        "redis_pool_size", redis_pool(sheet["gomaxprocs"], profile.job_concurrency), unit="connections",
        rule="max(10 * GOMAXPROCS, 10 + asynq_concurrency)", source="go-redis: 10 connections per CPU",
        inputs={"gomaxprocs": sheet["gomaxprocs"], "asynq_concurrency": profile.job_concurrency},
        bounds=Bounds(least=1))


def _plan_workers(draft, worker):
    """Dedicated workers: instances of the API that get no traffic."""
    tier, row, hosts = draft.intent.tier, tiers.API_WORKERS, draft.intent.hosts_of("api")
    document = -(-row.value(tier) // hosts)
    return worker.limit(
        "count", document, unit="containers", rule="the figure of the tier, shared by all hosts of the API",
        source=row.source(tier), inputs={"tier": tier, "hosts": hosts},
        bounds=Bounds(floor=None if row.floor(tier) is None else document))


def _plan_worker_limits(draft, sheet, worker):
    """What Docker is told of a worker: as of an instance, with half of the memory."""
    tier = draft.intent.tier
    limit = worker.limit(
        "memory_limit_mb", max(_LEAST_WORKER_MB, sheet["memory_limit_mb"] // 2), unit="MiB",
        rule="half of an instance's limit, at least 512 MiB", source=str(tiers.ASYNQ_MEMORY),
        inputs={"memory_limit_mb": sheet["memory_limit_mb"]}, bounds=Bounds(least=ENVELOPE.least_memory_mb))
    worker.limit(
        "memory_reservation_mb", limit // 2, unit="MiB", rule="floor(memory_limit / 2)",
        source=str(ENVELOPE.reservation), inputs={"memory_limit_mb": limit}, bounds=Bounds(most=limit))
    container.plan_no_swap(worker)
    cores = math.floor(draft.capacity_of("api").cores * 100) / 100
    worker.limit(
        "cpus", sheet["cpus"], unit="cores", rule="as an instance", source=tiers.API_CPUS.source(tier),
        inputs={"cpus": sheet["cpus"]}, bounds=Bounds(high=cores, least=0.01, cap=cores))
    as_instance = ENVELOPE._replace(
        cpu_shares=sheet["cpu_shares"], pids=sheet["pids_limit"], oom_score_adj=sheet["oom_score_adj"])
    container.plan_weights(
        worker, as_instance, open_files=sheet["nofile"], files_rule="as an instance",
        **{**_stop(draft), "stop_seconds": sheet["stop_grace_seconds"]})
