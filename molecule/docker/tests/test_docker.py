# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A bare server gets an Engine; a server that is a container is measured as what it may use."""

from __future__ import annotations

import json

import pytest


def test_engine_and_compose_are_there(host):
    assert host.service("docker").is_enabled
    assert host.service("docker").is_running
    engine = host.check_output("docker version --format '{{.Server.Version}}'")
    compose = host.check_output("docker compose version --short")
    assert int(engine.split(".")[0]) >= 24
    assert [int(number) for number in compose.split("+")[0].split("-")[0].split(".")[:2]] >= [2, 20]


def test_logs_are_bounded_and_containers_outlive_the_engine(host):
    settings = json.loads(host.file("/etc/docker/daemon.json").content_string)
    assert settings["log-opts"]["max-size"]
    assert settings["live-restore"] is True


def test_image_is_pulled_from_a_registry_with_an_authority_of_its_own(host):
    host.check_output("docker pull --quiet 172.30.60.2:5000/library/redis:8.4.7")


def test_measurement_sees_the_limits_of_the_server(first_run):
    """The machine below has more; containers here can use what the server's control group gives."""
    capacity = first_run.real.context()["capacity"]
    assert capacity["cores"] == 1.5
    assert capacity["memory_mb"] == 3000


def test_host_below_the_minimum_is_refused_with_what_it_has(server, host):
    run = server.run(playbook="playbooks/preflight.yml", variables={"trenova_accept_undersized_host": False}, expect=2)
    assert "1.5 CPU cores found, 6 needed" in run.output
    assert "trenova_accept_undersized_host" in run.output
    assert run.changed == 0


def test_change_of_the_engine_leaves_running_containers_alone(server, host):
    host.check_output(
        "docker run --detach --name bystander 172.30.60.2:5000/library/redis:8.4.7 redis-server --save ''")
    change = {"docker_daemon_extra": {"max-concurrent-downloads": 5}}
    with server.change(change, shows=['+  "max-concurrent-downloads": 5']):
        assert host.check_output("docker inspect --format '{{.State.Running}}' bystander") == "true"
    host.check_output("docker rm --force bystander")


def test_what_the_administrator_set_himself_stays(server, host):
    settings = json.loads(host.file("/etc/docker/daemon.json").content_string)
    settings["debug"] = True
    host.check_output(f"printf '%s' '{json.dumps(settings)}' > /etc/docker/daemon.json")
    server.run()
    assert json.loads(host.file("/etc/docker/daemon.json").content_string)["debug"] is True
    assert server.run().changed == 0


@pytest.mark.parametrize("setting", ["vm.overcommit_memory", "net.core.somaxconn"])
def test_kernel_settings_that_services_ask_for(host, setting):
    wanted = host.check_output(f"grep -h '^{setting}' /etc/sysctl.d/60-trenova.conf").split("=")[1].strip()
    assert int(host.check_output(f"sysctl -n {setting}")) >= int(wanted)


def test_free_space_is_remembered_as_it_was_before_us(host):
    first = json.loads(host.file("/opt/trenova/.state/host.json").content_string)
    assert first["disk_free_gb_before"] > 1
