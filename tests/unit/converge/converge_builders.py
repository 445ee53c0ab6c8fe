# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A host on which services are converged: real files, a fake Engine, and a short way to say what is wanted."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import os
import pathlib
import subprocess

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from fake_engine import Clock, FakeEngine, Mortal

from ansible_collections.trenova.selfhost.plugins.module_utils.converge.errors import ConvergeError
from ansible_collections.trenova.selfhost.plugins.module_utils.converge.run import Run
from ansible_collections.trenova.selfhost.plugins.module_utils.converge.tools import Tools
from ansible_collections.trenova.selfhost.plugins.modules.converge import ARGUMENT_SPEC

# A copy, because the defaults of the parts are filled into it.
VALIDATOR = ArgumentSpecValidator(copy.deepcopy(ARGUMENT_SPEC))
NETWORKS = {"data": {"name": "trenova_data", "internal": True}, "edge": {"name": "trenova_edge"}}
MIB = 1 << 20
#: Keys of Compose for the limits of a container.
LIMIT_KEYS = {
    "memory": "mem_limit", "memory_swap": "memswap_limit", "memory_reservation": "mem_reservation",
    "cpu_shares": "cpu_shares", "pids_limit": "pids_limit", "nano_cpus": "cpus"}


def validated(parameters):
    """Arguments with the defaults of the module's specification; fails where they do not fit it."""
    result = VALIDATOR.validate(parameters)
    assert not result.error_messages, result.error_messages
    return result.validated_parameters


