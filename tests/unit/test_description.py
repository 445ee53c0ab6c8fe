# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a role may say of its service, who reads it, and what keys of containers stand for."""

from __future__ import annotations

import copy
import pathlib
import re

import pytest
import test_bundle
import yaml

from ansible_collections.trenova.selfhost.plugins.plugin_utils import description
from ansible_collections.trenova.selfhost.plugins.plugin_utils.project import Project
from ansible_collections.trenova.selfhost.plugins.plugin_utils.topology import Member

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIRST = Member("greeter", "trucks", 1)
GREETER = {
    "title": "Greeter", "enabled": True, "user": 10020, "image": "docker.io/library/caddy:2.11.4",
    "containers": {"main": {"name": "greeter", "resources": {"memory_limit_mb": 64, "cpus": 0.25}}},
    "endpoints": {"http": {"port": 8080}},
    "state": [{"path": "greeter", "backup": {"kind": "directory"}}],
    "secrets": {"trenova_greeter_token": {"kind": "password"}},
    "routes": [{"host": "hello.trucks.co", "endpoint": "http", "health": {"uri": "/", "status": 200}}],
    "reload": [{"files": ["config/Caddyfile"], "container": "main", "signal": "SIGHUP"}],
}
#: Keys that describe others to people, or that the schema itself looks at.
READ_BY_PEOPLE = {"because", "rotate"}


def keys_of(part, schema):
    """Every key that a part of the schema knows, without those of mappings with names of their own."""
    for name, named in part.get("properties", {}).items():
        yield name
        rule = schema["$defs"][named["$ref"].rsplit("/", 1)[-1]] if "$ref" in named else named
        for inner in (rule, rule.get("items"), rule.get("additionalProperties")):
            if isinstance(inner, dict):
                yield from keys_of(inner, schema)


def readers():
    """Text of everything that may read a description."""
    files = [*ROOT.glob("plugins/**/*.py"), *ROOT.glob("roles/*/templates/**/*"), *ROOT.glob("roles/*/profiles/*")]
    return "\n".join(path.read_text() for path in files if path.is_file())


def test_every_key_of_the_schema_is_read():
    text, schema = readers(), description.schema("service")
    keys = set(keys_of(schema, schema)) - READ_BY_PEOPLE
    assert len(keys) > 60
    unread = {key for key in keys if not re.search(rf"""["'.]{key}\b""", text)}
    assert unread == set()


@pytest.mark.parametrize("role", test_bundle.ROLES)
@pytest.mark.parametrize("more", ["{}", *(f'{{"{name}": "{value}"}}' for name, value in (
    ("postgres_mode", "external"), ("redis_mode", "external"), ("minio_mode", "external"), ("caddy_tls", "proxy"),
    ("trenova_tier", "large")))])
def test_what_our_roles_say_keeps_to_the_schema(role, more):
    path = ROOT / "roles" / role
    _variables, known = test_bundle.in_play(more)
    told = dict(known.services[role])
    # What the catalogue adds is no part of what a role says.
    del told["ordinal"]
    told["containers"] = {
        key: {name: value for name, value in kind.items() if name in ("name", "service", "count", "resources")}
        for key, kind in told["containers"].items()}
    for kind in told["containers"].values():
        kind["name"] = kind["name"].removeprefix("tren-")
    told["endpoints"] = {
        name: {key: value for key, value in endpoint.items() if value is not None}
        for name, endpoint in told["endpoints"].items()}
    told["routes"] = [
        {key: value for key, value in route.items() if key != "upstreams"} for route in told["routes"]]
    assert description.faults(told) == []
    assert path.is_dir()


def test_the_profile_of_the_application_keeps_to_its_schema():
    for path in sorted(ROOT.glob("roles/api/profiles/*.yml")):
        assert description.faults(yaml.safe_load(path.read_text()), "profile") == []


def changed(**changes):
    told = copy.deepcopy(GREETER)
    for path, value in changes.items():
        *parents, last = path.split("__")
        part = told
        for name in parents:
            part = part[int(name) if name.isdigit() else name]
        if value is None:
            del part[last]
        else:
            part[last] = value
    return told


