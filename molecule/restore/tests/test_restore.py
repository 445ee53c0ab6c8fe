# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The way back, with the whole stack: by the playbook, as an administrator does it at three in the morning.

The tests go on from each other; some of them take minutes and run in `make proof-backup` only. While backups are made,
somebody writes rows, the objects that they point to and the jobs that they wait for, and takes down what was
acknowledged. What the page for people names is timed; `WRITE_DOCS=1` with the whole of it writes the times there.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import time

import pytest
import testinfra
import yaml
from backups import Backups, lines_of, told_by
from calling import CALLERS, CALLING, REMOVED, TABLE
from conftest import LONG, ROOT, STATE
from load import Entrance

SHARED = ROOT / "molecule/shared/inventory/group_vars/trenova"
RESTORE, SITE = ROOT / "playbooks/restore.yml", ROOT / "site.yml"
RECOVERY = ROOT / "docs/recovery.md"
HERE, ELSEWHERE = "restore", "vault"
ADDRESS = {HERE: "172.30.60.117", ELSEWHERE: "172.30.60.118"}
#: Of what the backups cannot be read without.
KEYS = ("trenova_backup_key", "trenova_backup_sftp_key")
#: The rows of its table of times.
TIMES = re.compile(r"(?<=\n\| what \| took \| of that, the data \|\n\|---\|---\|---\|\n)(?:\|.*\n)*")
#: Writes a job, an object and the row that needs both, in this order, and takes down which rows were acknowledged.
WRITER = r"""
set -u
password=$(cat /opt/trenova/redis/secrets/password)
for i in $(seq "$1" "$2"); do
    docker exec -e REDISCLI_AUTH="$password" tren-redis redis-cli RPUSH pending "job $i" >/dev/null || break
    printf 'paper %s' "$i" | docker exec -i papers mc pipe --quiet live/papers/$i >/dev/null || break
    docker exec tren-db psql -qAt -d trenova_go_db -c \
        "INSERT INTO loads VALUES ($i, md5('paper $i'), clock_timestamp())" || break
    echo "$i $(date +%s.%N)" >>/root/acknowledged
done
"""
#: When a job of the application was done, of a batch.
DONE = "SELECT extract(epoch FROM processed_at) FROM smoke_jobs WHERE batch = "
#: A client for objects that stays.
CLIENT = """
docker rm --force papers 2>/dev/null
docker run --detach --name papers --network trenova_data -e MC_HOST_live=http://{user}:{password}@tren-minio:9000 \\
    --entrypoint sleep 172.30.60.2:5000/trenova/backup:1 infinity
"""


