# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""All services of a host in one go: what comes before them, their turns, what comes after, and what is told of it.

A service takes its turn when all that it needs are done. Side by side go only those that have nothing to lose; what ran
before is changed by one service at a time, so that no two are ever put back together.
"""

from __future__ import annotations

import glob
import os
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.trenova.selfhost.plugins.module_utils.converge import (
    compare,
    containers,
    jobs,
    releases,
    seen,
    systemd,
)
from ansible_collections.trenova.selfhost.plugins.module_utils.converge.errors import ConvergeError
from ansible_collections.trenova.selfhost.plugins.module_utils.converge.graph import Graph, ordered
from ansible_collections.trenova.selfhost.plugins.module_utils.converge.images import PULLS_AT_A_TIME
from ansible_collections.trenova.selfhost.plugins.module_utils.converge.progress import Progress
from ansible_collections.trenova.selfhost.plugins.module_utils.converge.service import (
    FAULTS,
    GATHERED,
    Removal,
    Service,
    Shared,
)
from ansible_collections.trenova.selfhost.plugins.module_utils.docker_logins import DockerLogins
from ansible_collections.trenova.selfhost.plugins.module_utils.files import TEMPORARY


class Run:
    """One run over the services of a host: `execute` it, then ask for `result` and `failure`."""

    def __init__(self, parameters, tools, check_mode=False):
        self.parameters = parameters
        self.project = parameters["project"]
        self.tools = tools
        self.check_mode = check_mode
        self.version = parameters["version"]
        self.progress = Progress(parameters["progress"], len(parameters["services"]), parameters["secrets"])
        self.shared = self.host = self.logins = None
        self.login_files = []
        #: Services in an order in which each comes after all that it needs, and those that shall go.
        self.services, self.removals = [], []
        #: The list of the project's files, where somebody has changed it.
        self.listing = None
        #: {name: why} of networks that have to be removed.
        self.wrong_networks = {}
        #: Sentences about what was found and is left as it is.
        self.warnings = []
        #: Names of services with nothing to do.
        self.idle = set()
        #: Services whose data a restore has replaced.
        self.renewed = set()
        #: Failed services, in the order in which they failed.
        self.faults = []

    # -- What happens -------------------------------------------------------------------------------------------------

    def execute(self):
        """Bring everything to its wanted state, or in check mode say what that would take.

        Raises ConvergeError where nothing at all could be begun; a service that fails is told by `failure`.
        """
        self.shared = Shared(self.project, releases.read(self.project["directory"]), self.tools, self.version)
        self.host = self.shared.releases.host
        self._arrange()
        self._compare_logins()
        self._look()
        if self.check_mode:
            for turn in self._turns():
                turn.foretell()
            return
        self._prepare_host()
        self._fetch_for_replacements()
        if not self.faults:
            self._remove_wrong_networks()
        may_start = {name for turn in self.services for name in turn.comparison.may_start()}
        self.idle = {turn.name for turn in self.services if turn.is_idle(may_start)}
        Graph(self.services, self.idle, self._work).run()
        self._second_steps()
        self._retire()
        self._remove()
        self._bring_back()
        self._remember_networks()
        self.host.remove_first_edition()

    def _arrange(self):
        wanted = {each["name"]: each for each in self.parameters["services"]}
        present = [each for each in wanted.values() if each["state"] == "present"]
        self.services = [Service(wanted[name], self.shared) for name in ordered(present)]
        self.shared.services = self.services
        absent = [each for each in wanted.values() if each["state"] == "absent"]
        self.removals = [Removal(each, self.shared) for each in reversed(absent)]

    def _compare_logins(self):
        self.logins = DockerLogins(self.parameters["logins"], self.host.registry_logins)
        if self.logins.fault:
            raise ConvergeError(f"{self.logins.fault}. Nothing was pulled.")
        self.login_files = self.logins.files()

    def _look(self):
        """Compare everything once, and foretell what follows from what."""
        wanted = [turn.wanted for turn in self.services]
        # In check mode on a bare server there is no Engine yet.
        must_answer = not self.check_mode and (
            any(compare.needs_engine(each) for each in wanted) or any(each.has_remains() for each in self.removals))
        snapshot = compare.look_around(self.tools.engine, self.project, wanted, must_answer)
        self.renewed = releases.renewed(self.project["directory"])
        self.shared.new_data = jobs.emptied(wanted, self.shared.releases.services) | self.renewed
        self.shared.units = systemd.ask(self.tools.run, [unit for each in wanted for unit in each["units"]])
        self.listing = self.shared.fragments.wrong()
        known = self.host.networks
        self.wrong_networks, self.shared.off_network = compare.broken_networks(self.project, snapshot, known)
        self.warnings = [
            f"The network {name} was made anew by somebody, and has other addresses. It is kept."
            for name in compare.renumbered_networks(self.project, snapshot, known)]
        restarted, claimed = set(), set()
        for turn in self.services:
            turn.look(snapshot, restarted, claimed)
            restarted.update(turn.comparison.starts())
            claimed.update(managed.path for managed in turn.comparison.changed_files)
        for removal in self.removals:
            removal.look(snapshot)

    def _prepare_host(self):
        """What comes before all turns: remains of interrupted runs, the host's state file, logins."""
        self.progress.begin()
        self._remove_temporaries()
        jobs.forget(
            self.shared.releases.services.values(), self.parameters["services"], self.shared.new_data, self.version)
        releases.settle(self.project["directory"], self.renewed)
        self.host.update(self.version, self.parameters["host"])
        self._write_logins()
        self._release_clients()
        self.shared.fragments.list()

    def _remove_temporaries(self):
        """Files that a killed run has not brought to their places; secrets may be among them."""
        paths = [
            entry["path"] for each in self.parameters["services"] for entry in each["files"] + each["secret_files"]]
        paths += [path for each in self.parameters["services"] for path in each["host_files"]]
        paths += [self.host.path, os.path.join(self.project["directory"], ".env")]
        for directory in sorted({os.path.dirname(path) for path in paths}):
            for path in glob.glob(os.path.join(glob.escape(directory), TEMPORARY + "*")):
                os.unlink(path)

    def _write_logins(self):
        wanted = self.logins.entries()
        if self.login_files or wanted != self.host.registry_logins:
            # An entry that is remembered in vain does no harm; one of which nobody knows would stay for ever.
            self.host.update(self.version, {"registry_logins": dict(self.host.registry_logins, **wanted)})
            self.logins.write()
            self.host.update(self.version, {"registry_logins": wanted})

    def _release_clients(self):
        """Let clients go on that an interrupted run has left waiting."""
        turns = {turn.name: turn for turn in self.services}
        for name, state in self.shared.releases.services.items():
            if state.held:
                containers.release(self.tools, state.held)
                for entry in state.held if name in turns else []:
                    turns[name].say_released(entry)
                state.content["held"] = []
                state.save(self.version)

    def _fetch_for_replacements(self):
        """All images of what ran before are there and proven before the first of it is replaced."""
        replacing = [turn for turn in self.services if turn.replaces() or turn.wanted["pull"]]
        with ThreadPoolExecutor(PULLS_AT_A_TIME) as pool:
            list(pool.map(
                lambda turn: self.attempt(turn, turn.fetch), [turn for turn in replacing if turn.needs_fetch()]))
        for turn in replacing if self.faults else []:
            if not turn.failed():
                turn.wait_for(self.faults[0].name)

    def _remove_wrong_networks(self):
        """Remove networks that are not as they shall be, with all that is on them; it is started again later.

        The host's state file tells which of it are services of Compose that this run is not about.
        """
        if not self.wrong_networks:
            return
        owned = self.tools.engine.containers_of(self.project["name"])
        self._refuse_foreign(owned)
        ours = {name for turn in self._turns() for name in compare.containers_of(turn.name, owned)}
        known = self.tools.engine.containers(*(set(owned) - ours))
        others = {
            owned[container]["com.docker.compose.service"] for network in self.wrong_networks
            for container in compare.attached_to(network, known)
            if owned[container].get("com.docker.compose.oneoff") != "True"}
        self.host.update(self.version, {"stopped": sorted({*others, *self._stopped()})})
        for network in self.wrong_networks:
            containers.remove_network(self.tools, self.project, network)

    def _refuse_foreign(self, owned):
        """Somebody else's containers keep a network from going, and are not ours to stop."""
        for name, network in self.tools.engine.networks(*self.wrong_networks).items():
            attached = {found["Name"] for found in (network.get("Containers") or {}).values()}
            foreign = sorted(attached - set(owned))
            if foreign:
                raise ConvergeError(
                    "the network {} {}, and cannot be made anew while containers that are not of this project are on "
                    "it: {}. Take them off it (docker network disconnect); nothing was replaced.".format(
                        name, self.wrong_networks[name], ", ".join(foreign)))

    def _work(self, turn):
        """One turn, in a thread of its own."""
        self.attempt(turn, turn.complete if turn.name in self.idle else turn.work)
        if not turn.is_open():
            self.progress.ended(turn)

    def _second_steps(self):
        for turn in self.services:
            if turn.second_step and not turn.failed():
                if self.faults:
                    turn.says.append(f"keeps the files of its first step, because {self.faults[0].name} failed")
                else:
                    self.attempt(turn, turn.finish)

    def _retire(self):
        """Containers that nobody wants any more go last, when nobody is led to them either."""
        for turn in self.services:
            if turn.comparison.retired and not self.faults:
                self.attempt(turn, turn.retire)
        for turn in self.services:
            self.progress.ended(turn)

    def _remove(self):
        for removal in self.removals:
            if self.faults and removal.has_work():
                removal.wait_for(self.faults[0].name)
            else:
                self.attempt(removal, removal.work)
            self.progress.ended(removal)

    def _bring_back(self):
        """Start what had to be stopped for a network, and that no service of this run is about."""
        stopped = self._stopped()
        if stopped:
            fault = containers.up(self.tools, stopped)
            if fault:
                raise ConvergeError("{} had to be stopped for a network, and cannot be started again: {}".format(
                    ", ".join(stopped), fault))
            self.host.update(self.version, {"stopped": []})

    def _remember_networks(self):
        """Keep how networks were made, where all is well that stands on them."""
        if self.faults or not any(turn.wanted["containers"] for turn in self.services):
            return
        engine = self.tools.engine
        names = [compare.network_name(self.project, key) for key in self.project["networks"]]
        version = engine.version()
        self.host.update(self.version, {"networks": {
            name: seen.record(seen.of_network(found), found, version)
            for name, found in engine.networks(*names).items()}})

    def _stopped(self):
        return self.host.content.get("stopped") or []

    def attempt(self, turn, step):
        """Do a step of a service, take its time, and take down why it failed."""
        began = self.tools.clock.monotonic()
        try:
            step()
        except FAULTS as error:
            turn.fail(error)
            self.faults.append(turn)
        turn.seconds += self.tools.clock.monotonic() - began

    # -- What is told -------------------------------------------------------------------------------------------------

    def _turns(self):
        return [*self.services, *self.removals]

    def result(self):
        """The result of the module: that of each service, and their lists gathered, in the order of the plan."""
        known = {turn.name: turn.result() for turn in self._turns()}
        known = {each["name"]: known[each["name"]] for each in self.parameters["services"] if each["name"] in known}
        gathered = {name: [entry for found in known.values() for entry in found[name]] for name in GATHERED}
        of_host = [*self.login_files, *([self.listing] if self.listing else [])]
        gathered["changed_files"] = [managed.path for managed in of_host] + gathered["changed_files"]
        diff = ([self.logins.diff()] if self.login_files else []) + ([self.listing.diff()] if self.listing else [])
        return dict(
            gathered, services=known, rolled_back=[name for found in known.values() for name in found["put_back"]],
            diff=diff + [entry for turn in self._turns() if not turn.failed() for entry in turn.diff],
            changed=bool(of_host) or any(
                found["state"] not in ("unchanged", "waited") for found in known.values()))

    def failure(self):
        """What to tell where a service failed; None where none did.

        First causes, with what was printed last; then who was not begun, who is well, and what was put back.
        """
        lines = []
        for turn in self.faults:
            lines.append(f"{turn.name}: {turn.error}")
            log_lines = getattr(turn.error, "log_lines", [])
            lines += ["  The last log lines:", *("    " + line for line in log_lines)] if log_lines else []
            lines += ["  " + sentence for sentence in turn.aftermath]
        for words, names in (
                ("Not begun because of that", [turn.name for turn in self._turns() if turn.waits_for]),
                ("In their wanted state", [turn.name for turn in self.services if turn.is_done()]),
                ("Put back", [name for turn in self._turns() for name in turn.lists["put_back"]])):
            if lines and names:
                lines.append("{}: {}.".format(words, ", ".join(names)))
        return "\n".join(lines) or None
