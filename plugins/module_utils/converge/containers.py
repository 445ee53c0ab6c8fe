# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is done to containers: start, wait, replace, set limits, hold clients, retire, and mend networks."""

from __future__ import annotations

import contextlib
import threading

from ansible_collections.trenova.selfhost.plugins.module_utils import engine as docker_engine
from ansible_collections.trenova.selfhost.plugins.module_utils.converge import compare
from ansible_collections.trenova.selfhost.plugins.module_utils.converge.errors import ConvergeError
from ansible_collections.trenova.selfhost.plugins.module_utils.engine import EngineError

#: Time for a start whose image must be pulled first.
START_SECONDS = 1800
POLL_SECONDS = 0.3
#: A container that waits for another one may end once or twice at its first start.
RESTARTS_OF_A_LOST_CASE = 5
#: Starts that become possible within this time, or while another start runs, go into one command.
COLLECT_SECONDS = 0.05
#: How often, and after how long, clients that wait are told again to go on.
RELEASE_ATTEMPTS = 3
RELEASE_PAUSE_SECONDS = 1.0


def up(tools, services, force=False):
    """Have Compose create or start services; None on success, else what it said."""
    options = ["--force-recreate"] if force else []
    try:
        done = tools.engine.compose("up", "--detach", "--no-deps", *options, *services, seconds=START_SECONDS)
    except EngineError as error:
        return str(error)
    return None if done.returncode == 0 else done.stderr.strip()[-1500:] or "docker compose up failed"


def start(tools, wanted, force=False):
    """Have Compose create or start one container. Raises ConvergeError where it does not."""
    fault = up(tools, [wanted["service"]], force)
    if fault:
        raise ConvergeError("{} was not started: {}".format(wanted["name"], fault))


class Starter:
    """Starts containers that become ready at the same time with one command of Compose, from several threads.

    One command at a time: two would both try to make the networks that are missing.
    """

    def __init__(self, tools):
        self.tools = tools
        self.lock = threading.Lock()
        self.compose = threading.Lock()
        self.batch = None

    def start(self, containers):
        """Start containers. Raises ConvergeError with the name of the one that is not started."""
        services = [wanted["service"] for wanted in containers]
        with self.lock:
            leads = self.batch is None
            if leads:
                self.batch = _Batch()
            batch = self.batch
            batch.services += services
        if leads:
            self._lead(batch)
        batch.done.wait()
        if batch.fault and batch.services == services and len(services) == 1:
            raise ConvergeError("{} was not started: {}".format(containers[0]["name"], batch.fault))
        if batch.fault:
            # Each alone, so that the failure has a name and costs nobody else his start.
            for wanted in containers:
                start(self.tools, wanted)

    def _lead(self, batch):
        try:
            self.tools.clock.sleep(COLLECT_SECONDS)
            with self.compose:
                with self.lock:
                    self.batch = None
                batch.fault = up(self.tools, batch.services)
        finally:
            batch.done.set()


class _Batch:
    """Services of Compose that are started with one command."""

    def __init__(self):
        self.services = []
        self.fault = "it was not tried"
        self.done = threading.Event()


def wait(tools, wanted):
    """Wait until a container serves, and return what the Engine knows of it.

    Compose waits as well, but to the end of the time even for a container that ends again and again. Raises
    ConvergeError with the last lines of the container's log.
    """
    name = wanted["name"]
    deadline = tools.clock.monotonic() + wanted["wait_seconds"]
    ended_before = None
    while True:
        container = tools.engine.containers(name).get(name)
        if container is None:
            raise ConvergeError(f"{name} is gone, somebody else has removed it")
        if docker_engine.is_serving(container):
            return container
        if ended_before is None:
            ended_before = container["RestartCount"]
        fault = _lost_case(container, ended_before)
        if fault is None and tools.clock.monotonic() > deadline:
            fault = "{} s have passed".format(wanted["wait_seconds"])
        if fault:
            raise _not_healthy(tools, name, container, fault)
        tools.clock.sleep(POLL_SECONDS)