class Site:
    """A server of the scenario with an inventory of its own."""

    def __init__(self, server, folder, name, secrets, **variables):
        self.name, self.server, self.folder = name, server, folder / name
        self.shell = testinfra.get_host(f"ssh://{name}", ssh_config=str(STATE / "ssh/config"))
        self.backups = Backups(self.shell)
        group = self.folder / "group_vars/trenova"
        group.mkdir(parents=True)
        (self.folder / "hosts.yml").write_text(yaml.safe_dump({"trenova": {"hosts": {name: None}}}))
        shutil.copy(SHARED / "main.yml", group / "main.yml")
        (group / "more.yml").write_text(yaml.safe_dump(variables))
        self.secrets = group / "secrets.yml"
        self.secrets.write_text(yaml.safe_dump(secrets))

    def run(self, playbook, *words, expect=0, **variables):
        """A run of a playbook against this server alone. words: what else the command line says."""
        return self.server.run(
            *words, playbook=playbook, inventory=self.folder, variables=variables or None, expect=expect)

    def sql(self, statement):
        """The answer of the database."""
        return self.shell.check_output(
            f"docker exec tren-db psql -qAt -d trenova_go_db -c {shlex.quote(statement)}")

    def redis(self, words):
        """The answer of Redis."""
        return self.shell.check_output(
            "docker exec -e REDISCLI_AUTH=$(cat /opt/trenova/redis/secrets/password) tren-redis redis-cli " + words)

    def objects(self, bucket="papers"):
        """{number: content} of all papers, or of another bucket that has the same names."""
        minio = yaml.safe_load(self.secrets.read_text())["trenova_minio_password"]
        self.shell.check_output(CLIENT.format(user="trenova", password=minio))
        listing = self.shell.check_output(f"docker exec papers mc ls --json live/{bucket}")
        names = [json.loads(line)["key"] for line in listing.splitlines()]
        read = f"for n in {' '.join(names)}; do mc cat live/{bucket}/$n; echo; done"
        lines = self.shell.check_output("docker exec papers sh -c " + shlex.quote(read)).splitlines()
        return dict(zip(map(int, names), lines, strict=True))

    def write(self, first, last):
        """Write rows with what they need, to the last one."""
        self.start_writing(first, last)
        self.shell.check_output("while systemctl is-active --quiet writer; do sleep 0.2; done")

    def start_writing(self, first, last):
        """The same, and do not wait."""
        self.shell.check_output(
            f"systemd-run --quiet --collect --unit=writer bash -c {shlex.quote(WRITER)} writer {first} {last}")

    def acknowledged(self, until=None):
        """Numbers of the rows that the writer was told are there, by a moment."""
        lines = self.shell.check_output("cat /root/acknowledged").splitlines()
        return [int(line.split()[0]) for line in lines if until is None or float(line.split()[1]) <= until]

    def rows(self):
        """Numbers of the rows that are there; each is as it was written."""
        assert self.sql("SELECT count(*) FROM loads WHERE hash <> md5('paper ' || id)") == "0"
        return [int(line) for line in self.sql("SELECT id FROM loads ORDER BY id").split()]

    def jobs(self):
        """Numbers of the jobs that wait."""
        return [int(line.split()[-1]) for line in self.redis("LRANGE pending 0 -1").splitlines()]

    def restored_within(self):
        """Seconds of the last restore."""
        return json.loads(self.shell.check_output(
            "cat $(grep -l '\"verb\": \"restore\"' /var/lib/trenova/backup/records/*.json | tail -n 1)"))["seconds"]

    def need_whole(self):
        """Every row has its object, as it was written, and its job."""
        rows, objects, jobs = self.rows(), self.objects(), set(self.jobs())
        assert [number for number in rows if objects.get(number) != f"paper {number}"] == []
        assert set(rows) <= jobs
        return rows


class Person:
    """Somebody who is logged in to the application of a site, and stays so."""

    def __init__(self, site, password):
        self.site, self.entrance, self.cookie = site, Entrance(ADDRESS[site.name], "trenova.test"), ""
        # A login that fails counts, so it waits for the application.
        for _attempt in range(120):
            with contextlib.suppress(OSError):
                if self.ask("GET", "")[0] == 401:
                    break
            time.sleep(1)
        self.cookie = self.entrance.log_in("admin@trenova.test", password)

    def ask(self, method, path, body=None):
        """(status, answer) of a request."""
        connection = self.entrance.connection()
        connection.request(method, "/api/v1/" + path, json.dumps(body) if body else None, {
            "Content-Type": "application/json", "Origin": f"https://{self.entrance.domain}",
            **({"Cookie": self.cookie} if self.cookie else {})})
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if answer.status in (200, 202) else text

    def put_off(self, *times):
        """Have the application do a job at each time, in whole seconds: (batch, their names).

        It schedules none for others. They are its own, in a queue that stands still meanwhile, and get what asynq gives
        to one that has its time.
        """
        redis, queue = self.site.redis, "'asynq:{compliance}:%s'"
        redis(f"SET {queue % 'paused'} 1")
        status, told = self.ask("POST", "smoke/jobs", {"queue": "compliance", "count": len(times)})
        assert status == 202, told
        jobs = redis(f"LRANGE {queue % 'pending'} 0 -1").split()
        for job, at in zip(jobs, times, strict=True):
            redis(f"LREM {queue % 'pending'} 1 {job}")
            redis(f"HSET {queue % ('t:' + job)} state scheduled")
            redis(f"ZADD {queue % 'scheduled'} {at} {job}")
        redis(f"DEL {queue % 'paused'}")
        return told["batch"], jobs


@pytest.fixture(scope="module")
def secrets():
    """Secrets of the installation, with one for the server where the backups go."""
    found = yaml.safe_load((SHARED / "secrets.yml").read_text())
    vault = testinfra.get_host(f"ssh://{ELSEWHERE}", ssh_config=str(STATE / "ssh/config"))
    vault.check_output("[ -f /root/box ] || ssh-keygen -q -t ed25519 -N '' -f /root/box; mkdir -p /srv/box; "
                       "cat /root/box.pub >>/root/.ssh/authorized_keys")
    return dict(found, trenova_backup_sftp_key=vault.file("/root/box").content_string)


