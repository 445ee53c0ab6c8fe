# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What other tools recommend, against the tools themselves: pgtune was run, timescaledb-tune's formulas worked out."""

from __future__ import annotations

import csv
import math
import pathlib

import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sizing_builders import TIERS, plan_of

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import host, postgres, tuners

#: Runs of pgtune at 7caef27; the columns that end in _classic are of e2c7f39, `-` is not written.
RUNS = list(csv.DictReader((pathlib.Path(__file__).parent / "pgtune.csv").open(encoding="utf-8")))

COLUMNS = {
    "max_connections": "max_connections", "shared_buffers": "shared_buffers_kb",
    "effective_cache_size": "effective_cache_size_kb", "maintenance_work_mem": "maintenance_work_mem_kb",
    "wal_buffers": "wal_buffers_kb", "work_mem": "work_mem_kb", "huge_pages": "huge_pages",
    "random_page_cost": "random_page_cost", "eff_io_conc": "effective_io_concurrency", "min_wal": "min_wal_size_kb",
    "max_wal": "max_wal_size_kb", "max_worker_proc": "max_worker_processes",
    "gather": "max_parallel_workers_per_gather", "max_par": "max_parallel_workers",
    "par_maint": "max_parallel_maintenance_workers", "av_work_mem": "autovacuum_work_mem_kb",
    "av_workers": "autovacuum_max_workers", "wal_compression": "wal_compression", "io_method": "io_method",
}
CLASSIC_COLUMNS = {"mwm_classic": "maintenance_work_mem_kb", "work_mem_classic": "work_mem_kb",
                   "huge_classic": "huge_pages"}
SAME_IN_CLASSIC = ("max_connections", "shared_buffers", "effective_cache_size", "wal_buffers", "min_wal", "max_wal",
                   "max_worker_proc", "gather", "max_par", "par_maint")

memories = st.integers(1, 4 * 1024 * 1024)
cores = st.one_of(st.none(), st.integers(1, 512))
workloads = st.sampled_from(tuners.WORKLOADS)
connections = st.integers(1, 5000)


def read(text):
    """A cell of the table as a value."""
    if text == "-":
        return None
    try:
        return float(text)
    except ValueError:
        return text


def asked(run):
    """The arguments of a run, without the size of the database."""
    return {
        "ram": run["ram"], "cpu": int(run["cpu"]), "connections": None if run["conns"] == "-" else int(run["conns"]),
        "workload": run["type"], "storage": run["disk"], "pg_version": int(run["pg"])}


def named(run):
    return " ".join(run[column] for column in ("ram", "cpu", "conns", "type", "disk", "pg"))


@pytest.mark.parametrize("run", RUNS, ids=named)
def test_pgtune(run):
    result = tuners.pgtune(**asked(run), dbsize=run["dbsize"])
    assert {column: result[name] for column, name in COLUMNS.items()} == {
        column: read(run[column]) for column in COLUMNS}
    assert (result["checkpoint_completion_target"], result["default_statistics_target"], result["jit"]) == (
        0.9, 100, "off")


@pytest.mark.parametrize("run", RUNS, ids=named)
def test_pgtune_classic(run):
    result = oracles.pgtune_classic(**asked(run))
    assert {column: result[name] for column, name in CLASSIC_COLUMNS.items()} == {
        column: read(run[column]) for column in CLASSIC_COLUMNS}
    assert {column: result[COLUMNS[column]] for column in SAME_IN_CLASSIC} == {
        column: read(run[column]) for column in SAME_IN_CLASSIC}


def test_all_columns_of_the_table_are_checked():
    given_columns = {"ram", "cpu", "conns", "type", "disk", "pg", "dbsize"}
    assert set(RUNS[0]) == {*COLUMNS, *CLASSIC_COLUMNS, *given_columns}


