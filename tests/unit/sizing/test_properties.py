# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What holds for any host and any wish."""

from __future__ import annotations

import json
import math

import invariants
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sizing_builders import TIERS, host_of, leaves, placed

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import deviations, host, plan
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.services import containers_of


@st.composite
def disks(draw):
    """A disk, of which no more is free or ours than there is."""
    total_gb = draw(st.floats(0, 20000))
    return {
        "disk_total_gb": total_gb, "disk_free_gb": draw(st.floats(0, total_gb)),
        "disk_used_by_trenova_gb": draw(st.floats(0, min(total_gb, 2000)))}


hosts = st.builds(lambda host, disk: dict(host, **disk), st.fixed_dictionaries({
    "cores": st.one_of(st.integers(1, 256), st.floats(0.1, 128)),
    "memory_mb": st.integers(256, 4 * 1024 * 1024),
    "disk_kind": st.sampled_from(["ssd", "nvme", "hdd", "unknown"]),
    "architecture": st.sampled_from(["x86_64", "aarch64"]),
}), disks())

BY_NAME = [name for name, entry in deviations.CATALOGUE.items() if not entry.restore]

#: Overrides that an operator may come up with; zero and absurdly much among them.
amounts = st.one_of(st.just(0), st.integers(1, 5000), st.integers(0, 10**9))


