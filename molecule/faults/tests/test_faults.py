# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Faults in the middle of backups and restores, with real stores, the Engine and a whole server.

Each has a clear state, the next run is good, and nothing is lost. The same with restic alone, in seconds:
tests/unit/test_backup_faults.py.
"""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import time

import pytest
from backups import Backups
from conftest import ROOT

PLACE = "/var/backups/trenova"
CONTAINER = "trenova-lab-faults"
UNIT, RESTORE = "trenova-backup", "killed"
#: What a run does, by the command with which it does it, as the server's list of processes has it.
READING = {
    "PostgreSQL": "^[^ ]*pg_basebackup ", "its log": "^[^ ]*pg_receivewal ", "a dump": "^[^ ]*pg_dump ",
    "Redis": "^redis-cli .*--rdb", "objects": "^rclone copy ", "a directory": "^tar --create "}
KEEPING = {
    "writing": "^restic .* backup .*part=base", "letting go": "^restic .* forget ", "freeing": "^restic .* prune "}
#: What each run of everything has a step for.
STORES = {"installation", "postgres", "redis", "objects", "caddy-data"}
#: Stops a process that does something as soon as it is there, so that whoever is killed is killed in the middle.
HOLD = """
for i in $(seq 6000); do
    for found in $(pgrep -f {pattern}); do
        [ "$found" != "$$" ] && kill -STOP "$found" && echo "$found" && exit 0
    done
    sleep 0.01
done
exit 1
"""
#: Data enough for a base backup to take its time.
FILL = """
docker exec tren-db psql -qAt -d trenova_go_db -c "CREATE TABLE IF NOT EXISTS loads (id int PRIMARY KEY, hash text)" \
    -c "INSERT INTO loads SELECT i, repeat(md5(i::text), 8) FROM generate_series(1, 100000) AS i ON CONFLICT DO NOTHING"
docker exec -e REDISCLI_AUTH=$(cat /opt/trenova/redis/secrets/password) tren-redis redis-cli RPUSH pending 1 2 3
docker rm --force papers 2>/dev/null
docker run --detach --name papers --restart always --network trenova_data \
    -e MC_HOST_live=http://trenova:{minio}@tren-minio:9000 \
    --entrypoint sleep 172.30.60.2:5000/trenova/backup:1 infinity
docker exec papers mc mb --quiet --ignore-existing live/papers
head -c 30000000 /dev/urandom >/var/lib/trenova/caddy/data/large
for i in $(seq 10); do echo paper $i | docker exec -i papers mc pipe --quiet live/papers/$i; done
"""
#: All that the stores hold, as their clients read it.
CONTENTS = """
docker exec tren-db psql -qAt -d trenova_go_db -c "SELECT count(*), sum(hashtextextended(hash, 0)::numeric) FROM loads"
docker exec -e REDISCLI_AUTH=$(cat /opt/trenova/redis/secrets/password) tren-redis redis-cli LRANGE pending 0 -1
for name in $(docker exec papers mc ls --json live/papers | sed 's/.*"key":"\\([^"]*\\)".*/\\1/' | sort); do
    echo "$name $(docker exec papers mc cat live/papers/$name | sha256sum)"
