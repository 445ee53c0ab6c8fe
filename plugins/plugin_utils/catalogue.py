# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The catalogue of services: what each role says of itself in meta/service.yml.

The descriptions of all roles that take part are read before the first of them does anything, so that the preflight
knows every secret and port, and Caddy every route, from the start.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.parsing.dataloader import DataLoader

from ansible_collections.trenova.selfhost.plugins.plugin_utils import compiled, description, profiles
from ansible_collections.trenova.selfhost.plugins.plugin_utils.compiled import shared
from ansible_collections.trenova.selfhost.plugins.plugin_utils.description import ROLES_DIRECTORY
from ansible_collections.trenova.selfhost.plugins.plugin_utils.entrance import entrance_of
from ansible_collections.trenova.selfhost.plugins.plugin_utils.rendering import SUFFIX, sources
from ansible_collections.trenova.selfhost.plugins.plugin_utils.report.looks import look_faults, look_of
from ansible_collections.trenova.selfhost.plugins.plugin_utils.role_files import (
    DESCRIPTION,
    expressions,
    load,
    main_file,
    own_files,
    own_options,
    own_roles,
    places_of,
    role_defaults,
    role_path,
    shared_options,
    short_name,
    taking_part,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.specified import as_specified
from ansible_collections.trenova.selfhost.plugins.plugin_utils.topology import Member
from ansible_collections.trenova.selfhost.plugins.plugin_utils.variables import templated, understood


class DescriptionInvalid(AnsibleActionFail):
    """A description breaks the schema: `faults` are (where in it, what is wrong, what is allowed)."""

    def __init__(self, path, faults):
        super().__init__("\n".join([f"{path}:", *("  {}: {}; {}".format(*fault) for fault in faults)]))
        self.path = path
        self.faults = faults


class Catalogue:
    """The roles that take part in a run, as one host sees them.

    `names` are the roles, with or without their collection; `places` their directories, where these are known.
    Without any they are those of the play and the one that runs now; in a play without roles, all of this collection
    and those that the inventory adds. Expressions are resolved by the variables of the host, each role's own defaults
    below them.
    """

    def __init__(self, action, task_vars, project, names=(), places=None):
        self._action = action
        self._task_vars = understood(action, task_vars)
        self._project = project
        #: {short name: directory} of the roles that describe a service.
        self.places = places or places_of(self._task_vars, names or names_in_play(action, self._task_vars))
        self._templars = {}
        self._everything = None
        #: Where visitors enter, which descriptions may refer to; known before the first of them is resolved.
        self._entrance = {}

    def templar(self, path, **more):
        """A templar that sees what the role in this directory sees."""
        variables = dict(role_variables(self._action, path, self._task_vars), **more)
        return shared(self._action._templar.copy_with_new_env(available_variables=variables))

    def value(self, variable, default=None):
        """A variable as the roles see it, all of them together, or the default where it is empty or not set."""
        if self._everything is None:
            defaults = {}
            for path in self.places.values():
                defaults.update(role_defaults(self._action, path))
            self._everything = {**defaults, **self._task_vars}
        if variable not in self._everything:
            return default
        if None not in self._templars:
            self._templars[None] = shared(
                self._action._templar.copy_with_new_env(available_variables=self._everything))
        found = self._templars[None].template(self._everything[variable])
        return default if found is None or found == "" else found

    def is_enabled(self, name):
        """Whether a role is wanted on the host, which the plan waits for."""
        return bool(self._early(self.places[name], "enabled", True))

    def before_plan(self, name):
        """What the plan must know of a role beforehand: its profile of the application, what its containers ask for."""
        path = self.places[name]
        told = load(self._action, os.path.join(path, DESCRIPTION))
        try:
            return self._early_templar(path).template({
                "profile": (told.get("exports") or {}).get("profile"),
                "resources": description.container_resources(told)})
        except Exception as error:
            raise AnsibleActionFail(f"roles/{name}/meta/service.yml: {error}") from error

    def alone(self):
        """Names of the services that cannot run on several hosts: their descriptions name no cluster."""
        return [name for name, path in self.places.items()
                if not (load(self._action, os.path.join(path, DESCRIPTION)).get("cluster") or {}).get("kind")]

    def images(self):
        """References of the images that the host will run."""
        wanted = [self._early(path, "image", None) for name, path in self.places.items() if self.is_enabled(name)]
        return sorted({reference for reference in wanted if reference})

    def users(self):
        """Numbers of the users that containers of the host will run as, as far as that needs no plan."""
        found = set()
        for name, path in self.places.items():
            if self.is_enabled(name):
                with contextlib.suppress(AnsibleError, ValueError):
                    found.add(int(self._early(path, "user", 0)))
        return sorted(found)

    def python_packages(self):
        """Python packages that the controller needs: {package: names of the services that need it}."""
        found = {}
        for name, path in self.places.items():
            told = load(self._action, os.path.join(path, DESCRIPTION)).get("python_packages", [])
            # What is not ours is checked by its schema.
            for package in [*told, *([] if description.is_ours(path) else ["jsonschema"])]:
                if self.is_enabled(name):
                    found.setdefault(package, []).append(name)
        return found

    def apart_from_data(self):
        """Paths on the host that should lie on another disk than the data."""
        found = set()
        for name, path in self.places.items():
            if self.is_enabled(name):
                found.update(
                    str(entry["path"]) for entry in self._early(path, "state", []) if entry.get("apart"))
        return sorted(found)

    def early(self, name, key, default=None):
        """One entry of the description of a role that takes part, which needs neither plan nor host."""
        return self._early(self.places[name], key, default)

    def _early(self, path, key, default):
        """One entry of a role's description that needs neither plan nor host."""
        value = load(self._action, os.path.join(path, DESCRIPTION)).get(key, default)
        return self._early_templar(path).template(value)

    def _early_templar(self, path):
        if path not in self._templars:
            self._templars[path] = self.templar(path)
        return self._templars[path]

    def entrance(self, deployed):
        """Where visitors enter the installation, by the description that says it; other descriptions refer to it.

        It is that of a role which takes part, of a service that is on the host (`deployed`), or else of a role of this
        collection, so that every part of an installation writes the same address whichever of them is deployed alone.
        """
        own = {name: os.path.join(ROLES_DIRECTORY, name) for name in own_roles()}
        path = next(filter(self._has_entrance, self.places.values()), None)
        if path is None and (found := entrance_of(deployed)):
            self._entrance = found
        elif path := path or next(filter(self._has_entrance, own.values()), None):
            self._entrance = json.loads(json.dumps(self._early(path, "entrance", {}), default=str))
        return self._entrance

    def _has_entrance(self, path):
        return "entrance" in load(self._action, os.path.join(path, DESCRIPTION))

    def describe(self, plan, capacity, members):
        """{service: description} of all roles that take part. `members` are those of the host."""
        return {
            name: self._describe(name, path, plan, capacity, members) for name, path in sorted(self.places.items())}

    def counterparts(self, plan, capacity, members, services):
        """Descriptions of what the services need or use and what neither takes part nor is on the host.

        They say `absent: true`, so that templates find an address everywhere, and checks what is not there.
        """
        found = {}
        names = {
            name for service in services.values() for key in ("needs", "uses", "follows")
            for name in service.get(key, [])}
        if any(service.get("uses_saved") for service in services.values()):
            names.update(self._external(set(own_roles()) - set(services)))
        for name in sorted(names - set(services)):
            path = role_path(name)
            if path:
                found[name] = dict(self._describe(name, path, plan, capacity, members), absent=True)
        return found

    def _external(self, names):
        """Services of this collection that are somebody else's, among these: nothing on the host tells of them."""
        return [name for name in names if self._early(os.path.join(ROLES_DIRECTORY, name), "external", False)]

    def _describe(self, name, path, plan, capacity, members):
        templar = self.templar(
            path, plan=plan["services"].get(name, {}), capacity=capacity, entrance=self._entrance)
        source = os.path.join(path, DESCRIPTION)
        try:
            # As plain values, without what Ansible knows of where they come from.
            told = json.loads(json.dumps(dict(templar.template(load(self._action, source))), default=str))
        except Exception as error:
            raise AnsibleActionFail(f"roles/{name}/meta/service.yml: {error}") from error
        # For messages alone: where a file lies on a controller is nothing to keep on the host.
        profile_file = (told.get("exports") or {}).pop("profile_file", source)
        is_own = description.is_ours(path)
        if not is_own and (faults := description.faults(told)):
            raise DescriptionInvalid(source, faults)
        profile = (told.get("exports") or {}).get("profile")
        is_known = profile is None or is_own and profiles.is_shipped(profile, path)
        if not is_known and (faults := description.faults(profile, "profile")):
            raise DescriptionInvalid(str(profile_file), faults)
        # Nobody else can be a member of a service that only the roles of this host know.
        here = members.get(name) or Member(name, self._task_vars["inventory_hostname"], 1)
        return description.resolved(told, self._project, here)

    def again(self, name, plan, capacity, members):
        """Description of a service whose role does not take part; None where there is no such role."""
        path = role_path(name, self._task_vars.get("playbook_dir"))
        return self._describe(name, path, plan, capacity, members) if path else None


def names_in_play(action, task_vars):
    """Names of the roles that take part when nobody names them."""
    return taking_part(
        task_vars, templated(action, task_vars, "trenova_roles", []),
        templated(action, task_vars, "trenova_roles_extra", []))


def looks(places):
    """How each service is shown, from its role's description as it is written, without resolving expressions.

    `places` is {service: directory of its role}, the result {service: {"title", "colour", "highlights"}}. Raises
    AnsibleActionFail with all that is wrong.
    """
    loader, found, faults = DataLoader(), {}, []
    for service, path in places.items():
        description = loader.load_from_file(os.path.join(path, "meta", "service.yml")) or {}
        found[service] = look_of(service, description)
        faults += [f"roles/{service}/meta/service.yml: {fault}" for fault in look_faults(description)]
    if faults:
        raise AnsibleActionFail("\n".join(faults))
    return found


def role_variables(action, path, task_vars):
    """Variables as the role itself sees them, understood: its defaults and its vars/ below everything else."""
    return {
        **role_defaults(action, path), **main_file(action, path, "vars"), **understood(action, task_vars),
        "role_path": path}


def preload():
    """Parse the files of this collection's roles, and compile their templates, for processes that are forked later."""
    own_options()
    defaults = {name: option.spec.get("default") for name, option in shared_options().items()}
    compiled.prepare(files=_own_templates(), expressions=expressions([own_files(), defaults]))


def _own_templates():
    """Texts of the templates of this collection's roles."""
    for name in own_roles():
        directory = os.path.join(ROLES_DIRECTORY, name, "templates")
        for source in sources(directory):
            if source.endswith(SUFFIX):
                with open(os.path.join(directory, source), encoding="utf-8") as stream:
                    yield stream.read()


@functools.cache
def own_services():
    """Names of the roles of this collection that run containers.

    Asked for in `hosts` of a play, they are known before Ansible makes a process for each host.
    """
    return tuple(
        name for name in own_roles() if "image" in own_files()[os.path.join(ROLES_DIRECTORY, name, DESCRIPTION)])


def services(roles_extra=()):
    """Names of all services that have a group of the inventory: our own and those of further roles."""
    further = as_specified(roles_extra or None, "trenova_roles_extra")
    return tuple(dict.fromkeys([*own_services(), *map(short_name, further)]))


def secrets(action, roles, playbook_dir=None):
    """Secrets that roles need, as they describe them: {name of the variable: {kind, ...}}."""
    found = {}
    for role in roles:
        path = role_path(role, playbook_dir)
        source = os.path.join(path or "", DESCRIPTION)
        if path and os.path.exists(source):
            found.update(load(action, source).get("secrets") or {})
    return found


def secret_kinds(action, roles, playbook_dir=None):
    """Secrets that roles need: {name of the variable: kind}."""
    return description.secret_kinds({"secrets": secrets(action, roles, playbook_dir)})