# Runs of pgtune at 7caef27 with 16 GiB and 23 cores that the table leaves out.
@pytest.mark.parametrize(("changes", "expected"), [
    ({"workload": "dw"}, {
        "max_connections": 40, "maintenance_work_mem_kb": 2097152, "work_mem_kb": 33288, "random_page_cost": 4.0,
        "default_statistics_target": 500, "min_wal_size_kb": 4194304, "max_wal_size_kb": 16777216,
        "max_parallel_workers_per_gather": 12, "max_parallel_maintenance_workers": 4, "jit": None,
        "autovacuum_work_mem_kb": 2097152, "autovacuum_max_workers": 4}),
    ({"workload": "dw", "dbsize": "less_ram"}, {"random_page_cost": 1.1, "work_mem_kb": 43274}),
    ({"workload": "dw", "storage": "hdd"}, {"random_page_cost": 4.0, "effective_io_concurrency": 2}),
    ({"storage": "hdd", "dbsize": "less_ram"}, {"random_page_cost": 1.1}),
    ({"workload": "desktop"}, {
        "max_connections": 20, "shared_buffers_kb": 1048576, "effective_cache_size_kb": 4194304, "work_mem_kb": 20321,
        "min_wal_size_kb": 102400, "max_wal_size_kb": 2097152, "wal_level": "minimal", "max_wal_senders": 0,
        "jit": None, "huge_pages": "off"}),
    ({"workload": "mixed"}, {"max_connections": 100, "work_mem_kb": 17050, "jit": "off", "wal_level": None}),
    ({"storage": "san"}, {"effective_io_concurrency": 300}),
    ({"pg_version": 10}, {
        "max_parallel_workers": 23, "max_parallel_maintenance_workers": None, "jit": None, "wal_compression": "on",
        "io_method": None}),
    ({"pg_version": 11}, {"max_parallel_maintenance_workers": 4, "jit": None}),
    ({"pg_version": 12}, {"jit": "off"}),
    ({"pg_version": 14}, {"wal_compression": "on"}),
    ({"pg_version": 15}, {"wal_compression": "lz4"}),
    ({"cpu": None}, {
        "max_worker_processes": None, "autovacuum_max_workers": None, "work_mem_kb": 20164, "io_method": "io_uring"}),
    ({"cpu": 3}, {"max_parallel_workers": None, "max_parallel_maintenance_workers": None}),
    ({"ram": "128GB"}, {"maintenance_work_mem_kb": 8388608, "autovacuum_work_mem_kb": 2097152}),
    ({"ram": "8GB"}, {"huge_pages": "try"}),
    ({"ram": 8191}, {"huge_pages": "off"}),
    ({"ram": 1, "connections": 1000}, {"work_mem_kb": 4096, "wal_buffers_kb": 32}),
])
def test_pgtune_beside_the_table(changes, expected):
    result = tuners.pgtune(**{"ram": "16GB", "cpu": 23, **changes})
    assert {name: result[name] for name in expected} == expected


def test_pgtune_classic_knows_neither_the_workload_of_a_disk_nor_nvme():
    result = oracles.pgtune_classic("16GB", 23, workload="dw", storage="nvme")
    assert (result["random_page_cost"], result["effective_io_concurrency"]) == (1.1, 200)
    assert (result["maintenance_work_mem_kb"], result["autovacuum_max_workers"]) == (2097152, None)
    assert set(result) == set(tuners.pgtune("16GB"))


@pytest.mark.parametrize(("ram", "same_as"), [
    ("512MB", 512), ("4GB", 4096), ("4 GiB", 4096), ("4g", 4096), ("1.5GB", 1536), ("2TB", 2 * 1024 * 1024),
    ("524288kB", 512), ("512", 512), (512.0, 512),
])
def test_memory_as_number_or_text(ram, same_as):
    assert tuners.pgtune(ram) == tuners.pgtune(same_as)


@pytest.mark.parametrize(("ram", "word"), [("255MB", "low"), ("256MB", None), ("100GB", None), ("101GB", "very high")])
def test_pgtune_warns_of_memory(ram, word):
    assert oracles.pgtune_memory_warning(ram) == word


