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

PLACE = "/var/backups/trenova"
CONTAINER = "trenova-lab-faults"
UNIT, RESTORE = "trenova-backup", "killed"
#: What a run does, by the command with which it does it, as the server's list of processes has it.
READING = {
    "PostgreSQL": "^pg_basebackup ", "its log": "^pg_receivewal ", "a dump": "^pg_dump ", "Redis": "^redis-cli .*--rdb",
    "objects": "^rclone copy ", "a directory": "^tar --create "}
KEEPING = {
    "writing": "^restic .* backup .*part=base", "letting go": "^restic .* forget ", "freeing": "^restic .* prune "}
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
for i in $(seq 10); do echo paper $i | docker exec -i papers mc pipe --quiet live/papers/$i; done
"""
#: All that the stores hold, as their clients read it.
CONTENTS = """
docker exec tren-db psql -qAt -d trenova_go_db -c "SELECT count(*), sum(hashtextextended(hash, 0)::numeric) FROM loads"
docker exec -e REDISCLI_AUTH=$(cat /opt/trenova/redis/secrets/password) tren-redis redis-cli LRANGE pending 0 -1
for name in $(docker exec papers mc ls --json live/papers | sed 's/.*"key":"\\([^"]*\\)".*/\\1/' | sort); do
    echo "$name $(docker exec papers mc cat live/papers/$name)"
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
        "for i in $(seq 300); do docker exec tren-db pg_isready -q && docker exec papers mc ready live && break; sleep 0.2; done")


def left(host):
    """What a run may leave: containers of jobs, and pipes."""
    return host.check_output("docker ps --all --format '{{.Names}}' | grep trenova-backup- || :; "
                             "ls /var/lib/trenova/backup/pipes").split()


def need_good(host, backups):
    """See to it that the next backup is good, that the target is whole, and that nothing is left."""
    code, status = backups.make()
    assert (code, status["because"]) == (0, "")
    assert {store["state"] for store in status.get("stores", [])} <= {"ok"}
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
    before, contents = {snapshot["id"] for snapshot in backups.snapshots()}, host.check_output(CONTENTS)
    # A mirror copies what is new.
    host.check_output(f"date +%N | docker exec -i papers mc pipe --quiet live/papers/of-{victim}")
    runs = len(backups.records())
    begin(host)
    kill(host, victim, hold(host, pattern))
    assert wait_for_end(host) != "activating"
    host.run(f"pkill -CONT -f {shlex.quote(pattern)}")
    killed = backups.records()[runs:]
    assert [record["state"] for record in killed] == (
        ["interrupted"] if victim in ("program", "Engine") else ["running"] if victim == "server" else ["failed"])
    assert victim == "server" or killed[0]["because"]
    # Nothing that was there before is gone, unless it was let go for something newer.
    assert before & {snapshot["id"] for snapshot in backups.snapshots()} or phase in ("letting go", "freeing")
    need_good(host, backups)
    told = backups.records()[runs]
    assert told["state"] in ("interrupted", "failed")
    assert set(contents.splitlines()) <= set(host.check_output(CONTENTS).splitlines())


RESTORE_PHASES = {
    "fetching": "^restic .* dump ", "recovering": "^postgres .*recover.conf|^postgres -D .*data -c config_file",
    "stopping": "^docker stop ", "writing objects": "^rclone rcd "}
RESTORE_CASES = [(phase, victim) for phase in RESTORE_PHASES for victim in ("program", "Engine", "server")]


@pytest.mark.parametrize(("phase", "victim"), RESTORE_CASES)
def test_who_is_killed_in_whatever_phase_of_a_restore_takes_nothing_with_it(host, backups, phase, victim):
    need_good(host, backups)
    contents = host.check_output(CONTENTS)
    host.check_output(f"systemd-run --quiet --collect --unit={RESTORE} --setenv=DOCKER_HOST=unix:///run/docker.sock "
                      f"{backups.command} restore --confirm faults")
    kill(host, victim, hold(host, RESTORE_PHASES[phase]), RESTORE)
    wait_for_end(host, RESTORE)
    host.run(f"pkill -CONT -f {shlex.quote(RESTORE_PHASES[phase])}")
    if phase in ("stopping", "writing objects"):
        refused = backups.program("cut")
        assert (refused.rc, "has not ended. Nothing is saved before it is repeated" in refused.stderr) == (1, True)
    done = backups.program("restore --confirm faults")
    assert done.rc == 0, done.stdout + done.stderr
    assert host.check_output(CONTENTS) == contents
    assert left(host) == []
