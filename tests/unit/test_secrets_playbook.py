# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""playbooks/secrets.yml, run for real: it writes what is missing and never changes what is there."""

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest
import yaml

from ansible_collections.trenova.selfhost.plugins.plugin_utils import secret_kinds

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def inventory(tmp_path):
    """An inventory without secrets."""
    (tmp_path / "hosts.yml").write_text("trenova: {hosts: {one: {}}}\n")
    (tmp_path / "group_vars/trenova").mkdir(parents=True)
    return tmp_path


def write_secrets(inventory, *arguments):
    """Run the playbook; its output."""
    command = ["ansible-playbook", ROOT / "playbooks/secrets.yml", "-i", inventory, *arguments]
    environment = dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"))
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
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
    assert not any(value in output for value in written.values())
    before = path.read_text()
    assert "none was changed" in write_secrets(inventory)
    assert path.read_text() == before


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
