# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A service of one's own gets what the eleven have: checks, limits, a route, secrets, backups, reload and removal."""

from __future__ import annotations

import subprocess

import pytest
from backups import Backups

NAME = "hello.trenova.test"
DATA = "/var/lib/trenova/greeter"


def page(server):
    """(status, text) of the greeter's page through Caddy."""
    done = subprocess.run(
        ["curl", "--silent", "--insecure", "--noproxy", "*", "--max-time", "20", "--write-out", "\n%{http_code}",
         "--resolve", f"{NAME}:443:{server.address}", f"https://{NAME}/"], capture_output=True, text=True, check=False)
    text, _newline, status = done.stdout.rpartition("\n")
    return int(status), text


def test_caddy_leads_to_it_although_caddy_was_deployed_first(server, host):
    assert page(server) == (200, "Hello")


def test_it_has_the_limits_that_it_asked_for(containers):
    assert containers["tren-greeter"]["HostConfig"]["Memory"] == 64 * 1048576


def test_its_secret_was_written_and_is_its_own(host):
    assert host.check_output("stat --format '%a %u' /opt/trenova/greeter/secrets/token") == "400 10020"
    assert len(host.file("/opt/trenova/greeter/secrets/token").content_string.strip()) >= 20


def back_up(host):
    """Make a backup as the timer does: (exit code, {store: state})."""
    code, status = Backups(host).make()
    return code, {step["service"]: step["state"] for step in status["steps"]}


def test_its_data_is_saved(host):
    # The directory and the file are closed to everybody but the greeter.
    host.check_output(f"echo 42 > {DATA}/visitors && chown 10020:10020 {DATA}/visitors && chmod 600 {DATA}/visitors")
    assert host.check_output(f"stat --format '%a %u' {DATA}") == "700 10020"
    code, steps = back_up(host)
    assert code == 0, steps
    assert (steps["greeter"], steps["caddy-data"]) == ("ok", "ok")
    read = Backups.command + " read greeter | tar --extract --to-stdout ./visitors"
    assert host.check_output(read).strip() == "42"


def test_data_that_is_gone_fails_the_backup(host):
    host.check_output(f"mv {DATA} {DATA}.gone")
    code, steps = back_up(host)
    made_anew = host.file(DATA).exists
    host.check_output(f"mv {DATA}.gone {DATA}")
    assert not made_anew
    assert code != 0
    assert (steps["greeter"], steps["caddy-data"]) == ("failed", "ok")


def test_change_is_reloaded(server, host):
    with server.change({"greeter_greeting": "Good morning"}, shows=['+\trespond "Good morning"']):
        assert page(server) == (200, "Good morning")


@pytest.mark.parametrize(("variables", "words"), [
    ({"greeter_port": 99999}, ["greeter_port is 99999.", "a number from 1 to 65535"]),
    ({"trenova_greeter_tokn": "x"}, [
        "trenova_greeter_tokn is no variable of this collection; trenova_greeter_token is."]),
    ({"trenova_greeter_token": "short"}, ["trenova_greeter_token is too short: 5 characters"]),
    ({"greeter_image": "docker.io/library/caddy"}, ["greeter_image names no version"]),
    ({"greeter_enabled": "perhaps"}, ["greeter_enabled", "bool"]),
])
def test_its_mistakes_are_told_before_anything_changes(server, host, variables, words):
    run = server.run(variables=variables, expect=2)
    assert [word for word in words if word not in " ".join(run.output.split())] == [], run.output
    assert run.changed == 0


def test_switched_off_it_goes_and_its_route_too(server, host):
    run = server.run(variables={"greeter_enabled": False})
    assert "tren-greeter" in run.gathered("removed")
    assert page(server)[0] == 0
    assert host.file("/var/lib/trenova/greeter").is_directory
    server.run()
    assert page(server) == (200, "Hello")
