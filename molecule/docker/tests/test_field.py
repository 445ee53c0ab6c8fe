# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Reports from the field that only an Engine can show: somebody's configuration, somebody's containers beside it."""

from __future__ import annotations

import contextlib
import json
import shlex

import pytest

CONFIGURATION = "/etc/docker/daemon.json"
IMAGE = "172.30.60.2:5000/library/redis:8.4.7"
#: Holds the lock of the packages, as an unattended upgrade does, until a program has come that waits for it.
HOLD = """
import fcntl, glob, pathlib, time
stream = open("/var/lib/dpkg/lock-frontend", "rb+")
fcntl.lockf(stream, fcntl.LOCK_EX)
pathlib.Path("/run/held").touch()
def waits(path):
    try:
        # Not as one word: the command that wrote this file holds it, too.
        return b"DPkg::Lock" + b"::Timeout" in pathlib.Path(path).read_bytes()
    except OSError:
        return False
for _second in range(300):
    if any(map(waits, glob.glob("/proc/[0-9]*/cmdline"))):
        break
    time.sleep(0.3)
time.sleep(1)
"""
HELD = (
    f"rm -f /run/held; printf '%s' {shlex.quote(HOLD)} > /run/hold.py; "
    "setsid --fork python3 /run/hold.py > /dev/null 2>&1 < /dev/null; until [ -e /run/held ]; do sleep 0.1; done")
#: Passes every check of a file, and no Engine starts with it.
UNKNOWN_OPTION = {"log-driver": "gelf", "log-opts": {"no-such-option": "1"}}


def configuration(host):
    """Content of daemon.json."""
    return json.loads(host.file(CONFIGURATION).content_string)


def configure(host, settings):
    """What an administrator writes."""
    host.check_output(f"printf '%s' '{json.dumps(settings)}' > {CONFIGURATION}")


@pytest.fixture(scope="module", autouse=True)
def bystander(server, host):
    """A container of somebody's, which the Engine starts again for nobody. Afterwards everything is as before."""
    host.check_output(f"docker run --detach --name bystander --restart no {IMAGE} redis-server --save ''")
    yield
    host.check_output("docker rm --force bystander")
    host.run(f"docker swarm leave --force; rm {CONFIGURATION}")
    server.run()


@contextlib.contextmanager
def untouched(server):
    """The container of somebody's runs through it, and the Engine runs afterwards."""
    before = server.started()["bystander"]
    yield
    assert server.shell.check_output("systemctl is-active docker") == "active"
    assert server.started()["bystander"] == before
    assert server.shell.check_output("docker inspect --format '{{.State.Running}}' bystander") == "true"


@pytest.mark.parametrize("found", [{"log-driver": "journald"}, {"log-opts": {"labels": "customer", "env": "STAGE"}}])
def test_report_05_an_engine_with_half_a_pair_of_somebodys_starts_again(server, host, found):
    """Somebody's container runs through it."""
    configure(host, found)
    with untouched(server):
        server.run()
    written = configuration(host)
    assert {key: written[key] for key in ("log-driver", "log-opts") if key in written} == found
    assert written["live-restore"] is True


def test_report_05_a_file_that_dockerd_refuses_is_never_put_in_place(server, host):
    """dockerd says why before anything is changed."""
    before = host.file(CONFIGURATION).content_string
    with untouched(server):
        run = server.run(variables={"docker_daemon_extra": {"no-such-setting": True}}, expect=2)
    assert "refuses the new /etc/docker/daemon.json; nothing was changed" in run.output
    assert "no-such-setting" in run.output.partition("The last log lines:")[2]
    assert host.file(CONFIGURATION).content_string == before


def test_report_05_an_engine_that_does_not_start_comes_back_with_the_file_that_it_had(server, host):
    """With its own words for why it did not."""
    before = host.file(CONFIGURATION).content_string
    with untouched(server):
        run = server.run(variables={"docker_daemon_extra": UNKNOWN_OPTION}, expect=2)
    assert "the Docker Engine starts anew" in run.output
    assert "failed to set log opts" in run.output.partition("The last log lines:")[2]
    assert "The files were put back" in run.output
    assert host.file(CONFIGURATION).content_string == before


def test_report_06_a_node_of_a_swarm_keeps_its_engine_and_its_services(server, host):
    """Neither is the Engine restarted, nor can it no longer be."""
    configure(host, {"log-driver": "json-file"})
    host.check_output(
        "systemctl restart docker && docker swarm init --advertise-addr 127.0.0.1 && docker start bystander")
    since = host.check_output("systemctl show docker --property ActiveEnterTimestampMonotonic")
    with untouched(server):
        run = server.run()
    assert "The Engine is a node of a swarm" in run.output
    assert configuration(host) == {"log-driver": "json-file"}
    assert host.check_output("systemctl show docker --property ActiveEnterTimestampMonotonic") == since
    host.check_output("docker swarm leave --force")


def test_report_21_22_23_what_is_missing_is_added_while_others_are_at_work(server, host):
    """Compose is gone, the Engine stopped, apt busy, and a setting of the kernel cannot be written."""
    host.check_output(
        "apt-get remove --quiet=2 --assume-yes docker-compose && "
        "systemctl disable --quiet --now docker docker.socket && "
        "rm /etc/sysctl.d/60-trenova.conf && mount --bind /proc/sys/vm /proc/sys/vm && "
        "mount --options remount,bind,ro /proc/sys/vm")
    host.check_output(HELD)
    try:
        run = server.run()
    finally:
        host.check_output("umount /proc/sys/vm")
    assert "holds the lock of the packages; waiting for up to 10 minutes" in " ".join(run.output.split())
    assert host.run("docker compose version").rc == 0
    assert host.check_output("systemctl is-enabled docker") == "enabled"
    assert "overcommit" not in host.file("/etc/sysctl.d/60-trenova.conf").content_string
    assert not host.file("/etc/apt/sources.list.d/docker.sources").exists
