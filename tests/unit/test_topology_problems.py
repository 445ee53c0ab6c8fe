# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can be wrong with who runs what, and whom it concerns."""

from __future__ import annotations

import pytest
from test_topology import SERVICES, inventory

from ansible_collections.trenova.selfhost.plugins.plugin_utils.problem import Problem
from ansible_collections.trenova.selfhost.plugins.plugin_utils.topology import Inventory, near_miss
from ansible_collections.trenova.selfhost.plugins.plugin_utils.topology_problems import (
    merged,
    not_yet,
    problems_of,
    structure_problems,
)

ADDRESSES = {host: {"trenova_private_address": f"10.0.0.{number}"} for number, host in enumerate("abcd", start=1)}
TWO = {"trenova": ["a", "b"], "trenova_api": ["b"]}
FLEET = {"trenova": {"acme": ["a"], "borealis": ["b"], "castor": ["c"]}}


def told(tree, variables=None, records=None, placed=None):
    """{id: [what is wrong]} of an inventory in which hosts have addresses unless they say otherwise."""
    hosts = {host: dict(own, **(variables or {}).get(host, {})) for host, own in ADDRESSES.items()}
    return {name: [problem.what for problem in problems]
            for name, problems in problems_of(inventory(tree, **hosts), SERVICES, records, placed).items()}


ONE_KEY = ("{} encrypt their backups with the same trenova_backup_key: whoever has that of one reads those of all.")


@pytest.mark.parametrize(("variables", "owners"), [
    ({"a": {"trenova_backup_key": "x"}, "b": {"trenova_backup_key": "y"}}, ""),
    ({"a": {"trenova_backup_key": ""}, "b": {"trenova_backup_key": ""}}, ""),
    ({"a": {"trenova_backup_key": "x"}, "b": {"trenova_backup_key": "x"}}, "acme and borealis"),
    ({host: {"trenova_backup_key": "x"} for host in "abc"}, "acme, borealis and castor"),
    # One installation, whose server is another one now.
    ({"a": {"trenova_backup_key": "x"}, "b": {"trenova_backup_key": "x", "backup_installation": "a"}}, ""),
    ({"a": {"trenova_backup_key": "x"}, "b": {"trenova_backup_key": "x", "backup_installation": "b"}},
     "acme and borealis")])
def test_a_key_of_backups_is_that_of_one_installation(variables, owners):
    found = told(FLEET, variables)
    assert set(found) == {name for name in ("acme", "borealis", "castor") if name in owners}
    assert all(sentences == [ONE_KEY.format(owners)] for sentences in found.values())


def test_the_hosts_of_one_installation_have_one_key():
    assert told(TWO, {host: {"trenova_backup_key": "x"} for host in "ab"}) == {}


def ordinals(**hosts):
    """Variables of hosts that write the numbers of PostgreSQL."""
    return {host: {"trenova_ordinals": {"postgres": number}} for host, number in hosts.items()}


