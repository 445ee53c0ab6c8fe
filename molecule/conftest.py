# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the tests of all scenarios share: the server, its secrets, and runs of playbooks whose results can be read."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import shlex
import socket
import subprocess
import sys
import time

import pytest
import testinfra
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/lab"))
from load import SESSIONS, Entrance, Load  # noqa: E402  # found by the line above

SCENARIO = pathlib.Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
STATE = pathlib.Path.home() / ".local/state/trenova-lab"
RUN_SECONDS = 900
REGISTRY = "172.30.60.2:5000"
#: Marks a test of minutes that CI leaves to the proof of its scenario.
LONG = pytest.mark.skipif("PROOF" not in os.environ, reason="takes minutes, with PROOF=1 (make proof-backup)")
#: All that a check must leave alone. What running services write into their data changes by itself.
TRACES = (
    "find /opt /etc /usr/local -xdev -type f -exec sha256sum {} + 2>/dev/null | sort; "
    "find /var/lib/trenova /var/backups -maxdepth 1 -printf '%p %U:%G %m\\n' 2>/dev/null | sort; "
    "docker ps --all --no-trunc --quiet 2>/dev/null; docker images --quiet --no-trunc 2>/dev/null | sort")


class Run:
    """One run of a playbook: what it printed, and what each of its tasks returned."""

    def __init__(self, done, results):
        self.returncode = done.returncode
        self.output = done.stdout + done.stderr
        self.results = results
        counted = re.search(r"ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", done.stdout)
        self.ok, self.changed, self.unreachable, self.failed = map(int, counted.groups()) if counted else (0, 0, 0, 0)

    def context(self):
        """What the run knew of the server: capacity, plan and services."""
        known = [entry["result"]["ansible_facts"]["trenova"] for entry in self.results
                 if "trenova" in (entry["result"].get("ansible_facts") or {})]
        return known[-1]

    def gathered(self, key):
        """All entries of a list that tasks returned, changed_files or started for instance."""
        return [entry for result in self.results for entry in result["result"].get(key) or []]


