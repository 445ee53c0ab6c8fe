# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""playbooks/secrets.yml, run for real: it writes what is missing and never changes what is there."""

from __future__ import annotations

import os
import pathlib
import subprocess
from types import SimpleNamespace

import pytest
import yaml

from ansible_collections.trenova.selfhost.plugins.plugin_utils import secret_kinds
from ansible_collections.trenova.selfhost.plugins.plugin_utils.secret_files import file_problems

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def inventory(tmp_path):
    """An inventory without secrets."""
    (tmp_path / "hosts.yml").write_text("trenova: {hosts: {one: {}}}\n")
    (tmp_path / "group_vars/trenova").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def fleet(tmp_path):
    """An inventory with two customers, one on two servers, and two servers that are installations of their own."""
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({
        "trenova": {"children": {
            "acme": {"hosts": {"acme1": {}, "acme2": {}}}, "borealis": {"hosts": {"bo1": {}}},
            "place": {"hosts": {"east": {}, "west": {}}}}},
        "trenova_redis": {"hosts": {"acme2": {}}}}))
    return tmp_path


FOLDERS = ["group_vars/acme", "group_vars/borealis", "host_vars/east", "host_vars/west"]


def files_of(inventory):
    """All secrets files below an inventory, by folder."""
    return {str(path.parent.relative_to(inventory)): path for path in inventory.rglob("secrets.yml")}


def write_secrets(inventory, *arguments, code=0, **more):
    """Run the playbook; its output."""
    command = ["ansible-playbook", ROOT / "playbooks/secrets.yml", "-i", inventory, *arguments]
    environment = dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), **more)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_missing_secrets_are_written_and_none_is_changed(inventory):
    path = inventory / "group_vars/trenova/secrets.yml"
    path.write_text("# mine\ntrenova_redis_password: kD8-fW2_qL5xR9tZ3vB7nM1c\n")
    output = write_secrets(inventory)
    written = yaml.safe_load(path.read_text())
    assert path.read_text().startswith("# mine\n")
    assert written["trenova_redis_password"] == "kD8-fW2_qL5xR9tZ3vB7nM1c"
    assert len(written) > 5
    assert secret_kinds.fault("aes_key", written["trenova_api_secret_key"]) is None
    assert path.stat().st_mode & 0o777 == 0o600
    assert "is NOT encrypted" in output
    assert [name for name, value in written.items() if value in output] == ["trenova_backup_key"]
    before = path.read_text()
    assert "none was changed" in write_secrets(inventory)
    assert path.read_text() == before


def test_the_key_of_the_backups_is_shown_once_with_the_order_to_keep_it(inventory, tmp_path):
    log = tmp_path / "ansible.log"
    output = write_secrets(inventory, "-e", "x=y", ANSIBLE_LOG_PATH=str(log))
    written = yaml.safe_load((inventory / "group_vars/trenova/secrets.yml").read_text())
    key = written["trenova_backup_key"]
    assert [line.strip() for line in output.splitlines() if key in line] == [key]
    assert "trenova: trenova_backup_key opens all backups of this installation, and nobody can make it again:" in output
    assert "set backup_key_kept: true" in output
    assert "Secrets" in log.read_text()
    assert not any(value in log.read_text() for value in written.values())
    for options in ((), ("--check",)):
        again = write_secrets(inventory, *options)
        assert "opens all backups" not in again
        assert key not in again


def test_a_key_that_is_not_written_is_not_shown(inventory):
    path = inventory / "group_vars/trenova/secrets.yml"
    path.write_text("trenova_backup_key: kD8-fW2_qL5xR9tZ3vB7nM1c\n")
    output = write_secrets(inventory)
    assert "opens all backups" not in output
    assert "kD8-fW2_qL5xR9tZ3vB7nM1c" not in output
    path.unlink()
    assert "opens all backups" not in write_secrets(inventory, "--check")


def test_secrets_are_encrypted_when_a_vault_password_is_configured(inventory):
    password = inventory / "vault-password"
    password.write_text("open sesame\n")
    vault = ("--vault-password-file", password)
    output = write_secrets(inventory, *vault)
    path = inventory / "group_vars/trenova/secrets.yml"
    first = path.read_text()
    assert first.startswith("$ANSIBLE_VAULT;1.1;AES256")
    assert "NOT encrypted" not in output
    assert "none was changed" in write_secrets(inventory, *vault)
    assert path.read_text() == first


def test_check_mode_writes_nothing(inventory):
    assert "secrets written" not in write_secrets(inventory, "--check")
    assert not (inventory / "group_vars/trenova/secrets.yml").exists()


def test_file_that_the_inventory_does_not_load_is_not_written_twice(inventory):
    path = inventory / "elsewhere.yml"
    write_secrets(inventory, "-e", f"trenova_secrets_file={path}")
    first = path.read_text()
    write_secrets(inventory, "-e", f"trenova_secrets_file={path}")
    assert path.read_text() == first


