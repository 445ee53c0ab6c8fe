# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The way of one service from what is found to what is wanted, and back where that fails."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import threading

from ansible_collections.trenova.selfhost.plugins.module_utils import directories
from ansible_collections.trenova.selfhost.plugins.module_utils.converge import (
    compare,
    containers,
    images,
    jobs,
    readiness,
    releases,
    reloads,
    seen,
    systemd,
)
from ansible_collections.trenova.selfhost.plugins.module_utils.converge.errors import ConvergeError
from ansible_collections.trenova.selfhost.plugins.module_utils.converge.fragments import Fragments
from ansible_collections.trenova.selfhost.plugins.module_utils.engine import EngineError
from ansible_collections.trenova.selfhost.plugins.module_utils.files import ManagedFile, sha256

#: Lists of names in the result of a service, which the result of the whole run gathers.
GATHERED = ("changed_files", "started", "reloaded", "removed", "limited", "prepared")
SYSTEMD = "/etc/systemd/system/"
#: What goes wrong on a host, as opposed to a fault of this program.
FAULTS = (ConvergeError, EngineError, OSError)


class Shared:
    """What all services of a run have in common."""

    def __init__(self, project, known, tools, version):
        self.project = project
        self.releases = known
        self.tools = tools
        self.version = version
        self.fragments = Fragments(project)
        self.starter = containers.Starter(tools)
        self.pulls = threading.Semaphore(images.PULLS_AT_A_TIME)
        #: Held while files are compared, written and put back: services share some, the base file of Compose for one.
        self.files = threading.Lock()
        #: {path: names of the services that hold with what is there}.
        self.users = {}
        #: {container: why} of those whose network has to be removed first.
        self.off_network = {}
        #: {unit: what systemd says of it}.
        self.units = {}
        #: Names of the services that had no directory for their data before this run.
        self.new_data = set()
        #: The services of this run.
        self.services = []

    def widen(self):
        """Have entrances lead to containers that have been started."""
        for service in self.services:
            if service.second_step and not service.failed():
                service.widen()

    def is_led_to(self, container):
        """Whether entrances lead to a container, and can do without it."""
        return any(service.leads_past(container) for service in self.services)

    @contextlib.contextmanager
    def led_past(self, container, seconds):
        """Entrances lead past a container while it is replaced, so that no request is running in it when it stops.

        Where it does not serve afterwards they do not lead to it again; who puts it back does that.
        """
        entrances = [service for service in self.services if service.leads_past(container) and not service.failed()]
        for entrance in entrances:
            entrance.lead_past(container)
        if entrances:
            self.tools.clock.sleep(seconds)
        yield
        for entrance in entrances:
            entrance.lead_back()

    def use(self, name, paths):
        """A service holds with what is, from now on, in these files."""
        for path in paths:
            self.users.setdefault(path, set()).add(name)

    def is_used_by_others(self, name, path):
        """Whether another service of this run holds with a file, so that it cannot be put back."""
        return bool(self.users.get(path, set()) - {name})


class Turn:
    """What the results of services and of removals have in common."""

    def __init__(self, wanted, shared):
        self.wanted = wanted
        self.name = wanted["name"]
        self.shared = shared
        self.tools = shared.tools
        self.state = shared.releases.of(self.name)
        self.says = []
        self.diff = []
        self.error = None
        #: What became of it after the failure, for its message.
        self.aftermath = []
        self.waits_for = None
        self.seconds = 0.0
        self.lists = {name: [] for name in (*GATHERED, "put_back")}

    def fail(self, error):
        """Take down why it failed."""
        self.error = error
        self.says.append(str(error))

    def failed(self):
        """Whether it did not reach its wanted state."""
        return self.error is not None or self.waits_for is not None

    def wait_for(self, name):
        """It is not begun, because another one failed."""
        self.waits_for = name
        self.says = [f"waited for {name}"]

    def result(self):
        """The result of one service."""
        return dict(
            {name: list(entries) for name, entries in self.lists.items()}, state=self._outcome(), says=list(self.says),
            seconds=round(self.seconds, 1), log_lines=list(getattr(self.error, "log_lines", [])))

    def _outcome(self):
        if self.error is not None:
            return "failed"
        return "waited" if self.waits_for is not None else self.outcome()


