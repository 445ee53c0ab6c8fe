# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is declared is saved: from the descriptions of all services to the steps of a backup."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.trenova.selfhost.plugins.filter.backup_steps import backup_steps
from ansible_collections.trenova.selfhost.plugins.plugin_utils import description
from ansible_collections.trenova.selfhost.plugins.plugin_utils.backup.steps import ORDER, files_of, steps

DATA_DIR = "/var/lib/trenova"
PASSWORD = {"password_variable": "trenova_some_password"}
NONE = {"kind": "none", "because": "it can be made anew"}
DIRECTORY = {"kind": "directory"}
REDIS = {"kind": "redis", "endpoint": "main", **PASSWORD}
POSTGRES = {
    "kind": "postgres", "endpoint": "main", "login": "reader", "databases": ["a", "b"], "sslmode": "disable",
    **PASSWORD}
OBJECTS = {"kind": "objects", "endpoint": "main", "tls": False, "region": "eu", "access_key": "key", **PASSWORD}
KINDS = {"directory": DIRECTORY, "postgres": POSTGRES, "objects": OBJECTS, "redis": REDIS}


def service(*backups, port=1234, **more):
    """A description with one state directory for each of these declarations, or of (path, declaration)."""
    state = [entry if isinstance(entry, tuple) else (f"state{index}", entry) for index, entry in enumerate(backups)]
    return dict({
        "title": "Some service", "endpoints": {"main": {"host": "tren-some", "port": port}},
        "state": [{"path": path, "backup": declared} for path, declared in state]}, **more)


def files(services):
    return [file for step in steps(services, DATA_DIR) for file in files_of(step)]


@pytest.mark.parametrize(("name", "declared", "expected"), [
    ("postgres", POSTGRES, ["a.dump", "b.dump", "globals.sql"]),
    ("redis", REDIS, ["redis.rdb"]),
    ("minio", dict(OBJECTS, name="objects"), ["objects"]),
    ("ledger", POSTGRES, ["ledger-a.dump", "ledger-b.dump", "ledger-globals.sql"]),
    ("cache", REDIS, ["cache-redis.rdb"]),
    ("archive", OBJECTS, ["archive-objects"]),
    ("caddy", ("caddy/data", DIRECTORY), ["directory-caddy-caddy-data.tar.zst"]),
    ("caddy", ("/srv/more/", DIRECTORY), ["directory-caddy-srv-more.tar.zst"]),
])
def test_files_are_named_as_before_and_those_of_further_stores_after_their_service(name, declared, expected):
    assert files({name: service(declared)}) == expected


def test_a_second_store_changes_no_name_of_the_first():
    first = {"redis": service(REDIS), "postgres": service(POSTGRES), "minio": service(dict(OBJECTS, name="objects"))}
    second = {"a": service(REDIS), "b": service(POSTGRES), "c": service(OBJECTS)}
    assert set(files(first)) < set(files({**second, **first}))


def test_what_refers_is_saved_before_what_it_refers_to():
    services = {"a": service(REDIS), "b": service(OBJECTS), "c": service(POSTGRES), "d": service(DIRECTORY)}
    assert [step["kind"] for step in steps(services, DATA_DIR)] == ["directory", "postgres", "objects", "redis"]


@pytest.mark.parametrize(("state", "saved"), [
    ({}, {"directory", "redis"}),
    ({"enabled": True}, {"directory", "redis"}),
    ({"enabled": False}, set()),
    ({"absent": True}, set()),
    # Its store can be asked; its files are on a server of somebody else's.
    ({"enabled": False, "external": True}, {"redis"}),
    ({"absent": True, "enabled": False, "external": True}, {"redis"}),
])
def test_only_what_is_available_is_saved(state, saved):
    found = steps({"some": service(DIRECTORY, REDIS, NONE, **state)}, DATA_DIR)
    assert {step["kind"] for step in found} == saved


def test_a_step_says_whose_it_is_and_where_to_ask():
    [step] = steps({"cache": service(REDIS, title="Cache")}, DATA_DIR)
    assert step == {
        "service": "cache", "title": "Cache", "kind": "redis", "name": "redis of cache", "file": "cache-redis.rdb",
        "host": "tren-some", "port": 1234, "password_variable": "trenova_some_password"}


def test_each_database_and_the_roles_have_a_name_and_a_file():
    [step] = steps({"ledger": service(dict(POSTGRES, sslmode="verify-full", ca="PEM"))}, DATA_DIR)
    assert step["dumps"] == [
        {"name": "database a of ledger", "database": "a", "file": "ledger-a.dump"},
        {"name": "database b of ledger", "database": "b", "file": "ledger-b.dump"}]
    assert step["roles"] == {"name": "roles of ledger", "file": "ledger-globals.sql"}
    assert (step["login"], step["sslmode"], step["ca"]) == ("reader", "verify-full", "PEM")


