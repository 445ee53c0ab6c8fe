# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Changes under 50 requests a second through Caddy: what is asked meanwhile is answered."""

from __future__ import annotations

import time

MEDIUM = {"trenova_tier": "medium", "trenova_accept_overcommit": True}
LIMITS = {
    "pgbouncer_compose_extra": {"pgbouncer": {"mem_limit": "150m", "memswap_limit": "150m"}},
    "postgres_compose_extra": {"postgres": {"cpus": 0.9}},
    "redis_compose_extra": {"redis": {"mem_limit": "1900m", "memswap_limit": "1900m"}},
    "api_compose_extra": {"api": {"pids_limit": 700}},
}


def instances(host):
    """Names of the API's containers."""
    return sorted(host.check_output("docker ps --format '{{.Names}}' --filter label=trenova.role=api").split())


def test_nothing_fails_while_nothing_changes(server, load, capsys):
    with load.unfailing(capsys, "a re-run"):
        assert server.run().changed == 0


def test_nothing_fails_while_an_instance_comes(server, host, load, capsys):
    before = server.started()
    with load.unfailing(capsys, "API from 1 to 2 instances"):
        server.run(variables={"trenova_plan_overrides": {"api": {"instances": 2}}})
    assert instances(host) == ["tren-api", "tren-api-2"]
    # The pool of connections is shared by two now, which the first has to read.
    assert server.restarted(before) == {"tren-api", "tren-api-2"}


def test_nothing_fails_while_one_of_two_is_replaced(server, host, load, capsys):
    change = {"trenova_plan_overrides": {"api": {"instances": 2}}, "api_environment_extra": {"CHANGED": "yes"}}
    before = server.started()
    with load.unfailing(capsys, "each of 2 instances replaced"):
        server.run(variables=change)
    assert server.restarted(before) == {"tren-api", "tren-api-2"}
    server.run(variables={"trenova_plan_overrides": {"api": {"instances": 2}}})


def test_nothing_fails_while_an_instance_goes(server, host, load, capsys):
    with load.unfailing(capsys, "API from 2 to 1 instance"):
        server.run()
    assert instances(host) == ["tren-api"]


def test_limits_are_set_while_everything_runs(server, host, load, capsys):
    before = server.started()
    with load.unfailing(capsys, "limits of four containers"):
        run = server.run(variables=LIMITS)
        assert set(run.gathered("limited")) == {"tren-pgbouncer", "tren-db", "tren-redis", "tren-api"}
        found = server.containers()
        assert found["tren-pgbouncer"]["HostConfig"]["Memory"] == 150 * 1048576
        assert found["tren-db"]["HostConfig"]["NanoCpus"] == 900000000
        assert found["tren-api"]["HostConfig"]["PidsLimit"] == 700
        assert server.run(variables=LIMITS).changed == 0
        server.run()
    assert server.restarted(before) == set()


def test_clients_wait_while_postgresql_restarts(server, host, load, capsys):
    before = server.started()
    change = {"trenova_plan_overrides": {"postgres": {"max_connections": 130}}}
    with load.unfailing(capsys, "a restart of PostgreSQL"):
        server.run(variables=change)
    assert server.restarted(before) == {"tren-db"}
    assert host.check_output("docker exec tren-db psql -qAt -c 'SHOW max_connections'") == "130"
    with load.again().unfailing(capsys, "and back"):
        server.run()


def test_nothing_fails_from_one_tier_to_another_and_back(server, host, load, capsys):
    with load.unfailing(capsys, "tier minimum to medium"):
        server.run(variables=MEDIUM)
    assert instances(host) == ["tren-api", "tren-api-2"]
    with load.again().unfailing(capsys, "tier medium to minimum"):
        server.run()
    assert instances(host) == ["tren-api"]


def test_the_only_instance_is_away_for_a_moment_when_it_is_replaced(server, load, capsys):
    with load:
        server.run(variables={"api_environment_extra": {"CHANGED": "yes"}})
    with capsys.disabled():
        print(f"\n  the only API instance replaced: {load.summary()}")
    server.run()
    # Requests wait in Caddy for what is being replaced.
    assert len(load.failed) < 50 * 10, load.summary()


def test_after_a_crash_of_postgresql_requests_succeed_soon(host, load, capsys):
    """Within five seconds after it accepts connections again."""
    with load:
        host.check_output("kill -9 $(docker inspect --format '{{.State.Pid}}' tren-db)")
        host.check_output(
            "for i in $(seq 600); do docker exec tren-db pg_isready -q -h 127.0.0.1 && exit 0; sleep 0.1; done; exit 1")
        accepts = load.now()
        time.sleep(12)
    late = [answer for answer in load.failed if answer.due > accepts]
    last = max((answer.due for answer in load.failed), default=accepts)
    with capsys.disabled():
        print(f"\n  PostgreSQL killed: {load.summary()}; the last failed {last - accepts:.1f} s after it accepted")
    assert [answer for answer in late if answer.due > accepts + 5] == [], load.summary()
