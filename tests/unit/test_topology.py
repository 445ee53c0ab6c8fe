# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Who runs what: installations, members and names from the groups of an inventory."""

from __future__ import annotations

import ast
import inspect
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.trenova.selfhost.plugins.plugin_utils import topology, topology_problems
from ansible_collections.trenova.selfhost.plugins.plugin_utils.instances import ordinal_name
from ansible_collections.trenova.selfhost.plugins.plugin_utils.topology import (
    Container,
    Endpoint,
    Host,
    Inventory,
    Member,
    containers,
    endpoints,
    installations,
    members_on,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.topology_problems import structure_problems

SERVICES = ("postgres", "redis", "rabbitmq", "minio", "api", "client", "caddy")


def inventory(tree, **variables):
    """An inventory from {group: its hosts, or {child group: ...}}; the key "hosts" has those beside child groups."""
    groups, children = {}, {}

    def enter(group, content):
        below = {name: part for name, part in content.items() if name != "hosts"} if isinstance(content, dict) else {}
        own = content.get("hosts", []) if isinstance(content, dict) else content
        groups[group], children[group] = list(own), list(below)
        for name, part in below.items():
            if part is not None:
                enter(name, part)
            groups[group] += [host for host in groups[name] if host not in groups[group]]

    for group, content in tree.items():
        enter(group, content)
    return Inventory(groups, children, variables)


def found(tree, **more):
    """{id: host names} of the installations of an inventory."""
    there = installations(inventory(tree), SERVICES, **more)
    assert len({each.id for each in there}) == len(there)
    return {each.id: list(each.host_names) for each in there}


LAYOUTS = [
    ("one server", {"trenova": ["erp1"]}, {"trenova": ["erp1"]}),
    ("no server", {"trenova": []}, {}),
    ("no group", {"web": ["a"]}, {}),
    ("twenty servers in one group", {"trenova": ["a", "b", "c"]}, {"a": ["a"], "b": ["b"], "c": ["c"]}),
    ("sorted by place", {"trenova": {"berlin": ["a", "b"], "paris": ["c", "d"]}},
     {"a": ["a"], "b": ["b"], "c": ["c"], "d": ["d"]}),
    ("sorted in two ways", {"trenova": {"berlin": ["a", "b"], "ssd": ["b", "c"]}},
     {"a": ["a"], "b": ["b"], "c": ["c"]}),
    ("customers of one server", {"trenova": {"acme": ["a"], "borealis": ["b"]}}, {"acme": ["a"], "borealis": ["b"]}),
    ("one installation on several", {"trenova": ["a", "b"], "trenova_postgres": ["b"]}, {"trenova": ["a", "b"]}),
    ("member groups as child groups", {"trenova": {"trenova_postgres": ["b"], "trenova_api": ["a"], "hosts": ["c"]}},
     {"trenova": ["c", "b", "a"]}),
    ("a customer on several servers",
     {"trenova": {"acme": ["a", "b"], "borealis": ["c"], "place": ["d", "e"]}, "trenova_redis": ["b"]},
     {"acme": ["a", "b"], "borealis": ["c"], "d": ["d"], "e": ["e"]}),
    ("servers beside customers", {"trenova": {"acme": ["a"], "hosts": ["x", "y"]}},
     {"acme": ["a"], "x": ["x"], "y": ["y"]}),
    ("one server beside customers", {"trenova": {"acme": ["a"], "hosts": ["x"]}}, {"acme": ["a"], "x": ["x"]}),
    ("customers sorted by country", {"trenova": {"germany": {"acme": ["a", "b"], "borealis": ["c"]}, "france": ["d"]},
                                     "trenova_api": ["a", "b"]},
     {"acme": ["a", "b"], "borealis": ["c"], "france": ["d"]}),
    ("a customer in two countries", {"trenova": {"germany": {"acme": ["a"]}, "france": {"acme": None}}},
     {"acme": ["a"]}),
    ("an empty child group", {"trenova": {"acme": [], "hosts": ["a", "b"]}}, {"a": ["a"], "b": ["b"]}),
    ("one server and an empty child group", {"trenova": {"acme": [], "hosts": ["a"]}}, {"trenova": ["a"]}),
    ("member groups made of a customer's groups",
     {"trenova": {"acme": {"acme_db": ["a"], "acme_app": ["b", "c"]}, "borealis": ["d"]},
      "trenova_postgres": {"acme_db": None}, "trenova_redis": {"acme_db": None}, "trenova_api": {"acme_app": None}},
     {"acme": ["a", "b", "c"], "borealis": ["d"]}),
    ("a customer that is part of a member group", {"trenova": {"acme": ["a", "b"]}, "trenova_api": {"acme": None}},
     {"acme": ["a", "b"]}),
    ("groups of the company", {"trenova": ["a"], "redis": ["cache1"], "backup": ["nas1"], "postgres": ["a", "db1"]},
     {"trenova": ["a"]}),
    ("groups of the company with our hosts", {"trenova": ["a", "b"], "redis": ["a"], "trenova_berlin": ["b"]},
     {"a": ["a"], "b": ["b"]}),
    ("a misspelt member group below", {"trenova": {"trenova_postgre": ["a"], "trenova_api": ["b"]}},
     {"trenova": ["a", "b"]}),
    ("a misspelt member group beside customers", {"trenova": {"trenova_postgre": ["a"], "acme": ["a"]}},
     {"acme": ["a"]}),
]


@pytest.mark.parametrize(("tree", "expected"), [row[1:] for row in LAYOUTS], ids=[row[0] for row in LAYOUTS])
def test_which_hosts_are_one_installation(tree, expected):
    assert found(tree) == expected


def test_a_group_that_is_an_installation_is_told_from_a_host_that_is_one():
    tree = {"trenova": {"acme": ["a"], "place": ["b", "c"]}}
    assert [(each.id, each.group) for each in installations(inventory(tree), SERVICES)] == [
        ("acme", "acme"), ("b", None), ("c", None)]


def test_without_the_hierarchy_there_are_no_child_groups():
    fleet = Inventory({"trenova": ["a", "b"], "acme": ["a", "b"]}, None)
    assert [each.id for each in installations(fleet, SERVICES)] == ["a", "b"]
    assert structure_problems(fleet, SERVICES) == {}


def placed(tree, services=SERVICES, **more):
    """{service: [(host, ordinal)]} of the only installation."""
    [installation] = installations(inventory(tree, **more.pop("variables", {})), SERVICES, placed=services, **more)
    return {service: [(member.host, member.ordinal) for member in members]
            for service, members in installation.members.items()}


PLACES = [
    ("one host runs all", {"trenova": ["a"]}, {"postgres": [("a", 1)], "api": [("a", 1)]}),
    ("a group says where", {"trenova": ["a", "b"], "trenova_postgres": ["b"]},
     {"postgres": [("b", 1)], "api": [("a", 1)]}),
    ("in the order of the group", {"trenova": ["a", "b"], "trenova_api": ["b", "a"]},
     {"postgres": [("a", 1)], "api": [("b", 1), ("a", 2)]}),
    ("the rest on one host without a group", {"trenova": ["a", "b", "c", "d"], "trenova_api": ["a"]},
     {"postgres": [("b", 1)], "api": [("a", 1)]}),
    ("a group of a service that is not wanted counts", {"trenova": ["a", "b"], "trenova_minio": ["a"]},
     {"postgres": [("b", 1)], "api": [("b", 1)]}),
]


@pytest.mark.parametrize(("tree", "expected"), [row[1:] for row in PLACES], ids=[row[0] for row in PLACES])
def test_where_a_service_runs(tree, expected):
    assert placed(tree, ("postgres", "api")) == expected


def test_a_member_group_is_shared_out_to_the_installations():
    tree = {"trenova": {"acme": ["a", "b"], "borealis": ["c", "d"]}, "trenova_redis": ["d", "b"]}
    acme, borealis = installations(inventory(tree), SERVICES, placed=["redis", "api"])
    assert acme.service_hosts == {"redis": ["b"], "api": ["a"]}
    assert borealis.service_hosts == {"redis": ["d"], "api": ["c"]}


def test_a_host_has_an_address_for_the_controller_and_one_for_the_other_hosts():
    given = inventory({"trenova": ["a", "b"], "trenova_api": ["a"]},
                      a={"ansible_host": "a.trucks.co", "trenova_private_address": "10.0.0.1"},
                      b={"trenova_private_address": ""})
    [installation] = installations(given, SERVICES)
    assert installation.hosts == (Host("a", "a.trucks.co", "10.0.0.1"), Host("b", "b", None))


NODES = {"trenova": ["a", "b", "c"], "trenova_postgres": ["a", "b", "c"]}
ORDINALS = [
    ("the order of the group at first", {}, {}, [("a", 1), ("b", 2), ("c", 3)]),
    ("what is recorded stays", {"a": 2, "b": 1}, {}, [("b", 1), ("a", 2), ("c", 3)]),
    ("a new one gets the lowest", {"b": 3}, {}, [("a", 1), ("c", 2), ("b", 3)]),
    ("a number of a host that has left is not given again", {"a": 1, "gone": 2, "c": 3}, {},
     [("a", 1), ("c", 3), ("b", 4)]),
    ("a new installation begins with 1, whoever has left", {"gone": 1}, {}, [("a", 1), ("b", 2), ("c", 3)]),
    ("what is written holds", {}, {"c": 1}, [("c", 1), ("a", 2), ("b", 3)]),
    ("what is recorded holds against what is written", {"a": 1}, {"a": 5}, [("a", 1), ("b", 2), ("c", 3)]),
    ("what cannot be a number is not taken", {}, {"a": 0, "b": True, "c": "two"}, [("a", 1), ("b", 2), ("c", 3)]),
]


@pytest.mark.parametrize(
    ("recorded", "written", "expected"), [row[1:] for row in ORDINALS], ids=[row[0] for row in ORDINALS])
def test_the_number_of_a_member(recorded, written, expected):
    records = {host: {"postgres": number} for host, number in recorded.items()}
    variables = {host: {"trenova_ordinals": {"postgres": number}} for host, number in written.items()}
    assert placed(NODES, ["postgres"], records=records, variables=variables)["postgres"] == expected


def test_ordinals_that_are_no_mapping_give_none():
    assert placed({"trenova": ["a"]}, ["postgres"], variables={"a": {"trenova_ordinals": [2]}}) == {
        "postgres": [("a", 1)]}


def test_a_number_that_a_host_of_the_installation_keeps_for_data_of_old_stays_taken():
    tree = {"trenova": ["a", "b", "c"], "trenova_postgres": ["b", "c"]}
    assert placed(tree, ["postgres"], records={"a": {"postgres": 1}})["postgres"] == [("b", 2), ("c", 3)]


def test_a_service_without_a_group_stays_where_its_data_is():
    tree, records = {"trenova": ["a", "b"], "trenova_api": ["b"]}, {"b": {"postgres": 1}}
    assert placed(tree, ["postgres"])["postgres"] == [("a", 1)]
    assert placed(tree, ["postgres"], records=records)["postgres"] == [("b", 1)]


@pytest.mark.parametrize(("ordinal", "name"), [(1, "tren-db"), (2, "tren-db-2"), (12, "tren-db-12")])
def test_the_first_has_the_name_of_the_requirements(ordinal, name):
    assert ordinal_name("tren-db", ordinal) == name


def test_containers_have_the_number_of_their_member_and_count_on():
    described = {"main": {"name": "tren-api"}, "worker": {"name": "tren-api-worker"}}
    first, second = Member("api", "a", 1), Member("api", "b", 2)
    assert [each.name for each in containers(first, described, {"main": 2, "worker": 3})] == [
        "tren-api", "tren-api-2", "tren-api-worker", "tren-api-worker-2", "tren-api-worker-3"]
    assert containers(second, described, {"main": 2, "worker": 0}) == (
        Container(second, "main", "tren-api-2"), Container(second, "main", "tren-api-2-2"))


def test_endpoints_are_for_their_host_alone_unless_they_say_so():
    described = {"sql": {"port": 5432, "scope": "installation", "serve": "leader"}, "status": {"port": 8008}}
    assert endpoints("postgres", described) == (
        Endpoint("postgres", "sql", 5432, "installation", "leader"),
        Endpoint("postgres", "status", 8008, "host", "any"))


@pytest.mark.parametrize(("tree", "recorded", "written", "expected"), [
    ({"trenova": ["a"]}, {}, {}, {"postgres": 1, "redis": 1}),
    ({"trenova": ["a"]}, {"redis": 2}, {}, {"postgres": 1, "redis": 2}),
    ({"trenova": ["a"]}, {"redis": 2}, {"postgres": 3}, {"postgres": 3, "redis": 2}),
    ({"trenova": ["b", "a"], "trenova_postgres": ["b", "a"]}, {}, {}, {"postgres": 2, "redis": 1}),
    ({"web": ["a"]}, {"redis": 2}, {"redis": 5}, {"postgres": 1, "redis": 2}),
    ({}, {}, {}, {"postgres": 1, "redis": 1}),
])
def test_members_of_a_host(tree, recorded, written, expected):
    there = inventory(tree, a={"trenova_ordinals": written} if written else {})
    found = members_on("a", there, ["postgres", "redis"], recorded)
    assert {service: member.ordinal for service, member in found.items()} == expected
    assert {(member.service, member.host) for member in found.values()} == {(each, "a") for each in expected}


@pytest.mark.parametrize("module", [topology, topology_problems])
def test_nothing_of_ansible_is_needed(module):
    imported = {
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.Import | ast.ImportFrom)}
    assert {name for name in imported if name.split(".")[0] == "ansible"} == set()


