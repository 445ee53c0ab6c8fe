# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Faults of programs, disks and targets, with the real restic: each has a clear state, and nothing is lost by it.

With PostgreSQL, the Engine and whole servers: molecule/faults.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import backup_host
import pytest
from backup_host import Host
from test_backup_notify import Mail, serving
from test_backup_scripts import contents
from trenova_backup.errors import BackupError
from trenova_backup.mirror import target as mirror_module
from trenova_backup.mirror.target import Mirror
from trenova_backup.stream import Stream

pytestmark = pytest.mark.skipif(backup_host.programs() is None, reason="restic 0.17 or later and rclone are not here")
#: A program of the host in the middle of whose work somebody is killed, once.
KILLER = """#!/bin/sh
case " $* " in
    {pattern})
        if mkdir {root}/killing 2>/dev/null; then
            {program} "$@" &
            victim=$!
            sleep {seconds}
            if [ {victim} = server ]; then touch {root}/off; sleep 60; fi
            kill -KILL $victim
            wait $victim
            exit 137
        fi ;;
esac
exec {program} "$@"
"""
#: A reader that takes its time.
SLOW_TAR = """#!/bin/sh
case "$*" in *"--create"*) ;; *) exec /usr/bin/tar "$@" ;; esac
/usr/bin/tar "$@" | while true; do
    head -c 1000000 >{root}/part
    [ -s {root}/part ] || exit 0
    cat {root}/part
    sleep 0.3
done
"""
#: Marks what takes long and has a short form here, or another one.
LONG = pytest.mark.skipif("PROOF" not in os.environ, reason="takes long, with PROOF=1 (make proof-faults)")
#: What is killed in CI, too.
SHORT = ("writing", "freeing", "the log")
#: What a run of everything does with its targets, by restic's command that does it.
PHASES = {
    "looking": '*" snapshots "*', "writing": '*" backup "*"store=desk"*', "copying": '*" copy "*',
    "letting go": '*" forget "*', "freeing": '*" prune "*', "keeping the record": '*" backup "*"store=records"*'}


def killing(host, program, pattern, victim, seconds):
    """Have a program, or the server with all that runs on it, be killed while it does something."""
    wrapper = host.root / "bin" / program
    real = shutil.which(program, path=host.environment["PATH"].partition(":")[2])
    wrapper.write_text(KILLER.format(root=host.root, program=real, pattern=pattern, victim=victim, seconds=seconds))
    wrapper.chmod(0o755)


def power_off(host, process):
    """What a server without power leaves: nothing that runs."""
    deadline = time.monotonic() + backup_host.PATIENCE_SECONDS
    off = host.root / "off"
    while not off.exists():
        assert process.poll() is None or off.exists(), "it ended before that"
        assert time.monotonic() < deadline, (host.root / "said").read_text()
        time.sleep(0.02)
    mine = f"RCLONE_CONFIG={host.root}/rclone.conf".encode()
    for number in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if mine in backup_host.pathlib.Path(f"/proc/{number}/environ").read_bytes():
                os.kill(int(number), signal.SIGKILL)


def a_host(root, *targets, **more):
    """A host with a good backup."""
    made = Host(root, *targets, **more)
    made.make_repositories()
    made.write("first", 3_000_000)
    code, said = made.program("backup")
    assert code == 0, said
    return made


def need_good(host, *files):
    """See to it that the next backup is good, holds these files in each target, and that nothing is damaged."""
    code, said = host.program("backup", "--full")
    assert code == 0, said
    for target in host.targets:
        assert set(files) <= set(host.holds(host.snapshots(target)[-1], target))
    code, said = host.program("check")
    assert code == 0, said


