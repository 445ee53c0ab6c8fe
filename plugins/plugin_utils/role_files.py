# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Where roles lie and what stands in their files, as it is written: no expression is resolved here."""

from __future__ import annotations

import functools
import os

from ansible import constants
from ansible.parsing.dataloader import DataLoader
from ansible.utils.collection_loader._collection_finder import _get_collection_role_path

from ansible_collections.trenova.selfhost.plugins.plugin_utils.description import ROLES_DIRECTORY, is_ours
from ansible_collections.trenova.selfhost.plugins.plugin_utils.values import Option

COLLECTION = "trenova.selfhost"
DESCRIPTION = os.path.join("meta", "service.yml")
#: What no role owns, in the form of argument specifications.
SHARED = os.path.join(os.path.dirname(ROLES_DIRECTORY), "meta", "variables.yml")
SHARED_PAGE = "docs/variables.md"


def short_name(role):
    """Last part of a fully qualified role name."""
    return role.rsplit(".", 1)[-1]


def role_path(role, playbook_dir=None):
    """Directory of a role; None when there is none.

    A name without a collection is looked for where Ansible looks for roles, and then in this collection.
    """
    if role.count(".") == 2:
        found = _get_collection_role_path(role)
        return found[1] if found else None
    places_of_roles = [os.path.join(playbook_dir, "roles")] if playbook_dir else []
    for place in [*places_of_roles, *(constants.config.get_config_value("DEFAULT_ROLES_PATH") or [])]:
        if os.path.isdir(os.path.join(place, role)):
            return os.path.join(place, role)
    return role_path(f"{COLLECTION}.{role}")


def places_of(task_vars, names):
    """{short name: directory} of the roles among these that describe a service."""
    found = {name: role_path(name, task_vars.get("playbook_dir")) for name in names}
    if task_vars.get("ansible_role_name") in found:
        found[task_vars["ansible_role_name"]] = task_vars.get("role_path")
    return {
        short_name(name): path for name, path in found.items()
        if path and os.path.exists(os.path.join(path, DESCRIPTION))}


def taking_part(task_vars, wanted, further):
    """Names of the roles that take part when nobody names them: those of the play, or else `wanted` of this collection,
    all when it is empty, and `further` ones."""
    running = task_vars.get("ansible_role_name")
    in_play = [*task_vars.get("ansible_play_role_names", []), *([running] if running else [])]
    return in_play or [*(wanted or own_roles()), *(further or [])]


def role_defaults(action, path):
    """Defaults of a role, not resolved."""
    return main_file(action, path, "defaults")


def main_file(action, path, folder):
    """Variables in main.yml of a role's defaults/ or vars/, not resolved."""
    source = os.path.join(path, folder, "main.yml")
    return load(action, source) or {} if os.path.exists(source) else {}


def load(action, path):
    """Content of a YAML file of a role, in which expressions may stand. Nobody may change what it returns."""
    known = own_files().get(_real_path(path))
    # `unsafe` means that the loader hands out what it has in place of a deep copy.
    return known if known is not None else action._loader.load_from_file(path, trusted_as_template=True, unsafe=True)


@functools.cache
def _real_path(path):
    """The path without links: a checkout is reached by one."""
    return os.path.realpath(path)


@functools.cache
def own_files():
    """{path: content} of the YAML files of this collection's roles. Parsed once, before the controller forks."""
    loader = DataLoader()
    found = {}
    for name in own_roles():
        for part in ("defaults", "vars", "meta"):
            directory = os.path.join(ROLES_DIRECTORY, name, part)
            for file in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
                if file.endswith(".yml"):
                    path = os.path.join(directory, file)
                    found[path] = loader.load_from_file(path, trusted_as_template=True, unsafe=True)
    return found


@functools.cache
def own_roles():
    """Names of the roles of this collection that describe a service, sorted."""
    names = os.listdir(ROLES_DIRECTORY)
    return sorted(name for name in names if os.path.exists(os.path.join(ROLES_DIRECTORY, name, DESCRIPTION)))


@functools.cache
def _shared():
    """Content of meta/variables.yml. Read once, before the controller forks."""
    return DataLoader().load_from_file(SHARED, trusted_as_template=True, unsafe=True)


@functools.cache
def shared_options():
    """{variable: Option} of what no role owns."""
    told = _shared()
    sections = [section["options"] for section in told["sections"]]
    return {
        name: Option(name, spec, SHARED_PAGE, format=told["formats"].get(name), texts=told["texts"].get(name))
        for options in sections for name, spec in options.items()}


def shared_variables():
    """Names of the variables that no role owns, and of those that playbooks set for themselves."""
    return [*shared_options(), *_shared()["internal"]]


def role_options(action, path):
    """{variable: Option} of a role: what its specification and its description say of each."""
    return own_options()[_real_path(path)] if is_ours(path) else _options(action, path)


@functools.cache
def own_options():
    """{directory: options} of the roles of this collection."""
    return {path: _options(None, path) for path in (os.path.join(ROLES_DIRECTORY, name) for name in own_roles())}


@functools.cache
def own_variables():
    """Defaults and vars/ of all roles of this collection, not resolved: their names are those of their roles."""
    return {
        name: value for path in own_options() for folder in ("defaults", "vars")
        for name, value in main_file(None, path, folder).items()}


def _options(action, path):
    told = load(action, os.path.join(path, DESCRIPTION))
    formats, texts = (_plain(told.get(key)) for key in ("formats", "texts"))
    page = f"roles/{os.path.basename(path)}/README.md"
    secrets = {*_plain(told.get("secrets")), *(told.get("secrets_optional") or [])} - set(shared_options())
    specs = {**dict.fromkeys(secrets, {"type": "str", "no_log": True}), **argument_spec(action, path)}
    return {
        name: Option(name, spec, page, path, formats.get(name), texts.get(name)) for name, spec in specs.items()}


def _plain(told):
    """A part of a description that must be known before anything is resolved; nothing where it is an expression."""
    return told if isinstance(told, dict) else {}


def argument_spec(action, path):
    """Options of a role's main entry point."""
    source = os.path.join(path, "meta", "argument_specs.yml")
    if not os.path.exists(source):
        return {}
    return load(action, source)["argument_specs"]["main"].get("options") or {}


def expressions(value):
    """All texts with expressions in a value."""
    if isinstance(value, dict):
        for entry in value.values():
            yield from expressions(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from expressions(entry)
    elif isinstance(value, str) and "{{" in value:
        yield value
