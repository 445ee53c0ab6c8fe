# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""An Engine in memory, which reads the project's Compose files from the disk as the real one does, in JSON.

It can be told that the containers of an image become ill, that a job fails, that a pull does not work; and to be killed
at its n-th call, after which nothing works any more.
"""

from __future__ import annotations

import copy
import json
import pathlib
import subprocess
import threading

from ansible_collections.trenova.selfhost.plugins.module_utils.engine import EngineError, TookTooLong

#: What Docker 26.1.5 said of a container and a network that Compose 2.26.1 had made: all keys that it reports.
INSPECTED = json.loads((pathlib.Path(__file__).parents[1] / "data/inspected.json").read_text())
FEATURES = {"MemoryLimit": True, "SwapLimit": True, "CpuCfsQuota": True, "CPUShares": True, "PidsLimit": True}
#: Key of Compose: key of the Engine's host configuration.
LIMITS = {
    "mem_limit": "Memory", "memswap_limit": "MemorySwap", "mem_reservation": "MemoryReservation",
    "cpu_shares": "CpuShares", "pids_limit": "PidsLimit"}
UPDATES = {
    "--memory": "Memory", "--memory-swap": "MemorySwap", "--memory-reservation": "MemoryReservation",
    "--cpu-shares": "CpuShares", "--pids-limit": "PidsLimit"}


class Killed(BaseException):
    """The process is killed: not an error that anybody could handle."""


class Mortal:
    """Counts what changes the world, and dies at the n-th time: from then on nothing works any more."""

    def __init__(self):
        self.lock = threading.RLock()
        self.count = 0
        self.dies_at = None

    def step(self):
        """To be called before each change."""
        with self.lock:
            self.count += 1
            if self.dies_at is not None and self.count >= self.dies_at:
                raise Killed


class Clock:
    """A clock on which nobody waits."""

    def __init__(self):
        self.now = 0.0
        self.lock = threading.Lock()
        #: What happens in the world while somebody waits.
        self.on_sleep = None

    def monotonic(self):
        with self.lock:
            return self.now

    def sleep(self, seconds):
        with self.lock:
            self.now += seconds
        if self.on_sleep is not None:
            self.on_sleep()


class FakeEngine:
    """The interface of tools.Engine, over a world that tests set up and look at."""

    def __init__(self, directory, mortal=None):
        self.directory = pathlib.Path(directory)
        self.mortal = mortal or Mortal()
        self.lock = threading.RLock()
        #: What was asked for that changes something, in order.
        self.calls = []
        self.answers = True
        self.features = dict(FEATURES)
        self.release = "26.1.5"
        self.found, self.networks_found = {}, {}
        #: {reference: id} of what is on the host, and of what can be pulled.
        self.local, self.registry = {}, {}
        #: Ids of all images that were pulled.
        self.ever = set()
        #: {image id: how its containers end up}: healthy where nothing is said; unhealthy, exited, crashing, starting.
        self.ends_up = {}
        #: {job: (return code, output)}, or {job: "hangs"}.
        self.job_results = {}
        #: How containers end in which contracts are checked: (return code, output).
        self.run_results = (0, "")
        #: Texts that make a command fail when they stand in it: {text: message}.
        self.failing = {}
        self.memory = {}
        #: What a command in a container does to the world.
        self.on_exec = None
        self.moment = 0
        #: Names of containers at work, by what was seen of them: tests of order look here.
        self.events = []
        #: {container: job that has to run before it serves}
        self.serves_after = {}

    # -- Looking ------------------------------------------------------------------------------------------------------

    def containers(self, *names):
        with self.lock:
            self._answer()
            for name in names:
                if name in self.found:
                    self._live(self.found[name])
            return {name: copy.deepcopy(self.found[name]) for name in names if name in self.found}

    def containers_of(self, project):
        with self.lock:
            self._answer()
            return {
                name: dict(found["Config"]["Labels"]) for name, found in self.found.items()
                if found["Config"]["Labels"].get("com.docker.compose.project") == project}

    def images(self, *references):
        self._answer()
        # An image that has lost its tag is there by its id.
        known = dict(self.local, **{image: image for image in self.ever})
        return {name: {"Id": known[name]} for name in references if name in known}

    def networks(self, *names):
        self._answer()
        return {
            name: dict(self.networks_found[name], Containers={
                f"id of {container}": {"Name": container} for container, found in self.found.items()
                if name in found["NetworkSettings"]["Networks"] and found["State"]["Status"] == "running"})
            for name in names if name in self.networks_found}

    def version(self):
        self._answer()
        return self.release

    def networks_of(self, project):
        self._answer()
        return {
            name: dict(found["Labels"]) for name, found in self.networks_found.items()
            if found["Labels"].get("com.docker.compose.project") == project}

    def information(self):
        self._answer()
        return dict(self.features)

    def memory_in_use(self, name):
        return self.memory.get(name, 0)

    def logs(self, container):
        return [f"last words of {container}"]

    # -- Changing -----------------------------------------------------------------------------------------------------

    def docker(self, *arguments, check=True, **_options):
        with self.lock:
            self._call(*arguments)
            if arguments[0] == "pull":
                reference = arguments[-1]
                if reference not in self.registry:
                    return self._failed(f"manifest of {reference} unknown", check)
                self.local[reference] = self.registry[reference]
                self.ever.add(self.local[reference])
                return _done(0)
            if arguments[0] == "tag":
                self.local[arguments[2]] = dict(self.local, **{image: image for image in self.ever})[arguments[1]]
                return _done(0)
            if arguments[0] == "tag":
                self.local[arguments[2]] = self.local[arguments[1]]
                return _done(0)
            if arguments[0] == "run":
                return _done(*self.run_results)
        raise AssertionError(f"the fake Engine does not know docker {arguments[0]}")

    @staticmethod
    def _failed(error, check):
        if check:
            raise EngineError(error)
        return _done(1, "", error)

    def compose(self, *arguments, seconds):
        with self.lock:
            try:
                self._call("compose", *arguments)
            except EngineError as error:
                return _done(1, "", str(error))
            try:
                project = self._project()
            except FileNotFoundError as error:
                return _done(1, "", f"no such file: {error.filename}")
            if arguments[0] == "up":
                services = [word for word in arguments[1:] if not word.startswith("--")]
                for service in services:
                    fault = self._up(project, service, "--force-recreate" in arguments)
                    if fault:
                        return _done(1, "", fault)
                return _done(0)
            if arguments[0] == "run":
                return self._job(project, arguments[-1], seconds)
        raise AssertionError(f"the fake Engine does not know docker compose {arguments[0]}")

    def exec_(self, container, command, seconds=600):
        with self.lock:
            self._call("exec", container, *command)
            if self._status(container) != "running":
                raise EngineError(f"container {container} is not running")
            if self.on_exec is not None:
                self.on_exec(container, command)

    def signal(self, container, signal):
        with self.lock:
            self._call("kill", container, signal)

    def update(self, container, options):
        with self.lock:
            self._call("update", container, *options)
            config = self.found[container]["HostConfig"]
            for option, value in zip(options[::2], options[1::2], strict=True):
                if option == "--cpus":
                    config["NanoCpus"] = round(float(value) * 1e9)
                elif option == "--restart":
                    config["RestartPolicy"] = {"Name": value}
                else:
                    config[UPDATES[option]] = int(value)

    def stop(self, *containers):
        with self.lock:
            self._call("stop", *containers)
            for name in containers:
                self.found[name]["State"].update(Status="exited")

    def remove(self, *containers, volumes=False):
        with self.lock:
            self._call("rm", *containers, *(["--volumes"] if volumes else []))
            for name in containers:
                del self.found[name]

    def remove_network(self, name):
        with self.lock:
            self._call("network rm", name)
            if any(name in found["NetworkSettings"]["Networks"] for found in self.found.values()):
                raise EngineError(f"network {name} has active endpoints")
            del self.networks_found[name]

    # -- The world ----------------------------------------------------------------------------------------------------

    def _answer(self):
        if not self.answers:
            raise EngineError("The Docker Engine does not answer")

    def _call(self, *words):
        self._answer()
        self.mortal.step()
        self.calls.append(" ".join(words))
        for text, message in self.failing.items():
            if text in self.calls[-1]:
                raise EngineError(message)

    def _status(self, name):
        return self.found[name]["State"]["Status"] if name in self.found else None

    def _project(self):
        """Base file and fragments, by the list in .env."""
        listing = dict(
            line.split("=", 1) for line in (self.directory / ".env").read_text().splitlines() if "=" in line)
        project = {"name": listing["COMPOSE_PROJECT_NAME"], "services": {}, "networks": {}}
        for path in listing["COMPOSE_FILE"].split(":"):
            content = json.loads((self.directory / path).read_text())
            project["services"].update(content.get("services", {}))
            project["networks"].update(content.get("networks", {}))
        return project

    def _up(self, project, service, force):
        definition = project["services"].get(service)
        if definition is None:
            return f"no such service: {service}"
        name, reference = definition["container_name"], definition["image"]
        if reference not in self.local:
            return f"no such image: {reference}"
        networks = [self._network(project, key) for key in definition.get("networks", [])]
        config = json.dumps(definition, sort_keys=True)
        found = self.found.get(name)
        if found and not force and found["config"] == config and found["Image"] == self.local[reference]:
            if found["State"]["Status"] != "running":
                self._run(found)
            return None
        self.found[name] = found = {
            "Id": f"container-{self.moment}-of-{name}", "Name": "/" + name, "Image": self.local[reference],
            "RestartCount": 0, "config": config,
            "Config": self._config(project, service, definition),
            "HostConfig": self._host_config(definition),
            "NetworkSettings": {"Networks": {
                network["Name"]: {
                    "NetworkID": network["Id"], "Aliases": [name, service], "IPAddress": name,
                    "IPAMConfig": None} for network in networks}},
            "State": {"Status": "created", "StartedAt": "", "ExitCode": 0, "Health": {"Status": "starting", "Log": []}},
        }
        self._run(found)
        return None

    @staticmethod
    def _config(project, service, definition):
        environment = definition.get("environment", {})
        return dict(
            copy.deepcopy(INSPECTED["container"]["Config"]), Image=definition["image"],
            Hostname=definition["container_name"],
            Env=[f"{name}={value}" for name, value in sorted(environment.items())],
            Labels=dict(definition["labels"], **{
                "com.docker.compose.project": project["name"], "com.docker.compose.service": service,
                "com.docker.compose.oneoff": "False", "com.docker.compose.config-hash": str(hash(str(definition)))}))

    @staticmethod
    def _host_config(definition):
        config = dict(
            copy.deepcopy(INSPECTED["container"]["HostConfig"]), NetworkMode="trenova_data",
            RestartPolicy={"Name": definition.get("restart", "unless-stopped")},
            NanoCpus=round(definition.get("cpus", 0) * 1e9))
        config.update({key: definition.get(name, 0) for name, key in LIMITS.items()})
        return config

    def _network(self, project, key):
        wanted = project["networks"][key]
        name = wanted.get("name") or f"{project['name']}_{key}"
        if name not in self.networks_found:
            self.moment += 1
            self.networks_found[name] = dict(
                copy.deepcopy(INSPECTED["network"]), Name=name, Id=f"network-{self.moment}",
                Internal=bool(wanted.get("internal")),
                Driver=wanted.get("driver", "bridge"), EnableIPv6=bool(wanted.get("enable_ipv6")), IPAM={
                    "Config": [{"Subnet": f"10.{sum(map(ord, name)) % 200}.0.0/24"}]},
                Labels={"com.docker.compose.project": project["name"], "com.docker.compose.network": key})
        return self.networks_found[name]

    def _run(self, found):
        self.moment += 1
        found["State"].update(Status="running", StartedAt=f"2026-11-25T10:00:00.{self.moment:09}Z")
        found["State"]["Health"] = {"Status": "starting", "Log": []}
        self.events.append(("started", found["Name"].lstrip("/")))

    def _live(self, found):
        """A container that starts becomes what it shall be when it is looked at."""
        state = found["State"]
        if state["Status"] != "running" or state["Health"]["Status"] != "starting":
            return
        awaited = self.serves_after.get(found["Name"].lstrip("/"))
        if awaited is not None and ("job", awaited) not in self.events:
            return
        ends_up = self.ends_up.get(found["Image"], "healthy")
        if ends_up == "exited":
            state.update(Status="exited", ExitCode=3)
        elif ends_up == "crashing":
            found["RestartCount"] += 1
        elif ends_up != "starting":
            state["Health"]["Status"] = ends_up
            state["Health"]["Log"] = [{"ExitCode": int(ends_up != "healthy"), "Output": "asked for its health"}]
            if ends_up == "healthy":
                self.events.append(("serves", found["Name"].lstrip("/")))

    def _job(self, project, service, seconds):
        definition = project["services"].get(service)
        if definition is None:
            return _done(1, "", f"no such service: {service}")
        self.events.append(("job", service))
        result = self.job_results.get(service, (0, ""))
        if result == "hangs":
            self.found[f"tren-{service}"] = {
                "Name": f"/tren-{service}", "Image": self.local[definition["image"]], "RestartCount": 0, "config": "",
                "Config": {"Labels": {
                    "com.docker.compose.project": project["name"], "com.docker.compose.oneoff": "True",
                    "com.docker.compose.service": service, "trenova.role": definition["labels"]["trenova.role"]}},
                "HostConfig": {}, "NetworkSettings": {"Networks": {}},
                "State": {"Status": "running", "StartedAt": "2026-11-25T10:00:00Z", "ExitCode": 0}}
            raise TookTooLong(f"docker compose took longer than {seconds} s")
        return _done(result[0], result[1])

    # -- For tests ----------------------------------------------------------------------------------------------------

    def state(self):
        """The world as an end state: what would be the same again after an undisturbed run."""
        containers = {
            name: (found["config"], found["Image"], found["State"]["Status"], found["HostConfig"],
                   sorted(found["NetworkSettings"]["Networks"]))
            for name, found in sorted(self.found.items())}
        networks = {name: (found["Internal"], found["Driver"]) for name, found in self.networks_found.items()}
        return {"containers": copy.deepcopy(containers), "networks": networks, "images": dict(self.local)}


def _done(code, output="", error=""):
    return subprocess.CompletedProcess([], code, output, error)
