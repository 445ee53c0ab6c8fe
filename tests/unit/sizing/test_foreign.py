# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Services of somebody else's roles: no formula knows them, and they count in every sum."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sizing_builders import TIERS, host_of, plan_of
from test_properties import hosts

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import SERVICES, PlanError, plan, plan_hosts
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.comparison import compare_tiers, needed_host

MAIN = {"memory_limit_mb": 64, "memory_reservation_mb": 16, "cpus": 0.25, "pids_limit": 64, "nofile": 1024,
        "oom_score_adj": 300}
SIDECAR = dict(MAIN, count=2, memory_limit_mb=100, cpu_shares=256, shm_size_mb=32)
GREETER = {"greeter": {"main": MAIN, "sidecar": SIDECAR}}


def greeter(**main):
    """A service with one container."""
    return {"greeter": {"main": dict(MAIN, **main)}}


def test_what_a_role_asks_for_is_planned_as_it_asks():
    planned = plan_of("small", foreign=GREETER)
    assert list(planned["services"]) == [*SERVICES, "greeter"]
    assert planned["services"]["greeter"] == {
        **MAIN, "settings": {}, "containers": {"sidecar": dict(SIDECAR, settings={})}}
    explained = planned["explain"]["greeter.containers.sidecar.memory_limit_mb"]
    assert (explained["value"], explained["unit"], explained["rule"]) == (100, "MiB", "as the role says")
    assert explained["source"] == "meta/service.yml of the role greeter"


def test_several_main_containers_are_its_instances():
    service = plan_of("small", foreign=greeter(count=3))["services"]["greeter"]
    assert service["instances"] == 3
    assert "count" not in service


@pytest.mark.parametrize(("total", "more"), [
    ("memory_limit_mb", 64 + 2 * 100), ("memory_reservation_mb", 3 * 16), ("cpus", 3 * 0.25),
    ("memory_limit_jobs_mb", 0),
])
def test_its_containers_are_in_the_totals(total, more):
    assert plan_of("small", foreign=GREETER)["totals"][total] == plan_of("small")["totals"][total] + more


def test_nothing_else_of_the_plan_changes():
    with_it, without = plan_of("small", foreign=GREETER), plan_of("small")
    with_it["services"].pop("greeter")
    assert with_it["services"] == without["services"]
    assert with_it["totals"]["connections"] == without["totals"]["connections"]


def test_r3_counts_it_and_names_it_where_it_is_the_largest():
    refusal, = plan_of("small", foreign=greeter(memory_limit_mb=20000))["refusals"]
    assert (refusal["rule"], refusal["found"]) == ("R3", 5760 + 20000)
    assert "Largest: greeter 20000, redis 2048," in refusal["text"]
    assert "beginning with greeter" in refusal["text"]


def test_r4_counts_what_it_keeps():
    refusal, = plan_of("small", foreign=greeter(memory_limit_mb=15000, memory_reservation_mb=15000))["refusals"]
    assert (refusal["rule"], refusal["found"]) == ("R4", 2624 + 15000)
    assert "beginning with greeter" in refusal["text"]


@settings(max_examples=60, deadline=None)
@given(hosts, st.sampled_from(TIERS), st.integers(6, 200000))
def test_balanced_leaves_it_its_room(capacity, tier, limit_mb):
    """Whatever it asks for: the limits grow no further than to where all fit, if the document's own do."""
    intent = {"tier": tier, "foreign": greeter(memory_limit_mb=limit_mb, memory_reservation_mb=0)}
    document, balanced = (plan(capacity, dict(intent, mode=mode)) for mode in ("document", "balanced"))
    fits = [not any(refusal["rule"] == "R3" for refusal in planned["refusals"]) for planned in (document, balanced)]
    assert fits[0] == fits[1]
    assert balanced["services"]["greeter"]["memory_limit_mb"] == limit_mb


def test_the_host_to_buy_and_the_tiers_count_it():
    intent = {"tier": "small", "foreign": greeter(memory_limit_mb=30000)}
    assert needed_host(intent)["memory_gib"]["value"] == 44
    assert [entry["memory_limit_mb"] for entry in compare_tiers(host_of("small"), intent)][1] == 5760 + 30000


