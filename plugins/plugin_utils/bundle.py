# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""All that one service is made of on its host: files, containers, and what to do with them."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import os

import yaml
from ansible.errors import AnsibleActionFail

from ansible_collections.trenova.selfhost.plugins.module_utils import labels
from ansible_collections.trenova.selfhost.plugins.module_utils.account import filled
from ansible_collections.trenova.selfhost.plugins.module_utils.converge import systemd
from ansible_collections.trenova.selfhost.plugins.plugin_utils import compose, hashes, image_lock, routes
from ansible_collections.trenova.selfhost.plugins.plugin_utils.description import (
    container_names,
    is_available,
    passwords_of_state,
    runs_here,
    used,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.entrance import origin
from ansible_collections.trenova.selfhost.plugins.plugin_utils.rendering import Renderer, sources, without_suffix
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.plan_file import part_of
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.services import containers_of
from ansible_collections.trenova.selfhost.plugins.plugin_utils.variables import project_of, understood

HEADER = "# Managed by trenova.selfhost: change the inventory and run the playbook, not this file.\n"
#: Rises when a bundle says more than one of the same content before, so that every service is looked at once.
BUNDLE_VERSION = 2
#: Variable of the inventory by which a run pulls images that are there.
PULL = "trenova_images_pull"
#: How long requests may go on in a container that is not led to any more, where its description does not say.
DRAIN_SECONDS = 2
#: YAML with libyaml where that is there: ten times as fast.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class Bundle:
    """All that one service is made of on its host.

    `task_vars` are those that the role itself sees: of the running role, or of any one by `catalogue.role_variables`.
    """

    def __init__(self, action, task_vars, run, name):
        task_vars = understood(action, task_vars)
        self.name = name
        self.run = run
        self.project = project_of(action, task_vars, run.capacity)
        self.description = run.services[name]
        self.used = used(name, run.services)
        self.plan = run.plan["services"].get(name) or {}
        self.directory = self.project.service_directory(name)
        self.owner = self.description.get("user", 0)
        self.group = self.description.get("group", self.owner)
        self.variables = dict(
            task_vars, plan=self.plan, services=run.services, capacity=run.capacity, service=self.description,
            entrance=run.entrance, project=self.project,
            trenova_project_dir=self.project.directory, trenova_data_dir=self.project.data_dir,
            reaches_outside=self._reaches_outside(), followed=self._followed(),
            available=[other for other, service in run.services.items() if is_available(service)])
        self.renderer = Renderer(action, os.path.join(task_vars["role_path"], "templates"), self.variables)
        values = [self._value(key) for key in self._secret_variables()]
        self.secrets = [str(value) for value in values if value is not None]
        self.extra = self._value(name + "_compose_extra") or {}
        self.lock = image_lock.lock_of(action, task_vars)
        with hashes.deferring():
            self.files, self.secret_files = self._render_files()
        self.read_at_start = self._files_read_at_start(str)
        #: What waits for the next start of a container, by its name in Compose.
        self.at_next_start = {}
        self.fragment = self._fragment()
        if self.fragment:
            places = [self.project.data_dir, *(self.project.data_path(entry["path"]) for entry in self._state())]
            self._add_file(
                os.path.join(self.directory, "compose.yaml"),
                HEADER + to_yaml(compose.with_places(self.fragment, places)))
            self._add_file(
                os.path.join(self.project.directory, "compose.yaml"), HEADER + to_yaml(self.project.compose_file()))

    @functools.cached_property
    def wish(self):
        """Digest of all that is wanted of the service, and of the logins that its images are pulled with."""
        # Files that hold for a moment, and what an earlier edition called the same, are none of it.
        return digest_of(dict(self._wanted(str), logins=self._value("docker_registry_logins") or {}))

    def arguments(self):
        """The service as the module that does the work on the host takes it."""
        wanted = self._wanted(hashes.settled)
        read_at_start = {path: content for path, content in self._files_read_at_start(hashes.settled).items()
                         if path in self.read_at_start}
        services = (self.fragment or {}).get("services", {})
        for container in wanted["containers"]:
            service = container["service"]
            container["also"] = compose.digests_of_first_edition(
                services[service], self._read_by(container["key"], read_at_start), self.at_next_start.get(service, ()))
        drain_seconds = (self.description.get("rollout") or {}).get("drain_seconds", DRAIN_SECONDS)
        # Whom it waits for hangs on what runs, and is none of its wish.
        return dict(
            wanted, wish=self.wish, pull=self.pulls_again(), needs=self._needs(), drain_seconds=drain_seconds,
            ready=self._ready(), host_files=self.host_files, **self._stages())

    def pulls_again(self):
        """Whether the run shall ask for its images although they are there."""
        return str(self._value(PULL)).lower() in ("true", "yes", "on", "1") and bool(self._images())

    def _wanted(self, settle):
        return {
            "name": self.name,
            "state": "present",
            "directories": self._directories(),
            "files": [dict(entry, content=settle(entry["content"])) for entry in self.files],
            "secret_files": [dict(entry, content=encoded(settle(entry["content"]))) for entry in self.secret_files],
            "images": self._images(),
            "containers": self._containers(),
            "jobs": self._jobs(),
            "units": self._units(),
            "reload": self._reload(),
            "follows": self._followed(),
            "hold": self._holds(),
            # What stands beside the containers for the next plan to compare with is no reason to restart one.
            "release": {"description": self.description, "plan": self._part_of_plan()},
        }

    def _value(self, name):
        """A variable as the role sees it, with its expressions resolved; None where it is not set."""
        value = self.variables.get(name)
        value = None if value is None else self.renderer.templar.template(value)
        return None if value == "" else value

    def _secret_variables(self):
        """Variables whose values must not be seen: its own secrets, and those that open what it saves of others."""
        own = [*self.description.get("secrets", {}), *self.description.get("secrets_optional", [])]
        opened = self.used if self.description.get("uses_saved") else []
        return own + [variable for name in opened for variable in passwords_of_state(self.run.services.get(name, {}))]

    def _needs(self):
        """Services that are started before this one: those that it needs, and uses where they are there."""
        named = [*self.description.get("needs", []), *self.used, *(
            name for name, service in self.run.services.items()
            if name != self.name and (service.get("rollout") or {}).get("order") == "first")]
        needs = [name for name in named if runs_here(self.run.services.get(name, {"enabled": False}))]
        return list(dict.fromkeys(needs + self._entrances()))

    def _entrances(self):
        """Entrances that lead here and run already: they have to know first which containers may come and go."""
        running = {container.get("role") for container in self.run.capacity["containers"]}
        return [
            name for name, service in self.run.services.items()
            if self.description.get("routes") and name != self.name and name in running
            and (service.get("rollout") or {}).get("edge") and runs_here(service)]

    def _reaches_outside(self):
        """Whether the service talks to one that is not on this host, so that it needs a network with a way out."""
        others = [*self.description.get("needs", []), *self.used]
        return any(self.run.services.get(name, {}).get("external") for name in others)

    def _followed(self):
        """Containers after whose start those of this service must have been started themselves."""
        followed = [self.run.services.get(name, {}) for name in self.description.get("follows", [])]
        return [name for service in followed if runs_here(service) for name in container_names(service)]

    def _render_files(self):
        files, secret_files = [], []
        #: Files outside of the project that this service may have and is not to have now.
        self.host_files = list(self.description.get("outlived", []))
        for source in sources(self.renderer.templates_dir):
            part, _separator, rest = without_suffix(source).partition("/")
            if part not in ("config", "secrets", "host"):
                continue
            content = self.renderer.render(source)
            # What renders to nothing is not wanted; an empty secret would also mask every line end of the output.
            if not content.strip():
                if part == "host":
                    self.host_files.append("/" + rest)
                continue
            if part == "config":
                files.append(self._file(os.path.join(self.directory, part, rest), content, "0444"))
            elif part == "secrets":
                secret_files.append(self._file(os.path.join(self.directory, part, rest), content, "0400"))
            else:
                files.append(self._file("/" + rest, content, "0644", owner=0))
        for path, content in (self.description.get("files") or {}).items():
            files.append(self._file(path, content, "0644", owner=0))
        return files, secret_files

    def _file(self, path, content, mode, owner=None):
        owner = self.owner if owner is None else owner
        return {"path": path, "content": content, "mode": mode, "owner": owner, "group": owner and self.group}

    def _add_file(self, path, content):
        self.files.append(self._file(path, content, "0644", owner=0))

    def _stages(self):
        """{stage: files} of an entrance on its way from the containers that serve now to those that are wanted.

        interim: leads to what serves already, what will go included. between: also to what is new. Nothing where the
        final files say the same, or where nothing serves yet. past: for each container that serves beside others, what
        leads to those alone while it is replaced.
        """
        if not (self.description.get("rollout") or {}).get("edge"):
            return {"interim": [], "between": [], "past": []}
        running = {
            container["name"]: container.get("role") for container in self.run.capacity["containers"]
            if container["state"] == "running"}
        found = {}
        for stage, is_wanted in (("interim", False), ("between", True)):
            services = routes.leading_to(self.run.services, running, is_wanted)
            found[stage] = [] if services == self.run.services else self._differing(services)
        found["past"] = [
            {"container": name,
             "files": self._differing(routes.leading_to(self.run.services, running, wanted=True, past=name))}
            for name in routes.avoidable(self.run.services, running)]
        return found

    def _differing(self, services):
        """Files of the service that would be others with these descriptions of all services."""
        renderer = self.renderer.seeing(dict(self.variables, services=services))
        final, found = {entry["path"]: entry for entry in self.files}, []
        for source in sources(self.renderer.templates_dir):
            part, _separator, rest = without_suffix(source).partition("/")
            path = os.path.join(self.directory, part, rest)
            if part == "config" and path in final:
                content = renderer.render(source)
                if content != final[path]["content"]:
                    found.append(dict(final[path], content=content))
        return found

    def _fragment(self):
        """The complete Compose fragment of the service, or None for a role without containers."""
        if not os.path.exists(os.path.join(self.renderer.templates_dir, "compose.yaml.j2")):
            return None
        # The text that YAML knows no more of where it comes from than we do.
        short = yaml.load(str(self.renderer.render("compose.yaml.j2")), _LOADER) or {}  # noqa: S506  # a safe loader
        capacity, limits, services = self.run.capacity, containers_of(self.plan), {}
        keys = {}
        for key, definition in (short.get("services") or {}).items():
            kind = self.description["containers"][key]
            for service, name in zip(kind["services"], kind["names"], strict=True):
                services[service] = compose.hardened(
                    dict(definition, container_name=name, hostname=name), limits[key], self.name, capacity)
                self.at_next_start[service], keys[service] = kind.get("at_next_start", []), key
        for service, definition in (short.get("jobs") or {}).items():
            services[service] = compose.job(
                dict(definition, container_name=self.project.container(service)), limits["main"], self.name,
                capacity)
        unknown = sorted(set(self.extra) - set(services))
        if unknown:
            raise AnsibleActionFail(
                f"{self.name}_compose_extra names {', '.join(unknown)}, which is none of its services. Write: "
                f"{' or '.join(services)}.")
        services = compose.merge(services, self.extra)
        if compose.is_confined(capacity):
            directories = self._our_directories()
            services = {name: compose.labelled(definition, directories) for name, definition in services.items()}
        for service, definition in services.items():
            definition["labels"][labels.DIGEST] = compose.digest(
                definition, self._read_by(keys.get(service), self.read_at_start), self.at_next_start.get(service, ()))
        return {"services": services}

    def _our_directories(self):
        """Directories on the host that are the project's, those with data elsewhere included."""
        return [self.project.directory, self.project.data_dir, *(
            self.project.data_path(entry["path"]) for service in self.run.services.values()
            for entry in service.get("state") or [])]

    def _files_read_at_start(self, settle):
        """Contents of the files whose change calls for a new container: all that no reload covers."""
        reloaded = {path for entry in self._reload() for path in entry["files"]}
        inside = self.directory + "/"
        plain = {entry["path"]: settle(entry["content"]) for entry in self.files}
        secret = {entry["path"]: encoded(settle(entry["content"])) for entry in self.secret_files}
        return {
            path: content for path, content in {**plain, **secret}.items()
            if path not in reloaded and path.startswith(inside)}

    def _read_by(self, key, files):
        """Those of some files that containers of a kind read, a job of the kind None: all but what is another kind's
        own."""
        others = {
            self._path(path) for other, kind in self.description.get("containers", {}).items() if other != key
            for path in kind.get("own_files", [])}
        return {path: content for path, content in files.items() if path not in others or key is None}

    def _images(self):
        image = self.description.get("image")
        if not image:
            return []
        contract = [
            dict(clause, state=self.project.data_path(clause["state"])) if "state" in clause else clause
            for clause in self.description.get("image_contract", [])]
        wanted = {"reference": image, "user": f"{self.owner}:{self.group}", "contract": contract}
        digest = image_lock.digest_for(self.lock, image, self.run.capacity.get("architecture"))
        return [dict(wanted, digest=digest) if digest else wanted]

    def _containers(self):
        """The containers in the order in which they are started."""
        services = (self.fragment or {}).get("services", {})
        return [
            {
                "key": key, "service": service, "name": name, "image": services[service]["image"],
                "digest": services[service]["labels"][labels.DIGEST],
                "limits": compose.live_limits(services[service]),
                "networks": [self.project.network(network) for network in services[service].get("networks", [])],
                "wait_seconds": self.description.get("wait_seconds", 120),
            }
            for key, kind in self.description.get("containers", {}).items()
            for service, name in zip(kind["services"], kind["names"], strict=True) if service in services]

    def _jobs(self):
        services = (self.fragment or {}).get("services", {})
        return [
            dict(
                job, image=services[job["service"]]["image"],
                files=[self._path(path) for path in job.get("files", [])])
            for job in self.description.get("jobs", [])]

    def _path(self, path):
        return path if path.startswith("/") else os.path.join(self.directory, path)

    def _reload(self):
        """Reloads, one for each container that they are run in."""
        entries = []
        for entry in self.description.get("reload", []):
            key = entry.get("container")
            files = [self._path(path) for path in entry["files"]]
            for name in container_names(self.description, key) if key else [None]:
                entries.append(dict(entry, files=files, container=name))
        return entries

    def _units(self):
        """Units of systemd that can be enabled, which their files say."""
        folder, entries = systemd.DIRECTORY + "/", [(entry["path"], str(entry["content"])) for entry in self.files]
        return sorted(
            path[len(folder):] for path, content in entries
            if path.startswith(folder) and "/" not in path[len(folder):] and "\n[Install]\n" in content)

    def _holds(self):
        """Commands in containers of other services whose clients wait while this one restarts."""
        found = []
        for service in self.run.services.values():
            hold = ((service.get("rollout") or {}).get("holds") or {}).get(self.name)
            if hold and runs_here(service):
                for name in container_names(service, hold.get("container", "main")):
                    found.append(dict(hold, container=name))
        return found

    def _ready(self):
        """Logins that must work at a container that was started, of accounts whose passwords are there."""
        found = []
        for entry in self.description.get("ready", []):
            password = self._value(entry["password_variable"])
            if entry.get("skip") or password is None:
                continue
            login = entry["login"]
            body = json.dumps(filled(login["body"], {"mail": entry["user"], "password": password}))
            found += [
                {
                    "container": name, "port": entry["port"], "origin": origin(entry["host"], self.run.entrance),
                    "user": entry["user"], "body": encoded(body),
                    "login": {key: path for key, path in login.items() if key != "body"},
                }
                for name in container_names(self.description, entry.get("container", "main"))]
        return found

    def _part_of_plan(self):
        return part_of(self.run.plan, self.name) if self.name in self.run.plan["services"] else {}

    def _state(self):
        return self.description.get("state") or []

    def _directories(self):
        directories = []
        # Users of the host may have the numbers of those in containers, whose secrets and data are theirs then. Nobody
        # enters but root, and who is root by the group that drives the Engine.
        closed = {"mode": "0750", "owner": 0, "group": self.run.capacity.get("docker_group", 0)}
        if self.files or self.secret_files:
            ours = self.project.is_ours(self.project.directory)
            directories.append({"path": self.project.directory, **(closed if ours else {"mode": "0755"})})
            directories.append({"path": self.directory, "mode": "0755"})
        if self._state() and self.project.is_ours(self.project.data_dir):
            directories.append({"path": self.project.data_dir, **closed})
        parents = {os.path.dirname(entry["path"]) for entry in self.files + self.secret_files}
        for parent in sorted(parents):
            if parent.startswith(self.directory + "/"):
                private = "/secrets" in parent[len(self.directory):]
                directories.append({
                    "path": parent, "mode": "0500" if private else "0755",
                    "owner": self.owner if private else 0, "group": self.group if private else 0})
        for entry in self._state():
            directories.append({
                "path": self.project.data_path(entry["path"]), "mode": entry.get("mode", "0700"), "data": True,
                "owner": entry.get("owner", self.owner), "group": entry.get("group", self.group)})
        return directories


class Removal:
    """A service that is not wanted: its containers and files go, its data stays."""

    wish = None
    secrets = ()

    @staticmethod
    def pulls_again():
        """Nothing is pulled for it."""
        return False

    def __init__(self, name, templates_dir):
        self.name = name
        self.host_files = [
            without_suffix(source)[len("host"):] for source in sources(templates_dir) if source.startswith("host/")]

    def arguments(self):
        """The service as the module that does the work on the host takes it."""
        return {"name": self.name, "state": "absent", "host_files": self.host_files}


def digest_of(arguments):
    """Digest of all that is wanted of a service."""
    text = json.dumps([BUNDLE_VERSION, arguments], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def encoded(text):
    """A secret in base64: Ansible writes a module's arguments to the host's journal and masks only what stands there
    letter by letter, which a text of several lines does not."""
    return base64.b64encode(text.encode("utf-8")).decode("ascii")


def to_yaml(value):
    """YAML in the order in which it was written, without anchors."""
    plain = json.loads(json.dumps(value, default=str))
    return yaml.dump(plain, Dumper=_DUMPER, sort_keys=False, width=120, allow_unicode=True)
