# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The formulas, against values that were worked out elsewhere: by running pgtune, by hand, from the sources."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import (
    api,
    golang,
    host,
    minio,
    pgbouncer,
    postgres,
    rabbitmq,
    redis,
    tiers,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import Bounds, Capacity, ceil_to, plain


@pytest.mark.parametrize(("memory_mb", "reserve"), [
    (0, 0), (4096, 1024.0), (8192, 1843.2), (12288, 2252.8), (16384, 2662.4), (24576, 3153.9), (49152, 4628.5),
    (98304, 7577.6), (131072, 9543.7), (262144, 12165.1),
])
def test_memory_reserve(memory_mb, reserve):
    assert host.reserve_memory_mb(memory_mb) == pytest.approx(reserve, abs=0.05)


@pytest.mark.parametrize(("memory_mb", "allocatable"), [(12288, 10035), (24576, 21422), (49152, 44524), (98304, 90726)])
def test_allocatable(memory_mb, allocatable):
    assert host.allocatable_mb(memory_mb) == allocatable


@pytest.mark.parametrize(("cores", "millicores"), [
    (0.5, 0), (1, 60), (2, 100), (2.9, 100), (3, 120), (4, 140), (8, 180), (16, 260), (32, 420), (64, 740),
])
def test_cpu_reserve(cores, millicores):
    assert host.reserve_cpu_millicores(cores) == millicores


@pytest.mark.parametrize(("memory_mb", "verdict"), [
    (11000, "refuse"), (11059, "refuse"), (11060, "warn"), (11100, "warn"), (11673, "warn"), (11674, "accept"),
    (11700, "accept"), (12288, "accept"),
])
def test_memory_acceptance_of_12_gib(memory_mb, verdict):
    assert host.memory_acceptance(memory_mb, 12) == verdict


@pytest.mark.parametrize(("cores", "memory_mb", "free_gb", "total_gb", "tier"), [
    (32, 98304, 500, 500, "large"),
    (32, 98304, 475, 475, "large"),
    (32, 98304, 474, 474, "medium"),
    (31, 98304, 500, 500, "medium"),
    (12, 22119, 100, 100, "small"),
    (12, 22118, 100, 100, "minimum"),
    (6, 11060, 28.5, 28.5, "minimum"),
    (5.9, 12288, 30, 30, None),
    (6, 11059, 30, 30, None),
    (6, 12288, 28.4, 500, None),
])
def test_fitting_tier(cores, memory_mb, free_gb, total_gb, tier):
    assert host.fitting_tier(Capacity(cores, memory_mb, free_gb, total_gb, 0, "ssd", "x86_64")) == tier


@pytest.mark.parametrize(("users", "tier"), [
    (1, "small"), (50, "small"), (51, "medium"), (200, "medium"), (201, "large"), (100000, "large"),
])
def test_tier_for_users(users, tier):
    assert tiers.tier_for_users(users) == tier


@pytest.mark.parametrize("users", [0, -1])
def test_no_tier_for_nobody(users):
    with pytest.raises(ValueError, match=f"^users: expected a whole number of at least 1, got {users}$"):
        tiers.tier_for_users(users)


@pytest.mark.parametrize(("users", "gb"), [(50, 62.5), (200, 175), (500, 400)])
def test_growth(users, gb):
    assert tiers.growth_gb(users) == gb


def test_storage_is_the_larger_of_document_and_users():
    assert tiers.storage_gb("small", 50) == 75
    assert tiers.storage_gb("medium", 200) == 175
    assert tiers.storage_gb("minimum", None) == 25


# RAM in MiB, cores, connections, work_mem in kB as pgtune e2c7f39 gives it for web and OLTP
@pytest.mark.parametrize(("memory_mb", "cpus", "connections", "work_mem_kb"), [
    (512, 1, 100, 1213), (1536, 2, 200, 1890), (2048, 2, 200, 2520), (4096, 4, 200, 5140), (8192, 8, 200, 10082),
    (8192, 8, 120, 16384), (16384, 12, 200, 19784), (32768, 16, 300, 26546), (98304, 32, 500, 47304),
    (512, 1, 33, 3196), (4096, 4, 33, 28339), (6400, 4, 33, 44281), (27136, 11, 66, 90218), (2048, 2, 33, 12787),
    (1, 1, 1000, 64),
])
def test_pgtune_work_mem(memory_mb, cpus, connections, work_mem_kb):
    assert postgres.pgtune_work_mem_kb(memory_mb, cpus, connections) == work_mem_kb


# Columns of the same runs of pgtune.
@pytest.mark.parametrize(("memory_mb", "shared_kb", "maintenance_kb", "wal_kb"), [
    (512, 131072, 32768, 3932), (1536, 393216, 98304, 11796), (2048, 524288, 131072, 16384),
    (4096, 1048576, 262144, 16384), (32768, 8388608, 2097152, 16384), (98304, 25165824, 2097152, 16384),
])
def test_pgtune_memory(memory_mb, shared_kb, maintenance_kb, wal_kb):
    shared = postgres.shared_buffers_mb(memory_mb)
    assert shared * 1024 == shared_kb
    assert postgres.maintenance_work_mem_mb(memory_mb) * 1024 == maintenance_kb
    assert postgres.wal_buffers_kb(shared) == wal_kb


