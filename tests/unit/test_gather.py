# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is asked before a change, of whom, and what becomes of the answers; the modules answer from a table."""

from __future__ import annotations

import base64
import copy
import json
import types

import pytest
import test_bundle
from ansible.errors import AnsibleActionFail

from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight import gather
from ansible_collections.trenova.selfhost.plugins.plugin_utils.project import Project

CAPACITY = {
    "cores": 12, "memory_mb": 24576, "disk_free_gb": 100, "disk_total_gb": 100, "service_manager": "systemd",
    "distribution": {"id": "debian", "version": "13", "name": "Debian 13"},
    "docker": {"installed": True, "version": "28.0", "compose_version": "2.40", "daemon_json": None}}


@pytest.fixture
def host():
    """(action, variables) of a host that is well; modules that are executed are kept in action.executed."""
    variables = copy.copy(test_bundle.in_play()[0])
    passwords = [name for name in variables if name.endswith("_password")]
    variables.update(dict.fromkeys(passwords, "kD8-fW2_qL5xR9tZ3vB7nM1c"))
    variables["trenova_backup_key"] = "c1Mn7Bv3Zt9Rx5Lq_2Wf-8Dk"
    variables.update(
        inventory_hostname="erp1", trenova_capacity=dict(variables["trenova_capacity"], **CAPACITY),
        trenova_accept_backup_on_data_disk=True)
    action = test_bundle.action_for(variables)
    action.executed, action.answers = [], {}

    def execute(module_name, module_args, task_vars):
        name = module_name.rpartition(".")[2]
        action.executed.append((name, module_args))
        return action.answers[name]

    action._execute_module = execute
    return action, variables


def facts(**values):
    return types.SimpleNamespace(**{
        "capacity": {}, "variables": {}, "services": {}, "all_services": {}, "project": Project(), **values})


def what(found):
    return [problem.what for problem in found]


def test_a_host_that_is_well_has_no_problem_and_is_checked_once(host):
    action, variables = host
    problems, known = gather.check_host(action, variables)
    assert what(problems) == []
    assert known.checked
    later = dict(variables, ansible_facts=known.to_facts())
    assert gather.checked_before(action, later).checked
    assert gather.checked_run(action, later)[1] is False
    assert gather.checked_run(action, variables)[1] is True


def test_nobody_is_contacted_for_the_address_of_an_example(host):
    action, variables = host
    problems, known = gather.check_host(action, dict(variables, ansible_host="trenova1.example.com"))
    assert (len(problems), known, action.executed) == (1, None, [])


def test_values_of_a_wrong_type_are_told_before_anybody_is_contacted(host):
    action, variables = host
    problems, known = gather.check_host(action, dict(variables, redis_enabled="perhaps", caddy_tls="letsencrypt"))
    assert known is None
    assert ["redis_enabled" in text or "caddy_tls" in text for text in what(problems)] == [True, True]


def test_a_plan_that_cannot_be_made_is_a_problem(host):
    action, variables = host
    problems, known = gather.check_host(action, dict(variables, trenova_tier="huge"))
    assert known is None
    assert 'got "huge"' in what(problems)[0]


def test_a_role_that_is_used_alone_stops_with_all_problems(host):
    action, variables = host
    with pytest.raises(AnsibleActionFail, match="2 problems were found; nothing was changed") as caught:
        gather.checked_run(action, dict(variables, caddy_acme_email="", redis_image="redis:7"))
    assert "caddy_acme_email is missing." in str(caught.value)


def test_external_servers_are_asked_from_the_host_with_their_passwords(host):
    action, variables = host
    server = {"name": "Redis", "password_variable": "trenova_redis_password"}
    asked = facts(all_services={"redis": {"external": True, "reachable": [server]}, "minio": {"reachable": [{}]}},
                  variables={"trenova_redis_password": "secret"})
    action.answers["reach"] = {"results": ["answers"]}
    assert gather.ask_external(action, variables, asked) == ["answers"]
    assert action.executed == [("reach", {"servers": [server], "passwords": {"trenova_redis_password": "secret"}})]
    action.answers["reach"] = {"failed": True, "msg": "no Python"}
    with pytest.raises(AnsibleActionFail, match="External services could not be asked: no Python"):
        gather.ask_external(action, variables, asked)


