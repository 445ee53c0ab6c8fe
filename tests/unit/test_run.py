# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a run knows of a host, how it goes to the tasks that follow, and when it is believed."""

from __future__ import annotations

import copy
import json
import re
import time

import pytest
import test_bundle
from ansible.errors import AnsibleActionFail

from ansible_collections.trenova.selfhost.plugins.plugin_utils import run
from ansible_collections.trenova.selfhost.plugins.plugin_utils.bundle import Bundle, Removal
from ansible_collections.trenova.selfhost.plugins.plugin_utils.catalogue import role_path, role_variables


@pytest.fixture
def known():
    return test_bundle.in_play()[1]


def host(**variables):
    """Variables of a host that is imagined, and an action that runs for it."""
    seen = dict(copy.copy(test_bundle.in_play()[0]), **variables)
    return test_bundle.action_for(seen), seen


def test_what_is_known_comes_back_from_the_facts_without_the_explanations(known):
    facts = json.loads(json.dumps(known.to_facts()))
    back = run.Run.from_facts({"ansible_facts": facts})
    assert "explain" in known.plan
    assert back == known.but(plan={key: value for key, value in known.plan.items() if key != "explain"})


@pytest.mark.parametrize("facts", [None, {}, {"trenova": {}}, {"trenova": {"run": "another", "plan": {}}}])
def test_facts_of_another_run_are_not_believed(facts):
    assert run.Run.from_facts({"ansible_facts": facts}) is None


def test_a_host_is_measured_once(known, monkeypatch):
    measured = []
    real = run.measure
    monkeypatch.setattr(run, "measure", lambda *arguments: measured.append(1) or real(*arguments))
    action, seen = host()
    first = run.current(action, seen)
    seen["ansible_facts"] = first.to_facts()
    assert run.current(action, seen) == run.Run.from_facts(seen)
    assert len(measured) == 1
    again = run.current(action, dict(seen, ansible_facts=first.but(checked=True).to_facts()), refresh=True)
    assert len(measured) == 2
    assert again.checked
    assert again.places == first.places


def test_a_role_that_comes_late_is_added_to_what_is_known():
    action, seen = host(ansible_play_role_names=["trenova.selfhost.redis"])
    first = run.current(action, seen).but(changed=True)
    assert set(first.places) == {"redis"}
    later = dict(seen, ansible_facts=first.to_facts(), ansible_play_role_names=["trenova.selfhost.asynq_dashboard"])
    both = run.current(action, later)
    assert set(both.places) == {"redis", "asynq_dashboard"}
    assert both.services["redis"].get("absent") is None
    assert (both.changed, both.measured_at) == (True, first.measured_at)


def test_a_measurement_in_a_role_keeps_the_roles_of_the_play(known):
    action, seen = host()
    first = run.current(action, seen)
    inside = dict(seen, ansible_facts=first.to_facts(), ansible_role_name="trenova.selfhost.docker",
                  role_path=role_path("docker"))
    assert run.current(action, inside, refresh=True).places == first.places


def test_a_description_that_the_first_edition_left_is_made_anew():
    left = {"redis": {"enabled": True, "endpoint": {"host": "tren-redis"}}, "gone": {"enabled": True}}
    action, seen = host(ansible_play_role_names=["trenova.selfhost.asynq_dashboard"])
    seen["trenova_capacity"] = dict(seen["trenova_capacity"], deployed={"services": left})
    found = run.current(action, seen).services
    assert found["redis"]["endpoints"]["redis"]["host"] == "tren-redis"
    assert "gone" not in found


@pytest.mark.parametrize(("changes", "is_unchanged"), [
    ({}, True), ({"changed": True}, False), ({"measured_at": -1e9}, False),
])
def test_a_record_is_believed_while_it_is_fresh_and_nothing_was_changed(known, changes, is_unchanged):
    capacity = dict(known.capacity, deployed=dict(known.capacity["deployed"], unchanged={"redis": "wish"}))
    found = known.but(**{"capacity": capacity, "measured_at": time.monotonic(), **changes})
    assert found.is_unchanged("redis", "wish") is is_unchanged
    assert not found.is_unchanged("redis", "another wish")
    assert not found.is_unchanged("api", "wish")


def test_what_cannot_be_planned_is_told_with_all_reasons():
    action, seen = host(trenova_tier="huge", trenova_users=-1)
    with pytest.raises(run.PlanImpossible) as refused:
        run.current(action, seen)
    assert len(refused.value.problems) == 2
    assert isinstance(refused.value, AnsibleActionFail)


def several(places, *, unknown=(), **variables):
    """The run of `a`, one of the hosts of an installation."""
    action, seen = host(**variables)
    facts = {"ansible_facts": run.current(action, seen).to_facts()}
    hosts = sorted({name for names in places.values() for name in names})
    seen.update(facts, inventory_hostname="a", hostvars={
        name: {"ansible_facts": {}} if name in unknown else facts for name in hosts})
    return run.one_of_several(action, seen, places)


def everything(**places):
    return {**{name: ["a"] for name in test_bundle.PLANNED}, **places}


def test_hosts_of_an_installation_are_planned_together():
    found = several(everything(api=["a", "b"], postgres=["b"]))
    assert "postgres" not in found.plan["services"]
    assert found.plan["services"]["api"]


def test_hosts_are_not_planned_without_one_of_which_nothing_is_known():
    with pytest.raises(run.PlanImpossible) as refused:
        several(everything(postgres=["b"]), unknown=["b"])
    assert refused.value.problems == [run.UNKNOWN_HOST.format("b")]