OUTSIDE = "The group trenova_redis has hosts that are not in the group trenova, whose variables they need: "
STRUCTURE = [
    ("no host", {"trenova": []}, {None: ["The inventory has no host in the group trenova; nothing was done."]}),
    ("no group", {"web": ["a"]}, {None: ["The inventory has no host in the group trenova; nothing was done."]}),
    ("an empty member group", {"trenova": ["a"], "trenova_redis": []},
     {None: ["The group trenova_redis has no host."]}),
    ("a member group that has nothing to do with us", {"trenova": ["a"], "trenova_redis": ["x", "y"]}, {
        None: [OUTSIDE + "x, y."]}),
    ("a member group with a foreign host",
     {"trenova": {"acme": ["a"], "borealis": ["b"]}, "trenova_redis": ["a", "x"]}, {
        "acme": [OUTSIDE + "x."]}),
    ("a near miss", {"trenova": ["a"], "trenova_postgre": ["a"]},
     {"trenova": ["The group trenova_postgre means nothing; trenova_postgres is the group of a service."]}),
    ("a near miss that breaks an installation apart", {
        "trenova": {"acme": ["a", "b"], "borealis": ["c"]}, "trenova_redi": ["a"]}, {
        "a": ["The group trenova_redi means nothing; trenova_redis is the group of a service."],
        "b": ["The group trenova_redi means nothing; trenova_redis is the group of a service."]}),
    ("a near miss in two groups", {
        "trenova": {"berlin": ["a", "b"], "ssd": ["b", "c"], "paris": ["d", "e"]}, "trenova_redi": ["b"]},
     {name: ["The group trenova_redi means nothing; trenova_redis is the group of a service."] for name in "abc"}),
    ("a near miss elsewhere", {"trenova": ["a"], "trenova-redis": ["x"]},
     {None: ["The group trenova-redis means nothing; trenova_redis is the group of a service."]}),
    ("a host of two customers", {"trenova": {"acme": ["a"], "borealis": ["a"], "castor": ["c"]}},
     {name: ["a is in 2 installations: acme, borealis."] for name in ("acme", "borealis")}),
    ("a host called as a group", {"trenova": {"acme": ["a"], "place": ["acme", "b"]}},
     {"acme": ["A host and a group are both called acme, and each is an installation."]}),
    ("a host with nothing to do", {"trenova": ["a", "b", "c"], "trenova_api": ["a"]},
     {"trenova": ["c runs nothing; it is one of 3 hosts of trenova."]}),
]


@pytest.mark.parametrize(("tree", "expected"), [row[1:] for row in STRUCTURE], ids=[row[0] for row in STRUCTURE])
def test_what_is_wrong_with_groups_is_told_to_those_concerned(tree, expected):
    assert told(tree) == expected
    found = structure_problems(inventory(tree), SERVICES)
    assert {name: [problem.what for problem in problems] for name, problems in found.items()} == expected
    assert all(problem.where and problem.write for problems in found.values() for problem in problems)


@pytest.mark.parametrize("tree", [
    {"trenova": ["a"]}, {"trenova": ["a", "b", "c"]}, TWO, FLEET,
    {"trenova": ["a"], "postgres": [], "redis": ["x"], "trenova_berlin": ["a"]},
    {"trenova": {"acme": ["acme"], "borealis": ["b"]}}, {"trenova": {"berlin": ["a", "b"], "ssd": ["b", "c"]}},
])
def test_nothing_is_wrong(tree):
    assert told(tree) == {}


@pytest.mark.parametrize(("group", "meant"), [
    ("trenova_postgre", "trenova_postgres"), ("trenova_postgresql", "trenova_postgres"),
    ("trenova_apis", "trenova_api"), ("trenova-redis", "trenova_redis"),
    ("Trenova_Redis", "trenova_redis"), ("trenova_berlin", None),
    ("trenova_postgres", None), ("trenova", None), ("trenova_", None), ("postgre", None), ("redis", None),
])
def test_a_near_miss_is_told_from_an_ordinary_group(group, meant):
    assert near_miss(group, SERVICES) == meant


def test_a_host_that_only_runs_what_is_not_wanted_runs_nothing():
    assert told({"trenova": ["a"]}, placed=[]) == {}
    assert told(TWO, placed=["postgres"]) == {"trenova": ["b runs nothing; it is one of 2 hosts of trenova."]}


