# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the measurement tells of what is deployed: parts of the plan, files, containers."""

from __future__ import annotations

import json

from ansible_collections.trenova.selfhost.plugins.module_utils import host, service_state
from ansible_collections.trenova.selfhost.plugins.modules import capacity


def record(root, name, *paths, text=None):
    folder = root / name
    folder.mkdir(exist_ok=True)
    files = [{"path": str(folder / path), "sha256": f"hash of {path}", "mode": "0444"} for path in paths]
    (folder / service_state.RECORD).write_text(text or json.dumps({"name": name, "files": files}))


def test_parts_of_the_applied_plan_are_read_by_service(tmp_path):
    for name, text in (("redis", '{"schema_version": 1}'), ("api", "{broken"), ("docker", None)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "service.json").write_text('{"enabled": true}')
        if text:
            (tmp_path / name / "plan.json").write_text(text)
    (tmp_path / "plan.json").write_text('{"plan": {"old": 1}}')
    found = host.deployed(str(tmp_path / "data"), str(tmp_path))
    assert found["services"] == dict.fromkeys(["api", "docker", "redis"], {"enabled": True})
    assert found["plan"]["redis"] == {"schema_version": 1}
    assert list(found["plan"]["api"]) == ["unreadable"]
    assert len(found["plan"]) == 2


def test_a_bare_host_has_no_applied_plan(tmp_path):
    assert host.deployed(str(tmp_path), str(tmp_path / "none"))["plan"] == {}


def test_hashes_of_recorded_files_hold_nothing_of_secrets(tmp_path):
    record(tmp_path, "redis", "config/redis.conf", "plan.json", "secrets/users.acl")
    record(tmp_path, "api", text="{broken")
    record(tmp_path, "caddy", text="[]")
    assert service_state.recorded_files(str(tmp_path)) == {"redis": {
        str(tmp_path / "redis/config/redis.conf"): "hash of config/redis.conf",
        str(tmp_path / "redis/plan.json"): "hash of plan.json"}}


def test_containers_are_told_with_their_digest():
    labels = "trenova.role=redis,trenova.digest=0a1b,com.docker.compose.project=trenova,com.docker.compose.oneoff=False"
    lines = [{"Names": "tren-redis", "Image": "redis:8", "State": "running", "Labels": labels},
             {"Names": "other", "Image": "x:1", "State": "exited", "Labels": ""}]
    other, redis = capacity.container_facts("\n".join(map(json.dumps, lines)))
    assert (redis["role"], redis["digest"], redis["state"], redis["one_off"]) == ("redis", "0a1b", "running", False)
    assert (other["role"], other["digest"]) == (None, None)