def test_each_installation_gets_secrets_of_its_own(fleet):
    output = write_secrets(fleet)
    files = files_of(fleet)
    assert sorted(files) == FOLDERS
    written = [yaml.safe_load(path.read_text()) for path in files.values()]
    assert len({frozenset(each) for each in written}) == 1
    values = [value for each in written for value in each.values()]
    assert len(set(values)) == len(values) > 20
    keys = [each["trenova_backup_key"] for each in written]
    assert [value for value in values if value in output] == keys
    assert all(f"secrets written to {path}" in output for path in files.values())
    assert "What was written is NOT encrypted" in output
    assert "share trenova" not in output
    before = {path: path.read_text() for path in files.values()}
    assert "none was changed" in write_secrets(fleet)
    assert {path: path.read_text() for path in files_of(fleet).values()} == before


def test_each_installation_gets_an_encrypted_file(fleet):
    password = fleet / "vault-password"
    password.write_text("open sesame\n")
    vault = ("--vault-password-file", password)
    write_secrets(fleet, *vault)
    files = files_of(fleet)
    assert sorted(files) == FOLDERS
    texts = [path.read_text() for path in files.values()]
    assert all(text.startswith("$ANSIBLE_VAULT;1.1;AES256") for text in texts)
    shown = [subprocess.run(["ansible-vault", "view", *vault, path], capture_output=True, text=True, check=True).stdout
             for path in files.values()]
    values = [value for text in shown for value in yaml.safe_load(text).values()]
    assert len(set(values)) == len(values) > 20
    output = write_secrets(fleet, *vault)
    assert "none was changed" in output
    assert "share trenova" not in output


@pytest.mark.parametrize(("limit", "folders"), [
    ("acme", ["group_vars/acme"]), ("acme2", ["group_vars/acme"]),
    ("west,borealis", ["group_vars/borealis", "host_vars/west"]),
])
def test_only_installations_of_the_limit_get_secrets(fleet, limit, folders):
    write_secrets(fleet, "--limit", limit)
    assert sorted(files_of(fleet)) == folders


SHARED = "kD8-fW2_qL5xR9tZ3vB7nM1c"


def test_secrets_of_an_older_shared_file_stay_and_are_warned_of(fleet):
    older = fleet / "group_vars/trenova/secrets.yml"
    older.parent.mkdir(parents=True)
    older.write_text(f"trenova_redis_password: {SHARED}\n")
    output = " ".join(write_secrets(fleet, "--limit", "borealis").split())
    assert "acme, borealis, east, west share trenova_redis_password: who knows those of one" in output
    assert SHARED not in output
    assert sorted(files_of(fleet)) == ["group_vars/borealis", "group_vars/trenova"]
    assert "trenova_redis_password" not in yaml.safe_load((fleet / "group_vars/borealis/secrets.yml").read_text())


def test_who_shares_nothing_is_not_warned_of_others_that_do(fleet):
    for host in ("east", "west"):
        (fleet / "host_vars" / host).mkdir(parents=True)
        (fleet / "host_vars" / host / "main.yml").write_text(f"trenova_redis_password: {SHARED}\n")
    assert "share trenova" not in write_secrets(fleet, "--limit", "acme")
    output = " ".join(write_secrets(fleet, "--limit", "west").split())
    assert "east, west share trenova_redis_password: who" in output


def test_one_file_for_several_installations_is_refused(fleet):
    path = fleet / "elsewhere.yml"
    output = write_secrets(fleet, "-e", f"trenova_secrets_file={path}", code=2)
    assert f"acme, borealis, east, west would get the same secrets, those of {path}." in " ".join(output.split())
    assert not path.exists()
    write_secrets(fleet, "-e", f"trenova_secrets_file={fleet}/{{{{ inventory_hostname }}}}.yml")
    assert sorted(path.name for path in fleet.glob("*.yml")) == [
        "acme1.yml", "bo1.yml", "east.yml", "hosts.yml", "west.yml"]


def test_what_is_wrong_with_one_customer_stops_only_that_customer(fleet):
    hosts = yaml.safe_load((fleet / "hosts.yml").read_text())
    hosts["trenova"]["children"]["castor"] = {"hosts": {"bo1": {}}}
    (fleet / "hosts.yml").write_text(yaml.safe_dump(hosts))
    output = write_secrets(fleet, code=2)
    assert "bo1 is in 2 installations: borealis, castor." in output
    assert sorted(files_of(fleet)) == ["group_vars/acme", "host_vars/east", "host_vars/west"]


def test_an_inventory_that_is_no_file_has_no_place_for_secrets():
    found = file_problems([SimpleNamespace(id="one", path=None), SimpleNamespace(id="two", path="/x")])
    assert {name: [problem.what for problem in problems] for name, problems in found.items()} == {
        "one": ["The inventory of one is no file, so there is no place beside it for secrets."]}


def test_a_customer_whose_vault_is_closed_is_left_alone(fleet):
    password = fleet / "vault-password"
    password.write_text("open sesame\n")
    write_secrets(fleet, "--limit", "borealis", "--vault-password-file", password)
    assert "secrets written to" in write_secrets(fleet, "--limit", "acme")
    assert sorted(files_of(fleet)) == ["group_vars/acme", "group_vars/borealis"]
