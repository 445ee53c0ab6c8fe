# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Where backups go: from the inventory to what restic and rclone are told."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.trenova.selfhost.plugins.filter.backup_targets import backup_targets
from ansible_collections.trenova.selfhost.plugins.plugin_utils import formats
from ansible_collections.trenova.selfhost.plugins.plugin_utils.backup.targets import needed_secrets, places

LOCAL = {"name": "local", "directory": "/mnt/backups"}
S3 = {"name": "offsite", "s3": {"endpoint": "https://s3.else.co", "bucket": "trucks", "access_key": "AKIA"}}
SFTP = {"name": "box", "sftp": {"host": "box.else.co", "user": "erp", "host_key": "ssh-ed25519 AAAA", "port": 2222}}


def test_each_kind_of_target_says_where_its_repository_and_its_objects_are():
    local, offsite, box = backup_targets([LOCAL, S3, SFTP], "erp1")
    assert (local["repository"], local["directory"], local["inside"]) == (
        "/targets/local/restic", "/mnt/backups", "/targets/local")
    assert (offsite["repository"], offsite["place"]) == ("rclone:target-offsite:trucks/erp1/restic", "trucks/erp1")
    assert (box["repository"], box["place"]) == ("rclone:target-box:erp1/restic", "erp1")
    assert [target["objects"] for target in (local, offsite, box)] == [
        "objects-local", "objects-offsite", "objects-box"]


def test_two_installations_of_one_bucket_have_places_of_their_own():
    found = {backup_targets([S3], name)[0]["repository"] for name in ("erp1", "erp2")}
    assert len(found) == 2


def test_a_place_can_be_given():
    [target] = backup_targets([dict(S3, s3=dict(S3["s3"], prefix="a/b"))], "erp1")
    assert target["place"] == "trucks/a/b"
    [target] = backup_targets([dict(SFTP, sftp=dict(SFTP["sftp"], path="/srv/backups/"))], "erp1")
    assert target["place"] == "/srv/backups/erp1"


def test_the_host_key_of_an_sftp_server_stands_as_ssh_wants_it():
    assert backup_targets([SFTP], "erp1")[0]["known_hosts"] == ["[box.else.co]:2222 ssh-ed25519 AAAA"]
    plain = dict(SFTP, sftp={key: value for key, value in SFTP["sftp"].items() if key != "port"})
    plain["sftp"]["host_key"] = ["ssh-ed25519 AAAA", "ssh-rsa BBBB"]
    assert backup_targets([plain], "erp1")[0]["known_hosts"] == [
        "box.else.co ssh-ed25519 AAAA", "box.else.co ssh-rsa BBBB"]


