# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which tier fits a host, and which host a wish needs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sizing_builders import TIERS, host_of
from test_properties import hosts, intents

from ansible_collections.trenova.selfhost.plugins.plugin_utils import sizing
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import PlanError, host, plan
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.comparison import (
    compare_tiers,
    first_sentence,
    imagined,
    needed_host,
)


def verdicts(capacity, **intent):
    return [entry["verdict"] for entry in compare_tiers(capacity, intent)]


def sizes(**intent):
    """(tier, cores, GiB, GB, API instances) of the host to buy."""
    needed = needed_host(intent)
    return (needed["tier"], *(needed[key]["value"] for key in ("cores", "memory_gib", "disk_gb")),
            needed["api_instances"])


@pytest.mark.parametrize(("tier", "expected"), [
    ("minimum", ["fits", "below", "below", "refused"]), ("small", ["fits", "fits", "below", "below"]),
    ("medium", ["fits", "fits", "fits", "below"]), ("large", ["fits"] * 4),
])
def test_a_recommended_host_fits_its_tier_and_the_smaller_ones(tier, expected):
    assert verdicts(host_of(tier), tier="small") == expected


def test_a_host_below_the_minimum_is_refused_for_every_tier():
    assert verdicts(host_of("minimum", cores=4), tier="small") == ["refused"] * 4


def test_a_tier_that_is_too_small_for_the_users_does_not_fit():
    assert verdicts(host_of("large"), users=120) == ["below", "below", "fits", "fits"]


def test_reasons_are_first_sentences_and_the_numbers_those_of_the_plan():
    compared = compare_tiers(host_of("small", memory_mb=12000), {"tier": "small"})
    assert compared[1] == {
        "tier": "small", "verdict": "below",
        "reasons": ["R2: 12000 MiB of memory found, 24 GiB recommended for tier small."],
        "memory_limit_mb": 5760, "memory_percent": 58.9, "postgres_memory_mb": 512, "api_instances": 1}
    assert compared[3]["reasons"][0].startswith("R3: the memory limits add up to 17920 MiB, 9776 MiB can be allocated")
    assert "Largest" not in compared[3]["reasons"][0]


def test_the_operators_own_figures_are_no_reason_against_a_tier():
    intent = {"tier": "large", "overrides": {"postgres": {"max_connections": 50}}}
    assert plan(host_of("large"), intent)["warnings"][0]["rule"] == "R9"
    assert [entry["reasons"] for entry in compare_tiers(host_of("large"), intent)] == [[]] * 4


def test_services_that_run_elsewhere_are_not_counted():
    compared = compare_tiers(host_of("small"), {"tier": "small", "services": ["redis"]})
    assert compared[1]["memory_limit_mb"] == 2048
    assert compared[1]["postgres_memory_mb"] is None


@pytest.mark.parametrize(("text", "first"), [
    ("R1: 28.5 GB found, 30 needed. This host fits no tier.", "R1: 28.5 GB found, 30 needed."),
    ("one sentence", "one sentence"),
    ("R3: too much (of 6144 MiB). Largest: redis 4096. Further.", "R3: too much (of 6144 MiB)."),
])
def test_first_sentence(text, first):
    assert first_sentence(text) == first


@pytest.mark.parametrize(("wish", "expected"), [
    ({"tier": "minimum"}, ("minimum", 6, 12, 30, 1)), ({"tier": "small"}, ("small", 12, 24, 100, 1)),
    ({"tier": "medium"}, ("medium", 20, 48, 200, 2)), ({"tier": "large"}, ("large", 32, 96, 500, 3)),
    ({"users": 50}, ("small", 12, 24, 100, 1)), ({"users": 200}, ("medium", 20, 48, 220, 2)),
    ({"users": 350}, ("large", 32, 96, 500, 3)), ({"users": 1000}, ("large", 32, 96, 970, 9)),
    ({"users": 2000}, ("large", 36, 96, 1910, 17)), ({"users": 5000}, ("large", 86, 108, 4730, 41)),
    ({"users": 5000, "mode": "balanced"}, ("large", 88, 96, 4740, 21)),
    ({"users": 50, "mode": "balanced"}, ("small", 12, 24, 100, 1)),
    ({"tier": "minimum", "reserved_memory_mb": 4096}, ("minimum", 6, 16, 30, 1)),
    ({"tier": "small", "users": 350}, ("large", 32, 96, 500, 3)),
    ({"tier": "large", "users": 20}, ("large", 32, 96, 500, 3)),
    ({"tier": "small", "overrides": {"redis": {"memory_limit_mb": 32500}}}, ("small", 12, 44, 100, 1)),
])
def test_sizes_to_buy(wish, expected):
    assert sizes(**wish) == expected


