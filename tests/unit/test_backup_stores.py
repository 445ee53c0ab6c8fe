# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is declared is saved: from the descriptions of all services to the stores of a backup."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.trenova.selfhost.plugins.filter.backup_stores import backup_stores
from ansible_collections.trenova.selfhost.plugins.plugin_utils import description
from ansible_collections.trenova.selfhost.plugins.plugin_utils.backup.stores import LOCAL, ORDER, stores

DATA_DIR = "/var/lib/trenova"
PASSWORD = {"password_variable": "trenova_some_password"}
NONE = {"kind": "none", "because": "it can be made anew"}
DIRECTORY = {"kind": "directory"}
REDIS = {"kind": "redis", "endpoint": "main", **PASSWORD}
POSTGRES = {
    "kind": "postgres", "endpoint": "main", "login": "reader", "databases": ["a", "b"], "sslmode": "disable",
    **PASSWORD}
OBJECTS = {"kind": "objects", "endpoint": "main", "tls": False, "region": "eu", "access_key": "key", **PASSWORD}
COMMAND = {"kind": "command", "command": ["told"], "file": "told.json"}
KINDS = {"directory": DIRECTORY, "command": COMMAND, "postgres": POSTGRES, "objects": OBJECTS, "redis": REDIS}


def service(*backups, port=1234, **more):
    """A description with one state directory for each of these declarations, or of (path, declaration)."""
    state = [entry if isinstance(entry, tuple) else (f"state{index}", entry) for index, entry in enumerate(backups)]
    return dict({
        "title": "Some service", "containers": {"main": {"name": "tren-some", "names": ["tren-some"]}},
        "endpoints": {"main": {"host": "tren-some", "port": port}},
        "state": [{"path": path, "backup": declared} for path, declared in state]}, **more)


def names(services):
    return [store["store"] for store in stores(services, DATA_DIR)]


@pytest.mark.parametrize(("name", "declared", "expected"), [
    ("postgres", POSTGRES, "postgres"),
    ("minio", dict(OBJECTS, name="objects"), "objects"),
    ("cache", REDIS, "cache"),
    ("rabbitmq", COMMAND, "rabbitmq"),
    ("caddy", ("caddy/data", DIRECTORY), "caddy-data"),
    ("caddy", ("/srv/more/", DIRECTORY), "caddy-srv-more"),
    ("ledger", ("ledger/it's here", DIRECTORY), "ledger-it-s-here"),
    ("ledger", ("books", dict(DIRECTORY, name="papers")), "papers"),
])
def test_a_store_is_called_like_its_service_or_its_path(name, declared, expected):
    assert names({name: service(declared)}) == [expected]


def test_what_refers_is_saved_before_what_it_refers_to():
    services = {"a": service(REDIS), "b": service(OBJECTS), "c": service(POSTGRES), "d": service(DIRECTORY),
                "e": service(COMMAND)}
    assert [store["kind"] for store in stores(services, DATA_DIR)] == list(ORDER)


@pytest.mark.parametrize(("state", "saved"), [
    ({}, {"directory", "command", "redis"}),
    ({"enabled": True}, {"directory", "command", "redis"}),
    ({"enabled": False}, set()),
    ({"absent": True}, set()),
    # Its store can be asked; its files are on a server of somebody else's.
    ({"enabled": False, "external": True}, {"redis"}),
    ({"absent": True, "enabled": False, "external": True}, {"redis"}),
])
def test_only_what_is_available_is_saved(state, saved):
    found = stores({"some": service(DIRECTORY, dict(COMMAND, name="told"), REDIS, NONE, **state)}, DATA_DIR)
    assert {store["kind"] for store in found} == saved


def test_a_store_says_whose_it_is_and_where_to_ask():
    [store] = stores({"cache": service(REDIS, title="Cache")}, DATA_DIR)
    assert store == {
        "service": "cache", "store": "cache", "title": "Cache", "kind": "redis", "host": "tren-some", "port": 1234,
        "path": "/var/lib/trenova/state0", "owner": [0, 0], **PASSWORD}


def test_a_database_says_what_may_be_had_of_it_and_by_which_programs():
    [store] = stores({"ledger": service(dict(POSTGRES, sslmode="verify-full", ca="PEM"), image="pg:16")}, DATA_DIR)
    assert (store["databases"], store["login"], store["sslmode"], store["ca"]) == (
        ["a", "b"], "reader", "verify-full", "PEM")
    assert (store["physical"], store["incremental"], store["image"]) == (False, False, "pg:16")


@pytest.mark.parametrize(("physical", "incremental", "expected"), [
    (True, True, (True, True)), (True, False, (True, False)), (False, True, (False, False))])
def test_only_what_can_be_replicated_can_be_incremented(physical, incremental, expected):
    declared = dict(POSTGRES, physical=physical, incremental=incremental)
    [store] = stores({"ledger": service(declared)}, DATA_DIR)
    assert (store["physical"], store["incremental"]) == expected


def test_a_server_of_somebody_elses_is_read_by_our_own_programs():
    declared = service(POSTGRES, image="pg:16", external=True, enabled=False)
    assert stores({"ledger": declared}, DATA_DIR)[0]["image"] is None