class Service(Turn):
    """A service that shall be there."""

    def __init__(self, wanted, shared):
        super().__init__(wanted, shared)
        self.comparison = None
        #: The actions that were (or in check mode would be) taken, by the words of compare.
        self.actions = set()
        self.pulled = []
        self.was_pulled_again = False
        #: Files of the second step, which hold when all other services are done.
        self.second_step = []
        self.files = []
        self.interim = {}
        self._written, self._touched, self._limits_before, self._unreleased = [], [], [], []
        #: Reloads that were tried since these files were written.
        self._tried = []
        self._was_pending = False
        #: Waits for what it needs and began without; given by the graph.
        self.await_needs = lambda: None

    def outcome(self):
        """The most that was done, in one word."""
        for action, word in ((compare.REPLACE, "replaced"), (compare.START, "started"), (compare.RESTART, "restarted")):
            if action in self.actions:
                return word
        if self.lists["reloaded"]:
            return "reloaded"
        if compare.LIMITS in self.actions:
            return "limits"
        if self.lists["changed_files"] or self.lists["prepared"] or self.pulled or self.says:
            return "removed" if self.lists["removed"] and not self.lists["changed_files"] else "written"
        return "unchanged"

    # -- Looking ------------------------------------------------------------------------------------------------------

    def look(self, snapshot, restarted=(), claimed=()):
        """Compare. `claimed`: paths that a service before this one is going to write."""
        self.files = managed_files(self.wanted)
        self.interim = {entry["path"]: ManagedFile(**entry) for entry in self.wanted["interim"]}
        self.comparison = compare.Comparison(
            self.wanted, self.files, self.state, self.shared.project, snapshot, self.tools.engine,
            self.shared.releases.host.proofs, restarted, self.shared.off_network, self.shared.new_data,
            self.shared.releases.host.pulled, self.shared.units)
        self.comparison.changed_files = [
            managed for managed in self.comparison.changed_files if managed.path not in claimed]

    def is_idle(self, may_start):
        """Whether nothing is to be done, given the containers of other services that may be started before."""
        found = self.comparison
        return not (found.has_work() or self.needs_fetch() or self.pulled or set(self.wanted["follows"]) & may_start)

    def needs_to_begin(self):
        """What it needs before its jobs can run; the rest before it starts, where nothing ran before."""
        found = self.comparison.due_jobs
        if not found or self.comparison.ran_before() or any(job["needs"] is None for job in found):
            return self.wanted["needs"]
        return sorted({need for job in found for need in job["needs"]})

    def is_exclusive(self):
        """Whether it has something to lose, so that its turn is taken alone."""
        return self.comparison.ran_before()

    def replaces(self):
        """Whether a container that ran before is replaced or started again."""
        return self.comparison.ran_before() and bool(self.comparison.may_start())

    def is_done(self):
        """Whether it is in its wanted state, its second step included."""
        return not self.failed() and not self.second_step

    def is_open(self):
        """Whether something is left to be done when all services had their turns."""
        return bool(self.second_step or self.comparison.retired)

    def foretell(self):
        """Say what would be done, in the words of what is done."""
        found = self.comparison
        for entry in found.held:
            self.say_released(entry)
        self.pulled = found.missing_images
        self._say_pulled()
        self._say_files()
        for job in found.due_jobs:
            self._say_prepared(job)
        for finding in found.findings:
            self._say_finding(finding)
        changed = {managed.path for managed in found.changed_files}
        restarted = set(self.lists["started"])
        for entry in reloads.due(self.wanted, changed, found.pending, restarted, found.snapshot.owned):
            self._say_reloaded(entry)
        self._say_switched_on(self._units(changed))
        self._say_retired()

    # -- The service's own turn ---------------------------------------------------------------------------------------

    def fetch(self):
        """Have its images on the host, and proven."""
        with self.shared.pulls:
            host = self.shared.releases.host
            again = images.pull_again(self.wanted, self.tools.engine) if self._pulls_again() else []
            pulled, proofs, by_digest = images.fetch(self.wanted, host.proofs, self.tools.engine, host.pulled)
        self.was_pulled_again = True
        self.pulled = sorted({*again, *pulled})
        self._say_pulled()
        if proofs or by_digest:
            host.prove(self.shared.version, proofs, by_digest)

    def needs_fetch(self):
        """Whether an image is missing or unproven, or shall be pulled again."""
        return bool(self.comparison.missing_images or self.comparison.unproven or self._pulls_again())

    def _pulls_again(self):
        return self.wanted["pull"] and bool(self.wanted["images"]) and not self.was_pulled_again

    def work(self):
        """Bring the service to its wanted state, its second step aside."""
        if self.needs_fetch():
            self.fetch()
        with self.shared.files:
            self.look(self._own_snapshot())
            self.shared.use(self.name, [managed.path for managed in self.files])
            has_work = self.comparison.has_work()
            if has_work:
                reloads.validate(self.wanted, self.comparison.changed_files, self.tools)
                self._begin()
                self._write_files()
        if has_work:
            self._apply()
        if self.waits_for:
            return
        if not self.second_step:
            self.complete()
        left = [entry for entries in self._unreleased for entry in entries]
        if left:
            raise ConvergeError("; ".join(
                "{} did not let its clients go on: {} failed".format(entry["container"], " ".join(entry["after"]))
                for entry in left))

    def widen(self, is_told=True):
        """Before the second step: lead to what another service has started, and still to what will go."""
        between = {entry["path"]: ManagedFile(**entry) for entry in self.wanted["between"]}
        self._step([
            between.get(managed.path, managed) for managed in managed_files(self.wanted)
            if managed.path in self.second_step], is_told)

    def leads_past(self, container):
        """Whether it leads to a container, and can do without it."""
        return any(entry["container"] == container for entry in self.wanted["past"])

    def lead_past(self, container):
        """Lead to the others of its kind alone. Until it leads back, a run that is killed owes a reload."""
        self._owe_reload(True)
        self._step([
            ManagedFile(**file) for entry in self.wanted["past"] if entry["container"] == container
            for file in entry["files"]], is_told=False)

    def lead_back(self):
        """Lead to all that serve again."""
        if self.second_step:
            self.widen(is_told=False)
            return
        paths = {file["path"] for entry in self.wanted["past"] for file in entry["files"]}
        self._step([managed for managed in managed_files(self.wanted) if managed.path in paths], is_told=False)
        self._owe_reload(False)

    def _owe_reload(self, is_owed):
        self.state.content["pending"] = is_owed
        self.state.save(self.shared.version)

    def finish(self):
        """The second step: the files that hold when all other services are done."""
        self._step([managed for managed in managed_files(self.wanted) if managed.path in self.second_step])
        self.second_step = []
        self.complete()

    def _step(self, files, is_told=True):
        changed = set()
        self._written, self._touched, self._limits_before, self._tried = [], [], [], []
        try:
            for managed in files:
                if managed.differs():
                    self._write(managed)
                    changed.add(managed.path)
            self._reload(changed, set(), False, is_told)
        except FAULTS as error:
            self._put_back()
            raise _told(error) from error

    def complete(self):
        """Keep what the service was compared with, for the measurement of the next run."""
        self.state.content.update(
            release=self.wanted["release"], pending=False,
            record=record_of(self.wanted, self.files, self.shared.project), seen=self._seen(),
            places=directories.places(self.wanted["directories"]))
        jobs.adopt(self.wanted, self.files, self.state, self.comparison.snapshot)
        self.state.save(self.shared.version)
        self.state.remove_first_edition()

    def _seen(self):
        """What the Engine says now of how the containers were made."""
        names = [container["name"] for container in self.wanted["containers"]]
        if not names:
            return {}
        version = self.tools.engine.version()
        return {
            name: seen.record(seen.of_container(found), found, version)
            for name, found in self.tools.engine.containers(*names).items()}

    def retire(self):
        """Remove containers that nobody wants any more, an API instance too many for instance."""
        if any(map(self.shared.is_led_to, self.comparison.retired)):
            self.tools.clock.sleep(self.wanted["drain_seconds"])
        containers.retire(self.tools, self.comparison.retired)
        self._say_retired()

    def _own_snapshot(self):
        return compare.look_around(
            self.tools.engine, self.shared.project, [self.wanted], compare.needs_engine(self.wanted))

    def _begin(self):
        """The record goes before the first change; a reload is owed from before the first file on."""
        self._was_pending = self.state.pending
        jobs.adopt(self.wanted, self.files, self.state, self.comparison.snapshot)
        self.state.content["record"] = None
        if self.wanted["reload"] and self.comparison.changed_files:
            self.state.content["pending"] = True
        self.state.save(self.shared.version)

    def _write_files(self):
        self._say_files()
        self.second_step = [
            managed.path for managed in self.comparison.changed_files
            if managed.path in self.interim and self.interim[managed.path].content != managed.content]
        try:
            for entry in self.comparison.directories:
                self._accept(entry["path"], directories.ensure(entry))
            for managed in self.comparison.changed_files:
                now = self.interim[managed.path] if managed.path in self.second_step else managed
                if now.differs():
                    self._write(now)
            self.shared.fragments.list()
        except directories.CannotBeUsed as error:
            raise ConvergeError(f"{error}; nothing was started") from error
        except OSError as error:
            self._put_files_back()
            raise ConvergeError(f"the files cannot be written, nothing was started: {error}") from error

    def _accept(self, path, attributes):
        """Keep what a share gives a directory, so that it differs no more, and say so."""
        accepted = {other: found for other, found in self.state.accepted.items() if other != path}
        if attributes:
            accepted[path] = attributes
            mode, owner, group = attributes
            self.says.append(f"uses {path} as it is: mode {mode:04o}, owner {owner}:{group}")
        self.state.content["accepted"] = accepted

    def _write(self, managed):
        self._written.append(managed)
        managed.write()

    def _apply(self):
        changed = {managed.path for managed in self._written}
        try:
            for job in self.comparison.due_jobs:
                self._prepare(job)
            if missing := self._missing_need():
                self.wait_for(missing)
                return
            self._start()
            self._reload(changed, set(self.lists["started"]), self._was_pending)
            self._switch_on(self._units(changed))
            remove_files(self.tools, self.comparison.stale)
        except FAULTS as error:
            # Where nothing ran before there is nothing to return to: what failed is left for the operator to look at.
            if self.comparison.ran_before() or not self.comparison.findings:
                self._put_back()
            self.lists["started"] = []
            raise _told(error) from error

    def _missing_need(self):
        """Wait for the rest of what it needs. Returns the name of what never comes, None where all is there."""
        began = self.tools.clock.monotonic()
        missing = self.await_needs()
        self.seconds -= self.tools.clock.monotonic() - began
        return missing

    def _prepare(self, job):
        jobs.run(job, self.shared.project, self.tools.engine)
        jobs.remember(job, jobs.key(job, self.files, self.comparison.snapshot.images), self.state)
        self.state.save(self.shared.version)
        self._say_prepared(job)

    def _start(self):
        findings = self.comparison.findings
        if self.comparison.ran_before():
            # What is new serves, and is led to, before the first of what ran goes away.
            new = [finding for finding in findings if finding.found is None]
            others = [finding for finding in findings if finding.found is not None]
            for finding in new:
                self._change_container(finding)
            if new and others:
                self.shared.widen()
            for finding in others:
                self._change_container(finding)
        elif findings:
            # Where nothing ran before there is nothing to lose, so all start at once.
            self._touched += findings
            self.shared.starter.start([finding.wanted for finding in findings])
            for finding in findings:
                self._serve(finding)

    def _change_container(self, finding):
        if finding.action != compare.LIMITS:
            self._start_one(finding)
            return
        before = containers.limits_of(finding.found)
        try:
            containers.set_limits(self.tools, finding.wanted)
        except EngineError:
            words = f"replaced {finding.name}: the Engine refused to set its new limits live"
            self._start_one(finding._replace(action=compare.REPLACE, says=words))
            return
        self._limits_before.append(dict(finding.wanted, limits=before))
        self._say_finding(finding)

    def _start_one(self, finding):
        """Start or replace one container and wait until it serves; clients wait meanwhile where it ran before."""
        force = finding.action != compare.START
        was_running = finding.found is not None and finding.found["State"]["Status"] == "running"
        with self._led_past(finding, force and was_running):
            self._touched.append(finding)
            with self._clients_held(force and was_running):
                containers.start(self.tools, finding.wanted, force)
                self._serve(finding)

    def _led_past(self, finding, is_needed):
        if not is_needed:
            return contextlib.nullcontext()
        return self.shared.led_past(finding.name, self.wanted["drain_seconds"])

    def _serve(self, finding):
        container = containers.wait(self.tools, finding.wanted)
        if compare.differing_limits(container, finding.wanted["limits"], self.tools.engine):
            containers.set_limits(self.tools, finding.wanted)
        said = [
            readiness.prove(self.tools, entry, container, finding.wanted["wait_seconds"])
            for entry in self.wanted["ready"] if entry["container"] == finding.name]
        self._say_finding(finding)
        self.says += filter(None, said)

    @contextlib.contextmanager
    def _clients_held(self, is_needed):
        entries = self.wanted["hold"] if is_needed else []
        with containers.held(self.tools, self.state, self.shared.version, entries, self.says) as left:
            self._unreleased.append(left)
            yield

    def _reload(self, changed, restarted, was_interrupted, is_told=True):
        for entry in reloads.due(
                self.wanted, changed, was_interrupted, restarted, self.comparison.snapshot.owned):
            self._tried.append(entry)
            reloads.run(entry, self.tools)
            if is_told:
                self._say_reloaded(entry)

    def _units(self, changed):
        """Units that have to be switched on: those of new files, and those that somebody has switched off."""
        new = [unit for unit in self.wanted["units"] if systemd.path(unit) in changed]
        return [*new, *(unit for unit in self.comparison.units if unit not in new)]

    def _switch_on(self, units):
        if units:
            systemd.switch_on(self.tools.run, units, lambda command: reloads.on_host(command, self.tools))
            self._say_switched_on(units)

    # -- Back ---------------------------------------------------------------------------------------------------------

    def _put_back(self):
        """Put the files and limits back and start again what ran before."""
        with self.shared.files:
            put_back = self._put_files_back()
        if put_back:
            self._read_again()
        for wanted in self._limits_before:
            with contextlib.suppress(EngineError):
                containers.set_limits(self.tools, wanted)
                self.lists["put_back"].append("limits of " + wanted["name"])
        for finding in self._touched:
            # From the same files and image the same container would only fail once more.
            if finding.found is not None and (self._put_image_back(finding) or put_back):
                self._start_again(finding)
        self.lists["limited"] = []

    def _read_again(self):
        """Have what is on the host read the files that were put back: what the new ones have stopped runs again."""
        # A program that has come with this run has gone with its files.
        gone = {managed.path for managed in self._written if managed.before is None}
        on_host = [entry for entry in self._tried if entry["container"] is None and not gone.intersection(
            entry["command"])]
        well = True
        for entry in on_host:
            try:
                reloads.run(entry, self.tools)
            except FAULTS as error:
                well = False
                self.aftermath.append(f"With the files that were put back it did not work either: {error}")
        if on_host and well:
            self.aftermath.append("The files were put back, and what reads them was told so: {}.".format(
                ", ".join(dict.fromkeys(map(reloads.words, on_host)))))
            if all(entry["container"] is None for entry in self._tried):
                self.state.content["pending"] = self._was_pending
                with contextlib.suppress(OSError):
                    self.state.save(self.shared.version)

    def _put_image_back(self, finding):
        """Give the tag back to the image that ran before, where it stands for another one now; whether it did."""
        reference, before = finding.wanted["image"], finding.found["Image"]
        present = self.tools.engine.images(reference, before)
        if before not in present or present.get(reference, {}).get("Id") in (None, before):
            return False
        if (finding.found.get("Config") or {}).get("Image") != reference:
            return False
        try:
            self.tools.engine.docker("tag", before, reference)
        except EngineError as error:
            self.says.append(f"{reference} could not be put back: {error}")
            return False
        self.lists["put_back"].append(f"image {reference}")
        return True

    def _start_again(self, finding):
        try:
            with self._led_past(finding, True), self._clients_held(True):
                containers.start(self.tools, finding.wanted, force=True)
                containers.wait(self.tools, finding.wanted)
            self.lists["put_back"].append(finding.name)
        except FAULTS as error:
            self.says.append(f"{finding.name} could not be put back: {error}")

    def _put_files_back(self):
        """Put back every file that this run has replaced; a reload is owed where one has read a new one."""
        written = [
            managed for managed in reversed(self._written)
            if not self.shared.is_used_by_others(self.name, managed.path)]
        # First from the list, then from the disk: a name of no file would stop the start of every other service.
        fragment = self.shared.fragments.fragment(self.name)
        if any(managed.path == fragment and managed.before is None for managed in written):
            self.shared.fragments.list(without=[fragment])
        for managed in written:
            managed.restore()
        self.shared.fragments.list()
        gone = {managed.path for managed in written}
        self.lists["changed_files"] = [path for path in self.lists["changed_files"] if path not in gone]
        self.state.content["pending"] = self._was_pending or bool(self.lists["reloaded"])
        # On a full disk the file stays as it was, which only costs a reload too many.
        with contextlib.suppress(OSError):
            self.state.save(self.shared.version)
        return bool(written)

    # -- Words --------------------------------------------------------------------------------------------------------

    def _say_pulled(self):
        self.says += [f"pulled {reference}" for reference in self.pulled]

    def _say_files(self):
        found = self.comparison
        self.lists["changed_files"] = [managed.path for managed in found.changed_files] + found.stale
        self.diff = [managed.diff() for managed in found.changed_files]
        self.diff += [{"before": path + "\n", "after": ""} for path in found.stale]
        self.diff += [{"before": "", "after": "directory " + entry["path"] + "\n"} for entry in found.directories]
        for count, words in (
                (len(found.changed_files), "wrote {} file{}"), (len(found.directories), "made or mended {} director{}"),
                (len(found.stale), "removed {} file{} that nothing wants any more")):
            if count:
                ending = {True: ("y", "ies"), False: ("", "s")}["director" in words][count > 1]
                self.says.append(words.format(count, ending))

    def say_released(self, entry):
        """Say whose clients an interrupted run has left waiting."""
        self.says.append("told clients of {container} to go on, which an earlier run had left waiting".format(**entry))

    def _say_prepared(self, job):
        self.lists["prepared"].append(job["says"])
        self.says.append("done: " + job["says"])

    def _say_finding(self, finding):
        self.actions.add(finding.action)
        self.lists["limited" if finding.action == compare.LIMITS else "started"].append(finding.name)
        self.says.append(finding.says)

    def _say_reloaded(self, entry):
        self.lists["reloaded"].append(reloads.words(entry))
        self.says.append("reloaded: " + reloads.words(entry))

    def _say_switched_on(self, units):
        for unit in units:
            self.lists["reloaded"].append(f"systemctl enable {unit}")
            what = self.comparison.units.get(unit)
            self.says.append(f"put right: {unit} was {what}" if what else f"enabled {unit}")

    def _say_retired(self):
        self.lists["removed"] += self.comparison.retired
        self.says += [f"removed {name}: no longer wanted" for name in self.comparison.retired]