VALUES = [
    ("no private address on several", TWO, {"b": {"trenova_private_address": None}},
     {"trenova": ["b has no private address, and is one of 2 hosts of trenova."]}),
    ("no private address on one", {"trenova": ["a"]}, {"a": {"trenova_private_address": ""}}, {}),
    ("no address", {"trenova": ["a"]}, {"a": {"trenova_private_address": "eth1"}},
     {"trenova": ["The private address of a is no address: eth1."]}),
    ("one address in one installation", TWO, {"b": {"trenova_private_address": "10.0.0.1"}},
     {"trenova": ["a and b of trenova have the same private address 10.0.0.1."]}),
    ("one address in two installations", FLEET, {"b": {"trenova_private_address": "10.0.0.1"}}, {
        "acme": ["a and b have the same private address 10.0.0.1, and are hosts of acme and borealis."],
        "borealis": ["a and b have the same private address 10.0.0.1, and are hosts of acme and borealis."]}),
    ("one address in two spellings", TWO,
     {"a": {"trenova_private_address": "fd00::1"}, "b": {"trenova_private_address": "FD00:0:0::1"}},
     {"trenova": ["a and b of trenova have the same private address fd00::1."]}),
    ("one domain", FLEET, {
        "a": {"trenova_domain": "erp.trucks.co", "trenova_s3_domain": "s3.erp.trucks.co"},
        "b": {"trenova_domain": "ERP.trucks.co.", "trenova_s3_domain": "s3.ERP.trucks.co"}},
     {name: ["acme and borealis are to serve the same host name erp.trucks.co."] for name in ("acme", "borealis")}),
    ("one domain for all", FLEET, {host: {"trenova_domain": "erp.trucks.co"} for host in "abc"},
     {name: ["acme, borealis and castor are to serve the same host name erp.trucks.co."]
      for name in ("acme", "borealis", "castor")}),
    ("one domain for objects", FLEET, {
        "a": {"trenova_domain": "a.trucks.co", "trenova_s3_domain": "s3.trucks.co"},
        "b": {"trenova_domain": "b.trucks.co", "trenova_s3_domain": "s3.trucks.co"}},
     {name: ["acme and borealis are to serve the same host name s3.trucks.co."] for name in ("acme", "borealis")}),
    ("the domain of one is that of jobs of another", FLEET, {
        "a": {"trenova_domain": "a.trucks.co", "trenova_jobs_domain": "b.trucks.co"},
        "b": {"trenova_domain": "b.trucks.co"}},
     {name: ["acme and borealis are to serve the same host name b.trucks.co."] for name in ("acme", "borealis")}),
    ("no domain", FLEET, {host: {"trenova_domain": "", "trenova_s3_domain": "s3."} for host in "abc"}, {}),
    ("one domain on the hosts of one installation", TWO,
     {host: {"trenova_domain": "erp.trucks.co"} for host in "ab"}, {}),
    ("one domain on a host of two customers", {"trenova": {"acme": ["a"], "borealis": ["a"]}},
     {"a": {"trenova_domain": "erp.trucks.co"}},
     {name: ["a is in 2 installations: acme, borealis."] for name in ("acme", "borealis")}),
    ("a number of nothing", {"trenova": ["a"]}, {"a": {"trenova_ordinals": {"postgre": 2}}},
     {"trenova": ["postgre is no service; postgres is."]}),
    ("a number of something else", {"trenova": ["a"]}, {"a": {"trenova_ordinals": {"mysql": 2}}},
     {"trenova": ["mysql is no service."]}),
    ("no number", {"trenova": ["a"]}, ordinals(a="two"), {"trenova": ["The number of postgres on a is none: two."]}),
    ("a number below 1", {"trenova": ["a"]}, ordinals(a=0), {"trenova": ["The number of postgres on a is none: 0."]}),
    ("no numbers", {"trenova": ["a"]}, {"a": {"trenova_ordinals": [2]}},
     {"trenova": ["trenova_ordinals of a is no mapping: [2]."]}),
    ("a number twice", dict(TWO, trenova_postgres=["a", "b"]), ordinals(a=2, b=2),
     {"trenova": ["a and b of trenova are both number 2 of postgres."]}),
    ("a number in two installations", FLEET, ordinals(a=2, b=2), {}),
]


@pytest.mark.parametrize(
    ("tree", "variables", "expected"), [row[1:] for row in VALUES], ids=[row[0] for row in VALUES])
def test_what_is_wrong_with_values_is_told_to_those_concerned(tree, variables, expected):
    assert told(tree, variables) == expected


RECORDS = [
    ("as it is written", {"a": 2}, {"a": 2}, {}),
    ("another than written", {"a": 1}, {"a": 2},
     ["a is number 1 of postgres, which never changes; the inventory says 2."]),
    ("one of another host", {"a": 1}, {"b": 1}, ["a and b of trenova are both number 1 of postgres."]),
    ("one that two hosts keep", {"a": 1, "b": 1}, {}, ["a and b of trenova are both number 1 of postgres."]),
]


