# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""playbooks/plan.yml as an operator runs it, without a server."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess

import pytest
import yaml

from ansible_collections.trenova.selfhost.plugins.plugin_utils.report.table import WIDTH
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.plan_file import part_of, read_plan

ROOT = pathlib.Path(__file__).resolve().parents[2]
IMAGINED = {"measured": False, "cores": 12, "memory_mb": 24576, "disk_free_gb": 100, "disk_total_gb": 100}


@pytest.fixture
def play(tmp_path):
    def run(*arguments, inventory="prod", **variables):
        """(exit code, output) of the playbook, run from a folder of the operator's own."""
        command = ["ansible-playbook", ROOT / "playbooks/plan.yml", "-i", ROOT / "inventories" / inventory,
                   "-e", json.dumps(variables), *arguments]
        environment = dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"))
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr
    return run


#: What docs/sizing.md tells people to write.
GUIDE = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs/sizing.md").read_text(), re.DOTALL | re.MULTILINE)


def shown(output):
    """What the plan has printed, without what Ansible prints around it."""
    return output[output.index("\nPlan of"):output.index("\nok: ")]


def test_users_alone_say_what_to_buy_and_nobody_is_contacted(play, tmp_path):
    code, output = play("-e", "trenova_users=350")
    assert code == 0, output
    text = shown(output)
    assert "The address of trenova1 is still the example: nobody was contacted." in text
    assert "Plan of trenova1: tier large, 350 users, mode document" in text
    assert "To buy for 350 users (tier large)\n     32  cores" in text
    assert max(map(len, text.splitlines())) <= WIDTH
    written = tmp_path / "reports/prod/plan"
    planned = json.loads((written / "trenova1.json").read_text())
    assert (planned["tier"], planned["needed"]["cores"]["value"], len(planned["services"])) == ("large", 32, 10)
    assert "changes" not in planned
    assert (written / "trenova1.html").read_text().startswith("<!DOCTYPE html>")
    assert "Written: reports/prod/plan/trenova1.html" in text


def test_a_host_that_does_not_exist_is_planned_with_all_services(play, tmp_path):
    code, output = play(trenova_capacity=IMAGINED, trenova_plan_dir=str(tmp_path / "mine"))
    assert code == 0, output
    assert re.search("\n  sum +5760 +2624 ", output)
    assert "still the example" not in output
    assert "large    below         17920" in output
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["trenova1.html", "trenova1.json"]


def test_a_host_that_is_too_small_is_refused_and_planned_all_the_same(play):
    code, output = play(trenova_capacity=dict(IMAGINED, cores=4))
    assert code == 0, output
    assert "Refused for 1 reason; nothing is deployed before they are settled." in output


def test_a_server_that_cannot_be_reached_is_not_made_up_unless_that_is_asked_for(play):
    nowhere = {"ansible_host": "127.0.0.1", "ansible_port": 1, "trenova_users": 80}
    code, output = play(**nowhere)
    assert code == 4
    assert "trenova1 cannot be reached. To plan the host that is needed in its place: -e trenova_plan_measure" in output
    code, output = play(trenova_plan_measure=False, **nowhere)
    assert code == 0, output
    assert "trenova1 was not contacted (trenova_plan_measure: false)." in output
    assert "tier medium, 80 users" in output


def test_values_of_the_operator_are_laid_over_the_host_that_is_needed(play):
    code, output = play(trenova_capacity={"cores": 48})
    assert code == 0, output
    assert "48 cores (x86_64), 24576 MiB" in output


def test_a_wish_that_cannot_be_planned_is_told_as_everywhere(play):
    code, output = play(trenova_users="many")
    assert code == 2
    assert "expected a whole number, got" in output


