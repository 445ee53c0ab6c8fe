# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""PostgreSQL, Redis, object storage and mail of somebody else's. The run verifies login, page and containers itself."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import time

import pytest
from backups import Backups


def docker(*arguments):
    """Output of a command of this machine's Engine, where somebody else's servers run."""
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True).stdout


def mail(method, path):
    """Answer of the mail sink."""
    connection = http.client.HTTPConnection("172.30.60.3", 8025, timeout=10)
    connection.request(method, "/api/v1/" + path)
    answer = connection.getresponse().read()
    return json.loads(answer) if method == "GET" else None


def redis_cli(secrets, *words):
    """Answer of the external Redis."""
    return docker("exec", "--env", "REDISCLI_AUTH=" + secrets["trenova_redis_password"],
                  "trenova-lab-external-redis", "redis-cli", *words)


def test_stores_do_not_run_here(containers):
    assert set(containers) == {
        "tren-pgbouncer", "tren-rabbitmq", "tren-caddy", "tren-api", "tren-client", "tren-asynq-dashboard"}


def test_run_asked_them(first_run):
    assert "elsewhere" in first_run.real.output
    assert "PostgreSQL  " in first_run.real.output
    assert "answers, with JSON, noeviction" in first_run.real.output


def test_connections_to_the_database_are_encrypted(host):
    query = (
        "SELECT count(*) FILTER (WHERE ssl), count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
        "WHERE client_addr IS NOT NULL")
    psql = ["psql", "-qAt", "-U", "trenova", "-d", "trenova_go_db", "-c", query]
    encrypted, everyone = map(int, docker("exec", "trenova-lab-external-db", *psql).split("|"))
    assert encrypted == everyone > 0


def test_memory_of_what_runs_elsewhere_is_free(first_run):
    plan = first_run.real.context()["plan"]
    assert not {"postgres", "redis", "minio"}.intersection(plan["services"])
    assert plan["totals"]["memory_limit_mb"] < 2500


def test_backup_saves_what_is_elsewhere(host):
    backups = Backups(host)
    code, status = backups.make()
    assert (code, status["because"]) == (0, "")
    assert {step["service"]: step["state"] for step in status["steps"]} == dict.fromkeys(
        ["installation", "caddy-data", "rabbitmq", "postgres", "objects", "redis", "deployment"], "ok")
    # Nobody else's server lets us replicate.
    assert {snapshot["part"] for snapshot in backups.snapshots() if snapshot["store"] == "postgres"} == {
        "dump", "globals"}


def test_failed_backup_is_mailed(host):
    mail("DELETE", "messages")
    docker("stop", "trenova-lab-external-redis")
    assert host.run("systemctl start trenova-backup.service").rc != 0
    docker("start", "trenova-lab-external-redis")
    for _attempt in range(30):
        found = mail("GET", "messages")
        if found["total"]:
            break
        time.sleep(1)
    assert found["messages"][0]["Subject"] == "The backup of Trenova failed on external"
    assert "failed Redis" in mail("GET", "message/latest")["Text"]


def test_api_is_restarted_after_the_redis_elsewhere_was(server, host, secrets):
    host.check_output("systemctl stop trenova-api-watch.timer")
    # An earlier test has restarted Redis, too: a watch that is at work ends first, and another would find nothing left.
    host.check_output("systemctl start trenova-api-watch.service")
    docker("restart", "trenova-lab-external-redis")
    for _attempt in range(30):
        with contextlib.suppress(subprocess.CalledProcessError):
            if "PONG" in redis_cli(secrets, "PING"):
                break
        time.sleep(1)
    # The age of a Redis is told in whole seconds.
    time.sleep(1)
    before = server.started()
    host.check_output("systemctl start trenova-api-watch.service")
    assert server.restarted(before) == {"tren-api"}
    before = server.started()
    host.check_output("systemctl start trenova-api-watch.service")
    assert server.restarted(before) == set()
    host.check_output("systemctl start trenova-api-watch.timer")


@pytest.mark.parametrize(("variables", "words"), [
    ({"postgres_external_port": 5433}, ["PostgreSQL, which is external, cannot be used", ":5433 does not"]),
    ({"postgres_external_host": "172.30.60.91", "postgres_external_port": 6379}, ["60.91:6379 is no PostgreSQL"]),
    ({"trenova_redis_password": "Wrong-password_for-redis"}, ["Redis refuses: WRONGPASS"]),
    ({"trenova_minio_password": "Wrong-password_for-s3"}, ["refuses the access key: SignatureDoesNotMatch"]),
    ({"redis_external_host": ""}, ["redis_external_host is missing, and redis_mode is external."]),
])
def test_what_cannot_be_used_is_said_before_anything_changes(server, host, variables, words):
    before = server.traces()
    run = server.run(variables=variables, expect=2)
    assert [word for word in words if word not in run.output] == [], run.output
    assert run.changed == 0
    assert server.traces() == before


def test_policy_that_throws_jobs_away_is_refused(server, host, secrets):
    redis_cli(secrets, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    run = server.run(expect=2)
    redis_cli(secrets, "CONFIG", "SET", "maxmemory-policy", "noeviction")
    assert "has the policy allkeys-lru, which throws queued jobs away" in run.output
