# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the host keeps of its services: honest, readable by the next version, and taken over from the first edition."""

from __future__ import annotations

import hashlib
import json

import pytest
from converge_builders import first_edition

from ansible_collections.trenova.selfhost.plugins.module_utils.converge import releases
from ansible_collections.trenova.selfhost.plugins.module_utils.docker_logins import encoded
from ansible_collections.trenova.selfhost.plugins.module_utils.engine import EngineError

PREPARE = [{"service": "api-prepare"}]


def api(host, **more):
    return host.service(
        "api", files={"config/api.conf": "a"}, secrets={"secrets/key": "s3cret"}, jobs=PREPARE, **more)


def measure(host):
    return releases.measure(str(host.directory), host.engine)


def test_a_state_file_is_roots_alone_and_holds_no_secret(host):
    host.converge(api(host))
    for name in ("api", "host"):
        path = host.directory / ".state" / f"{name}.json"
        assert path.stat().st_mode & 0o777 == 0o600
        assert "s3cret" not in path.read_text()
    assert (host.directory / ".state").stat().st_mode & 0o777 == 0o700
    assert (host.state("api")["schema"], host.state("api")["version"]) == (2, "0.2.0")


def test_a_measurement_tells_what_was_reached_and_starts_no_process(host):
    wanted = api(host)
    host.converge(wanted, host.service("redis"), host={"disk_free_gb_before": 64.4})
    host.forget_calls()
    found = measure(host)
    assert host.engine.calls == []
    assert found["unchanged"]["api"] == wanted["wish"]
    config = host.path("api", "config/api.conf")
    assert found["files"]["api"][config] == hashlib.sha256(b"a").hexdigest()
    assert host.path("api", "secrets/key") not in found["files"]["api"]
    assert found["services"] == {"api": {"name": "api"}, "redis": {"name": "redis"}}
    assert found["plan"] == {"api": {"memory_mb": 1}, "redis": {"memory_mb": 1}}
    assert found["host"]["disk_free_gb_before"] == 64.4
    assert found["newer"] == []


def test_a_measurement_of_a_bare_host_is_empty(host):
    assert measure(host) == {
        "unchanged": {}, "differing": {}, "places": {}, "files": {}, "services": {}, "plan": {}, "host": {},
        "newer": []}


def test_without_an_engine_nothing_is_called_unchanged(host):
    host.converge(api(host))
    host.engine.answers = False
    assert measure(host)["unchanged"] == {}
    assert measure(host)["services"] == {"api": {"name": "api"}}


@pytest.mark.parametrize("content", [
    "no JSON", "[]", "{}", '{"record": {"wish": "w"}}', '{"record": {"project": 1}}',
    '{"record": {"files": [{"path": "/x", "sha256": "1"}]}}'])
def test_a_state_file_that_cannot_be_read_is_none(host, content):
    host.converge(api(host))
    (host.directory / ".state/api.json").write_text(content)
    assert measure(host)["unchanged"] == {}
    assert host.converge(api(host))["started"] == []


def test_the_record_goes_before_the_first_change_and_comes_after_the_last(host):
    host.converge(api(host))
    seen = []
    compose = host.engine.compose
    host.engine.compose = lambda *words, **more: (
        seen.append("record" in host.state("api")), compose(*words, **more))[1]
    host.converge(api(host, version="2"))
    assert seen == [False]
    assert "record" in host.state("api")


def test_another_wish_alone_is_recorded_and_is_no_change(host):
    wanted = api(host)
    host.converge(wanted)
    result = host.converge(dict(wanted, wish="other", release={"description": {"name": "api2"}, "plan": {}}))
    assert result["changed"] is False
    assert measure(host)["unchanged"] == {"api": "other"}
    assert measure(host)["services"] == {"api": {"name": "api2"}}


def test_of_a_service_that_failed_the_last_release_that_held_is_kept(host):
    host.converge(api(host))
    host.engine.ends_up["sha256:api:2"] = "unhealthy"
    host.run(dict(api(host, image="api:2"), release={"description": {"name": "new"}, "plan": {}}))
    assert measure(host)["services"] == {"api": {"name": "api"}}
    assert measure(host)["unchanged"] == {}


# -- The first edition ------------------------------------------------------------------------------------------------


def test_what_the_first_edition_wrote_gives_the_same_view(host):
    host.converge(api(host))
    first_edition(host)
    found = measure(host)
    # As its record says, and looked at once more: of how its containers were made nothing is known.
    assert (found["unchanged"], found["differing"]) == ({}, {})
    assert found["files"]["api"][host.path("api", "config/api.conf")] == hashlib.sha256(b"a").hexdigest()
    assert (found["services"], found["plan"]) == ({"api": {"name": "api"}}, {"api": {"memory_mb": 7}})
    assert found["host"] == {
        "disk_free_gb_before": 64.4, "images": {"api": "proven"}, "registry_logins": {"registry.test": "digest"}}
    host.container("tren-api")["State"]["Status"] = "paused"
    assert measure(host)["differing"] == {"api": ["tren-api was paused"]}


def test_files_of_the_first_edition_go_when_a_service_and_the_run_are_done(host):
    host.converge(api(host))
    names = first_edition(host)
    assert len(names) == 6
    assert host.converge(api(host))["changed"] is False
    assert not set(names) & set(host.files())
    assert host.state("host")["disk_free_gb_before"] == 64.4
    assert host.state("api")["release"] == {"description": {"name": "api"}, "plan": {"memory_mb": 1}}


def test_the_state_file_wins_over_what_the_first_edition_has_left(host):
    host.converge(api(host))
    state = (host.directory / ".state/api.json").read_text()
    first_edition(host)
    (host.directory / ".state/api.json").write_text(state)
    (host.directory / "api/.reload-pending").touch()
    known = releases.read(str(host.directory))
    assert known.of("api").content["release"]["plan"] == {"memory_mb": 1}
    assert known.of("api").pending is False