def test_every_size_has_its_reasons_the_decisive_one_first():
    assert needed_host({"users": 200})["disk_gb"] == {"value": 220, "needs": [
        {"value": 220, "reason": "200 users fill 175 GB in a year, at most 80 % of the disk"},
        {"value": 200, "reason": "the document recommends 200 GB for tier medium"}]}
    assert needed_host({"users": 350})["cores"]["needs"][1] == {
        "value": 6, "reason": "3 API instances for the peak of 350 users, two cores for each"}


def test_memory_is_enough_for_a_host_that_reports_less_than_it_is_sold_with():
    wish = {"tier": "small", "overrides": {"redis": {"memory_limit_mb": 32500}}}
    needed = needed_host(wish)
    planned = plan(imagined(12, needed["memory_gib"]["value"], 100), wish)
    limits = planned["totals"]["memory_limit_mb"] + planned["totals"]["memory_limit_jobs_mb"]
    gib = needed["memory_gib"]["value"]
    assert host.allocatable_mb(gib * 1024 * 95 // 100) >= limits > host.allocatable_mb((gib - 4) * 1024 * 95 // 100)


def test_what_was_accepted_for_another_host_does_not_make_the_new_one_smaller():
    accepted = {"accept_undersized_host": True, "accept_overcommit": True}
    assert needed_host(dict(accepted, tier="small")) == needed_host({"tier": "small"})


def test_what_no_host_can_give_is_said():
    assert needed_host({"tier": "small"})["unmet"] == []
    huge = {"api": {"instances": 5000, "memory_limit_mb": 10**9}}
    assert any("R3: " in text for text in needed_host({"tier": "small", "overrides": huge})["unmet"])
    assert needed_host({"users": 100000})["unmet"] == [
        "R6: connection budget: the application's pools of 8190 exceed max_client_conn 5000.",
        "R11: the peak of 100000 users keeps 1471 connections of PostgreSQL busy (98039 requests a second of 15 ms), "
        "391 and 98 in reserve can be had."]


def test_a_disk_that_a_refusal_asks_for_is_bought(monkeypatch):
    def strict_plan(capacity, intent, plan=sizing.plan):
        result = plan(capacity, intent)
        if capacity["disk_total_gb"] < 190:
            result["refusals"].append({
                "dimension": "disk_total_gb", "found": 100, "required": 190, "text": "R7: 190 GB needed. So."})
        return result

    monkeypatch.setattr(sizing, "plan", strict_plan)
    assert needed_host({"tier": "small"})["disk_gb"] == {"value": 200, "needs": [
        {"value": 200, "reason": "R7: 190 GB needed"},
        {"value": 100, "reason": "the document recommends 100 GB for tier small"}]}


def test_growth_of_the_plan_counts_where_it_is_more(monkeypatch):
    def plan_with_disk(capacity, intent, plan=sizing.plan):
        return dict(plan(capacity, intent), disk={"day_one_gb": 60, "growth_gb_per_year": 100})

    monkeypatch.setattr(sizing, "plan", plan_with_disk)
    assert needed_host({"users": 20})["disk_gb"]["value"] == 200


def test_bad_wishes_are_refused_as_by_the_plan():
    with pytest.raises(PlanError, match="set trenova_tier or trenova_users"):
        needed_host({})
    with pytest.raises(PlanError, match="expected one of"):
        compare_tiers(host_of("small"), {"mode": "turbo", "tier": "small"})


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(TIERS), st.integers(1, 3000))
def test_the_host_to_buy_fits_without_a_warning(tier, users):
    needed = needed_host({"tier": tier, "users": users})
    planned = plan(needed["capacity"], {"tier": needed["tier"], "users": users})
    assert (planned["refusals"], planned["warnings"]) == ([], [])
    assert verdicts(needed["capacity"], users=users)[TIERS.index(needed["tier"])] == "fits"


@settings(max_examples=60, deadline=None)
@given(hosts, intents)
def test_any_wish_can_be_compared_and_bought_for(capacity, intent):
    compared = compare_tiers(capacity, intent)
    assert [entry["tier"] for entry in compared] == list(TIERS)
    assert all(entry["reasons"] for entry in compared if entry["verdict"] == "refused")
    needed = needed_host(intent)
    assert all(needed[key]["value"] > 0 for key in ("cores", "memory_gib", "disk_gb"))
