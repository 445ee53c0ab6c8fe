# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Reports from the field: nights on which a backup cannot be made, and what is heard of them."""

from __future__ import annotations

import http.client
import json
import time

import pytest

STATUS = "/var/lib/trenova/backup/status.json"
BACKUPS = "/var/backups/trenova"
MAIL = {"backup_mail_to": "operator@trucks.test", "backup_smtp_host": "172.30.60.3", "backup_smtp_port": 1025,
        "backup_smtp_tls": "none"}
REGISTRY = "172.30.60.2"


def mail(method, path):
    """Answer of the mail sink."""
    connection = http.client.HTTPConnection("172.30.60.3", 8025, timeout=10)
    connection.request(method, "/api/v1/" + path)
    answer = connection.getresponse().read()
    return json.loads(answer) if method == "GET" else None


def mailed():
    """Text of the mail that comes."""
    for _attempt in range(40):
        if mail("GET", "messages")["total"]:
            return mail("GET", "message/latest")["Text"]
        time.sleep(0.5)
    return ""


@pytest.fixture(scope="module")
def mailing(server, first_run):
    """A server that mails."""
    server.run(variables=MAIL)
    mail("DELETE", "messages")
    return server


def status(host):
    """What the status file says."""
    return json.loads(host.file(STATUS).content_string)


def test_report_15_docker_is_restarted_while_a_backup_runs(mailing, host):
    """As a package upgrade does it: stopped, and started again."""
    host.check_output("docker pause tren-minio && systemctl start --no-block trenova-backup")
    for _attempt in range(100):
        if "backup-run" in host.check_output("docker ps --format '{{.Names}}'"):
            break
        time.sleep(0.1)
    time.sleep(1)
    host.check_output("systemctl stop docker.service docker.socket && systemctl start docker.service")
    for _attempt in range(100):
        if host.check_output("systemctl show trenova-backup --property ActiveState --value") == "failed":
            break
        time.sleep(0.2)
    host.check_output("docker unpause tren-minio")
    assert status(host)["exit_status"] != 0
    assert host.check_output("docker ps --all --format '{{.Names}}' | grep -c backup-run || true") == "0"
    assert host.check_output(f"find {BACKUPS} -name '*.incomplete'") == ""
    assert "interrupted" in mailed()


def test_report_07_an_image_that_is_gone_where_there_is_no_registry(mailing, host):
    """The mail leaves all the same; the run says what to load, and fetches it when it can be had."""
    mail("DELETE", "messages")
    host.check_output(
        f"docker image rm --force $(docker image ls --quiet '*/trenova/backup') && ip route add blackhole {REGISTRY}")
    try:
        assert host.run("systemctl start trenova-backup").rc != 0
        assert "its image is missing" in status(host)["because"]
        assert "its image is missing" in mailed()
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
    assert host.run("systemctl start trenova-backup").rc == 0


def test_report_32_a_disk_that_is_not_mounted(server, host):
    """It had been mounted when the server was deployed; below the mount point the owner is right."""
    host.check_output(f"mount -t tmpfs -o size=2g,mode=0700,uid=10002,gid=10002 tmpfs {BACKUPS}")
    try:
        server.run()
        assert host.run("systemctl start trenova-backup").rc == 0
    finally:
        host.check_output(f"umount {BACKUPS}")
    before = host.check_output(f"ls {BACKUPS}")
    assert host.run("systemctl start trenova-backup").rc != 0
    assert status(host)["because"] == (
        f"The disk of the backups is not mounted on {BACKUPS}. Nothing was saved. Mount it.")
    assert host.check_output(f"ls {BACKUPS}") == before
    refused = server.run(expect=2)
    assert f"The disk with {BACKUPS} (Backups) is not mounted: it was mounted on {BACKUPS}." in refused.output
    server.run(variables={"trenova_accept_moved_data": True})
    assert host.run("systemctl start trenova-backup").rc == 0
