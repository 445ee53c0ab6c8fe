# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Logins of the inventory and an administrator's own live in one file, and neither touches the other."""

from __future__ import annotations

import base64
import json

import pytest

from ansible_collections.trenova.selfhost.plugins.module_utils import docker_logins

LOGINS = {"registry.test:5000": {"username": "puller", "password": "kD8-fW2_qL5xR9"}}
FOREIGN = {"auths": {"quay.test": {"auth": "YTpi"}}, "detachKeys": "ctrl-q"}


@pytest.fixture
def keep(tmp_path):
    """Function that writes logins as a run does, and returns what was found, changed and is there now."""
    path, record = tmp_path / "docker/config.json", {}

    def run(logins, content=None):
        if content is not None:
            path.parent.mkdir(exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        kept = docker_logins.DockerLogins(docker_logins.encoded(logins), dict(record), str(path))
        changed = [managed.path for managed in kept.files()]
        kept.write()
        if not kept.is_broken:
            record.clear()
            record.update(kept.entries())
        return kept, changed, json.loads(path.read_text()) if path.exists() and not kept.is_broken else None

    run.path = path
    return run


def auth(text):
    return {"auth": base64.b64encode(text.encode()).decode()}


def test_bare_server_gets_a_file_for_root_only(keep):
    _kept, changed, content = keep(LOGINS)
    assert content == {"auths": {"registry.test:5000": auth("puller:kD8-fW2_qL5xR9")}}
    assert changed == [str(keep.path)]
    assert keep.path.stat().st_mode & 0o777 == 0o600
    assert keep.path.parent.stat().st_mode & 0o777 == 0o700
    assert keep(LOGINS)[1] == []


def test_without_logins_nothing_is_touched_not_even_a_mode(keep):
    keep.path.parent.mkdir()
    keep.path.write_text("{}")
    keep.path.chmod(0o644)
    assert keep({})[1] == []
    assert keep.path.stat().st_mode & 0o777 == 0o644


def test_what_the_administrator_has_stays(keep):
    _kept, _changed, content = keep(LOGINS, FOREIGN)
    assert content == {
        "auths": {**FOREIGN["auths"], "registry.test:5000": auth("puller:kD8-fW2_qL5xR9")}, "detachKeys": "ctrl-q"}
    assert keep({})[2] == FOREIGN
    assert keep({})[1] == []


def test_new_password_replaces_the_old_one(keep):
    keep(LOGINS, FOREIGN)
    new = {"registry.test:5000": {"username": "puller", "password": "another-one"}}
    kept, _changed, content = keep(new)
    assert content["auths"]["registry.test:5000"] == auth("puller:another-one")
    assert kept.diff()["after"] == "login of registry.test:5000 (another one)\n"
    assert "another-one" not in json.dumps(kept.diff())
    assert keep({})[2] == FOREIGN


def test_entry_that_the_administrator_replaced_is_his(keep):
    keep(LOGINS)
    mine = {"auths": {"registry.test:5000": auth("admin:mine")}}
    assert keep({}, mine)[2] == mine


def test_docker_hub_has_a_name_of_its_own(keep):
    kept, _changed, content = keep({"docker.io": {"username": "puller", "password": 12345}})
    assert content["auths"] == {"https://index.docker.io/v1/": auth("puller:12345")}
    assert kept.login("docker.io") == ("puller", "12345")


def test_login_that_docker_will_use(keep):
    entries = {"quay.test": auth("admin:with:colon"), "token.test": {"identitytoken": "x"}, "bad.test": {"auth": "%"}}
    kept, _changed, _content = keep({}, {"auths": entries, "credHelpers": {"helper.test": "pass"}})
    assert [kept.login(name) for name in ("quay.test", "token.test", "bad.test", "helper.test", "none.test")] == [
        ("admin", "with:colon"), "helper", None, "helper", None]


@pytest.mark.parametrize("content", ["no JSON", "[]", '{"auths": []}', {"credsStore": "pass"}, {
    "credHelpers": {"registry.test:5000": "pass"}}])
def test_file_that_cannot_take_a_login_is_left_alone(keep, content):
    with pytest.raises(docker_logins.LoginError):
        keep(LOGINS, content)
    text = content if isinstance(content, str) else json.dumps(content)
    assert keep.path.read_text() == text
    assert keep({})[1] == []
    assert keep.path.read_text() == text


def test_argument_for_the_host_shows_no_password():
    text = docker_logins.encoded(LOGINS)
    assert "kD8" not in text
    assert "puller" not in text
    assert docker_logins.encoded({}) == ""
    assert docker_logins.masked(LOGINS) == ["kD8-fW2_qL5xR9", auth("puller:kD8-fW2_qL5xR9")["auth"]]
