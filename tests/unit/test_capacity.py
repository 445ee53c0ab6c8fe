# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the measurement tells of the containers on a host."""

from __future__ import annotations

import json

from ansible_collections.trenova.selfhost.plugins.modules import capacity


def test_containers_are_told_with_their_digest():
    labels = "trenova.role=redis,trenova.digest=0a1b,com.docker.compose.project=trenova,com.docker.compose.oneoff=False"
    lines = [{"Names": "tren-redis", "Image": "redis:8", "State": "running", "Labels": labels},
             {"Names": "other", "Image": "x:1", "State": "exited", "Labels": ""}]
    other, redis = capacity.container_facts("\n".join(map(json.dumps, lines)))
    assert (redis["role"], redis["digest"], redis["state"], redis["one_off"]) == ("redis", "0a1b", "running", False)
    assert (other["role"], other["digest"]) == (None, None)
