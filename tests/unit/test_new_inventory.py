# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A first inventory by five answers."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from ansible_collections.trenova.selfhost.plugins.plugin_utils import new_inventory

ROOT = pathlib.Path(__file__).resolve().parents[2]
ANSWERS = {
    "address": "erp1.trucks.co", "domain": "erp.trucks.co", "users": "40", "mail": "ops@trucks.co",
    "registry": "registry.trucks.co:5000"}
EXAMPLE = {
    name: (ROOT / "inventories/prod" / name).read_text() for name in (new_inventory.HOSTS, new_inventory.VARIABLES)}
SERVER = {
    "measured": False, "cores": 12, "memory_mb": 24576, "disk_free_gb": 200, "disk_total_gb": 200,
    "architecture": "x86_64", "service_manager": "systemd",
    "distribution": {"id": "debian", "version": "13", "name": "Debian GNU/Linux 13 (trixie)"}}


def play(playbook, *arguments):
    """(exit code, output) of a playbook."""
    done = subprocess.run(
        ["ansible-playbook", ROOT / "playbooks" / playbook, *arguments], cwd=ROOT, capture_output=True, text=True,
        env=dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg")), stdin=subprocess.DEVNULL, check=False)
    return done.returncode, done.stdout + done.stderr


def init(directory, **answers):
    """The playbook with all of its answers given."""
    given_ = {f"trenova_init_{name}": value for name, value in {**ANSWERS, **answers}.items()}
    return play("init.yml", "-e", json.dumps({"trenova_init_directory": str(directory), **given_}))


@pytest.mark.parametrize(("name", "value", "told"), [
    ("address", "", "`address` is empty"), ("address", "trenova1.example.com", "`address` is still an example"),
    ("address", "ssh://erp1", "`address` is neither a host name nor an address"),
    ("domain", "https://erp.trucks.co", "`domain` is no host name"), ("domain", "10.0.0.5", "`domain` is no host name"),
    ("domain", "trenova.example.com", "`domain` is still an example"), ("users", "many", "`users` is no number"),
    ("users", "0", "`users` is 0"), ("users", "4.5", "`users` is no number"), ("users", "", "`users` is empty"),
    ("mail", "ops", "`mail` is no mail address"), ("mail", "you@example.com", "`mail` is still an example"),
    ("registry", "https://registry.trucks.co", "`registry` is no host name"),
])
def test_wrong_answer_is_told_with_what_to_answer(name, value, told):
    problems = list(new_inventory.problems({**ANSWERS, name: value}))
    assert [problem.what for problem in problems if told in problem.what]
    assert len(problems) == 1
    assert problems[0].write


HOSTS = st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}\.(trucks|freight)\.(co|de)", fullmatch=True).filter(
    lambda name: not name.split(".")[0].endswith("-"))


@given(HOSTS, HOSTS, st.integers(1, 100_000), st.from_regex(r"[a-z.+'#: ]{1,20}", fullmatch=True), st.booleans())
def test_whatever_is_answered_is_what_the_inventory_says(address, domain, users, name, has_registry):
    answers = {
        "address": address, "domain": domain, "users": str(users), "mail": f"{name.replace(' ', '_')}@trucks.co",
        "registry": f"{domain}:5000" if has_registry else ""}
    assume(not list(new_inventory.problems(answers)))
    hosts, variables = map(yaml.safe_load, new_inventory.files(EXAMPLE, answers).values())
    assert hosts["trenova"]["hosts"]["trenova1"]["ansible_host"] == address
    assert variables["trenova_domain"] == domain
    assert variables["trenova_users"] == users
    assert "trenova_tier" not in variables
    assert {variables["trenova_admin_email"], variables["caddy_acme_email"]} == {answers["mail"]}
    assert variables.get("trenova_own_registry", "") == answers["registry"]


def test_written_inventory_passes_preflight_and_keeps_every_comment(tmp_path):
    directory = tmp_path / "mine"
    # No such address on any network, so that nobody is asked.
    code, output = init(directory, address="192.0.2.1")
    assert code == 0, output
    assert "To buy for 40 users" in output
    written = (directory / "group_vars/trenova/main.yml").read_text()
    # Those that were examples to fill in became values.
    kept = [line for line in EXAMPLE[new_inventory.VARIABLES].splitlines() if line.startswith("# ")]
    assert {line for line in kept if line not in written} == {
        "# trenova_users: 40", "# trenova_own_registry: registry.example.com:5000"}
    code, output = play("secrets.yml", "-i", directory)
    assert code == 0, output
    code, output = play("preflight.yml", "-i", directory, "-e", json.dumps({
        "trenova_capacity": SERVER, "trenova_accept_backup_on_data_disk": True}))
    assert code == 0, output


def test_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    write, written = pathlib.Path.write_text, []

    def full(path, *arguments, **options):
        written.append(path)
        if len(written) > 1:
            raise OSError(28, "No space left on device")
        return write(path, *arguments, **options)

    monkeypatch.setattr(pathlib.Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        new_inventory.write(tmp_path / "mine", dict.fromkeys(EXAMPLE, "text"))
    assert len(written) == 2
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    (tmp_path / "mine").mkdir()
    new_inventory.write(tmp_path / "mine", dict.fromkeys(EXAMPLE, "text"))
    assert {path.name for path in tmp_path.rglob("*.yml")} == {"hosts.yml", "main.yml"}


def test_what_is_there_is_not_touched(tmp_path):
    (tmp_path / "hosts.yml").write_text("mine\n")
    code, output = init(tmp_path, users="none")
    assert code == 2
    assert "is there already, and is not touched" in output
    assert "`users` is no number: none" in output
    assert [path.name for path in tmp_path.iterdir()] == ["hosts.yml"]
    assert (tmp_path / "hosts.yml").read_text() == "mine\n"
