# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the host keeps of its services: one state file per service and one of the host, in <project>/.state/.

A service that is in its wanted state has a record: what it was compared with, without the contents of files, of which
there are digests. The record goes before the first change and comes back after the last one, so an interrupted run
leaves none.

The first edition kept the same in eight kinds of files. They are read where there is no state file yet, and removed
when there is one.
"""

from __future__ import annotations

import glob
import json
import os
import threading

from ansible_collections.trenova.selfhost.plugins.module_utils import directories, host
from ansible_collections.trenova.selfhost.plugins.module_utils.converge import compare, systemd
from ansible_collections.trenova.selfhost.plugins.module_utils.converge.errors import ReleaseError
from ansible_collections.trenova.selfhost.plugins.module_utils.converge.tools import run_on_host
from ansible_collections.trenova.selfhost.plugins.module_utils.engine import EngineError
from ansible_collections.trenova.selfhost.plugins.module_utils.files import ManagedFile, RecordedFile, ensure_directory

#: Raised when a state file says something that an older version of the collection would misread.
SCHEMA = 2
#: What a record keeps of the arguments as they are.
RECORDED = ("name", "wish", "directories", "containers", "follows", "images", "jobs", "units")
FOLDER = ".state"
HOST = "host.json"
#: Directory in that one with a file for each service whose data a restore has replaced.
RENEWED = "renewed"
#: Files of the first edition in the directory of a service, and in that of the project.
FIRST_OF_SERVICE = ("service.json", "plan.json", ".converged.json", ".reload-pending")
FIRST_OF_HOST = ("images.json", "registry-logins.json", "host.json")


def renewed(directory):
    """Names of the services whose data was replaced since the last run: what jobs did to the old one is to be done."""
    folder = os.path.join(directory, FOLDER, RENEWED)
    return frozenset(os.listdir(folder)) if os.path.isdir(folder) else frozenset()


def settle(directory, names):
    """Take down that what follows from replaced data is on its way."""
    for name in names:
        os.unlink(os.path.join(directory, FOLDER, RENEWED, name))


class StateFile:
    """A state file and its content."""

    def __init__(self, path, content, is_first_edition=False):
        self.path = path
        self.content = content
        #: Whether the content was gathered from files of the first edition.
        self.is_first_edition = is_first_edition

    def save(self, version):
        """Write the content where it differs from what is there."""
        content = {key: value for key, value in self.content.items() if value not in (None, False, {}, [])}
        content.update(schema=SCHEMA, version=version)
        text = json.dumps(content, indent=1, sort_keys=True) + "\n"
        ensure_directory(os.path.dirname(self.path), 0o700, 0, 0)
        managed = ManagedFile(self.path, text, "0600", 0, 0)
        if managed.differs():
            managed.write()


class ServiceState(StateFile):
    """What the host keeps of one service.

    release: {description, plan} of the last time that the wanted state was reached. record: see the module, None while
    it is not reached. pending: a command that makes the service read its files is owed. jobs: {job: what it last
    succeeded for}. held: clients that are made to wait, and what lets them go on. seen: {container: what the Engine
    said of it when the wanted state was reached}. places: {directory of data: where its file system is mounted}.
    accepted: {directory: mode, owner and group that a share gives it, and that will do}.
    """

    def __init__(self, directory, name, content, is_first_edition=False):
        super().__init__(os.path.join(directory, FOLDER, name + ".json"), content, is_first_edition)
        self.name = name
        self.directory = os.path.join(directory, name)

    @property
    def record(self):
        """What the service was compared with when it was in its wanted state, None while it is not."""
        return self.content.get("record")

    @property
    def jobs(self):
        """{service of Compose: keys of what the job last succeeded for, the newest first}."""
        return self.content.setdefault("jobs", {})

    @property
    def seen(self):
        """{container: how it was made, as the Engine said then}."""
        return self.content.get("seen") or {}

    @property
    def places(self):
        """{directory of data: where its file system was mounted}."""
        return self.content.get("places") or {}

    @property
    def accepted(self):
        """{directory: [mode, owner, group]} of those that are not as they shall be, and can be used."""
        return self.content.get("accepted") or {}

    @property
    def held(self):
        """Entries of `hold` whose clients wait."""
        return self.content.get("held") or []

    @property
    def pending(self):
        """Whether a reload is owed."""
        return bool(self.content.get("pending"))

    def exists(self):
        """Whether the host keeps anything of the service."""
        return os.path.exists(self.path)

    def forget(self):
        """Remove the file, the last thing that a service leaves."""
        os.unlink(self.path)

    def remove_first_edition(self):
        """Remove what the first edition kept of the service."""
        _unlink(self.directory, FIRST_OF_SERVICE)


class HostState(StateFile):
    """What the host keeps of itself; threads of several services write it."""

    def __init__(self, directory, content, is_first_edition=False):
        super().__init__(os.path.join(directory, FOLDER, HOST), content, is_first_edition)
        self.directory = directory
        self.lock = threading.Lock()

    @property
    def proofs(self):
        """{role: proof of its image}."""
        return self.content.get("images") or {}

    @property
    def pulled(self):
        """{reference: {"digest", "id"}} of the images that were pulled by a digest."""
        return self.content.get("pulled") or {}

    @property
    def registry_logins(self):
        """Which entries of Docker's configuration are ours."""
        return self.content.get("registry_logins") or {}

    @property
    def networks(self):
        """{network: how it was made, as the Engine said then}."""
        return self.content.get("networks") or {}

    @property
    def members(self):
        """{service: number of its member here}, of services that are gone too: their data may be there still."""
        return self.content.get("members") or {}

    def update(self, version, changes):
        """Change parts and save. Members are added to those that are kept: a run may be of some services only."""
        with self.lock:
            members = dict(self.members, **changes.get("members") or {})
            self.content.update(changes, **({"members": members} if members else {}))
            self.save(version)

    def prove(self, version, proofs, pulled=None):
        """Remember what was proven of images, and which were pulled by a digest."""
        with self.lock:
            self.content["images"] = dict(self.proofs, **proofs)
            if pulled:
                self.content["pulled"] = dict(self.pulled, **pulled)
            self.save(version)

    def remove_first_edition(self):
        """Remove what the first edition kept of the host."""
        _unlink(self.directory, FIRST_OF_HOST)


