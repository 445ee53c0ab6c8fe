# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Reports from the field: nights on which a backup cannot be made, and what is heard of them."""

from __future__ import annotations

import time

import pytest
from backups import Backups
from conftest import LONG
from mails import mail, mailed

PLACE = "/var/backups/trenova"
MAIL = {"backup_mail_to": "operator@trucks.test", "backup_smtp_host": "172.30.60.3", "backup_smtp_port": 1025,
        "backup_smtp_tls": "none"}
REGISTRY = "172.30.60.2"


@pytest.fixture(scope="module")
def mailing(server, first_run):
    """A server that mails."""
    server.run(variables=MAIL)
    mail("DELETE", "messages")
    yield server
    server.run()


@pytest.fixture
def backups(host, mailing):
    """The backups of a server of which the last one is good, so that nothing is left to tell."""
    made = Backups(host)
    code, status = made.make()
    assert (code, status["because"]) == (0, "")
    host.check_output("while systemctl is-active --quiet trenova-backup-failed; do sleep 0.2; done")
    mail("DELETE", "messages")
    return made


def wait_for(host, command, word, seconds):
    """Wait until a command says a word; what it said last."""
    deadline = time.monotonic() + seconds
    while word not in (said := host.check_output(command)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return said


def leftovers(host):
    """Containers of jobs of backups, and pipes between them."""
    names = "docker ps --all --format '{{.Names}}' | grep trenova-backup- || true"
    return host.check_output(f"{names}; ls /var/lib/trenova/backup/pipes").split()


UNIT_STATE = "systemctl show trenova-backup --property ActiveState --value"


def stuck(host):
    """Start the backup as the timer does, and have it wait for objects that do not come."""
    host.check_output("docker pause tren-minio && systemctl start --no-block trenova-backup")
    assert "backup-objects" in wait_for(host, "docker ps --format '{{.Names}}'", "backup-objects", 120)
    time.sleep(1)


def test_report_15_docker_is_restarted_while_a_backup_runs(backups, host):
    """As a package upgrade does it: stopped, and started again. The next night is a good one, which is told."""
    stuck(host)
    try:
        host.check_output("systemctl stop docker.service docker.socket && systemctl start docker.service")
        assert wait_for(host, UNIT_STATE, "failed", 120) == "failed"
    finally:
        host.check_output("docker unpause tren-minio")
    status = backups.status()
    assert (status["exit_status"], status["state"]) == (1, "interrupted")
    assert status["because"] == "It was interrupted: the Docker Engine was stopped or restarted."
    assert leftovers(host) == []
    assert "interrupted" in mailed("failed on backup")
    code, status = backups.make()
    assert (code, status["because"], status["state"]) == (0, "", "ok")
    assert "after trouble since" in mailed("good again on backup")
    checked = backups.program("check")
    assert checked.rc == 0, checked.stderr


@LONG
def test_report_15_an_engine_that_is_stopped_while_a_backup_runs_stays_stopped(backups, host):
    """No command of the backup starts it, although its socket would."""
    stuck(host)
    try:
        # The socket stays, as it does where only the service is stopped.
        host.check_output("systemctl stop docker.service")
        wait_for(host, UNIT_STATE, "failed", 420)
        states = host.run(f"{UNIT_STATE}; systemctl is-active docker.service").stdout.split()
    finally:
        host.check_output("systemctl start docker.service docker.socket && docker unpause tren-minio")
    assert states == ["failed", "inactive"]
    assert backups.status()["because"] == "It was interrupted: the Docker Engine was stopped or restarted."
    assert backups.make()[0] == 0
    assert leftovers(host) == []


@LONG
def test_report_15_a_backup_that_is_stopped_says_so_and_leaves_nothing(backups, host):
    """By whoever stops its unit."""
    stuck(host)
    try:
        host.run("systemctl stop trenova-backup")
    finally:
        host.check_output("docker unpause tren-minio")
    status = backups.status()
    assert (status["exit_status"], status["state"]) == (1, "interrupted")
    assert status["because"] == "It was interrupted: the unit was stopped, or the server was."
    assert leftovers(host) == []
    assert "interrupted" in mailed("failed on backup")


@LONG
def test_report_15_a_second_backup_gives_way_and_touches_nothing_of_the_first(backups, host):
    """Whoever starts it; what the first one waits for is still there."""
    stuck(host)
    there = leftovers(host)
    try:
        second = backups.program("backup")
        host.run(f"SERVICE_RESULT=exit-code {backups.command} end")
        assert (second.rc, "Another backup is at work" in second.stderr) == (1, True)
        assert there != []
        assert set(there) <= set(leftovers(host))
    finally:
        host.check_output("docker unpause tren-minio")
    assert wait_for(host, UNIT_STATE, "inactive", 300) == "inactive"
    assert backups.status()["state"] == "ok"


def test_report_07_an_image_that_is_gone_where_there_is_no_registry(mailing, backups, host):
    """The mail leaves all the same; the run says what to load, and fetches it when it can be had."""
    host.check_output(
        f"docker image rm --force $(docker image ls --quiet '*/trenova/backup') && ip route add blackhole {REGISTRY}")
    try:
        code, status = backups.make()
        assert code != 0
        assert "its image is missing" in status["because"]
        assert "its image is missing" in mailed("failed on backup")
        refused = mailing.run(variables=MAIL, expect=2)
        assert "trenova/backup" in refused.output or f"{REGISTRY}:5000 cannot be reached" in refused.output
        assert "load an archive" in refused.output
    finally:
        host.check_output(f"ip route del blackhole {REGISTRY}; systemctl disable --now trenova-backup.timer")
    run = mailing.run(variables=MAIL)
    assert "pulled" in run.output
    assert "put right: trenova-backup.timer was disabled" in run.output
    assert host.service("trenova-backup.timer").is_enabled
    assert host.service("trenova-backup.timer").is_running
    assert backups.make()[0] == 0


def test_report_32_a_disk_that_is_not_mounted(mailing, backups, host):
    """It had been mounted when the server was deployed; below the mount point the owner is right."""
    host.check_output(f"mount -t tmpfs -o size=2g,mode=0700,uid=10002,gid=10002 tmpfs {PLACE}")
    try:
        # A new disk: the run makes a repository on it.
        mailing.run(variables=MAIL)
        code, status = backups.make()
        assert (code, status["because"]) == (0, "")
    finally:
        host.check_output(f"umount {PLACE}")
    files = f"find {PLACE} -type f | sort | xargs sha256sum | sha256sum"
    before = host.check_output(files)
    code, status = backups.make()
    assert code != 0
    assert status["because"] == (
        f"The disk of the backups is not mounted on {PLACE}. Nothing was saved there. Mount it.")
    assert f"is not mounted on {PLACE}" in mailed("failed on backup")
    assert host.check_output(files) == before
    refused = mailing.run(variables=MAIL, expect=2)
    assert f"The disk with {PLACE} (Backups) is not mounted: it was mounted on {PLACE}." in refused.output
    mailing.run(variables=dict(MAIL, trenova_accept_moved_data=True))
    assert backups.make()[0] == 0
