# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the tests of the scenario share: the server, its secrets, and the playbooks."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess

import pytest
import testinfra
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
INVENTORY = ROOT / "molecule/default/inventory"
STATE = pathlib.Path.home() / ".local/state/trenova-lab"
ADDRESS = "172.30.60.20"


@pytest.fixture(scope="session")
def host():
    """The server, by the SSH configuration that the lab has written."""
    return testinfra.get_host("ssh://molecule1", ssh_config=str(STATE / "ssh/config"))


@pytest.fixture(scope="session")
def secrets():
    """Secrets of the installation: {name: value}."""
    return yaml.safe_load((INVENTORY / "group_vars/trenova/secrets.yml").read_text())


@pytest.fixture
def containers(host):
    """What the Engine says of each container of the project: {name: description}."""
    names = host.check_output("docker ps --all --quiet --filter label=com.docker.compose.project=trenova")
    described = json.loads(host.check_output("docker inspect " + " ".join(names.split())))
    return {entry["Name"].lstrip("/"): entry for entry in described}


class Run:
    """One run of a playbook: its output and what it counted."""

    def __init__(self, done):
        self.returncode = done.returncode
        self.output = done.stdout + done.stderr
        counted = re.search(r"ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", done.stdout)
        self.ok, self.changed, self.unreachable, self.failed = map(int, counted.groups()) if counted else (0, 0, 0, 0)


@pytest.fixture(scope="session")
def playbook():
    """Function that runs a playbook of the repository against the server."""
    def run(name, *arguments):
        environment = dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"))
        return Run(subprocess.run(
            ["ansible-playbook", name, "-i", str(INVENTORY), *arguments], cwd=ROOT, env=environment,
            capture_output=True, text=True, check=False, timeout=900))
    return run
