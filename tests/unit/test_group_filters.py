# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Filters that tell a play which hosts it is for, and what Ansible's inventory says of groups."""

from __future__ import annotations

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

from ansible_collections.trenova.selfhost.plugins.filter.group_of_installation import group_of_installation
from ansible_collections.trenova.selfhost.plugins.filter.service_hosts import service_hosts
from ansible_collections.trenova.selfhost.plugins.plugin_utils import catalogue, inventory

ONE = {"trenova": ["one"], "redis": ["cache1"], "backup": ["nas1"]}
SPREAD = {"trenova": ["one", "two"], "trenova_postgres": ["two"]}


@pytest.fixture
def ansible(tmp_path):
    def read(tree, host_vars=None):
        """(groups, hostvars) as Ansible has them for an inventory."""
        (tmp_path / "hosts.yml").write_text(yaml.safe_dump(tree))
        for host, variables in (host_vars or {}).items():
            (tmp_path / "host_vars").mkdir(exist_ok=True)
            (tmp_path / "host_vars" / f"{host}.yml").write_text(variables)
        loader = DataLoader()
        loader.set_basedir(str(tmp_path))
        manager = InventoryManager(loader, [str(tmp_path / "hosts.yml")])
        return manager.get_groups_dict(), HostVars(manager, VariableManager(loader, manager), loader)
    return read


FLEET = {
    "trenova": {"children": {"acme": {"hosts": {"a1": {}, "a2": {}}}, "borealis": {"hosts": {"b1": {}}}}},
    "trenova_redis": {"hosts": {"a2": {}}}}


def test_what_one_server_needs_nothing_of():
    assert group_of_installation(ONE) == "trenova"


def test_several_hosts_are_planned_and_not_deployed():
    assert group_of_installation(SPREAD, several=True) == "trenova"
    with pytest.raises(AnsibleFilterError, match=r"not possible yet; nothing was done.* Where: the groups trenova_po"):
        group_of_installation(SPREAD)


@pytest.mark.parametrize("several", [True, False])
@pytest.mark.parametrize(("groups", "problem"), [
    ({}, "has no host in the group trenova; nothing was done. Where: the file after -i. Write: a group trenova with"),
    ({"trenova": []}, "has no host in the group trenova"),
    ({"trenova": ["one"], "trenova_postgres": ["db"]}, "trenova_postgres has hosts that are not in the group trenova"),
    ({"trenova": ["one"], "trenova_postgres": []}, "The group trenova_postgres has no host"),
    ({"trenova": ["one"], "trenova_postgre": ["one"]}, "trenova_postgre means nothing; trenova_postgres is"),
])
def test_groups_that_say_what_cannot_be_stop_a_play_before_it_begins(groups, problem, several):
    with pytest.raises(AnsibleFilterError, match=problem):
        group_of_installation(groups, several)


@pytest.mark.parametrize("problem", [{}, {"trenova_postgre": ["one"]}])
def test_what_may_be_a_fleet_is_left_to_the_checks_that_know_its_child_groups(problem):
    assert group_of_installation({**SPREAD, "acme": ["one", "two"], **problem}) == "trenova"
    with pytest.raises(AnsibleFilterError, match="The group trenova_redis has no host"):
        group_of_installation({**SPREAD, "acme": ["one"], "trenova_redis": [], **problem})


def test_services_of_further_roles_have_groups():
    groups = {"trenova": ["one", "two"], "trenova_greeter": ["two"]}
    assert group_of_installation(groups) == "trenova"
    with pytest.raises(AnsibleFilterError, match="Where: the groups trenova_greeter"):
        group_of_installation(groups, roles_extra=["acme.tools.greeter"])


def test_services_are_the_roles_that_run_an_image():
    assert "docker" not in catalogue.services()
    assert len(catalogue.services()) == 10
    assert catalogue.services(["acme.tools.greeter", "redis"]) == (*catalogue.services(), "greeter")


def test_hosts_of_services_are_those_of_the_installation(ansible):
    groups, hostvars = ansible(FLEET)
    assert service_hosts(groups, hostvars, "b1") == {}
    hosts = service_hosts(groups, hostvars, "a1")
    assert hosts == service_hosts(groups, hostvars, "a2")
    assert (hosts["redis"], hosts["postgres"], len(hosts)) == (["a2"], ["a1"], 10)


def test_hosts_of_services_are_refused_to_who_is_concerned(ansible):
    groups, hostvars = ansible({**FLEET, "trenova_postgre": {"hosts": {"a1": {}}}})
    assert service_hosts(groups, hostvars, "b1") == {}
    with pytest.raises(AnsibleFilterError, match="The group trenova_postgre means nothing"):
        service_hosts(groups, hostvars, "a2")


def test_child_groups_are_those_of_the_inventory(ansible):
    groups, hostvars = ansible(FLEET)
    children = inventory.structure(groups, hostvars).children
    assert (children["trenova"], children["acme"]) == (["acme", "borealis"], [])


@pytest.mark.parametrize("hostvars", [None, {}, {"a1": {}}])
def test_child_groups_that_cannot_be_read_are_unknown(hostvars):
    assert inventory.structure({"trenova": ["a1"]}, hostvars).children is None


def test_variables_are_resolved_and_what_cannot_be_is_left_out(ansible):
    groups, hostvars = ansible(FLEET, {
        "a1": "trenova_domain: '{{ company }}.co'\ncompany: acme\ntrenova_s3_domain: 's3.{{ nothing }}'\nother: 1\n",
        "b1": "$ANSIBLE_VAULT;1.1;AES256\n3030\n"})
    assert inventory.with_variables(groups, hostvars).variables == {
        "a1": {"trenova_domain": "acme.co"}, "a2": {}, "b1": {}}
