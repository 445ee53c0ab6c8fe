# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The API as Caddy sees it, and its database through runs that were killed."""

from __future__ import annotations

import json
import re
import time

import pytest

IMAGE = "trenova/backup:1"
ADDRESS = "http://tren-api:3001"


def request(server, path, body=None, cookies=""):
    """(status, headers and body) of a request as Caddy passes it on."""
    command = "curl --silent --include --max-time 30 --write-out '\\n%{http_code}' --header 'Origin: https://trenova.test'"
    if cookies:
        command += f" --header 'Cookie: {cookies}'"
    if body is not None:
        command += f" --header 'Content-Type: application/json' --data '{json.dumps(body)}'"
    text, _newline, status = server.client(IMAGE, f"{command} {ADDRESS}{path}", "trenova_app").rpartition("\n")
    return int(status if status.isdigit() else 0), text


def login(server, mail, password):
    """(status, cookies) of a login."""
    body = {"emailAddress": mail, "password": password, "rememberMe": False}
    status, text = request(server, "/api/v1/auth/login/", body)
    return status, "; ".join(re.findall(r"(?i)^set-cookie: ([^;\r\n]+)", text, re.MULTILINE))


def psql(host, statement):
    """Answer of the database to its superuser."""
    return host.check_output(f'docker exec tren-db psql -qAt -d trenova_go_db -c "{statement}"')


def test_probe_is_answered(server, host):
    assert request(server, "/api/v1/")[0] == 401


def test_administrator_logs_in_and_works(server, host, secrets):
    status, cookies = login(server, "admin@trenova.test", secrets["trenova_admin_password"])
    assert status == 200
    assert request(server, "/api/v1/users/me/", cookies=cookies)[0] == 200


@pytest.mark.parametrize("mail", ["admin@trenova.app", "system@trenova.app"])
def test_published_passwords_are_refused(server, host, mail):
    assert login(server, mail, "admin")[0] != 200
    assert login(server, mail, "password123")[0] != 200


def test_runtime_knows_its_limits(containers):
    environment = dict(pair.split("=", 1) for pair in containers["tren-api"]["Config"]["Env"])
    limit = containers["tren-api"]["HostConfig"]["Memory"] // 1048576
    assert int(environment["GOMEMLIMIT"].removesuffix("MiB")) < limit
    assert int(environment["GOMAXPROCS"]) >= 1
    assert containers["tren-api"]["Config"]["StopTimeout"] == 40


def test_change_restarts_the_api_alone(server, host):
    change = {"api_config_extra": {"logging": {"level": "error"}}}
    last_login = "SELECT max(last_login_at) FROM users"
    before = int(psql(host, last_login))
    # The configuration holds passwords, so that the difference says only that there is one.
    with server.change(change, restarts=["tren-api"], shows=["(a secret)"]) as run:
        assert request(server, "/api/v1/")[0] == 401
        assert "secretKey" not in run.output
        assert int(psql(host, last_login)) > before, "it is ready when a login worked"


def test_jobs_outlive_a_restart_of_the_api(server, host, secrets):
    """Short ones are finished before the old container goes, long ones (asynq waits eight seconds) begin anew."""
    _status, cookies = login(server, "admin@trenova.test", secrets["trenova_admin_password"])
    batches = {}
    for milliseconds in (3000, 20000):
        job = {"queue": "default", "count": 2, "sleepMs": milliseconds}
        status, text = request(server, "/api/v1/smoke/jobs", job, cookies=cookies)
        assert status == 202, text
        batches[milliseconds] = re.search(r'"batch":"([^"]+)"', text).group(1)
    time.sleep(1)
    before = server.started()
    server.run(variables={"api_config_extra": {"logging": {"level": "error"}}})
    assert server.restarted(before) == {"tren-api"}
    done = "SELECT count(*) || ' ' || count(DISTINCT seq) FROM smoke_jobs WHERE batch = "
    assert psql(host, f"{done}'{batches[3000]}'") == "2 2"
    for _attempt in range(90):
        if psql(host, f"{done}'{batches[20000]}'") == "2 2":
            break
        time.sleep(1)
    assert psql(host, f"{done}'{batches[20000]}'") == "2 2"
    server.run()


