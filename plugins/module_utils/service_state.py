# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What one service shall be on its host, and in what the host differs from that.

A service that was brought to its wanted state leaves a record: the state without its contents, of which it keeps
digests, and a digest of the whole. The measurement of the host in the next run compares the host with the record, for
all services in one module execution, so that a service whose wish has not changed costs none.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os

from ansible_collections.trenova.selfhost.plugins.module_utils import engine, labels
from ansible_collections.trenova.selfhost.plugins.module_utils.files import (
    ManagedFile,
    RecordedFile,
    attributes_differ,
    sha256,
)

#: Name of the record in the directory of a service.
RECORD = ".converged.json"
#: Another number makes every record void, when a record says less than a new version wants to compare.
RECORD_VERSION = 1
#: Parameters that a record keeps as they are.
RECORDED = ("name", "project_dir", "directories", "units", "retired_containers", "follows", "guards")


class ServiceState:
    """The wanted state of one service; `look` finds out in what the host differs."""

    def __init__(self, parameters, files):
        self.parameters = parameters
        self.files = files
        self.directory = os.path.join(parameters["project_dir"], parameters["name"])
        #: Tells that a run was interrupted between new files and the commands that make a service read them.
        self.pending_reload = os.path.join(self.directory, ".reload-pending")
        self.containers = {}
        self.images = {}
        #: What `look` finds: files to write, directories to make or mend, files that nothing accounts for any more,
        #: units whose container is not the wanted one, and containers that nobody wants any more.
        self.changed_files, self.directories, self.stale, self.outdated, self.retired = [], [], [], [], []

    def look(self, without_engine=False):
        """Compare host and Engine with what is wanted. Without an Engine nothing runs, where that is allowed."""
        self.changed_files = [managed for managed in self.files if managed.differs()]
        self.stale = self._stale_files()
        self.directories = [entry for entry in self.parameters["directories"] if self._directory_differs(entry)]
        units = self.parameters["units"]
        names = [unit["container"] for unit in units]
        try:
            self.containers = engine.containers(
                *names, *self.parameters["follows"], *self.parameters["retired_containers"])
            self.images = engine.images(*[unit["image"] for unit in units])
        except engine.EngineError:
            if not without_engine:
                raise
        self.outdated = [unit for unit in units if not self._is_current(unit)]
        self.retired = [name for name in self.parameters["retired_containers"] if name in self.containers]

    def differs(self):
        """Whether anything has to be done."""
        return bool(
            self.changed_files or self.directories or self.stale or self.outdated or self.retired
            or os.path.exists(self.pending_reload))

    def guard_fault(self):
        """Message of the first condition on the host that does not hold, None when all do."""
        for guard in self.parameters["guards"]:
            if not os.path.exists(guard["file"]):
                continue
            with open(guard["file"], encoding="utf-8") as stream:
                found = stream.read().strip()
            image = engine.images(guard["image"]).get(guard["image"])
            environment = dict(pair.split("=", 1) for pair in (image or {}).get("Config", {}).get("Env") or [])
            wanted = environment.get(guard["environment"])
            if wanted and wanted != found:
                return guard["says"].format(found=found, wanted=wanted)
        return None

    def is_another_version(self, unit):
        """Whether a container is absent or was made from another definition, so that its preparation must run."""
        container = self.containers.get(unit["container"])
        return container is None or container["Config"]["Labels"].get(labels.DIGEST) != unit["digest"]

    def is_older_than_what_it_follows(self, container):
        """Whether a container that this service follows was started later."""
        followed = [self.containers[name] for name in self.parameters["follows"] if name in self.containers]
        return any(engine.started_at(container) < engine.started_at(other) for other in followed)

    def _is_current(self, unit):
        """Whether a container is the wanted one, serves, and is younger than what it follows."""
        container = self.containers.get(unit["container"])
        if container is None or not engine.is_serving(container) or self.is_another_version(unit):
            return False
        image = self.images.get(unit["image"])
        if image is not None and image["Id"] != container["Image"]:
            return False
        return not self.is_older_than_what_it_follows(container)

    def _stale_files(self):
        """Files below config/ and secrets/ which no template of the role accounts for any more."""
        wanted = {managed.path for managed in self.files}
        found = []
        for part in ("config", "secrets"):
            pattern = os.path.join(self.directory, part, "**", "*")
            found += [path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path)]
        return sorted(path for path in found if path not in wanted)

    @staticmethod
    def _directory_differs(entry):
        return attributes_differ(entry["path"], int(entry["mode"], 8), entry["owner"], entry["group"])


def wish_digest(arguments):
    """Digest of all that is wanted of a service."""
    text = json.dumps([RECORD_VERSION, arguments], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def write_record(state, wish):
    """Keep what a service that is in its wanted state was compared with."""
    record = dict(
        {name: state.parameters[name] for name in RECORDED}, wish=wish,
        files=[
            {"path": managed.path, "sha256": sha256(managed.content), "mode": f"{managed.mode:04o}",
             "owner": managed.owner, "group": managed.group} for managed in state.files])
    content = json.dumps(record, sort_keys=True) + "\n"
    written = ManagedFile(os.path.join(state.directory, RECORD), content, "0600", 0, 0)
    if written.differs():
        written.write()


def forget_record(state):
    """Remove the record before something is changed."""
    path = os.path.join(state.directory, RECORD)
    if os.path.exists(path):
        os.unlink(path)


def unchanged_wishes(project_dir):
    """{service: digest of its wish} for every service that is still as its record says."""
    wishes = {}
    for path in sorted(glob.glob(os.path.join(project_dir, "*", RECORD))):
        try:
            with open(path, encoding="utf-8") as stream:
                record = json.load(stream)
            state = ServiceState(record, [RecordedFile(**entry) for entry in record["files"]])
            state.look()
            if not state.differs() and state.guard_fault() is None:
                wishes[record["name"]] = record["wish"]
        except (OSError, ValueError, KeyError, TypeError, engine.EngineError):
            # The service's own execution looks again, and tells what is wrong.
            continue
    return wishes


def recorded_files(project_dir):
    """{service: {path: SHA-256}} of the files that the records name; nothing of a secret one."""
    found = {}
    for path in sorted(glob.glob(os.path.join(project_dir, "*", RECORD))):
        secrets = os.path.join(os.path.dirname(path), "secrets") + "/"
        try:
            with open(path, encoding="utf-8") as stream:
                record = json.load(stream)
            found[record["name"]] = {
                entry["path"]: entry["sha256"] for entry in record["files"] if not entry["path"].startswith(secrets)}
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found
