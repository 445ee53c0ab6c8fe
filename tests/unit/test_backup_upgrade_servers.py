# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""PostgreSQL's next major by the real servers, without an Engine: the upgrade itself, and the script of both servers.

    OLD_POSTGRES=FOLDER NEW_POSTGRES=FOLDER pytest tests/unit/test_backup_upgrade_servers.py

The folders hold the programs of both majors; by default both are what this machine has, a server beside one of the same
version. tests/postgres/majors.sh has them of Debian's releases. With the whole stack it is molecule/upgrade_postgres.
"""

from __future__ import annotations

import json
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import sys

import backup_host
import pytest
from test_bundle import by_plan, in_play

sys.path.insert(0, str(backup_host.ROOT / "tests/lab"))
from forgotten import DATABASE, FILL, FOUND, SAVER  # noqa: E402  # found by the line above
from trenova_backup.upgrade import moving, run, target  # noqa: E402

OLD, NEW = (os.environ.get(name) or os.path.dirname(os.path.realpath(shutil.which("initdb") or "/"))
            for name in ("OLD_POSTGRES", "NEW_POSTGRES"))
pytestmark = pytest.mark.skipif(
    not all(os.access(os.path.join(folder, name), os.X_OK) for folder in (OLD, NEW)
            for name in ("initdb", "pg_ctl", "pg_dump", "psql")) or os.geteuid() != 0,
    reason="PostgreSQL is not here, or this is not root, who becomes its user")
#: How the databases sort.
PROVIDER = "SELECT datname, datlocprovider, datcollate, datctype FROM pg_database ORDER BY datname"
#: Settings that a later version has by another name, and takes by the old one.
SAME = {"force_parallel_mode", "ssl_ecdh_curve"}


def major_of(folder):
    """The major of the programs in a folder."""
    told = subprocess.run([folder + "/postgres", "--version"], capture_output=True, text=True, check=True).stdout
    return int(told.split()[2].partition(".")[0])


def settings_of(folder):
    """What can be set in that version."""
    told = subprocess.run([folder + "/postgres", "--describe-config"], capture_output=True, text=True, check=True)
    return {line.partition("\t")[0] for line in told.stdout.splitlines()}


class Process:
    """A command that has ended: as trenova_backup.engine has it."""

    def __init__(self, done):
        self.code, self.said, self.lines = done.returncode, done.stderr.strip(), done.stdout.splitlines()

    def wait(self):
        """Its exit code."""
        return self.code

    def end(self):
        """It has ended."""


class Engine:
    """Jobs without containers: the script runs on this machine, with the programs of one of both majors."""

    def __init__(self, live):
        self.live, self.mounts = live, {}
        shutil.copytree(backup_host.SCRIPTS, live.root / "config")
        live.root.joinpath("passing").mkdir(mode=0o777)
        live.root.joinpath("passing").chmod(0o777)  # noqa: S103  # of a directory that nobody else enters

    def close(self):
        """There are no containers."""

    def define(self, definitions):
        """Know where each job has its directories."""
        self.mounts = {job: {entry["target"]: entry["source"] for entry in definition["volumes"]}
                       for job, definition in definitions.items()}

    def start(self, job, command):
        """Run a command of a job to its end."""
        assert command[:2] == ["sh", moving.SCRIPT]
        folder = OLD if job == moving.OLD else NEW
        places = {**self.mounts[job], "/run/trenova": str(self.live.root), "/tmp": str(self.live.root / "passing")}  # noqa: S108
        script = re.sub(
            r"(?<![\w/])/(upgrade|old|tmp|run/trenova)\b", lambda found: places.get(found[0], found[0]),
            (self.live.root / "config/upgrade.sh").read_text())
        words = [word.replace(moving.HERE + "/", places[moving.HERE] + "/", 1) for word in command[2:]]
        return Process(subprocess.run(
            ["sh", "-c", script, "upgrade.sh", *words], user=backup_host.USER, cwd="/", stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
            env=dict(os.environ, PATH=f"{folder}:{os.environ['PATH']}", PG_MAJOR=str(major_of(folder)))))

    run = start


def config_of(store):
    """The project, as Compose tells it."""
    return {"services": {store["restore_job"]: {"image": "old", "volumes": []}}}


def options(old):
    """Options of initdb with which the role makes a server of that major."""
    provider = ["--locale-provider=builtin"] if old >= 17 else []
    return ["--data-checksums", "--encoding=UTF8", *provider, "--locale=C.UTF-8"]


@pytest.fixture(params=["as the role makes it", "as initdb makes it"])
def live(request):
    """A server of the old major, with what a dump is known to forget."""
    made = backup_host.Postgres(OLD, options(major_of(OLD)) if "role" in request.param else ["--encoding=UTF8"])
    try:
        owner = pwd.getpwnam(backup_host.USER)
        made.root.chmod(0o755)
        os.chown(made.root, owner.pw_uid, owner.pw_gid)
        made.store.update(restore_job="rows-restore", folder="", owner=[owner.pw_uid, owner.pw_gid])
        made.ask(f"CREATE ROLE {SAVER} LOGIN")
        made.ask(f"CREATE DATABASE {DATABASE}")
        made.ask("CREATE TABLE of_template (a int)", "template1")
        made.ask(FILL, DATABASE)
        made.ask("SELECT pg_reload_conf()")
        yield made
    finally:
        made.end()


@pytest.fixture
def move(live):
    """The upgrade of that server, which is looked through."""
    major = major_of(NEW)
    wished = target.Next(f"postgres:{major}.1", major, f"{major}/docker" if major >= 18 else "")
    steps = []

    def step(name, work):
        steps.append(name)
        return work()

    made = moving.Move(Engine(live), live.store, wished, step, print)
    made.steps = steps
    made.open(config_of(live.store))
    yield made
    for name in ("old", "new"):
        place = pathlib.Path(made.work, name)
        data = live.data if name == "old" else pathlib.Path(made.work, "data")
        if place.is_dir() and (data / "postmaster.pid").exists():
            live._as_user(f"{OLD if name == 'old' else NEW}/pg_ctl", "--pgdata", data, "--mode", "immediate", "stop")


def started(live, data):
    """The server of the new major on that data, as its image starts it."""
    made = backup_host.Postgres.__new__(backup_host.Postgres)
    made.__dict__.update(live.__dict__, data=data, _environment=dict(os.environ, PATH=f"{NEW}:{os.environ['PATH']}"))
    with open(data / "postgresql.conf", "a", encoding="utf-8") as stream:
        stream.write(f"listen_addresses = ''\nunix_socket_directories = '{live.place}'\n")
    (data / "pg_hba.conf").write_text("local all all trust\n")
    made.start()
    return made


def asked(live):
    """What the server tells while it lives."""
    script = (backup_host.SCRIPTS / "asked.sql").read_text()
    return {name: json.loads(live.ask(script, name)) for name in ("postgres", DATABASE)}


def blocking(found):
    """What stands in the way, in one text."""
    return " ".join(finding.text for finding in found if finding.is_blocking)


#: What the client of the new version takes for a setting of each column, where it is older than this server's minor.
NOTED = "was made before the server that is here"


def test_all_of_a_server_is_in_the_next_one(live, move):
    before, provider = live.ask(FOUND, DATABASE), live.ask(PROVIDER)
    found = move.look(asked(live))
    if NOTED in blocking(found):
        pytest.skip(blocking(found))
    assert blocking(found) == ""
    assert "Passwords are stored as md5 of: old." in " ".join(finding.text for finding in found)
    live.stop()
    ready, told = move.run()
    compared = told["compared"]
    assert (compared["differences"], compared["checksums"]) == ([], compared["tables"])
    assert (compared["rows"], compared["contents"] > 20) == (50000, True)
    assert (run.major_of(ready), run.major_of(str(live.data))) == (major_of(NEW), major_of(OLD))
    beside = started(live, pathlib.Path(ready, move.wished.folder))
    try:
        assert (beside.ask(FOUND, DATABASE), beside.ask(PROVIDER)) == (before, provider)
        assert beside.ask("SELECT current_setting('server_version_num')::int / 10000") == str(major_of(NEW))
        # On since 18 where nobody says otherwise, and before only where somebody says so.
        assert beside.ask("SHOW data_checksums") == "on"
        # pg_dump leaves them out, of 18 as well unless it is asked for them.
        assert beside.ask("SELECT count(*) FROM pg_stats WHERE tablename = 'loads'", DATABASE) == "3"
        assert beside.ask("SELECT count(*) FROM of_template", "template1") == "0"
        assert beside.ask("SHOW log_min_duration_statement") == "5s"
    finally:
        beside.stop()


def test_settings_that_the_next_one_does_not_know_are_told_while_the_old_one_lives(live, move):
    settable = live.ask("SELECT name FROM pg_settings WHERE context <> 'internal'").split("\n")
    gone = (settings_of(OLD) - settings_of(NEW) - SAME) & set(settable)
    if not gone:
        pytest.skip("the next one knows all of them")
    with open(live.data / "postgresql.auto.conf", "a", encoding="utf-8") as stream:
        stream.writelines(f"{name} = '{live.ask('SHOW ' + name)}'\n" for name in sorted(gone))
    said = blocking(move.look(asked(live)))
    assert {name for name in gone if f"ALTER SYSTEM has set {name}, which PostgreSQL" in said} == gone
    assert not any(name in said for name in SAME)


def test_the_next_one_takes_every_setting_that_the_role_writes_for_it(live, move):
    """What a deployment after the upgrade starts it with."""
    variables, known = in_play(json.dumps({"postgres_image": f"docker.io/library/postgres:{move.wished.major}.1"}))
    texts = {entry["path"].rpartition("/")[2]: entry["content"]
             for entry in by_plan("postgres", variables, known)["files"] if "/config/" in entry["path"]}
    written = {line.partition(" =")[0] for name in ("postgresql.conf", "reload.conf")
               for line in texts[name].splitlines() if " = " in line and not line.startswith("#")}
    assert ("io_method" in written, "summarize_wal" in written) == (move.wished.major >= 18, move.wished.major >= 17)
    path = pathlib.Path(move.work, "settings.conf")
    path.write_text(texts["postgresql.conf"].replace("include = 'reload.conf'", texts["reload.conf"]))
    path.chmod(0o644)
    assert move.engine.run(moving.NEW, ["sh", moving.SCRIPT, "settings", f"{moving.HERE}/settings.conf"]).lines == []
    path.write_text(path.read_text() + "of_no_version = 1\n")
    assert move.engine.run(moving.NEW, ["sh", moving.SCRIPT, "settings", f"{moving.HERE}/settings.conf"]).lines == [
        "removed of_no_version"]
