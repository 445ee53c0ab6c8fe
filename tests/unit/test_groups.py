# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Groups of the inventory: one installation on several hosts, or as many installations as hosts."""

from __future__ import annotations

import pytest

from ansible_collections.trenova.selfhost.plugins.plugin_utils.groups import installation, service_hosts

SPREAD = {"trenova": ["db", "app1", "app2", "rest"], "postgres": ["db"], "api": ["app1", "app2"]}


@pytest.mark.parametrize("groups", [
    {"trenova": ["one"]}, {"trenova": ["one"], "postgres": ["one"]}, {"trenova": ["one", "two"], "web": ["two"]}, {},
])
def test_hosts_that_are_installations_of_their_own(groups):
    assert service_hosts(groups) == {}


def test_a_service_without_a_group_runs_where_no_other_has_one():
    hosts = service_hosts(SPREAD)
    assert (hosts["postgres"], hosts["api"], hosts["redis"]) == (["db"], ["app1", "app2"], ["rest"])
    assert service_hosts(dict(SPREAD, trenova=["db", "app1", "app2"]))["redis"] == []


def test_several_hosts_are_planned_and_not_deployed():
    assert installation(SPREAD, several=True) == "trenova"
    with pytest.raises(ValueError, match=r"not possible yet; nothing was done. Where: the groups postgres, api\."):
        installation(SPREAD)


@pytest.mark.parametrize("several", [True, False])
def test_hosts_without_the_variables_of_the_group_are_told(several):
    problem = "postgres have hosts that are not in the group trenova" if several else "not possible yet"
    with pytest.raises(ValueError, match=problem):
        installation({"trenova": ["one"], "postgres": ["db"]}, several=several)


def test_an_inventory_without_a_server():
    with pytest.raises(ValueError, match="has no host in the group trenova; nothing was done"):
        installation({"trenova": [], "postgres": ["db"]}, several=True)
