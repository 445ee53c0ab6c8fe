# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The registry of services: what each role says of itself in meta/service.yml.

The descriptions of all roles of a play are read before the first of them runs, so that the
preflight knows every secret and port, and Caddy every route, from the start.
"""

from __future__ import annotations

import functools
import os

import yaml
from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.utils.collection_loader._collection_finder import _get_collection_role_path

COLLECTION = "trenova.selfhost"


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
    places = [os.path.join(playbook_dir, "roles")] if playbook_dir else []
    for place in [*places, *(constants.config.get_config_value("DEFAULT_ROLES_PATH") or [])]:
        if os.path.isdir(os.path.join(place, role)):
            return os.path.join(place, role)
    return role_path(f"{COLLECTION}.{role}")


def roles_in_play(task_vars):
    """Roles of the play, and the one that runs now, which describe a service: {short name: directory}."""
    running = task_vars.get("ansible_role_name")
    names = task_vars.get("ansible_play_role_names", [])
    places = {name: role_path(name, task_vars.get("playbook_dir")) for name in names}
    if running:
        places[running] = task_vars.get("role_path")
    described = {}
    for name, path in places.items():
        if path and os.path.exists(os.path.join(path, "meta", "service.yml")):
            described[short_name(name)] = path
    return described


def describe(action, task_vars, plan, capacity):
    """Descriptions of the services of all roles in the play, with their expressions resolved."""
    return {
        name: describe_role(action, task_vars, name, path, plan, capacity)
        for name, path in sorted(roles_in_play(task_vars).items())
    }


def describe_counterparts(action, task_vars, plan, capacity, services):
    """Descriptions of what the services need or use and what is neither in the play nor on the host.

    They say `absent: true`, so that templates find an address everywhere, and checks what is not there.
    """
    found = {}
    names = {name for service in services.values() for key in ("needs", "uses") for name in service.get(key, [])}
    for name in sorted(names - set(services)):
        path = role_path(name)
        if path:
            found[name] = dict(describe_role(action, task_vars, name, path, plan, capacity), absent=True)
    return found


def describe_role(action, task_vars, name, path, plan, capacity):
    """Description of one role."""
    variables = role_variables(action, path, task_vars)
    variables.update({"plan": plan["services"].get(name, {}), "capacity": capacity})
    templar = action._templar.copy_with_new_env(available_variables=variables)
    try:
        return dict(templar.template(load(action, os.path.join(path, "meta", "service.yml"))))
    except Exception as error:
        raise AnsibleActionFail(f"roles/{name}/meta/service.yml: {error}") from error


def is_enabled(action, task_vars, path):
    """Whether a role is wanted on the host: what `enabled` of its description says, which the plan waits for."""
    return bool(_described(action, task_vars, path, "enabled", True))


def image(action, task_vars, path):
    """Reference of the image that a role runs; None when it runs none."""
    return _described(action, task_vars, path, "image", None)


def apart_from_data(action, task_vars):
    """Paths on the host that should lie on another disk than the data, as the roles of the play say."""
    paths = (_described(action, task_vars, path, "apart_from_data", "")
             for path in roles_in_play(task_vars).values() if is_enabled(action, task_vars, path))
    return sorted(str(path) for path in paths if path)


def _described(action, task_vars, path, key, default):
    """One entry of a role's description that needs neither plan nor host."""
    value = load(action, os.path.join(path, "meta", "service.yml")).get(key, default)
    templar = action._templar.copy_with_new_env(available_variables=role_variables(action, path, task_vars))
    return templar.template(value)


def role_variables(action, path, task_vars):
    """Variables as the role itself sees them: its defaults and its vars/ below everything else."""
    return dict(role_defaults(action, path), **dict(_role_vars(action, path), **dict(task_vars, role_path=path)))


def role_defaults(action, path):
    """Defaults of a role, not resolved."""
    return _main_file(action, path, "defaults")


def _role_vars(action, path):
    """Variables of a role that are none of its options, not resolved."""
    return _main_file(action, path, "vars")


def _main_file(action, path, folder):
    source = os.path.join(path, folder, "main.yml")
    return load(action, source) or {} if os.path.exists(source) else {}


def load(action, path):
    """Content of a YAML file of a role, in which expressions may stand."""
    return action._loader.load_from_file(path, trusted_as_template=True)


def own_roles():
    """Names of the roles of this collection that describe a service."""
    base = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", "roles"))
    return sorted(
        name for name in os.listdir(base) if os.path.exists(os.path.join(base, name, "meta", "service.yml")))


@functools.cache
def own_services():
    """Names of the roles of this collection that run containers.

    Asked for in `hosts` of a play, they are known before Ansible makes a process for each host.
    """
    base = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", "roles"))
    found = []
    for name in own_roles():
        with open(os.path.join(base, name, "meta", "service.yml"), encoding="utf-8") as stream:
            if "image" in yaml.safe_load(stream):
                found.append(name)
    return tuple(found)


def services(roles_extra=()):
    """Names of all services that have a group of the inventory: our own and those of further roles."""
    return tuple(dict.fromkeys([*own_services(), *map(short_name, roles_extra or ())]))


def secret_kinds(action, roles, playbook_dir=None):
    """Secrets that roles need: {name of the variable: kind}."""
    kinds = {}
    for role in roles:
        path = role_path(role, playbook_dir)
        source = os.path.join(path or "", "meta", "service.yml")
        if path and os.path.exists(source):
            kinds.update(load(action, source).get("secrets") or {})
    return kinds


def shared_variables(action):
    """Names of the variables that no role owns, which meta/variables.yml describes."""
    source = os.path.join(os.path.dirname(__file__), "..", "..", "meta", "variables.yml")
    sections = action._loader.load_from_file(os.path.realpath(source))["sections"]
    return [name for section in sections for name in section["options"]]


def argument_spec(action, path):
    """Options of a role's main entry point; required ones are left to the role itself."""
    source = os.path.join(path, "meta", "argument_specs.yml")
    if not os.path.exists(source):
        return {}
    options = action._loader.load_from_file(source)["argument_specs"]["main"].get("options", {})
    return {name: _validated_part(option) for name, option in options.items()}


def _validated_part(option):
    """The keys of an option that validation knows; a default here could hide that nothing was given."""
    kept = {key: value for key, value in option.items() if key in ("type", "elements", "choices")}
    if "options" in option:
        kept["options"] = {name: dict(_validated_part(sub), required=sub.get("required", False))
                           for name, sub in option["options"].items()}
    return kept