def test_changes_are_shown_against_what_is_deployed(play, tmp_path):
    assert play(trenova_capacity=IMAGINED, trenova_tier="minimum")[0] == 0
    applied = json.loads((tmp_path / "reports/prod/plan/trenova1.json").read_text())
    deployed = {"services": {"redis": {"enabled": True}},
                "plan": {"redis": part_of(applied, "redis"), "rabbitmq": part_of(applied, "rabbitmq"), "api": []}}
    container = {"name": "tren-client", "state": "running", "one_off": False, "role": "client", "digest": "before",
                 "project": "trenova"}
    code, output = play(trenova_capacity=dict(IMAGINED, deployed=deployed, containers=[container]))
    assert code == 0, output
    text = shown(output)
    assert "Changes against what is applied\n    tier: minimum -> small" in text
    assert "The applied plan of api is not compared. This is no part of a plan" in text
    assert "client: replaces tren-client" in text
    assert "Restarts of postgres, pgbouncer, redis, rabbitmq, minio, api, asynq_dashboard, caddy, backup" in text
    assert "    rabbitmq: its restarts cannot be told\n      memory_limit           512 MiB  ->  1024 MiB" in text
    changes = json.loads((tmp_path / "reports/prod/plan/trenova1.json").read_text())["changes"]
    assert {entry["service"] for entry in changes["services"]} == {"client", "docker", "rabbitmq"}


@pytest.fixture
def several(play, tmp_path):
    def run(groups, **variables):
        """The same for an installation on several hosts: {service: hosts}, and `rest` for those without a group."""
        children = {f"trenova_{service}": {"hosts": dict.fromkeys(hosts)}
                    for service, hosts in groups.items() if service != "rest"}
        hosts = dict.fromkeys(groups.get("rest", []))
        (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"trenova": {"children": children, "hosts": hosts}}))
        return play(inventory=tmp_path / "hosts.yml", trenova_plan_dir=str(tmp_path / "plans"), **variables)
    return run


def test_several_hosts_are_planned_together(several, tmp_path):
    groups = {"postgres": ["db1"], "pgbouncer": ["db1"], "api": ["app1", "app2"], "rest": ["rest1"]}
    code, output = several(groups, trenova_capacity=IMAGINED, trenova_users=150)
    assert code == 0, output
    plans = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "plans").glob("*.json")}
    assert {name: list(plan["services"]) for name, plan in plans.items()} == {
        "db1": ["postgres", "pgbouncer"], "app1": ["api"], "app2": ["api"],
        "rest1": ["redis", "rabbitmq", "minio", "client", "asynq_dashboard", "caddy", "backup"]}
    budgets = [plan["totals"]["connections"] for plan in plans.values()]
    assert budgets[0]["application"] == 2 * plans["app1"]["services"]["api"]["settings"]["database_pool"]
    assert budgets.count(budgets[0]) == 4
    assert "One of 4 hosts: api on app1, app2; asynq_dashboard on rest1;" in " ".join(output.split())
    assert output.count("nothing on it grows with the users") == 2
    assert {entry["setting"].split(".")[0] for entry in plans["app1"]["deviations"]} == {"api", "host"}


def test_several_hosts_are_listed_on_one_page_with_those_that_failed(play, tmp_path):
    hosts = {"a": None, "b": {"trenova_users": "many"}, "c": None}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"trenova": {"hosts": hosts}}))
    code, output = play(
        inventory=tmp_path / "hosts.yml", trenova_capacity=IMAGINED, trenova_tier="small", trenova_plan_dir="plans")
    assert code == 2
    assert output.count("Written: plans/index.html") == 1
    page = (tmp_path / "plans/index.html").read_text()
    assert re.findall('href="(.*?)"', page) == ["a.html", "c.html"]
    assert "<p>3 hosts: 2 fit, 1 not planned.</p>" in page


def test_even_nodes_of_rabbitmq_are_refused(several):
    code, output = several({"rabbitmq": ["a", "b"], "rest": ["c"]}, trenova_capacity=IMAGINED, trenova_tier="small")
    assert code == 0, output
    assert output.count("R10: 2 nodes of rabbitmq planned; ") == 2


def test_a_service_without_a_group_runs_on_the_first_host_where_all_are_in_groups(several, tmp_path):
    code, output = several({"api": ["a"], "postgres": ["b"]}, trenova_capacity=IMAGINED, trenova_tier="small")
    assert code == 0, output
    assert "One of 2 hosts: api on a; asynq_dashboard on a; backup on a;" in " ".join(output.split())