class Server:
    """The server of the scenario and the playbook that is run against it."""

    def __init__(self, name, inventory, playbook, record):
        self.name = name
        self.record = record
        self.inventory = inventory
        self.playbook = playbook
        self.shell = testinfra.get_host(f"ssh://{name}", ssh_config=str(STATE / "ssh/config"))
        self.address = re.search(rf"Host {name}\n\s+HostName (\S+)", (STATE / "ssh/config").read_text()).group(1)

    def run(self, *arguments, variables=None, playbook=None, inventory=None, expect=0):
        """Run the scenario's playbook, or another one of the repository."""
        self.record.unlink(missing_ok=True)
        environment = dict(
            os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), TRENOVA_RECORD=str(self.record),
            ANSIBLE_CALLBACK_PLUGINS=str(ROOT / "tests/lab/callback_plugins"), ANSIBLE_CALLBACKS_ENABLED="recorder")
        done = subprocess.run(
            self.command(playbook, variables, *arguments, inventory=inventory), cwd=ROOT, env=environment,
            capture_output=True, text=True, check=False, timeout=RUN_SECONDS)
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        results = [json.loads(line) for line in lines]
        run = Run(done, results)
        assert expect is None or run.returncode == expect, run.output
        return run

    def command(self, playbook=None, variables=None, *arguments, inventory=None):
        """Command that runs a playbook."""
        words = ["ansible-playbook", playbook or self.playbook, "-i", inventory or self.inventory, *arguments]
        if variables:
            words += ["-e", json.dumps(variables)]
        return [str(word) for word in words]

    def start(self, variables, playbook=None):
        """Start a run and return its process, for tests that interrupt it."""
        environment = dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"))
        return subprocess.Popen(
            self.command(playbook, variables), cwd=ROOT, env=environment, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)

    @contextlib.contextmanager
    def tunnel(self, container, port):
        """A port on this machine that leads to one of a container, through SSH."""
        inspect = "docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}' "
        address = self.shell.check_output(inspect + container).split()[0]
        with socket.create_server(("127.0.0.1", 0)) as free:
            local = free.getsockname()[1]
        process = subprocess.Popen([
            "ssh", "-F", str(STATE / "ssh/config"), "-o", "ControlPath=none", "-o", "ExitOnForwardFailure=yes", "-N",
            "-L", f"127.0.0.1:{local}:{address}:{port}", self.name])
        try:
            for _attempt in range(100):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", local), 1):
                    break
                time.sleep(0.1)
            yield local
        finally:
            process.terminate()
            process.wait()

    def started(self):
        """When each container was started: {name: time}."""
        inspect = "docker inspect --format '{{.Name}} {{.State.StartedAt}}'"
        listing = self.shell.check_output("docker ps --all --quiet | xargs --no-run-if-empty " + inspect)
        return dict(line.lstrip("/").split() for line in listing.splitlines())

    def restarted(self, before):
        """Names of the containers that came, went or were started anew since `before`."""
        after = self.started()
        return {name for name in {*before, *after} if before.get(name) != after.get(name)}

    def client(self, image, command, network="trenova_data", options=""):
        """Output of a command in a container of its own on a network of the project; "failed: ..." where it did."""
        run = f"docker run --rm --network {network} {options} --entrypoint sh {REGISTRY}/{image} -c "
        done = self.shell.run(run + shlex.quote(command))
        return done.stdout.strip() if done.rc == 0 else f"failed: {done.stderr.strip()}"

    def traces(self):
        """All that a check must leave alone, as a set of lines."""
        return set(self.shell.run(TRACES).stdout.splitlines())

    def containers(self):
        """What the Engine says of each container of the project: {name: description}."""
        names = self.shell.check_output("docker ps --all --quiet --filter label=com.docker.compose.project=trenova")
        described = json.loads(self.shell.check_output("docker inspect " + " ".join(names.split()))) if names else []
        return {entry["Name"].lstrip("/"): entry for entry in described}

    @contextlib.contextmanager
    def change(self, variables, restarts=(), shows=()):
        """Check, real, check again, real again, and back: the proof of a change.

        restarts names the containers that may be started anew, shows the words that the announced difference holds.
        """
        before = self.started()
        announced = self.run("--check", "--diff", variables=variables)
        assert announced.changed >= 1, announced.output
        assert [word for word in shows if word not in announced.output] == [], announced.output
        assert self.started() == before
        real = self.run(variables=variables)
        assert real.gathered("changed_files") == announced.gathered("changed_files")
        assert real.gathered("started") == announced.gathered("started")
        assert self.restarted(before) == set(restarts)
        try:
            yield real
            for options in (("--check",), ()):
                again = self.run(*options, variables=variables)
                assert again.changed == 0, again.output
        finally:
            self.run()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The server of the scenario, not touched by its role yet."""
    scenario = yaml.safe_load((SCENARIO / "molecule.yml").read_text())
    return Server(
        scenario["platforms"][0]["name"], pathlib.Path(os.environ["MOLECULE_INVENTORY_FILE"]).parent,
        SCENARIO / "converge.yml", tmp_path_factory.mktemp("run") / "record.jsonl")


class FirstRun:
    """What a check announced on the untouched server, and what the run after it did."""

    def __init__(self, server):
        before = server.traces()
        self.announced = server.run("--check", "--diff")
        self.touched = server.traces() ^ before
        self.real = server.run()


@pytest.fixture(scope="session")
def first_run(server):
    """The first runs of the scenario's role."""
    return FirstRun(server)


@pytest.fixture(scope="session")
def host(server, first_run):
    """Shell on the server once the role has run."""
    return server.shell


@pytest.fixture(scope="session")
def secrets():
    """Secrets of the installation: {name: value}."""
    return yaml.safe_load((ROOT / "molecule/shared/inventory/group_vars/trenova/secrets.yml").read_text())


@pytest.fixture
def load(server, host, secrets):
    """A stream of requests by the administrator through the entrance, from some browsers of his."""
    entrance = Entrance(server.address, "trenova.test")
    password = secrets["trenova_admin_password"]
    return Load(entrance, [entrance.log_in("admin@trenova.test", password) for _session in range(SESSIONS)])


@pytest.fixture
def containers(server, host):
    """What the Engine says of each container of the project: {name: description}."""
    return server.containers()