class Removal(Turn):
    """A service that shall not be there. Its data is not ours to delete."""

    def __init__(self, wanted, shared):
        super().__init__(wanted, shared)
        self.containers, self.host_files = [], []
        self.has_files = False
        self.is_done = False

    def outcome(self):
        """One word for what was done."""
        return "removed" if self.is_done else "unchanged"

    def has_remains(self):
        """Whether the host keeps anything of the service, so that only the Engine can tell what runs of it."""
        return os.path.isdir(self.state.directory) or self.state.exists()

    def look(self, snapshot):
        """Find what is left of the service, jobs that run included."""
        self.containers = sorted(
            name for name, found in snapshot.owned.items() if found.get(compare.labels.ROLE) == self.name)
        self.host_files = [path for path in self.wanted["host_files"] if os.path.exists(path)]
        self.has_files = self.has_remains()

    def has_work(self):
        """Whether anything is left of the service."""
        return bool(self.containers or self.host_files or self.has_files)

    def foretell(self):
        """Say what would be removed, in the words of what is removed."""
        self.is_done = self.has_work()
        self.lists["removed"] = list(self.containers)
        self.says += [f"removed {name}" for name in self.containers]
        if self.host_files or self.has_files:
            self.says.append("removed its files")

    def work(self):
        """Remove the service. The state file goes last, and tells a later run of what an interrupted one owes."""
        if not self.has_work():
            return
        self.state.content.update(record=None, pending=True)
        self.state.save(self.shared.version)
        remove_files(self.tools, self.host_files, self.wanted["host_files"])
        containers.retire(self.tools, self.containers, volumes=True)
        self.shared.fragments.list(without=[self.shared.fragments.fragment(self.name)])
        if os.path.isdir(self.state.directory):
            shutil.rmtree(self.state.directory)
        self.state.forget()
        self.foretell()