@pytest.fixture(scope="module")
def targets():
    """The host's own directory, and an SFTP server."""
    vault = testinfra.get_host(f"ssh://{ELSEWHERE}", ssh_config=str(STATE / "ssh/config"))
    keys = vault.check_output("cut -d ' ' -f 1,2 /etc/ssh/ssh_host_*_key.pub").splitlines()
    return [{"name": "local", "directory": "/var/backups/trenova"},
            {"name": "box", "sftp": {"host": ADDRESS[ELSEWHERE], "user": "root", "host_key": keys, "path": "/srv/box"}}]


@pytest.fixture(scope="module")
def site(server, secrets, targets, tmp_path_factory):
    """The installation, deployed, with some data that was saved."""
    made = Site(server, tmp_path_factory.mktemp("inventories"), HERE, secrets, backup_targets=targets)
    made.run(SITE)
    made.sql("CREATE TABLE loads (id int PRIMARY KEY, hash text NOT NULL, at timestamptz NOT NULL)")
    made.objects_client = made.shell.check_output(CLIENT.format(
        user="trenova", password=secrets["trenova_minio_password"]))
    made.shell.check_output("docker exec papers mc mb --quiet live/papers")
    made.write(1, 20)
    done = made.backups.program("backup --full")
    assert done.rc == 0, done.stdout + done.stderr
    return made


@pytest.fixture(scope="module")
def timed():
    """Context that times what people do by the page, and what a restore took of that."""
    took = []

    @contextlib.contextmanager
    def one(what, site=None):
        begin = time.monotonic()
        yield
        whole = f"{time.monotonic() - begin:.0f} s"
        took.append(f"| {what} | {whole} | {f'{site.restored_within()} s' if site else ''} |\n")

    yield one
    if os.environ.get("WRITE_DOCS"):
        page, count = TIMES.subn("".join(took), RECOVERY.read_text())
        assert count == 1
        RECOVERY.write_text(page)


def blocks(heading):
    """The blocks of a section of docs/recovery.md."""
    section = RECOVERY.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


def as_written(heading):
    """(commands for the server, those for the controller) of the only block of a section of docs/recovery.md."""
    [block] = blocks(heading)
    lines = block.splitlines()
    is_playbook = [line.startswith("ansible-playbook ") for line in lines]
    first = is_playbook.index(True)
    assert all(is_playbook[first:])
    return "\n".join(lines[:first]), "\n".join(lines[first:])


def words_of(command):
    """What a command of the page tells the playbook that restores, behind the inventory."""
    playbook, *words = shlex.split(command.replace("\\\n", " "))
    assert [playbook, *words[:3]] == ["ansible-playbook", "playbooks/restore.yml", "-i", "inventories/prod"]
    return words[3:]


def flat(text):
    """A text in one line."""
    return " ".join(text.split())


@pytest.mark.parametrize(("name", "place"), [(HERE, "/var/backups/trenova"), (ELSEWHERE, "/srv/box")])
def test_a_stolen_target_tells_nothing_but_sizes(site, secrets, name, place):
    """Neither what its files are called nor what they hold: no bucket, no object, no table, no database, no secret."""
    assert site.objects()[7] == "paper 7"
    host = testinfra.get_host(f"ssh://{name}", ssh_config=str(STATE / "ssh/config"))
    assert int(host.check_output(f"find {place} -type f | wc -l")) > 20
    assert told_by(host, place, [*lines_of(secrets), "papers", "paper 7", "loads", "trenova_go_db"]) == []


def test_without_the_name_of_the_installation_nothing_is_touched(site):
    before = site.server.started() if site.name == HERE else {}
    run = site.run(RESTORE, expect=2)
    assert "Restore of restore from target local" in run.output
    assert "/var/lib/trenova/postgres (" in run.output
    assert "trenova_restore_confirm=restore" in flat(run.output)
    assert site.server.started() == before
    assert site.shell.check_output("ls -A /var/lib/trenova | grep '^\\.' || true") == ""