def test_api_is_restarted_after_redis_was(server, host):
    host.check_output("systemctl stop trenova-api-watch.timer")
    host.check_output("docker restart tren-redis")
    before = server.started()
    assert server.run().changed == 1
    assert server.restarted(before) == {"tren-api"}
    host.check_output("systemctl start trenova-api-watch.timer")


def test_watch_restarts_the_api_after_rabbitmq_was(server, host):
    before = server.started()
    host.check_output("docker restart tren-rabbitmq")
    host.check_output("systemctl start trenova-api-watch.service")
    assert server.restarted(before) == {"tren-rabbitmq", "tren-api"}


def test_migration_that_was_killed_runs_again(server, host):
    """The program marks a migration before it runs it, so that a killed one would count as done."""
    name = psql(host, "SELECT name FROM bun_migrations ORDER BY id DESC LIMIT 1")
    psql(host, "DROP TABLE smoke_jobs")
    psql(host, "DELETE FROM bun_migrations WHERE id = (SELECT max(id) FROM bun_migrations)")
    # An uncommitted table of the same name holds the migration up.
    host.check_output(
        "docker exec --detach tren-db psql -d trenova_go_db -c "
        "'BEGIN; CREATE TABLE smoke_jobs (); SELECT pg_sleep(60)'")
    # The preparation is due once per image and configuration, not with each restart.
    change = {"api_config_extra": {"logging": {"level": "info"}}}
    run = server.start(change)
    for _attempt in range(200):
        if psql(host, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") != "0":
            break
        time.sleep(0.2)
    assert psql(host, "SELECT count(*) FROM bun_migration_locks") == "1"
    host.check_output("docker kill $(docker ps --quiet --filter label=com.docker.compose.service=api-prepare)")
    assert run.wait(timeout=120) != 0
    psql(host, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' "
               "AND pid <> pg_backend_pid()")
    assert psql(host, "SELECT name FROM bun_migrations ORDER BY id DESC LIMIT 1") == name
    assert psql(host, "SELECT to_regclass('public.smoke_jobs') IS NULL") == "t"
    assert request(server, "/api/v1/")[0] == 401, "what ran before keeps running"
    assert server.run(variables=change).changed == 1
    assert psql(host, "SELECT to_regclass('public.smoke_jobs') IS NOT NULL") == "t"
    assert psql(host, "SELECT count(*) FROM bun_migration_locks") == "0"
    server.run()


def test_seed_that_was_killed_is_not_taken_for_done(server, host):
    kept = psql(host, "SELECT string_agg(step, ',') FROM trenova_selfhost.bootstrap")
    assert set(kept.split(",")) == {"seeding", "seeded", "closed"}
    psql(host, "DELETE FROM trenova_selfhost.bootstrap WHERE step IN ('seeded', 'closed')")
    before = server.started()
    run = server.run(variables={"api_config_extra": {"logging": {"level": "fatal"}}}, expect=2)
    assert "An earlier run was interrupted while it seeded; begin again with an empty database." in run.output
    assert server.restarted(before) == set()
    psql(host, "INSERT INTO trenova_selfhost.bootstrap (step) VALUES ('seeded'), ('closed')")
    assert server.run().changed == 0


def test_every_seeded_account_but_the_administrators_is_closed(host):
    active, everyone = map(int, psql(
        host, "SELECT count(*) FILTER (WHERE status = 'Active'), count(*) FROM users").split("|"))
    assert active == 1
    assert everyone > 50


def test_version_that_does_not_start_is_put_back(server, host):
    run = server.run(variables={"api_config_extra": {"backup": {"enabled": False}}}, expect=2)
    assert "tren-api did not become healthy" in run.output
    assert "The last log lines:" in run.output
    assert request(server, "/api/v1/")[0] == 401
    assert server.run().changed == 0