def remove_files(tools, paths, before=()):
    """Remove files, and directories with all that is in them; a unit of systemd is stopped and forgotten.

    before: paths that an interrupted run may have removed without a word to systemd.
    """
    units = [path for path in (*paths, *before) if path.startswith(SYSTEMD)]
    for path in paths:
        if path in units and (path.endswith(".timer") or systemd.can_be_enabled(path)):
            _systemctl(tools, "disable", "--quiet", "--now", os.path.basename(path))
    for path in paths:
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    if units:
        _systemctl(tools, "daemon-reload")


def _systemctl(tools, *words):
    """A unit that cannot be disabled is gone all the same."""
    with contextlib.suppress(EngineError):
        tools.run(["systemctl", *words])


def managed_files(wanted):
    """The files of a service. Secret ones come in base64."""
    files = [ManagedFile(**entry) for entry in wanted["files"]]
    return files + [
        ManagedFile(secret=True, **dict(entry, content=base64.b64decode(entry["content"]).decode("utf-8")))
        for entry in wanted["secret_files"]]


def record_of(wanted, files, project):
    """What a service was compared with, digests in place of contents."""
    return dict(
        {name: wanted[name] for name in releases.RECORDED},
        project={name: project[name] for name in ("name", "networks")},
        files=[
            {
                "path": managed.path, "sha256": sha256(managed.content), "mode": f"{managed.mode:04o}",
                "owner": managed.owner, "group": managed.group,
            }
            for managed in files])


def _told(error):
    """Any fault as a ConvergeError, with its log lines."""
    return ConvergeError(str(error), getattr(error, "log_lines", ()))