def hardly(*words, turns=300, **more):
    """A command as the check of targets has it run, in the words of its script."""
    script = (backup_host.ROOT / "roles/backup/templates/config/check.sh.j2").read_text()
    function = re.search(r"^hardly\(\) \{.*?^\}$", script, re.MULTILINE | re.DOTALL)[0]
    assert "turns=300" in function
    return subprocess.run(
        ["sh", "-uc", function.replace("turns=300", f"turns={turns}") + '\nhardly "$@"', "sh", *words],
        capture_output=True, text=True, check=False, **more)


def test_a_repository_is_made_that_each_command_opens_at_once(tmp_path):
    """Half a second of each would be most of what a small backup takes. When restic is stopped is chance, a little."""
    host, costs = Host(tmp_path), []
    for name in ("one", "two", "three"):
        done = hardly(f"{backup_host.programs()}/restic", "--repo", f"{tmp_path}/{name}-made", "init",
                      env=dict(os.environ, **host.environment))
        assert done.returncode == 0, done.stderr
        [key] = (tmp_path / f"{name}-made/keys").iterdir()
        told = json.loads(key.read_text())
        assert told["N"] >= 1024
        costs.append(told["N"] * told["r"] * told["p"])
    # What half a second allows is 8 times that, on a machine which is slow.
    assert min(costs) <= 2**17


#: What is asked of restic, one line for each command; a source from which nothing can be read, where that is wished.
WATCHED = """#!/bin/sh
echo "$*" >>{root}/asked
case "$*" in *"{broken}"*) echo "Fatal: unable to open the source" >&2; exit 1 ;; esac
exec {restic} "$@"
"""


def check_targets(host, broken="none"):
    """The check of targets as the playbook has it run, with directories of this machine; what it said."""
    (host.root / "bin/restic").write_text(
        WATCHED.format(root=host.root, restic=f"{backup_host.programs()}/restic", broken=broken))
    (host.root / "bin/restic").chmod(0o755)
    script = contents({"trenova_roles": ["docker", "backup"], "backup_targets": [
        {"name": name, "directory": f"/mnt/{name}"} for name in host.targets]})["config/check.sh"]
    done = subprocess.run(
        ["sh", "-c", re.sub(r"\binstallation=\S+", "installation=erp1", script).replace("/targets/", f"{host.root}/")],
        capture_output=True, text=True, check=False, env=dict(os.environ, **host.environment))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def polynomials(host):
    """How each target cuts what it stores, in restic's words."""
    return [json.loads(host.restic("cat", "config", target=name).stdout)["chunker_polynomial"] for name in host.targets]


@pytest.mark.parametrize("there", [[], ["one"], ["two"]])
def test_a_further_target_cuts_what_it_stores_as_the_one_that_is_there(tmp_path, there):
    """What was copied there is stored once with what is saved there when it has become the first one."""
    host = Host(tmp_path, "one", "two")
    for name in there:
        assert host.restic("init", target=name).returncode == 0
    assert check_targets(host) == [
        *(f"Target {name}: new repository" for name in host.targets if name not in there),
        "All sources and targets answer"]
    assert len(set(polynomials(host))) == 1
    assert backup_host.KEY not in (tmp_path / "asked").read_text()
    host.write("first", 12_000_000)
    saved = str(tmp_path / "papers/first")
    assert host.restic("backup", "--host", "erp1", saved, target="one").returncode == 0
    copied = host.restic("copy", "--from-repo", f"{tmp_path}/one/restic", target="two")
    assert copied.returncode == 0, copied.stderr
    told = host.restic("backup", "--host", "erp1", "--json", "--force", saved, target="two").stdout.splitlines()[-1]
    assert json.loads(told)["data_added"] < 100_000
    assert check_targets(host) == ["All sources and targets answer"]


def test_a_target_is_made_all_the_same_where_none_can_be_read_just_then(tmp_path):
    host = Host(tmp_path, "one", "two")
    assert "Target two: new repository" in check_targets(host, broken="--copy-chunker-params")
    assert "--copy-chunker-params" in (tmp_path / "asked").read_text()
    assert len(set(polynomials(host))) == 2