@pytest.mark.parametrize(("tls", "port", "url"), [
    (False, 9000, "http://tren-some:9000"), (False, "9000", "http://tren-some:9000"), (False, 80, "http://tren-some"),
    (True, 443, "https://tren-some"), (True, 80, "https://tren-some:80"), (False, 443, "http://tren-some:443"),
])
def test_an_address_is_what_requests_are_signed_with(tls, port, url):
    [step] = steps({"minio": service(dict(OBJECTS, tls=tls), port=port)}, DATA_DIR)
    assert step["url"] == url


def test_a_directory_is_saved_without_what_is_declared_below_it():
    services = {
        "one": service(("one", DIRECTORY), ("one/cache", NONE), ("one/more/deep", DIRECTORY), ("one-more", DIRECTORY)),
        "two": service((DATA_DIR + "/one/two", NONE), enabled=False)}
    found = {step["path"]: step["without"] for step in steps(services, DATA_DIR)}
    assert found == {
        DATA_DIR + "/one": ["cache", "more/deep", "two"], DATA_DIR + "/one/more/deep": [], DATA_DIR + "/one-more": []}


@pytest.mark.parametrize(("services", "words"), [
    ({"cache": service(dict(REDIS, endpoint="redsi"))},
     ["cache is to be saved from its endpoint redsi", "state[0].backup.endpoint: main"]),
    ({"cache": service(REDIS, endpoints={})},
     ["endpoint main, which it does not have", "backup.endpoint: an endpoint"]),
    ({"cache": service(REDIS, REDIS)}, ["redis of cache (cache) and redis of cache (cache)", "cache-redis.rdb",
                                        "backup.name in meta/service.yml of cache"]),
    ({"a": service(("x/y", DIRECTORY), ("x-y", DIRECTORY))},
     ["directory x/y (a) and directory x-y (a)", "directory-a-x-y.tar.zst"]),
    ({"a": service(dict(REDIS, name="b")), "b": service(REDIS)}, ["redis of b (a) and redis of b (b)"]),
])
def test_what_cannot_be_saved_is_told_with_what_to_write(services, words):
    with pytest.raises(AnsibleFilterError) as caught:
        backup_steps(services, DATA_DIR)
    assert [word for word in words if word not in str(caught.value)] == []


def test_all_problems_are_told_at_once():
    broken = service(dict(REDIS, endpoint="x"))
    with pytest.raises(ValueError, match="(?s)^a is .*\nb is ") as caught:
        steps({"a": broken, "b": broken}, DATA_DIR)
    assert len(str(caught.value).splitlines()) == 2


NAMES = st.from_regex(r"[a-z][a-z_]{0,7}", fullmatch=True)
STATES = st.lists(st.sampled_from([NONE, *KINDS.values()]), max_size=4, unique_by=lambda declared: declared["kind"])


def below(name, state):
    """Declarations with paths of their own for each service."""
    return [(f"{name}/{index}", declared) for index, declared in enumerate(state)]


@given(st.dictionaries(NAMES, st.tuples(STATES, st.booleans(), st.booleans()), max_size=6))
def test_what_is_declared_is_saved_once_and_nothing_else(drawn):
    services = {
        name: service(*below(name, state), enabled=here, external=external)
        for name, (state, here, external) in drawn.items()}
    declared = {
        (name, entry["backup"]["kind"]) for name, told in services.items() for entry in told["state"]
        if entry["backup"]["kind"] != "none" and (
            told["enabled"] or told["external"] and entry["backup"]["kind"] != "directory")}
    found = steps(services, DATA_DIR)
    assert sorted((step["service"], step["kind"]) for step in found) == sorted(declared)
    assert [ORDER.index(step["kind"]) for step in found] == sorted(ORDER.index(step["kind"]) for step in found)
    assert len(files(services)) == len(set(files(services)))


@given(st.dictionaries(NAMES, STATES, max_size=6), st.randoms())
def test_the_order_of_descriptions_does_not_matter(drawn, random):
    names = list(drawn)
    random.shuffle(names)
    services = {name: service(*below(name, state)) for name, state in drawn.items()}
    assert steps(services, DATA_DIR) == steps({name: services[name] for name in names}, DATA_DIR)


@pytest.mark.parametrize(("told", "expected"), [
    ({}, ["plain"]), ({"uses_saved": True}, ["plain", "cache", "elsewhere"]), ({"uses_saved": False}, ["plain"]),
])
def test_who_uses_what_is_saved_uses_every_such_service_but_itself(told, expected):
    services = {
        "backup": service(DIRECTORY, uses=["plain"], **told), "plain": service(NONE), "cache": service(NONE, REDIS),
        "stateless": {"title": "X"}, "elsewhere": service(REDIS, external=True, enabled=False)}
    assert description.used("backup", services) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_knows_the_declaration(kind):
    told = {"title": "X", "state": [{"path": "x", "backup": KINDS[kind]}]}
    assert description.faults(told) == []
    if kind != "directory":
        told["state"][0]["backup"] = {
            key: value for key, value in KINDS[kind].items() if key != "password_variable"}
        assert "'password_variable' is a required property" in str(description.faults(told))
