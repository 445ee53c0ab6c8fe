# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""PostgreSQL's next major, with the whole stack and by the playbook: what stands in its way, that nothing is lost
wherever it is cut off, that all is equal afterwards, and the way back.

The tests go on from each other.
"""

from __future__ import annotations

import json
import re
import shlex

import pytest
from backups import Backups
from conftest import REGISTRY, ROOT

PLAYBOOK, SITE = ROOT / "playbooks/upgrade_postgres.yml", ROOT / "site.yml"
OLD, NEW = f"{REGISTRY}/library/postgres:15.20", f"{REGISTRY}/library/postgres:17.11"
FROM, TO = {"postgres_image": OLD}, {"postgres_image": NEW}
CONFIRM = "major:17"
#: What a dump is known to forget, beside the application's own tables.
FILL = """
CREATE ROLE clerk LOGIN PASSWORD 'a password of his';
CREATE ROLE staff;
GRANT staff TO clerk;
ALTER ROLE clerk IN DATABASE trenova_go_db SET lock_timeout = '5s';
ALTER SYSTEM SET log_min_duration_statement = '5s';
SET password_encryption = md5;
CREATE ROLE old LOGIN PASSWORD 'of before';
CREATE TABLE loads (id bigserial PRIMARY KEY, hash text NOT NULL, at timestamptz DEFAULT now());
INSERT INTO loads (hash) SELECT md5(i::text) FROM generate_series(1, 50000) AS i;
CREATE INDEX ON loads (lower(hash)) WHERE id > 7;
ALTER TABLE loads ALTER hash SET STATISTICS 321;
GRANT SELECT (id) ON loads TO staff;
CREATE VIEW recent AS SELECT id, hash FROM loads WHERE id > 49000;
CREATE EXTENSION IF NOT EXISTS pgcrypto;
SELECT lo_from_bytea(4711, decode(repeat('ab', 5000), 'hex'));
GRANT SELECT ON LARGE OBJECT 4711 TO trenova_backup;
SELECT setval('loads_id_seq', 70000);
"""
#: All of that, as one word that is the same in each major.
FOUND = """
SELECT md5(string_agg(found, E'\\n' ORDER BY found)) FROM (
    SELECT concat_ws(' ', 'row', id, hash, at) FROM loads WHERE id <= 50000 UNION ALL
    SELECT concat_ws(' ', 'role', rolname, rolpassword, rolcanlogin, rolsuper, rolreplication) FROM pg_authid
        WHERE rolname !~ '^pg_' UNION ALL
    SELECT concat_ws(' ', 'setting', setrole::regrole, setconfig) FROM pg_db_role_setting UNION ALL
    SELECT concat_ws(' ', 'member', roleid::regrole, member::regrole) FROM pg_auth_members
        WHERE roleid::regrole::text = 'staff' UNION ALL
    SELECT concat_ws(' ', 'object', oid, pg_get_userbyid(lomowner), md5(lo_get(oid)))
        FROM pg_largeobject_metadata UNION ALL
    SELECT concat_ws(' ', 'sequence', last_value) FROM loads_id_seq UNION ALL
    SELECT concat_ws(' ', 'target', attname, attstattarget) FROM pg_attribute
        WHERE attrelid = 'loads'::regclass AND attname = 'hash' UNION ALL
    SELECT concat_ws(' ', 'grant', attname, attacl) FROM pg_attribute
        WHERE attrelid = 'loads'::regclass AND attnum > 0 UNION ALL
    SELECT concat_ws(' ', 'system', current_setting('log_min_duration_statement')) UNION ALL
    SELECT concat_ws(' ', 'extension', extname) FROM pg_extension UNION ALL
    SELECT concat_ws(' ', 'table', schemaname, tablename, tableowner) FROM pg_tables
        WHERE schemaname !~ '^pg_|information_schema'
) AS all_of_it (found)
"""
#: What lives, and what a rehearsal may not leave.
LIVES = """
docker inspect --format '{{.Id}} {{.State.StartedAt}} {{.RestartCount}}' $(docker ps --all --quiet | sort)
find /opt/trenova /usr/local/lib/trenova -type f -exec sha256sum {} + | sort | sha256sum
find /var/lib/trenova -maxdepth 1 -printf '%p %i %U:%G %m\\n' | sort
"""
LEFT = ("docker ps --all --quiet --filter label=com.docker.compose.project=trenova-drill; docker network ls --quiet "
        "--filter name=trenova-drill; ls -d /var/lib/trenova-drill* /var/lib/trenova/.postgres* 2>/dev/null || :")
#: Starts an upgrade as the playbook does, and kills it as soon as it says something.
KILL = """
begun=$({command} upgrade {words} --confirm {confirm} --start) || exit 1
for i in $(seq 2400); do
    if journalctl --quiet --output=cat --unit=trenova-upgrade --since={since} | grep -qE {said}; then break; fi
    systemctl is-active trenova-upgrade | grep -q activ || break
    sleep 0.05
