# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The dashboard of the job queues as Caddy sees it."""

from __future__ import annotations

import json

IMAGE = "trenova/backup:1"
ADDRESS = "http://tren-asynq-dashboard:8080"


def curl(server, path, options=""):
    """Status and body of a request."""
    answer = server.client(IMAGE, f"curl -s {options} -w '\\n%{{http_code}}' {ADDRESS}{path}", network="trenova_app")
    body, _newline, status = answer.rpartition("\n")
    return int(status), body


def enqueue(server, secrets):
    """A queue as Asynq makes it."""
    server.client(
        IMAGE, "redis-cli -h tren-redis SADD asynq:queues default",
        options=f"-e REDISCLI_AUTH={secrets['trenova_redis_password']}")


def test_dashboard_shows_the_queues(server, host, secrets):
    enqueue(server, secrets)
    status, body = curl(server, "/api/queues")
    assert status == 200
    assert [queue["queue"] for queue in json.loads(body)["queues"]] == ["default"]


def test_dashboard_only_reads(server, host, secrets):
    enqueue(server, secrets)
    assert curl(server, "/api/queues/default:pause", "-X POST")[0] == 405


def test_change_restarts_the_dashboard_alone(server, host, secrets):
    enqueue(server, secrets)
    change = {"asynq_dashboard_read_only": False}
    with server.change(change, restarts=["tren-asynq-dashboard"], shows=["READ_ONLY"]):
        assert curl(server, "/api/queues/default:pause", "-X POST")[0] == 204
        assert curl(server, "/api/queues/default:resume", "-X POST")[0] == 204