def test_what_hardly_runs_is_told_as_it_ended(tmp_path):
    done = hardly("sh", "-c", "echo said; exit 12")
    assert (done.returncode, done.stdout) == (12, "said\n")
    done = hardly("sleep", "60", turns=3)
    assert (done.returncode, done.stdout) == (137, "it takes longer than a minute\n")


def test_objects_that_are_more_than_one_batch_come_back(tmp_path, monkeypatch):
    """By the programs themselves, one batch after the other in the same container."""
    host = Host(tmp_path, objects=True)
    for name, value in host.environment.items():
        monkeypatch.setenv(name, value)
    written = {f"{bucket}/{number}": os.urandom(100) for bucket in ("bills", "letters") for number in range(4)}
    for path, content in written.items():
        (host.root / "bucket" / path).parent.mkdir(exist_ok=True)
        (host.root / "bucket" / path).write_bytes(content)
    mirror = Mirror({"name": "one", "kind": "directory"}, backup_host.Engine(host.settings), host.settings)
    mirror.sync("papers", "20261123T013000Z")
    shutil.rmtree(host.root / "bucket")
    (host.root / "bucket").mkdir()
    monkeypatch.setattr(mirror_module, "BATCH_OBJECTS", 3)
    assert mirror.bring_back("papers", mirror.state_at("papers"), "store-papers:")["objects"] == len(written)
    assert {path: (host.root / "bucket" / path).read_bytes() for path in written} == written


@pytest.mark.parametrize("victim", [pytest.param("restic", marks=LONG), "server"])
@pytest.mark.parametrize("phase", [
    phase if phase in SHORT else pytest.param(phase, marks=LONG) for phase in PHASES])
def test_who_is_killed_in_whatever_phase_of_a_backup_takes_nothing_with_it(tmp_path, phase, victim):
    host = a_host(tmp_path, *(["one", "two"] if phase == "copying" else ["one"]))
    host.write("second", 3_000_000)
    tar = host.root / "bin/tar"
    tar.write_text(SLOW_TAR.format(root=host.root))
    tar.chmod(0o755)
    killing(host, "restic", PHASES[phase], victim, 0.8 if phase == "writing" else 0.1)
    process = host.start("backup", "--full")
    if victim == "server":
        power_off(host, process)
    code = process.wait(backup_host.PATIENCE_SECONDS)
    (host.root / "bin/restic").unlink()
    tar.unlink()
    assert (host.root / "killing").exists()
    # A record that no target took makes no good run a bad one.
    assert code == (-signal.SIGKILL if victim == "server" else 0 if phase == "keeping the record" else 1)
    state = host.records()[-1]["state"]
    assert state == ("running" if victim == "server" and phase != "keeping the record" else
                     "ok" if phase == "keeping the record" else "failed")
    # What is listed can be read.
    assert [host.holds(snapshot) for snapshot in host.snapshots()] != []
    need_good(host, "./first", "./second")
    told = [record["state"] for record in host.records()]
    assert ("interrupted" in told) is (victim == "server" and phase != "keeping the record")


# -- Disks ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def disk():
    """Mounts a small disk at a path, as root can; it goes at the end."""
    mounted = []

    def mount(path, size):
        path.mkdir(exist_ok=True)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip("only root mounts a disk: " + done.stderr.strip())
        mounted.append(path)
        return path

    yield mount
    for path in mounted:
        subprocess.run(["umount", path], check=True)


def test_a_disk_that_is_full_in_the_middle_of_a_backup_fails_it_and_keeps_what_there_was(tmp_path, disk):
    disk(tmp_path / "one", "24m")
    host = a_host(tmp_path)
    before = {snapshot.id for snapshot in host.snapshots()}
    host.write("much", 40_000_000)
    code, said = host.program("backup")
    assert code == 1
    assert "no space left on device" in host.records()[-1]["because"]
    assert {snapshot.id for snapshot in host.snapshots()} == before
    assert host.holds(host.snapshots()[-1]) == ["./", "./first"]
    (host.root / "papers/much").unlink()
    host.write("second", 1_000_000)
    need_good(host, "./first", "./second")