@pytest.mark.parametrize(("shared_mb", "wal_kb"), [
    (0, 32), (1, 32), (2, 61), (466, 14315), (467, 16384), (9999, 16384),
])
def test_wal_buffers_at_the_edges(shared_mb, wal_kb):
    assert postgres.wal_buffers_kb(shared_mb) == wal_kb


@pytest.mark.parametrize(("cpus", "workers"), [
    (1, (8, 1, 0, 0)), (2, (8, 2, 1, 1)), (3, (8, 3, 2, 2)), (4, (8, 4, 2, 2)), (7, (8, 7, 4, 4)),
    (32, (32, 32, 4, 4)),
])
def test_parallel_workers(cpus, workers):
    assert postgres.parallel_workers(cpus) == workers


@given(st.integers(1, 500), st.integers(1, 500))
def test_more_cores_never_get_fewer_workers(cpus, more):
    assert all(few <= many for few, many in zip(
        postgres.parallel_workers(cpus), postgres.parallel_workers(cpus + more), strict=True))


@pytest.mark.parametrize(("asked", "busy"), [
    ((4, 8, 2, 2), 4), ((1000, 8, 2, 0), 8), ((4, 8, 0, 0), 0), ((4, 8, 0, 1), 4)])
def test_parallel_workers_that_can_exist(asked, busy):
    assert postgres.busy_parallel_workers(*asked) == busy


@pytest.mark.parametrize(("limit", "cpus", "workers"), [
    (1023, 64, 2), (1024, 1, 3), (4096, 15, 3), (4096, 16, 4), (4096, 31, 4), (4096, 32, 5),
])
def test_autovacuum_workers(limit, cpus, workers):
    assert postgres.autovacuum_workers(limit, cpus) == workers


# postgresqltuner's estimate: no WAL buffers, nothing for the backend itself
@pytest.mark.parametrize(("shared", "work_mem", "backends", "maintenance", "autovacuum", "worst"), [
    (128, 4, 100, 64, 3, 920), (128, 8, 100, 64, 4, 1584), (1024, 4, 500, 256, 3, 4792), (1024, 8, 500, 256, 3, 7792),
    (512, 4, 200, 128, 3, 2096), (1024, 4, 200, 256, 3, 2992),
])
def test_worst_case(shared, work_mem, backends, maintenance, autovacuum, worst):
    assert postgres.worst_case_mb(shared, work_mem, backends, maintenance, autovacuum) == worst


def test_worst_case_counts_wal_and_backends():
    assert postgres.worst_case_mb(128, 2, 10, 32, 2, wal_mb=4, backend_mb=4) == 128 + 4 + 64 + 10 * (4 + 3)


# What the plans of the tiers came to before: 120 and 119 % of 2048 and 4096, 103 % of 512.
@pytest.mark.parametrize(("limit", "work_mem_kb", "autovacuum", "maintenance", "parallel", "hashes", "worst"), [
    (512, 2750, 2, 32, 8, 1, 525), (2048, 12787, 3, 128, 8, 2, 2612), (4096, 28339, 3, 256, 4, 2, 5028),
    (2048, 12787, 3, 128, 2, 1.2, 1839), (4096, 28339, 3, 256, 4, 1.1, 3646),
])
def test_worst_case_counts_parallel_workers_and_hashes(
        limit, work_mem_kb, autovacuum, maintenance, parallel, hashes, worst):
    shared = limit // 4
    assert postgres.worst_case_mb(
        shared, work_mem_kb / 1024, 33, maintenance, autovacuum, postgres.wal_buffers_kb(shared) / 1024, 4, parallel,
        hashes) == pytest.approx(worst, abs=1)


# At 2048 MiB the WAL buffers are 16 MiB, as pgtune rounds them, not 15.36.
@pytest.mark.parametrize(("limit", "backends", "autovacuum", "bound"), [
    (512, 33, 2, 2.69), (512, 33, 3, 2.04), (1024, 33, 3, 6.75), (2048, 33, 3, 16.145), (4096, 33, 3, 35.28),
    (512, 100, 3, -1.11), (4096, 500, 3, -0.16),
])
def test_work_mem_bound(limit, backends, autovacuum, bound):
    assert postgres.work_mem_bound_mb(limit, backends, autovacuum) == pytest.approx(bound, abs=0.005)


@pytest.mark.parametrize(("nominal", "backends", "connections"), [
    (100, 33, 100), (100, 80, 100), (100, 81, 110), (200, 72, 200), (1, 72, 90), (1, 73, 100), (1, 497, 600),
])
def test_max_connections(nominal, backends, connections):
    assert postgres.max_connections(nominal, backends) == connections


@pytest.mark.parametrize(("limit", "maintenance", "shm"), [
    (512, 32, 128), (2048, 128, 512), (4096, 256, 1024), (1024, 512, 512), (256, 32, 128), (128, 32, 128),
])
def test_shm_size(limit, maintenance, shm):
    assert postgres.shm_size_mb(limit, maintenance) == shm


