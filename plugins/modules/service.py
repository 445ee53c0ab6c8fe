#!/usr/bin/python
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: service
short_description: Bring one service of the Compose project to its wanted state
version_added: 0.1.0
description:
  - Renders a role's templates on the controller, and on the host compares, writes, starts, reloads or restarts, all
    in one execution. A run that has nothing to do costs one look at the Engine.
  - A container whose digest label is the wanted one, which runs and is healthy, is left alone.
  - When a new container does not become healthy, its last log lines are shown, the files are put back and what ran
    before is started again.
options:
  name:
    description: Name of the role, which is also the directory below O(project_dir).
    type: str
    required: true
  state:
    description: V(absent) stops and removes the containers and the files of the service. Its data stays.
    type: str
    choices: [present, absent]
    default: present
  project_dir:
    description: Directory of the Compose project. Filled in by the action plugin.
    type: path
    default: /opt/trenova
  directories:
    description: Directories to create. Filled in by the action plugin.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Absolute path., type: path, required: true}
      mode: {description: Octal mode., type: str, default: "0755"}
      owner: {description: Numeric user., type: int, default: 0}
      group: {description: Numeric group., type: int, default: 0}
  files:
    description: Files to write. Filled in by the action plugin from the role's templates.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Absolute path., type: path, required: true}
      content: {description: Wanted content., type: str, required: true}
      mode: {description: Octal mode., type: str, default: "0644"}
      owner: {description: Numeric user., type: int, default: 0}
      group: {description: Numeric group., type: int, default: 0}
  secret_files:
    description: As O(files), for content that must not be shown.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Absolute path., type: path, required: true}
      content: {description: Wanted content in base64., type: str, required: true}
      mode: {description: Octal mode., type: str, default: "0400"}
      owner: {description: Numeric user., type: int, default: 0}
      group: {description: Numeric group., type: int, default: 0}
  host_files:
    description: Files outside the project directory that go with the service when it is V(absent).
    type: list
    elements: str
    default: []
  secrets:
    description: Values that are masked wherever they turn up in the output, in log lines for instance.
    type: list
    elements: str
    default: []
  wish:
    description:
      - Digest of all that is wanted. It is kept on the host when that is reached, and the measurement of the next run
        returns it when nothing has changed since. Filled in by the action plugin.
    type: str
    default: ""
  units:
    description: The containers in the order in which they are started. Filled in by the action plugin.
    type: list
    elements: dict
    default: []
    suboptions:
      service: {description: Name of the service in Compose., type: str, required: true}
      container: {description: Name of the container., type: str, required: true}
      image: {description: Reference of the image., type: str, required: true}
      digest: {description: Digest of all that needs a restart when it changes., type: str, required: true}
      wait_seconds: {description: How long the container may take to become healthy., type: int, default: 120}
  retired_containers:
    description: Containers of this service that are no longer wanted, an API instance too many for instance.
    type: list
    elements: str
    default: []
  prepare:
    description:
      - Jobs of the Compose file that must succeed before a container of the service is created or replaced; migrations.
        For a service without containers, before its new files hold.
    type: list
    elements: dict
    default: []
    suboptions:
      service: {description: Name of the job in Compose., type: str, required: true}
      seconds: {description: How long it may take., type: int, default: 900}
      says: {description: "What the job does, for messages.", type: str, required: true}
  reload:
    description: Commands that make a running service read changed files.
    type: list
    elements: dict
    default: []
    suboptions:
      files: {description: Paths whose change calls for the command., type: list, elements: str, required: true}
      container: {description: Container to run it in; the host itself when left out., type: str}
      command: {description: The command., type: list, elements: str}
      signal: {description: Signal to send to the container instead of a command., type: str}
      after_start: {description: Whether to run it after every start of the container too., type: bool, default: false}
  follows:
    description: Containers after whose start a container of this service must have been started itself.
    type: list
    elements: str
    default: []
  guards:
    description: Conditions on the host that are checked before anything is changed.
    type: list
    elements: dict
    default: []
    suboptions:
      file: {description: File whose content is compared., type: path, required: true}
      environment: {description: Variable of the image which must have the same value., type: str, required: true}
      image: {description: Reference of the image., type: str, required: true}
      says:
        description: Message when they differ. V({found}) and V({wanted}) are filled in.
        type: str
        required: true
extends_documentation_fragment:
  - trenova.selfhost.attributes
attributes:
  check_mode:
    support: full
    details: Tells what would change, and changes nothing.
  diff_mode:
    support: full
    details: Shows the difference of every file; of a secret only that it differs.
author:
  - Trenova self-host contributors (@trenova-selfhost)
"""

EXAMPLES = r"""
- name: Deploy PgBouncer
  trenova.selfhost.service:
    name: pgbouncer
