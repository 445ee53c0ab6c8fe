# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Reports from the field: what an administrator does by hand to a service, with the tools of Docker."""

from __future__ import annotations

FRAGMENT = "/opt/trenova/redis/compose.yaml"
NAME = "tren-redis"


def test_report_35_a_container_started_from_an_edited_file_is_made_as_planned(server, host):
    """A port and a limit, by `docker compose up`."""
    planned = server.containers()[NAME]
    host.check_output(
        "sed -i -e 's/^    mem_limit: .*/    mem_limit: 1900m/' "
        "-e 's/^    memswap_limit: .*/    memswap_limit: 1900m/' "
        f"-e 's/^    restart: /    ports: [\"127.0.0.1:6379:6379\"]\\n    restart: /' {FRAGMENT}")
    host.check_output("cd /opt/trenova && docker compose up --detach redis")
    by_hand = server.containers()[NAME]["HostConfig"]
    assert (by_hand["Memory"], list(by_hand["PortBindings"])) == (1900 << 20, ["6379/tcp"])
    run = server.run()
    assert f"replaced {NAME}: changed by hand (ports" in run.output
    found = server.containers()[NAME]["HostConfig"]
    assert (found["Memory"], found["PortBindings"]) == (
        planned["HostConfig"]["Memory"], planned["HostConfig"]["PortBindings"])
    assert server.run().changed == 0


def test_report_35_what_docker_changes_of_a_running_container_is_seen(server, host):
    """A network, a limit that is not planned, the list of Compose files; a start from the same files is no change."""
    host.check_output(f"cd /opt/trenova && docker compose up --detach --force-recreate --wait redis && "
                      f"docker network connect bridge {NAME}; docker update --cpuset-cpus 0 {NAME}; "
                      "echo COMPOSE_PROFILES=mine >>.env")
    run = server.run()
    assert f"replaced {NAME}: changed by hand (limits, network bridge)" in run.output
    assert "/opt/trenova/.env" in run.gathered("changed_files")
    host.check_output("cd /opt/trenova && docker compose up --detach --force-recreate --wait redis")
    assert server.run().changed == 0