class Host:
    """A host with one project, whose wanted services tests describe in a line."""

    error = ConvergeError

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.directory = self.root / "opt"
        self.mortal = Mortal()
        self.engine = FakeEngine(self.directory, self.mortal)
        self.clock = Clock()
        #: Commands on the host, and which of them fail: {text: (return code, output)} or {text: exception}.
        self.commands, self.failing_commands = [], {}
        self.networks = dict(NETWORKS)
        #: What containers answer: a function (address, port, method, path, body, headers); the address is the name.
        self.answers = None

    # -- What is wanted -----------------------------------------------------------------------------------------------

    def service(
            self, name, *containers, needs=(), version="1", image=None, files=None, secrets=None, networks=("data",),
            limits=None, jobs=(), **more):
        """A service: by default one container `tren-<name>` of the image `<name>:1`, which can be pulled.

        version stands in the definition of each container, so that another one is another digest.
        """
        image = image or f"{name}:1"
        self.engine.registry.setdefault(image, f"sha256:{image}")
        definitions, wanted = {}, []
        for container in containers or [f"tren-{name}"]:
            key = container[len("tren-"):]
            definition = {
                "container_name": container, "image": image, "networks": list(networks),
                "environment": {"VERSION": version}}
            digest = hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()[:8]
            definition["labels"] = {"trenova.role": name, "trenova.digest": digest}
            definition.update({
                LIMIT_KEYS[limit]: value / 1e9 if limit == "nano_cpus" else value
                for limit, value in (limits or {}).items()})
            definitions[key] = definition
            wanted.append({
                "key": key, "service": key, "name": container, "image": image, "digest": digest, "wait_seconds": 30,
                "limits": limits or {}, "networks": [self.networks[network]["name"] for network in networks]})
        return self._service(name, definitions, wanted, image, jobs, files, secrets, dict(more, needs=list(needs)))

    def without_containers(self, name, jobs=(), files=None, secrets=None, **more):
        """A service of files and jobs alone."""
        image = f"{name}:1"
        self.engine.registry.setdefault(image, f"sha256:{image}")
        return self._service(name, {}, [], image, jobs, files, secrets, more)

    def _service(self, name, definitions, containers, image, jobs, files, secrets, more):
        for job in jobs:
            definitions[job["service"]] = {
                "container_name": "tren-" + job["service"], "image": image, "profiles": ["jobs"],
                "labels": {"trenova.role": name}}
        directory = self.directory / name
        base = {"name": "trenova", "networks": self.networks}
        entries = [
            {"path": str(directory / "compose.yaml"), "content": json.dumps({"services": definitions})},
            {"path": str(self.directory / "compose.yaml"), "content": json.dumps(base)}] if definitions else []
        entries += [{"path": self.path(name, path), "content": text} for path, text in (files or {}).items()]
        return dict({
            "name": name, "files": entries, "containers": containers, "images": [{"reference": image}],
            "jobs": [dict({"image": image, "says": f"The job {job['service']}"}, **job) for job in jobs],
            "secret_files": [
                {"path": self.path(name, path), "content": base64.b64encode(text.encode()).decode()}
                for path, text in (secrets or {}).items()],
            "release": {"description": {"name": name}, "plan": {"memory_mb": 1}},
            "wish": hashlib.sha256(json.dumps([entries, containers, more], default=str).encode()).hexdigest()[:8],
        }, **more)

    def path(self, name, path):
        """Absolute path of a file of a service."""
        return path if path.startswith("/") else str(self.directory / name / path)

    def absent(self, name, **more):
        """A service that shall go."""
        return dict({"name": name, "state": "absent"}, **more)

    # -- What happens -------------------------------------------------------------------------------------------------

    def run(self, *services, check=False, **more):
        """Converge, and return the run; an error that stops everything is raised."""
        parameters = validated(dict({
            "project": {"directory": str(self.directory), "networks": self.networks}, "services": list(services),
            "version": "0.2.0"}, **more))
        run = Run(parameters, Tools(self.engine, self.clock, self.command, self.request), check)
        run.execute()
        return run

    def converge(self, *services, **more):
        """Converge, and return the result; fails where a service does."""
        run = self.run(*services, **more)
        assert run.failure() is None, run.failure()
        return run.result()

    def command(self, command, seconds=600):
        """Run a command on the host."""
        self.mortal.step()
        self.commands.append(" ".join(command))
        for text, outcome in self.failing_commands.items():
            if text in self.commands[-1]:
                if isinstance(outcome, Exception):
                    raise outcome
                return subprocess.CompletedProcess(command, *outcome)
        return subprocess.CompletedProcess(command, 0, "")

    def request(self, *request):
        """Send a request to a container."""
        self.mortal.step()
        return self.answers(*request)

    def forget_calls(self):
        """Forget what was done so far."""
        self.engine.calls.clear()
        self.engine.events.clear()
        self.commands.clear()

    # -- What is there ------------------------------------------------------------------------------------------------

    def container(self, name):
        """A container as the Engine knows it, to look at and to change."""
        return self.engine.found[name]

    def state(self, name):
        """Content of a state file."""
        path = self.directory / ".state" / f"{name}.json"
        return json.loads(path.read_text()) if path.exists() else None

    def files(self):
        """{path: (mode, content)} of all files below the host's root."""
        found = {}
        for folder, _folders, names in os.walk(self.root):
            for name in names:
                path = pathlib.Path(folder) / name
                found[str(path.relative_to(self.root))] = (path.stat().st_mode & 0o777, path.read_text())
        return found


def first_edition(host):
    """Make of a converged host one that the first edition has left: its files, and no state file.

    Returns the paths of its files below the host's root.
    """
    written = []

    def write(path, content):
        path.write_text(json.dumps(content))
        written.append(str(path.relative_to(host.root)))

    for state in sorted((host.directory / ".state").iterdir()):
        name, record = state.stem, json.loads(state.read_text()).get("record")
        state.unlink()
        if record:
            folder = host.directory / name
            write(folder / "service.json", {"name": name})
            write(folder / "plan.json", {"memory_mb": 7})
            write(folder / ".converged.json", {
                "name": name, "wish": "w1", "directories": [], "files": record["files"], "follows": [], "guards": [],
                "retired_containers": [], "project_dir": str(host.directory), "units": [
                    {"service": each["service"], "container": each["name"], "image": each["image"],
                     "digest": each["digest"]} for each in record["containers"]]})
    write(host.directory / "images.json", {"api": "proven"})
    write(host.directory / "registry-logins.json", {"registry.test": "digest"})
    write(host.directory / "host.json", {"disk_free_gb_before": 64.4})
    return written
