# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is wanted of a service against what is there: files, directories, containers, limits, networks, jobs, images.

The same comparison serves a run, a check, and the measurement that tells which services are as their records say. It
only reads: files, the Engine's socket, and what systemd says of units.
"""

from __future__ import annotations

import glob
import os
from typing import Any, NamedTuple

from ansible_collections.trenova.selfhost.plugins.module_utils import directories, labels
from ansible_collections.trenova.selfhost.plugins.module_utils import engine as docker_engine
from ansible_collections.trenova.selfhost.plugins.module_utils.converge import images, jobs, seen, systemd
from ansible_collections.trenova.selfhost.plugins.module_utils.converge.fragments import Fragments
from ansible_collections.trenova.selfhost.plugins.module_utils.engine import EngineError
from ansible_collections.trenova.selfhost.plugins.module_utils.images import is_made_from

#: What has to be done to a container: it is absent or does not run; it is another one; it is the right one and must be
#: made anew or started again; or only its limits differ.
START, REPLACE, RESTART, LIMITS = "start", "replace", "restart", "limits"
#: After a reboot the Engine starts a container of ours, unless an administrator has stopped it.
RESTART_POLICY = "unless-stopped"
#: What a live change of a memory limit must leave above what the container uses.
MEMORY_MARGIN = 1.1


class Limit(NamedTuple):
    """A limit of a container: key in its host configuration, option of `docker update`, whether the kernel has it."""

    key: str
    option: str
    feature: str


LIMIT_KEYS = {
    "memory": Limit("Memory", "--memory", "MemoryLimit"),
    "memory_swap": Limit("MemorySwap", "--memory-swap", "SwapLimit"),
    "memory_reservation": Limit("MemoryReservation", "--memory-reservation", "MemoryLimit"),
    "nano_cpus": Limit("NanoCpus", "--cpus", "CpuCfsQuota"),
    "cpu_shares": Limit("CpuShares", "--cpu-shares", "CPUShares"),
    "pids_limit": Limit("PidsLimit", "--pids-limit", "PidsLimit"),
}


#: What a container may come out of by itself: who verifies asks it again and again, and tells how it is in the end.
STARTING, UNHEALTHY = "is starting", "was unhealthy"


class Finding(NamedTuple):
    """What has to be done to one container: what is wanted, what the Engine knows, the action, its words, and why."""

    wanted: Any
    found: Any
    action: str
    says: str
    why: str

    @property
    def name(self):
        """Name of the container."""
        return self.wanted["name"]


class Snapshot:
    """What the Engine knows of all that some services are about, asked once; by default, nothing."""

    def __init__(
            self, containers=None, images=None, networks=None, owned=None, project_networks=None, version=""):
        #: Version of the Engine.
        self.version = version
        self.containers = containers or {}
        self.images = images or {}
        self.networks = networks or {}
        #: {name: labels} of all containers and networks of the project.
        self.owned = owned or {}
        self.project_networks = project_networks or {}

    @classmethod
    def take(cls, engine, project, services, lists=None):
        """Ask the Engine. Raises EngineError where it does not answer.

        lists: what `lists_of` said of the project, where that is asked once for several snapshots.
        """
        owned, project_networks, version = lists or lists_of(engine, project["name"])
        containers = [container for service in services for container in service["containers"]]
        followed = [name for service in services for name in service["follows"]]
        references = [container["image"] for container in containers]
        references += [entry["reference"] for service in services for entry in service["images"]]
        references += [job["image"] for service in services for job in service["jobs"]]
        networks = [name for container in containers for name in container["networks"]]
        networks += [network_name(project, key) for key in project["networks"]]
        return cls(
            engine.containers(*[container["name"] for container in containers], *followed),
            engine.images(*references), engine.networks(*networks), owned, project_networks, version)

    def without_images(self, references):
        """The same, as if these images were not there."""
        kept = {reference: image for reference, image in self.images.items() if reference not in references}
        return Snapshot(self.containers, kept, self.networks, self.owned, self.project_networks)


def lists_of(engine, project_name):
    """({name: labels} of all containers of a project, the same of all networks, version of the Engine)."""
    return engine.containers_of(project_name), engine.networks_of(project_name), engine.version()


class Comparison:
    """In what the host differs from what is wanted of one service."""

    def __init__(
            self, service, files, state, project, snapshot, engine, proofs=None, restarted=(), off_network=None,
            new_data=frozenset(), pulled=None, units=None):
        """restarted: names of containers that are started before this service is, which is what a check foretells.

        off_network: {container: why} of those whose network has to be removed first. new_data: names of the services
        that this run makes directories for. pulled: what is known of images that were pulled by a digest. units: {unit:
        what systemd says of it}.
        """
        self.service = service
        self.snapshot = snapshot
        self.directory = os.path.join(project["directory"], service["name"])
        self.changed_files = [managed for managed in files if managed.differs()]
        self.stale = stale_files(self.directory, {managed.path for managed in files})
        self.stale += [path for path in service.get("host_files", []) if os.path.exists(path)]
        #: The list of the project's files, where it is another one; it is put right before any service's turn.
        self.listing = Fragments(project).wrong() if service["containers"] or service["jobs"] else None
        self.directories = [
            entry for entry in service["directories"] if directories.wrong(entry, state.accepted.get(entry["path"]))]
        self.missing_images = images.missing(service, snapshot.images, pulled)
        #: Those that are there and are pulled anew: what runs from them is replaced, what they did counts no more.
        outdated = {reference for reference in self.missing_images if reference in snapshot.images}
        found = [
            _finding(
                container, service["follows"], snapshot, engine, restarted, off_network or {}, outdated, state.seen)
            for container in service["containers"]]
        self.findings = [finding for finding in found if finding.action]
        places = directories.places(service["directories"])
        #: {directory of data: the place it had before} of those that lie on another disk now.
        self.moved = {
            path: state.places[path] for path, mount in places.items() if state.places.get(path, mount) != mount}
        #: Of which an earlier version of the collection did not keep how it was made, or where it lies.
        self.unknown = [
            container["name"] for container in service["containers"]
            if container["name"] in snapshot.containers and container["name"] not in state.seen]
        self.unknown += [path for path in places if path not in state.places and os.path.isdir(path)]
        #: {unit: what it is} of those that do not run as they shall; what a new file does is none of it.
        changed = {managed.path for managed in self.changed_files}
        self.units = {
            unit: systemd.fault(units[unit]) for unit in service.get("units", [])
            if unit in (units or {}) and systemd.fault(units[unit]) and systemd.path(unit) not in changed}
        self.owned = containers_of(service["name"], snapshot.owned)
        wanted = {container["name"] for container in service["containers"]}
        self.retired = [name for name in self.owned if name not in wanted]
        self.unproven = images.unproven(service, snapshot.images, proofs or {})
        works_with = {service["name"], *service.get("needs", [])}
        self.due_jobs = jobs.due(
            service, files, self.changed_files, state, snapshot.without_images(outdated),
            is_forgotten=bool(new_data & works_with))
        self.pending = state.pending
        self.held = state.held

    def differs(self):
        """Whether anything has to be done in the service's own turn or after it."""
        return self.has_work() or bool(self.retired or self.unknown or self.listing or self.moved)

    def words(self):
        """What differs, in the words of who looks and changes nothing; not what may pass by itself."""
        return [
            *(f"the file {managed.path} is another one" for managed in self.changed_files),
            *([f"the file {self.listing.path} is another one"] if self.listing else []),
            *(f"the file {path} is none of ours" for path in self.stale),
            *("the directory {path} is not there, or has another owner or mode".format(**entry)
              for entry in self.directories),
            *(f"the directory {path} lay on the disk that is mounted on {mount}, and lies elsewhere now"
              for path, mount in self.moved.items()),
            *(f"the image {reference} is not on the host" for reference in self.missing_images),
            *(f"{finding.name} {finding.why}" for finding in self.findings
              if finding.why not in (STARTING, UNHEALTHY)),
            *(f"{name} is no longer wanted" for name in self.retired),
            *(f"{unit} is {what}" for unit, what in self.units.items()),
            *("{says} is due".format(**job) for job in self.due_jobs),
            *(["it has not read its files"] if self.pending else []),
            *("clients of {container} are held".format(**entry) for entry in self.held)]

    def has_work(self):
        """Whether anything has to be done in the service's own turn."""
        return bool(
            self.changed_files or self.directories or self.stale or self.findings or self.missing_images
            or self.due_jobs or self.pending or self.held or self.units)

    def ran_before(self):
        """Whether a container of the service exists."""
        return bool(self.owned) or any(
            container["name"] in self.snapshot.containers for container in self.service["containers"])

    def starts(self):
        """Names of the containers that are created, replaced or started again."""
        return [finding.name for finding in self.findings if finding.action != LIMITS]

    def may_start(self):
        """As `starts`, and those whose limits are set, which may end in a replacement."""
        return [finding.name for finding in self.findings]


