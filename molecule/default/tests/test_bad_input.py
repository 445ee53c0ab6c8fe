# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Every mistake is told in one problem of three lines, all of a host at once, and nothing is changed.

`WRITE_DOCS=1` writes the messages to docs/bad-input.md.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import re

import pytest
import yaml
from bad_input import CASES

ROOT = pathlib.Path(__file__).resolve().parents[3]
#: The server of the tests is small; these cases are about other mistakes.
LARGE = {
    "cores": 8, "memory_mb": 16384, "disk_free_gb": 80.0, "disk_total_gb": 100.0, "disk_used_by_trenova_gb": 0.0}


def host_variables(server, case):
    """Variables of the host that stands for a case: the server of the tests, under another name."""
    own = dict(case.variables)
    capacity = {**LARGE, **own.pop("trenova_capacity", {})}
    return {
        "ansible_host": server.name, "trenova_domain": f"{case.name}.trenova.test", "trenova_tier": "minimum",
        # A key of backups is that of one installation.
        "trenova_backup_key": hashlib.sha256(case.name.encode()).hexdigest(),
        "trenova_accept_undersized_host": False, **own, "trenova_capacity": capacity}


@pytest.fixture(scope="module")
def preflight(server, host, tmp_path_factory):
    """One run of preflight for all cases: (run, problems by case, what it touched on the server)."""
    folder = tmp_path_factory.mktemp("inventory")
    hosts = {case.name: host_variables(server, case) for case in CASES}
    (folder / "hosts.yml").write_text(yaml.safe_dump({"trenova": {"hosts": hosts}}))
    (folder / "group_vars").symlink_to(ROOT / "molecule/shared/inventory/group_vars")
    before = server.traces()
    # They are all one server, whose sshd accepts ten sessions per connection.
    run = server.run("--forks", "8", playbook=ROOT / "playbooks/preflight.yml", inventory=folder, expect=2)
    problems = {
        entry["host"]: problems_in(entry["result"]["msg"]) for entry in run.results
        if entry["action"].endswith("fail") and entry["state"] == "failed"}
    if os.environ.get("WRITE_DOCS"):
        (ROOT / "docs/bad-input.md").write_text(page(problems))
    return run, problems, server.traces() ^ before


def problems_in(message):
    """The problems of a message, each as its lines."""
    _head, *lines = message.splitlines()
    found = []
    for line in lines:
        if re.match(r" ?\d+\. ", line):
            found.append([])
        found[-1].append(line[4:])
    return found


def page(problems):
    """The messages as a page of the documentation."""
    lines = [
        "# What preflight says", "",
        "Every case is a test (`molecule/default/tests/bad_input.py`), and this page its output. All problems of a",
        "host come at once, before anything is changed.", "", "| mistake | message |", "|---|---|"]
    for case in CASES:
        for problem in problems[case.name]:
            text = "<br>".join(part.strip().replace("|", "\\|") for part in problem)
            text = re.sub(r"/\S+/hosts\.yml:\d+:\d+", "file, line and column of the value", text)
            lines.append(f"| {case.name.replace('-', ' ')} | {text} |")
    return "\n".join(lines) + "\n"


def test_there_are_enough_cases():
    assert len({case.name for case in CASES}) == len(CASES) >= 60


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_mistake_is_told(preflight, case):
    _run, problems, _touched = preflight
    found = problems.get(case.name, [])
    matching = [lines for lines in found if all(word in "\n".join(lines) for word in case.says)]
    assert matching, f"expected {case.says}, found {found}"
    assert len(matching[0]) == 3
    assert not any("\n" in line for line in matching[0])


def test_nothing_is_changed(preflight):
    run, _problems, touched = preflight
    assert run.changed == 0
    assert touched == set()


def test_every_host_stops_for_its_own_problems(preflight):
    _run, problems, _touched = preflight
    assert sorted(problems) == sorted(case.name for case in CASES)


def test_hosts_with_one_domain_are_refused(server, host, tmp_path):
    hosts = {name: {"ansible_host": server.name, "trenova_domain": "erp.trucks.co"} for name in ("one", "two")}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"trenova": {"hosts": hosts}}))
    (tmp_path / "group_vars").symlink_to(ROOT / "molecule/shared/inventory/group_vars")
    run = server.run(playbook=ROOT / "playbooks/preflight.yml", inventory=tmp_path, expect=2)
    assert "one and two are to serve the same host name erp.trucks.co." in run.output
    assert "a host name for each" in run.output


def test_installations_with_one_key_of_backups_are_refused(server, host, tmp_path):
    hosts = {name: {"ansible_host": server.name, "trenova_domain": f"{name}.trucks.co"} for name in ("one", "two")}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"trenova": {"hosts": hosts}}))
    (tmp_path / "group_vars").symlink_to(ROOT / "molecule/shared/inventory/group_vars")
    run = server.run(playbook=ROOT / "playbooks/preflight.yml", inventory=tmp_path, expect=2)
    assert "one and two encrypt their backups with the same trenova_backup_key" in run.output
    # One that was moved to another server is no other one.
    hosts["two"]["backup_installation"] = "one"
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"trenova": {"hosts": hosts}}))
    run = server.run(playbook=ROOT / "playbooks/preflight.yml", inventory=tmp_path, expect=0)
    assert "the same trenova_backup_key" not in run.output


@pytest.mark.parametrize(("inventory", "words"), [
    ({"all": {"hosts": {"one": {}}}},
     ["The inventory has no host in the group trenova", "as in inventories/prod/hosts.yml"]),
    ({"trenova": {"hosts": {}}}, ["The inventory has no host in the group trenova"]),
    ({"trenova": {"hosts": {"one": {}, "two": {}}}, "trenova_postgres": {"hosts": {"two": {}}}},
     ["An installation on several hosts is not possible yet", "the groups trenova_postgres. Write: one server in the"]),
    ({"trenova": {"hosts": {"one": {}}}, "trenova_postgres": {"hosts": {"two": {}}}},
     ["trenova_postgres has hosts that are not in the group trenova", "two."]),
])
def test_groups(server, host, tmp_path, inventory, words):
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory))
    run = server.run(playbook=ROOT / "playbooks/site.yml", inventory=tmp_path, expect=None)
    assert run.returncode != 0
    output = " ".join(run.output.split())
    assert [word for word in words if word not in output] == []