def test_what_is_not_kept_any_more_makes_room_for_the_next_backup(tmp_path, disk, monkeypatch):
    """A backup that finds too little room would fail each night otherwise, and never come to letting anything go."""
    monkeypatch.setenv("LEFT_ALONE", "8000000")
    disk(tmp_path / "one", "24m")
    host = a_host(tmp_path)
    for _night in range(6):
        # None of them is a full one, which frees what was let go.
        host.write("first", 3_000_000)
        code, said = host.program("backup")
        assert code == 0, said
    host.write("first", 9_000_000)
    host.program("backup", "--full")
    code, _said = host.program("backup")
    told = host.records()[-1]["because"]
    assert code == 1
    assert "are needed and 8.0 MB left alone. Give it a larger disk, or lower backup_retention." in told
    assert host.snapshots() != []


def test_a_reader_that_cannot_be_started_leaves_no_lock_that_the_next_one_waits_for(tmp_path, monkeypatch):
    """Its keeper waits for it by then, and has locked the repository."""
    host = a_host(tmp_path)
    for name, value in host.environment.items():
        monkeypatch.setenv(name, value)
    run = backup_host.runs.Run(host.settings, "backup", "20261201T013000Z")
    run.engine = backup_host.Engine(host.settings)
    [target] = run.targets
    target.repository._engine = run.engine
    locks = host.targets["one"] / "restic/locks"

    def source(_pipe):
        deadline = time.monotonic() + 60
        # It is written under another name first, and is no lock then.
        while not [lock for lock in locks.iterdir() if "-tmp-" not in lock.name]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        raise BackupError("The job backup-directory cannot be started.")

    with pytest.raises(BackupError, match="cannot be started"):
        target.repository.keep(Stream(run.stamp, "desk", "archive", "archive.tar"), source, lambda done: None)
    assert list(locks.iterdir()) == []


def test_a_disk_that_is_mounted_read_only_is_told_at_once(tmp_path, disk):
    """And not after the quarter of an hour for which restic goes on trying."""
    disk(tmp_path / "one", "24m")
    host = a_host(tmp_path)
    subprocess.run(["mount", "-o", "remount,ro", tmp_path / "one"], check=True)
    begin = time.monotonic()
    code, said = host.program("backup")
    assert code == 1
    assert host.records()[-1]["because"] == (
        f"Target one: the disk of {tmp_path}/one is mounted read-only. Nothing was saved there. Mount it for writing.")
    assert time.monotonic() - begin < backup_host.PATIENCE_SECONDS
    assert host.holds(host.snapshots()[-1]) == ["./", "./first"]
    subprocess.run(["mount", "-o", "remount,rw", tmp_path / "one"], check=True)
    need_good(host, "./first")


@pytest.mark.parametrize("verb", ["backup", "watch"])
def test_a_host_whose_own_disk_is_full_says_so_in_a_sentence_and_the_watch_tells_people(tmp_path, disk, verb):
    """Although a message that is owed is a file."""
    host = Host(tmp_path)
    disk(tmp_path / "backup", "128k")
    for name in ("pipes", "records"):
        (tmp_path / "backup" / name).mkdir()
    with contextlib.suppress(OSError), open(tmp_path / "backup/full", "wb", buffering=0) as full:
        while True:
            full.write(b"x" * 4096)
    with serving(Mail(login=None)) as mail:
        host.settings.content.update(
            mail={"from": "erp@trucks.co", "to": "ops@trucks.co", "host": "127.0.0.1", "tls": "none", "user": "",
                  "port": mail.server_address[1], "password_file": ""}, schedules=[
                {"verb": "backup", "title": "The nightly backup", "seconds": 60, "unit": "x.service"}])
        (tmp_path / "settings.json").write_text(json.dumps(host.settings.content))
        code, said = host.program(verb)
    sentence = f"Nothing can be written to {tmp_path}/backup: No space left on device. Make room there."
    assert (code, said.splitlines()[-1]) == (1, sentence)
    assert ["No space left on device" in str(text) for text in mail.mails] == ([True] if verb == "watch" else [])