@pytest.mark.parametrize(("arguments", "message"), [
    ({"ram": -512}, r'ram: expected MiB as a number above 0 or text such as "512MB" or "4GB", got -512'),
    ({"ram": 0}, "ram: expected MiB as a number above 0 .*, got 0"),
    ({"ram": math.nan}, "ram: expected MiB .*, got nan"),
    ({"ram": math.inf}, "ram: expected MiB .*, got inf"),
    ({"ram": True}, "ram: expected MiB .*, got True"),
    ({"ram": None}, "ram: expected MiB .*, got None"),
    ({"ram": "four"}, 'ram: expected MiB .*, got "four"'),
    ({"ram": "-4GB"}, 'ram: expected MiB .*, got "-4GB"'),
    ({"cpu": 0}, "cpu: expected a whole number of at least 1, got 0"),
    ({"cpu": 2.5}, "cpu: expected a whole number of at least 1, got 2.5"),
    ({"cpu": math.nan}, "cpu: expected a whole number, got nan"),
    ({"connections": 0}, "connections: expected a whole number of at least 1, got 0"),
    ({"workload": "wbe"}, 'workload: expected one of web, oltp, dw, desktop, mixed; got "wbe". Did you mean web?'),
    ({"storage": "tape"}, 'storage: expected one of hdd, ssd, san, nvme; got "tape"'),
    ({"dbsize": "huge"}, "dbsize: expected one of less_ram, mid_ram, greater_ram"),
    ({"pg_version": 9}, "pg_version: expected a whole number between 10 and 18, got 9"),
    ({"pg_version": 19}, "pg_version: expected a whole number between 10 and 18, got 19"),
    ({"pg_version": "17.2"}, 'pg_version: expected a whole number, got "17.2"'),
])
def test_pgtune_says_what_it_did_not_understand(arguments, message):
    with pytest.raises(ValueError, match="^" + message):
        tuners.pgtune(**{"ram": "4GB", **arguments})


@given(memories, cores, connections, workloads, st.sampled_from(tuners.STORAGES), st.integers(10, 18),
       st.sampled_from(tuners.DBSIZES))
def test_pgtune_gives_whole_kb_and_never_more_than_there_is(ram, cpu, clients, workload, storage, version, dbsize):
    result = tuners.pgtune(ram, cpu, clients, workload, storage, version, dbsize)
    assert all(isinstance(value, int) for name, value in result.items() if name.endswith("_kb") and value is not None)
    assert result["shared_buffers_kb"] + result["maintenance_work_mem_kb"] <= ram * 1024
    assert result["shared_buffers_kb"] <= result["effective_cache_size_kb"] <= ram * 1024
    assert result["work_mem_kb"] >= 4096


@given(memories, st.integers(1, 4096), cores, connections, workloads)
def test_pgtune_grows_with_memory(ram, more, cpu, clients, workload):
    less, greater = (oracles.pgtune_classic(memory, cpu, clients, workload) for memory in (ram, ram + more))
    for name in ("shared_buffers_kb", "effective_cache_size_kb", "maintenance_work_mem_kb", "work_mem_kb",
                 "wal_buffers_kb"):
        assert less[name] <= greater[name]


@given(memories, cores, connections, st.integers(1, 500), workloads)
def test_pgtune_gives_more_connections_less_work_mem(ram, cpu, clients, more, workload):
    few, many = (tuners.pgtune(ram, cpu, count, workload)["work_mem_kb"] for count in (clients, clients + more))
    assert few >= many


