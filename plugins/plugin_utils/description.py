# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Descriptions of services: what is wrong with one by the schema, and what its keys of containers stand for."""

from __future__ import annotations

import functools
import json
import os

from ansible_collections.trenova.selfhost.plugins.plugin_utils import topology
from ansible_collections.trenova.selfhost.plugins.plugin_utils.instances import instance_names

SCHEMAS_DIRECTORY = os.path.join(os.path.dirname(__file__), "schemas")
#: Directory of this collection's roles.
ROLES_DIRECTORY = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", "roles"))
MAIN = "main"


def is_ours(role_directory):
    """Whether a role is one of this collection, whose tests hold it to the schemas: nobody has to do so again."""
    return os.path.realpath(role_directory).startswith(ROLES_DIRECTORY + os.sep)


@functools.cache
def schema(name):
    """A schema of this collection: service, profile or reported."""
    with open(os.path.join(SCHEMAS_DIRECTORY, f"{name}.json"), encoding="utf-8") as stream:
        return json.load(stream)


def faults(told, name="service"):
    """What breaks the schema: (where, what is wrong, what is allowed), all of it at once.

    Raises RuntimeError where the Python package jsonschema is not installed.
    """
    try:
        # Here, because it takes longer than all of the rest, and only descriptions that are not ours are looked at.
        import jsonschema  # noqa: PLC0415
    except ImportError as error:
        raise RuntimeError(
            "the Python package jsonschema is missing: pip install -r requirements.txt") from error
    validator = jsonschema.Draft202012Validator(schema(name))
    found = [_told(error) for error in sorted(validator.iter_errors(told), key=lambda error: [*map(str, error.path)])]
    return list(dict.fromkeys(found))


def _told(error):
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.path).lstrip(".")
    allowed = {
        "additionalProperties": lambda: "known keys: " + ", ".join(sorted(error.schema.get("properties", {}))),
        "propertyNames": lambda: "expected " + _rule(error.schema.get("propertyNames", {})),
        "required": lambda: "needed: " + ", ".join(error.validator_value),
        "oneOf": lambda: "expected one of: " + " or ".join(
            " with ".join(option.get("required", [])) for option in error.validator_value),
        "anyOf": lambda: "expected one of: " + " or ".join(
            " with ".join(option.get("required", [])) for option in error.validator_value),
    }.get(error.validator, lambda: "expected " + _rule(error.schema))()
    return where or "the whole", error.message, allowed


def _rule(part):
    """What a part of the schema allows, in a few words."""
    if "enum" in part:
        return "one of " + ", ".join(map(str, part["enum"]))
    words = [str(part[key]) if key == "type" else f"{key} {part[key]}"
             for key in ("type", "pattern", "minimum", "maximum", "minLength", "minItems") if key in part]
    return ", ".join(words) or "something else"


def resolved(told, project, member):
    """A description in which keys of containers stand for names, and endpoints for places on this host.

    `member` is the member of the service on this host, by whose `ordinal` its containers are named. Each container
    gets `names` (all of its kind), `name` (the first) and `services` (their names in Compose). An endpoint without a
    host gets that of its container; a route the `upstreams` of its endpoint.
    """
    containers = _containers(told.get("containers") or {}, project, member)
    endpoints = {
        endpoint.name: _endpoint(told["endpoints"][endpoint.name], endpoint, containers)
        for endpoint in topology.endpoints(member.service, told.get("endpoints") or {})}
    return dict(
        told, ordinal=member.ordinal, containers=containers, endpoints=endpoints,
        routes=[_route(route, told.get("endpoints") or {}, containers) for route in told.get("routes") or []])


def _containers(told, project, member):
    counts = {key: entry.get("count", 1) for key, entry in told.items()}
    bases = {key: {"name": project.container(entry["name"])} for key, entry in told.items()}
    names = {key: [] for key in told}
    for container in topology.containers(member, bases, counts):
        names[container.key].append(container.name)
    return {
        key: dict(
            entry, count=counts[key], names=names[key], name=topology.first_name(member, bases[key]["name"]),
            # In Compose, which knows this host alone, numbers are those of the containers here.
            services=instance_names(counts[key], entry.get("service", entry["name"])))
        for key, entry in told.items()}


def _endpoint(entry, endpoint, containers):
    here = containers.get(entry.get("container", MAIN), {}).get("name")
    return dict(entry, host=entry.get("host") or here, scope=endpoint.scope, serve=endpoint.serve)


def _route(route, endpoints, containers):
    endpoint = endpoints[route["endpoint"]]
    names = containers[endpoint.get("container", MAIN)]["names"]
    return dict(route, upstreams=[f"{name}:{endpoint['port']}" for name in names])


def container_resources(told):
    """{kind of container: what it asks for} of a description that says so itself."""
    containers = told.get("containers")
    return {
        key: dict(entry["resources"], count=entry.get("count", 1))
        for key, entry in (containers if isinstance(containers, dict) else {}).items() if entry.get("resources")}


def secret_kinds(service):
    """{variable: kind} of the secrets that a description names."""
    return {name: secret["kind"] for name, secret in (service.get("secrets") or {}).items()}


def container_names(service, key=None):
    """Names of a service's containers, of one kind or of all."""
    kinds = service.get("containers") or {}
    return [name for kind in ([key] if key else kinds) for name in kinds[kind]["names"]]


def is_saved(service):
    """Whether a backup saves something of a service."""
    return any(entry["backup"]["kind"] != "none" for entry in service.get("state") or [])


def passwords_of_state(service):
    """Variables of the inventory with the passwords by which a service's state is read for a backup."""
    return [
        entry["backup"]["password_variable"] for entry in service.get("state") or []
        if "password_variable" in entry["backup"]]


def used(name, services):
    """Names of the services that one talks to where they are there, without those that it cannot be without."""
    service = services[name]
    saved = [other for other in services if other != name and is_saved(services[other])]
    return [*service.get("uses", []), *(saved if service.get("uses_saved") else [])]


def runs_here(service):
    """Whether a service is a container of this host."""
    return service.get("enabled", True) and not service.get("absent")


def is_available(service):
    """Whether a service can be used from this host: it runs here, or is somebody else's."""
    return bool(service.get("external")) or runs_here(service)