# -- Damage -----------------------------------------------------------------------------------------------------------

FILES = ["data", "index", "snapshots", "keys"]


def check(host):
    """What the check says."""
    code, said = host.program("check")
    assert code in (0, 1), said
    return code, said


@pytest.mark.parametrize("how", ["damaged", "missing"])
@pytest.mark.parametrize("kind", FILES)
def test_a_file_of_the_repository_that_is_damaged_or_missing_is_found_by_its_name(tmp_path, kind, how):
    host = a_host(tmp_path)
    victim = max((path for path in (tmp_path / "one/restic" / kind).rglob("*") if path.is_file()),
                 key=lambda path: path.stat().st_size)
    if kind == "snapshots":
        # That of the run's own record came after its look through the target.
        victim = victim.with_name(host.snapshots()[-1].id)
    content = victim.read_bytes()
    if how == "missing":
        victim.unlink()
    else:
        victim.chmod(0o600)
        victim.write_bytes(content[:40] + bytes([content[40] ^ 1]) + content[41:])
    code, said = check(host)
    assert code == 1
    if kind == "keys":
        assert ("does not open the repository" if how == "missing" else victim.name[:10]) in said
    elif (kind, how) == ("index", "missing"):
        # Its own name stands nowhere: what it told of is there, and nothing tells of it.
        [pack] = {path.name for path in (tmp_path / "one/restic/data").rglob("*") if path.stat().st_size > 1_000_000}
        assert f"Target one: {pack} is too much." in said
    elif kind == "snapshots":
        assert f"{victim.name[:10]}... is damaged." in said or f"the snapshot {victim.name} is missing." in said, said
    else:
        assert f"Target one: {victim.name} is {how}." in said.splitlines(), said
    assert host.records()[-1]["because"]
    victim.write_bytes(content)
    assert check(host) == (0, "")


@pytest.mark.parametrize("kind", ["data", "index", "snapshots"])
def test_a_file_that_nobody_has_put_into_the_repository_is_found_by_its_name(tmp_path, kind):
    host = a_host(tmp_path)
    name = "0" * 64
    extra = tmp_path / "one/restic" / kind / ("00/" if kind == "data" else "") / name
    extra.write_text("somebody else's")
    code, said = check(host)
    assert code == 1
    assert name[:10] in said, said
    extra.unlink()
    assert check(host) == (0, "")


def test_another_key_is_told_and_touches_nothing(tmp_path):
    host = a_host(tmp_path)
    before = {path: path.read_bytes() for path in (tmp_path / "one").rglob("*") if path.is_file()}
    (tmp_path / "secrets/targets/key").write_text("another")
    code, said = host.program("backup")
    assert code == 1
    assert "Target one: trenova_backup_key does not open the repository" in host.records()[-1]["because"]
    assert {path: path.read_bytes() for path in (tmp_path / "one").rglob("*") if path.is_file()} == before
    (tmp_path / "secrets/targets/key").write_text(backup_host.KEY)
    need_good(host, "./first")


# -- The way back -----------------------------------------------------------------------------------------------------


def live(host):
    """What lives: {name: content}."""
    return {path.name: path.read_bytes() for path in (host.root / "papers").iterdir() if path.is_file()}


def copies(host):
    """Names of all files in what restores have replaced, wherever that waits."""
    return {path.name for place in host.root.rglob(".papers.before-*") for path in place.rglob("*") if path.is_file()}


@pytest.mark.parametrize("victim", [pytest.param("command", marks=LONG), "server"])
@pytest.mark.parametrize(("program", "pattern"), [
    ("restic", '*" dump "*"archive.tar"*'), ("tar", '*" --extract "*')], ids=["reading", "writing"])