def _lost_case(container, ended_before):
    """Why there is no use in waiting longer; None while there is."""
    ended = container["RestartCount"] - ended_before
    if ended >= RESTARTS_OF_A_LOST_CASE:
        return f"it ended {ended} times"
    return "it ended" if container["State"]["Status"] in ("exited", "dead") else None


def _not_healthy(tools, name, container, fault):
    state = container["State"]
    message = "{} did not become healthy: {} (state {}, exit code {}, health {})".format(
        name, fault, state["Status"], state["ExitCode"], docker_engine.health(container))
    check = docker_engine.last_health_output(container)
    return ConvergeError(message + ("; its check said: " + check if check else ""), tools.engine.logs(name))


def limit_options(limits):
    """Options of `docker update` for the given limits."""
    options = []
    for name, limit in compare.LIMIT_KEYS.items():
        value = limits.get(name)
        if value is not None:
            options += [limit.option, f"{value / 1e9:.9f}" if name == "nano_cpus" else str(value)]
    return [*options, "--restart", compare.RESTART_POLICY]


def set_limits(tools, wanted):
    """Set the limits of a running container. Raises EngineError where the Engine refuses."""
    tools.engine.update(wanted["name"], limit_options(wanted["limits"]))


def limits_of(container):
    """The limits that a container has, in the form in which they are wanted; without those that cannot be set back.

    `docker update` takes 0 for "as it is", so a container without a limit cannot get that back. Only of processes and
    swap there is a number that means no limit.
    """
    found = container["HostConfig"]
    limits = {name: found.get(limit.key) or None for name, limit in compare.LIMIT_KEYS.items()}
    return dict(limits, pids_limit=limits["pids_limit"] or -1)


@contextlib.contextmanager
def held(tools, state, version, entries, says):
    """Make clients wait while a container is away, and let them go on, whatever happens.

    The state file tells a later run of clients that an interrupted one has left waiting. Yields a list, in which those
    are found at the end that were made to wait and could not be let go on. What did not work before is said in `says`.
    """
    running = [entry for entry in entries if is_running(tools, entry["container"])]
    waiting, left = [], []
    if running:
        state.content["held"] = running
        state.save(version)
    for entry in running:
        try:
            tools.engine.exec_(entry["container"], entry["before"], entry["seconds"])
            waiting.append(entry)
        except EngineError as error:
            says.append("{} did not work, went on without: {}".format(entry["says"], error))
    try:
        yield left
    finally:
        left += [entry for entry in release(tools, running) if entry in waiting]
        if running:
            state.content["held"] = left
            state.save(version)


def release(tools, entries):
    """Let clients go on; returns the entries for which that did not work.

    Of clients that may not wait at all, that is no fault: many a program calls it an error to be told so.
    """
    return [entry for entry in entries if not _is_released(tools, entry)]


def _is_released(tools, entry):
    for attempt in range(RELEASE_ATTEMPTS):
        if attempt:
            tools.clock.sleep(RELEASE_PAUSE_SECONDS)
        try:
            # A container that was started anew knows nothing of clients that wait.
            if is_running(tools, entry["container"]):
                tools.engine.exec_(entry["container"], entry["after"], entry["seconds"])
            return True
        except EngineError:
            continue
    return False


def is_running(tools, name):
    """Whether a container runs."""
    container = tools.engine.containers(name).get(name)
    return container is not None and container["State"]["Status"] == "running"


def retire(tools, names, volumes=False):
    """Stop containers within their own stop timeout, and remove them; those that are gone meanwhile are left out."""
    present = sorted(tools.engine.containers(*names))
    if present:
        tools.engine.stop(*present)
        tools.engine.remove(*present, volumes=volumes)


def remove_network(tools, project, name):
    """Remove a network, and before it all containers of the project that are on it."""
    retire(tools, compare.attached_to(name, tools.engine.containers(*tools.engine.containers_of(project["name"]))))
    tools.engine.remove_network(name)
