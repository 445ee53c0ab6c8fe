# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""PostgreSQL as its clients see it."""

from __future__ import annotations

import time

import pytest

IMAGE = "library/postgres:17.11"


def psql(server, statement, password, user="trenova", database="trenova_go_db"):
    """Answer to a statement, asked over the network with a password."""
    return server.client(
        IMAGE, f'psql --no-psqlrc -qAt -h tren-db -U {user} -d {database} -c "{statement}"',
        options=f"-e PGPASSWORD={password} -e PGCONNECT_TIMEOUT=5")


def superuser(host, statement):
    """Answer to a statement of the superuser, who logs in on the server itself."""
    return host.check_output(f'docker exec tren-db psql --no-psqlrc -qAt -c "{statement}"')


def wait_for_session(host, waits_for):
    """Wait until a session of the database waits for something."""
    for _attempt in range(150):
        found = superuser(host, "SELECT unnest(ARRAY[wait_event_type, wait_event]) FROM pg_stat_activity")
        if waits_for in found.split():
            return
        time.sleep(0.1)
    raise AssertionError(f"no session waits for {waits_for}")


def test_application_reads_and_writes(server, host, secrets):
    statement = "CREATE TABLE IF NOT EXISTS t (a int); INSERT INTO t VALUES (42); SELECT max(a) FROM t; DROP TABLE t"
    assert psql(server, statement, secrets["trenova_postgres_password"]) == "42"


@pytest.mark.parametrize("user", ["trenova", "postgres"])
def test_wrong_password_is_refused(server, host, user):
    assert psql(server, "SELECT 1", "postgres", user=user).startswith("failed:")


def test_superuser_is_refused_over_the_network(server, host, secrets):
    assert "failed:" in psql(server, "SELECT 1", secrets["trenova_postgres_superuser_password"], user="postgres")


def test_backup_role_reads_and_does_not_write(server, host, secrets):
    password = secrets["trenova_backup_password"]
    assert psql(server, "SELECT 1", password, user="trenova_backup") == "1"
    assert "permission denied" in psql(server, "CREATE TABLE t (a int)", password, user="trenova_backup")


def test_checksums_scram_and_statistics_are_on(server, host, secrets):
    answer = host.check_output("docker exec tren-db psql -qAt -c 'SHOW data_checksums' -c 'SHOW password_encryption'")
    assert answer.split() == ["on", "scram-sha-256"]
    query = "SELECT count(*) FROM pg_shadow WHERE passwd NOT LIKE 'SCRAM%'"
    assert host.check_output(f'docker exec tren-db psql -qAt -c "{query}"') == "0"
    assert psql(server, "SELECT count(*) > 0 FROM pg_stat_statements", secrets["trenova_postgres_password"]) == "t"


def test_data_lies_in_our_directory(host):
    """Not in an anonymous volume, whatever the image declares."""
    assert host.file("/var/lib/trenova/postgres/PG_VERSION").content_string.strip() == "17"


def test_collations_do_not_depend_on_the_image(host):
    """PostgreSQL's own provider: the order of text is the same with every C library."""
    query = "SELECT DISTINCT datlocprovider::text || ' ' || datcollate FROM pg_database"
    assert host.check_output(f'docker exec tren-db psql -qAt -c "{query}"') == "b C.UTF-8"


def test_parallel_queries_have_shared_memory(host):
    """Docker's 64 MB are not enough for the hash tables of parallel queries."""
    script = (
        "CREATE TABLE wide AS SELECT n, repeat('x', 100) AS filler FROM generate_series(1, 1000000) AS n; "
        "ANALYZE wide; SET work_mem = '64MB'; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; "
        "SET enable_mergejoin = off; SELECT count(*) FROM wide AS one JOIN wide AS other USING (n) "
        "WHERE one.filler <> other.n::text; DROP TABLE wide")
    assert host.check_output(f'docker exec tren-db psql -qAt -c "{script}"') == "1000000"
    size = host.check_output("docker exec tren-db df --block-size=M --output=size /dev/shm").split()[-1]
    assert int(size.rstrip("M")) > 64


def test_hashes_and_verifiers_are_not_in_the_journal(host):
    """Ansible writes the arguments of modules to the journal; what stands in secret files must be masked there."""
    statements = host.check_output("cat /opt/trenova/postgres/secrets/roles.sql")
    told = [word for word in statements.split("'") if word.startswith("SCRAM-SHA-256$")]
    journal = host.check_output("journalctl --no-pager --quiet")
    assert len(told) > 3
    assert "Invoked with" in journal
    assert [word for word in told if word in journal] == []