def test_who_is_killed_while_a_restore_fetches_has_touched_nothing_live(tmp_path, program, pattern, victim):
    host = a_host(tmp_path)
    saved = live(host)
    host.write("first", 100)
    host.write("since", 100)
    before = live(host)
    killing(host, program, pattern, victim, 0.1)
    process = host.start("restore", "--confirm", "erp1")
    if victim == "server":
        power_off(host, process)
    code = process.wait(backup_host.PATIENCE_SECONDS)
    (host.root / "bin" / program).unlink()
    assert code == (-signal.SIGKILL if victim == "server" else 1)
    assert live(host) == before
    code, said = host.program("restore", "--confirm", "erp1")
    assert code == 0, said
    assert live(host) == saved
    assert copies(host) == {"first", "since"}
    need_good(host, "./first")


def test_a_disk_that_is_full_in_the_middle_of_a_restore_has_what_lives_and_no_half_of_the_other(tmp_path, disk):
    host = a_host(tmp_path)
    saved = live(host)
    disk(tmp_path / "papers", "9m")
    host.write("since", 100)
    code, said = host.program("restore", "--confirm", "erp1", "--plan")
    assert code == 0, said
    (tmp_path / "bin/restic").write_text(
        f"#!/bin/sh\ncase \"$*\" in *archive.tar*) head -c 8000000 /dev/zero >{tmp_path}/papers/much ;; esac\n"
        f"exec {backup_host.programs()}/restic \"$@\"\n")
    (tmp_path / "bin/restic").chmod(0o755)
    code, said = host.program("restore", "--confirm", "erp1")
    assert code == 1
    assert host.records()[-1]["because"] == (
        f"desk cannot be written here: the disk of {tmp_path}/papers/.papers.restored is full.")
    assert set(live(host)) == {"since", "much"}
    assert [path.name for path in (tmp_path / "papers").iterdir() if path.is_dir()] == []
    (tmp_path / "bin/restic").unlink()
    code, said = host.program("restore", "--confirm", "erp1")
    assert code == 1
    assert "are needed beside what is there" in said
    assert "Nothing was changed." in said
    (tmp_path / "papers/much").unlink()
    code, said = host.program("restore", "--confirm", "erp1")
    assert code == 0, said
    assert live(host) == saved
    assert copies(host) == {"since"}


# -- Databases --------------------------------------------------------------------------------------------------------

needs_postgres = pytest.mark.skipif(
    not all(map(shutil.which, ("initdb", "pg_ctl", "pg_basebackup", "pg_receivewal"))), reason="PostgreSQL is not here")
#: What each reader of the database is called.
READERS = {"the base": "pg_basebackup", "the log": "pg_receivewal", "a dump": "pg_dump"}
#: After so many seconds it is killed: the log of a test is there at once.
READS_SECONDS = {"the log": 0}


@pytest.fixture
def database():
    """A server of PostgreSQL."""
    made = backup_host.Postgres(max_wal_size="64MB")
    yield made
    made.end()


