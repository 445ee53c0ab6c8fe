# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Drills: the project that is made of the live one, what is told of a drill, and that nothing of it stays.

A whole one is done in molecule/restore.
"""

from __future__ import annotations

import argparse
import copy
import http.server
import itertools
import json
import os
import pathlib
import sys
import threading
import time
import types

import pytest
from backup_figures import FIGURES
from hypothesis import given
from hypothesis import strategies as st

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "roles/backup/templates/host/usr/local/lib/trenova"))

from trenova_backup import listing, notify, records, runs  # noqa: E402
from trenova_backup.drill import live, login, place, project, report, run, verbs  # noqa: E402
from trenova_backup.errors import BackupError, Interrupted  # noqa: E402
from trenova_backup.files import moment, stamp_of, write_json  # noqa: E402
from trenova_backup.kinds.kind import Choice  # noqa: E402
from trenova_backup.repository import Snapshot  # noqa: E402
from trenova_backup.settings import Settings  # noqa: E402

DATA, FILES, ROOT_OF_DRILL = "/var/lib/trenova", "/opt/trenova", "/var/lib/trenova-drill"
BEGIN = 1_790_000_000
NUMBERS = itertools.count()


# -- The project ------------------------------------------------------------------------------------------------------

def drill_of(containers, jobs=("backup-keep", "backup-objects")):
    places = ((DATA, ROOT_OF_DRILL + "/data"), ("/srv/ledger", ROOT_OF_DRILL + "/elsewhere/srv/ledger"))
    return project.Drill("trenova-drill", ROOT_OF_DRILL, places, tuple(containers), tuple(jobs))


def bind(source, **more):
    return dict({"type": "bind", "source": source, "target": "/x", "bind": {"create_host_path": True}}, **more)


SOURCES = st.sampled_from([
    DATA + "/postgres", DATA + "/caddy/ca", DATA, FILES + "/api/secrets/serve", "/srv/ledger/files", "/srv/client",
    "/var/backups/trenova", "/var/lib/trenovas", "/etc/ssl/certs"])
VOLUMES = st.lists(st.builds(
    lambda source, is_read_only: bind(source, **({"read_only": True} if is_read_only else {})), SOURCES, st.booleans()),
    max_size=4)
NETWORKS = st.dictionaries(st.sampled_from(["data", "app", "edge", "theirs"]), st.none() | st.fixed_dictionaries({
    "aliases": st.lists(st.sampled_from(["erp.test", "s3.erp.test"])), "ipv4_address": st.just("172.20.0.9")}))
EXTRAS = st.fixed_dictionaries({}, optional={
    "ports": st.just([{"target": 443, "published": "443"}]), "extra_hosts": st.just(["mail=172.17.0.1"]),
    "depends_on": st.just({"x": {}}), "pid": st.just("host"), "ipc": st.just("host"), "devices": st.just(["/dev/fuse"]),
    "restart": st.just("unless-stopped"), "cpu_shares": st.just(2048), "mem_reservation": st.just("1000"),
    "oom_score_adj": st.just(-900), "links": st.just(["x"])})


def definition(name, volumes, networks, extras, **more):
    return dict({"image": "x:1", "container_name": name, "volumes": volumes, "networks": networks,
                 "labels": {"trenova.role": "x", "trenova.digest": "y"}, "mem_limit": "2000"}, **extras, **more)


@st.composite
def projects(draw):
    """(live project, names of the containers that are wanted)."""
    services = {}
    for number in range(draw(st.integers(1, 4))):
        services[f"s{number}"] = definition(
            f"tren-s{number}", draw(VOLUMES), draw(NETWORKS), draw(EXTRAS))
    for name in ("backup-keep", "backup-objects", "api-prepare"):
        services[name] = definition("tren-" + name, draw(VOLUMES), draw(NETWORKS), {}, profiles=["jobs"])
    networks = {"data": {"name": "trenova_data", "internal": True}, "app": {"name": "trenova_app", "internal": True},
                "edge": {"name": "trenova_edge"}, "theirs": {"name": "theirs", "external": True}}
    wanted = draw(st.sets(st.sampled_from([name for name in services if name.startswith("s")]), min_size=1))
    return {"name": "trenova", "services": services, "networks": networks}, sorted("tren-" + name for name in wanted)


@given(projects())
def test_nothing_of_a_drill_leads_outside_or_writes_where_something_lives(made_of):
    told, wanted = made_of
    before = copy.deepcopy(told)
    made = project.made(told, drill_of(wanted))
    assert told == before
    assert made["name"] == "trenova-drill"
    services = {name: entry for name, entry in made["services"].items() if "container_name" in entry}
    assert sorted(entry["container_name"] for entry in services.values()) == ["drill-" + name for name in wanted]
    for name, entry in made["services"].items():
        assert {"ports", "extra_hosts", "pid", "ipc", "devices", "links", "depends_on"} & set(entry) == set()
        assert (entry["restart"], entry["oom_score_adj"]) == ("no", 1000)
        assert entry["cpu_shares"] < 100
        for volume in entry["volumes"]:
            assert volume.get("read_only") or volume["source"].startswith(ROOT_OF_DRILL + "/"), name
            assert not volume["bind"]["create_host_path"]
    for entry in services.values():
        assert "trenova.digest" not in entry["labels"]
        for key, network in entry["networks"].items():
            assert made["networks"][key] == {"name": f"trenova-drill_{key}", "internal": True}
            assert "ipv4_address" not in network
    # No network is a live one.
    assert all(network["name"].startswith("trenova-drill_") for network in made["networks"].values())


@given(projects())
def test_services_find_each_other_by_the_live_names(made_of):
    told, wanted = made_of
    made = project.made(told, drill_of(wanted))
    for name, entry in made["services"].items():
        if "container_name" in entry:
            for key, network in entry["networks"].items():
                aliases = (told["services"][name]["networks"][key] or {}).get("aliases", [])
                assert {told["services"][name]["container_name"], *aliases} == set(network["aliases"])


@given(projects())
def test_what_is_mounted_keeps_its_place_below(made_of):
    """A place of the drill stands for the live one with the same rest of the path, and for no other."""
    told, wanted = made_of
    drill = drill_of(wanted)
    made = project.made(told, drill)
    for path, source in project.mounted(made, drill).items():
        assert drill.place(source) == path
    for name, entry in made["services"].items():
        for volume, old in zip(entry["volumes"], told["services"][name]["volumes"], strict=True):
            mapped = any((old["source"] + "/").startswith(place + "/") for place in (DATA, "/srv/ledger"))
            assert (volume["source"] != old["source"]) is mapped


def test_only_a_job_with_targets_elsewhere_has_a_way_out():
    networks = {"data": {"internal": True}, "edge": {}}
    services = {"caddy": definition("tren-caddy", [], {"edge": None}, {}),
                "backup-keep": definition("tren-backup-keep", [], {"edge": None, "data": None}, {})}
    made = project.made({"services": services, "networks": networks}, drill_of(["tren-caddy"]))
    assert made["networks"]["edge"]["internal"]
    assert made["services"]["backup-keep"]["networks"] == {"data": None, "edge-out": None}
    assert made["networks"]["edge-out"] == {"name": "trenova-drill_edge-out"}


def test_the_socket_of_the_engine_is_not_mounted():
    services = {"s": definition("tren-s", [bind("/run/docker.sock"), bind("/run"), bind(FILES)], {}, {})}
    made = project.made({"services": services}, drill_of(["tren-s"]))
    assert [volume["source"] for volume in made["services"]["s"]["volumes"]] == [FILES]


@pytest.mark.parametrize("more", [{"privileged": True}, {"network_mode": "host"}])
def test_what_cannot_be_kept_apart_is_refused(more):
    services = {"s": definition("tren-s", [], {}, {}, **more)}
    with pytest.raises(ValueError, match="tren-s is privileged or in the network of the host"):
        project.made({"services": services}, drill_of(["tren-s"]))


def test_a_container_that_is_missing_is_told():
    with pytest.raises(ValueError, match="does not have tren-db. Run site.yml"):
        project.made({"services": {"s": definition("tren-s", [], {}, {})}}, drill_of(["tren-s", "tren-db"]))


MEGABYTES = st.integers(1, 4000).map(lambda number: number * 1_000_000)


@given(st.lists(st.tuples(MEGABYTES, MEGABYTES), min_size=1, max_size=6), st.integers(0, 20_000_000_000))
def test_limits_fit_into_what_can_be_spared_or_nothing_is_started(pairs, available):
    pairs = [(min(pair), max(pair)) for pair in pairs]
    told = {"services": {f"s{number}": {"mem_reservation": str(reserved), "mem_limit": str(limit)}
                         for number, (reserved, limit) in enumerate(pairs)}}
    made = {"services": {name: {"container_name": name} for name in told["services"]}}
    least = sum(reserved for reserved, _limit in pairs)
    if least > available:
        with pytest.raises(ValueError, match="MB of memory are needed"):
            project.limits(made, told, available)
        return
    found = project.limits(made, told, available)
    assert sum(found.values()) <= max(available, least)
    assert all(reserved <= found[f"s{number}"] <= limit for number, (reserved, limit) in enumerate(pairs))
    if available >= sum(limit for _reserved, limit in pairs):
        assert list(found.values()) == [limit for _reserved, limit in pairs]


# -- Its place --------------------------------------------------------------------------------------------------------

def settings_at(tmp_path, **more):
    """Settings of an installation whose directories are below tmp_path."""
    data = tmp_path / "lib/trenova"
    for name in ("records", "pipes", "metrics"):
        (data / "backup" / name).mkdir(parents=True)
    told = {
        "project": "trenova", "project_dir": str(tmp_path / "opt/trenova"), "data_dir": str(data), "host": "erp1",
        "installation": "erp1", "jobs": ["backup-keep", "backup-check"], "targets": [],
        "figures": FIGURES, "needs": {"api": ["postgres"]},
        "schedules": [{"verb": "drill", "unit": "trenova-drill.service"}], "mail": {"to": "ops@trucks.co"},
        "webhook": {},
        "drill": {"containers": ["tren-db", "tren-api"], "after_start": [], "logins": []}, "owner": [0, 0],
        "stores": [
            {"store": "postgres", "service": "postgres", "title": "PostgreSQL", "kind": "postgres", "physical": True,
             "databases": ["books"], "path": str(data / "postgres")},
            {"store": "rabbitmq", "service": "rabbitmq", "title": "RabbitMQ", "kind": "command",
             "container": "tren-rabbitmq"},
            {"store": "installation", "service": "installation", "title": "Configuration", "kind": "directory",
             "path": str(tmp_path / "opt/trenova")}]}
    return Settings(dict(told, **more))


def test_a_restore_finds_the_places_and_containers_of_the_drill_and_tells_nobody(tmp_path):
    settings = settings_at(tmp_path)
    drill = place.of(settings)
    made = place.settings_of(settings, drill, {"backup-keep": {}})
    root = str(tmp_path / "lib/trenova-drill")
    assert (made["project"], made["project_dir"], made["data_dir"]) == (
        "trenova-drill", root + "/project", root + "/data")
    stores = {store["store"]: store for store in made.stores}
    assert stores["postgres"]["path"] == root + "/data/postgres"
    assert stores["rabbitmq"]["container"] == "drill-tren-rabbitmq"
    assert (made["jobs"], made["schedules"], made["mail"]) == (["backup-keep"], [], {})
    assert settings.stores[0]["path"] == str(tmp_path / "lib/trenova/postgres")


def test_on_a_disk_of_its_own_the_data_have_the_drill_with_them(monkeypatch):
    monkeypatch.setattr(os.path, "ismount", lambda path: path == "/srv/data")
    assert place.root_of("/srv/data") == "/srv/data/.drill"
    assert place.root_of("/var/lib/trenova") == "/var/lib/trenova-drill"


class Docker:
    """A docker that knows containers, networks and volumes of the drill; `stubborn` ones stay."""

    def __init__(self, monkeypatch, things, stubborn=()):
        self.things, self.stubborn = dict(things), stubborn
        monkeypatch.setattr(place, "_docker", self)
        monkeypatch.setattr(place.Engine, "runs", staticmethod(lambda: True))

    def __call__(self, *words):
        kind = words[0] if words[0] in ("network", "volume") else "container"
        if "rm" in words[:2]:
            for name in words[2:]:
                if self.things.get(name) == kind and name not in self.stubborn:
                    del self.things[name]
        else:
            assert any("com.docker.compose.project=trenova-drill" in word for word in words), words
        names = [name for name, found in self.things.items() if found == kind]
        return type("Done", (), {"stdout": "\n".join(names), "returncode": 0})


def test_all_of_a_drill_is_removed_and_what_stays_is_told(tmp_path, monkeypatch):
    drill = place.of(settings_at(tmp_path))
    place.make(drill)
    pathlib.Path(drill.root, "data/postgres").mkdir(parents=True)
    pathlib.Path(drill.root, "data/postgres/row").write_text("x")
    docker = Docker(monkeypatch, {"drill-tren-db": "container", "trenova-drill_data": "network", "v": "volume"})
    place.remove(drill)
    assert (docker.things, os.path.exists(drill.root), place.remains(drill)) == ({}, False, [])
    Docker(monkeypatch, {"drill-tren-db": "container"}, stubborn=["drill-tren-db"])
    with pytest.raises(BackupError, match="container drill-tren-db stayed"):
        place.remove(drill)


def test_what_could_not_be_removed_is_known_as_a_drill_s_the_next_time(tmp_path, monkeypatch):
    drill = place.of(settings_at(tmp_path))
    place.make(drill)
    pathlib.Path(drill.root, "data/postgres").mkdir(parents=True)
    Docker(monkeypatch, {})
    with monkeypatch.context() as patched:
        # As where a file cannot be changed, or something is mounted there.
        patched.setattr(place.shutil, "rmtree", lambda _path, ignore_errors: None)
        with pytest.raises(BackupError, match="A drill could not be removed: .* stayed"):
            place.remove(drill)
    place.remove(drill)
    assert not os.path.lexists(drill.root)


@pytest.mark.parametrize("kind", ["directory", "link"])
def test_what_somebody_else_has_in_that_place_stays(tmp_path, monkeypatch, kind):
    drill = place.of(settings_at(tmp_path))
    Docker(monkeypatch, {})
    theirs = pathlib.Path(drill.root) if kind == "directory" else tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "row").write_text("x")
    if kind == "link":
        os.symlink(theirs, drill.root)
    with pytest.raises(BackupError, match="is there and is not of a drill"):
        place.remove(drill)
    assert (theirs / "row").read_text() == "x"


def test_while_the_engine_is_stopped_nothing_starts_it(tmp_path, monkeypatch):
    docker = Docker(monkeypatch, {"drill-tren-db": "container"})
    monkeypatch.setattr(place.Engine, "runs", staticmethod(lambda: False))
    with pytest.raises(BackupError, match="does not run. What there is of a drill goes when it runs again."):
        place.remove(place.of(settings_at(tmp_path)))
    assert docker.things == {"drill-tren-db": "container"}


def test_what_a_server_without_power_has_left_is_removed_within_the_hour(tmp_path, monkeypatch):
    settings = settings_at(tmp_path)
    docker = Docker(monkeypatch, {"drill-tren-db": "container"})
    verbs.remove_left(settings)
    assert docker.things  # there is no directory of a drill, and nobody asks the Engine every hour
    root = pathlib.Path(place.of(settings).root)
    root.mkdir()
    with runs.held(settings, verbs.LOCK):
        verbs.remove_left(settings)
        assert root.is_dir()
    verbs.remove_left(settings)
    assert (docker.things, root.exists()) == ({}, False)


# -- What is chosen ---------------------------------------------------------------------------------------------------

class Target:
    """A target with some snapshots."""

    name = "local"

    def __init__(self, snapshots, objects=()):
        self.repository = type("Repository", (), {
            "snapshots": lambda _self: snapshots, "reach": lambda _self: None})()
        self.mirror = type("Mirror", (), {"stamps": lambda _self, _store: (tuple(objects), ())})()
        self.snapshots = snapshots


class Kind:
    """A kind that chooses a run."""

    has_rows = False

    def __init__(self, **store):
        self.store = store

    def choose_run(self, _target, chosen):
        return chosen


def snapshot(at, store, part, **tags):
    pairs = dict(run=stamp_of(BEGIN + at), store=store, part=part, **tags)
    return Snapshot({"id": f"{next(NUMBERS):064}", "tags": [f"{key}={value}" for key, value in pairs.items()],
                     "paths": ["/file"], "summary": {"total_bytes_processed": 1}})


def recorded(tmp_path, snapshots):
    work = run.Recorded(settings_at(tmp_path), None, {"target": None, "until": None, "stores": []})
    work.kinds = {"one": Kind(physical=True), "two": Kind(physical=True), "cache": Kind()}
    return work._choose_from(Target(snapshots))


def test_the_newest_run_is_taken_that_has_recorded_all_databases(tmp_path):
    told = [snapshot(at, store, "facts")
            for at, store in ((0, "one"), (0, "two"), (100, "one"), (100, "two"), (200, "one"))]
    chosen = recorded(tmp_path, [*told, snapshot(300, "one", "base")])
    assert set(chosen.values()) == {stamp_of(BEGIN + 100)}


#: Seconds from now at which a run was, of which some are of a clock that was ahead.
OFFSETS = st.integers(-5, 5).filter(bool).map(lambda days: days * 86400)


def newest_of(offsets):
    """The newest of runs, as docs/backups.md has it: what is of the future does not count, unless there is no other."""
    return max([offset for offset in offsets if offset < 0] or offsets)


def test_what_was_saved_by_a_clock_that_was_ahead_is_not_the_newest(tmp_path):
    work = run.Recorded(settings_at(tmp_path), None, {"target": None, "until": None, "stores": []})
    work.kinds = {"one": Kind(physical=True)}

    @given(st.sets(OFFSETS, min_size=1))
    def choose(offsets):
        now = int(time.time()) - BEGIN
        work._choose_from(Target([snapshot(now + offset, "one", "facts") for offset in offsets]))
        assert work.run == stamp_of(BEGIN + now + newest_of(offsets))
    choose()


def test_without_a_record_of_what_there_was_it_says_what_to_do(tmp_path):
    with pytest.raises(BackupError, match="systemctl start trenova-backup"):
        recorded(tmp_path, [snapshot(0, "one", "base"), snapshot(0, "one", "wal")])


@pytest.mark.parametrize(("free", "is_enough"), [(5 * 10**9, True), (4 * 10**9, False)])
def test_objects_need_their_room_once_more(tmp_path, monkeypatch, free, is_enough):
    """A restore writes them into the live store, which has it; a drill does not."""
    work = run.Recorded(settings_at(tmp_path), None, {"target": None, "until": None, "stores": []})
    work.choices = {"rows": Choice([], BEGIN, 10**9, 2 * 10**9), "papers": Choice([], BEGIN, 2 * 10**9)}
    monkeypatch.setattr(run.places, "free", lambda _path: free)
    if is_enough:
        work.need_space()
        return
    with pytest.raises(run.Impossible, match="4.0 GB are free in .*, and a drill needs 4.0 GB, with 1.0 GB left alone"):
        work.need_space()


# -- What would be lost -----------------------------------------------------------------------------------------------

def log_of(at, until, base=0):
    return snapshot(at, "rows", "wal", base=stamp_of(BEGIN + base), until=moment(BEGIN + until), lsn=f"0/{at + 9999:X}")


def told_newest(tmp_path, snapshots, objects=(), asked=1000, kinds=("postgres", "objects", "redis")):
    """What a drill tells of its RPO, with a target that holds these: (told, warnings)."""
    work = run.Recorded(settings_at(tmp_path), None, {"target": None, "until": None, "stores": []})
    names = {"postgres": "rows", "objects": "papers", "redis": "queue", "directory": "desk"}
    work.kinds = {names[kind]: Kind(kind=kind, title=kind.title(), physical=kind == "postgres") for kind in kinds}
    work.target, work.asked = Target(snapshots, [stamp_of(BEGIN + at) for at in objects]), BEGIN + asked
    drill = run.Drill(work.settings)
    drill._work, work.warnings = work, drill.warnings
    drill._tell_newest()
    return drill.told, drill.warnings


BASE = snapshot(0, "rows", "base", level="full")
QUEUE = snapshot(990, "queue", "snapshot", cut="yes")


@pytest.mark.parametrize(("snapshots", "objects", "seconds"), [
    ([BASE, log_of(5, 5), log_of(980, 985), QUEUE], [980], 20),
    ([BASE, log_of(5, 5), log_of(985, 986), snapshot(400, "queue", "snapshot")], [985], 600),
    # By a clock that was ahead: a log of a base, a base itself, objects and Redis.
    ([BASE, log_of(5, 5), log_of(900, 900), log_of(901, 7000), QUEUE], [990, 7000], 100),
    ([BASE, snapshot(7000, "rows", "base", level="full"), log_of(5, 5), log_of(7000, 7001, base=7000),
      log_of(900, 900, base=7000), QUEUE, snapshot(8000, "queue", "snapshot")], [990], 100),
    # A small backup that found nothing to save of two stores.
    ([BASE, log_of(5, 5), snapshot(970, "queue", "snapshot"),
      snapshot(970, "records", "record", verb="cut", state="ok")], [5], 30),
    ([BASE, log_of(5, 5), QUEUE, snapshot(970, "records", "record", verb="cut", state="failed"),
      snapshot(980, "records", "record", verb="drill", state="ok"),
      snapshot(7000, "records", "record", verb="cut", state="ok")], [800], 995)])
def test_rpo_is_that_of_the_store_that_would_lose_most(tmp_path, snapshots, objects, seconds):
    told, warnings = told_newest(tmp_path, snapshots, objects)
    assert (told["rpo_seconds"], told["newest"], warnings) == (seconds, moment(BEGIN + 1000 - seconds), [])


def test_what_only_the_nightly_backup_saves_is_not_counted(tmp_path):
    told, _warnings = told_newest(tmp_path, [snapshot(5, "desk", "archive"), QUEUE], kinds=("directory", "redis"))
    assert told["rpo_seconds"] == 10


def test_where_all_is_of_the_future_there_is_no_rpo_and_a_warning(tmp_path, capsys):
    told, warnings = told_newest(tmp_path, [
        snapshot(7000, "rows", "base", level="full"), log_of(7000, 7001, base=7000), QUEUE], [990])
    assert not {"rpo_seconds", "newest"} & set(told)
    assert warnings == ["No RPO: all that target local holds of Postgres is later than now. A clock was ahead, or that "
                        "of this host is behind: set it."]
    assert warnings[0] in capsys.readouterr().out
    record = dict(RECORD, stamp=stamp_of(BEGIN), drill={"host": "erp1", "rto_seconds": 112})
    assert listing._drill_lines(listing.drill([record]), BEGIN + 60) == [
        "  The last drill passed, 60 s ago: RTO 112 s."]


AGES = st.lists(st.integers(0, 900), min_size=1, max_size=4)


def test_rpo_is_the_longest_of_the_stores(tmp_path):
    """However many states there are of each, and whatever is of the future besides."""
    folders = itertools.count()

    @given(AGES, AGES, AGES, st.lists(st.integers(1, 9000), max_size=3))
    def tell(rows, papers, queue, ahead):
        snapshots = [BASE, *(log_of(999 - age, 1000 - age) for age in rows),
                     *(snapshot(1000 - age, "queue", "snapshot") for age in queue),
                     *(snapshot(1000 + more, "queue", "snapshot") for more in ahead)]
        told, _warnings = told_newest(tmp_path / str(next(folders)), snapshots,
                                      sorted([*(1000 - age for age in papers), *(1000 + more for more in ahead)]))
        assert told["rpo_seconds"] == max(map(min, (rows, papers, queue)))
    tell()


def test_what_a_drill_does_before_it_asks_is_no_loss(tmp_path, monkeypatch):
    """It may clean up, pull images and wait for half an hour, while backups are made."""
    clock = [BEGIN]
    monkeypatch.setattr(run, "time", types.SimpleNamespace(
        time=lambda: clock[0], monotonic=time.monotonic, strftime=time.strftime))
    drill = run.Drill(settings_at(tmp_path))
    monkeypatch.setattr(place, "remove", lambda _drill: clock.__setitem__(0, BEGIN + 900))
    monkeypatch.setattr(place, "remains", lambda _drill: [])
    monkeypatch.setattr(live, "look", lambda _settings: {})

    def look():
        clock[0] = BEGIN + 1000
        return [BASE, log_of(5, 5), log_of(940, 940), snapshot(940, "rows", "facts")]

    class Work(run.Recorded):
        def choose(self):
            self.kinds = {"rows": type("Rows", (Kind,), {"choose_run": lambda *_words: Choice([], BEGIN)})(
                kind="postgres", title="PostgreSQL", physical=True)}
            target = Target([])
            target.repository = type("Repository", (), {
                "snapshots": staticmethod(look), "reach": lambda _self: None})()
            self._choose_from(target)

        def need_space(self):
            pass

        def execute(self, _stamp):
            pass
    work = Work(drill.settings, None, {"target": None, "until": None, "stores": []})
    monkeypatch.setattr(drill, "_prepare", lambda: setattr(drill, "_work", work))
    for name in ("_create", "_start", "_count_objects"):
        monkeypatch.setattr(drill, name, lambda: None)
    drill.run("stamp")
    assert drill.told["rpo_seconds"] == 60


# -- The run ----------------------------------------------------------------------------------------------------------

STEPS = ("_prepare", "_restore", "_start", "_count_objects")


@pytest.fixture
def quiet(tmp_path, monkeypatch):
    """A drill whose steps are played: (settings, what was called, what lives)."""
    settings, called, lives = settings_at(tmp_path), [], {"container tren-db": ["a"]}
    monkeypatch.delenv("INVOCATION_ID", raising=False)
    for name in STEPS:
        monkeypatch.setattr(run.Drill, name, lambda *_words, name=name: called.append(name))
    monkeypatch.setattr(place, "remove", lambda _drill: called.append("remove"))
    monkeypatch.setattr(place, "remains", lambda _drill: [])
    monkeypatch.setattr(live, "look", lambda _settings: dict(lives))
    monkeypatch.setattr(notify, "wake", lambda: called.append("wake"))
    monkeypatch.setattr(verbs, "hand_in", lambda _settings, _is_alone: called.append("hand in"))
    return settings, called, lives


def words(*more):
    parser = argparse.ArgumentParser()
    verbs.add_parser(parser.add_subparsers())
    return parser.parse_args(["drill", *more])


def do(settings):
    return verbs.drill(settings, words())


def last(settings):
    return records.newest(records.read(settings, 4_000_000_000), "drill")


def test_a_drill_that_passes_is_a_record_with_what_it_measured_and_no_message(quiet, capsys):
    settings, called, _lives = quiet
    assert do(settings) == 0
    assert called == ["remove", *STEPS, "remove", "hand in"]
    record = last(settings)
    assert (record["state"], record["unit"], record["drill"]["live"]["changes"]) == ("ok", "trenova-drill.service", [])
    assert record["drill"]["rto_seconds"] >= 0
    assert notify.owed(settings) == []
    assert "nothing was touched" in capsys.readouterr().out
    assert "trenova_backup_drill_rto_seconds " in pathlib.Path(settings.path("metrics/trenova_backup.prom")).read_text()


@pytest.mark.parametrize("error", [BackupError("It is broken."), Interrupted("It was stopped."), KeyError("x")])
@pytest.mark.parametrize("step", STEPS)
def test_whatever_happens_it_is_removed_and_told(quiet, monkeypatch, step, error):
    settings, called, _lives = quiet

    def fail(*_words):
        raise error
    monkeypatch.setattr(run.Drill, step, fail)
    if isinstance(error, KeyError):
        with pytest.raises(KeyError):
            do(settings)
    else:
        assert do(settings) == 1
    assert called[-3:] == ["remove", "wake", "hand in"]
    record = last(settings)
    assert record["state"] == ("interrupted" if isinstance(error, Interrupted) else "failed")
    assert str(error) in record["because"]
    assert [name for name in notify.owed(settings) if "drill" in name] == notify.owed(settings) != []
    message = json.loads(pathlib.Path(settings.path("unsent", notify.owed(settings)[0])).read_text())
    assert notify.subject(settings, message) == "The drill with the backups of Trenova failed on erp1"


def test_what_changed_of_what_lives_fails_a_drill_unless_somebody_deployed(quiet, monkeypatch):
    settings, _called, lives = quiet
    monkeypatch.setattr(run.Drill, "_start", lambda _self: lives.update({"container tren-db": ["b"]}))
    assert do(settings) == 1
    assert "While the drill ran, this changed of what lives: container tren-db." in last(settings)["because"]
    moments = itertools.count()
    monkeypatch.setattr(live, "deployed", lambda _settings: next(moments))
    lives["container tren-db"] = ["a"]
    assert do(settings) == 0
    assert last(settings)["warnings"] == ["Something was deployed while the drill ran."]


def test_an_end_that_fails_does_not_hide_why_it_failed(quiet, monkeypatch):
    settings, _called, _lives = quiet

    def fail(_self):
        raise BackupError("It is broken.")

    looks = itertools.count()

    def look(_settings):
        if next(looks):
            raise BackupError("The Docker Engine does not tell what runs: x")
        return {}
    monkeypatch.setattr(run.Drill, "_start", fail)
    monkeypatch.setattr(live, "look", look)
    assert do(settings) == 1
    assert last(settings)["because"] == "It is broken. The Docker Engine does not tell what runs: x"


def test_a_report_is_of_the_last_one_that_ended_and_tells_of_one_that_is_at_work(quiet, capsys):
    settings, _called, _lives = quiet
    with pytest.raises(BackupError, match="There was no drill yet"):
        verbs.drill(settings, words("--report"))
    do(settings)
    time.sleep(1.1)  # a record has a stamp of its own second
    records.begin(settings, "drill", time.time())
    capsys.readouterr()
    assert verbs.drill(settings, words("--report")) == 0
    said = capsys.readouterr().out
    assert said.startswith("A drill is at work since")
    assert said.splitlines()[0].endswith(": journalctl -fu trenova-drill")
    assert ": passed in" in said


def test_a_report_names_the_unit_of_this_host(quiet, capsys):
    settings, _called, _lives = quiet
    settings.content["schedules"] = [{"verb": "drill", "unit": "trenova-drill-erp1.service"}]
    with pytest.raises(BackupError, match=r"Make one: systemctl start trenova-drill-erp1$"):
        verbs.drill(settings, words("--report"))
    records.begin(settings, "drill", time.time())
    verbs.drill(settings, words("--report"))
    assert capsys.readouterr().out.splitlines()[0].endswith(": journalctl -fu trenova-drill-erp1")


def test_where_there_is_no_room_it_is_skipped_which_says_nothing_of_the_backups(quiet, monkeypatch):
    settings, called, _lives = quiet

    def refuse(_self):
        raise run.Impossible("800 MB of memory are needed.")
    monkeypatch.setattr(run.Drill, "_prepare", refuse)
    assert do(settings) == 1
    assert (last(settings)["state"], called[-3:]) == ("skipped", ["remove", "wake", "hand in"])


def test_a_second_drill_is_refused_and_removes_nothing(quiet):
    settings, called, _lives = quiet
    with runs.held(settings, verbs.LOCK) as is_ours:
        assert is_ours
        with pytest.raises(BackupError, match="A drill is at work already"):
            do(settings)
        verbs.drill(settings, words("--remove"))
    assert called == []
    assert last(settings) is None


@pytest.fixture
def by_timer(quiet, monkeypatch):
    """A drill that systemd has started: (settings, what was called)."""
    settings, called, _lives = quiet
    settings.content["timeout_seconds"] = 20
    monkeypatch.setenv("INVOCATION_ID", "8d")
    monkeypatch.setattr(verbs, "PAUSE_SECONDS", 0.01)
    return settings, called


@pytest.mark.parametrize("lock", [None, "drill-of-all.lock"])
def test_a_drill_of_a_timer_waits_for_another_one_or_a_rehearsal(by_timer, tmp_path, capsys, lock):
    """On a host that several installations have for their drills they begin at the same time."""
    settings, called = by_timer
    if lock:
        settings.content["drill_lock"] = str(tmp_path / lock)
    is_held, is_over = threading.Event(), threading.Event()

    def hold():
        with runs.held(settings, settings.get("drill_lock", verbs.LOCK)):
            is_held.set()
            is_over.wait(10)
            called.append("the other one has ended")
    other = threading.Thread(target=hold)
    other.start()
    is_held.wait(10)
    threading.Timer(0.2, is_over.set).start()
    assert do(settings) == 0
    other.join()
    assert called == ["the other one has ended", "remove", *STEPS, "remove", "hand in"]
    assert capsys.readouterr().out.count("It waits for another drill, or a rehearsal") == 1
    assert last(settings)["state"] == "ok"


def test_one_that_has_waited_in_vain_is_told_as_skipped_and_touches_nothing_of_the_other(by_timer, monkeypatch):
    settings, called = by_timer
    settings.content["timeout_seconds"] = 0.2
    monkeypatch.setattr(verbs, "hand_in", lambda _settings, is_alone: called.append(("hand in", is_alone)))
    with runs.held(settings, verbs.LOCK):
        assert do(settings) == 1
    record = last(settings)
    assert (record["state"], record["invocation"]) == ("skipped", "8d")
    assert "was at work on this host all the time" in record["because"]
    assert called == ["wake", ("hand in", False)]


def test_of_what_belongs_to_somebody_else_no_drill_is_made(tmp_path):
    with pytest.raises(BackupError, match="what belongs to somebody else is not there a second time"):
        do(settings_at(tmp_path, drill={}))


def test_while_a_restore_has_not_ended_no_drill_is_made(quiet):
    settings, called, _lives = quiet
    write_json(settings.path("restore.json"), {
        "wish": {"target": None, "until": None, "stores": []}, "touched": True, "begun": "then"}, 0o600)
    assert do(settings) == 1
    assert "has not ended" in last(settings)["because"]
    assert called == ["wake", "hand in"]


def test_while_a_drill_reads_a_backup_removes_nothing_from_the_targets(tmp_path, monkeypatch, capsys):
    settings = settings_at(tmp_path)
    work, removed = runs.Run(settings, "backup"), []
    monkeypatch.setattr(runs.Run, "_let_go", lambda _self: removed.append(1))
    with runs.reading(settings, 0):
        work.let_go()
        assert removed == []
        assert "goes with the next backup" in capsys.readouterr().out
        with pytest.raises(runs.Busy), runs.reading(settings, 0):
            pass
    work.let_go()
    assert removed == [1]


# -- The login --------------------------------------------------------------------------------------------------------

@pytest.fixture
def application():
    """An application that lets in one password: (port, requests, statuses that it answers first)."""
    asked, first = [], []

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            asked.append((self.command, self.path, self.headers["Cookie"]))
            is_login = self.path == "/login" and body == '{"password": "right"}'
            status = first.pop(0) if first else 200 if is_login or self.headers["Cookie"] == "session=1" else 401
            self.send_response(status)
            if is_login and status == 200:
                self.send_header("Set-Cookie", "session=1; Path=/")
            self.end_headers()
            self.wfile.write(b"hello")
        do_GET = do_POST = answer

        def log_message(self, *_words):
            pass
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield {"port": server.server_port, "origin": "https://erp.test", "uri": "/login", "read": ["/me", "/shipments"],
           "logout": "/logout"}, asked, first
    server.shutdown()


def test_a_login_reads_what_it_may_and_logs_out(application):
    told, asked, _first = application
    assert login.prove(told, {"password": "right"}, "127.0.0.1") == [["/me", 200, 5], ["/shipments", 200, 5]]
    assert [path for _method, path, _cookie in asked] == ["/login", "/me", "/shipments", "/logout"]


def test_an_application_that_starts_is_asked_again(application, monkeypatch):
    monkeypatch.setattr(login, "PAUSE_SECONDS", 0)
    told, asked, first = application
    first += [503, 500]
    login.prove(told, {"password": "right"}, "127.0.0.1")
    assert len(asked) == 6


def test_a_password_that_is_refused_is_one_sentence_without_it(application):
    with pytest.raises(BackupError, match="The login at the application answered 401: is the password") as caught:
        login.prove(application[0], {"password": "wrong-one"}, "127.0.0.1")
    assert "wrong-one" not in str(caught.value)


def test_an_application_that_lets_in_and_shows_nothing_fails(application):
    told, _asked, first = application
    first += [200, 500]
    monkey = dict(told, read=["/me"])
    with pytest.raises(BackupError, match="answered 500 to /me, after a login"):
        login.prove(monkey, {"password": "right"}, "127.0.0.1")


# -- What is told -----------------------------------------------------------------------------------------------------

RECORD = {
    "verb": "drill", "state": "ok", "started": moment(BEGIN), "seconds": 117, "steps": [
        {"service": "postgres", "name": "fetched", "state": "ok", "seconds": 14}], "drill": {
        "host": "erp1", "target": "local", "run": stamp_of(BEGIN), "rto_seconds": 112, "rpo_seconds": 300,
        "newest": moment(BEGIN - 300), "removed": [],
        "stores": [{"store": "postgres", "title": "PostgreSQL", "at": moment(BEGIN), "bytes": 10**9}],
        "compared": {"PostgreSQL": {"tables": 15, "rows": 50081, "checksums": 14, "differences": [], "uncertain": [],
                                    "at": moment(BEGIN)}},
        "objects": {"MinIO": {"objects": 5, "bytes": 40, "expected": 5, "expected_bytes": 40}},
        "login": [{"container": "tren-api", "read": [["/me", 200, 320]]}],
        "live": {"things": 17, "before": "aa", "after": "aa", "changes": []}}}


def test_a_report_says_what_was_restored_how_long_it_took_and_what_was_proved():
    text = " ".join("\n".join(report.lines(RECORD)).split())
    for phrase in (
            "on erp1: passed in 117 s", "RTO 112 s: from nothing to a login",
            f"RPO 300 s: so old was what a loss of the server would have left in target local, {moment(BEGIN - 300)}",
            f"PostgreSQL as of {moment(BEGIN)} 1.0 GB", "15 tables with 50081 rows", "14 of them by checksum: all",
            "5 objects, 40 B, of 5", "Login at tren-api: /me 200 (320 bytes)", "PostgreSQL: fetched 14 s",
            "nothing was touched", "Left of the drill: nothing."):
        assert phrase in text, phrase


@pytest.mark.parametrize(("found", "words"), [
    ([], "No drill has tried a backup yet"),
    ([dict(RECORD, stamp=stamp_of(BEGIN))], "The last drill passed, 60 s ago: RTO 112 s, RPO 300 s."),
    ([dict(RECORD, stamp=stamp_of(BEGIN), state="failed")], "The last drill failed, 60 s ago."),
    ([dict(RECORD, stamp=stamp_of(BEGIN), state="running")], "No drill has tried a backup yet")])
def test_the_list_of_backups_tells_of_the_last_drill(found, words):
    lines = listing._drill_lines(listing.drill(found), BEGIN + 60)
    assert words in lines[0]


def test_a_report_of_one_that_failed_at_once_tells_why():
    lines = report.lines({"verb": "drill", "state": "failed", "started": "x", "because": "It is broken.", "drill": {}})
    assert lines == ["Drill of x on this host: FAILED in 0 s", "  It is broken."]


@given(st.data())
def test_any_change_of_what_lives_changes_the_digest(data):
    states = st.dictionaries(st.sampled_from("abcd"), st.lists(st.integers(0, 2), max_size=2))
    before, after = data.draw(states), data.draw(states)
    assert (live.digest(before) == live.digest(after)) is (before == after) is (live.changes(before, after) == [])


def test_files_that_are_changed_or_replaced_are_seen_and_a_record_of_a_deployment_is_not(tmp_path):
    (tmp_path / "api/secrets").mkdir(parents=True)
    (tmp_path / ".state").mkdir()
    path = tmp_path / "api/secrets/x"
    path.write_text("one")
    before = live._digest_of_files(str(tmp_path))
    (tmp_path / ".state/host.json").write_text("{}")
    assert live._digest_of_files(str(tmp_path)) == before
    path.write_text("two")
    os.utime(path, (1, 1))
    assert live._digest_of_files(str(tmp_path)) != before