@pytest.mark.parametrize(("words", "sentence"), [
    ("--confirm other", "This is restore, and other was to be restored. Nothing was changed."),
    ("--store ledger", "There is no store ledger. Write one of: "),
    ("--target attic", "There is no target attic. Write one of: local, box."),
    ("--to yesterday", "yesterday is no moment. Write it in UTC:"),
    ("--store postgres --to '2026-01-01 00:00:00+00'",
     r"PostgreSQL: 2026-01-01T00:00:00Z cannot be restored. The target holds it from 20\S+Z to 20\S+Z\."),
    ("--store postgres --to '2100-01-01 00:00:00+00'",
     r"PostgreSQL: 2100-01-01T00:00:00Z cannot be restored. The target holds it from 20\S+Z to 20\S+Z\."),
    ("--only loads", "A part is one of one store. Write: --store, once.")])
def test_what_cannot_be_restored_is_one_sentence_and_nothing_is_touched(site, words, sentence):
    started = site.server.started()
    done = site.backups.program("restore " + words)
    assert done.rc == 1
    assert re.search(sentence, done.stderr), done.stdout + done.stderr
    assert site.server.started() == started


@pytest.mark.parametrize(("variables", "sentence"), [
    ({"confirm": "other"}, "This is restore, and other was to be restored. Nothing was changed."),
    ({"only": "loads"}, "trenova_restore_only is a part of one store, and trenova_restore_stores names none."),
    ({"only": "session:1", "stores": "redis"}, "Redis: no part of it can be restored.")])
def test_the_playbook_says_the_same_in_its_words(site, variables, sentence):
    started = site.server.started()
    run = site.run(RESTORE, expect=2, **{"trenova_restore_" + name: value for name, value in variables.items()})
    assert sentence in flat(run.output)
    assert site.server.started() == started


def test_a_table_that_was_dropped_comes_back_as_of_a_moment_and_nothing_else_does(site, timed):
    """Rows that were acknowledged by then are there, later ones are not; Redis and the objects stay as they are."""
    site.write(21, 40)
    time.sleep(1.5)
    moment = time.time()
    time.sleep(1.5)
    site.write(41, 50)
    site.sql("DROP TABLE loads")
    assert site.backups.program("cut").rc == 0
    jobs = site.jobs()
    told = time.strftime("%Y-%m-%d %H:%M:%S+00", time.gmtime(moment))
    with timed("the whole database, to the minute before", site):
        run = site.run(
            RESTORE, trenova_restore_confirm="restore", trenova_restore_stores="postgres", trenova_restore_to=told)
    assert site.rows() == site.acknowledged(until=moment) == list(range(1, 41))
    assert site.jobs() == jobs == list(range(1, 51))
    assert "checks passed" in run.output
    assert len(site.shell.check_output("ls -d /var/lib/trenova/.postgres.before-*").split()) == 1


@LONG
def test_a_restored_server_is_saved_again_and_restored_again(site):
    """On its new branch of the log."""
    site.write(51, 60)
    assert site.backups.program("cut").rc == 0
    site.write(61, 65)
    assert site.backups.program("cut").rc == 0
    site.sql("DELETE FROM loads WHERE id <= 5")
    site.run(RESTORE, trenova_restore_confirm="restore", trenova_restore_stores="postgres")
    assert site.rows() == [*range(1, 41), *range(51, 66)]