@pytest.mark.parametrize("asked", [
    facts(all_services={"redis": {"external": False, "reachable": [{}]}}),
    facts(all_services={"redis": {"external": True, "reachable": [{}]}}, capacity={"measured": False}),
])
def test_nobody_is_asked_where_there_is_nobody_or_no_host(host, asked):
    action, variables = host
    assert gather.ask_external(action, variables, asked) == []
    assert action.executed == []


def of_registry(**capacity):
    return facts(
        services={"redis": {"image": "registry.test/redis:8"}, "client": {"image": "registry.test/client:1"}, "x": {}},
        capacity={"images": {"registry.test/client:1": "sha256:1"}, "architecture": "x86_64",
                  "docker": {"daemon_json": {"proxies": {"http-proxy": "http://a:b@proxy"}}},
                  "deployed": {"daemon_json": None}, **capacity})


def test_registries_are_asked_for_the_images_that_the_host_lacks(host):
    action, variables = host
    action.answers["manifests"] = {"findings": []}
    assert gather.ask_registries(action, variables, of_registry(), ["redis", "client", "x"]) == []
    [(_name, arguments)] = action.executed
    assert arguments["images"] == ["registry.test/redis:8"]
    # A password in the address of a proxy stands nowhere in clear text.
    assert json.loads(base64.b64decode(arguments["proxies"])) == {"http-proxy": "http://a:b@proxy"}
    action.answers["manifests"] = {"failed": True, "msg": "no Python"}
    with pytest.raises(AnsibleActionFail, match="The registries could not be asked: no Python"):
        gather.ask_registries(action, variables, of_registry(), ["redis"])


def test_registries_are_asked_for_the_manifest_that_the_lock_names(host, tmp_path):
    action, variables = host
    action.answers["manifests"] = {"findings": []}
    digest = "sha256:" + "a" * 64
    variables["inventory_dir"] = str(tmp_path)
    asked = of_registry()
    image = asked.services["redis"]["image"]
    (tmp_path / "images.lock.yml").write_text(f"images: {{'{image}': {{amd64: '{digest}'}}}}")
    gather.ask_registries(action, variables, asked, ["redis"])
    assert action.executed[-1][1]["images"] == [f"{image}@{digest}"]


def test_registries_are_not_asked_for_a_host_that_is_imagined_or_lacks_nothing(host):
    action, variables = host
    assert gather.ask_registries(action, variables, of_registry(measured=False), ["redis"]) == []
    assert gather.ask_registries(action, variables, of_registry(), ["client", "x"]) == []
    assert action.executed == []


@pytest.mark.parametrize(("problems", "lines"), [
    ({"a": [["x.", "  where: y"]]},
     ["1 problem was found; nothing was changed.", " 1. x.", "      where: y"]),
    ({"b": [["x."], ["y."]], "a": [["z."]]},
     ["3 problems were found; nothing was changed.", "a:", " 1. z.", "b:", " 1. x.", " 2. y."]),
])
def test_problems_are_numbered_by_host(problems, lines):
    assert gather.message(problems).splitlines() == lines


def test_a_broken_description_is_told_with_its_file(host, monkeypatch):
    action, variables = host

    def broken(*_rest):
        raise gather.DescriptionInvalid("/x/meta/service.yml", [("title", "is missing", "needed: title")])

    monkeypatch.setattr(gather, "current", broken)
    [problem], known = gather.check_host(action, variables)
    assert (problem.what, problem.where, problem.write, known) == (
        "title: is missing.", "/x/meta/service.yml", "needed: title", None)