def stale_files(directory, wanted):
    """Files below config/ and secrets/ of a service that nothing accounts for any more."""
    found = []
    for part in ("config", "secrets"):
        found += glob.glob(os.path.join(directory, part, "**", "*"), recursive=True)
    return sorted(path for path in found if os.path.isfile(path) and path not in wanted)


def containers_of(name, owned):
    """Names of the containers that were made from the fragment of a service, one-off ones aside."""
    return sorted(
        container for container, found in owned.items()
        if found.get(labels.ROLE) == name and found.get("com.docker.compose.oneoff") != "True")


def network_name(project, key):
    """Name on the Engine of a network of the project."""
    return project["networks"][key].get("name") or "{}_{}".format(project["name"], key)


def wrong_networks(project, snapshot, known=None):
    """{name: why} of the networks that have to be removed, because the Engine cannot change them.

    known: {network: how it was made, as the Engine said then}.
    """
    found = {}
    for key, wanted in project["networks"].items():
        name = network_name(project, key)
        network = snapshot.networks.get(name)
        if network is None:
            continue
        if bool(network.get("Internal")) != bool(wanted.get("internal", False)):
            found[name] = "was internal" if network.get("Internal") else "was not internal"
        elif bool(network.get("EnableIPv6")) != bool(wanted.get("enable_ipv6", False)):
            found[name] = "had IPv6" if network.get("EnableIPv6") else "had no IPv6"
        elif network.get("Driver", "bridge") != wanted.get("driver", "bridge"):
            found[name] = "had the driver {}".format(network["Driver"])
        elif by_hand := _made_anew(known, name, network, snapshot) - {seen.ADDRESSES}:
            found[name] = f"was made anew by hand ({seen.words(sorted(by_hand))})"
    for name, told in snapshot.project_networks.items():
        key = told.get("com.docker.compose.network")
        if key in project["networks"] and name != network_name(project, key):
            found[name] = f"is called {network_name(project, key)} now"
    return found