def test_groups_that_say_what_cannot_be_are_refused(several):
    code, output = several({"postgre": ["a"], "api": ["b"], "rest": ["c"]}, trenova_capacity=IMAGINED)
    assert code != 0
    assert "The group trenova_postgre means nothing; trenova_postgres is the group of a service." in output
    assert "Plan of" not in output


@pytest.fixture
def fleet(play, tmp_path):
    def run(*arguments, **hosts):
        """The same for customers, acme with two servers and borealis with one; with variables of hosts."""
        (tmp_path / "hosts.yml").write_text(yaml.safe_dump({
            "trenova": {"children": {
                "acme": {"hosts": {"a1": hosts.get("a1"), "a2": hosts.get("a2")}},
                "borealis": {"hosts": {"b1": hosts.get("b1")}}}},
            "trenova_api": {"hosts": {"a2": None}}, "backup": {"hosts": {"nas": None}}}))
        code, output = play(*arguments, inventory=tmp_path / "hosts.yml", trenova_plan_dir=str(tmp_path / "plans"),
                            trenova_users=40)
        plans = {path.stem: read_plan(path.read_text()) for path in (tmp_path / "plans").glob("*.json")}
        return code, output, {name: len(plan["services"]) for name, plan in plans.items()}
    return run


def test_each_installation_of_a_fleet_is_planned_by_itself(fleet):
    hosts = dict.fromkeys(("a1", "a2", "b1"), {"trenova_capacity": IMAGINED})
    code, output, services = fleet(**hosts)
    assert code == 0, output
    assert services == {"a1": 9, "a2": 1, "b1": 10}
    assert output.count("One of 2 hosts: api on a2;") == 2


def test_an_installation_that_cannot_be_planned_leaves_the_others_alone(fleet):
    nowhere = {"ansible_host": "127.0.0.1", "ansible_port": 1}
    code, output, services = fleet(
        a1={"trenova_capacity": IMAGINED}, a2=nowhere, b1={"trenova_capacity": IMAGINED})
    assert code != 0
    assert "Nothing is known of a2, and all hosts are planned together." in output
    assert services == {"b1": 10}


def test_hosts_are_not_planned_without_one_that_cannot_be_reached(several):
    nowhere = {"ansible_host": "127.0.0.1", "ansible_port": 1}
    code, output = several({"postgres": ["a"], "rest": ["b"]}, **nowhere)
    assert code == 4
    assert "Nothing is known of a, and all hosts are planned together." in output
    assert "Plan of" not in output
    code, output = several({"postgres": ["a"], "rest": ["b"]}, trenova_plan_measure=False, **nowhere)
    assert code == 2
    assert "Nothing is known of a, and all hosts are planned together. Write: what it has" in output


@pytest.mark.parametrize("example", GUIDE)
def test_examples_of_the_guide_work(play, tmp_path, example):
    (tmp_path / "example.yml").write_text(example)
    host = {} if "trenova_capacity" in example else {"trenova_capacity": IMAGINED}
    code, output = play("-e", "@example.yml", **host)
    assert code == 0, output
    assert "Refused" not in output
    planned = json.loads((tmp_path / "reports/prod/plan/trenova1.json").read_text())
    wish = yaml.safe_load(example)
    for service, figures in wish.get("trenova_plan_overrides", {}).items():
        explained = {path.rsplit(".", 1)[-1]: entry for path, entry in planned["explain"].items()
                     if path.startswith(service + ".")}
        assert {name: explained[name]["value"] for name in figures} == figures
    restored = set(wish.get("trenova_restore_document", []))
    assert not restored.intersection(entry["id"] for entry in planned["deviations"])
    assert "nobody was contacted" not in output


def test_the_guide_has_an_example_of_each_kind():
    names = ("trenova_capacity:", "trenova_plan_overrides:", "trenova_restore_document:")
    assert [sum(name in example for example in GUIDE) for name in names] == [1, 1, 1]