@pytest.mark.parametrize(("cpus", "pool", "reserve"), [(1, 20, 5), (4, 20, 5), (5, 22, 6), (7, 30, 8), (11, 46, 12),
                                                       (64, 100, 25)])
def test_pools(cpus, pool, reserve):
    assert pgbouncer.server_pool(cpus) == pool
    assert pgbouncer.reserve_pool(pool) == reserve


@pytest.mark.parametrize(("connections", "pool"), [(89, 71), (189, 151), (25, 20), (6, 1), (0, 1)])
def test_pool_that_fits(connections, pool):
    assert pgbouncer.pool_for(connections) == pool


@pytest.mark.parametrize(("clients", "pool", "databases", "users", "files"), [
    (200, 20, 1, 1, 230), (1000, 20, 1, 1, 1030), (1000, 80, 1, 3, 1250),
])
def test_pgbouncer_file_descriptors(clients, pool, databases, users, files):
    assert pgbouncer.file_descriptors(clients, pool, databases, users) == files


@pytest.mark.parametrize(("app_pools", "clients"), [(0, 200), (40, 200), (133, 200), (134, 250), (9999, 5000)])
def test_client_connections(app_pools, clients):
    assert pgbouncer.client_connections(app_pools) == clients


@pytest.mark.parametrize(("host_cores", "cpus", "threads"), [
    (16, 0.5, 2), (16, 1, 2), (16, 2, 2), (16, 2.5, 3), (16, None, 16), (1, 4, 1),
])
def test_gomaxprocs(host_cores, cpus, threads):
    assert golang.gomaxprocs(host_cores, cpus) == threads


@pytest.mark.parametrize(("limit", "soft"), [(512, 460), (1024, 921), (2048, 1843), (128, 108), (255, 216), (256, 230)])
def test_gomemlimit(limit, soft):
    assert golang.gomemlimit_mb(limit) == soft


@pytest.mark.parametrize(("limit", "drives", "requests"), [
    (512, 1, 152), (1024, 1, 304), (512, 4, 75), (2048, 4, 300), (4096, 4, 601), (1, 1, 1),
])
def test_minio_requests(limit, drives, requests):
    assert minio.requests_max(limit, drives) == requests


@pytest.mark.parametrize(("users", "average", "peak"), [
    (25, 9.8, 24.5), (50, 19.6, 49.0), (200, 78.4, 196.1), (500, 196.1, 490.2), (1000, 392.2, 980.4),
])
def test_interactive_law(users, average, peak):
    assert api.requests_per_second(users) == pytest.approx(average, abs=0.05)
    assert api.peak_requests_per_second(users) == pytest.approx(peak, abs=0.05)


@pytest.mark.parametrize(("users", "cpus", "instances"), [
    (50, 1, 1), (200, 1, 2), (300, 1, 3), (500, 1, 5), (1000, 1, 9), (500, 2, 3),
])
def test_instances_for_users(users, cpus, instances):
    assert api.instances_for(users, cpus) == instances


@pytest.mark.parametrize(("instances", "concurrency", "pool"), [(1, 10, 40), (2, 10, 25), (3, 0, 10), (3, 10, 20)])
def test_database_pool(instances, concurrency, pool):
    assert api.database_pool(20, instances, concurrency) == pool


@pytest.mark.parametrize(("cpus", "threads"), [(1, 1), (3.9, 1), (4, 3), (8, 6), (64, 8)])
def test_redis_io_threads(cpus, threads):
    assert redis.io_threads(cpus) == threads


@pytest.mark.parametrize(("maxmemory", "gb"), [(1, 1), (190, 1), (191, 2), (1536, 9), (3072, 17)])
def test_redis_volume(maxmemory, gb):
    assert redis.volume_gb(maxmemory) == gb


@pytest.mark.parametrize(("limit", "watermark", "wal"), [(256, 153, 32), (512, 307, 64), (1024, 614, 128),
                                                         (2048, 1228, 256), (8192, 4915, 512)])
def test_rabbitmq_memory(limit, watermark, wal):
    assert rabbitmq.watermark_mb(limit) == watermark
    assert rabbitmq.raft_wal_mb(limit) == wal
    assert 3 * wal <= watermark


@pytest.mark.parametrize(("value", "step", "up"), [
    (1.1 * 100, 10, 110), (1.2 * 75, 10, 90), (43.2, 10, 50), (0, 10, 0), (60.0001, 50, 100),
])
def test_rounding_up(value, step, up):
    assert ceil_to(value, step) == up


@pytest.mark.parametrize(("bounds", "settled"), [
    (Bounds(), 5), (Bounds(low=6), 6), (Bounds(high=4), 4), (Bounds(low=6, high=4), 6), (Bounds(floor=9, least=9), 5),
])
def test_bounds_move_a_planned_value(bounds, settled):
    assert bounds.settle(5) == settled


@pytest.mark.parametrize(("value", "text"), [
    (6, "6"), (0.5, "0.5"), (28.5, "28.5"), (11060.0, "11060"), ("off", "off"),
])
def test_plain_numbers(value, text):
    assert plain(value) == text
