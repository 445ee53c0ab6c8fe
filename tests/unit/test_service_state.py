# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import os

import pytest

from ansible_collections.trenova.selfhost.plugins.module_utils import engine, labels, service_state
from ansible_collections.trenova.selfhost.plugins.module_utils.files import ManagedFile, ensure_directory

IMAGE = "docker.io/library/redis:8.2"
OWNER = {"owner": os.getuid(), "group": os.getgid()}


def container(name, digest="d1", image="sha256:1", started="2026-11-23T21:00:00Z", health="healthy"):
    return {
        "Name": name, "Image": image, "Config": {"Labels": {labels.DIGEST: digest}},
        "State": {"Status": "running", "StartedAt": started, "Health": {"Status": health}}}


class Host:
    """A host on which Redis has been brought to its wanted state."""

    def __init__(self, root):
        self.root = root
        self.directory = root / "redis"
        self.containers = {
            "tren-redis": container("tren-redis", started="2026-11-23T21:00:01Z"), "tren-db": container("tren-db")}
        self.images = {IMAGE: {"Id": "sha256:1", "Config": {"Env": ["REDIS_MAJOR=8"]}}}
        self.version = root / "data" / "VERSION"
        self.version.parent.mkdir()
        self.version.write_text("8\n")
        self.parameters = {
            "name": "redis", "project_dir": str(root),
            "directories": [dict(OWNER, path=str(root / "data"), mode="0700")],
            "units": [{"container": "tren-redis", "image": IMAGE, "digest": "d1"}], "retired_containers": [],
            "follows": ["tren-db"],
            "guards": [{
                "file": str(self.version), "environment": "REDIS_MAJOR", "image": IMAGE,
                "says": "data of {found}, image of {wanted}"}],
        }
        self.config = self.directory / "config" / "redis.conf"
        files = [
            ManagedFile(str(self.config), "maxmemory 1gb\n", "0444", **OWNER),
            ManagedFile(str(self.directory / "secrets" / "users.acl"), "user >s3cret\n", "0400", secret=True, **OWNER)]
        for entry in self.parameters["directories"]:
            ensure_directory(entry["path"], 0o700, entry["owner"], entry["group"])
        for managed in files:
            managed.write()
        self.state = service_state.ServiceState(self.parameters, [
            ManagedFile(managed.path, managed.content.decode(), f"{managed.mode:o}", **OWNER) for managed in files])

    @property
    def record(self):
        return self.directory / service_state.RECORD

    def unchanged(self):
        return service_state.unchanged_wishes(str(self.root))


@pytest.fixture
def host(tmp_path, monkeypatch):
    made = Host(tmp_path)
    monkeypatch.setattr(engine, "containers", lambda *names: {
        name: made.containers[name] for name in names if name in made.containers})
    monkeypatch.setattr(engine, "images", lambda *names: {
        name: made.images[name] for name in names if name in made.images})
    made.state.look()
    assert not made.state.differs()
    service_state.write_record(made.state, "w1")
    return made


def test_a_service_as_its_record_says_is_unchanged(host):
    assert host.unchanged() == {"redis": "w1"}


def test_a_record_holds_no_secret_and_is_roots_alone(host):
    assert "s3cret" not in host.record.read_text()
    assert host.record.stat().st_mode & 0o777 == 0o600


def restart_the_followed(host):
    host.containers["tren-db"] = container("tren-db", started="2026-11-23T21:00:02Z")


def another_image_behind_the_reference(host):
    host.images[IMAGE] = dict(host.images[IMAGE], Id="sha256:2")


def interrupted_run(host):
    (host.directory / ".reload-pending").touch()


@pytest.mark.parametrize("happens", [
    lambda host: (host.config.chmod(0o644), host.config.write_text("maxmemory 2gb\n"), host.config.chmod(0o444)),
    lambda host: host.config.chmod(0o644),
    lambda host: host.config.unlink(),
    lambda host: (host.directory / "secrets" / "old.acl").write_text("left over"),
    lambda host: (host.root / "data").chmod(0o755),
    lambda host: host.containers.pop("tren-redis"),
    lambda host: host.containers.update({"tren-redis": container("tren-redis", digest="d2")}),
    lambda host: host.containers.update({"tren-redis": container("tren-redis", health="unhealthy")}),
    lambda host: host.version.write_text("7\n"),
    lambda host: host.record.write_text("no JSON"),
    lambda host: host.record.write_text("{}"),
    restart_the_followed, another_image_behind_the_reference, interrupted_run,
])
def test_whatever_happens_to_a_service_makes_it_look_again(host, happens):
    happens(host)
    assert host.unchanged() == {}


def test_without_an_engine_nothing_is_called_unchanged(host, monkeypatch):
    def broken(*_names):
        raise engine.EngineError("no Engine")

    monkeypatch.setattr(engine, "containers", broken)
    assert host.unchanged() == {}


def test_a_change_begins_by_forgetting_the_record(host):
    service_state.forget_record(host.state)
    service_state.forget_record(host.state)
    assert host.unchanged() == {}


def test_digest_of_a_wish_sees_every_part_of_it():
    wish = {"name": "redis", "files": [{"path": "/a", "content": "x"}], "secrets": ["s"]}
    others = [dict(wish, secrets=["t"]), dict(wish, files=[{"path": "/a", "content": "y"}]), dict(wish, reload=[])]
    digests = {service_state.wish_digest(each) for each in [wish, dict(wish), *others]}
    assert len(digests) == 1 + len(others)
