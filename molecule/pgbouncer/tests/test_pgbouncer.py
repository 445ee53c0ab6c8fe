# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""PgBouncer as its clients see it."""

from __future__ import annotations

IMAGE = "library/postgres:17.11"


def psql(server, statement, password, user="trenova", database="trenova_go_db"):
    """Answer to a statement, asked through the pool."""
    return server.client(
        IMAGE, f'psql --no-psqlrc -qAt -h tren-pgbouncer -p 6432 -U {user} -d {database} -c "{statement}"',
        options=f"-e PGPASSWORD={password} -e PGCONNECT_TIMEOUT=5")


def test_application_reads_and_writes_through_the_pool(server, host, secrets):
    statement = "CREATE TABLE IF NOT EXISTS t (a int); INSERT INTO t VALUES (42); SELECT max(a) FROM t; DROP TABLE t"
    assert psql(server, statement, secrets["trenova_postgres_password"]) == "42"


def test_wrong_password_and_superuser_are_refused(server, host, secrets):
    assert psql(server, "SELECT 1", "postgres").startswith("failed:")
    password = secrets["trenova_postgres_superuser_password"]
    assert psql(server, "SELECT 1", password, user="postgres", database="postgres").startswith("failed:")


def test_prepared_statements_survive_the_pool(server, host, secrets):
    """PgBouncer keeps track of prepared statements of the protocol; drivers use them without being told."""
    statement = "SELECT \\$1::int \\bind 7 \\g"
    options = f"-e PGPASSWORD={secrets['trenova_postgres_password']}"
    pooled = "psql --no-psqlrc -qAt -h tren-pgbouncer -p 6432 -U trenova -d trenova_go_db"
    assert server.client(IMAGE, f'printf "%s\\n" "{statement}" | {pooled}', options=options) == "7"


def test_pool_is_that_of_the_plan(server, host, secrets):
    answer = psql(server, "SHOW CONFIG", secrets["trenova_pgbouncer_password"], user="pgbouncer", database="pgbouncer")
    shown = dict(line.split("|")[:2] for line in answer.splitlines())
    assert shown["pool_mode"] == "transaction"
    plan = server.run().context()["plan"]["services"]["pgbouncer"]["settings"]
    assert shown["default_pool_size"] == str(plan["default_pool_size"])
    assert shown["max_client_conn"] == str(plan["max_client_conn"])


def test_statements_of_the_application_end_and_those_beside_the_pool_may_take_longer(server, host, secrets):
    for name, planned in (("statement_timeout", "30min"), ("lock_timeout", "30s")):
        assert psql(server, f"SHOW {name}", secrets["trenova_postgres_password"]) == planned
        assert host.check_output(f"docker exec tren-db psql --no-psqlrc -qAt -c 'SHOW {name}'") == "0"


def test_more_clients_than_server_connections(server, host, secrets):
    """Sixty clients share the pool; PostgreSQL never sees more connections than the plan gives."""
    password = secrets["trenova_postgres_password"]
    pooled = "psql -qAt -h tren-pgbouncer -p 6432 -U trenova -d trenova_go_db"
    shell = f"for i in $(seq 60); do {pooled} -c 'SELECT pg_sleep(0.2)' & done; wait; echo done"
    assert server.client(IMAGE, shell, options=f"-e PGPASSWORD={password}").endswith("done")
    count = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'trenova'"
    limit = server.run().context()["plan"]["services"]["pgbouncer"]["settings"]["max_db_connections"]
    assert int(host.check_output(f'docker exec tren-db psql -qAt -c "{count}"')) <= limit


def test_setting_is_reloaded_and_nothing_restarts(server, host, secrets):
    with server.change({"pgbouncer_settings_extra": {"query_wait_timeout": 31}}, shows=["+query_wait_timeout = 31"]):
        password = secrets["trenova_pgbouncer_password"]
        answer = psql(server, "SHOW CONFIG", password, user="pgbouncer", database="pgbouncer")
        assert "query_wait_timeout|31" in answer


def test_logins_from_a_file_need_nothing_on_the_server(server, host, secrets):
    with server.change({"pgbouncer_auth": "file"}, shows=["-auth_query"]):
        assert psql(server, "SELECT 1", secrets["trenova_postgres_password"]) == "1"
        assert psql(server, "SELECT 1", "guessed").startswith("failed:")


def test_role_without_postgresql_says_what_it_needs(server, host, tmp_path):
    """As on a host where PostgreSQL never was."""
    host.check_output("mv /opt/trenova/.state/postgres.json /root/postgres.json")
    run = server.run(expect=2)
    host.check_output("mv /root/postgres.json /opt/trenova/.state/postgres.json")
    assert "pgbouncer needs postgres, which is neither in this play nor on the host." in run.output
    assert "the role trenova.selfhost.postgres before pgbouncer, or postgres_mode: external" in run.output
    assert run.changed == 0