def test_a_table_and_an_object_come_back_beside_the_live_ones(site, timed):
    """The table by the playbook, with the words of the page, as of a moment before somebody has deleted of it."""
    assert site.backups.program("backup").rc == 0
    rows = site.rows()
    time.sleep(1.5)
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    time.sleep(1.5)
    site.sql("DELETE FROM loads WHERE id > 10")
    assert site.backups.program("cut").rc == 0
    site.shell.check_output("docker exec papers mc rm --quiet live/papers/7")
    started, records = site.server.started(), site.backups.records()
    command, *_others = blocks("Somebody deleted the wrong thing")
    for old, new in (("2026-11-23T14:05:00Z", moment), ("public.shipments", "public.loads")):
        assert old in command
        command = command.replace(old, new)
    told = site.run(RESTORE, *words_of(command), "--check")
    assert "Restore of a part of restore from target local" in told.output
    assert f"public.loads of PostgreSQL, as of {moment}" in flat(told.output)
    assert site.backups.records() == records
    with timed("a table beside the live ones, by the playbook", site):
        run = site.run(RESTORE, *words_of(command))
    schema = re.search(r"in the schema (\S+),", run.output)[1]
    assert "checks passed" not in run.output
    listed = site.sql(f"TABLE {schema}.loads ORDER BY id").splitlines()
    assert [int(line.partition("|")[0]) for line in listed] == rows
    assert site.sql("SELECT count(*) FROM loads") == "10"
    with timed("a document beside the live ones", site):
        done = site.backups.program("restore --store objects --only papers/7")
    assert done.rc == 0, done.stdout + done.stderr
    bucket = re.search(r"in the bucket (\S+)\.", done.stdout)[1]
    assert site.shell.check_output(f"docker exec papers mc cat live/{bucket}/7") == "paper 7"
    assert site.server.started() == started
    site.sql(f"INSERT INTO loads TABLE {schema}.loads ON CONFLICT DO NOTHING")
    site.sql(f"DROP SCHEMA {schema} CASCADE")
    # Taken from there, and removed, as the page has it.
    [_playbook, _table, commands, _database] = blocks("Somebody deleted the wrong thing")
    for old, new in (("restored-<stamp>", bucket), ("/key", "/7"), (":bucket/", ":papers/")):
        assert old in commands
        commands = commands.replace(old, new)
    site.shell.check_output("set -e\n" + commands)
    assert bucket not in site.shell.check_output("docker exec papers mc ls live")
    site.need_whole()


def test_a_bucket_comes_back_beside_the_live_one(site):
    """All of it, as it was when it was saved last, whatever was deleted and overwritten since."""
    assert site.backups.program("cut").rc == 0
    objects, started = site.objects(), site.server.started()
    site.shell.check_output("docker exec papers mc rm --quiet live/papers/7 && "
                            "printf since | docker exec -i papers mc pipe --quiet live/papers/8")
    done = site.backups.program("restore --store objects --only papers")
    assert done.rc == 0, done.stdout + done.stderr
    bucket = re.search(r"in the bucket (\S+)\.", done.stdout)[1]
    assert site.server.started() == started
    assert site.shell.check_output("docker exec papers mc cat live/papers/8") == "since"
    assert site.shell.run("docker exec papers mc stat live/papers/7").rc != 0
    assert site.objects(bucket) == objects
    for number in (7, 8):
        site.shell.check_output(f"docker exec papers mc cp --quiet live/{bucket}/{number} live/papers/{number}")
    site.shell.check_output(
        f"cd /opt/trenova && docker compose run --rm -T backup-objects rclone purge store-objects:{bucket}")
    site.need_whole()


def test_a_table_comes_back_as_of_a_moment_and_nothing_that_it_calls_is_called(site):
    """By the command of the page for the server. Defaults, triggers, generated columns, checks and domains note it."""
    site.sql(CALLING)
    assert set(site.sql("SELECT DISTINCT by FROM called").splitlines()) == CALLERS
    assert site.backups.program("backup").rc == 0
    rows = site.sql(f"TABLE {TABLE} ORDER BY id")
    assert len(rows.splitlines()) == 2
    time.sleep(1.5)
    moment = time.strftime("%Y-%m-%d %H:%M:%S+00", time.gmtime())
    time.sleep(1.5)
    site.sql("UPDATE \"odd Loads\" SET told = 'since'; DELETE FROM \"odd Loads\" WHERE id = 2; TRUNCATE called")
    assert site.backups.program("cut").rc == 0
    started = site.server.started()
    [_playbook, command, *_others] = blocks("Somebody deleted the wrong thing")
    for old, new in (('"2026-11-23 14:05:00+00"', shlex.quote(moment)), ("public.shipments", shlex.quote(TABLE))):
        assert old in command
        command = command.replace(old, new)
    done = site.shell.run(command)
    assert done.rc == 0, done.stdout + done.stderr
    schema = re.search(r"in the schema (\S+),", done.stdout)[1]
    assert site.sql(f'TABLE {schema}."odd Loads" ORDER BY id') == rows
    assert site.sql("TABLE called") == ""
    assert site.sql('SELECT id, told FROM "odd Loads"') == "1|since"
    assert site.server.started() == started
    site.sql(f"DROP SCHEMA {schema} CASCADE; {REMOVED}")


