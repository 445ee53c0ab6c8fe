# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""playbooks/plan.yml tells beforehand what a deployment then does."""

from __future__ import annotations

import json

import pytest
from conftest import ROOT


@pytest.fixture
def changes(server, host, tmp_path):
    """What the plan says would change, by the variables that are given: {service: what happens}."""
    def told(variables=None):
        before = server.traces()
        run = server.run(
            playbook=ROOT / "playbooks/plan.yml", variables=dict(variables or {}, trenova_plan_dir=str(tmp_path)))
        assert server.traces() == before
        assert run.changed == 0
        found = json.loads((tmp_path / f"{server.name}.json").read_text())["changes"]
        return {entry["service"]: entry for entry in found["services"]}
    return told


def test_nothing_would_change_after_a_deployment(changes):
    assert changes() == {}


def test_what_would_restart_is_what_restarts(server, changes):
    wish = {"trenova_plan_overrides": {
        "minio": {"memory_limit_mb": 600}, "pgbouncer": {"max_client_conn": 300}, "redis": {"memory_limit_mb": 2100}}}
    told = changes(wish)
    assert told["minio"]["says"] == ["replaces tren-minio"]
    assert {"name": "memory_limit_mb", "unit": "MiB", "before": 512, "after": 600} in told["minio"]["figures"]
    assert told["pgbouncer"]["says"] == ["reloads tren-pgbouncer"]
    assert "replaces tren-redis" in told["redis"]["says"]
    assert "restarts tren-api after tren-redis" in told["api"]["says"]
    announced = {words.split()[1] for entry in told.values() for words in entry["says"]
                 if words.split()[0] in ("replaces", "restarts", "creates", "removes", "starts")}
    before = server.started()
    server.run(variables=wish)
    assert server.restarted(before) == announced
    assert changes(wish) == {}
    server.run()


def test_the_applied_plan_lies_on_the_server(server, host):
    part = json.loads(host.file("/opt/trenova/.state/postgres.json").content_string)["release"]["plan"]
    assert part["tier"] == "minimum"
    assert part["figures"]["memory_limit_mb"] == 512


def test_a_plan_for_users_needs_no_server(server, host, tmp_path):
    run = server.run(playbook=ROOT / "playbooks/plan.yml", inventory=ROOT / "inventories/prod", variables={
        "trenova_users": 350, "trenova_plan_dir": str(tmp_path)})
    assert "To buy for 350 users (tier large)" in run.output
    assert max(len(line) for line in run.output.splitlines() if line.startswith("  ")) <= 100