#: One of them is called as a group is.
HOSTS = ["acme", *(f"h{number}" for number in range(7))]
GROUPS = ["acme", "borealis", "castor", "place"]
MEMBER_GROUPS = [f"trenova_{service}" for service in SERVICES[:4]]


@st.composite
def inventories(draw):
    """Inventories with hosts beside, in and outside of child groups, of which some lie in others, and member groups."""
    of = st.lists(st.sampled_from(HOSTS), unique=True)
    own = {"trenova": draw(of), **{group: draw(of) for group in GROUPS}}
    children = {"trenova": draw(st.lists(st.sampled_from(GROUPS), unique=True)), GROUPS[-1]: []}
    for number, group in enumerate(GROUPS[:-1], start=1):
        children[group] = draw(st.lists(st.sampled_from(GROUPS[number:]), unique=True))
    groups = {}
    for group in [*reversed(GROUPS), "trenova"]:
        groups[group] = list(dict.fromkeys(own[group] + [host for child in children[group] for host in groups[child]]))
    for group in draw(st.lists(st.sampled_from(MEMBER_GROUPS), unique=True)):
        groups[group] = draw(of)
    return Inventory(groups, children, {})


def recorded(there):
    """What the hosts would keep of who they are."""
    records = {}
    for installation in there:
        for members in installation.members.values():
            for member in members:
                records.setdefault(member.host, {})[member.service] = member.ordinal
    return records