@pytest.mark.parametrize(("told", "where", "what", "allowed"), [
    (changed(title=None), "the whole", "'title' is a required property", "needed: title"),
    (changed(backup={"kind": "directory"}), "the whole", "'backup' was unexpected", "state"),
    (changed(state__0__backup__kind="dir"), "state[0].backup.kind", "'dir' is not one of", "directory, command"),
    (changed(state__0__backup={"kind": "none"}), "state[0].backup", "'because' is a required", "kind, because"),
    (changed(state__0__backup=None), "state[0]", "'backup' is a required property", "needed: path, backup"),
    (changed(state__0__backup__databases=["a"]), "state[0].backup", "databases", "kind"),
    (changed(containers__main__memory=3), "containers.main", "'memory' was unexpected", "resources"),
    (changed(containers__main__resources__cpus="much"), "containers.main.resources.cpus", "not of type", "number"),
    (changed(secrets__trenova_greeter_token__kind="secret"), "secrets.trenova_greeter_token.kind", "not one of",
     "password, login, aes_key"),
    (changed(endpoints__http__scope="world"), "endpoints.http.scope", "not one of", "host, installation, public"),
    (changed(reload__0__signal="HUP"), "reload[0].signal", "does not match", "pattern ^SIG"),
    (changed(reload__0__command=["x"]), "reload[0]", "valid under each of", "command or signal with container"),
    (changed(user="root"), "user", "not of type", "integer"),
    (changed(visits=[{"name": "x", "kind": "probe", "host": "h"}]), "visits[0]", "'path' is a required",
     "needed: host, path, expect_status"),
    (changed(visits=[{"name": "x", "kind": "glance"}]), "visits[0].kind", "not one of", "page, redirect"),
    (changed(entrance={"host": "h", "http_port": 80, "https_port": 443}), "entrance", "'login' is a required", "login"),
    (changed(backup_status={"file": "status.json", "schedule": "daily", "command": "x"}), "backup_status.file",
     "does not match", "pattern ^/"),
])
def test_a_broken_description_is_told_with_its_place_and_what_is_allowed(told, where, what, allowed):
    found = description.faults(told)
    assert [fault for fault in found if fault[0] == where and what in fault[1] and allowed in fault[2]] != [], found


def test_the_whole_of_what_is_wrong_is_told_at_once():
    assert len(description.faults(changed(title=None, user="root", endpoints__http__scope="world"))) == 3


def test_a_good_description_has_no_fault():
    assert description.faults(GREETER) == []


def test_containers_are_named_by_project_and_number():
    told = changed(containers={"main": {"name": "api", "count": 3}, "worker": {"name": "api-worker", "count": 1},
                               "spare": {"name": "api-spare", "service": "spare", "count": 0}})
    found = description.resolved(told, Project(prefix="drill-"), FIRST)["containers"]
    assert found["main"]["names"] == ["drill-api", "drill-api-2", "drill-api-3"]
    assert found["main"]["services"] == ["api", "api-2", "api-3"]
    assert (found["worker"]["names"], found["spare"]["names"]) == (["drill-api-worker"], [])
    assert description.container_names({"containers": found}) == [
        "drill-api", "drill-api-2", "drill-api-3", "drill-api-worker"]
    assert description.container_names({"containers": found}, "worker") == ["drill-api-worker"]


def test_containers_have_the_number_of_their_member():
    told = changed(containers={"main": {"name": "api", "count": 2}, "spare": {"name": "api-spare", "count": 0}})
    found = description.resolved(told, Project(), Member("greeter", "trucks", 3))
    assert found["ordinal"] == 3
    assert found["containers"]["main"]["names"] == ["tren-api-3", "tren-api-3-2"]
    assert found["containers"]["main"]["services"] == ["api", "api-2"]
    assert (found["containers"]["spare"]["names"], found["containers"]["spare"]["name"]) == ([], "tren-api-spare-3")
    assert found["endpoints"]["http"]["host"] == "tren-api-3"
    assert found["routes"][0]["upstreams"] == ["tren-api-3:8080", "tren-api-3-2:8080"]


def test_endpoints_and_routes_lead_to_containers():
    told = changed(containers__main__count=2, endpoints__else={"port": 5432, "host": "db.trucks.co"})
    found = description.resolved(told, Project(), FIRST)
    assert found["endpoints"]["http"] == {"port": 8080, "host": "tren-greeter", "scope": "host", "serve": "any"}
    assert found["endpoints"]["else"]["host"] == "db.trucks.co"
    assert found["routes"][0]["upstreams"] == ["tren-greeter:8080", "tren-greeter-2:8080"]


@pytest.mark.parametrize(("service", "here", "available"), [
    ({}, True, True), ({"enabled": False}, False, False), ({"absent": True}, False, False),
    ({"enabled": False, "external": True}, False, True),
])
def test_where_a_service_is(service, here, available):
    assert bool(description.runs_here(service)) is here
    assert description.is_available(service) is available