done
systemctl kill --signal=KILL trenova-upgrade
while systemctl is-active trenova-upgrade | grep -qE '^(activating|active|deactivating)$'; do sleep 0.2; done
journalctl --quiet --output=cat --unit=trenova-upgrade --since={since}
"""


class Site:
    """The server with the whole stack."""

    def __init__(self, server):
        self.server, self.shell, self.backups = server, server.shell, Backups(server.shell)

    def run(self, playbook, expect=0, **variables):
        """A run of a playbook."""
        return self.server.run(playbook=playbook, variables=variables, expect=expect)

    def sql(self, statement, database="trenova_go_db"):
        """The answer of the database."""
        return self.shell.check_output(
            f"printf %s {shlex.quote(statement)} | "
            f"docker exec -i tren-db psql -XqAt --set=ON_ERROR_STOP=1 -d {database}")

    def major(self):
        """That of the server that answers."""
        return self.sql("SELECT current_setting('server_version_num')::int / 10000")

    def program(self, words, expect=0):
        """What the program of the backups says."""
        done = self.backups.program(words)
        assert done.rc == expect, done.stdout + done.stderr
        return done.stdout + done.stderr

    def record(self, verb):
        """The newest record of a verb."""
        return [record for record in self.backups.records() if record["verb"] == verb][-1]

    def kill(self, said):
        """Begin the upgrade, and kill it when it has said something."""
        since = shlex.quote(self.shell.check_output("date '+%F %T'"))
        text = self.shell.check_output(KILL.format(
            command=self.backups.command, words=WORDS, confirm=CONFIRM, said=shlex.quote(said), since=since))
        assert re.search(said, text), text
        return text


WORDS = f"--image {NEW} --major 17 --volume /var/lib/postgresql/data"


@pytest.fixture(scope="module")
def site(server):
    """The installation with PostgreSQL 15, some data, and a backup of it."""
    made = Site(server)
    made.run(SITE, **FROM)
    made.sql(FILL)
    made.sql("SELECT pg_reload_conf()")
    made.program("backup --full")
    assert made.major() == "15"
    return made


def flat(text):
    """A text in one line."""
    return " ".join(text.split())


def test_a_deployment_with_another_major_is_refused_and_names_the_playbook(site):
    before = site.shell.check_output(LIVES)
    run = site.run(SITE, expect=2, **TO)
    assert "The data on the host is of PostgreSQL 15" in flat(run.output)
    assert "playbooks/upgrade_postgres.yml" in run.output
    assert site.shell.check_output(LIVES) == before


@pytest.mark.parametrize(("words", "sentence"), [
    (f"--image {OLD} --major 15", "The data is of PostgreSQL 15 already, which is what postgres_image names"),
    (f"--image {REGISTRY}/library/postgres:14.9 --major 14", "no server reads what a newer one has written"),
    (f"--image {REGISTRY}/library/postgres:latest", "does not begin with a version of PostgreSQL"),
    (f"--image {NEW} --major 17 --confirm other:17 --plan",
     "other:17 was confirmed, and this would make major one of PostgreSQL 17."),
    (f"--image {NEW} --major 17 --confirm major:18 --plan", "If that is meant, confirm major:17."),
    (f"--image {NEW} --major 17 --store ledger", "There is no PostgreSQL called ledger. Write one of: postgres."),
    (f"--image {OLD} --major 15 --back --plan", "There was no upgrade on this server to go back from."),
    # Tags that lie.
    ("--image lab/postgres:19.1 --major 19 --confirm major:19",
     "lab/postgres:19.1 holds PostgreSQL 17, not 19 as its tag says."),
    ("--image lab/redis:18.1 --major 18 --confirm major:18", "lab/redis:18.1 is no image of PostgreSQL"),
    ("--image lab/nothing:18.1 --major 18 --confirm major:18",
     "lab/nothing:18.1 is not on this host, and cannot be pulled")])
def test_what_makes_no_sense_is_one_sentence_and_nothing_is_touched(site, words, sentence):
    site.shell.check_output(
        f"docker pull --quiet {NEW}; docker tag {NEW} lab/postgres:19.1; "
        f"docker tag {REGISTRY}/library/redis:8.4.7 lab/redis:18.1")
    before = site.shell.check_output(LIVES)
    assert sentence in flat(site.program("upgrade " + words, expect=1))
    assert site.shell.check_output(LIVES) == before
    assert site.shell.check_output(LEFT) == ""


def test_what_the_new_image_lacks_is_told_before_anything_is_stopped(site):
    site.sql("CREATE EXTENSION adminpack", "postgres")
    site.sql("ALTER SYSTEM SET old_snapshot_threshold = '1h'")
    site.sql("SELECT pg_reload_conf()")
    before = site.server.started()
    run = site.run(PLAYBOOK, expect=2, trenova_upgrade_confirm=CONFIRM, **TO)
    said = flat(run.output)
    assert "The database postgres has the extension adminpack, which" in said
    assert "ALTER SYSTEM has set old_snapshot_threshold, which PostgreSQL 17 does not know." in said
    assert site.server.started() == before
    site.sql("ALTER SYSTEM RESET old_snapshot_threshold")
    site.sql("DROP EXTENSION adminpack", "postgres")


def test_a_rehearsal_tells_how_long_it_takes_and_what_it_finds_and_touches_nothing(site):
    site.shell.check_output("systemctl stop trenova-api-watch.timer")  # nobody writes
    site.program("backup")
    before, found = site.shell.check_output(LIVES), site.sql(FOUND)
    run = site.run(PLAYBOOK, **TO)
    assert site.shell.check_output(LIVES) == before
    assert site.sql(FOUND) == found
    assert site.shell.check_output(LEFT) == ""
    assert run.changed == 0
    said = flat(run.output)
    assert "Rehearsal of PostgreSQL 15 to 17," in said
    assert re.search(r"stops what works with the database for about \d+ (s|min), and takes [\d.]+ MB beside", said)
    assert "Passwords are stored as md5 of: old." in said
    assert "To do it: -e trenova_upgrade_confirm=major:17" in said
    told = site.record("rehearsal")
    compared = told["drill"]["upgrade"]["compared"]
    assert (compared["differences"], compared["checksums"] == compared["tables"]) == ([], True)
    assert compared["rows"] >= 50000
    # The application works with it.
    [login] = told["drill"]["login"]
    assert [status for _path, status, _bytes in login["read"]] == [200, 200]


def test_one_that_fails_starts_again_what_it_has_stopped(site):
    """What a dump cannot be restored of: a function in an index that finds its table by the search path alone."""
    site.sql("CREATE TABLE rates (a int); INSERT INTO rates VALUES (1); "
             "CREATE FUNCTION rate(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS "
             "'BEGIN RETURN (SELECT a FROM rates); END'; "
             "CREATE INDEX rated ON rates (rate(a))")
    run = site.run(PLAYBOOK, expect=2, trenova_upgrade_confirm=CONFIRM, **TO)
    assert 'relation "rates" does not exist' in flat(run.output)
    assert site.major() == "15"
    assert site.shell.check_output("docker ps --filter name=tren-api --filter health=healthy --quiet") != ""
    assert site.shell.check_output(LEFT) == ""
    assert site.program("cut")
    site.sql("DROP TABLE rates; DROP FUNCTION rate")


def test_one_that_is_killed_is_led_back(site):
    found = site.sql(FOUND)
    site.kill("took over the database template1")
    assert "has not ended. Nothing is saved or restored before" in site.program("cut", expect=1)
    assert site.shell.check_output("docker ps --filter name=backup-upgrade --quiet") == ""
    refused = site.run(SITE, expect=2, **FROM)
    assert "A change of PostgreSQL's major was begun at" in flat(refused.output)
    run = site.run(PLAYBOOK, trenova_upgrade_back=True, trenova_upgrade_confirm="major:15", **FROM)
    assert "checks passed" in run.output
    assert (site.major(), site.sql(FOUND)) == ("15", found)
    assert site.shell.check_output(LEFT) == ""
    assert site.program("cut")


@pytest.mark.parametrize("said", ["stopped tren-db", "gathered statistics"])
def test_one_that_is_killed_is_repeated(site, said):
    """After the server was stopped, and with the new one nearly there; the last time it is let go to its end."""
    site.kill(said)
    assert site.shell.check_output("cat /var/lib/trenova/postgres/PG_VERSION") == "15"


def test_afterwards_all_is_equal_and_backups_begin_anew(site):
    run = site.run(PLAYBOOK, trenova_upgrade_confirm=CONFIRM, **TO)
    assert "checks passed" in run.output
    assert site.major() == "17"
    told = site.record("upgrade")
    assert (told["state"], told["upgrade"]["compared"]["differences"]) == ("ok", [])
    [copy] = told["copies"].values()
    assert site.shell.check_output(f"cat {copy}/PG_VERSION") == "15"
    site.found = site.sql(FOUND)
    assert int(site.sql("SELECT count(*) FROM pg_stats WHERE tablename = 'loads'")) == 3
    assert (site.record("backup")["state"], site.record("backup")["level"]) == ("ok", "full")
    [base] = {entry["system"] for entry in [json.loads(site.shell.check_output(
        "cat /var/lib/trenova/backup/manifests/postgres/memory.json"))]}
    assert base == site.sql("SELECT system_identifier FROM pg_control_system()")
    secrets = site.shell.check_output("cat /opt/trenova/postgres/secrets/superuser-password")
    assert secrets not in run.output
    assert "SCRAM-SHA-256$" not in site.shell.check_output("journalctl --unit=trenova-upgrade --output=cat")


def test_what_is_there_now_is_what_was_there(site):
    """By another server on the copy, which is what there was."""
    [copy] = site.record("upgrade")["copies"].values()
    site.shell.check_output(
        f"cp --archive {copy} /root/before; docker run --detach --name before --network none --volume "
        f"/root/before:/var/lib/postgresql/data {OLD} postgres -c shared_preload_libraries=pg_stat_statements; "
        "for i in $(seq 100); do docker exec before pg_isready --quiet --host=127.0.0.1 && break; sleep 0.2; done")
    before = site.shell.check_output(
        f"docker exec --user postgres before psql -XqAt -d trenova_go_db -c {shlex.quote(FOUND)}")
    site.shell.check_output("docker rm --force --volumes before; rm -rf /root/before")
    assert before == site.found


def test_a_deployment_with_the_new_version_changes_nothing(site):
    run = site.run(SITE, **TO)
    assert run.changed == 0


def test_a_drill_proves_the_backups_of_the_new_major(site):
    site.program("drill")


def test_the_way_back_says_what_it_would_do(site):
    run = site.run(PLAYBOOK, expect=2, trenova_upgrade_back=True, **FROM)
    assert "What was written since is not in it." in flat(run.output)
    assert "trenova_upgrade_confirm=major:15" in flat(run.output)
    assert site.major() == "17"


def test_the_way_back_leads_to_what_was_there(site):
    site.sql("INSERT INTO loads (id, hash) VALUES (99999, 'since')")
    run = site.run(PLAYBOOK, trenova_upgrade_back=True, trenova_upgrade_confirm="major:15", **FROM)
    assert "checks passed" in run.output
    assert (site.major(), site.sql(FOUND)) == ("15", site.found)
    assert site.sql("SELECT count(*) FROM loads WHERE id = 99999") == "0"
    [copy] = site.record("upgrade")["copies"].values()
    assert site.shell.check_output(f"cat {copy}/PG_VERSION") == "17"
    assert (site.record("backup")["state"], site.record("backup")["level"]) == ("ok", "full")
    assert site.run(SITE, **FROM).changed == 0