def test_a_command_runs_in_the_container_that_it_names():
    containers = {"main": {"names": ["tren-x"]}, "worker": {"names": ["tren-x-worker"]}}
    [store] = stores({"x": service(dict(COMMAND, container="worker"), containers=containers)}, DATA_DIR)
    assert (store["container"], store["command"], store["file"]) == ("tren-x-worker", ["told"], "told.json")


def test_the_installation_itself_is_a_store_where_that_is_asked_for():
    [store] = stores({}, DATA_DIR, "/opt/trenova")
    assert (store["store"], store["kind"], store["path"]) == ("installation", "directory", "/opt/trenova")
    assert stores({}, DATA_DIR) == []


@pytest.mark.parametrize(("tls", "port", "url"), [
    (False, 9000, "http://tren-some:9000"), (False, "9000", "http://tren-some:9000"), (False, 80, "http://tren-some"),
    (True, 443, "https://tren-some"), (True, 80, "https://tren-some:80"), (False, 443, "http://tren-some:443"),
])
def test_an_address_is_what_requests_are_signed_with(tls, port, url):
    [store] = stores({"minio": service(dict(OBJECTS, tls=tls), port=port)}, DATA_DIR)
    assert store["url"] == url


def test_a_directory_is_saved_without_what_is_declared_below_it():
    services = {
        "one": service(("one", DIRECTORY), ("one/cache", NONE), ("one/more/deep", DIRECTORY), ("one-more", DIRECTORY)),
        "two": service((DATA_DIR + "/one/two", NONE), enabled=False)}
    found = {store["path"]: store["without"] for store in stores(services, DATA_DIR)}
    assert found == {
        DATA_DIR + "/one": ["cache", "more/deep", "two"], DATA_DIR + "/one/more/deep": [], DATA_DIR + "/one-more": []}


@pytest.mark.parametrize(("services", "words"), [
    ({"cache": service(dict(REDIS, endpoint="redsi"))},
     ["cache is to be saved from its endpoint redsi", "state[0].backup.endpoint: main"]),
    ({"cache": service(REDIS, endpoints={})},
     ["endpoint main, which it does not have", "backup.endpoint: an endpoint"]),
    ({"cache": service(REDIS, REDIS)}, ["Some service (cache) and Some service (cache)", "saved as cache",
                                        "backup.name in meta/service.yml of cache"]),
    ({"a": service(("x/y", DIRECTORY), ("x-y", DIRECTORY))}, ["directory x/y (a)", "directory x-y (a)", "as a-x-y"]),
    ({"a": service(dict(REDIS, name="b")), "b": service(REDIS)}, ["(a) and Some service (b)", "saved as b"]),
    ({"x": service(dict(COMMAND, container="worker"))}, ["by its container worker", "state[0].backup.container: main"]),
])
def test_what_cannot_be_saved_is_told_with_what_to_write(services, words):
    with pytest.raises(AnsibleFilterError) as caught:
        backup_stores(services, DATA_DIR)
    assert [word for word in words if word not in str(caught.value)] == []


def test_all_problems_are_told_at_once():
    broken = service(dict(REDIS, endpoint="x"))
    with pytest.raises(ValueError, match="(?s)^a is .*\nb is ") as caught:
        stores({"a": broken, "b": broken}, DATA_DIR)
    assert len(str(caught.value).splitlines()) == 2


NAMES = st.from_regex(r"[a-z][a-z_]{0,7}", fullmatch=True)
STATES = st.lists(st.sampled_from([NONE, *KINDS.values()]), max_size=4, unique_by=lambda declared: declared["kind"])


def below(name, state):
    """Declarations with paths and names of their own for each service."""
    return [(f"{name}/{index}", declared if declared == NONE else dict(declared, name=f"{name}{index}"))
            for index, declared in enumerate(state)]


@given(st.dictionaries(NAMES, st.tuples(STATES, st.booleans(), st.booleans()), max_size=6))
def test_what_is_declared_is_saved_once_and_nothing_else(drawn):
    services = {
        name: service(*below(name, state), enabled=here, external=external)
        for name, (state, here, external) in drawn.items()}
    declared = {
        (name, entry["backup"]["kind"]) for name, told in services.items() for entry in told["state"]
        if entry["backup"]["kind"] != "none" and (
            told["enabled"] or told["external"] and entry["backup"]["kind"] not in LOCAL)}
    found = stores(services, DATA_DIR)
    assert sorted((store["service"], store["kind"]) for store in found) == sorted(declared)
    assert [ORDER.index(store["kind"]) for store in found] == sorted(ORDER.index(store["kind"]) for store in found)
    assert len(names(services)) == len(set(names(services)))


@given(st.dictionaries(NAMES, STATES, max_size=6), st.randoms())
def test_the_order_of_descriptions_does_not_matter(drawn, random):
    names = list(drawn)
    random.shuffle(names)
    services = {name: service(*below(name, state)) for name, state in drawn.items()}
    assert stores(services, DATA_DIR) == stores({name: services[name] for name in names}, DATA_DIR)


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
    if kind not in LOCAL:
        told["state"][0]["backup"] = {
            key: value for key, value in KINDS[kind].items() if key != "password_variable"}
        assert "'password_variable' is a required property" in str(description.faults(told))
