# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A role that is none of this collection, from its description to the plan and to its containers."""

from __future__ import annotations

import json
import types

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from test_bundle import INVENTORY, ROOT, action_for

from ansible_collections.trenova.selfhost.plugins.plugin_utils import catalogue, run
from ansible_collections.trenova.selfhost.plugins.plugin_utils.bundle import Bundle
from ansible_collections.trenova.selfhost.plugins.plugin_utils.description import container_resources
from ansible_collections.trenova.selfhost.plugins.plugin_utils.measuring.intent import wanted
from ansible_collections.trenova.selfhost.plugins.plugin_utils.project import Project

TWELFTH = ROOT / "molecule/twelfth"
GREETER = yaml.safe_load((TWELFTH / "roles/greeter/meta/service.yml").read_text())["containers"]["main"]["resources"]


def in_play(tmp_path, *roles, playbook_dir=TWELFTH, **variables):
    """An action, its variables and the context of its host, for a play with some roles."""
    source = tmp_path / "variables.json"
    source.write_text(json.dumps(dict(INVENTORY, trenova_greeter_token="a token", **variables)))
    known = DataLoader().load_from_file(str(source), trusted_as_template=True)
    known.update(ansible_play_role_names=list(roles), playbook_dir=str(playbook_dir))
    action = action_for(known)
    return action, known, run.current(action, known)


def wish(action, variables, known):
    """The intent of a host on which some services are deployed already."""
    return wanted(action, variables, catalogue.Catalogue(action, variables, Project()), known)


def role_in(folder, **description):
    """A folder of a playbook with a role `greeter` that describes itself."""
    (folder / "roles/greeter/meta").mkdir(parents=True)
    (folder / "roles/greeter/meta/service.yml").write_text(yaml.safe_dump(description))
    return folder


def test_what_its_description_asks_for_is_in_the_plan_and_in_its_sums(tmp_path):
    _action, _variables, context = in_play(tmp_path, "greeter")
    assert context.plan["services"] == {"greeter": dict(GREETER, settings={}, containers={})}
    assert context.plan["totals"]["memory_limit_mb"] == GREETER["memory_limit_mb"]
    assert context.plan["totals"]["memory_reservation_mb"] == GREETER["memory_reservation_mb"]


def test_its_containers_get_it_and_its_part_of_the_plan_is_left_with_them(tmp_path):
    action, variables, context = in_play(tmp_path, "greeter")
    seen = catalogue.role_variables(action, catalogue.role_path("greeter", str(TWELFTH)), variables)
    arguments = Bundle(action, seen, context, "greeter").arguments()
    files = {entry["path"]: entry["content"] for entry in arguments["files"]}
    container = yaml.safe_load(files["/opt/trenova/greeter/compose.yaml"])["services"]["greeter"]
    assert (container["mem_limit"], container["cpus"], container["pids_limit"]) == ("64m", 0.25, 64)
    assert arguments["release"]["plan"]["figures"]["memory_limit_mb"] == 64


def test_a_role_that_is_switched_off_asks_for_nothing(tmp_path):
    _action, _variables, context = in_play(tmp_path, "greeter", greeter_enabled=False)
    assert context.plan["services"] == {}


def test_each_of_its_containers_may_have_resources_which_may_be_expressions(tmp_path):
    folder = role_in(tmp_path, title="Greeter", containers={
        "main": {"name": "greeter", "resources": dict(GREETER, memory_limit_mb="{{ greeter_memory_mb }}")},
        "sidecar": {"name": "greeter-sidecar", "resources": GREETER}, "plain": {"name": "no-limits"}})
    _action, _variables, context = in_play(tmp_path, "greeter", playbook_dir=folder, greeter_memory_mb=96)
    greeter = context.plan["services"]["greeter"]
    assert greeter["memory_limit_mb"] == 96
    assert greeter["containers"] == {"sidecar": dict(GREETER, count=1, settings={})}


def test_what_it_got_wrong_is_told_with_its_file(tmp_path):
    folder = role_in(tmp_path, title="Greeter", containers={
        "main": {"name": "greeter", "resources": dict(GREETER, memory_limit_mb="64MB")}})
    with pytest.raises(run.PlanImpossible) as refused:
        in_play(tmp_path, "greeter", playbook_dir=folder)
    assert refused.value.problems == [
        "meta/service.yml of the role greeter: resources of the container main: memory_limit_mb: expected MiB as a "
        'plain number, got "64MB"; write 64']


def test_one_that_is_deployed_and_not_in_the_play_counts_by_its_recorded_description(tmp_path):
    action, variables, _context = in_play(tmp_path, "redis")
    containers = {"main": {"name": "tren-greeter", "count": 1, "resources": GREETER}}
    known = {"greeter": {"enabled": True, "containers": containers},
             "gone": {"enabled": False, "containers": containers}}
    intent = wish(action, variables, known)
    assert (intent["services"], intent["foreign"]) == (["redis"], {"greeter": {"main": dict(GREETER, count=1)}})


def test_on_several_hosts_it_runs_where_the_play_has_it(tmp_path, monkeypatch):
    action, variables, context = in_play(tmp_path, "redis", "greeter")
    facts = {"ansible_facts": context.to_facts()}
    variables.update(facts, inventory_hostname="b", hostvars={"a": facts, "b": facts})
    planned = run.one_of_several(action, variables, {"redis": ["a"], "postgres": ["b"]}).plan["services"]
    assert list(planned) == ["greeter"]


def test_roles_of_this_collection_ask_for_nothing_themselves():
    action = types.SimpleNamespace(_loader=DataLoader())
    asked = {role: container_resources(catalogue.load(
        action, f"{catalogue.role_path(role)}/meta/service.yml")) for role in catalogue.own_roles()}
    assert not any(asked.values())