def test_jobs_of_the_first_edition_are_taken_as_done_where_their_image_runs(host):
    host.converge(api(host))
    jobs = host.state("api")["jobs"]
    first_edition(host)
    host.forget_calls()
    host.converge(api(host, version="2"))
    assert not [call for call in host.engine.calls if "run" in call.split()]
    assert host.state("api")["jobs"] == jobs


def test_a_killed_run_over_the_first_edition_does_not_forget_that_jobs_are_done(host):
    host.converge(api(host))
    first_edition(host)
    host.engine.failing["up --detach"] = "no"
    host.run(api(host, version="2"))
    host.engine.failing.clear()
    host.forget_calls()
    assert host.converge(api(host, version="2"))["prepared"] == []


@pytest.mark.parametrize("happens", [
    lambda host: host.engine.local.update({"api:1": "sha256:other"}),
    lambda host: host.container("tren-api")["State"].update(Status="exited"),
    lambda host: host.engine.found.clear(),
])
def test_jobs_of_the_first_edition_run_where_another_image_or_none_runs(host, happens):
    host.converge(api(host))
    first_edition(host)
    happens(host)
    assert host.converge(api(host))["prepared"] == ["The job api-prepare"]


def test_jobs_of_which_a_state_file_does_not_know_run_although_the_image_runs(host):
    host.converge(dict(api(host), jobs=[]))
    assert host.converge(api(host))["prepared"] == ["The job api-prepare"]


def test_a_reload_that_the_first_edition_owed_is_made_up_for(host):
    reload = [{"files": [host.path("api", "config/api.conf")], "container": "tren-api", "signal": "SIGHUP"}]
    host.converge(api(host, reload=reload))
    first_edition(host)
    (host.directory / "api/.reload-pending").touch()
    assert measure(host)["unchanged"] == {}
    assert host.converge(api(host, reload=reload))["reloaded"] == ["SIGHUP tren-api"]
    assert host.converge(api(host, reload=reload))["reloaded"] == []


@pytest.mark.parametrize("record", [{}, {"units": [{}]}, {"units": 3}, []])
def test_a_record_of_the_first_edition_that_cannot_be_read_is_none(host, record):
    host.converge(api(host))
    first_edition(host)
    (host.directory / "api/.converged.json").write_text(json.dumps(record))
    assert measure(host)["unchanged"] == {}
    assert host.converge(api(host))["started"] == []


# -- A newer version --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["api", "host", "redis"])
def test_what_a_newer_version_wrote_is_refused_before_anything_is_changed(host, name):
    host.converge(api(host))
    path = host.directory / ".state" / f"{name}.json"
    path.write_text(json.dumps({"schema": 3, "version": "0.9.0", "record": {}}))
    before, state = host.files(), host.engine.state()
    sentence = (
        f"{path} was written by version 0.9.0 of the collection, in a form (schema 3) that this one does not know; "
        "use version 0.9.0 of the collection or newer")
    for check in (False, True):
        with pytest.raises(releases.ReleaseError) as raised:
            host.run(api(host, version="2"), check=check)
        assert str(raised.value) == sentence + "\nNothing was changed."
    assert (host.files(), host.engine.state()) == (before, state)
    assert measure(host)["newer"] == [sentence]


# -- The host's own ---------------------------------------------------------------------------------------------------


def test_what_is_to_be_kept_of_the_host_is_merged(host):
    host.converge(api(host), host={"disk_free_gb_before": 64.4})
    host.converge(api(host), host={"members": {"redis": 2}})
    assert {key: host.state("host")[key] for key in ("disk_free_gb_before", "members")} == {
        "disk_free_gb_before": 64.4, "members": {"redis": 2}}


LOGINS = encoded({"registry.test:5000": {"username": "puller", "password": "kD8-fW2_qL5xR9"}})


def test_logins_are_kept_remembered_and_removed_when_unwanted(host):
    config = host.root / "docker/config.json"
    config.parent.mkdir()
    config.write_text(json.dumps({"auths": {"quay.test": {"auth": "YTpi"}}}))
    before = config.read_text()
    foretold = host.converge(logins=LOGINS, check=True)
    assert (foretold["changed_files"], config.read_text()) == ([str(config)], before)
    result = host.converge(logins=LOGINS)
    assert (result["changed"], result["changed_files"], result["diff"]) == (True, [str(config)], foretold["diff"])
    assert "kD8" not in str(result)
    assert set(json.loads(config.read_text())["auths"]) == {"quay.test", "registry.test:5000"}
    assert set(host.state("host")["registry_logins"]) == {"registry.test:5000"}
    assert host.converge(logins=LOGINS)["changed"] is False
    assert host.converge()["changed_files"] == [str(config)]
    assert set(json.loads(config.read_text())["auths"]) == {"quay.test"}
    assert "registry_logins" not in host.state("host")


def test_logins_that_cannot_be_kept_stop_the_run_before_anything_is_changed(host):
    config = host.root / "docker/config.json"
    config.parent.mkdir()
    config.write_text("no JSON")
    with pytest.raises(host.error, match=r"config.json is no valid configuration of Docker. Nothing was pulled."):
        host.run(api(host), logins=LOGINS)
    assert host.engine.calls == []


def test_a_measurement_survives_an_engine_that_fails_for_one_service(host):
    host.converge(api(host), host.service("redis"))
    containers = host.engine.containers

    def failing(*names):
        if "tren-api" in names:
            raise EngineError("the disk is gone")
        return containers(*names)

    host.engine.containers = failing
    assert set(measure(host)["unchanged"]) == {"redis"}
