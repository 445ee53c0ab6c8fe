# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Plans as files: what is written can be read, and nothing else passes for a plan."""

from __future__ import annotations

import json
import pathlib

import jsonschema
import pytest
from hypothesis import given, settings
from sizing_builders import TIERS, host_of, plan_of
from test_properties import hosts, intents

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import SCHEMA_VERSION, plan
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.comparison import compare_tiers, needed_host
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.plan_file import (
    part_of,
    read_parts,
    write_plan,
)

SCHEMA = json.loads((pathlib.Path(__file__).parents[3] / "docs/plan.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
ODD = [
    (host_of("minimum"), {"tier": "minimum"}), (host_of("large", cores=64, memory_mb=524288), {"users": 3000}),
    (host_of("small", cores=8, memory_mb=16384, architecture="aarch64"), {"tier": "small"}),
    (host_of("minimum", cores=0.5, memory_mb=1000, disk_free_gb=0), {"tier": "large", "strict": True}),
    (host_of("small"), {"tier": "small", "minio_mode": "external", "services": ["api", "caddy"]}),
    (host_of("small"), {"tier": "small", "restore_document": ["rabbitmq-limit", "redis-volume"]}),
]


def whole(capacity, intent):
    """A plan with what the playbook adds to it."""
    figures = [{"name": "cpus", "unit": "cores", "before": None, "after": 1.5}]
    return dict(
        plan(capacity, intent), comparison=compare_tiers(capacity, intent), needed=needed_host(intent), note="why",
        changes={"remarks": [], "services": [{"service": "api", "says": ["creates tren-api-1"], "figures": figures}]})


@pytest.mark.parametrize("tier", TIERS)
def test_schema_knows_the_plans_of_the_tiers(tier):
    VALIDATOR.validate(whole(host_of(tier), {"tier": tier}))


@pytest.mark.parametrize(("capacity", "intent"), ODD)
def test_schema_knows_odd_plans(capacity, intent):
    VALIDATOR.validate(whole(capacity, intent))


@settings(max_examples=40, deadline=None)
@given(hosts, intents)
def test_schema_knows_any_plan(capacity, intent):
    VALIDATOR.validate(json.loads(write_plan(plan(capacity, intent))))


def test_schema_itself_is_sound_and_of_this_version():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["schema_version"] == {"const": SCHEMA_VERSION}
    assert set(SCHEMA["required"]) <= set(SCHEMA["properties"])


@pytest.mark.parametrize("change", [
    {"schema_version": 0}, {"tier": "huge"}, {"users": 0}, {"services": {"mysql": {}}}, {"explain": {"a.b": {}}},
    {"totals": {}}, {"deviations": [{}]}, {"refusals": [{"rule": "R1"}]}, {"comparison": [{}]}, {"disk": {}},
    {"changes": {"remarks": [], "services": [{"service": "api", "says": [], "figures": []}]}},
])
def test_schema_refuses_what_is_no_plan(change):
    assert not VALIDATOR.is_valid(dict(plan_of("small"), **change))


def test_disk_section_is_described():
    disk = {"total_gb": 100, "available_gb": 90.5, "day_one_gb": 12, "planned_gb": 75, "growth_gb_per_year": None,
            "runway_days": None, "backup_storage_gb": 150, "items": [{"name": "images", "gb": 6, "what": "two"}]}
    VALIDATOR.validate(dict(plan_of("small"), disk=disk))


def test_what_is_written_is_the_plan_in_its_own_order():
    written = plan_of("medium", users=120)
    assert json.loads(write_plan(written)) == written
    assert list(json.loads(write_plan(written))) == list(written)


def test_part_of_a_service_holds_nothing_that_changes_by_itself():
    first = part_of(plan_of("small", users=40), "redis")
    assert first == part_of(plan_of("small", host_of("small", disk_free_gb=77), users=40), "redis")
    assert first["figures"]["settings"]["maxmemory_policy"] == "volatile-lru"
    assert (first["schema_version"], first["tier"], first["mode"], first["users"]) == (2, "small", "document", 40)


def test_a_part_of_the_first_edition_is_read_as_this_one_would_have_written_it():
    """As 0.1.0 left it on servers: one set of limits, and what the workers had of their own among the settings."""
    written = {
        "schema_version": 1, "tier": "large", "mode": "document", "users": None,
        "figures": {
            "cpus": 1.0, "instances": 3, "memory_limit_mb": 1024, "memory_reservation_mb": 512,
            "memory_swap_limit_mb": 1024, "cpu_shares": 2048, "pids_limit": 512, "nofile": 65536, "oom_score_adj": 0,
            "settings": {
                "workers": 2, "gomaxprocs": 2, "gomemlimit_mb": 921, "asynq_concurrency": 10, "asynq_memory_mb": 512,
                "database_pool": 20, "redis_pool_size": 20, "worker_memory_limit_mb": 512,
                "worker_memory_reservation_mb": 256, "worker_cpus": 1.0, "worker_gomaxprocs": 2,
                "worker_gomemlimit_mb": 460, "worker_database_pool": 10}}}
    before = json.dumps(written)
    parts, remarks = read_parts({"api": written})
    assert (parts, remarks) == ({"api": as_of_then(part_of(plan_of("large"), "api"))}, [])
    assert json.dumps(written) == before
    assert set(as_of_then(written)["figures"]) == set(written["figures"])


def as_of_then(part):
    """A part without what the first edition knew nothing of."""
    new = ("stop_grace_seconds", "start_grace_seconds", "health_interval_seconds")

    def without(figures):
        return {name: value for name, value in figures.items() if name not in new}

    figures = without(part["figures"])
    if "containers" in figures:
        figures["containers"] = {kind: without(found) for kind, found in figures["containers"].items()}
    return dict(part, figures=figures)


def test_the_upgrade_from_the_first_edition_changes_no_figure():
    planned = plan_of("small")
    parts = {service: part_of(planned, service) for service in planned["services"]}
    for service in set(parts) - {"api"}:
        figures = {name: value for name, value in parts[service]["figures"].items() if name != "containers"}
        assert read_parts({service: dict(parts[service], schema_version=1, figures=figures)}) == (
            {service: parts[service]}, [])


def test_parts_that_cannot_be_read_are_left_out_and_told():
    good = part_of(plan_of("small"), "redis")
    parts, remarks = read_parts({
        "redis": good, "api": {"unreadable": "Expecting value"}, "caddy": dict(good, schema_version=7),
        "minio": dict(good, figures=[]), "client": None})
    assert parts == {"redis": good}
    assert remarks == [
        "The applied plan of api is not compared. This is no JSON (Expecting value); the next deployment writes it "
        "anew.",
        "The applied plan of caddy is not compared. This is a part of a plan of a newer version of the collection "
        "(schema 7, this one reads 1 and 2); use the version of the collection that wrote it.",
        "The applied plan of client is not compared. This is no part of a plan: it has no schema_version; the next "
        "deployment writes it anew.",
        "The applied plan of minio is not compared. Its figures are none; the next deployment writes it anew."]


def test_nothing_applied_is_nothing_to_tell():
    assert read_parts(None) == read_parts({}) == ({}, [])
