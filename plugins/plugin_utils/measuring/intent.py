# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the inventory wants of a plan, as the sizing engine takes it."""

from __future__ import annotations

import dataclasses

from ansible_collections.trenova.selfhost.plugins.plugin_utils import sizing
from ansible_collections.trenova.selfhost.plugins.plugin_utils.description import container_resources, runs_here
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import Profile
from ansible_collections.trenova.selfhost.plugins.plugin_utils.variables import templated

#: Variable of the inventory -> entry of the intent.
INTENT_VARIABLES = {
    "trenova_tier": "tier",
    "trenova_users": "users",
    "trenova_mode": "mode",
    "trenova_plan_overrides": "overrides",
    "trenova_strict": "strict",
    "trenova_accept_undersized_host": "accept_undersized_host",
    "trenova_accept_overcommit": "accept_overcommit",
    "trenova_accept_backup_on_data_disk": "accept_backup_on_data_disk",
    "trenova_reserved_memory_mb": "reserved_memory_mb",
    "trenova_restore_document": "restore_document",
    "minio_mode": "minio_mode",
    "pgbouncer_pool_mode": "pool_mode",
}


def wanted(action, task_vars, catalogue, known):
    """The intent of a host; `known` are descriptions of services that do not take part in this run."""
    intent = {}
    for variable, key in INTENT_VARIABLES.items():
        value = templated(action, task_vars, variable, None)
        if value is not None:
            intent[key] = value
    here = services_here(catalogue, known)
    intent["services"] = [name for name in sizing.SERVICES if name in here]
    intent["foreign"] = {
        name: told["resources"] for name, told in sorted(here.items())
        if told["resources"] and name not in sizing.SERVICES}
    intent["profile"] = next(
        (_of_profile(here[name]["profile"]) for name in intent["services"] if here[name]["profile"]), None)
    return intent


def _of_profile(profile):
    """What the engine must know of an application profile, which says much more."""
    known = [field.name for field in dataclasses.fields(Profile)]
    return {key: value for key, value in profile.items() if key in known}


def services_here(catalogue, known):
    """The services whose containers run on this host, or will: {service: what the plan must know of it beforehand}."""
    here = {
        name: {"profile": (service.get("exports") or {}).get("profile"), "resources": container_resources(service)}
        for name, service in known.items() if name not in catalogue.places and runs_here(service)}
    here.update((name, catalogue.before_plan(name)) for name in catalogue.places if catalogue.is_enabled(name))
    return here
