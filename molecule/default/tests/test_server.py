# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The server as the operator finds it: containers, files, limits, and no secret in sight."""

from __future__ import annotations

import json

from backups import Backups

EXPECTED = {
    "tren-db", "tren-pgbouncer", "tren-redis", "tren-rabbitmq", "tren-minio", "tren-api", "tren-client",
    "tren-asynq-dashboard", "tren-caddy",
}


def test_containers_have_the_names_of_the_requirements_and_are_healthy(containers):
    assert set(containers) == EXPECTED
    assert {name: entry["State"]["Health"]["Status"] for name, entry in containers.items()} == dict.fromkeys(
        EXPECTED, "healthy")


def test_data_and_application_networks_reach_nobody_outside(host):
    networks = json.loads(host.check_output("docker network inspect trenova_data trenova_app trenova_edge"))
    assert {network["Name"]: network["Internal"] for network in networks} == {
        "trenova_data": True, "trenova_app": True, "trenova_edge": False}


def test_operators_own_habits_work(host):
    listing = host.check_output("cd /opt/trenova && docker compose ps --format '{{.Name}}'")
    assert set(listing.split()) == EXPECTED


def test_hashes_and_verifiers_are_not_in_the_journal(host):
    """Ansible writes the arguments of modules to the journal; what stands in secret files must be masked there."""
    statements = host.check_output("cat /opt/trenova/postgres/secrets/roles.sql")
    told = [word for word in statements.split("'") if word.startswith("SCRAM-SHA-256$")]
    journal = host.check_output("journalctl --no-pager --quiet")
    assert len(told) > 3
    assert "Invoked with" in journal
    assert [word for word in told if word in journal] == []


def test_every_seeded_account_but_the_administrators_is_closed(host):
    query = "SELECT count(*) FILTER (WHERE status = 'Active'), count(*) FROM users"
    counts = host.check_output(f'docker exec tren-db psql -qAt -d trenova_go_db -c "{query}"')
    active, everyone = map(int, counts.split("|"))
    assert active == 1
    assert everyone > 50


def test_checksums_and_scram_are_on(host):
    answer = host.check_output("docker exec tren-db psql -qAt -c 'SHOW data_checksums' -c 'SHOW password_encryption'")
    assert answer.split() == ["on", "scram-sha-256"]
    query = "SELECT count(*) FROM pg_shadow WHERE passwd NOT LIKE 'SCRAM%'"
    assert host.check_output(f'docker exec tren-db psql -qAt -c "{query}"') == "0"


def test_backup_is_made_and_can_be_read(host):
    backups = Backups(host)
    code, status = backups.make()
    assert (code, status["exit_status"], status["because"]) == (0, 0, "")
    assert {step["state"] for step in status["steps"]} == {"ok"}
    read = backups.command + " read"
    listing = host.check_output(f"{read} postgres --part dump | docker exec -i tren-db pg_restore --list")
    assert "TABLE DATA public users" in listing
    assert host.service("trenova-backup.timer").is_enabled
    # The key of Caddy's authority, which browsers may have been told to trust.
    files = host.check_output(f"{read} caddy-data | tar --list")
    assert "./caddy/pki/authorities/local/root.key" in files.split()
