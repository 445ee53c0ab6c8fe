# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The formulas of single services, against values that were worked out by hand or from their sources."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sizing_builders import TIERS, plan_of

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import (
    golang,
    minio,
    pgbouncer,
    postgres,
    quorum,
    rabbitmq,
    redis,
)

# -- PostgreSQL and PgBouncer ------------------------------------------------------------------------------------------

# The engine's own calls, in document and balanced mode.
@pytest.mark.parametrize(("limit", "cpus", "count", "work_mem"), [
    (512, 1, 33, 2750), (2048, 2, 33, 12787), (4096, 4, 33, 28339), (2816, 2, 33, 17582), (6400, 4, 33, 44281),
    (13312, 7, 46, 64299), (27136, 11, 66, 65536), (256, 1, 100, 1024),
])
def test_work_mem(limit, cpus, count, work_mem):
    assert postgres.work_mem_kb(limit, cpus, count) == work_mem


@pytest.mark.parametrize(("cap", "processes", "count"), [(25, 1, 33), (38, 1, 46), (58, 1, 66), (25, 4, 108)])
def test_backends(cap, processes, count):
    assert postgres.backends(cap, processes) == count


@pytest.mark.parametrize(("limit", "count", "size"), [(512, 33, 384), (512, 100, 312), (64, 33, 1), (4096, 33, 3072)])
def test_effective_cache_size(limit, count, size):
    assert postgres.effective_cache_size_mb(limit, count) == size


@pytest.mark.parametrize(("volume", "most", "least", "slots"), [
    (10, 1907, 476, 1907), (1, 512, 128, 1024), (22, 4096, 1024, 4096), (1000, 4096, 1024, 4096),
])
def test_wal_follows_the_volume(volume, most, least, slots):
    assert postgres.max_wal_size_mb(volume) == most
    assert postgres.min_wal_size_mb(most) == least
    assert postgres.max_slot_wal_keep_size_mb(most, volume) == slots


@pytest.mark.parametrize(("cpus", "workers"), [(1, 3), (15, 3), (16, 4), (64, 16), (500, 32)])
def test_io_workers(cpus, workers):
    assert postgres.io_workers(cpus) == workers


# The worst case leaves nothing beside work_mem on the smallest, twice as much and more where work_mem is at its most.
@pytest.mark.parametrize(("limit", "cpus", "count", "times"), [
    (512, 1, 33, 1), (2048, 2, 33, 1.2), (4096, 4, 33, 1.1), (27136, 11, 66, 1.6), (262144, 11, 66, 2),
    (256, 1, 100, 1),
])
def test_hashes_get_what_work_mem_leaves(limit, cpus, count, times):
    assert postgres.hash_mem_multiplier(limit, cpus, count) == times


@given(st.integers(512, 10**6), st.integers(1, 128), st.integers(33, 500))
def test_what_is_planned_for_a_limit_is_safe_or_at_its_least(limit, cpus, count):
    found = postgres.memory(limit, cpus, count)
    most = round(0.9 * limit)
    assert found["safe"] == (found["peak_memory_mb"] <= most) or found["peak_memory_mb"] == most
    assert found["safe"] or (found["work_mem_kb"], found["hash_mem_multiplier"]) == (1024, 1)


@given(st.integers(1, 10**6), st.integers(1, 256), st.integers(1, 1000), st.integers(1, 1000))
def test_work_mem_falls_with_backends(limit, cpus, count, more):
    assert postgres.work_mem_kb(limit, cpus, count) >= postgres.work_mem_kb(limit, cpus, count + more)


@pytest.mark.parametrize("tier", TIERS)
def test_functions_say_what_the_plan_does(tier):
    services = plan_of(tier, users=40)["services"]
    sheet, database = services["postgres"], services["postgres"]["settings"]
    limit, cpus = sheet["memory_limit_mb"], int(sheet["cpus"])
    wal, volume = database["max_wal_size_mb"], database["volume_gb"]
    bouncer, rabbit = services["pgbouncer"]["settings"], services["rabbitmq"]["settings"]
    assert database["backends"] == postgres.backends(bouncer["max_db_connections"])
    assert database["work_mem_kb"] == postgres.work_mem_kb(limit, cpus, database["backends"])
    assert database["effective_cache_size_mb"] == postgres.effective_cache_size_mb(limit, database["backends"])
    assert database["io_workers"] == postgres.io_workers(cpus)
    assert database["hash_mem_multiplier"] == postgres.hash_mem_multiplier(limit, cpus, database["backends"])
    assert wal == postgres.max_wal_size_mb(volume)
    assert database["min_wal_size_mb"] == postgres.min_wal_size_mb(wal)
    assert database["max_slot_wal_keep_size_mb"] == postgres.max_slot_wal_keep_size_mb(wal, volume)
    assert services["pgbouncer"]["nofile"] == pgbouncer.open_files(bouncer["file_descriptors"])
    assert rabbit["disk_free_limit_mb"] == rabbitmq.disk_free_limit_mb(rabbit["memory_high_watermark_mb"])


@pytest.mark.parametrize(("cores", "spindles", "count"), [(4, 1, 9), (1, 1, 3), (8, 4, 20)])
def test_hikari(cores, spindles, count):
    assert pgbouncer.hikari_connections(cores, spindles) == count