class Releases:
    """All state files of a host: `services` by name, `host`, and `newer`, a sentence for each that we cannot read."""

    def __init__(self, directory):
        self.directory = directory
        self.newer = []
        self.services = {}
        for name in sorted({*self._names(), *self._first_names()}):
            self.services[name] = self._service(name)
        self.host = self._host()

    def of(self, name):
        """State of a service, an empty one where the host keeps nothing of it."""
        if name not in self.services:
            self.services[name] = ServiceState(self.directory, name, {})
        return self.services[name]

    def _names(self):
        files = glob.glob(os.path.join(self.directory, FOLDER, "*.json"))
        return [os.path.basename(path)[:-len(".json")] for path in files if os.path.basename(path) != HOST]

    def _first_names(self):
        files = [path for name in FIRST_OF_SERVICE for path in glob.glob(os.path.join(self.directory, "*", name))]
        return [os.path.basename(os.path.dirname(path)) for path in files]

    def _service(self, name):
        content = self._read(name + ".json")
        if content is not None:
            return ServiceState(self.directory, name, content)
        return ServiceState(self.directory, name, _first_of_service(self.directory, name), is_first_edition=True)

    def _host(self):
        content = self._read(HOST)
        if content is not None:
            return HostState(self.directory, content)
        first = _first_of_host(self.directory)
        return HostState(self.directory, first, is_first_edition=bool(first))

    def _read(self, name):
        """Content of a state file; None where there is none, {} where it cannot be read."""
        path = os.path.join(self.directory, FOLDER, name)
        content = _json(path)
        if content is None:
            return None
        schema = content.get("schema")
        if isinstance(schema, int) and schema > SCHEMA:
            self.newer.append(
                "{path} was written by version {version} of the collection, in a form (schema {schema}) that this one "
                "does not know; use version {version} of the collection or newer".format(
                    path=path, version=content.get("version", "?"), schema=schema))
            return {}
        return content


def read(directory):
    """The state files of a host. Raises ReleaseError where a newer version has written one."""
    releases = Releases(directory)
    if releases.newer:
        raise ReleaseError("\n".join(releases.newer) + "\nNothing was changed.")
    return releases


