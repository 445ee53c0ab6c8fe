# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Faults of programs, disks and targets, with the real restic: each has a clear state, and nothing is lost by it.

With PostgreSQL, the Engine and whole servers: molecule/faults.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

import backup_host
import pytest
from backup_host import Host

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
#: What a run of everything does with its targets, by restic's command that does it.
PHASES = {
    "looking": '*" snapshots "*', "writing": '*" backup "*"store=desk"*', "copying": '*" copy "*',
    "letting go": '*" forget "*', "freeing": '*" prune "*', "keeping the record": '*" backup "*"store=records"*'}


def killing(host, program, pattern, victim, seconds):
    """Have a program, or the server with all that runs on it, be killed while it does something."""
    wrapper = host.root / "bin" / program
    wrapper.write_text(KILLER.format(
        root=host.root, program=f"{backup_host.programs()}/{program}", pattern=pattern, victim=victim, seconds=seconds))
    wrapper.chmod(0o755)


def power_off(host):
    """What a server without power leaves: nothing that runs."""
    deadline = time.monotonic() + 60
    while not (host.root / "off").exists():
        assert time.monotonic() < deadline, (host.root / "said").read_text()
        time.sleep(0.02)
    mine = f"RCLONE_CONFIG={host.root}/rclone.conf".encode()
    for process in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if mine in backup_host.pathlib.Path(f"/proc/{process}/environ").read_bytes():
                os.kill(int(process), signal.SIGKILL)


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


@pytest.mark.parametrize("victim", ["restic", "server"])
@pytest.mark.parametrize("phase", PHASES)
def test_who_is_killed_in_whatever_phase_of_a_backup_takes_nothing_with_it(tmp_path, phase, victim):
    host = a_host(tmp_path, *(["one", "two"] if phase == "copying" else ["one"]))
    host.write("second", 3_000_000)
    tar = host.root / "bin/tar"
    tar.write_text(SLOW_TAR.format(root=host.root))
    tar.chmod(0o755)
    killing(host, "restic", PHASES[phase], victim, 0.8 if phase == "writing" else 0.1)
    process = host.start("backup", "--full")
    if victim == "server":
        power_off(host)
    code = process.wait(60)
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