def figures_of(*names):
    """Any of some figures with any amount."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, amounts))


overrides = st.fixed_dictionaries({}, optional={
    "postgres": figures_of("memory_limit_mb", "cpus", "work_mem_kb", "shared_buffers_mb", "maintenance_work_mem_mb",
                           "autovacuum_max_workers", "max_connections", "volume_gb", "max_wal_size_mb",
                           "hash_mem_multiplier", "max_parallel_workers", "max_worker_processes"),
    "pgbouncer": figures_of("default_pool_size", "reserve_pool_size", "max_db_connections", "max_client_conn"),
    "redis": figures_of("memory_limit_mb", "maxmemory_mb", "cpus"),
    "rabbitmq": figures_of("memory_limit_mb", "memory_high_watermark_mb"),
    "api": figures_of("instances", "cpus", "memory_limit_mb", "workers", "database_pool", "gomaxprocs"),
})

intents = st.fixed_dictionaries(
    {"tier": st.sampled_from(TIERS)},
    optional={
        "users": st.integers(1, 100000),
        "overrides": overrides,
        "strict": st.booleans(),
        "accept_undersized_host": st.booleans(),
        "accept_overcommit": st.booleans(),
        "restore_document": st.lists(st.sampled_from(BY_NAME), unique=True),
    })

quick = settings(max_examples=150, deadline=None)


def said(result, rule):
    """What a plan says by a rule, refused or warned."""
    return [entry for entry in result["refusals"] + result["warnings"] if entry["rule"] == rule]


@quick
@given(hosts, intents)
def test_limits_fit_or_the_plan_says_so(capacity, intent):
    result = plan(capacity, intent)
    totals = result["totals"]
    fits = totals["memory_limit_mb"] + totals["memory_limit_jobs_mb"] <= result["host"]["allocatable_mb"]
    assert fits == (not said(result, "R3"))


@quick
@given(hosts, intents)
def test_totals_are_the_sum_of_the_containers(capacity, intent):
    services = plan(capacity, intent)["services"]
    standing = sum(
        containers["count"] * containers["memory_limit_mb"]
        for service, figures in services.items() if service != "backup"
        for containers in containers_of(figures).values())
    assert plan(capacity, intent)["totals"]["memory_limit_mb"] == standing


@quick
@given(hosts, intents)
@example(host_of("small"), {"tier": "small", "overrides": {"postgres": {"work_mem_kb": 10**9}}})
def test_postgres_is_safe_or_refused(capacity, intent):
    result = plan(capacity, intent)
    figures = result["services"]["postgres"]
    chosen = figures["settings"]
    worst = invariants.worst_case_mb(chosen)
    assert math.isclose(chosen["peak_memory_mb"], worst, abs_tol=1)
    refused = [entry for entry in result["refusals"] if entry["rule"] == "R5"]
    assert (worst <= 0.9 * figures["memory_limit_mb"] + 1e-6) == (not refused) or math.isclose(
        worst, 0.9 * figures["memory_limit_mb"], rel_tol=1e-9)


@quick
@given(hosts, intents)
def test_what_holds_for_every_plan(capacity, intent):
    invariants.check(capacity, intent)


@quick
@given(hosts, intents)
def test_every_figure_has_its_explanation(capacity, intent):
    result = plan(capacity, intent)
    figures = dict(leaves(result["services"]))
    assert {path: entry["value"] for path, entry in result["explain"].items()} == figures


@quick
@given(hosts, intents)
def test_the_same_input_gives_the_same_bytes(capacity, intent):
    first = json.dumps(plan(capacity, intent), allow_nan=False)
    assert first == json.dumps(plan(json.loads(json.dumps(capacity)), json.loads(json.dumps(intent))), allow_nan=False)


@quick
@given(hosts, intents)
def test_quotas_stay_within_the_host_and_above_nothing(capacity, intent):
    result = plan(capacity, intent)
    refused = {refusal["dimension"] for refusal in result["refusals"]}
    for name, figures in result["services"].items():
        assert figures["cpus"] <= capacity["cores"]
        # Docker takes 0 for "no limit"; an override that asks for it is refused.
        assert figures["cpus"] > 0 or f"{name}.cpus" in refused
    assert result["services"]["api"]["containers"]["worker"]["cpus"] <= capacity["cores"]


@quick
@given(hosts, intents)
def test_overrides_hold_or_are_spoken_of(capacity, intent):
    result = plan(capacity, intent)
    for service, wanted in intent.get("overrides", {}).items():
        figures = result["services"][service]
        for name, value in wanted.items():
            last = "containers.worker.count" if name == "workers" else name
            paths = (f"{service}.{last}", f"{service}.settings.{name}")
            key = next(path for path in paths if path in result["explain"])
            assert result["explain"][key]["overridden"] is True
            spoken = [entry for entry in said(result, "R9") if f"{key} is set to" in entry["text"]]
            assert placed(figures, name) == value or spoken


@quick
@given(hosts, intents)
def test_refusals_teach(capacity, intent):
    for refusal in plan(capacity, intent)["refusals"]:
        assert 1 <= len(refusal["remedy"]) <= 3
        assert all(step in refusal["text"] for step in refusal["remedy"])
        assert refusal["text"].startswith(refusal["rule"] + ": ")
        assert refusal["override"] is None or refusal["override"] in refusal["text"]


@quick
@given(hosts, intents)
def test_what_is_accepted_is_no_refusal(capacity, intent):
    rules = {entry["rule"] for entry in plan(capacity, intent)["refusals"]}
    if intent.get("accept_undersized_host"):
        assert "R1" not in rules
    if intent.get("accept_overcommit"):
        assert "R3" not in rules
    if not intent.get("strict"):
        assert "R2" not in rules


@quick
@given(hosts, st.sampled_from(TIERS))
def test_document_is_a_floor(capacity, tier):
    """Without overrides nothing falls below the document, quotas excepted that the host cannot give."""
    result = plan(capacity, {"tier": tier})
    for path, entry in result["explain"].items():
        floor = entry["bounds"].get("document_floor")
        if floor is not None and not path.endswith("cpus"):
            assert entry["value"] >= floor


@quick
@given(hosts, st.sampled_from(TIERS))
def test_fitting_tier_really_fits(capacity, tier):
    fitting = plan(capacity, {"tier": tier})["host"]["fitting_tier"]
    if fitting:
        assert plan(capacity, {"tier": fitting})["refusals"] == []


@quick
@given(st.integers(0, 2**22), st.integers(0, 2**16))
def test_more_memory_leaves_more(memory_mb, more_mb):
    assert host.allocatable_mb(memory_mb) <= host.allocatable_mb(memory_mb + more_mb) <= memory_mb + more_mb


@quick
@given(hosts, st.integers(1, 90000), st.integers(0, 1000))
def test_more_users_never_get_fewer_instances(capacity, users, more):
    few, many = (plan(capacity, {"tier": "small", "users": number})["services"]["api"]["instances"]
                 for number in (users, users + more))
    assert few <= many
