# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""PostgreSQL's next major, with the whole stack and by the playbook: what stands in its way, that nothing is lost
wherever it is cut off, that all is equal afterwards, and the way back.

The tests go on from each other. Which version becomes which says the scenario's server in its molecule.yml.
"""

from __future__ import annotations

import json
import re
import shlex

import pytest
import yaml
from backups import Backups
from conftest import REGISTRY, ROOT, SCENARIO
from forgotten import DATABASE, FILL, FOUND

PLAYBOOK, SITE = ROOT / "playbooks/upgrade_postgres.yml", ROOT / "site.yml"
[PLATFORM] = yaml.safe_load((SCENARIO / "molecule.yml").read_text())["platforms"]
NAME = PLATFORM["name"]
OLD, NEW = (f"{REGISTRY}/library/postgres:{tag}" for tag in PLATFORM["postgres"])
OLD_MAJOR, NEW_MAJOR = (int(tag.partition(".")[0]) for tag in PLATFORM["postgres"])
FROM, TO = {"postgres_image": OLD}, {"postgres_image": NEW}
CONFIRM, CONFIRM_BACK = f"{NAME}:{NEW_MAJOR}", f"{NAME}:{OLD_MAJOR}"
#: Where the image of a major has its data, below its volume, and that volume.
FOLDERS = {major: f"{major}/docker" if major >= 18 else "" for major in (OLD_MAJOR, NEW_MAJOR)}
VOLUMES = {major: "/var/lib/postgresql" if major >= 18 else "/var/lib/postgresql/data" for major in FOLDERS}
#: What the next major has no more: an extension, and a setting with its value. The setting of 17 is Debian's.
GONE = {15: ("adminpack", "old_snapshot_threshold", "1h"), 17: ("", "extension_destdir", "/nowhere")}
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

    def sql(self, statement, database=DATABASE):
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


WORDS = f"--image {NEW} --major {NEW_MAJOR} --volume {VOLUMES[NEW_MAJOR]}" + (
    f" --folder {FOLDERS[NEW_MAJOR]}" if FOLDERS[NEW_MAJOR] else "")
LIVE = "/var/lib/trenova/postgres"


@pytest.fixture(scope="module")
def site(server):
    """The installation with the old PostgreSQL, some data, and a backup of it."""
    made = Site(server)
    made.run(SITE, **FROM)
    made.sql(FILL)
    made.sql("SELECT pg_reload_conf()")
    made.program("backup --full")
    assert made.major() == str(OLD_MAJOR)
    return made


def major_in(site, path, major):
    """What a directory of a server says of itself, whose data is of that major."""
    return site.shell.check_output(f"cat {path}/{FOLDERS[major]}/PG_VERSION")


def flat(text):
    """A text in one line."""
    return " ".join(text.split())


def test_a_deployment_with_another_major_is_refused_and_names_the_playbook(site):
    before = site.shell.check_output(LIVES)
    run = site.run(SITE, expect=2, **TO)
    assert f"The data on the host is of PostgreSQL {OLD_MAJOR}" in flat(run.output)
    assert "playbooks/upgrade_postgres.yml" in run.output
    assert site.shell.check_output(LIVES) == before


@pytest.mark.parametrize(("words", "sentence"), [
    (f"--image {OLD} --major {OLD_MAJOR}",
     f"The data is of PostgreSQL {OLD_MAJOR} already, which is what postgres_image names"),
    (f"--image {REGISTRY}/library/postgres:14.9 --major 14", "no server reads what a newer one has written"),
    (f"--image {REGISTRY}/library/postgres:latest", "does not begin with a version of PostgreSQL"),
    (f"--image {NEW} --major {NEW_MAJOR} --confirm other:{NEW_MAJOR} --plan",
     f"other:{NEW_MAJOR} was confirmed, and this would make {NAME} one of PostgreSQL {NEW_MAJOR}."),
    (f"--image {NEW} --major {NEW_MAJOR} --confirm {NAME}:99 --plan", f"If that is meant, confirm {CONFIRM}."),
    (f"--image {NEW} --major {NEW_MAJOR} --store ledger",
     "There is no PostgreSQL called ledger. Write one of: postgres."),
    (f"--image {OLD} --major {OLD_MAJOR} --back --plan", "There was no upgrade on this server to go back from."),
    # Tags that lie.
    (f"--image lab/postgres:19.1 --major 19 --confirm {NAME}:19",
     f"lab/postgres:19.1 holds PostgreSQL {NEW_MAJOR}, not 19 as its tag says."),
    (f"--image lab/redis:18.1 --major 18 --confirm {NAME}:18", "lab/redis:18.1 is no image of PostgreSQL"),
    (f"--image lab/nothing:18.1 --major 18 --confirm {NAME}:18",
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
    extension, setting, value = GONE[OLD_MAJOR]
    if extension:
        site.sql(f"CREATE EXTENSION {extension}", "postgres")
    site.sql(f"ALTER SYSTEM SET {setting} = '{value}'")
    site.sql("SELECT pg_reload_conf()")
    before = site.server.started()
    run = site.run(PLAYBOOK, expect=2, trenova_upgrade_confirm=CONFIRM, **TO)
    said = flat(run.output)
    assert not extension or f"The database postgres has the extension {extension}, which" in said
    assert f"ALTER SYSTEM has set {setting}, which PostgreSQL {NEW_MAJOR} does not know." in said
    assert site.server.started() == before
    site.sql(f"ALTER SYSTEM RESET {setting}")
    site.sql("SELECT pg_reload_conf()")
    if extension:
        site.sql(f"DROP EXTENSION {extension}", "postgres")


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
    assert f"Rehearsal of PostgreSQL {OLD_MAJOR} to {NEW_MAJOR}," in said
    assert re.search(r"stops what works with the database for about \d+ (s|min), and takes [\d.]+ MB beside", said)
    assert "Passwords are stored as md5 of: old." in said
    assert f"To do it: -e trenova_upgrade_confirm={CONFIRM}" in said
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
    assert site.major() == str(OLD_MAJOR)
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
    run = site.run(PLAYBOOK, trenova_upgrade_back=True, trenova_upgrade_confirm=CONFIRM_BACK, **FROM)
    assert "checks passed" in run.output
    assert (site.major(), site.sql(FOUND)) == (str(OLD_MAJOR), found)
    assert site.shell.check_output(LEFT) == ""
    assert site.program("cut")


@pytest.mark.parametrize("said", ["stopped tren-db", "gathered statistics"])
def test_one_that_is_killed_is_repeated(site, said):
    """After the server was stopped, and with the new one nearly there; the last time it is let go to its end."""
    site.kill(said)
    assert major_in(site, LIVE, OLD_MAJOR) == str(OLD_MAJOR)


def test_afterwards_all_is_equal_and_backups_begin_anew(site):
    run = site.run(PLAYBOOK, trenova_upgrade_confirm=CONFIRM, **TO)
    assert "checks passed" in run.output
    assert site.major() == str(NEW_MAJOR)
    assert major_in(site, LIVE, NEW_MAJOR) == str(NEW_MAJOR)
    assert site.sql("SHOW data_checksums") == "on"
    told = site.record("upgrade")
    assert (told["state"], told["upgrade"]["compared"]["differences"]) == ("ok", [])
    [copy] = told["copies"].values()
    assert major_in(site, copy, OLD_MAJOR) == str(OLD_MAJOR)
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
        f"/root/before:{VOLUMES[OLD_MAJOR]} {OLD} postgres -c shared_preload_libraries=pg_stat_statements; "
        "for i in $(seq 100); do docker exec before pg_isready --quiet --host=127.0.0.1 && break; sleep 0.2; done")
    before = site.shell.check_output(
        f"docker exec --user postgres before psql -XqAt -d {DATABASE} -c {shlex.quote(FOUND)}")
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
    assert f"trenova_upgrade_confirm={CONFIRM_BACK}" in flat(run.output)
    assert site.major() == str(NEW_MAJOR)


def test_the_way_back_leads_to_what_was_there(site):
    site.sql("INSERT INTO loads (id, hash) VALUES (99999, 'since')")
    run = site.run(PLAYBOOK, trenova_upgrade_back=True, trenova_upgrade_confirm=CONFIRM_BACK, **FROM)
    assert "checks passed" in run.output
    assert (site.major(), site.sql(FOUND)) == (str(OLD_MAJOR), site.found)
    assert site.sql("SELECT count(*) FROM loads WHERE id = 99999") == "0"
    [copy] = site.record("upgrade")["copies"].values()
    assert major_in(site, copy, NEW_MAJOR) == str(NEW_MAJOR)
    assert (site.record("backup")["state"], site.record("backup")["level"]) == ("ok", "full")
    assert site.run(SITE, **FROM).changed == 0