done
"""


@pytest.fixture(scope="module")
def host(server):
    """A server with stores that hold something."""
    server.run()
    minio = server.shell.file("/opt/trenova/minio/secrets/password").content_string.strip()
    server.shell.check_output(FILL.format(minio=minio))
    return server.shell


@pytest.fixture(scope="module")
def backups(host):
    """Its backups, of which there is a good one."""
    made = Backups(host)
    done = made.program("backup --full")
    assert done.rc == 0, done.stdout + done.stderr
    return made


def sql(host, statement):
    return host.check_output(f"docker exec tren-db psql -qAt -d trenova_go_db -c {shlex.quote(statement)}")


def hold(host, pattern):
    """Wait for a command of a run and stop it; its number."""
    done = host.run(HOLD.format(pattern=shlex.quote(pattern)))
    assert done.rc == 0, f"nothing did {pattern}: " + host.run(f"journalctl -n 30 --no-pager -u {UNIT}").stdout
    return done.stdout.strip()


def begin(host, full=True):
    """Start a backup as the timer does."""
    host.check_output(f"touch /var/lib/trenova/backup/full; systemctl reset-failed {UNIT} || :"
                      if full else f"systemctl reset-failed {UNIT} || :")
    host.check_output(f"systemctl start --no-block {UNIT}")


def wait_for_end(host, unit=UNIT, seconds=420):
    """Wait until a unit has ended; how."""
    deadline = time.monotonic() + seconds
    while (state := host.run(f"systemctl is-active {unit}").stdout.strip()) in ("activating", "active", "deactivating"):
        assert time.monotonic() < deadline, host.run(f"journalctl -n 30 --no-pager -u {unit}").stdout
        time.sleep(0.5)
    return state


def kill(host, victim, held, unit=UNIT):
    """Kill somebody while a process is held."""
    if victim == "container":
        # As the kernel does when memory is short: all of it, by the number of its first process.
        host.check_output(
            f"kill -KILL $(docker inspect --format '{{{{.State.Pid}}}}' $(grep -o '[0-9a-f]\\{{64\\}}' "
            f"/proc/{held}/cgroup | head -n 1))")
    elif victim == "command":
        host.check_output(f"kill -KILL {held}")
    elif victim == "program":
        host.check_output(f"systemctl kill --signal=KILL {unit}")
    elif victim == "Engine":
        host.check_output("systemctl stop docker.service docker.socket && systemctl start docker.service")
    else:
        kill_server(host)


def kill_server(host):
    """The server loses its power, and gets it again."""
    for verb in ("kill", "start"):
        subprocess.run(["docker", verb, CONTAINER], check=True, capture_output=True)
    for _attempt in range(120):
        with contextlib.suppress(RuntimeError):  # what testinfra says of a server that does not answer
            if host.run("systemctl is-active docker").stdout.strip() == "active":
                break
        time.sleep(0.5)
    host.check_output(
        "for i in $(seq 300); do docker exec tren-db pg_isready -q && docker exec papers mc ready live && break; "
        "sleep 0.2; done")


def left(host):
    """What a run may leave: containers of jobs, and pipes."""
    return host.check_output("docker ps --all --format '{{.Names}}' | grep trenova-backup- || :; "
                             "ls /var/lib/trenova/backup/pipes").split()


def lost(before, after):
    """Snapshots of before that are gone, and in whose place there is nothing newer of the same."""
    def series(snapshot):
        return snapshot["store"], snapshot["part"], snapshot["file"]
    return [old for old in before if not any(
        new["id"] == old["id"] or series(new) == series(old) and new["run"] > old["run"] for new in after)]


def need_good(host, backups):
    """See to it that the next backup is good, that the target is whole, and that nothing is left."""
    code, status = backups.make()
    assert (code, status["because"]) == (0, "")
    assert {step["service"] for step in status["steps"]} >= STORES
    assert {each["state"] for each in [*status["steps"], *status["targets"]]} == {"ok"}
    checked = backups.program("check")
    assert checked.rc == 0, checked.stderr
    assert left(host) == []


BACKUP_CASES = [
    *[(phase, pattern, "container") for phase, pattern in READING.items()],
    *[(phase, pattern, "command") for phase, pattern in KEEPING.items()],
    *[(phase, {**READING, **KEEPING}[phase], victim) for victim, phase in (
        ("program", "its log"), ("program", "objects"), ("program", "letting go"), ("Engine", "PostgreSQL"),
        ("Engine", "freeing"), ("server", "PostgreSQL"), ("server", "writing"), ("server", "letting go"))]]


@pytest.mark.parametrize(
    ("phase", "pattern", "victim"), BACKUP_CASES, ids=[f"{phase}-{victim}" for phase, _pattern, victim in BACKUP_CASES])
def test_who_is_killed_in_whatever_phase_of_a_backup_takes_nothing_with_it(host, backups, phase, pattern, victim):
    # A mirror copies what is new.
    host.check_output(f"date +%N | docker exec -i papers mc pipe --quiet live/papers/of-{victim}")
    before, contents = backups.snapshots(), host.check_output(CONTENTS)
    runs = len(backups.records())
    begin(host)
    kill(host, victim, hold(host, pattern))
    # After a start nobody knows of the unit.
    assert wait_for_end(host) == ("inactive" if victim == "server" else "failed")
    host.run(f"pkill -CONT -f {shlex.quote(pattern)}")
    killed = backups.records()[runs:]
    assert [record["state"] for record in killed] == (
        ["interrupted"] if victim in ("program", "Engine") else ["running"] if victim == "server" else ["failed"])
    assert victim == "server" or killed[0]["because"]
    after = backups.snapshots()
    assert lost(before, after) == []
    if phase not in ("letting go", "freeing") and (phase == "writing" or victim not in ("container", "command")):
        # Where one store cannot be read, the rest is saved, and what that is newer than is let go.
        assert {snapshot["id"] for snapshot in before} <= {snapshot["id"] for snapshot in after}
    need_good(host, backups)
    told = backups.records()[runs]
    assert told["state"] in ("interrupted", "failed")
    assert set(contents.splitlines()) <= set(host.check_output(CONTENTS).splitlines())


RESTORE_PHASES = {
    "fetching": "^restic .* dump ", "recovering": "^[^ ]*postgres -D data .*recover[.]conf",
    "stopping": "^docker stop ", "writing objects": "^rclone rcd "}
RESTORE_CASES = [(phase, victim) for phase in RESTORE_PHASES for victim in ("program", "Engine", "server")]
# What stops containers is no container.
RESTORE_CASES += [(phase, "command" if phase == "stopping" else "container") for phase in RESTORE_PHASES]


@pytest.mark.parametrize(("phase", "victim"), RESTORE_CASES)
def test_who_is_killed_in_whatever_phase_of_a_restore_takes_nothing_with_it(host, backups, phase, victim):
    need_good(host, backups)
    contents = host.check_output(CONTENTS)
    host.check_output(f"systemd-run --quiet --collect --unit={RESTORE} --setenv=DOCKER_HOST=unix:///run/docker.sock "
                      f"{backups.command} restore --confirm faults")
    kill(host, victim, hold(host, RESTORE_PHASES[phase]), RESTORE)
    # What was held and lives on does so: a command of Docker's, for instance, that waits for an Engine which was there.
    host.run(f"pkill -CONT -f {shlex.quote(RESTORE_PHASES[phase])}")
    wait_for_end(host, RESTORE)
    if phase in ("stopping", "writing objects"):
        refused = backups.program("cut")
        assert (refused.rc, "has not ended. Nothing is saved before it is repeated" in refused.stderr) == (1, True)
    done = backups.program("restore --confirm faults")
    assert done.rc == 0, done.stdout + done.stderr
    assert host.check_output(CONTENTS) == contents
    assert left(host) == []


# -- Targets ----------------------------------------------------------------------------------------------------------

#: Hands on what comes for the SSH server, so many bytes a second, or refuses.
THROTTLE = """
import asyncio, sys
RATE = int(sys.argv[1])
async def hand_on(reader, writer):
    while data := await reader.read(max(1, RATE // 10)):
        await asyncio.sleep(len(data) / RATE)
        writer.write(data)
        await writer.drain()
    writer.close()
async def connect(reader, writer):
    inside, outside = await asyncio.open_connection("127.0.0.1", 22)
    await asyncio.gather(hand_on(reader, outside), hand_on(inside, writer), return_exceptions=True)
async def main():
    async with await asyncio.start_server(connect, "0.0.0.0", 2222) as server:
        await server.serve_forever()
asyncio.run(main())
"""
DISK = "/mnt/backups"


def throttle(host, rate):
    """Have the way to the second target be so many bytes a second wide; none at all where it is 0."""
    host.run("systemctl stop throttle")
    if rate:
        host.check_output(f"printf %s {shlex.quote(THROTTLE)} >/root/throttle.py; systemd-run --quiet --collect "
                          f"--unit=throttle python3 /root/throttle.py {rate}; sleep 0.5")


@pytest.fixture(scope="module")
def targets(server, host, backups):
    """A disk of its own and an SFTP server behind a way that can be slow."""
    host.check_output(
        f"mountpoint -q {DISK} || (mkdir -p {DISK} && mount -t tmpfs -o size=1600m,mode=0700 tmpfs {DISK}); "
        "[ -f /root/box ] || ssh-keygen -q -t ed25519 -N '' -f /root/box; mkdir -p /srv/box; "
        "cat /root/box.pub >>/root/.ssh/authorized_keys")
    throttle(host, 50_000_000)
    keys = host.check_output("cut -d ' ' -f 1,2 /etc/ssh/ssh_host_*_key.pub").splitlines()
    variables = {
        "backup_targets": [
            {"name": "local", "directory": DISK},
            {"name": "box", "sftp": {
                "host": server.address, "port": 2222, "user": "root", "host_key": keys, "path": "/srv/box"}}],
        "trenova_backup_sftp_key": host.file("/root/box").content_string}
    server.run(variables=variables)
    code, status = backups.make()
    assert (code, status["because"]) == (0, "")
    yield variables
    host.run("systemctl stop throttle")
    server.run(variables={"trenova_accept_moved_data": True})
    host.check_output(f"umount {DISK}")


def ids(backups, target):
    return {snapshot["id"] for snapshot in backups.snapshots(target)}


#: What befalls which target: (what is done, what undoes it, what the record says).
TROUBLE = {
    "unreachable": ("box", "systemctl stop throttle", None, "connect"),
    "wrong credentials": (
        "box", "sed -i.kept \"\\|$(cut -d ' ' -f 2 /root/box.pub)|d\" /root/.ssh/authorized_keys",
        "mv /root/.ssh/authorized_keys.kept /root/.ssh/authorized_keys", "unable to authenticate"),
    "read-only": ("local", f"mount -o remount,ro {DISK}", f"mount -o remount,rw {DISK}", "is mounted read-only"),
    "full": ("local", f"fallocate -l $(($(df --output=avail -B1 {DISK} | tail -n 1) - 20000000)) {DISK}/full",
             f"rm {DISK}/full", "left alone. Give it a larger disk, or lower backup_retention."),
    "not mounted": ("local", f"mount --move {DISK} /mnt/elsewhere", f"mount --move /mnt/elsewhere {DISK}",
                    "is not mounted on"),
}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_a_target_in_trouble_is_told_by_name_and_catches_up_and_the_other_has_all(host, backups, targets, trouble):
    victim, damage, mend, words = TROUBLE[trouble]
    other = {"local": "box", "box": "local"}[victim]
    host.check_output("mkdir -p /mnt/elsewhere; mount --make-private /mnt 2>/dev/null; mount --make-rprivate / || :")
    before = ids(backups, other)
    host.check_output(damage)
    try:
        began = time.monotonic()
        code, status = backups.make()
        seconds = time.monotonic() - began
    finally:
        throttle(host, 50_000_000) if mend is None else host.check_output(mend)
    assert code == 1
    assert {target["name"]: target["state"] for target in status["targets"]} == {victim: "failed", other: "ok"}
    assert words in status["because"], status["because"]
    assert ids(backups, other) - before
    # restic would try for a quarter of an hour.
    assert seconds < 420
    code, status = backups.make()
    assert (code, status["because"]) == (0, "")
    runs = [{snapshot["run"] for snapshot in backups.snapshots(name)} for name in (victim, other)]
    assert runs[0] == runs[1]


def test_a_slow_target_costs_time_and_nothing_else(host, backups, targets):
    throttle(host, 400_000)
    host.check_output("head -c 3000000 /dev/urandom | docker exec -i papers mc pipe --quiet live/papers/large")
    began = time.monotonic()
    code, status = backups.make()
    assert (code, status["because"]) == (0, "")
    assert time.monotonic() - began > 7
    throttle(host, 50_000_000)
    assert backups.program("check").rc == 0


# -- The log ----------------------------------------------------------------------------------------------------------


def test_a_log_that_nobody_fetches_for_a_day_is_bounded_and_told_of_and_then_begins_anew(host, backups):
    """The slot holds what the plan allows, and the database goes on; a day is as much log as that takes."""
    sql(host, "ALTER SYSTEM SET max_slot_wal_keep_size = '48MB'")
    sql(host, "SELECT pg_reload_conf()")
    try:
        assert sql(host, "SELECT wal_status FROM pg_replication_slots WHERE slot_name LIKE 'trenova%'") == "reserved"
        for _hour in range(24):
            sql(host, "CREATE TABLE IF NOT EXISTS busy (t text); INSERT INTO busy SELECT repeat(md5(i::text), 8) FROM "
                      "generate_series(1, 30000) AS i; TRUNCATE busy; SELECT pg_switch_wal(); CHECKPOINT")
        held = int(sql(host, "SELECT sum(size) FROM pg_ls_waldir()"))
        setting = int(sql(host, "SELECT setting::bigint * 1024 * 1024 FROM pg_settings WHERE name = 'max_wal_size'"))
        assert held < setting + 48 * 2**20 + 16 * 2**20
        assert sql(host, "SELECT wal_status FROM pg_replication_slots WHERE slot_name LIKE 'trenova%'") == "lost"
        done = backups.program("cut")
        assert done.rc == 0, done.stdout + done.stderr
        warned = [record for record in backups.records() if any(
            "had to drop write-ahead log that was not fetched" in text for text in record.get("warnings") or [])]
        assert warned
        assert (backups.records()[-1]["verb"], backups.records()[-1]["level"]) == ("backup", "full")
        assert sql(host, "SELECT wal_status FROM pg_replication_slots WHERE slot_name LIKE 'trenova%'") == "reserved"
    finally:
        sql(host, "ALTER SYSTEM RESET max_slot_wal_keep_size")
        sql(host, "SELECT pg_reload_conf()")
    need_good(host, backups)


# -- An earlier version -----------------------------------------------------------------------------------------------

#: What it wrote, by its own commands.
EARLIER = """
set -e
night={place}/20261101T013000Z
rm -rf $night
mkdir -p $night {place}/objects/current/old
docker exec tren-db pg_dump --format=custom --compress=zstd:3 trenova_go_db >$night/trenova_go_db.dump
docker exec -e REDISCLI_AUTH=$(cat /opt/trenova/redis/secrets/password) tren-redis \
    sh -c 'redis-cli --rdb /tmp/redis.rdb >/dev/null && cat /tmp/redis.rdb' >$night/redis.rdb
echo letter >{place}/objects/current/old/letter
echo '{{"started": "2026-11-01T01:30:00Z", "steps": []}}' >$night/manifest.json
cd $night && sha256sum ./* >/tmp/sums && mv /tmp/sums SHA256SUMS
chown -R 10002:10002 {place}
"""


def test_a_backup_of_an_earlier_version_is_told_of_and_comes_back_as_the_guide_says(host, backups):
    host.check_output(EARLIER.format(place=PLACE))
    expected = host.check_output(CONTENTS)
    told = " ".join(host.check_output(f"{backups.command} list").split())
    assert f"{PLACE} holds 1 backup of an earlier version of this collection, too: 20261101T013000Z." in told
    sql(host, "DROP TABLE loads")
    host.check_output("docker exec -e REDISCLI_AUTH=$(cat /opt/trenova/redis/secrets/password) tren-redis "
                      "redis-cli FLUSHALL")
    guide = (ROOT / "docs/recovery.md").read_text().partition("## A backup of an earlier version")[2]
    commands = guide.partition("## What cannot")[0].split("```")[1::2]
    assert len(commands) == 4
    for command in commands:
        done = host.run("set -e\n" + command.replace("<stamp>", "20261101T013000Z"))
        assert done.rc == 0, command + done.stdout + done.stderr
    host.check_output(
        "for i in $(seq 100); do docker exec tren-redis redis-cli PING | grep -q -e PONG -e NOAUTH && break; "
        "sleep 0.2; done")
    assert host.check_output(CONTENTS) == expected
    assert host.check_output("docker exec papers mc cat live/old/letter") == "letter"
    need_good(host, backups)
