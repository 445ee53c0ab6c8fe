# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""All that one service is made of on its host: files, containers, and what to do with them."""

from __future__ import annotations

import base64
import json
import os

import yaml

from ansible_collections.trenova.selfhost.plugins.module_utils import labels
from ansible_collections.trenova.selfhost.plugins.plugin_utils import compose, preflight
from ansible_collections.trenova.selfhost.plugins.plugin_utils.rendering import Renderer, sources, without_suffix
from ansible_collections.trenova.selfhost.plugins.plugin_utils.run import templated
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.plan_file import part_of
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.services import containers_of

HEADER = "# Managed by trenova.selfhost: change the inventory and run the playbook, not this file.\n"


class Bundle:
    """All that one service is made of on its host.

    `task_vars` are those that the role itself sees: of the running role, or of any one by `catalogue.role_variables`.
    """

    def __init__(self, action, task_vars, context, name):
        self.name = name
        self.context = context
        self.description = context.services[name]
        self.plan = context.plan["services"].get(name) or self.description.get("resources", {})
        self.project_dir = templated(action, task_vars, "trenova_project_dir", "/opt/trenova")
        self.data_dir = templated(action, task_vars, "trenova_data_dir", "/var/lib/trenova")
        self.directory = os.path.join(self.project_dir, name)
        self.owner = self.description.get("user", 0)
        self.group = self.description.get("group", self.owner)
        self.variables = dict(
            task_vars, plan=self.plan, services=context.services, capacity=context.capacity, service=self.description,
            trenova_project_dir=self.project_dir, trenova_data_dir=self.data_dir,
            reaches_outside=self._reaches_outside(),
            available=[other for other, service in context.services.items() if preflight.is_available(service)])
        self.renderer = Renderer(action, os.path.join(task_vars["role_path"], "templates"), self.variables)
        values = [self._value(key) for key in [
            *self.description.get("secrets", {}), *self.description.get("secrets_optional", [])]]
        self.secrets = [str(value) for value in values if value is not None]
        self.extra = self._value(name + "_compose_extra") or {}
        self.files, self.secret_files = self._render_files()

    def module_arguments(self):
        """Arguments of the module that does the work on the host."""
        fragment = self._fragment()
        if fragment:
            self._add_file(os.path.join(self.directory, "compose.yaml"), HEADER + to_yaml(fragment))
            self._add_file(os.path.join(self.project_dir, "compose.yaml"), HEADER + to_yaml(base_project()))
        description = json.dumps(self.description, indent=2, sort_keys=True, default=str) + "\n"
        self._add_file(os.path.join(self.directory, "service.json"), description)
        # What stands beside the containers for the next plan to compare with is no reason to restart one.
        if self.name in self.context.plan["services"]:
            part = json.dumps(part_of(self.context.plan, self.name), indent=2) + "\n"
            self._add_file(os.path.join(self.directory, "plan.json"), part)
        units = self._units(fragment)
        return {
            "name": self.name,
            "state": "present",
            "project_dir": self.project_dir,
            "directories": self._directories(),
            "files": self.files,
            "secret_files": self.secret_files,
            "secrets": self.secrets,
            "units": units,
            "retired_containers": self._retired(units),
            "prepare": self.description.get("prepare", []),
            "reload": self._reload(),
            "follows": self.description.get("follows", []),
            "guards": self.description.get("guards", []),
        }

    def _value(self, name):
        """A variable as the role sees it, with its expressions resolved; None where it is not set."""
        value = self.variables.get(name)
        value = None if value is None else self.renderer.templar.template(value)
        return None if value == "" else value

    def _reaches_outside(self):
        """Whether the service talks to one that is not on this host, so that it needs a network with a way out."""
        others = self.description.get("needs", []) + self.description.get("uses", [])
        return any(self.context.services.get(name, {}).get("external") for name in others)

    def _render_files(self):
        files, secret_files = [], []
        for source in sources(self.renderer.templates_dir):
            part, _separator, rest = without_suffix(source).partition("/")
            if part not in ("config", "secrets", "host"):
                continue
            content = self.renderer.render(source)
            # What renders to nothing is not wanted; an empty secret would also mask every line end of the output.
            if not content.strip():
                continue
            if part == "config":
                files.append(self._file(os.path.join(self.directory, part, rest), content, "0444"))
            elif part == "secrets":
                # In base64: Ansible writes a module's arguments to the host's journal and masks only what stands there
                # letter by letter, which a text of several lines does not.
                encoded = base64.b64encode(content.encode("utf-8")).decode("ascii")
                secret_files.append(self._file(os.path.join(self.directory, part, rest), encoded, "0400"))
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

    def _fragment(self):
        """The complete Compose fragment of the service, or None for a role without containers."""
        if not os.path.exists(os.path.join(self.renderer.templates_dir, "compose.yaml.j2")):
            return None
        short = yaml.safe_load(self.renderer.render("compose.yaml.j2")) or {}
        capacity, containers, services = self.context.capacity, containers_of(self.plan), {}
        for key, definition in (short.get("services") or {}).items():
            services[key] = compose.hardened(definition, containers, self.name, capacity)
        for key, definition in (short.get("jobs") or {}).items():
            services[key] = compose.job(definition, containers, self.name, capacity)
        services = compose.merge(services, self.extra)
        read_at_start = self._files_read_at_start()
        for definition in services.values():
            definition["labels"][labels.DIGEST] = compose.digest(definition, read_at_start)
        return {"services": services}

    def _files_read_at_start(self):
        """Contents of the files whose change calls for a new container: all that no reload covers."""
        reloaded = {path for entry in self._reload() for path in entry["files"]}
        inside = self.directory + "/"
        return {
            entry["path"]: entry["content"] for entry in self.files + self.secret_files
            if entry["path"] not in reloaded and entry["path"].startswith(inside)}

    def _units(self, fragment):
        services = (fragment or {}).get("services", {})
        return [
            {
                "service": key, "container": definition["container_name"], "image": definition["image"],
                "digest": definition["labels"][labels.DIGEST],
                "wait_seconds": self.description.get("wait_seconds", 120),
            }
            for key, definition in services.items() if "profiles" not in definition]

    def _retired(self, units):
        """Containers of this role that the measurement found and nobody wants any more, an instance too many say."""
        wanted = {unit["container"] for unit in units}
        return [
            container["name"] for container in self.context.capacity["containers"]
            if container.get("role") == self.name and not container["one_off"] and container["name"] not in wanted]

    def _reload(self):
        entries = []
        for entry in self.description.get("reload", []):
            files = [path if path.startswith("/") else os.path.join(self.directory, path) for path in entry["files"]]
            entries.append(dict(entry, files=files))
        return entries

    def _directories(self):
        directories = []
        if self.files or self.secret_files:
            directories.append({"path": self.project_dir, "mode": "0755"})
            directories.append({"path": self.directory, "mode": "0755"})
        parents = {os.path.dirname(entry["path"]) for entry in self.files + self.secret_files}
        for parent in sorted(parents):
            if parent.startswith(self.directory + "/"):
                private = "/secrets" in parent[len(self.directory):]
                directories.append({
                    "path": parent, "mode": "0500" if private else "0755",
                    "owner": self.owner if private else 0, "group": self.group if private else 0})
        for entry in self.description.get("directories", []):
            directories.append({
                "path": os.path.join(self.data_dir, entry["path"]), "mode": entry.get("mode", "0700"),
                "owner": entry.get("owner", self.owner), "group": entry.get("group", self.group)})
        return directories


def base_project():
    """The file that all fragments share: the name of the project and its networks.

    `data` and `app` have no way out; only what is attached to `edge` reaches other hosts.
    """
    return {
        "name": "trenova",
        "networks": {
            "data": {"name": "trenova_data", "internal": True},
            "app": {"name": "trenova_app", "internal": True},
            "edge": {"name": "trenova_edge"},
        },
    }


def to_yaml(value):
    """YAML in the order in which it was written, without anchors."""
    return yaml.dump(json.loads(json.dumps(value, default=str)), sort_keys=False, width=120, allow_unicode=True)
