# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""An installation on several hosts: one plan for each, and the sums that cross them."""

from __future__ import annotations

import pytest
from sizing_builders import host_of, plan_of

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import SERVICES, PlanError, plan_hosts
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.words import counted

HOSTS = {"db1": host_of("small"), "db2": host_of("small"), "app1": host_of("medium"), "app2": host_of("medium"),
         "app3": host_of("medium")}
APPS = ["app1", "app2", "app3"]
GROUPS = {
    "postgres": ["db1", "db2"], "pgbouncer": ["db1"], "redis": APPS, "rabbitmq": APPS, "minio": ["db1"], "api": APPS,
    "client": APPS, "asynq_dashboard": ["app1"], "caddy": ["app1"], "backup": ["db2"],
}


def cluster(tier, service, nodes, **intent):
    """The plan of the first of some hosts, each as recommended for a tier, that all run a service; it has all others.
    """
    hosts = [f"host{number}" for number in range(nodes)]
    groups = dict(dict.fromkeys(SERVICES, hosts[:1]), **{service: hosts})
    return plan_hosts(dict.fromkeys(hosts, host_of(tier)), groups, dict({"tier": "small"}, **intent))[hosts[0]]


def plans(groups=None, **intent):
    return plan_hosts(HOSTS, dict(GROUPS, **(groups or {})), dict({"tier": "large"}, **intent))


def test_one_host_with_everything_is_the_plain_plan():
    everything = dict.fromkeys(SERVICES, ["one"])
    assert plan_hosts({"one": host_of("small")}, everything, {"tier": "small"}) == {"one": plan_of("small")}


def test_problems_of_the_only_host_do_not_name_it():
    with pytest.raises(PlanError) as one:
        plan_hosts({"erp1": host_of("small", cores="x")}, {"api": ["erp1"]}, {"tier": "small"})
    assert one.value.problems == ['capacity.cores: expected a number, got "x"']


def test_what_is_not_wanted_runs_nowhere_though_it_has_a_group():
    result = plans(services=["postgres", "redis"])
    assert {name: list(planned["services"]) for name, planned in result.items()} == {
        "db1": ["postgres"], "db2": ["postgres"], "app1": ["redis"], "app2": ["redis"], "app3": ["redis"]}


def test_each_host_has_its_own_services():
    services = {name: list(result["services"]) for name, result in plans().items()}
    assert services == {
        "db1": ["postgres", "pgbouncer", "minio"], "db2": ["postgres", "backup"],
        "app1": ["redis", "rabbitmq", "api", "client", "asynq_dashboard", "caddy"],
        "app2": ["redis", "rabbitmq", "api", "client"], "app3": ["redis", "rabbitmq", "api", "client"]}


def test_instances_are_shared_out_and_the_budget_counts_all_of_them():
    result = plans(users=500)
    figures = {name: result[name]["services"]["api"] for name in APPS}
    # 500 users need five instances of one core; two on each of three hosts.
    assert [entry["instances"] for entry in figures.values()] == [2, 2, 2]
    assert [entry["containers"]["worker"]["count"] for entry in figures.values()] == [1, 1, 1]
    budget = result["db1"]["totals"]["connections"]
    assert budget["application"] == sum(
        entry["instances"] * entry["settings"]["database_pool"]
        + entry["containers"]["worker"]["count"] * entry["containers"]["worker"]["settings"]["database_pool"]
        for entry in figures.values())
    assert all(other["totals"]["connections"] == budget for other in result.values())
    assert budget["application"] <= budget["max_client_conn"]


def test_pgbouncers_share_the_connections_of_the_database():
    budget = plans({"pgbouncer": APPS})["app1"]["totals"]["connections"]
    assert budget["pgbouncers"] == 3
    assert budget["through_pgbouncer"] == 3 * budget["max_db_connections"]
    assert budget["backends"] == budget["through_pgbouncer"] + 8
    assert budget["through_pgbouncer"] + 8 + 3 <= budget["max_connections"]


def test_the_pool_follows_the_host_of_the_database():
    """The hosts of the API have other cores than that of PostgreSQL; what they share is the same everywhere."""
    capacities = {"db": host_of("large"), "app": host_of("minimum", cores=8)}
    groups = dict.fromkeys(SERVICES, ["app"], ) | {"postgres": ["db"], "pgbouncer": ["db"]}
    result = plan_hosts(capacities, groups, {"tier": "small", "mode": "balanced"})
    assert result["db"]["services"]["postgres"]["cpus"] == 11
    assert result["app"]["totals"]["connections"] == result["db"]["totals"]["connections"]
    assert result["app"]["totals"]["connections"]["pool"] == 46


def test_replicas_get_senders_and_slots():
    hosts = {f"db{number}": host_of("small") for number in range(6)}
    groups = dict.fromkeys(SERVICES, ["db0"]) | {"postgres": list(hosts)}
    settings = plan_hosts(hosts, groups, {"tier": "small"})["db3"]["services"]["postgres"]["settings"]
    assert (settings["max_wal_senders"], settings["max_replication_slots"]) == (14, 14)
    alone = plan_of("small")["services"]["postgres"]["settings"]
    assert (alone["max_wal_senders"], alone["max_replication_slots"]) == (10, 10)


@pytest.mark.parametrize(("nodes", "group"), [(1, 1), (3, 3), (5, 5)])
def test_quorum_queues(nodes, group):
    result = cluster("small", "rabbitmq", nodes)
    settings = result["services"]["rabbitmq"]["settings"]
    assert (settings["nodes"], settings["quorum_group_size"]) == (nodes, group)
    assert result["refusals"] == []


def test_distributed_minio_gets_what_it_allocates_at_its_start():
    result = cluster("small", "minio", 4)
    assert result["services"]["minio"]["memory_limit_mb"] == 4096
    assert result["services"]["minio"]["settings"]["requests_max"] == 601
    assert "minio-single-node" not in [entry["id"] for entry in result["deviations"]]


@pytest.mark.parametrize(("service", "nodes", "remedies"), [
    ("rabbitmq", 2, [1, 3]), ("rabbitmq", 4, [3, 5]), ("rabbitmq", 8, [7]), ("redis", 2, [1, 3]),
    ("minio", 2, [1, 4]), ("minio", 17, [16]),
])
def test_r10_refuses_what_has_no_majority(service, nodes, remedies):
    result = cluster("large", service, nodes)
    refusal = next(entry for entry in result["refusals"] if entry["rule"] == "R10")
    assert refusal["text"].startswith(f"R10: {nodes} nodes of {service} planned; ")
    assert refusal["remedy"] == [f"have {counted(count, 'host')} in the group {service}" for count in remedies]
    assert (refusal["dimension"], refusal["found"]) == (f"{service}.nodes", nodes)


def test_problems_of_all_hosts_come_at_once():
    with pytest.raises(PlanError) as caught:
        plan_hosts({"a": host_of("small", cores="x"), "b": host_of("small", memory_mb="12 GiB")},
                   {"api": ["a", "c"], "postgres": ["b"], "rabitmq": ["b"]}, {"tier": "small"})
    assert caught.value.problems == [
        'groups: no service is called "rabitmq". Did you mean rabbitmq?',
        "c: is in a group of the inventory, but nothing is known of it",
        'a: capacity.cores: expected a number, got "x"',
        'b: capacity.memory_mb: expected MiB as a plain number, got "12 GiB"; write 12288',
    ]
