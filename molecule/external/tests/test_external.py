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


def sql(statement):
    """Answer of the external PostgreSQL."""
    return docker("exec", "trenova-lab-external-db", "psql", "-qAt", "-U", "trenova", "-d", "trenova_go_db", "-c",
                  statement).strip()


def test_what_is_elsewhere_comes_back_but_redis(host, secrets):
    """Dumps into the database, objects into the store, and what they replace is kept here first."""
    backups = Backups(host)
    minio = secrets["trenova_minio_password"]
    papers = (f"docker run --rm -i -e MC_HOST_there=http://trenova:{minio}@172.30.60.92:9000 "
              "--entrypoint mc 172.30.60.2:5000/trenova/backup:1 ")
    sql("CREATE TABLE loads (id int PRIMARY KEY, hash text); INSERT INTO loads SELECT i, md5(i::text) FROM "
        "generate_series(1, 1000) AS i")
    host.check_output(papers + "mb --quiet there/papers")
    for number in (1, 2):
        host.check_output(f"printf 'paper {number}' | {papers} pipe --quiet there/papers/{number}")
    redis_cli(secrets, "SET", "kept", "by its administrator")
    saved = sql("SELECT count(*), sum(hashtextextended(hash, 0)::numeric) FROM loads")
    code, status = backups.make()
    assert (code, status["because"]) == (0, "")
    sql("DELETE FROM loads WHERE id > 10; INSERT INTO loads VALUES (5000, 'later')")
    host.check_output(f"printf 'another' | {papers} pipe --quiet there/papers/1; {papers} rm --quiet there/papers/2")
    done = backups.program("restore --confirm external")
    assert done.rc == 0, done.stdout + done.stderr
    assert sql("SELECT count(*), sum(hashtextextended(hash, 0)::numeric) FROM loads") == saved
    assert [host.check_output(papers + f"cat there/papers/{number}") for number in (1, 2)] == ["paper 1", "paper 2"]
    assert "Redis is somebody else's, and stays as it is." in done.stdout
    assert redis_cli(secrets, "GET", "kept").strip() == "by its administrator"
    copies = backups.records()[-1]["copies"]
    assert host.check_output(papers + f"cat there/{copies['objects']}/papers/1") == "another"
    dump = host.check_output(
        f"docker run --rm -v {copies['postgres']}:/copy:ro --entrypoint pg_restore 172.30.60.2:5000/trenova/backup:1 "
        "--data-only --table loads --file - /copy/trenova_go_db.dump")
    assert "5000\tlater" in dump


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
