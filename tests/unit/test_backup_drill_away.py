# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Drills on a host that has nothing of the installation: what it is given and takes from a backup, who learns of it.

A whole one is done in molecule/drill.
"""

from __future__ import annotations

import base64
import contextlib
import io
import itertools
import json
import os
import pathlib
import platform
import subprocess
import sys
import tarfile
import time

import pytest
from hypothesis import given
from hypothesis import settings as settings_of_tests
from hypothesis import strategies as st

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "roles/backup/templates/host/usr/local/lib/trenova"))

from test_backup_drill import (  # noqa: E402
    OFFSETS,
    bind,
    definition,
    newest_of,
    settings_at,
    snapshot,
    words,
)
from trenova_backup import deployed, listing, main, notify, points, records, runs, watch  # noqa: E402
from trenova_backup.drill import away, kit, live, place, project, verbs  # noqa: E402
from trenova_backup.engine import Engine, repository_of  # noqa: E402
from trenova_backup.errors import BackupError, TargetError  # noqa: E402
from trenova_backup.files import moment, read_json, seconds_of, stamp_of, write_json  # noqa: E402
from trenova_backup.repository import Repository  # noqa: E402
from trenova_backup.settings import Settings  # noqa: E402

from ansible_collections.trenova.selfhost.plugins.plugin_utils.backup import elsewhere  # noqa: E402

OFFSITE = {"name": "offsite", "kind": "s3", "repository": "rclone:target-offsite:erp1/restic",
           "objects": "objects-offsite"}
LOCAL = {"name": "local", "kind": "directory", "repository": "/targets/local/restic", "objects": "objects-local",
         "directory": "/var/backups/trenova"}
BEGIN = 1_790_000_000


def model(settings):
    """The project as Compose tells it: a database, and the job that reads the targets."""
    data, files = settings["data_dir"], settings["project_dir"]
    keep = definition("", [
        bind(files + "/backup/config", read_only=True), bind(files + "/backup/secrets/targets", read_only=True),
        bind("/var/backups/trenova"), bind(data + "/backup/cache"), bind(data + "/backup/pipes")],
        {"edge": None}, {}, profiles=["jobs"], hostname="erp1-backup")
    del keep["container_name"]
    database = definition("tren-db", [bind(data + "/postgres"), bind(files + "/postgres/config", read_only=True)],
                          {"data": None}, {})
    return {"name": "trenova", "networks": {"edge": {}, "data": {"internal": True}},
            "services": {"backup-keep": dict(keep, image="registry/backup:1"), "db": database}}


@pytest.fixture
def server(tmp_path, monkeypatch):
    """The server itself: its settings. Its files are below tmp_path."""
    settings = settings_at(tmp_path, targets=[LOCAL, OFFSITE], timeout_seconds=600, drill={
        "containers": ["tren-db"], "after_start": [], "logins": [], "calendar": "weekly", "delay_seconds": 60})
    files = pathlib.Path(settings["project_dir"])
    for path, text, mode in (
            ("backup/config/check.sh", "true", 0o644), ("backup/secrets/targets/key", "the-key", 0o440),
            ("backup/secrets/stores/pgpass", "not-for-others", 0o440), ("postgres/config/x.conf", "x", 0o644)):
        (files / path).parent.mkdir(parents=True, exist_ok=True)
        (files / path).write_text(text)
        (files / path).chmod(mode)
    for name in ("cache", "pipes"):
        pathlib.Path(settings.path(name)).mkdir(exist_ok=True)
    pathlib.Path(settings.path("pipes")).chmod(0o711)
    (pathlib.Path(settings["data_dir"]) / "postgres").mkdir(mode=0o750)
    monkeypatch.setattr(Engine, "look", lambda _self: None)
    monkeypatch.setattr(Engine, "model", lambda _self: model(settings))
    monkeypatch.setattr(Engine, "digests", lambda _self, references: {
        reference: f"{repository_of(reference)}@sha256:{len(reference):064}" for reference in references})
    monkeypatch.setattr(kit, "ENGINE_CERTIFICATES", str(tmp_path / "certs.d"))
    monkeypatch.setattr(kit, "LOGINS", str(tmp_path / "config.json"))
    return settings


def unpacked(settings, tmp_path, is_kept=False):
    """A kit, as it is laid on the other host by the script that does that; its directory."""
    home, archive = tmp_path / "spare", tmp_path / "kit.tar.gz"
    archive.write_bytes(kit.packed(settings, "spare1", is_kept))
    done = subprocess.run(["sh", "-c", elsewhere.LAY, "sh", home, archive], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, archive.exists()) == (0, "", False)
    return home


# -- The kit ----------------------------------------------------------------------------------------------------------

def test_a_kit_holds_the_program_and_the_way_to_the_targets_and_no_other_secret(server, tmp_path):
    home = unpacked(server, tmp_path)
    assert (home / "project/backup/secrets/targets/key").read_text() == "the-key"
    assert (home / "project/backup/secrets/targets/key").stat().st_mode & 0o777 == 0o440
    assert (home / "backup/pipes").stat().st_mode & 0o777 == 0o711
    assert (home / "project").stat().st_mode & 0o077 == 0
    texts = [path.read_text(errors="replace") for path in home.rglob("*") if path.is_file()]
    assert not any("not-for-others" in text for text in texts)
    done = subprocess.run([sys.executable, "-B", home / "program/backup.py", "drill", "--report"], capture_output=True,
                          text=True, check=False)
    assert done.stderr.startswith("There was no drill yet")


def test_a_new_kit_takes_the_place_of_the_old_one_and_leaves_what_the_host_knows_of_drills(server, tmp_path):
    home = unpacked(server, tmp_path)
    (home / "project/old").write_text("x")
    (home / "backup/records").mkdir()
    (home / "backup/records/one.json").write_text("{}")
    unpacked(server, tmp_path)
    assert not (home / "project/old").exists()
    assert (home / "backup/records/one.json").exists()


def test_the_job_of_a_kit_reaches_only_targets_elsewhere_and_is_told_from_the_server(server, tmp_path):
    made = json.loads((unpacked(server, tmp_path) / "project/compose.yaml").read_text())
    home = kit.home_of(server)
    [(name, job)] = made["services"].items()
    assert (made["name"], name, job["hostname"]) == ("trenova-drill", "backup-keep", "erp1-drill")
    assert job["image"].startswith("registry/backup@sha256:")
    assert [volume["source"] for volume in job["volumes"]] == [home + path for path in (
        "/project/backup/config", "/project/backup/secrets/targets", "/backup/cache", "/backup/pipes")]
    assert made["networks"] == {"edge-out": {"name": "trenova-drill_edge-out"}}


def test_the_settings_of_a_kit_make_no_backups_and_keep_what_is_known_in_one_directory(server):
    other = kit.settings_for(server, "spare1", is_kept=False)
    assert (other["host"], other["keeper"], other["installation"]) == ("spare1", "erp1-drill", "erp1")
    assert [target["name"] for target in other.targets] == ["offsite"]
    assert other.state_dir == "/var/lib/trenova-drills/erp1/backup"
    assert place.of(other).root == "/var/lib/trenova-drills/erp1/drill"
    assert place.of(other).name == "trenova-drill"
    assert records.unit_of(other, "drill") == "trenova-drill-erp1.service"


@pytest.mark.parametrize(("is_kept", "timers", "forgets"), [(True, 1, False), (False, 0, True)])
def test_a_host_that_makes_one_drill_forgets_the_way_when_it_has_ended_and_has_no_timer(
        server, tmp_path, is_kept, timers, forgets):
    units = unpacked(server, tmp_path, is_kept) / "units"
    assert len(list(units.glob("*.timer"))) == timers
    text = (units / "trenova-drill-erp1.service").read_text()
    assert ("drill --forget" in text) is forgets
    assert "ExecStart=/usr/bin/env python3 -B /var/lib/trenova-drills/erp1/program/backup.py drill\n" in text
    if is_kept:
        timer = (units / "trenova-drill-erp1.timer").read_text().splitlines()
        assert {"OnCalendar=weekly", "Persistent=true"} <= set(timer), "a host that was off makes it after its start"


def test_of_the_logins_at_registries_those_of_an_administrator_stay(server, tmp_path):
    write_json(kit.LOGINS, {"auths": {"ours.io": {"auth": "b3Vycw=="}, "his.io": {"auth": "aGlz"}}, "credsStore": "x"})
    (pathlib.Path(server["project_dir"]) / ".state").mkdir()
    write_json(os.path.join(server["project_dir"], kit.OURS), {"ours.io": "digest"})
    home = unpacked(server, tmp_path)
    assert read_json(home / "project/docker/config.json") == {"auths": {"ours.io": {"auth": "b3Vycw=="}}}


def test_a_host_that_went_on_making_drills_makes_its_last_one(server, tmp_path, monkeypatch):
    asked = []
    for name in ("SYSTEMD", "PASSING", "AT_START"):
        monkeypatch.setattr(kit, name, str(tmp_path / name))
    monkeypatch.setattr(kit, "_systemctl", lambda *said: asked.append(said[0]))
    for is_kept in (True, False):
        home = unpacked(server, tmp_path, is_kept)
        told = json.loads((home / "program/trenova_backup/settings.json").read_text())
        kit.install(Settings(dict(told, data_dir=str(home), away=dict(told["away"], home=str(home)))))
        there = sorted(path.name for path in (tmp_path / "SYSTEMD").iterdir())
        assert there == (["trenova-drill-erp1.service", "trenova-drill-erp1.timer"] if is_kept else [])
    assert asked == ["daemon-reload", "enable", "disable", "daemon-reload"]
    assert (tmp_path / "PASSING/trenova-drill-erp1.service").is_file()


@pytest.mark.parametrize(("more", "sentence"), [
    ({"targets": [LOCAL]}, "has only directories of this server (/var/backups/trenova). Nothing was done. Add one"),
    ({"drill": {}}, "what belongs to somebody else is not there a second time")])
def test_what_no_other_host_can_read_is_one_sentence(tmp_path, more, sentence):
    with pytest.raises(BackupError) as raised:
        verbs.drill(settings_at(tmp_path, **dict({"targets": [OFFSITE]}, **more)), words("--look"))
    assert sentence in str(raised.value)


def test_certificates_of_registries_come_and_go_unless_they_were_there(server, tmp_path, monkeypatch):
    trust("new:5000/ca.crt", "the new one")
    trust("known.io/ca.crt", "of the server")
    there = tmp_path / "there"
    (there / "known.io").mkdir(parents=True)
    (there / "known.io/ca.crt").write_text("of the host")
    home, other = installed(server, tmp_path, monkeypatch)
    assert (there / "new:5000/ca.crt").read_text() == "the new one"
    assert (there / "known.io/ca.crt").read_text() == "of the host"
    assert (tmp_path / "systemd/trenova-drill-erp1.service").is_file()
    # After a loss of power nothing else would remove them.
    removed = (tmp_path / "tmpfiles.d/trenova-drill-erp1.conf").read_text().splitlines()[1:]
    assert removed == [f"R! {home}/drill", f"R! {other['project_dir']}"]
    monkeypatch.setattr(kit, "ENGINE_CERTIFICATES", str(there))
    kit.uninstall(other)
    assert sorted(path.name for path in there.iterdir()) == ["known.io"]
    assert list((tmp_path / "tmpfiles.d").iterdir()) == []


def test_only_registries_of_the_project_come_and_a_key_stays_as_closed_as_it_was(server, tmp_path, monkeypatch):
    trust("new:5000/client.key", "a private key", 0o600)
    trust("new:5000/ca.crt", "the new one", 0o644)
    trust("an-administrator.s:5000/client.key", "another private key", 0o600)
    trust("registry/client.key", "no registry, although an image begins with its name", 0o600)
    home, _other = installed(server, tmp_path, monkeypatch)
    there = tmp_path / "there"
    assert [path.name for path in (home / "certificates").iterdir()] == ["new:5000"]
    assert {path.name: path.stat().st_mode & 0o777 for path in (there / "new:5000").iterdir()} == {
        "client.key": 0o600, "ca.crt": 0o644}
    assert (tmp_path / "systemd/trenova-drill-erp1.service").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(("image", "registry"), [
    ("postgres:17", "docker.io"), ("trenova/api:1", "docker.io"), ("localhost/api:1", "localhost"),
    ("registry.trucks.co/a/b@sha256:1", "registry.trucks.co"), ("new:5000/api:1", "new:5000")])
def test_a_registry_is_told_from_an_image_as_the_engine_does(image, registry):
    assert kit._registry_of(image) == registry


def test_a_certificate_that_is_new_or_was_half_there_arrives_at_a_host_that_goes_on(server, tmp_path, monkeypatch):
    trust("new:5000/ca.crt", "the old one")
    trust("new:5000/client.cert", "for us")
    installed(server, tmp_path, monkeypatch)
    there = tmp_path / "there/new:5000"
    trust("new:5000/ca.crt", "the new one")
    (there / "client.cert").unlink()
    installed(server, tmp_path, monkeypatch)
    assert [(path.name, path.read_text()) for path in sorted(there.iterdir())] == [
        ("ca.crt", "the new one"), ("client.cert", "for us")]


def trust(path, text, mode=0o644):
    """Have the server trust a registry with a file."""
    file = pathlib.Path(kit.ENGINE_CERTIFICATES, path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)


def installed(server, tmp_path, monkeypatch):
    """A kit that is laid and installed on the other host: (its directory, the settings there).

    The project has images of the registries new:5000 and known.io; the Engine there has its certificates in `there`.
    """
    wider = model(server)
    wider["services"]["db"]["image"], wider["services"]["api"] = "new:5000/db:1", {"image": "known.io/api:1"}
    with monkeypatch.context() as patched:
        patched.setattr(Engine, "model", lambda _self: wider)
        home = unpacked(server, tmp_path)
        patched.setattr(kit, "ENGINE_CERTIFICATES", str(tmp_path / "there"))
        patched.setattr(kit, "PASSING", str(tmp_path / "systemd"))
        patched.setattr(kit, "_systemctl", lambda *_words: None)
        monkeypatch.setattr(kit, "AT_START", str(tmp_path / "tmpfiles.d"))
        told = json.loads((home / "program/trenova_backup/settings.json").read_text())
        other = Settings(dict(told, data_dir=str(home), away=dict(told["away"], home=str(home))))
        kit.install(other)
    return home, other


# -- What a backup takes down -----------------------------------------------------------------------------------------

def test_what_is_taken_down_makes_the_same_directories_elsewhere(server, tmp_path):
    data = pathlib.Path(server["data_dir"])
    certificate = data / "postgres/root.crt"
    certificate.write_bytes(b"\x00binary")
    told = json.loads(json.dumps(deployed._place(str(certificate))[1]))
    deployed.make(str(tmp_path / "other/root.crt"), told)
    assert (tmp_path / "other/root.crt").read_bytes() == b"\x00binary"
    found = deployed.taken_down(server, Engine(server))
    assert sorted(found["mounted"]) == [server.path("cache"), server.path("pipes"), str(data / "postgres")]
    assert (found["machine"], found["settings"]) == (platform.machine(), server.content)
    deployed.make(str(tmp_path / "other/postgres"), found["mounted"][str(data / "postgres")])
    made = (tmp_path / "other/postgres").stat()
    assert (made.st_mode & 0o777, made.st_uid) == (0o750, os.getuid())


@pytest.mark.parametrize(("reference", "repository"), [
    ("postgres:17", "postgres"), ("registry:5000/postgres", "registry:5000/postgres"),
    ("registry:5000/postgres:17", "registry:5000/postgres"), ("postgres@sha256:1", "postgres")])
def test_a_repository_is_what_stands_before_tag_and_digest(reference, repository):
    assert repository_of(reference) == repository


def test_it_is_no_part_of_what_can_be_brought_back():
    stores = [{"store": "papers", "kind": "directory", "title": "Papers"}]
    told = [snapshot(0, "papers", "archive"), snapshot(0, deployed.STORE, deployed.PART)]
    [point] = points.points(told, stores)
    assert (point.stores, point.missing, point.bytes) == (("papers",), (), 1)
    assert points.points(told, [])[0].stores == ("papers",)


# -- The drill --------------------------------------------------------------------------------------------------------

class Kept:
    """A repository with some snapshots, and what the files of some say."""

    def __init__(self, snapshots, texts=()):
        self._snapshots, self.texts = snapshots, dict(texts)

    def reach(self):
        pass

    def snapshots(self):
        return self._snapshots

    def read(self, wanted):
        return self.texts[wanted.id]


class Target:
    name, because, is_good = "offsite", "", True

    def __init__(self, *snapshots, **texts):
        self.snapshots = list(snapshots)
        self.repository = Kept(self.snapshots, texts)


def described(settings, *snapshots):
    target = Target(*snapshots)
    target.repository.texts = {each.id: json.dumps({"run": each.run}) for each in snapshots}
    work = away.Described(settings, None, {"target": None, "until": None, "stores": ["installation"]})
    kind = type("Kind", (), {"has_rows": False, "choose_run": lambda _self, _target, run: run})()
    work.kinds = {"installation": kind}
    return work, target


def test_the_newest_backup_is_taken_that_says_both_what_was_deployed_and_what_there_was(tmp_path):
    settings = settings_at(tmp_path)
    told = [snapshot(at, deployed.STORE, deployed.PART) for at in (0, 100, 200)]
    compared = [snapshot(at, "postgres", "facts") for at in (0, 100, 300)]
    work, target = described(settings, *told, *compared)
    assert work._choose_from(target) == {"installation": stamp_of(BEGIN + 100)}
    assert work.described == {"run": stamp_of(BEGIN + 100)}


def test_what_was_saved_by_a_clock_that_was_ahead_is_not_the_newest(tmp_path):
    settings = settings_at(tmp_path)

    @given(st.sets(OFFSETS, min_size=1), st.booleans())
    def choose(offsets, is_compared):
        now = int(time.time()) - BEGIN
        told = [snapshot(now + offset, store, part) for offset in sorted(offsets) for store, part in (
            (deployed.STORE, deployed.PART), *([("postgres", "facts")] if is_compared else []))]
        work, target = described(settings, *told)
        assert work._choose_from(target) == {"installation": stamp_of(BEGIN + now + newest_of(offsets))}
    choose()


def test_a_target_that_does_not_answer_is_known_at_once(tmp_path):
    """restic alone would try for a quarter of an hour."""
    work, target = described(settings_at(tmp_path), snapshot(0, deployed.STORE, deployed.PART))

    def reach():
        raise TargetError("Target offsite: it does not answer within 45 s.")
    target.repository.reach = reach
    target.repository.snapshots = lambda: pytest.fail("It was asked all the same.")
    with pytest.raises(TargetError, match="does not answer within 45 s"):
        work._choose_from(target)


def test_without_a_backup_that_tells_what_was_deployed_it_says_what_to_do(tmp_path):
    work, target = described(settings_at(tmp_path), snapshot(0, "postgres", "facts"))
    with pytest.raises(BackupError, match="tells yet what it was deployed with.*systemctl start trenova-backup"):
        work._choose_from(target)


@pytest.fixture
def spare(server, tmp_path, monkeypatch):
    """A drill on the other host that has fetched the files, but for whoever fetches: (drill, what was pulled)."""
    told = json.loads(json.dumps(deployed.taken_down(server, Engine(server))))
    other = kit.settings_for(server, "spare1", is_kept=False)
    other = Settings(dict(other.content, data_dir=str(tmp_path / "spare"), project_dir=str(tmp_path / "spare/project")))
    pathlib.Path(other.state_dir).mkdir(parents=True)
    drill, pulled = away.Away(other), []

    class Fetching:
        described = told
        kinds = {"installation": type("Kind", (), {"fetch": lambda _self, _choice, path: (
            pathlib.Path(path, "postgres/config").mkdir(parents=True))})()}
        choices = {"installation": None}

        def __init__(self, *_words):
            pass

        def choose(self):
            pass

    monkeypatch.setattr(away, "Described", Fetching)
    monkeypatch.setattr(runs.Run, "prepare", lambda _self: None)
    monkeypatch.setattr(Engine, "pull", lambda _self, image, _logins: pulled.append(image) or True)
    place.make(drill.place)
    pathlib.Path(other["project_dir"]).mkdir()
    write_json(os.path.join(other["project_dir"], "compose.yaml"), kit.reader(server, other, model(server), {}))
    return drill, pulled


def test_the_project_is_that_of_the_backup_with_its_images_and_nothing_of_the_server(spare, server):
    drill, pulled = spare
    made = drill._complete(project.made(drill._model(), drill.place))
    root = drill.place.root
    assert made["services"]["db"]["image"].startswith("x@sha256:")
    assert [volume["source"] for volume in made["services"]["db"]["volumes"]] == [
        root + "/data/postgres", root + "/installation/postgres/config"]
    assert os.stat(root + "/data/postgres").st_mode & 0o777 == 0o750
    assert [target["name"] for target in drill.settings.targets] == ["offsite"]
    assert drill.settings.state_dir == drill._here.state_dir
    # The image that reads the target comes first.
    assert pulled == ["registry/backup:1", *sorted({definition["image"] for definition in made["services"].values()})]
    assert read_json(drill._here.path(away.PULLED)) == sorted(pulled)
    assert made["services"]["backup-keep"]["hostname"] == "erp1-drill"
    text = json.dumps(made)
    assert server["data_dir"] + "/" not in text.replace(root, "")
    assert "/var/backups/trenova" not in text


def test_what_no_backup_holds_and_the_host_does_not_have_is_told(spare, server, monkeypatch):
    drill, _pulled = spare
    wider = model(server)
    wider["services"]["db"]["volumes"].append(bind("/srv/fonts-of-ours"))
    monkeypatch.setattr(Engine, "model", lambda _self: wider)
    with pytest.raises(BackupError, match="mounts /srv/fonts-of-ours, which no backup holds"):
        drill._complete(project.made(drill._model(), drill.place))


def test_another_kind_of_machine_is_refused(spare, monkeypatch):
    drill, _pulled = spare
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(BackupError, match="whose images and databases riscv64 cannot read"):
        drill._model()


def test_where_an_installation_of_that_name_lives_no_drill_is_made(server, monkeypatch):
    monkeypatch.setattr(live, "of_project", lambda _name: ["tren-db"])
    with pytest.raises(BackupError, match=r"lives on this host by itself \(tren-db\)"):
        verbs.drill(kit.settings_for(server, "spare1", is_kept=False), words("--install"))


def test_files_of_compose_lie_where_the_drill_has_them():
    drill = project.Drill("d", "/root", (("/opt/x", "/root/files"),), (), ("job",))
    made = project.made({"services": {"job": {"image": "i", "volumes": []}}, "secrets": {
        "a": {"file": "/opt/x/a"}, "b": {"environment": "B"}, "c": {"file": "/etc/c"}}}, drill)
    assert made["secrets"] == {"a": {"file": "/root/files/a"}, "b": {"environment": "B"}, "c": {"file": "/etc/c"}}


def test_the_way_to_the_targets_is_forgotten_and_records_stay(spare, monkeypatch):
    drill, _pulled = spare
    here, removed = drill._here, []
    (pathlib.Path(here["project_dir"]) / "backup/secrets").mkdir(parents=True)
    for name in ("records", "cache"):
        pathlib.Path(here.path(name)).mkdir()
    write_json(here.path(away.PULLED), ["db@sha256:1"])
    monkeypatch.setattr(kit, "AT_START", str(here.path("tmpfiles.d")))
    monkeypatch.setattr(Engine, "runs", staticmethod(lambda: True))
    monkeypatch.setattr(Engine, "remove_images", lambda _self, images: removed.extend(images))
    assert verbs.drill(here, words("--forget")) == 0
    assert not os.path.exists(here["project_dir"])
    assert not os.path.exists(here.path("cache"))
    assert (removed, os.path.isdir(here.path("records"))) == (["db@sha256:1"], True)
    assert verbs.drill(here, words("--forget")) == 0


# -- Who learns of it -------------------------------------------------------------------------------------------------

def record_of(at, state="ok", host="spare1"):
    return {"verb": "drill", "state": state, "stamp": stamp_of(BEGIN + at), "started": moment(BEGIN + at),
            "finished": moment(BEGIN + at + 60), "because": "" if state == "ok" else "Broken.", "unit": "x.service",
            "invocation": "there", "drill": {"host": host, "rto_seconds": 60, "rpo_seconds": 5}, "steps": []}


def of_targets(settings, *told):
    run = runs.Run(settings, "cut")
    kept = [(snapshot(seconds_at(record), "records", "record", verb="drill", state=record["state"]), record)
            for record in told]
    target = Target(*(each for each, _record in kept))
    target.repository.texts = {each.id: json.dumps(record) for each, record in kept}
    run.targets = [target]
    return run


def seconds_at(record):
    return seconds_of(record["stamp"]) - BEGIN


def test_the_server_learns_once_of_the_newest_drill_that_was_made_elsewhere(tmp_path):
    settings = settings_at(tmp_path)
    run = of_targets(settings, record_of(0, "failed"), record_of(100))
    [taken] = run.take_over_drills()
    assert (taken["origin"], taken["drill"]["host"]) == (stamp_of(BEGIN + 100), "spare1")
    assert run.take_over_drills() == []
    found = records.read(settings, time.time())
    assert [record["state"] for record in found] == ["ok"]
    assert listing._drill_lines(listing.drill(found), BEGIN + 160) == [
        "  The last drill passed, 60 s ago on spare1: RTO 60 s, RPO 5 s."]
    assert "drill_rto_seconds 60" in pathlib.Path(settings.path("metrics/trenova_backup.prom")).read_text()


def test_a_drill_of_a_clock_that_was_ahead_hides_no_later_one(tmp_path):
    """Whatever is known and whatever is in the target: the newest of the past is learned, once, and nothing older."""
    folders = itertools.count()

    @settings_of_tests(max_examples=60)
    @given(st.sets(OFFSETS), st.sets(OFFSETS))
    def learn(known, there):
        settings, now = settings_at(tmp_path / str(next(folders))), int(time.time()) - BEGIN
        for offset in known:
            records.adopt(settings, record_of(now + offset), time.time())
        run = of_targets(settings, *(record_of(now + offset) for offset in there | known))
        found = [record["origin"] for record in run.take_over_drills()]
        past = {offset for offset in there | known if offset < 0}
        if past:
            newest = max(past)
            assert found == ([] if newest in known else [stamp_of(BEGIN + now + newest)])
        assert not found or seconds_of(found[0]) - BEGIN - now not in known
        assert run.take_over_drills() == []
    learn()


def test_a_run_of_the_same_second_keeps_its_record(tmp_path):
    settings = settings_at(tmp_path)
    own = records.begin(settings, "backup", BEGIN)
    [taken] = of_targets(settings, record_of(0)).take_over_drills()
    assert taken["stamp"] == stamp_of(BEGIN + 1)
    assert own["stamp"] == stamp_of(BEGIN)
    assert of_targets(settings, record_of(0)).take_over_drills() == []


def test_of_a_drill_that_failed_elsewhere_the_server_tells_people_and_is_not_well(tmp_path, monkeypatch):
    settings = settings_at(tmp_path)
    monkeypatch.setattr(notify, "wake", lambda: None)
    monkeypatch.setattr(watch, "_timer", lambda _name: "")
    [taken] = of_targets(settings, record_of(0, "failed")).take_over_drills()
    verbs.tell(settings, taken)
    [message] = notify.owed(settings)
    told = json.loads(pathlib.Path(settings.path("unsent", message)).read_text())
    assert "On spare1: Broken." in json.dumps(told)
    # The journal of this host says nothing of it, and may have a unit of that name.
    text = "\n".join(notify.body(settings, told))
    assert text.endswith("All of it: journalctl -u x on spare1.")
    assert "What it said last" not in text
    assert any("On spare1: Broken." in sentence for sentence in watch.faults(settings, time.time()))
    [good] = of_targets(settings, record_of(0, "failed"), record_of(100)).take_over_drills()
    verbs.tell(settings, good)
    assert not any("Broken" in sentence for sentence in watch.faults(settings, time.time()))


def test_how_the_last_drill_went_is_known_after_hundreds_of_small_backups(tmp_path, monkeypatch):
    settings = settings_at(tmp_path)
    monkeypatch.setattr(records, "KEPT", 3)
    records.finish(settings, records.begin(settings, "drill", BEGIN), BEGIN, "failed")
    for at in range(1, 6):
        records.finish(settings, records.begin(settings, "cut", BEGIN + at), BEGIN + at, "ok")
    assert records.newest(records.read(settings, time.time()), "drill")["state"] == "failed"


def test_the_record_of_the_newest_drill_stays_in_a_target(tmp_path):
    day = 86400
    told = [snapshot(at * day + day // 2, "records", "record", verb="drill") for at in (0, 10, 20)]
    nights = [snapshot(at * day, "papers", "archive") for at in range(30)]
    policy = {"daily": 7, "weekly": 4, "monthly": 6, "cuts_hours": 24}
    newest = snapshot(29 * day, "records", "record", verb="backup")
    gone = runs.unwanted([*told, *nights, newest], policy, BEGIN + 30 * day)
    assert [told.index(each) for each in gone if each in told] == [0, 1]


def test_the_last_records_are_handed_in_where_a_target_lacks_them(tmp_path, monkeypatch):
    settings, kept = settings_at(tmp_path), []
    for at in (0, 10, 20, 30):
        records.finish(settings, records.begin(settings, "drill", BEGIN + at), BEGIN + at, "ok")
    records.adopt(settings, record_of(40), BEGIN + 50)
    there = Target(snapshot(20, "records", "record", verb="drill"))
    there.repository.keep = lambda stream, _source, _tell: kept.append(stream.tags[0])

    def look(self):
        self.targets, self._has_looked = [there], True
    monkeypatch.setattr(runs.Run, "look_at_targets", look)
    verbs.hand_in(settings, is_alone=True)
    assert kept == ["run=" + stamp_of(BEGIN + at) for at in (10, 30)]


@pytest.mark.parametrize("is_other_at_work", [True, False])
def test_after_a_drill_that_was_cut_off_that_of_another_installation_goes_on(
        tmp_path, monkeypatch, is_other_at_work):
    settings, done = settings_at(tmp_path, away={"home": "x"}, drill_lock=str(tmp_path / "drill.lock")), []
    records.begin(settings, "drill", BEGIN)
    monkeypatch.setattr(records, "is_alive", lambda _record: False)
    monkeypatch.setattr(notify, "wake", lambda: None)
    monkeypatch.setattr(runs.Run, "clean", lambda _self: None)
    monkeypatch.setattr(runs.Run, "look_at_targets", lambda _self: None)
    monkeypatch.setattr(runs.Run, "keep_record", lambda _self, record: done.append(record["state"]))
    monkeypatch.setattr(place, "remove", lambda _drill: done.append("removed"))
    monkeypatch.setenv("SERVICE_RESULT", "signal")
    with runs.held(settings, settings["drill_lock"]) if is_other_at_work else contextlib.nullcontext():
        assert main._end(settings, None) == 0
    assert done == ["interrupted", *([] if is_other_at_work else ["removed"])]


def test_while_a_backup_is_at_work_the_record_waits_for_the_next_drill(tmp_path, monkeypatch, capsys):
    settings = settings_at(tmp_path)
    records.finish(settings, records.begin(settings, "drill", BEGIN), BEGIN, "ok")
    monkeypatch.setattr(verbs, "PATIENCE_SECONDS", 0)
    with runs.alone(settings, "backup"):
        verbs.hand_in(settings, is_alone=True)
    assert "is not in all targets yet, which the next drill makes good" in capsys.readouterr().out


def test_a_host_without_schedules_of_its_own_names_the_unit_of_drills(tmp_path):
    settings = settings_at(tmp_path, schedules=[{"verb": "drill", "unit": ""}])
    assert records.unit_of(settings, "drill") == "trenova-drill.service"
    assert records.unit_of(settings, "cut") == "trenova-backup.service"


class Locks:
    """An Engine with a repository that somebody holds: {lock: [host, whether it is stale]}."""

    def __init__(self, **locks):
        self.locks, self.commands = locks, []

    def run(self, _job, command, *_more):
        words = command[command.index("--retry-lock") + 2:]
        self.commands.append(words)
        lines = []
        if words[:2] == ["list", "locks"]:
            lines = list(self.locks)
        elif words[:2] == ["cat", "lock"]:
            lines = [json.dumps({"hostname": self.locks[words[2]][0]})]
        elif words == ["unlock"]:
            self.locks = {name: entry for name, entry in self.locks.items() if not entry[1]}
        return type("Process", (), {"code": 0, "lines": lines, "said": ""})


@pytest.mark.parametrize(("locks", "is_read"), [
    ({}, False), ({"a": ["erp1-backup", False]}, False), ({"a": ["erp1-drill", True]}, False),
    ({"a": ["erp1-drill", False], "b": ["erp1-backup", False]}, True)])
def test_a_target_that_a_drill_elsewhere_reads_is_known_by_its_locks(tmp_path, locks, is_read):
    settings = settings_at(tmp_path, keeper="erp1-backup")
    assert Repository(OFFSITE, Locks(**locks), settings).is_read_elsewhere() is is_read


def test_another_host_says_that_it_reads_and_the_server_need_not(server):
    wanted = snapshot(0, "papers", "archive")
    other = kit.settings_for(server, "spare1", is_kept=False)
    assert "--no-lock" in Repository(OFFSITE, None, server).dump(wanted)
    assert "--no-lock" not in Repository(OFFSITE, None, other).dump(wanted)


# -- The playbook -----------------------------------------------------------------------------------------------------

class Shell:
    """A connection whose commands are answered by their words: [(word, rc, output)]."""

    def __init__(self, *answers):
        self.answers, self.commands, self.transferred = answers, [], []
        self._connection = type("Connection", (), {"_shell": type("S", (), {
            "join_path": staticmethod(os.path.join)})()})()
        self._display = type("Display", (), {"display": staticmethod(print)})()

    def _low_level_execute_command(self, command):
        self.commands.append(command)
        for word, code, output in self.answers:
            if word in command:
                return {"rc": code, "stdout": output, "stderr": ""}
        return {"rc": 0, "stdout": "{}", "stderr": ""}

    def _make_tmp_path(self):
        return "/home/ops/kits"

    def _transfer_data(self, path, data):
        self.transferred.append((path, data))

    def _remove_tmp_path(self, _path):
        self.commands.append("remove tmp")


KIT = {"home": "/var/lib/trenova-drills/erp1", "project": "trenova", "unit": "trenova-drill-erp1.service",
       "content": base64.b64encode(b"kit").decode()}
ASKED, LAID, TIDIED = "is-active --quiet docker", "--extract --gzip", "daemon-reload"


def seen(shell):
    return [word for command in shell.commands for word in (ASKED, LAID, "--install", TIDIED) if word in command]


def test_a_kit_is_laid_and_goes_when_the_drill_has_ended():
    shell = Shell()
    with elsewhere.Elsewhere(shell, "spare1", KIT).laid(False):
        assert seen(shell) == [ASKED, LAID, "--install"]
    assert seen(shell) == [ASKED, LAID, "--install", TIDIED]
    assert shell.transferred == [("/home/ops/kits/kit", b"kit")]


def test_a_kit_stays_where_it_is_kept_or_a_drill_goes_on():
    shell = Shell()
    with elsewhere.Elsewhere(shell, "spare1", KIT).laid(True):
        pass
    assert TIDIED not in seen(shell)
    other = elsewhere.Elsewhere(shell, "spare1", KIT)
    with pytest.raises(KeyError), other.laid(False):
        other.work.is_at_work = True
        raise KeyError
    assert TIDIED not in seen(shell)


@pytest.mark.parametrize(("code", "sentence"), [
    (3, "spare1 is not root there"), (4, "has no Python 3"), (5, "has no Docker Engine with Compose that runs"),
    (6, "An installation lives on spare1 by itself"), (127, "spare1 cannot be asked")])
def test_a_host_that_cannot_make_drills_is_one_sentence_and_nothing_is_laid(code, sentence):
    shell = Shell((ASKED, code, ""))
    with pytest.raises(elsewhere.AnsibleActionFail) as raised, elsewhere.Elsewhere(shell, "spare1", KIT).laid(False):
        pass
    assert sentence in str(raised.value)
    assert seen(shell) == [ASKED]


def test_one_that_is_at_work_is_followed_with_what_is_there():
    shell = Shell((ASKED, elsewhere.AT_WORK, ""))
    with elsewhere.Elsewhere(shell, "spare1", KIT).laid(False):
        pass
    assert seen(shell) == [ASKED]


def test_what_cannot_be_installed_leaves_no_way_to_the_targets():
    shell = Shell(("--install", 1, "An installation lives on this host by itself."))
    with pytest.raises(elsewhere.AnsibleActionFail), elsewhere.Elsewhere(shell, "spare1", KIT).laid(False):
        pass
    assert seen(shell)[-1] == TIDIED


@pytest.mark.parametrize(("state", "is_gone"), [
    ("active", False), ("activating", False), ("deactivating", False), ("inactive", True), ("failed", True),
    ("unknown", True)])
def test_under_a_drill_that_has_begun_unseen_nothing_is_removed(tmp_path, monkeypatch, state, is_gone):
    """The answer to its start may be lost with the connection."""
    for name in ("program", "project", "backup"):
        (tmp_path / "home" / name).mkdir(parents=True)
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(f'#!/bin/sh\n[ "$1" = daemon-reload ] || echo {state}\n[ {state} = active ]\n')
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    subprocess.run(["sh", "-c", elsewhere.TIDY, "sh", tmp_path / "home", "trenova-drill-of-no-installation.service"],
                   check=False)
    assert sorted(path.name for path in (tmp_path / "home").iterdir()) == (
        ["backup"] if is_gone else ["backup", "program", "project"])


def test_the_program_tells_a_kit_as_one_line_of_json(server, capsys):
    assert verbs.drill(server, words("--kit", "spare1", "--keep")) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["home"], told["unit"]) == ("/var/lib/trenova-drills/erp1", "trenova-drill-erp1.service")
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(told["content"]))) as tar:
        assert "project/backup/secrets/targets/key" in tar.getnames()


def test_the_words_of_the_program_are_those_of_the_playbook():
    arguments = main._parser().parse_args(["drill", "--kit", "spare1", "--keep"])
    assert (arguments.kit, arguments.keep, arguments.look, arguments.take_over) == ("spare1", True, False, False)