@given(inventories())
def test_each_host_is_in_one_installation_or_a_problem_says_why(drawn):
    problems = structure_problems(drawn, SERVICES)
    there = installations(drawn, SERVICES)
    of = {host: [each.id for each in there if host in each.host_names] for host in drawn.hosts("trenova")}
    assert all(of.values()), "a host is nowhere"
    for host, ids in of.items():
        if len(ids) > 1:
            assert all(any(host in problem.what for problem in problems.get(name, [])) for name in ids)
    assert {host for each in there for host in each.host_names} == set(drawn.hosts("trenova"))
    assert set(problems) <= {None, *(each.id for each in there)}


@given(inventories())
def test_each_service_has_a_member_on_a_host_of_its_installation(drawn):
    for installation in installations(drawn, SERVICES):
        for service, members in installation.members.items():
            assert members
            assert {member.host for member in members} <= set(installation.host_names)
            assert [member.ordinal for member in members] == list(range(1, len(members) + 1))
            assert {member.service for member in members} == {service}


@given(inventories(), st.integers(1, 3), st.integers(0, 3))
def test_names_are_unique_on_a_host(drawn, instances, workers):
    described = {service: {"main": {"name": f"tren-{service}"}, "worker": {"name": f"tren-{service}-worker"}}
                 for service in SERVICES}
    for installation in installations(drawn, SERVICES):
        for host in installation.host_names:
            names = [
                container.name for members in installation.members.values() for member in members
                if member.host == host
                for container in containers(
                    member, described[member.service], {"main": instances, "worker": workers})]
            assert len(names) == len(set(names))


