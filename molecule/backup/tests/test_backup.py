# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Backups, made by the timer's own service and read by those who would restore them."""

from __future__ import annotations

import json
import time

import pytest

STATUS = "/var/lib/trenova/backup/status.json"


def make(host):
    """Make a backup as the timer does: (exit code, what the status file says)."""
    code = host.run("systemctl start trenova-backup.service").rc
    return code, json.loads(host.file(STATUS).content_string)


def test_timer_is_set(host):
    assert host.service("trenova-backup.timer").is_enabled
    assert "01:30" in host.check_output("systemctl show trenova-backup.timer --property TimersCalendar")


def test_backup_holds_what_the_stores_hold(server, host, secrets):
    host.check_output(
        "docker exec tren-db psql -q -d trenova_go_db -c 'CREATE TABLE IF NOT EXISTS loads AS SELECT 42 AS a'")
    host.check_output("docker exec -e REDISCLI_AUTH=$(cat /opt/trenova/redis/secrets/password) tren-redis "
                      "redis-cli SET waiting job")
    code, status = make(host)
    assert (code, status["exit_status"]) == (0, 0)
    assert {step["state"] for step in status["steps"]} == {"ok"}
    assert status["bytes"] > 1000
    assert {step["name"]: step["service"] for step in status["steps"]} == {
        "database trenova_go_db": "postgres", "roles": "postgres", "objects": "minio", "redis": "redis",
        "manifest": "backup", "removal of old backups": "backup"}
    place = "/var/backups/trenova/" + status["place"]
    assert host.run(f"cd {place} && sha256sum --check --quiet SHA256SUMS").rc == 0
    listing = host.check_output(f"docker exec -i tren-db pg_restore --list < {place}/trenova_go_db.dump")
    assert "TABLE DATA public loads" in listing
    assert host.check_output(f"head -c 5 {place}/redis.rdb") == "REDIS"
    manifest = json.loads(host.file(place + "/manifest.json").content_string)
    assert [(step["service"], step["file"]) for step in manifest["steps"]] == [
        ("postgres", "trenova_go_db.dump"), ("postgres", "globals.sql"), ("minio", "objects"), ("redis", "redis.rdb")]


def test_backup_cannot_be_read_by_others(host):
    make(host)
    assert host.check_output("stat --format %a /var/backups/trenova") == "700"


def test_where_no_directory_is_declared_nothing_reads_as_root(host):
    jobs = host.check_output("cd /opt/trenova && docker compose --profile jobs config --services").split()
    assert "backup" in jobs
    assert "backup-directories" not in jobs


@pytest.mark.parametrize(("container", "step"), [("tren-redis", "redis"), ("tren-minio", "objects")])
def test_store_that_is_down_fails_the_backup_and_says_so(host, container, step):
    host.check_output(f"docker stop {container}")
    code, status = make(host)
    host.check_output(f"docker start {container}")
    assert code != 0
    assert status["exit_status"] == 1
    assert [entry["name"] for entry in status["steps"] if entry["state"] == "failed"] == [step]
    assert status["place"].endswith(".incomplete")


def test_old_backups_go_and_the_newest_stays(host):
    make(host)
    host.check_output("mkdir /var/backups/trenova/20200101T000000Z && touch -d '-60 days' /var/backups/trenova/2020*")
    time.sleep(1)
    _code, status = make(host)
    kept = host.check_output("ls /var/backups/trenova").split()
    assert "20200101T000000Z" not in kept
    assert status["place"] in kept


def test_schedule_is_changed_without_a_restart_of_anything(server, host):
    with server.change({"backup_schedule": "*-*-* 04:15:00"}, shows=["+OnCalendar=*-*-* 04:15:00"]):
        assert "04:15" in host.check_output("systemctl show trenova-backup.timer --property TimersCalendar")


def test_copy_to_a_bucket(server, host, secrets):
    """The bucket is one of our own MinIO here; for the role it is somebody else's."""
    settings = {
        "backup_target": "s3", "backup_s3_endpoint": "http://tren-minio:9000", "backup_s3_bucket": "away",
        "backup_s3_access_key": "trenova", "trenova_backup_s3_secret_key": secrets["trenova_minio_password"]}
    rclone = (
        "docker run --rm --network trenova_data -v /opt/trenova/backup/secrets:/s:ro "
        "172.30.60.2:5000/trenova/backup:1 rclone --config /s/rclone.conf")
    refused = server.run(variables=settings, expect=2)
    assert "The bucket away cannot be read" in refused.output
    assert server.run("--check").changed == 0, "the files were put back"
    host.check_output(f"{rclone} mkdir objects:away")
    with server.change(settings):
        code, status = make(host)
        assert code == 0, status
        assert "trenova_go_db.dump" in host.check_output(f"{rclone} lsf away:away/{status['place']}")


def test_disabled_backups_go_and_what_was_saved_stays(server, host):
    make(host)
    server.run(variables={"backup_enabled": False})
    assert not host.file("/etc/systemd/system/trenova-backup.timer").exists
    assert host.check_output("ls /var/backups/trenova") != ""
    server.run()
    assert host.service("trenova-backup.timer").is_enabled