def test_setting_that_can_be_reloaded_restarts_nothing(server, host):
    shown = "docker exec tren-db psql -qAt -c 'SHOW log_min_duration_statement'"
    assert host.check_output(shown) == "1s"
    with server.change({"postgres_slow_statement_ms": 777}, shows=["+log_min_duration_statement = 777"]):
        assert host.check_output(shown) == "777ms"
    assert host.check_output(shown) == "1s"


def test_setting_that_needs_a_restart_restarts_postgresql_alone(server, host):
    override = {"trenova_plan_overrides": {"postgres": {"max_connections": 111}}}
    with server.change(override, restarts=["tren-db"], shows=["+max_connections = 111"]):
        assert host.check_output("docker exec tren-db psql -qAt -c 'SHOW max_connections'") == "111"


def test_new_password_takes_effect_without_a_restart(server, host, secrets):
    with server.change({"trenova_postgres_password": "Zx81-another_password-4u"}):
        assert psql(server, "SELECT 1", "Zx81-another_password-4u") == "1"
        assert psql(server, "SELECT 1", secrets["trenova_postgres_password"]).startswith("failed:")
    assert psql(server, "SELECT 1", secrets["trenova_postgres_password"]) == "1"


def test_added_database_and_role(server, host, secrets):
    extra = {
        "postgres_databases_extra": [{"name": "reports", "owner": "analyst"}],
        "postgres_roles_extra": [{"name": "analyst", "password": "Analyst-pass_word-2026"}]}
    with server.change(extra):
        assert psql(server, "SELECT 1", "Analyst-pass_word-2026", user="analyst", database="reports") == "1"
        refused = psql(server, "SELECT 1", secrets["trenova_postgres_password"], database="reports")
        assert "permission denied for database" in refused


def test_run_that_was_killed_while_it_reloaded_is_completed_by_the_next(server, host, secrets):
    """The files are written already, so only the marker tells that the server has not read them."""
    variables = {"trenova_postgres_password": "Interrupted-pass_word-99"}
    # A row that the run wants to write is held; whoever looks can still log in.
    hold = "ALTER ROLE trenova CONNECTION LIMIT -1; SELECT pg_sleep(60)"
    host.run(f'docker exec --detach tren-db psql -c "{hold}"')
    wait_for_session(host, "PgSleep")
    interrupted = server.start(variables)
    wait_for_session(host, "Lock")
    host.check_output("kill -9 $(ps -o ppid= -p $(pgrep -fo '^docker exec tren-db psql --quiet'))")
    assert interrupted.wait(timeout=60) != 0
    # First who waits, so that nothing is let through.
    superuser(host, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    superuser(host, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    assert psql(server, "SELECT 1", variables["trenova_postgres_password"]).startswith("failed:")
    assert '"pending": true' in host.file("/opt/trenova/.state/postgres.json").content_string
    assert server.run(variables=variables).changed == 1
    assert psql(server, "SELECT 1", variables["trenova_postgres_password"]) == "1"
    assert server.run(variables=variables).changed == 0
    server.run()


def test_image_of_another_major_is_refused_by_what_is_in_it(server, host):
    """A tag may lie; the image's own word is compared with the data."""
    host.check_output(
        "docker create --name relabel 172.30.60.2:5000/library/postgres:17.11 && "
        "docker commit --change 'ENV PG_MAJOR=18' relabel 172.30.60.2:5000/library/postgres:17.99 && docker rm relabel")
    before = server.started()
    image = {"postgres_image": "172.30.60.2:5000/library/postgres:17.99"}
    run = server.run(variables=image, expect=2)
    assert "the data is of PostgreSQL 17, the image is PostgreSQL 18" in run.output
    assert server.started() == before


def test_disabled_service_goes_and_its_data_stays(server, host, secrets):
    run = server.run(variables={"postgres_enabled": False})
    assert run.gathered("removed") == ["tren-db"]
    assert not host.file("/opt/trenova/postgres").exists
    assert host.file("/var/lib/trenova/postgres/PG_VERSION").exists
    server.run()
    assert psql(server, "SELECT 1", secrets["trenova_postgres_password"]) == "1"