@pytest.mark.parametrize(
    ("recorded", "written", "expected"), [row[1:] for row in RECORDS], ids=[row[0] for row in RECORDS])
def test_numbers_that_would_change_are_refused(recorded, written, expected):
    records = {host: {"postgres": number} for host, number in recorded.items()}
    found = told(dict(TWO, trenova_postgres=["a", "b"]), ordinals(**written), records)
    assert found == ({"trenova": expected} if expected else {})


@pytest.mark.parametrize(("recorded", "where"), [
    ({}, "trenova_ordinals of b"), ({"a": {"postgres": 2}}, "trenova_ordinals of b"),
    ({"a": {"postgres": 2}, "b": {"postgres": 2}}, "the records of both hosts"),
])
def test_a_number_twice_is_told_where_it_can_be_changed(recorded, where):
    given = inventory(dict(TWO, trenova_postgres=["a", "b"]), **{
        host: dict(ADDRESSES[host], trenova_ordinals={"postgres": 2}) for host in "ab"})
    [problem] = problems_of(given, SERVICES, recorded)["trenova"]
    assert problem.where == where


def test_all_problems_are_told_at_once():
    tree = {"trenova": {"acme": ["a", "b"], "borealis": ["c"], "castor": ["c"]}, "trenova_api": ["a"],
            "trenova_redi": ["c"], "trenova_minio": []}
    found = told(tree, {"a": {"trenova_private_address": "x", "trenova_ordinals": 3}})
    assert {name: len(problems) for name, problems in found.items()} == {
        None: 1, "acme": 2, "borealis": 2, "castor": 2}


@pytest.mark.parametrize(("groups", "is_undecided"), [
    ({"trenova": ["a", "b"]}, False), ({"trenova": ["a", "b"], "acme": ["a"]}, False),
    ({"trenova": ["a", "b"], "trenova_redis": ["a"]}, False),
    ({"trenova": ["a", "b"], "trenova_redis": ["a"], "web": ["a", "x"]}, False),
    ({"trenova": ["a", "b"], "trenova_redis": ["a"], "acme": ["a"]}, True),
])
def test_customers_are_not_taken_for_one_where_the_hierarchy_is_unknown(groups, is_undecided):
    found = structure_problems(Inventory({"all": ["a", "b"], "ungrouped": [], **groups}, None), SERVICES).get(None, [])
    assert [problem.what for problem in found] == [
        "Which groups are child groups of trenova cannot be read with this version of Ansible, and one installation or "
        "several may be meant by acme."] * is_undecided


def test_several_hosts_are_not_possible_yet():
    fleet = {"trenova": {"acme": ["a", "b"], "borealis": ["c"]}, "trenova_api": ["b"], "trenova_redis": ["b", "c"]}
    found = not_yet(inventory(fleet), SERVICES)
    assert list(found) == ["acme"]
    assert found["acme"][0].sentence().startswith(
        "An installation on several hosts is not possible yet; nothing was done. acme has 2: a, b. Where: the groups "
        "trenova_redis, trenova_api. Write: one server in the group acme,")
    assert not_yet(inventory(FLEET), SERVICES) == not_yet(inventory({"trenova": ["a", "b"]}), SERVICES) == {}


def test_problems_of_several_checks_are_told_once_and_those_of_all_first():
    one, two = Problem("1", "here", "x"), Problem("2", "here", "x")
    assert merged({"a": [one]}, {"a": [one, two], None: [two]}) == {None: [two], "a": [one, two]}
    assert list(merged({"a": [one]}, {None: [two]})) == [None, "a"]


def test_a_problem_is_three_lines_or_one_sentence():
    problem = Problem("It is wrong.", "there", "this")
    assert problem.lines() == ["It is wrong.", "  where: there", "  write: this"]
    assert problem.sentence() == "It is wrong. Where: there. Write: this."
