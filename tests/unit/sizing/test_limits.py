# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Every figure that an operator can set has the bounds of the software that reads it, and beyond them it is refused."""

from __future__ import annotations

import pytest
from sizing_builders import host_of, plan_of, value_at
from test_hosts import cluster

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import SERVICES, limits, plan, plan_hosts
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import Bounds

RESOURCES = {"memory_limit_mb": 64, "memory_reservation_mb": 16, "cpus": 0.25, "pids_limit": 64, "nofile": 1024,
             "oom_score_adj": 300, "cpu_shares": 256, "shm_size_mb": 32}
FOREIGN = {"greeter": {"main": RESOURCES, "sidecar": dict(RESOURCES, count=2)}}
PLANS = [plan_of("large", foreign=FOREIGN), plan_of("small", mode="balanced"), cluster("large", "minio", 4),
         cluster("large", "rabbitmq", 3)]


def settable():
    """{(sheet, name): explanation} of every figure that an operator can set, in plans of all forms."""
    found = {}
    for result in PLANS:
        for path, explanation in result["explain"].items():
            if not explanation["derived"]:
                sheet, _, name = path.replace(".settings.", ".").replace(".containers.", ".").rpartition(".")
                found[sheet, name] = explanation
    return found


SETTABLE = settable()
NUMBERS = [key for key, explanation in SETTABLE.items() if not isinstance(explanation["value"], str)]


def overrides(sheet, name, value):
    """The overrides that set one figure."""
    service, _, kind = sheet.partition(".")
    return {service: {kind: {name: value}} if kind else {name: value}}


@pytest.mark.parametrize(("sheet", "name"), SETTABLE)
def test_every_figure_that_can_be_set_has_its_bounds(sheet, name):
    explanation = SETTABLE[sheet, name]
    if isinstance(explanation["value"], str):
        assert explanation["bounds"]["choices"]
        return
    known = limits.limit_of(sheet, name)
    assert known, "add it to limits.py"
    assert known.least <= known.most
    assert known.source
    # What stands with the figure is no wider.
    bounds = explanation["bounds"]
    assert bounds.get("technical_max", known.most) <= known.most
    assert known.least <= explanation["value"] <= known.most


@pytest.mark.parametrize("key", limits.LIMITS)
def test_every_row_of_the_table_is_of_a_figure(key):
    sheet, _, name = key.rpartition(".")
    assert (sheet, name) in SETTABLE


def refused(intent, key):
    """The refusals of a plan that speak of a figure's own bounds."""
    host = host_of("large", cores=64, memory_mb=512 * 1024, disk_free_gb=10**6, disk_total_gb=10**6)
    hosts = dict.fromkeys(("a", "b", "c"), host)
    groups = dict(dict.fromkeys((*SERVICES, "greeter"), ["a"]), rabbitmq=list(hosts))
    result = plan_hosts(hosts, groups, dict(intent, tier="large", foreign=FOREIGN))["a"]
    return [entry for entry in result["refusals"] if entry["rule"] == "R9" and entry["dimension"].endswith(key)]


@pytest.mark.parametrize(("sheet", "name"), NUMBERS)
@pytest.mark.parametrize("value", [10**9, 10**15])
def test_a_number_that_nothing_can_take_is_refused_with_what_is_allowed(sheet, name, value):
    """Quotas of CPU are cut to the host instead, and said to be."""
    found = refused({"overrides": overrides(sheet, name, value)}, f".{name}")
    if name == "cpus":
        assert found == []
        return
    if value <= limits.limit_of(sheet, name).most and not found:
        # These are counted in 32 bits, and nothing else hangs on them.
        assert name in ("work_mem_kb", "max_prepared_statements", "tcp_keepalive_seconds") or name.startswith("save_")
        return
    refusal, = found
    assert "it cannot work above " in refusal["text"]
    assert "Allowed: " in refusal["text"]
    allowed = refusal["required"]
    assert refused({"overrides": overrides(sheet, name, allowed)}, f".{name}") == []


@pytest.mark.parametrize(("sheet", "name"), [key for key in NUMBERS if limits.limit_of(*key).least > 0])
def test_nothing_at_all_is_refused_where_it_cannot_work(sheet, name):
    refusal, = refused({"overrides": overrides(sheet, name, 0)}, f".{name}")
    assert "it cannot work below " in refusal["text"]
    assert refused({"overrides": overrides(sheet, name, refusal["required"])}, f".{name}") == []


@pytest.mark.parametrize(("service", "name", "value", "text"), [
    ("postgres", "max_wal_size_mb", 10**6,
     "it cannot work above 47683 MiB. Allowed: 32 to 47683 MiB (half of the disk)."),
    ("postgres", "max_slot_wal_keep_size_mb", 10**6,
     "it cannot work above 47683 MiB. Allowed: -1 to 47683 MiB (half of the disk; -1 is without end)."),
    ("postgres", "max_parallel_workers", 10**9,
     "it cannot work above 8 processes. Allowed: 0 to 8 processes (max_worker_processes)."),
    ("postgres", "effective_cache_size_mb", 10**9,
     "it cannot work above 16777215 MiB. Allowed: 1 to 16777215 MiB (PostgreSQL, pg_settings)."),
    ("postgres", "max_connections", 10**5,
     "it cannot work above 1638. Allowed: 1 to 1638 (32 kB each in a tenth of memory_limit_mb, 500 at least)."),
    ("api", "gomemlimit_mb", 0,
     "it cannot work below 108 MiB. Allowed: 108 to 512 MiB (85 % of what the service needs at least, at most "
     "memory_limit_mb)."),
    ("rabbitmq", "disk_free_limit_mb", 10**6,
     "it cannot work above 71525 MiB. Allowed: 50 to 71525 MiB (what is free after the first day)."),
    ("pgbouncer", "max_client_conn", 10**5,
     "it cannot work above 6144. Allowed: 1 to 6144 (16 kB each in memory_limit_mb)."),
    ("redis", "io_threads", 129,
     "it cannot work above 128 threads. Allowed: 1 to 128 threads (Redis, IO_THREADS_MAX_NUM)."),
    ("minio", "requests_max", 10**6,
     "it cannot work above 168 requests. Allowed: 1 to 168 requests (what memory_limit_mb holds)."),
])
def test_what_the_review_found_accepted(service, name, value, text):
    host = host_of("small")
    result = plan(host, {"users": 50, "overrides": {service: {name: value}}})
    refusal = next(entry for entry in result["refusals"] if entry["rule"] == "R9")
    assert f".{name} is set to {value}" in refusal["text"]
    assert text in refusal["text"]


def test_what_follows_from_a_refused_number_follows_from_the_nearest_that_works():
    result = plan_of("small", overrides={"postgres": {"memory_limit_mb": 0}})
    assert value_at(result, "postgres.memory_limit_mb") == 256
    assert value_at(result, "postgres.settings.shared_buffers_mb") == 64
    assert result["explain"]["postgres.memory_limit_mb"]["overridden"]


@pytest.mark.parametrize(("bounds", "limit", "least", "most"), [
    (Bounds(), limits.Limit(1, 9, ""), 1, 9), (Bounds(least=3, most=5), limits.Limit(1, 9, ""), 3, 5),
    (Bounds(least=0, most=50), limits.Limit(1, 9, ""), 1, 9), (Bounds(least=-1), limits.Limit(-1, 9, ""), -1, 9),
    (Bounds(least=2), None, 2, None),
])
def test_the_narrower_bound_counts(bounds, limit, least, most):
    found = limits.within(bounds, limit)
    assert (found.least, found.most) == (least, most)