def measure(directory, engine, run=run_on_host):
    """What a measurement of the host says of its services; it looks, and starts one process where units are looked at.

    unchanged: {service: digest of its wish} of those that are still as their records say. differing: {service: what
    differs, in words} of the others that were in their wanted state once. files: {service: {path:
    SHA-256}}, nothing of secret ones. services and plan: {service: description and plan} of the last time that the
    wanted state was reached. places: {service: {directory of its data: where it lay before, where it lies now, whether
    it is empty}}. host: content of the host's state file. newer: a sentence for each state file that only a
    newer version can read.
    """
    known = Releases(directory)
    recorded = {name: state for name, state in known.services.items() if state.record}
    releases = {name: state.content.get("release") or {} for name, state in known.services.items()}
    unchanged, differing = _compared(directory, engine, known, recorded, run)
    unfinished = {
        name: ["it is not in its wanted state: the last run failed, or was interrupted"]
        for name, state in known.services.items() if not (state.record or state.is_first_edition)}
    return {
        "unchanged": unchanged,
        "differing": {**differing, **unfinished},
        "places": {name: _places(state) for name, state in known.services.items() if state.places},
        "files": {name: _public_files(state) for name, state in recorded.items() if state.record.get("files")},
        "services": {name: each["description"] for name, each in releases.items() if each.get("description")},
        "plan": {name: each["plan"] for name, each in releases.items() if each.get("plan")},
        "host": {key: value for key, value in known.host.content.items() if key not in ("schema", "version")},
        "newer": known.newer,
    }


def _compared(directory, engine, known, recorded, run):
    """({service: digest of its wish} of those that are as their records say, {service: what differs} of the others)."""
    unchanged, differing, lists = {}, {}, {}
    units = systemd.ask(run, [unit for state in recorded.values() for unit in state.record.get("units") or []])
    for name, state in recorded.items():
        try:
            project = dict(state.record["project"], directory=directory)
            if project["name"] not in lists:
                lists[project["name"]] = compare.lists_of(engine, project["name"])
            snapshot = compare.Snapshot.take(engine, project, [state.record], lists[project["name"]])
            files = [RecordedFile(**entry) for entry in state.record["files"]]
            off_network = compare.broken_networks(project, snapshot, known.host.networks)[1]
            described = (state.content.get("release") or {}).get("description") or {}
            comparison = compare.Comparison(
                dict(state.record, needs=described.get("needs", [])), files, state, project, snapshot, engine,
                off_network=off_network, units=units, new_data=renewed(directory))
            on = {network for container in state.record["containers"] for network in container["networks"]}
            renumbered = on.intersection(compare.renumbered_networks(project, snapshot, known.host.networks))
            words = comparison.words() + [
                f"the network {network} was made anew, with other addresses" for network in sorted(renumbered)]
            if words:
                differing[name] = words
            elif not comparison.differs():
                unchanged[name] = state.record["wish"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError, EngineError) as error:
            # The service's own turn looks again, and tells what is wrong.
            differing[name] = [f"it cannot be compared: {error}"]
    return unchanged, differing


def _places(state):
    """Of each directory with data: where its file system was mounted, where it is now, and whether it is empty."""
    now = directories.places([{"path": path, "data": True} for path in state.places])
    return {
        path: {"before": before, "now": now[path], "empty": directories.is_empty(path)}
        for path, before in state.places.items()}


def _public_files(state):
    """{path: SHA-256} of the files that a record names; nothing of a secret one."""
    secrets = os.path.join(state.directory, "secrets") + "/"
    return {
        entry["path"]: entry["sha256"] for entry in state.record["files"] if not entry["path"].startswith(secrets)}


def _json(path):
    """Content of a JSON file that holds an object; None when absent, {} when it cannot be read."""
    content = host.read_json(path)
    if content is None or isinstance(content, dict) and "unreadable" not in content:
        return content
    return {}


def _unlink(directory, names):
    for name in names:
        path = os.path.join(directory, name)
        if os.path.exists(path):
            os.unlink(path)


def _first_of_service(directory, name):
    """What the first edition kept of a service, in the form of a state file."""
    folder = os.path.join(directory, name)
    return {
        "release": {
            "description": _json(os.path.join(folder, "service.json")) or {},
            "plan": _json(os.path.join(folder, "plan.json")) or {}},
        "record": _first_record(_json(os.path.join(folder, ".converged.json")) or {}),
        "pending": os.path.exists(os.path.join(folder, ".reload-pending")),
    }


def _first_record(record):
    """A record of the first edition; it knew no limits, networks or jobs."""
    try:
        containers = [
            {
                "key": unit["service"], "service": unit["service"], "name": unit["container"], "image": unit["image"],
                "digest": unit["digest"], "also": [], "limits": {}, "networks": [],
            }
            for unit in record["units"]]
        return {
            "name": record["name"], "wish": record["wish"], "directories": record["directories"],
            "files": record["files"], "containers": containers, "follows": record["follows"], "images": [], "jobs": [],
            "project": {"name": "trenova", "networks": {}}}
    except (KeyError, TypeError):
        return None


def _first_of_host(directory):
    """What the first edition kept of a host, in the form of a state file."""
    images, logins, first = (_json(os.path.join(directory, name)) or {} for name in FIRST_OF_HOST)
    return {key: value for key, value in dict(first, images=images, registry_logins=logins).items() if value}