def renumbered_networks(project, snapshot, known):
    """Names of the networks that somebody has made anew, and that have other addresses and nothing else: no fault."""
    names = {network_name(project, key) for key in project["networks"]} & set(snapshot.networks)
    return sorted(
        name for name in names if _made_anew(known, name, snapshot.networks[name], snapshot) == {seen.ADDRESSES})


def _made_anew(known, name, network, snapshot):
    """In which parts a network is another one than before; one that is the same thing cannot be."""
    recorded = (known or {}).get(name)
    if not recorded or recorded["id"] == network["Id"] or recorded["engine"] != snapshot.version:
        return set()
    return set(seen.differing(recorded, network, seen.of_network(network), snapshot.version))


def attached_to(network, containers):
    """Names of the containers that are on a network."""
    return sorted(
        name for name, found in containers.items()
        if network in ((found.get("NetworkSettings") or {}).get("Networks") or {}))


def differing_limits(container, limits, engine):
    """Names of the limits that differ from the given ones. What the kernel cannot limit does not count."""
    found = container.get("HostConfig") or {}
    differing = [
        name for name, limit in LIMIT_KEYS.items()
        if limits.get(name) is not None and (found.get(limit.key) or 0) != limits[name]]
    if differing:
        features = engine.information()
        differing = [name for name in differing if features.get(LIMIT_KEYS[name].feature, True)]
    if (found.get("RestartPolicy") or {}).get("Name") != RESTART_POLICY:
        differing.append("restart_policy")
    return differing