@pytest.mark.parametrize(("told", "words"), [
    ([], ["backup_targets is empty", "directory: /var/backups/trenova"]),
    (["local"], ["backup_targets[0] is not a mapping"]),
    ([{"name": "local"}], ["neither directory nor s3 nor sftp", "exactly one"]),
    ([dict(LOCAL, s3=S3["s3"])], ["has directory and s3", "exactly one"]),
    ([dict(LOCAL, name="Off Site")], ["backup_targets[0].name is 'Off Site'"]),
    ([dict(LOCAL, bucket="x")], ["has bucket, which says nothing here"]),
    ([LOCAL, LOCAL], ["Two of backup_targets are called local"]),
    ([dict(S3, s3={"endpoint": "https://x"})], ["s3.bucket is missing", "s3.access_key is missing"]),
    ([dict(SFTP, sftp={"host": "x", "user": "y"})], ["sftp.host_key is missing"]),
    ([dict(LOCAL, directory="backups")], ["directory is no absolute path: backups", "begins with /"]),
    ([dict(LOCAL, directory="/a/../b")], ["directory is no absolute path"]),
    ([dict(S3, s3=dict(S3["s3"], endpoint="s3.else.co"))], ["s3.endpoint is no address of the web: s3.else.co"]),
    ([LOCAL, dict(LOCAL, name="second", directory="/mnt/backups/")],
     ["The targets local and second of backup_targets are the same place: /mnt/backups.", "another place for second"]),
    ([LOCAL, dict(LOCAL, name="second", directory="/mnt/backups/second")],
     ["local and second", "lie in one another: /mnt/backups and /mnt/backups/second"]),
    ([dict(S3, s3=dict(S3["s3"], prefix="a")),
      dict(S3, name="again", s3=dict(S3["s3"], endpoint="https://S3.else.co:443/", prefix="a/"))],
     ["offsite and again", "the same place: trucks/a"]),
    ([SFTP, dict(SFTP, name="again", sftp=dict(SFTP["sftp"], host="Box.else.co"))], ["box and again", "place: erp1"]),
    ([dict(SFTP, sftp=dict(SFTP["sftp"], path="/srv")),
      dict(SFTP, name="again", sftp=dict(SFTP["sftp"], path="/srv/", user="other"))], ["the same place: /srv/erp1"]),
    ([dict(SFTP, sftp=dict(SFTP["sftp"], host_key="box.else.co ssh-ed25519 AAAA"))],
     ["sftp.host_key is no key of a server", "without the host before it"]),
    ([dict(SFTP, sftp=dict(SFTP["sftp"], host_key=["ssh-ed25519 AAAA", "ssh-rsa"]))], ["host_key is no key"]),
    ([dict(SFTP, sftp="box")], ["sftp is not a mapping", "host, user, host_key"]),
])
def test_what_is_no_target_is_told_with_what_to_write(told, words):
    with pytest.raises(AnsibleFilterError) as caught:
        backup_targets(told, "erp1")
    assert [word for word in words if word not in str(caught.value)] == []
    if told:
        what, write = formats.fault("backup_targets", told)
        assert "Write:" not in what
        assert not what.endswith(".")
        assert write


@pytest.mark.parametrize("second", [
    dict(LOCAL, directory="/mnt/backups2"), S3, SFTP, dict(SFTP, sftp=dict(SFTP["sftp"], path="/mnt/backups"))])
def test_places_that_only_look_alike_are_two(second):
    assert len(backup_targets([LOCAL, dict(second, name="second")], "erp1")) == 2


@pytest.mark.parametrize(("one", "other"), [
    (dict(S3["s3"], bucket="a"), dict(S3["s3"], bucket="b")), (S3["s3"], dict(S3["s3"], endpoint="http://s3.else.co")),
    (S3["s3"], dict(S3["s3"], endpoint="https://s3.else.co:9000")), (S3["s3"], dict(S3["s3"], prefix="erp2"))])
def test_another_server_or_bucket_is_another_place(one, other):
    assert len(backup_targets([dict(S3, s3=one), dict(S3, name="other", s3=other)], "erp1")) == 2


def test_relative_directories_of_two_users_are_two_places():
    other = dict(SFTP, name="other", sftp=dict(SFTP["sftp"], user="other"))
    assert len(backup_targets([SFTP, other], "erp1")) == 2


def test_secrets_that_are_needed_are_named_with_the_target_that_needs_them():
    other = dict(S3, name="second", secret_variable="trenova_backup_second_key")
    assert needed_secrets([LOCAL, S3, SFTP, other]) == {
        "trenova_backup_s3_secret_key": "target offsite of backup_targets has s3",
        "trenova_backup_sftp_key": "target box of backup_targets has sftp",
        "trenova_backup_second_key": "target second of backup_targets has s3"}
    assert needed_secrets([LOCAL]) == {}


def test_directories_should_lie_apart_only_where_nothing_goes_elsewhere():
    assert [(place["path"], place["apart"]) for place in places([LOCAL])] == [("/mnt/backups", True)]
    assert [place["apart"] for place in places([LOCAL, S3])] == [False]
    assert places([S3]) == []


@pytest.mark.parametrize(("policy", "word"), [
    ({"daily": 0, "weekly": 0, "monthly": 0}, "keeps nothing"), ({"daily": -1}, "is {"), ({"hourly": 3}, "has hourly"),
    ({"daily": True}, "is {"),
])
def test_a_retention_that_cannot_be_is_told(policy, word):
    assert word in formats.fault("retention", policy)[0]


@pytest.mark.parametrize("policy", [{"daily": 1}, {"daily": 0, "monthly": 3}, {"daily": "7"}])
def test_a_retention_that_keeps_something_will_do(policy):
    assert formats.fault("retention", policy) is None
