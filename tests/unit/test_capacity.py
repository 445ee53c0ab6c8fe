# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the measurement tells of the containers on a host, and that it fails for nothing that is absent."""

from __future__ import annotations

import json

from ansible_collections.trenova.selfhost.plugins.module_utils import engine, engine_facts
from ansible_collections.trenova.selfhost.plugins.modules import capacity


def test_containers_are_told_with_their_digest():
    labels = {
        "trenova.role": "redis", "trenova.digest": "0a1b", "com.docker.compose.project": "trenova",
        "com.docker.compose.oneoff": "False"}
    other, redis = engine_facts.containers([
        {"Names": ["/tren-redis"], "Image": "redis:8", "State": "running", "Labels": labels},
        {"Names": ["/other"], "Image": "x:1", "State": "exited", "Labels": None, "Ports": [
            {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
            {"PrivatePort": 81, "Type": "tcp"}]}])
    assert (redis["role"], redis["digest"], redis["state"], redis["one_off"], redis["ports"]) == (
        "redis", "0a1b", "running", False, "")
    assert (other["role"], other["digest"], other["ports"]) == (None, None, "0.0.0.0:8080->80/tcp")


def test_a_host_where_nothing_answers_is_measured(monkeypatch, tmp_path):
    monkeypatch.setattr(engine, "SOCKET", str(tmp_path / "docker.sock"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    found = capacity.measure(str(tmp_path), str(tmp_path), [])
    docker = found["docker"]
    assert (docker["installed"], docker["version"], docker["engine"], docker["unit"]) == (False, None, None, {})
    assert (found["containers"], found["images"], found["networks"]) == ([], {}, [])
    assert found["packages"]["manager"] is None
    assert found["memory_mb"] > 0
    assert json.loads(json.dumps(found)) == found
