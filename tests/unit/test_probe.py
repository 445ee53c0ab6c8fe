# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a host is asked about its services, by an Engine that answers from a table."""

from __future__ import annotations

import pytest

from ansible_collections.trenova.selfhost.plugins.module_utils import engine
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
    assert list(probe.Inspector("drill", {}).containers) == ["drill-api"]
    assert [entry["name"] for entry in probe.container_results(probe.Inspector("trenova", {}))] == ["tren-api"]


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
    [result] = probe.container_results(probe.Inspector("trenova", {}))
    assert result["detail"] == detail
    assert result["ok"] is detail.startswith("healthy")
