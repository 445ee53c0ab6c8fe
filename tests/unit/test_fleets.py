# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The inventories of docs/fleets.md mean what the page says of them, and the preflight says whom a problem concerns."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

from ansible_collections.trenova.selfhost.plugins.plugin_utils import catalogue, inventory
from ansible_collections.trenova.selfhost.plugins.plugin_utils.topology import installations
from ansible_collections.trenova.selfhost.plugins.plugin_utils.topology_problems import problems_of

ROOT = pathlib.Path(__file__).resolve().parents[2]
GUIDE = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs/fleets.md").read_text(), re.DOTALL | re.MULTILINE)
SERVER = {"measured": False, "cores": 8, "memory_mb": 16384, "disk_free_gb": 200, "disk_total_gb": 200}


@pytest.mark.parametrize("example", GUIDE)
def test_examples_of_the_guide_mean_what_it_says(example, tmp_path):
    (tmp_path / "hosts.yml").write_text(example)
    loader = DataLoader()
    manager = InventoryManager(loader, [str(tmp_path / "hosts.yml")])
    there = inventory.with_variables(
        manager.get_groups_dict(), HostVars(manager, VariableManager(loader, manager), loader))
    found = {each.id: each for each in installations(there, catalogue.services())}
    assert problems_of(there, catalogue.services()) == {}
    said = dict(re.findall(r"^# (\w+): (.*)$", example, re.MULTILINE))
    assert {name: " ".join(each.host_names) for name, each in found.items()} == said
    for name, places in re.findall(r"^# (\w+) runs (.*)$", example, re.MULTILINE):
        for service, hosts in re.findall(r"(\w+) on ([\w ]+)", places):
            assert found[name].service_hosts[service] == hosts.split()


def test_the_guide_has_an_example_of_each_kind():
    assert len(GUIDE) == 6
    assert sum("runs" in example for example in GUIDE) == 2


@pytest.fixture
def preflight(tmp_path):
    def run(tree, *arguments):
        """(exit code, output in one line) of the playbook, without a server."""
        (tmp_path / "hosts.yml").write_text(yaml.safe_dump(tree))
        command = ["ansible-playbook", ROOT / "playbooks/preflight.yml", "-i", tmp_path / "hosts.yml",
                   "-e", json.dumps({"trenova_capacity": SERVER, "trenova_tier": "minimum"}), *arguments]
        environment = dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"))
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, " ".join((done.stdout + done.stderr).split())
    return run


def customers(**more):
    """A fleet of acme, borealis and castor, of which the first two claim one domain."""
    hosts = {"acme": "erp.trucks.co", "borealis": "erp.trucks.co", "castor": "castor.trucks.co"}
    return {"trenova": {"children": {name: {"hosts": {f"{name}1": {"trenova_domain": domain}}}
                                     for name, domain in hosts.items()}}, **more}


SAME = "acme and borealis are to serve the same host name erp.trucks.co."


def test_one_domain_of_two_customers_is_told_of_both(preflight):
    code, output = preflight(customers())
    assert code == 2
    told = dict(re.findall(r"fatal: \[(\w+)\]: FAILED! => (.*?)(?=\[ERROR\]|fatal:|PLAY RECAP)", output))
    assert sorted(told) == ["acme1", "borealis1", "castor1"]
    assert {host for host, text in told.items() if SAME in text} == {"acme1", "borealis1"}


def test_one_key_of_backups_is_told_of_all_who_have_it_and_not_shown(preflight):
    key = "kD8-fW2_qL5xR9tZ3vB7nM1c"
    tree = customers()
    for name in ("acme", "castor"):
        tree["trenova"]["children"][name]["vars"] = {"trenova_backup_key": key}
    _code, output = preflight(tree)
    told = dict(re.findall(r"fatal: \[(\w+)\]: FAILED! => (.*?)(?=\[ERROR\]|fatal:|PLAY RECAP)", output))
    same = "acme and castor encrypt their backups with the same trenova_backup_key"
    assert {host for host, text in told.items() if same in text} == {"acme1", "castor1"}
    assert key not in output


def test_a_problem_of_others_is_not_told_of_a_customer(preflight):
    _code, output = preflight(customers(), "--limit", "castor")
    assert "problems were found" in output
    assert SAME not in output
    assert SAME in preflight(customers(), "--limit", "acme")[1]


def test_a_customer_on_several_hosts_is_named(preflight):
    tree = customers(trenova_redis={"hosts": {"acme2": {}}})
    tree["trenova"]["children"]["acme"]["hosts"]["acme2"] = {}
    code, output = preflight(tree)
    assert code == 2
    assert "An installation on several hosts is not possible yet; nothing was done. acme has 2: acme1, acme2." in output
    assert "one server in the group acme, and no group of a service" in output
    assert "acme1 has no private address, and is one of 2 hosts of acme." in output