def test_a_service_that_names_no_cluster_runs_on_one_host():
    with pytest.raises(run.PlanImpossible) as refused:
        several(everything(asynq_dashboard=["a", "b"], api=["a", "b"]))
    assert refused.value.problems == [
        "asynq_dashboard cannot run on several hosts, and is to run on a, b. Write: one host in its group, "
        "trenova_asynq_dashboard"]


def test_a_host_that_plans_for_itself_what_the_others_cannot_is_refused():
    with pytest.raises(run.PlanImpossible) as refused:
        several(everything(api=["a", "b"]), trenova_plan_overrides={"api": {"no_such_number": 1}})
    assert "no_such_number" in refused.value.problems[0]


def test_a_service_that_is_switched_off_goes_with_its_files_outside_of_the_project():
    directory = test_bundle.ROOT / "roles/api/templates"
    removal = Removal("api", str(directory))
    assert removal.wish is None
    assert removal.arguments() == {"name": "api", "state": "absent", "host_files": [
        "/etc/systemd/system/trenova-api-watch.service", "/etc/systemd/system/trenova-api-watch.timer",
        "/usr/local/lib/trenova/api-sessions.json", "/usr/local/lib/trenova/api-sessions.py",
        "/usr/local/lib/trenova/api-watch.json", "/usr/local/lib/trenova/api-watch.py"]}


# -- Bundles that depend on what runs ----------------------------------------------------------------------------------


def bundle(role, known):
    variables, _known = test_bundle.in_play()
    action = test_bundle.action_for(variables)
    return Bundle(action, role_variables(action, role_path(role), variables), known, role)


def running(known, *names, role="api"):
    """What is known of a host on which some containers run."""
    containers = [{"name": name, "role": role, "state": "running", "one_off": False, "digest": "d"} for name in names]
    return known.but(capacity=dict(known.capacity, containers=containers))


def upstreams(files):
    """Lines of the Caddyfile among these that lead to the API."""
    [content] = [entry["content"] for entry in files if entry["path"].endswith("/Caddyfile")]
    return [line.split()[1:-1] for line in content.splitlines() if re.search(r"reverse_proxy .*tren-api(-\d+)?:", line)]


def test_the_entrance_has_one_step_where_nothing_runs_yet_or_the_same_runs(known):
    for found in (known, running(known, "tren-api")):
        arguments = bundle("caddy", found).arguments()
        assert (arguments["interim"], arguments["between"], arguments["past"]) == ([], [], [])


def test_the_entrance_leads_to_what_goes_until_the_end(known):
    arguments = bundle("caddy", running(known, "tren-api", "tren-api-2")).arguments()
    assert upstreams(arguments["files"]) == [["tren-api:3001"]]
    assert upstreams(arguments["interim"]) == [["tren-api:3001", "tren-api-2:3001"]]
    assert upstreams(arguments["between"]) == [["tren-api:3001", "tren-api-2:3001"]]


def test_the_entrance_can_lead_past_each_of_several_that_run(known):
    _variables, two = test_bundle.in_play('{"trenova_plan_overrides": {"api": {"instances": 2}}}')
    past = bundle("caddy", running(two, "tren-api", "tren-api-2")).arguments()["past"]
    assert {entry["container"]: upstreams(entry["files"]) for entry in past} == {
        "tren-api": [["tren-api-2:3001"]], "tren-api-2": [["tren-api:3001"]]}
    assert bundle("api", two).arguments()["drain_seconds"] == 2
    # The second is started before the first is replaced.
    [one] = bundle("caddy", running(two, "tren-api")).arguments()["past"]
    assert (one["container"], upstreams(one["files"])) == ("tren-api", [["tren-api-2:3001"]])


@pytest.mark.parametrize("role", test_bundle.ROLES)
def test_what_runs_at_a_moment_is_no_part_of_what_is_wanted(known, role):
    """Or else the run after a first one would find that something is due."""
    names = {name: entry for name, entry in known.services.items() if entry.get("containers")}
    containers = [
        {"name": container, "role": name, "state": "running", "one_off": False, "digest": "d"}
        for name, entry in names.items() for kind in entry["containers"].values() for container in kind["names"]]
    everything = known.but(capacity=dict(known.capacity, containers=containers))
    wish = bundle(role, known).wish
    assert bundle(role, everything).wish == wish
    assert bundle(role, running(known, "tren-api", "tren-api-2")).wish == wish


def test_an_entrance_that_runs_knows_first_which_containers_may_come(known):
    assert "caddy" not in bundle("client", known).arguments()["needs"]
    assert "caddy" in bundle("client", running(known, "tren-caddy", role="caddy")).arguments()["needs"]


def test_clients_of_a_database_that_restarts_are_held_where_there_is_a_pooler(known):
    [hold] = bundle("postgres", known).arguments()["hold"]
    assert hold["container"] == "tren-pgbouncer"
    assert "PAUSE" in " ".join(hold["before"])
    without = known.but(services={**known.services, "pgbouncer": dict(known.services["pgbouncer"], enabled=False)})
    assert bundle("postgres", without).arguments()["hold"] == []


def test_what_comes_first_comes_before_everybody(known):
    for role in ("postgres", "api", "backup"):
        assert "docker" in bundle(role, known).arguments()["needs"]
    assert bundle("docker", known).arguments()["needs"] == []