def _finding(wanted, follows, snapshot, engine, restarted, off_network, outdated, known):
    """Finding of one container; its action is None where the container is the wanted one."""
    name = wanted["name"]
    found = snapshot.containers.get(name)
    if name in off_network:
        return _replace(wanted, found, off_network[name])
    if found is None:
        return Finding(wanted, None, START, f"started {name}", "is not there")
    another = _another(wanted, found, snapshot, outdated)
    if another:
        return _replace(wanted, found, another)
    action, why = _off_network(wanted, found, snapshot)
    if action:
        return Finding(wanted, found, action, f"put right: {name} {why}", why)
    by_hand = _changed_by_hand(wanted, found, known.get(name), snapshot)
    if by_hand:
        return _replace(wanted, found, f"changed by hand ({by_hand})")
    action, why = _not_serving(found)
    if action:
        return Finding(wanted, found, action, f"put right: {name} {why}", why)
    if not docker_engine.is_serving(found):
        return Finding(wanted, found, START, f"waited for {name}, which was starting", STARTING)
    younger = _younger(found, follows, snapshot, restarted)
    if younger:
        why = f"{younger} was started after it"
        return Finding(wanted, found, RESTART, f"restarted {name}: {why}", f"is older: {why}")
    differing = differing_limits(found, wanted["limits"], engine)
    if not differing:
        return Finding(wanted, found, None, "", "")
    if "memory" in differing and _is_too_small(wanted["limits"]["memory"], found, engine):
        return _replace(wanted, found, "it uses more memory than its new limit leaves")
    differing = ", ".join(differing)
    return Finding(wanted, found, LIMITS, f"set limits of {name}: {differing}", f"has other limits: {differing}")


def _replace(wanted, found, why):
    return Finding(wanted, found, REPLACE, "replaced {}: {}".format(wanted["name"], why), f"is another one: {why}")


def _changed_by_hand(wanted, found, known, snapshot):
    """What somebody has changed of a container, in words; what is set live is compared with what is wanted."""
    live = {"HostConfig." + limit.key for name, limit in LIMIT_KEYS.items() if wanted["limits"].get(name) is not None}
    return seen.words(seen.differing(
        known, found, seen.of_container(found), snapshot.version, leaving_out={"HostConfig.RestartPolicy", *live}))


def _is_too_small(limit, found, engine):
    """Whether a lower memory limit leaves a container less than it uses, so that the kernel would end it."""
    before = found["HostConfig"].get("Memory") or 0
    is_lower = not before or limit < before
    return is_lower and limit < engine.memory_in_use(found["Name"].lstrip("/")) * MEMORY_MARGIN


def _another(wanted, found, snapshot, outdated):
    """Why a container is another one than the wanted one, None where it is not."""
    digest = (found["Config"].get("Labels") or {}).get(labels.DIGEST)
    if digest != wanted["digest"] and digest not in wanted["also"]:
        return "another definition"
    if wanted["image"] in outdated:
        return "another image"
    image = snapshot.images.get(wanted["image"])
    return "another image" if image is not None and not is_made_from(found, image) else None


def _off_network(wanted, found, snapshot):
    """A container that was made before a network was: it must be made anew to be on it."""
    attached = (found.get("NetworkSettings") or {}).get("Networks") or {}
    for name in wanted["networks"]:
        network = snapshot.networks.get(name)
        if network is None or name not in attached:
            return RESTART, f"was not on the network {name}"
        if attached[name].get("NetworkID") and attached[name]["NetworkID"] != network["Id"]:
            return RESTART, f"was on a network {name} that is gone"
    return None, None


def _not_serving(found):
    """A container that will not come right by itself, or that does not run."""
    status = found["State"]["Status"]
    if status == "exited":
        return START, "had ended"
    if status == "created":
        return START, "was never started"
    if status != "running":
        return RESTART, f"was {status}"
    if docker_engine.health(found) == "unhealthy":
        return RESTART, UNHEALTHY
    return None, None


def _younger(found, follows, snapshot, restarted):
    """Name of a container that this one follows and that was, or will be, started later; None where there is none."""
    for name in follows:
        followed = snapshot.containers.get(name)
        if name in restarted or followed is not None and _runs(followed) and (
                docker_engine.started_before(found, followed)):
            return name
    return None


def _runs(container):
    return container["State"]["Status"] == "running"


def needs_engine(service):
    """Whether a service is of a kind that cannot be compared without an Engine."""
    return bool(service["containers"] or service["jobs"] or service["images"])


def look_around(engine, project, services, must_answer):
    """A snapshot for these services; an empty one where the Engine does not answer and need not."""
    try:
        return Snapshot.take(engine, project, services)
    except EngineError:
        if must_answer:
            raise
        return Snapshot()


def broken_networks(project, snapshot, known=None):
    """({name: why} of the networks that have to be removed, {container: why} of what is on them)."""
    wrong = wrong_networks(project, snapshot, known)
    return wrong, {
        container: f"its network {name} {why}"
        for name, why in wrong.items() for container in attached_to(name, snapshot.containers)}
