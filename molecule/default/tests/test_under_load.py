# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Runs under 50 requests a second through Caddy, none of which may fail: the short form of `make proof-rollout`."""

from __future__ import annotations

import json

TWO = {"trenova_plan_overrides": {"api": {"instances": 2}}}
LIMITS = {"redis_compose_extra": {"redis": {"mem_limit": "1900m", "memswap_limit": "1900m"}}}
SETTING = {"trenova_plan_overrides": {"postgres": {"max_connections": 130}}}


def deploy(playbook, **variables):
    """A run without the verification, which makes requests of its own."""
    run = playbook("site.yml", "--skip-tags", "verify", "-e", json.dumps(variables))
    assert run.returncode == 0, run.output
    return run


def test_nothing_fails_while_an_instance_comes_and_goes(host, playbook, server, load, capsys):
    before = server.started()
    with load.unfailing(capsys, "a second API instance and another limit of Redis, and back"):
        deploy(playbook, **TWO, **LIMITS)
        assert server.containers()["tren-redis"]["HostConfig"]["Memory"] == 1900 << 20
        # The pool of connections is shared by two, which the first has to read.
        assert server.restarted(before) == {"tren-api", "tren-api-2"}
        deploy(playbook)
    assert "tren-api-2" not in server.started()


def test_nothing_fails_while_postgresql_restarts(host, playbook, server, load, capsys):
    before = server.started()
    with load.unfailing(capsys, "a setting of PostgreSQL that needs a restart"):
        deploy(playbook, **SETTING)
    assert server.restarted(before) == {"tren-db"}
    assert deploy(playbook).changed == 1