#: Kills a restore as soon as it says something.
KILL = """
# What the one before said would be taken for this one's.
: >/root/killed.log
systemd-run --quiet --unit=killed --collect bash -c 'exec {command} restore --confirm restore >/root/killed.log 2>&1'
for i in $(seq 1200); do
    if grep -qE {words} /root/killed.log; then systemctl kill --signal=KILL killed; break; fi
    systemctl is-active --quiet killed || break
    sleep 0.05
done
sleep 1
cat /root/killed.log
"""


@pytest.mark.parametrize("words", [
    pytest.param("recovering", marks=LONG), "stopped tren-", pytest.param("Redis: laid in its place", marks=LONG)])
def test_a_restore_that_is_killed_is_repeated_and_nothing_is_lost(site, words):
    """While it fetches, after everything was stopped, and while it writes objects."""
    expected = site.need_whole()
    assert site.backups.program("cut").rc == 0
    said = site.shell.check_output(KILL.format(command=site.backups.command, words=shlex.quote(words)))
    assert words in said
    if words != "recovering":
        refused = site.backups.program("cut")
        assert refused.rc == 1
        assert "has not ended. Nothing is saved before it is repeated" in refused.stderr
    done = site.backups.program("restore --confirm restore")
    assert done.rc == 0, done.stdout + done.stderr
    assert site.need_whole() == expected


def test_no_secret_is_in_sight_while_a_restore_is_at_work(site, secrets):
    expected = site.need_whole()
    assert site.backups.program("cut").rc == 0
    place = site.backups.watched("trenova-restore", f"{site.backups.command} restore --confirm restore --start")
    told = site.backups.records()[-1]
    assert (told["verb"], told["state"]) == ("restore", "ok")
    site.shell.check_output(f"grep -q restic {place}/processes-* && grep -q backup-keep {place}/containers-* && "
                            f"grep -q 'laid in its place' {place}/journal")
    assert told_by(site.shell, place, lines_of(secrets)) == []
    assert site.need_whole() == expected


@LONG
def test_what_a_restore_writes_over_can_be_taken_back_as_it_is_written(site):
    """An object that is another one by then, and a user of RabbitMQ who came since."""
    assert site.backups.program("cut").rc == 0
    rows = site.need_whole()
    number = int(site.shell.check_output("docker exec papers mc ls --recursive --json live | wc -l"))
    site.shell.check_output("printf another | docker exec -i papers mc pipe --quiet live/papers/9")
    site.shell.check_output("docker exec tren-rabbitmq rabbitmqctl --quiet add_user late secret-of-a-test")
    planned = site.backups.program("restore")
    assert "1 objects that are other ones now" in planned.stdout
    done = site.backups.program("restore --confirm restore")
    assert done.rc == 0, done.stdout + done.stderr
    assert site.need_whole() == rows
    assert int(re.search(r"compared: (\d+) objects are there", done.stdout)[1]) == number
    bucket = re.search(r"what is replaced is in the bucket (before-\S+)", done.stdout)[1]
    kept = re.search(r"what is replaced is in (/var/lib/trenova/backup/before-\S+-rabbitmq)", done.stdout)[1]
    assert '"late"' in site.shell.check_output(f"cat {kept}/definitions.json")
    assert site.shell.check_output(f"docker exec papers mc ls --recursive --json live/{bucket} | wc -l") == "1"
    [command] = re.findall(
        r"^    (docker compose run --rm -T backup-objects rclone copy .*)$", RECOVERY.read_text(), re.MULTILINE)
    site.shell.check_output("cd /opt/trenova && " + command.replace("before-<stamp>", bucket))
    assert site.objects()[9] == "another"
    site.shell.check_output("printf 'paper 9' | docker exec -i papers mc pipe --quiet live/papers/9")
    # It is a copy, and no store: no backup takes it.
    assert site.backups.program("cut").rc == 0
    held = site.backups.program("restore --plan --json --store objects")
    assert json.loads(held.stdout)["stores"][0]["objects"] == number
    site.need_whole()


