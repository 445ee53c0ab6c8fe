# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What holds for every role: honest checks, second runs without changes, restricted containers, no secret in sight."""

from __future__ import annotations


def test_check_on_the_untouched_server_changes_nothing(first_run):
    assert first_run.touched == set()


def test_check_on_the_untouched_server_announces_what_the_run_does(first_run):
    announced, real = first_run.announced, first_run.real
    assert announced.changed > 0
    # What several services share is written by whichever comes first.
    assert set(real.gathered("changed_files")) == set(announced.gathered("changed_files"))
    assert set(real.gathered("started")) == set(announced.gathered("started"))


def test_second_check_and_run_change_nothing(server, host):
    before = server.started()
    assert server.run("--check").changed == 0
    assert server.run().changed == 0
    assert server.started() == before


def test_containers_are_restricted_and_limited(containers):
    for name, container in containers.items():
        host_config = container["HostConfig"]
        found = {
            "capabilities": host_config["CapDrop"], "read-only": host_config["ReadonlyRootfs"],
            "no new privileges": "no-new-privileges:true" in host_config["SecurityOpt"],
            "privileged": host_config["Privileged"], "memory": host_config["Memory"] > 0,
            "cpus": host_config["NanoCpus"] > 0, "processes": host_config["PidsLimit"] > 0,
            "logs": "max-size" in host_config["LogConfig"]["Config"],
            "root": container["Config"]["User"].split(":")[0] in ("", "0", "root")}
        assert found == {
            "capabilities": ["ALL"], "read-only": True, "no new privileges": True, "privileged": False, "memory": True,
            "cpus": True, "processes": True, "logs": True, "root": False}, name


def test_containers_are_healthy(containers):
    unhealthy = {
        name: container["State"]["Health"]["Status"] for name, container in containers.items()
        if container["State"]["Health"]["Status"] != "healthy"}
    assert unhealthy == {}


def test_no_container_has_an_anonymous_volume(containers):
    mounts = [mount for container in containers.values() for mount in container["Mounts"]]
    assert [mount for mount in mounts if mount["Type"] == "volume"] == []


def test_only_caddy_publishes_ports(containers):
    published = {name for name, entry in containers.items() if any(entry["HostConfig"]["PortBindings"].values())}
    assert published <= {"tren-caddy"}


def test_secrets_are_not_in_sight(host, secrets):
    inspect = "docker ps --all --quiet | xargs --no-run-if-empty docker inspect"
    seen = {
        "docker inspect": host.check_output(inspect),
        "process list": host.check_output("ps auxww"),
        "journal": host.check_output("journalctl --no-pager --quiet"),
        "logs": host.check_output("for name in $(docker ps --all --quiet); do docker logs $name 2>&1; done"),
    }
    found = [(place, name) for place, text in seen.items() for name, value in secrets.items() if value in text]
    assert found == []


def test_secret_files_are_readable_by_their_service_only(host):
    modes = host.check_output("find /opt/trenova/*/secrets -type f -printf '%m\\n' 2>/dev/null | sort -u")
    assert modes in ("", "400")
