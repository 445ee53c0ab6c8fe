# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a host is asked about its services, by an Engine that answers from a table."""

from __future__ import annotations

import os
import time

import pytest

from ansible_collections.trenova.selfhost.plugins.module_utils import engine, patience
from ansible_collections.trenova.selfhost.plugins.modules import probe


def container(address="10.0.0.2", status="running", health="healthy", limit_mb=64, **state):
    """A container as the Engine describes it."""
    return {
        "State": dict({"Status": status, "Running": False, "Pid": 0, "Health": {"Status": health}}, **state),
        "HostConfig": {"Memory": limit_mb * 1048576},
        "NetworkSettings": {"Networks": {"app": {"IPAddress": address}}},
    }


@pytest.fixture
def projects(monkeypatch):
    """Containers by project; a test fills them in."""
    found = {}
    monkeypatch.setattr(engine, "containers_of", lambda project: dict.fromkeys(found.get(project, {}), {}))
    monkeypatch.setattr(engine, "containers", lambda *names: {
        name: known[name] for known in found.values() for name in names if name in known})
    return found


def test_only_containers_of_the_project_are_looked_at(projects):
    projects.update(trenova={"tren-api": container()}, drill={"drill-api": container()})
    assert probe.Inspector("drill", {}).names == ["drill-api"]
    inspector = probe.Inspector("trenova", {})
    assert [entry["name"] for entry in probe.run_all(inspector, [], 0)[1]] == ["tren-api"]
    with pytest.raises(probe.CheckFailed, match="there is no container drill-api"):
        inspector.container("drill-api")


def test_address_is_one_of_the_container(projects):
    projects["trenova"] = {"tren-api": container("10.0.0.7"), "tren-idle": container("")}
    inspector = probe.Inspector("trenova", {})
    assert inspector.address("tren-api") == "10.0.0.7"
    with pytest.raises(probe.CheckFailed, match="tren-idle has no address; it does not run"):
        inspector.address("tren-idle")
    with pytest.raises(probe.CheckFailed, match="there is no container tren-db"):
        inspector.address("tren-db")


@pytest.mark.parametrize(("found", "detail"), [
    (container(), "healthy, None of 64 MiB"),
    (container(health="unhealthy"), "state running, health unhealthy"),
    (container(status="exited"), "state exited, health healthy"),
    (container(limit_mb=0), "has no memory limit"),
    (container(OOMKilled=True), "was killed for memory"),
    (dict(container(), RestartCount=3), "healthy, None of 64 MiB, restarted 3 times"),
])
def test_container_is_well_or_the_result_says_what_ails_it(projects, found, detail):
    projects["trenova"] = {"tren-api": found}
    result = probe.container_result(probe.Inspector("trenova", {}), "tren-api")
    assert result["detail"] == detail
    assert result["ok"] is detail.startswith("healthy")
    # Memory does not come back, and no limit appears, however long one waits.
    assert result["lasting"] is ("memory" in detail)


def test_a_container_that_starts_is_waited_for(projects, monkeypatch):
    projects["trenova"] = {"tren-api": container(health="starting")}
    healthy = {"tren-api": container()}
    monkeypatch.setattr(patience, "PAUSE_SECONDS", 0.01)
    inspector, real = probe.Inspector("trenova", {}), probe.container_result

    def becomes_healthy(*arguments):
        result = real(*arguments)
        projects["trenova"] = healthy
        return result

    monkeypatch.setattr(probe, "container_result", becomes_healthy)
    [result] = probe.run_all(inspector, [], 5)[1]
    assert result["ok"]
    assert result["detail"].startswith("healthy, None of 64 MiB (after ")


def test_a_container_that_goes_away_meanwhile_is_told(projects):
    projects["trenova"] = {"tren-api": container()}
    inspector = probe.Inspector("trenova", {})
    del projects["trenova"]["tren-api"]
    assert probe.container_result(inspector, "tren-api") == {
        "name": "tren-api", "ok": False, "detail": "there is no container tren-api"}


def test_checks_and_containers_have_the_same_form(projects, monkeypatch):
    projects["trenova"] = {"tren-api": container()}
    monkeypatch.setitem(probe.CHECKS, "command", lambda _inspector, _check: "as expected")
    checks, containers = probe.run_all(
        probe.Inspector("trenova", {}), [{"name": "x", "kind": "command"}, {"name": "y", "kind": "none"}], 0)
    assert [(entry["name"], entry["ok"]) for entry in [*checks, *containers]] == [
        ("x", True), ("y", False), ("tren-api", True)]
    assert all(entry["seconds"] >= 0 for entry in [*checks, *containers])


def test_the_wait_for_a_first_status_file(tmp_path):
    path = tmp_path / "status.json"
    os.utime(tmp_path, (time.time() - 7200, time.time() - 7200))
    assert probe.waiting_seconds(str(path)) == pytest.approx(7200, abs=60)
    path.write_text("{}")
    assert probe.waiting_seconds(str(path)) is None
    assert probe.waiting_seconds(str(tmp_path / "absent/status.json")) is None
    assert probe.waiting_seconds(None) is None