@LONG
@needs_postgres
def test_a_log_that_nobody_fetches_for_a_day_is_bounded_and_the_next_backup_says_what_is_lost(tmp_path, database):
    """So many writes, and not the hours, are what a day is to a slot."""
    host = Host(tmp_path, database=database.store)
    host.make_repositories()
    code, said = host.program("backup")
    assert code == 0, said
    slot = "SELECT wal_status FROM pg_replication_slots"
    # Two segments.
    database.ask("ALTER SYSTEM SET max_slot_wal_keep_size = '32MB'")
    database.ask("SELECT pg_reload_conf()")
    database.ask("CREATE TABLE much (t text)")
    assert database.ask(slot) == "reserved"
    for _hour in range(12):
        database.ask("INSERT INTO much SELECT repeat(md5(i::text), 8) FROM generate_series(1, 20000) AS i")
        database.ask("TRUNCATE much")
        database.ask("SELECT pg_switch_wal()")
        database.ask("CHECKPOINT")
    assert database.ask(slot) == "lost"
    assert int(database.ask("SELECT sum(size) FROM pg_ls_waldir()")) < (64 + 32 + 16) * 2**20
    database.ask("CREATE TABLE after AS SELECT 7 AS a")
    code, said = host.program("cut")
    assert code == 0, said
    [cut, backup] = host.records()[-2:]
    assert (cut["verb"], cut["state"], backup["verb"], backup["level"], backup["state"]) == (
        "cut", "skipped", "backup", "full", "ok")
    assert "Rows had to drop write-ahead log that was not fetched (max_slot_wal_keep_size)" in said
    assert database.ask(slot) == "reserved"
    bases = [snapshot for snapshot in host.snapshots() if snapshot.part == "base"]
    assert bases[-1].run == backup["stamp"]
    code, said = host.program("check")
    assert code == 0, said


@needs_postgres
def test_a_file_of_the_log_that_nothing_was_written_into_stands_in_nobodys_way(tmp_path, database):
    """Who is killed while a new one gets its size leaves a shorter one, which pg_receivewal would refuse for ever."""
    host = Host(tmp_path, database=database.store)
    host.make_repositories()
    assert host.program("backup")[0] == 0
    folder = pathlib.Path(host.settings.path("wal", "rows"))
    newest = max(name.removesuffix(".partial") for name in os.listdir(folder))
    shorter = folder / f"{int(newest, 16) + 1:024X}.partial"
    shorter.write_bytes(bytes(786432))
    database.ask("CREATE TABLE loads AS SELECT i FROM generate_series(1, 1000) AS i; SELECT pg_switch_wal()")
    code, said = host.program("cut")
    assert (code, host.records()[-1]["state"]) == (0, "ok"), said
    assert not shorter.exists() or shorter.stat().st_size == 2**24


@needs_postgres
@pytest.mark.parametrize("victim", [pytest.param("reader", marks=LONG), "server"])
@pytest.mark.parametrize("reader", [
    reader if reader in SHORT else pytest.param(reader, marks=LONG) for reader in READERS])
def test_who_is_killed_while_the_database_is_read_takes_nothing_with_it(tmp_path, database, reader, victim):
    host = Host(tmp_path, database=database.store)
    host.make_repositories()
    code, said = host.program("backup")
    assert code == 0, said
    database.ask("CREATE TABLE loads AS SELECT i FROM generate_series(1, 1000) AS i")
    before = {snapshot.id for snapshot in host.snapshots() if snapshot.store == "rows"}
    killing(host, READERS[reader], "*", victim, READS_SECONDS.get(reader, 0.1))
    process = host.start("backup", "--full")
    if victim == "server":
        power_off(host, process)
    code = process.wait(backup_host.PATIENCE_SECONDS)
    (host.root / "bin" / READERS[reader]).unlink()
    assert code == (-signal.SIGKILL if victim == "server" else 1)
    if victim == "reader":
        record = host.records()[-1]
        assert record["state"] == "failed"
        assert {store["name"]: store["state"] for store in record["stores"]} == {"desk": "ok", "rows": "failed"}
    # Half a stream is no snapshot, and what there was is there.
    run = host.records()[-1]["stamp"]
    assert before <= {snapshot.id for snapshot in host.snapshots()}
    assert [snapshot.part for snapshot in host.snapshots() if snapshot.run == run
            and snapshot.part == {"the base": "base", "a dump": "dump"}.get(reader)] == []
    code, said = host.program("backup", "--full")
    assert code == 0, said
    window = host.records()[-1]["restorable"]["rows"]
    assert window["from"] <= window["to"]
    code, said = host.program("check")
    assert code == 0, said
    assert os.listdir(host.settings.path("pipes")) == []