@pytest.mark.parametrize(("descriptors", "files"), [(230, 65536), (32768, 65536), (40000, 80000)])
def test_open_files_of_pgbouncer(descriptors, files):
    assert pgbouncer.open_files(descriptors) == files


# -- Redis -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("persistence", "buffers", "mb"), [("none", 0, 870), ("rdb", 0, 768), ("aof", 0, 614),
                                                            ("rdb", 256, 512), ("aof", 1000, 0)])
def test_data_by_persistence(persistence, buffers, mb):
    assert redis.maxmemory_for_mb(1024, persistence, buffers) == mb


# -- RabbitMQ ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("nodes", "majority", "failures"), [(1, 1, 0), (3, 2, 1), (5, 3, 2), (7, 4, 3)])
def test_cluster(nodes, majority, failures):
    assert rabbitmq.cluster(nodes) == (nodes, majority, failures)


@pytest.mark.parametrize("nodes", [2, 4, 6, 8, 9])
def test_cluster_without_a_majority_worth_it(nodes):
    with pytest.raises(ValueError, match=f"^nodes: expected 1, 3, 5 or 7 nodes, which have a majority, got {nodes}$"):
        rabbitmq.cluster(nodes)


@given(st.integers(1, 1000))
def test_two_majorities_share_a_member(members):
    assert 2 * quorum.majority(members) > members
    assert quorum.majority(members) + quorum.failures_tolerated(members) == members


@pytest.mark.parametrize(("watermark", "limit", "free"), [(307, None, 1024), (1228, None, 1228), (307, 2048, 2048)])
def test_free_disk(watermark, limit, free):
    assert rabbitmq.disk_free_limit_mb(watermark, limit) == free


# -- MinIO -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("drives", "parity"), [
    (1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (6, 3), (7, 3), (8, 4), (16, 4),
])
def test_parity(drives, parity):
    assert minio.default_parity(drives) == parity


@pytest.mark.parametrize(("drives", "sets", "each"), [
    (1, 1, 1), (2, 1, 2), (4, 1, 4), (13, 1, 13), (16, 1, 16), (18, 2, 9), (20, 2, 10), (32, 2, 16), (34, 17, 2),
    (60, 4, 15),
])
def test_erasure_sets(drives, sets, each):
    assert minio.erasure_sets(drives) == (sets, each)


@pytest.mark.parametrize(("drives", "gb"), [(8, 4000), (16, 12000), (4, 2000), (1, 1000), (2, 1000), (32, 24000)])
def test_usable_capacity(drives, gb):
    assert minio.usable_gb(drives, 1000) == gb


@pytest.mark.parametrize(("drives", "parity", "read", "write", "ratio"), [
    (1, None, 1, 1, 1), (2, None, 1, 2, 2), (4, None, 2, 3, 2), (5, None, 3, 3, 5 / 3), (8, None, 4, 5, 2),
    (16, None, 12, 12, 4 / 3), (16, 8, 8, 9, 2), (16, 2, 14, 14, 16 / 14), (4, 0, 4, 4, 1),
])
def test_quorums(drives, parity, read, write, ratio):
    assert minio.read_quorum(drives, parity) == read
    assert minio.write_quorum(drives, parity) == write
    assert minio.storage_ratio(drives, parity) == pytest.approx(ratio)
    assert minio.usable_gb(drives, 3, parity) == pytest.approx(3 * drives / ratio)


@given(st.integers(1, 16))
def test_a_read_sees_the_last_write(drives):
    assert minio.read_quorum(drives) + minio.write_quorum(drives) > drives


# -- the others --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("call", "message"), [
    (lambda: postgres.work_mem_kb(512, 1, 0), "backends: expected a whole number of at least 1, got 0"),
    (lambda: postgres.work_mem_kb(-512, 1, 33), "memory_limit_mb: expected a whole number of at least 1, got -512"),
    (lambda: postgres.work_mem_bound_mb(512, 0), "backends: expected a whole number of at least 1, got 0"),
    (lambda: postgres.max_wal_size_mb(0), "volume_gb: expected a number above 0, got 0"),
    (lambda: postgres.worst_case_mb(math.nan, 1, 1, 1), "shared_mb: expected a number, got nan"),
    (lambda: postgres.parallel_workers(0), "cpus: expected a whole number of at least 1, got 0"),
    (lambda: pgbouncer.file_descriptors(-1, 20), "clients: expected a whole number of at least 0, got -1"),
    (lambda: redis.maxmemory_for_mb(512, "disk"), 'persistence: expected one of none, rdb, aof; got "disk"'),
    (lambda: rabbitmq.cluster(0), "nodes: expected a whole number of at least 1, got 0"),
    (lambda: minio.default_parity(17), "drives_per_set: expected a whole number between 1 and 16, got 17"),
    (lambda: minio.erasure_sets(17), "drives: 17 drives do not divide into sets of 2 to 16"),
    (lambda: minio.read_quorum(4, 3), "parity: expected a whole number between 0 and 2, got 3"),
    (lambda: minio.requests_max(-1), "memory_limit_mb: expected a whole number of at least 0, got -1"),
    (lambda: golang.gomaxprocs(0, 2), "host_cores: expected a whole number of at least 1, got 0"),
    (lambda: golang.gomemlimit_mb(-1), "memory_limit_mb: expected a whole number of at least 0, got -1"),
])
def test_services_say_what_they_did_not_understand(call, message):
    with pytest.raises(ValueError, match="^" + message):
        call()