@LONG
def test_the_way_back_from_a_wrong_moment_is_as_it_is_written(site, timed):
    """Too early a moment was named: what was written since comes back by the commands of the page."""
    # What was restored has no moments before its first backup.
    assert site.backups.program("cut").rc == 0
    time.sleep(1.5)
    moment = time.strftime("%Y-%m-%d %H:%M:%S+00", time.gmtime())
    site.write(91, 95)
    assert site.backups.program("cut").rc == 0
    rows = site.rows()
    site.run(RESTORE, trenova_restore_confirm="restore", trenova_restore_stores="postgres", trenova_restore_to=moment)
    assert site.rows() == [number for number in rows if number not in range(91, 96)]
    copy = site.shell.check_output("ls -td /var/lib/trenova/.postgres.before-* | head -n 1")
    commands, playbook = as_written("It was the wrong moment")
    assert playbook == "ansible-playbook site.yml -i inventories/prod"
    with timed("back from the wrong moment"):
        site.shell.check_output("set -e\n" + commands.replace("<stamp>", copy.partition(".before-")[2]))
        site.run(SITE)
    assert site.rows() == rows
    site.need_whole()


def test_an_empty_server_becomes_the_installation_again_from_the_target_and_the_key_alone(site, secrets, timed):
    """Containers, volumes and all secrets but those of the target are gone, and somebody was writing.

    Who was logged in still is, and a job is done at its time, once.
    """
    person = Person(site, secrets["trenova_admin_password"])
    site.start_writing(101, 100000)
    time.sleep(3)
    assert site.backups.program("backup").rc == 0
    time.sleep(5)
    soon, late = (round(time.time()) + seconds for seconds in (120, 7200))
    batch, [_soon_job, late_job] = person.put_off(soon, late)
    cut_from = time.time()
    assert site.backups.program("cut").rc == 0
    time.sleep(1)
    site.shell.check_output("systemctl stop writer || true")
    safe = [number for number in site.acknowledged(until=cut_from) if number > 100]
    assert len(safe) > 10
    site.shell.check_output(
        "docker rm --force --volumes $(docker ps --all --quiet); systemctl stop 'trenova-*.timer'; "
        "rm -rf /opt/trenova /var/lib/trenova /var/backups/trenova /usr/local/lib/trenova; "
        "rm -f /etc/systemd/system/trenova-*; systemctl daemon-reload; docker network prune --force")
    site.secrets.write_text(yaml.safe_dump({name: secrets[name] for name in KEYS}))
    refused = site.run(RESTORE, expect=2)
    assert "trenova_restore_confirm=restore" in flat(refused.output)
    with timed("the server is gone: an empty one becomes it, with Docker in it and the images at hand", site):
        run = site.run(RESTORE, trenova_restore_confirm="restore", trenova_restore_target="box")
    back = max(time.time(), soon)
    assert "checks passed" in run.output
    status, myself = person.ask("GET", "users/me/")
    assert status == 200, myself
    assert myself["emailAddress"] == "admin@trenova.test"
    while not (done := site.sql(f"{DONE}'{batch}'")) and time.time() < back + 30:
        time.sleep(1)
    # asynq looks every five seconds.
    assert soon <= float(done) < back + 15
    assert float(site.redis(f"ZSCORE 'asynq:{{compliance}}:scheduled' {late_job}")) == late
    found = yaml.safe_load(site.secrets.read_text())
    assert {name: found[name] for name in secrets if name in found} == {name: secrets[name] for name in found}
    assert set(found) >= {"trenova_api_secret_key", "trenova_postgres_password"}
    rows = site.need_whole()
    assert set(safe) <= set(rows)
    assert [secret for name, secret in secrets.items() if name not in KEYS and secret in run.output] == []
    jobs = person.ask("GET", f"smoke/jobs?batch={batch}")[1]
    assert (jobs["rows"], jobs["distinct"], jobs["queues"]["compliance"]["scheduled"]) == (1, 1, 1)
    assert site.backups.program("cut").rc == 0


@LONG
def test_another_server_with_another_name_and_domain(site, secrets, server, tmp_path_factory, targets, timed):
    expected = site.need_whole()
    other = Site(
        server, tmp_path_factory.mktemp("other"), ELSEWHERE, {name: secrets[name] for name in KEYS},
        backup_targets=targets, backup_installation="restore", trenova_domain="elsewhere.test")
    with timed("the same on another server, under another name and domain", other):
        run = other.run(RESTORE, trenova_restore_confirm="restore", trenova_restore_target="box")
    assert "checks passed" in run.output
    assert set(other.need_whole()) == set(expected)