def test_an_operator_may_set_its_figures_too():
    given_ = {"greeter": {"memory_limit_mb": 128, "sidecar": {"count": 0}}}
    service = plan_of("small", foreign=GREETER, overrides=given_)["services"]["greeter"]
    assert (service["memory_limit_mb"], service["containers"]["sidecar"]["count"]) == (128, 0)
    with pytest.raises(PlanError, match="greeter.sidecar: no setting is called"):
        plan_of("small", foreign=GREETER, overrides={"greeter": {"sidecar": {"memory": 1}}})
    with pytest.raises(PlanError, match="no service is called \"greter\". Did you mean greeter?"):
        plan_of("small", foreign=GREETER, overrides={"greter": {"memory_limit_mb": 128}})


def test_it_gets_no_more_cores_than_the_host_has():
    assert plan_of("small", host_of("small", cores=6), foreign=greeter(cpus=8))["services"]["greeter"]["cpus"] == 6


def test_on_several_hosts_it_counts_where_it_runs():
    capacities = {"a": host_of("small"), "b": host_of("small")}
    groups = dict(dict.fromkeys(SERVICES, ["a"]), greeter=["b"])
    planned = plan_hosts(capacities, groups, {"tier": "small", "foreign": GREETER})
    assert list(planned["a"]["services"]) == list(SERVICES)
    assert list(planned["b"]["services"]) == ["greeter"]
    assert (planned["a"]["totals"]["memory_limit_mb"], planned["b"]["totals"]["memory_limit_mb"]) == (5248, 264)


PLACE = "meta/service.yml of the role greeter: "


@pytest.mark.parametrize(("foreign", "says"), [
    ([], "resources of other roles: expected a mapping of services, got []"),
    ({"greeter": {"sidecar": MAIN}}, PLACE + "expected resources of the container main, got"),
    ({"greeter": {"main": "64m"}}, PLACE + 'resources of the container main: expected a mapping, got "64m"'),
    (greeter(memory_limit_mb="64MB"), PLACE + "resources of the container main: memory_limit_mb: expected MiB as a "
                                              'plain number, got "64MB"; write 64'),
    (greeter(memory_limit_mb=5), PLACE + "resources of the container main: memory_limit_mb: expected at least 6 MiB, "
                                         "got 5"),
    (greeter(memory_reservation_mb=65), PLACE + "resources of the container main: memory_reservation_mb: expected at "
                                                "most 64 MiB, its memory_limit_mb, got 65"),
    (greeter(cpus=0), PLACE + "resources of the container main: cpus: expected at least 0.01 cores, got 0"),
    (greeter(nofile=10**7), PLACE + "resources of the container main: nofile: expected at most 1048576 files, got "
                                    "10000000"),
    (greeter(oom_score_adj=-2000), PLACE + "resources of the container main: oom_score_adj: expected at least -1000, "
                                           "got -2000"),
    (greeter(pids_limit="many"), PLACE + "resources of the container main: pids_limit: expected a whole number, got "
                                         '"many"'),
    (greeter(pids_limit=None), PLACE + "resources of the container main: pids_limit: is missing"),
    (greeter(memory_mb=1), PLACE + "resources of the container main: memory_mb is unknown. Did you mean "),
    ({"redis": {"main": MAIN}}, 'meta/service.yml of the role redis: "redis" cannot be the name of a service of its '
                                "own; choose another"),
    ({"greeter": {"main": MAIN, "Side-Car": MAIN}}, PLACE + "resources of the container Side-Car: expected a name of "
                                                            'small letters, digits and underscores, got "Side-Car"'),
])
def test_a_description_that_cannot_be_used_is_told_in_one_sentence(foreign, says):
    with pytest.raises(PlanError) as refused:
        plan_of("small", foreign=foreign)
    problem, = refused.value.problems
    assert problem.startswith(says)


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(PlanError) as refused:
        plan_of("small", foreign={"greeter": {"main": {"memory_limit_mb": 64, "cpu": 1}}})
    assert [problem.rsplit(": ", 2)[-2:] for problem in refused.value.problems] == [
        ["resources of the container main", "cpu is unknown. Did you mean cpus?"],
        ["memory_reservation_mb", "is missing"], ["cpus", "is missing"], ["pids_limit", "is missing"],
        ["nofile", "is missing"], ["oom_score_adj", "is missing"]]