"""

RETURN = r"""
changed_files:
  description: Paths that were (or in check mode would be) written.
  returned: always
  type: list
  elements: str
removed:
  description: Containers that were (or would be) removed.
  returned: when O(state=absent)
  type: list
  elements: str
started:
  description: Containers that were (or would be) created, replaced or restarted.
  returned: always
  type: list
  elements: str
reloaded:
  description: Commands that made a service read its files again.
  returned: always
  type: list
  elements: str
"""

import base64
import contextlib
import glob
import os
import shutil
import subprocess
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.trenova.selfhost.plugins.module_utils import engine, locking
from ansible_collections.trenova.selfhost.plugins.module_utils.files import ManagedFile, ensure_directory
from ansible_collections.trenova.selfhost.plugins.module_utils.service_state import (
    ServiceState,
    forget_record,
    write_record,
)

#: Time for a start whose image must be pulled first.
IMAGE_SECONDS = 1800
POLL_SECONDS = 0.3
#: A container that waits for another one may end once or twice at its first start.
RESTARTS_OF_A_LOST_CASE = 5


class ServiceError(Exception):
    """The service could not be brought to its wanted state."""

    def __init__(self, message, log_lines=()):
        super().__init__(message)
        self.log_lines = list(log_lines)


class Service:
    """The way of one service of the project from what is found to what is wanted."""

    def __init__(self, parameters, check_mode):
        self.parameters = parameters
        self.check_mode = check_mode
        self.project_dir = parameters["project_dir"]
        files = [ManagedFile(**entry) for entry in parameters["files"]]
        files += [
            ManagedFile(secret=True, **dict(entry, content=base64.b64decode(entry["content"]).decode("utf-8")))
            for entry in parameters["secret_files"]]
        self.state = ServiceState(parameters, files)
        self.result = {"changed": False, "changed_files": [], "started": [], "reloaded": [], "diff": []}

    def converge(self):
        """Bring the service to its wanted state and return the result."""
        fault = self.state.guard_fault()
        if fault:
            raise ServiceError(fault)
        # In check mode on a bare server there is no Engine yet.
        self.state.look(without_engine=self.check_mode)
        self._report()
        if self.check_mode:
            return self.result
        if self.result["changed"]:
            self._change()
        write_record(self.state, self.parameters["wish"])
        return self.result

    def _change(self):
        forget_record(self.state)
        try:
            for entry in self.state.directories:
                ensure_directory(entry["path"], int(entry["mode"], 8), entry["owner"], entry["group"])
            self._write_files()
            self._list_fragments()
        except OSError as error:
            self._put_files_back()
            raise ServiceError(f"The files cannot be written, nothing was started: {error}") from error
        self._apply()
        for path in self.state.stale:
            os.unlink(path)

    def remove(self):
        """Stop and remove the containers and files; the data directory is not ours to delete here."""
        present = self._containers_of_role() if os.path.isdir(self.state.directory) else []
        host_files = [path for path in self.parameters["host_files"] if os.path.exists(path)]
        self.result["changed"] = bool(host_files) or os.path.isdir(self.state.directory)
        self.result["removed"] = present
        if not self.check_mode:
            self._remove_host_files(host_files)
            if present:
                engine.docker("rm", "--force", "--volumes", *present)
            shutil.rmtree(self.state.directory, ignore_errors=True)
            self._list_fragments()
        return self.result

    @staticmethod
    def _remove_host_files(paths):
        """Remove files outside the project; a unit of systemd is stopped and forgotten."""
        units = [path for path in paths if path.startswith("/etc/systemd/system/")]
        for path in units:
            if path.endswith(".timer"):
                engine.run(["systemctl", "disable", "--quiet", "--now", os.path.basename(path)])
        for path in paths:
            os.unlink(path)
        if units:
            engine.run(["systemctl", "daemon-reload"])

    def _containers_of_role(self):
        """Containers that were made from this role's fragment, by their label."""
        command = ["ps", "--all", "--format", "{{.Names}}", "--filter", "label=com.docker.compose.project=trenova"]
        return engine.docker(*command, "--filter", "label=trenova.role=" + self.parameters["name"]).stdout.split()

    def _report(self):
        state = self.state
        self.result["changed_files"] = [managed.path for managed in state.changed_files] + state.stale
        self.result["started"] = [unit["container"] for unit in state.outdated]
        # The description repeats what the other files say, for other roles to read.
        description = os.path.join(state.directory, "service.json")
        self.result["diff"] = [managed.diff() for managed in state.changed_files if managed.path != description]
        self.result["diff"] += [{"before": path + "\n", "after": ""} for path in state.stale]
        self.result["diff"] += [
            {"before": "", "after": "directory " + entry["path"] + "\n"} for entry in state.directories]
        self.result["changed"] = state.differs()

    def _write_files(self):
        """Write what differs. The marker tells a later run that this one was interrupted before the reload."""
        if self.parameters["reload"]:
            os.makedirs(self.state.directory, exist_ok=True)
            with open(self.state.pending_reload, "w", encoding="utf-8"):
                pass
        for managed in self.state.changed_files:
            managed.write()

    def _list_fragments(self):
        """Keep the list of Compose files in .env, so that plain `docker compose` works in the project directory."""
        fragments = sorted(glob.glob(os.path.join(self.project_dir, "*", "compose.yaml")))
        if not fragments and not os.path.exists(os.path.join(self.project_dir, "compose.yaml")):
            return
        names = ["compose.yaml"] + [os.path.relpath(path, self.project_dir) for path in fragments]
        content = (
            "# Managed by trenova.selfhost: the files that make up this project.\n"
            "COMPOSE_PROJECT_NAME=trenova\nCOMPOSE_FILE={}\n".format(":".join(names))
        )
        listing = ManagedFile(os.path.join(self.project_dir, ".env"), content, "0644", 0, 0)
        if listing.differs():
            listing.write()

    def _apply(self):
        outdated = self.state.outdated
        try:
            if self._is_new_version():
                self._prepare()
            for unit in outdated:
                self._start(unit)
            if self.state.retired:
                engine.docker("rm", "--force", *self.state.retired)
            self._reload({unit["container"] for unit in outdated})
        except (engine.EngineError, ServiceError) as error:
            self.result["started"] = []
            self._roll_back(outdated)
            raise ServiceError(str(error), getattr(error, "log_lines", ())) from error

    def _is_new_version(self):
        if not self.parameters["units"]:
            return bool(self.state.changed_files)
        return any(self.state.is_another_version(unit) for unit in self.state.outdated)

    def _compose(self, *arguments, **options):
        command = ["compose", "--ansi", "never", "--progress", "plain", *arguments]
        return engine.docker(*command, cwd=self.project_dir, **options)

    def _prepare(self):
        for job in self.parameters["prepare"]:
            try:
                done = self._compose(
                    "run", "--rm", "--no-deps", "-T", job["service"], seconds=job["seconds"], check=False)
            except engine.EngineError as error:
                message = "{} did not end; nothing was replaced: {}".format(job["says"], error)
                raise ServiceError(message) from error
            if done.returncode != 0:
                lines = (done.stdout + done.stderr).splitlines()[-40:]
                raise ServiceError("{} failed; nothing was replaced".format(job["says"]), lines)
            self.result.setdefault("prepared", []).append(job["says"])

    def _start(self, unit):
        """Create or replace one container and wait until it serves."""
        arguments = ["up", "--detach", "--no-deps"]
        container = self.state.containers.get(unit["container"])
        if container is not None and self.state.is_older_than_what_it_follows(container):
            arguments.append("--force-recreate")
        done = self._compose(*arguments, unit["service"], seconds=IMAGE_SECONDS, check=False)
        if done.returncode != 0:
            raise ServiceError("{} was not started: {}".format(unit["container"], done.stderr.strip()[-1500:]))
        fault, container = self._wait(unit)
        if fault:
            state = container["State"]
            message = "{} did not become healthy: {} (state {}, exit code {}, health {})".format(
                unit["container"], fault, state["Status"], state["ExitCode"], engine.health(container))
            check = engine.last_health_output(container)
            lines = engine.last_log_lines(unit["container"])
            raise ServiceError(message + ("; its check said: " + check if check else ""), lines)

    @staticmethod
    def _wait(unit):
        """Wait until a container serves: (None or why it does not, its description).

        Compose waits as well, but to the end of the time even for a container that ends again and again.
        """
        deadline = time.monotonic() + unit["wait_seconds"]
        while True:
            container = engine.containers(unit["container"])[unit["container"]]
            if engine.is_serving(container):
                return None, container
            if container["RestartCount"] >= RESTARTS_OF_A_LOST_CASE:
                return "it ended {} times".format(container["RestartCount"]), container
            if container["State"]["Status"] == "exited":
                return "it ended", container
            if time.monotonic() > deadline:
                return "{} s have passed".format(unit["wait_seconds"]), container
            time.sleep(POLL_SECONDS)

    def _reload(self, restarted):
        was_interrupted = not self.state.changed_files and os.path.exists(self.state.pending_reload)
        changed = {managed.path for managed in self.state.changed_files}
        for entry in self.parameters["reload"]:
            if entry["container"] in restarted:
                due = entry["after_start"]
            else:
                exists = entry["container"] is None or entry["container"] in self.state.containers
                due = exists and (was_interrupted or changed.intersection(entry["files"]))
            if due:
                self._run_reload(entry)
        if os.path.exists(self.state.pending_reload):
            os.unlink(self.state.pending_reload)

    def _run_reload(self, entry):
        if entry.get("signal"):
            engine.docker("kill", "--signal", entry["signal"], entry["container"])
            self.result["reloaded"].append("{} {}".format(entry["signal"], entry["container"]))
            return
        if entry.get("container"):
            engine.docker("exec", entry["container"], *entry["command"])
        else:
            done = engine.run(entry["command"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if done.returncode != 0:
                output = done.stdout.splitlines()[-20:]
                raise ServiceError("{} failed".format(" ".join(entry["command"])), output)
        self.result["reloaded"].append(" ".join(entry["command"]))

    def _put_files_back(self):
        """Put back every file that this run has replaced."""
        for managed in self.state.changed_files:
            managed.restore()
        if os.path.exists(self.state.pending_reload):
            os.unlink(self.state.pending_reload)

    def _roll_back(self, outdated):
        """Put the files back and start again what ran before.

        Where nothing ran before there is nothing to return to: what failed is left for the operator to look at.
        """
        before = [unit for unit in outdated if unit["container"] in self.state.containers]
        if outdated and not before:
            return
        self._put_files_back()
        self._list_fragments()
        for unit in before:
            if self._compose("up", "--detach", "--no-deps", unit["service"], check=False).returncode == 0:
                self._wait(unit)
        self.result["rolled_back"] = [unit["container"] for unit in before]


FILE_OPTIONS = {
    "path": {"type": "path", "required": True},
    "mode": {"type": "str", "default": "0644"},
    "owner": {"type": "int", "default": 0},
    "group": {"type": "int", "default": 0},
}

ARGUMENT_SPEC = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "project_dir": {"type": "path", "default": "/opt/trenova"},
    "directories": {
        "type": "list", "elements": "dict", "default": [],
        "options": dict(FILE_OPTIONS, mode={"type": "str", "default": "0755"}),
    },
    "files": {
        "type": "list", "elements": "dict", "default": [],
        "options": dict(FILE_OPTIONS, content={"type": "str", "required": True}),
    },
    "secret_files": {
        # Their content is masked; paths and modes are none of the secret.
        "type": "list", "elements": "dict", "default": [], "no_log": False,
        "options": dict(
            FILE_OPTIONS, content={"type": "str", "required": True, "no_log": True},
            mode={"type": "str", "default": "0400"},
        ),
    },
    "host_files": {"type": "list", "elements": "str", "default": []},
    "secrets": {"type": "list", "elements": "str", "default": [], "no_log": True},
    "wish": {"type": "str", "default": ""},
    "units": {
        "type": "list", "elements": "dict", "default": [],
        "options": {
            "service": {"type": "str", "required": True},
            "container": {"type": "str", "required": True},
            "image": {"type": "str", "required": True},
            "digest": {"type": "str", "required": True},
            "wait_seconds": {"type": "int", "default": 120},
        },
    },
    "retired_containers": {"type": "list", "elements": "str", "default": []},
    "prepare": {
        "type": "list", "elements": "dict", "default": [],
        "options": {
            "service": {"type": "str", "required": True},
            "seconds": {"type": "int", "default": 900},
            "says": {"type": "str", "required": True},
        },
    },
    "reload": {
        "type": "list", "elements": "dict", "default": [],
        "options": {
            "files": {"type": "list", "elements": "str", "required": True},
            "container": {"type": "str"},
            "command": {"type": "list", "elements": "str"},
            "signal": {"type": "str"},
            "after_start": {"type": "bool", "default": False},
        },
    },
    "follows": {"type": "list", "elements": "str", "default": []},
    "guards": {
        "type": "list", "elements": "dict", "default": [],
        "options": {
            "file": {"type": "path", "required": True},
            "environment": {"type": "str", "required": True},
            "image": {"type": "str", "required": True},
            "says": {"type": "str", "required": True},
        },
    },
}


def main():
    """Entry point."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    service = Service(module.params, module.check_mode)
    try:
        # From before the first look: what the watch is restarting does not run, and will in a moment.
        with contextlib.nullcontext() if module.check_mode else locking.held():
            result = service.remove() if module.params["state"] == "absent" else service.converge()
    except (ServiceError, engine.EngineError, locking.LockError) as error:
        lines = getattr(error, "log_lines", [])
        shown = "\n".join("    " + line for line in lines)
        message = str(error) + ("\n  The last log lines:\n" + shown if lines else "")
        service.result["diff"] = []
        module.fail_json(msg=message, **service.result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