@given(inventories(), st.randoms(use_true_random=False))
def test_members_stay_when_the_inventory_is_sorted_anew(drawn, shuffled):
    first = installations(drawn, SERVICES)
    if structure_problems(drawn, SERVICES):
        return
    again = Inventory({group: reordered(hosts, shuffled) for group, hosts in drawn.groups.items()}, drawn.children, {})
    second = installations(again, SERVICES, recorded(first))
    assert {each.id: each.members for each in second} == {each.id: each.members for each in first}


def reordered(hosts, shuffled: random.Random):
    """The same hosts in another order."""
    return shuffled.sample(hosts, len(hosts))


@given(st.lists(st.sampled_from(HOSTS), unique=True, min_size=1), st.data())
def test_members_keep_their_numbers_while_an_installation_grows_and_shrinks(hosts, data):
    """Nothing that was given is given again, as long as somebody is left who knows."""
    given_to, records, now = {}, {}, hosts
    for _step in range(4):
        tree = {"trenova": [*now, "other"], "trenova_redis": now}
        for member in installations(inventory(tree), SERVICES, records, ["redis"])[0].members["redis"]:
            assert given_to.setdefault(member.ordinal, member.host) == member.host
            records.setdefault(member.host, {})["redis"] = member.ordinal
        stays = data.draw(st.lists(st.sampled_from(now), unique=True, min_size=1))
        fresh = [host for host in HOSTS if host not in records]
        now = data.draw(st.permutations(stays + data.draw(
            st.lists(st.sampled_from(fresh), unique=True) if fresh else st.just([]))))
