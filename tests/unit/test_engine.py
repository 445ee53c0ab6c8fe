# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import http.server
import json
import socketserver
import threading
from urllib.parse import quote

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


OF_TRENOVA = quote('{"label": ["com.docker.compose.project=trenova"]}')


class Answers(http.server.BaseHTTPRequestHandler):
    """An Engine that knows one container and one image."""

    known = {
        "/containers/trenova-api/json": (200, {"Name": "/trenova-api"}),
        "/images/registry.test:5000/trenova/api:0.7.2/json": (200, {"Id": "sha256:1"}),
        "/images/registry.test/api@sha256:ab/json": (200, {"Id": "sha256:2"}),
        "/containers/broken/json": (500, {"message": "the disk is gone"}),
        "/networks/trenova_data": (200, {"Name": "trenova_data", "Internal": True}),
        "/containers/json?all=true&filters=" + OF_TRENOVA: (200, [
            {"Names": ["/tren-db"], "Labels": {"trenova.role": "postgres"}}, {"Names": ["/tren-x"], "Labels": None},
            {"Names": []}]),
        "/networks?filters=" + OF_TRENOVA: (200, [{"Name": "trenova_data", "Labels": {"a": "b"}}]),
        "/info": (200, {"SwapLimit": False}),
        "/containers/v2/stats?stream=false&one-shot=true": (200, {"memory_stats": {
            "usage": 1000, "stats": {"inactive_file": 300, "active_file": 100, "file": 900, "shmem": 500}}}),
        "/containers/v1/stats?stream=false&one-shot=true": (200, {"memory_stats": {"usage": 1000, "stats": {
            "total_inactive_file": 300, "total_active_file": 100, "inactive_file": 1, "active_file": 1}}}),
        "/containers/ended/stats?stream=false&one-shot=true": (200, {"memory_stats": {}}),
    }

    def do_GET(self):
        status, body = self.known.get(self.path, (404, {"message": "No such thing"}))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def address_string(self):
        return "the test"

    def log_message(self, *arguments):
        pass


@pytest.fixture
def answering(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "SOCKET", str(tmp_path / "docker.sock"))
    with socketserver.ThreadingUnixStreamServer(engine.SOCKET, Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


@pytest.mark.usefixtures("answering")
def test_what_the_engine_knows_comes_by_the_name_that_was_asked_for():
    assert engine.containers("trenova-api", "trenova-none", "trenova api?x=1") == {
        "trenova-api": {"Name": "/trenova-api"}}
    references = ["registry.test:5000/trenova/api:0.7.2", "registry.test/api@sha256:ab", "absent:1"]
    assert engine.images(*references) == {references[0]: {"Id": "sha256:1"}, references[1]: {"Id": "sha256:2"}}


@pytest.mark.usefixtures("answering")
def test_what_belongs_to_a_project_comes_by_name_with_its_labels():
    assert engine.containers_of("trenova") == {"tren-db": {"trenova.role": "postgres"}, "tren-x": {}}
    assert engine.networks_of("trenova") == {"trenova_data": {"a": "b"}}
    assert engine.networks("trenova_data", "trenova_none") == {
        "trenova_data": {"Name": "trenova_data", "Internal": True}}
    assert engine.information() == {"SwapLimit": False}


@pytest.mark.usefixtures("answering")
@pytest.mark.parametrize(("name", "used"), [("v2", 600), ("v1", 600), ("ended", 0), ("none", 0)])
def test_memory_in_use_is_what_the_kernel_cannot_take_back(name, used):
    assert engine.memory_in_use(name) == used


@pytest.mark.usefixtures("answering")
def test_an_error_of_the_engine_is_told_in_its_words():
    with pytest.raises(engine.EngineError, match="answered 500: the disk is gone"):
        engine.containers("broken")


def test_an_engine_that_is_not_there_is_no_empty_answer(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "SOCKET", str(tmp_path / "docker.sock"))
    with pytest.raises(engine.EngineError, match="does not answer at .*docker.sock"):
        engine.containers("trenova-api")
    assert engine.containers() == {}
