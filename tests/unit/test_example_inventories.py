# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Inventories to copy: refused as they are, and accepted by preflight once the placeholders are replaced."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = [ROOT / "inventories/prod", *sorted((ROOT / "inventories/examples").iterdir())]
#: A bare server, described instead of measured, so that nobody is contacted.
SERVER = {
    "measured": False, "cores": 8, "memory_mb": 16384, "disk_free_gb": 200, "disk_total_gb": 200,
    "disk_used_by_trenova_gb": 0, "architecture": "x86_64", "service_manager": "systemd",
    "distribution": {"id": "debian", "version": "13", "name": "Debian GNU/Linux 13 (trixie)"}}


def play(playbook, inventory, *arguments):
    """(exit code, output) of a playbook."""
    command = ["ansible-playbook", ROOT / "playbooks" / playbook, "-i", inventory, *arguments]
    environment = dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"))
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def filled_in(example, folder):
    """A copy of an example in which names, addresses and files are somebody's own."""
    inventory = folder / "inventory"
    shutil.copytree(example, inventory)
    for path in inventory.rglob("*.yml"):
        text = path.read_text().replace("example.com", "trucks.co").replace("files/", f"{folder}/")
        path.write_text(text)
    subprocess.run([
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=trenova",
        "-keyout", folder / "trenova-key.pem", "-out", folder / "trenova.pem",
        "-addext", "subjectAltName=DNS:trenova.trucks.co,DNS:*.trenova.trucks.co"], check=True, capture_output=True)
    return inventory


@pytest.mark.parametrize("example", EXAMPLES, ids=[path.name for path in EXAMPLES])
def test_example_is_refused_until_it_is_filled_in(example, tmp_path):
    code, output = play("preflight.yml", example)
    assert code == 2
    assert "is still the example trenova1.example.com" in output
    inventory = filled_in(example, tmp_path)
    code, output = play("secrets.yml", inventory)
    assert code == 0, output
    code, output = play("preflight.yml", inventory, "-e", json.dumps({"trenova_capacity": SERVER}))
    assert code == 0, output