@given(memories, cores, connections)
def test_the_plans_formulas_are_those_of_classic_pgtune(ram, cpu, clients):
    result = oracles.pgtune_classic(ram, cpu, clients)
    shared = postgres.shared_buffers_mb(ram)
    assert shared == result["shared_buffers_kb"] // 1024
    assert postgres.pgtune_work_mem_kb(ram, cpu or 1, clients) == result["work_mem_kb"]
    assert postgres.maintenance_work_mem_mb(ram) == max(32, result["maintenance_work_mem_kb"] // 1024)


# GiB, cores, connections, max_connections, shared buffers, maintenance_work_mem, work_mem, wal_buffers, worker
# processes, per gather, locks; kB
@pytest.mark.parametrize(("gib", "cpu", "asked_for", "expected"), [
    (1, 1, 0, (25, 262144, 131072, 16384, 7864, None, None, 128)),
    (2, 2, 0, (25, 524288, 262144, 32768, 16384, 21, 1, 128)),
    (4, 4, 0, (50, 1048576, 524288, 16384, 16384, 23, 2, 128)),
    (4, 4, 200, (200, 1048576, 524288, 4096, 16384, 23, 2, 128)),
    (8, 8, 0, (100, 2097152, 1048576, 8192, 16384, 27, 4, 256)),
    (12, 6, 0, (100, 3145728, 1572864, 16384, 16384, 25, 3, 256)),
    (16, 8, 0, (100, 4194304, 2096128, 16384, 16384, 27, 4, 512)),
    (96, 32, 0, (100, 25165824, 2096128, 24576, 16384, 51, 16, 1024)),
    # A half is rounded up, not to the even number.
    (6, 5, 0, (75, 1572864, 786432, 10922, 16384, 24, 3, 128)),
    (32, 9, None, (100, 8388608, 2096128, 26214, 16384, 28, 5, 1024)),
])
def test_timescaledb_tune(gib, cpu, asked_for, expected):
    result = oracles.timescaledb_tune(f"{gib}GB", cpu, asked_for)
    assert tuple(result[name] for name in (
        "max_connections", "shared_buffers_kb", "maintenance_work_mem_kb", "work_mem_kb", "wal_buffers_kb",
        "max_worker_processes", "max_parallel_workers_per_gather", "max_locks_per_transaction")) == expected
    assert result["effective_cache_size_kb"] == 3 * result["shared_buffers_kb"]


@pytest.mark.parametrize(("version", "io", "toast", "jit"), [
    (10, 200, None, None), (11, 200, None, None), (12, 200, None, "off"), (13, 256, None, "off"),
    (14, 256, "lz4", "off"), (18, 256, "lz4", "off"),
])
def test_timescaledb_tune_by_version(version, io, toast, jit):
    result = oracles.timescaledb_tune("4GB", 4, pg_version=version)
    assert (result["effective_io_concurrency"], result["default_toast_compression"], result["jit"]) == (io, toast, jit)


@pytest.mark.parametrize(("disk", "wal_mb"), [
    (0, 1024), ("10GB", 6144), ("100MB", 64), ("16MB", 16), ("1000GB", 614400),
])
def test_timescaledb_tune_takes_60_percent_of_a_disk_for_the_wal(disk, wal_mb):
    result = oracles.timescaledb_tune("4GB", 4, wal_disk=disk)
    assert (result["max_wal_size_kb"], result["min_wal_size_kb"]) == (wal_mb * 1024, wal_mb * 512)


def test_timescaledb_tune_keeps_64_kb_of_work_mem():
    assert oracles.timescaledb_tune("1GB", 64, 5000)["work_mem_kb"] == 64


@pytest.mark.parametrize(("arguments", "message"), [
    ({"cpu": 0}, "cpu: expected a whole number of at least 1"),
    ({"connections": -1}, "connections: expected a whole number of at least 0, got -1"),
    ({"pg_version": 9}, "pg_version: expected a whole number between 10 and 18"),
    ({"background_workers": 8}, "background_workers: expected a whole number of at least 16, got 8"),
    ({"wal_disk": "much"}, 'wal_disk: expected MiB .*, got "much"'),
])
def test_timescaledb_tune_says_what_it_did_not_understand(arguments, message):
    with pytest.raises(ValueError, match="^" + message):
        oracles.timescaledb_tune(**{"ram": "4GB", "cpu": 4, **arguments})


@pytest.mark.parametrize(("workload", "work_mem"), [
    ("web", 10.24), ("oltp", 14.336), ("dw", 20.48), ("mixed", 8.192), ("desktop", 4.096),
])
def test_pgconfig(workload, work_mem):
    assert oracles.pgconfig(4096, 100, workload) == pytest.approx({
        "shared_buffers_mb": 1024, "effective_cache_size_mb": 3072, "work_mem_mb": work_mem,
        "maintenance_work_mem_mb": 204.8})


def test_pgconfig_needs_connections():
    with pytest.raises(ValueError, match="^connections: expected a whole number of at least 1, got 0$"):
        oracles.pgconfig(4096, 0)


# memory, shared buffers, work_mem, connections, maintenance, autovacuum workers: MiB
@pytest.mark.parametrize((
    "memory", "shared", "work_mem", "count", "maintenance", "workers", "worst", "percent", "word"), [
    (512, 128, 4, 100, 64, 3, 920, 180, "bad"),
    (512, 128, 8, 100, 64, 4, 1584, 309, "bad"),
    (4096, 1024, 4, 500, 256, 3, 4792, 117, "bad"),
    (4096, 1024, 8, 500, 256, 3, 7792, 190, "bad"),
    (2048, 512, 4, 200, 128, 3, 2096, 102, "bad"),
    (4096, 1024, 4, 200, 256, 3, 2992, 73, "good"),
    (2096, 512, 4, 200, 128, 3, 2096, 100, "warn"),
    (2620, 512, 4, 200, 128, 3, 2096, 80, "good"),
    (2619, 512, 4, 200, 128, 3, 2096, 80, "warn"),
    (8192, 512, 4, 200, 128, 3, 2096, 26, "good"),
])
def test_postgresqltuner(memory, shared, work_mem, count, maintenance, workers, worst, percent, word):
    assert tuners.postgresqltuner_worst_case_mb(shared, work_mem, count, maintenance, workers) == worst
    verdict = oracles.postgresqltuner_verdict(memory, shared, work_mem, count, maintenance, workers)
    assert (verdict.worst_case_mb, math.floor(verdict.percent + 0.5), verdict.verdict) == (worst, percent, word)
    assert verdict.warnings == ()


def test_postgresqltuner_counts_the_text_of_queries():
    assert tuners.postgresqltuner_worst_case_mb(128, 4, 97, 64, 3, 1024 ** 2) == 128 + 582 + 192 + 100


@pytest.mark.parametrize(("changes", "warnings"), [
    ({"shared_buffers_mb": 1639}, ["shared_buffers take more than 40 % of the memory"]),
    ({"shared_buffers_mb": 1638}, []),
    ({"superuser_reserved": 5}, ["more than 20 % of the connections are kept for superusers"]),
    ({"superuser_reserved": 4}, []),
    ({"superuser_reserved": 0}, ["no connection is kept for superusers"]),
    ({"used_connections": 15}, ["more than 70 % of the connections are in use"]),
    ({"used_connections": 14}, []),
])
def test_postgresqltuner_warns(changes, warnings):
    asked_for = {"memory_mb": 4096, "shared_buffers_mb": 1024, "work_mem_mb": 4, "max_connections": 20,
                 "maintenance_work_mem_mb": 64}
    assert list(oracles.postgresqltuner_verdict(**{**asked_for, **changes}).warnings) == warnings


@pytest.mark.parametrize(("values", "message"), [
    ((0, 1, 1, 1, 1), "memory_mb: expected a number above 0, got 0"),
    ((1, -1, 1, 1, 1), "shared_buffers_mb: expected a number of at least 0, got -1"),
    ((1, 1, math.nan, 1, 1), "work_mem_mb: expected a number, got nan"),
    ((1, 1, 1, 0, 1), "max_connections: expected a whole number of at least 1, got 0"),
])
def test_postgresqltuner_says_what_it_did_not_understand(values, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        oracles.postgresqltuner_verdict(*values)


# -- the plan beside them ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("mode", ["document", "balanced"])
@pytest.mark.parametrize("tier", TIERS)
def test_postgresqltuner_thinks_well_of_every_plan(tier, mode):
    figures = plan_of(tier, mode=mode)["services"]["postgres"]
    chosen = figures["settings"]
    verdict = oracles.postgresqltuner_verdict(
        figures["memory_limit_mb"], chosen["shared_buffers_mb"], chosen["work_mem_kb"] / 1024, chosen["backends"],
        chosen["maintenance_work_mem_mb"], chosen["autovacuum_max_workers"], chosen["superuser_reserved_connections"])
    assert verdict.verdict != "bad"
    assert verdict.warnings == ()


@given(st.integers(1, 4 * 1024 * 1024))
def test_all_tools_agree_on_shared_buffers(memory_mb):
    buffers = postgres.shared_buffers_mb(memory_mb)
    assert buffers == oracles.timescaledb_tune(memory_mb, 4)["shared_buffers_kb"] // 1024
    assert buffers == int(oracles.pgconfig(memory_mb, 100)["shared_buffers_mb"])


@given(st.integers(4096, 128 * 1024))
def test_the_system_keeps_more_than_a_kubelet_with_all_our_containers_would(memory_mb):
    assert host.reserve_memory_mb(memory_mb) > oracles.kubelet_reserve_memory_mb(memory_mb, 15)
