# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a host is asked about its services, and how all results are told."""

from __future__ import annotations

import json

import pytest
import test_bundle

from ansible_collections.trenova.selfhost.plugins.plugin_utils.description import runs_here
from ansible_collections.trenova.selfhost.plugins.plugin_utils.project import Project
from ansible_collections.trenova.selfhost.plugins.plugin_utils.verification import inside, table

RESULTS = table.grouped({
    "from outside": [{"name": "Page", "ok": True, "detail": "as expected", "seconds": 0.1}],
    "inside": [{"name": "Redis", "ok": False, "detail": "d" * 200, "seconds": 30},
               {"name": "PostgreSQL", "ok": True, "detail": "e" * 200, "seconds": 0}],
    "elsewhere": []})


def arguments(**changed):
    _variables, known = test_bundle.in_play()
    everything = {**known.services, **changed}
    here = {name: service for name, service in everything.items() if runs_here(service)}
    return inside.arguments(here, everything, Project(name="drill"), lambda names: dict.fromkeys(names, "x"), 30)


def test_the_host_is_asked_what_the_descriptions_say():
    found = arguments()
    assert (found["project"], found["seconds"]) == ("drill", 30)
    assert found["ca_file"] == "/var/lib/trenova/caddy/ca/caddy-root.crt"
    assert found["status_file"] == "/var/lib/trenova/backup/status.json"
    assert found["passwords"] == {"trenova_redis_password": "x", "trenova_rabbitmq_password": "x"}
    containers = {check["name"]: check["container"] for check in found["checks"] if "container" in check}
    assert containers["The API answers its probe"] == "tren-api"
    assert containers["The job workers' heartbeat is fresh"] == "tren-redis"


def test_an_endpoint_of_somebody_elses_is_asked_where_it_is():
    external = {"enabled": False, "external": True, "endpoints": {"redis": {"host": "cache.trucks.co", "port": 6390}}}
    checks = {check["name"]: check for check in arguments(redis=external)["checks"]}
    heartbeat = checks["The job workers' heartbeat is fresh"]
    assert (heartbeat["host"], heartbeat["port"], heartbeat["container"]) == ("cache.trucks.co", 6390, None)


def test_without_entrance_and_backups_nothing_of_them_is_looked_for():
    found = arguments(caddy={"enabled": False}, backup={"enabled": False})
    assert (found["ca_file"], found["status_file"]) == (None, None)


def test_the_table_tells_failures_whole_and_cuts_what_is_well():
    lines = table.table("erp1", RESULTS).splitlines()
    assert lines[:3] == ["Verification of erp1", "  from outside", "    ok     Page        as expected"]
    assert lines[4] == "    FAILED Redis       " + "d" * 200
    assert lines[5].endswith("e…")
    assert len(lines[5]) <= table.WIDTH
    assert lines[-1] == "  2 of 3 checks passed"


def test_the_report_holds_what_the_table_tells(tmp_path):
    path = table.write(str(tmp_path / "reports/prod"), "erp1", RESULTS)
    found = json.loads((tmp_path / "reports/prod/verify-erp1.json").read_text())
    assert path.endswith("reports/prod/verify-erp1.json")
    assert (found["host"], found["results"]) == ("erp1", RESULTS)


@pytest.mark.parametrize(("results", "expected"), [
    (RESULTS[:1], {"changed": False, "results": RESULTS[:1], "report": "/r.json"}),
    (RESULTS, {"failed": True, "msg": "1 of 3 checks failed.\n  Redis: " + "d" * 200, "report": "/r.json"}),
])
def test_a_failed_check_fails_the_task_and_is_told_once(results, expected):
    assert table.conclusion(results, "/r.json") == expected
