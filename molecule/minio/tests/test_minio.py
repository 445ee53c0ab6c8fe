# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""MinIO as its clients see it."""

from __future__ import annotations

IMAGE = "trenova/backup:1"


def rclone(server, command, password):
    """Output of a command that knows our MinIO as `store:`."""
    settings = {
        "TYPE": "s3", "PROVIDER": "Minio", "ENDPOINT": "http://tren-minio:9000", "ACCESS_KEY_ID": "trenova",
        "SECRET_ACCESS_KEY": password}
    options = " ".join(f"-e RCLONE_CONFIG_STORE_{name}={value}" for name, value in settings.items())
    return server.client(IMAGE, command, options=options + " -e RCLONE_RETRIES=1")


def status(server, path):
    """Status that an anonymous request gets."""
    return server.client(IMAGE, f"curl -s -o /dev/null -w '%{{http_code}}' http://tren-minio:9000{path}")


def test_object_is_put_and_got(server, host, secrets):
    password = secrets["trenova_minio_password"]
    command = "rclone mkdir store:papers && echo waybill | rclone rcat store:papers/one && rclone cat store:papers/one"
    assert rclone(server, command, password) == "waybill"


def test_wrong_and_default_passwords_are_refused(server, host):
    assert rclone(server, "rclone lsd store:", "minioadmin").startswith("failed:")


def test_strangers_see_nothing(server, host, secrets):
    command = "rclone mkdir store:private && echo x | rclone rcat store:private/x"
    assert rclone(server, command, secrets["trenova_minio_password"]) == ""
    assert status(server, "/private/x") == "403"
    assert status(server, "/minio/health/live") == "200"


def test_change_restarts_minio_alone_and_keeps_the_objects(server, host, secrets):
    password = secrets["trenova_minio_password"]
    rclone(server, "rclone mkdir store:kept && echo still here | rclone rcat store:kept/object", password)
    change = {"minio_settings_extra": {"MINIO_API_STALE_UPLOADS_EXPIRY": "12h"}}
    with server.change(change, restarts=["tren-minio"], shows=["+      MINIO_API_STALE_UPLOADS_EXPIRY: 12h"]):
        assert rclone(server, "rclone cat store:kept/object", password) == "still here"


def test_new_password_takes_effect_and_is_not_in_the_description(server, host, secrets):
    with server.change({"trenova_minio_password": "Another-minio_pass-4u"}, restarts=["tren-minio"]):
        assert not rclone(server, "rclone lsd store:", "Another-minio_pass-4u").startswith("failed:")
        assert rclone(server, "rclone lsd store:", secrets["trenova_minio_password"]).startswith("failed:")
        assert "Another-minio_pass-4u" not in host.check_output("docker inspect tren-minio")
