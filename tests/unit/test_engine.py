# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import pytest

from ansible_collections.trenova.selfhost.plugins.module_utils import engine


def container(status="running", health=None, started="2026-11-23T21:00:00Z"):
    state = {"Status": status, "StartedAt": started}
    if health:
        state["Health"] = {"Status": health, "Log": [
            {"ExitCode": 0, "Output": "fine"}, {"ExitCode": 1, "Output": "refused\n"}]}
    return {"State": state}


@pytest.mark.parametrize(("status", "health", "serving"), [
    ("running", None, True), ("running", "healthy", True), ("running", "starting", False),
    ("running", "unhealthy", False), ("exited", "healthy", False), ("restarting", None, False),
])
def test_container_serves_when_it_runs_and_is_not_ill(status, health, serving):
    assert engine.is_serving(container(status, health)) is serving


def test_times_sort_although_the_engine_leaves_out_trailing_zeros():
    earlier, later = "2026-11-23T21:00:05.1Z", "2026-11-23T21:00:05.12Z"
    assert earlier > later
    assert engine.started_at(container(started=earlier)) < engine.started_at(container(started=later))
    assert engine.started_at(container(started="2026-11-23T21:00:05Z")) < engine.started_at(container(started=earlier))


def test_output_of_the_failed_check_is_found():
    assert engine.last_health_output(container(health="unhealthy")) == "refused"
    assert engine.last_health_output(container()) == ""
