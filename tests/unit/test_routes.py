# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.plugin_utils import instances, routes

SERVICES = {
    "client": {"routes": [{"host": "erp.test", "upstreams": ["tren-client:5173"]}]},
    "api": {"routes": [{
        "host": "erp.test", "paths": ["/api/*"], "upstreams": ["tren-api:3001"], "blocked_paths": ["/health"],
        "health": {"uri": "/api/v1/", "status": 401}}]},
    "asynq_dashboard": {"routes": [{"host": "jobs.erp.test", "upstreams": ["d:8080"], "login": True}]},
    "minio": {"enabled": False, "routes": [{"host": "s3.erp.test", "upstreams": ["m:9000"], "signed_only": True}]},
}


def test_longest_path_is_asked_first():
    site = routes.sites(SERVICES)[0]
    assert [route["path"] for route in site["routes"]] == ["/api/*", "/*"]
    assert site["blocked_paths"] == ["/health"]


def test_disabled_service_has_no_route():
    assert routes.route_hosts(SERVICES) == ["erp.test", "jobs.erp.test"]


def test_protection_of_one_route_holds_for_its_whole_host():
    extra = [{"host": "jobs.erp.test", "paths": ["/metrics"], "upstreams": ["x:1"]}]
    sites = {site["host"]: site for site in routes.sites(SERVICES, extra)}
    assert sites["jobs.erp.test"]["login"] is True
    assert len(sites["jobs.erp.test"]["routes"]) == 2


def test_names_of_instances():
    assert instances.instance_names(0, "tren-api") == []
    assert instances.instance_names(1, "tren-api") == ["tren-api"]
    assert instances.instance_names(3, "tren-api") == ["tren-api", "tren-api-2", "tren-api-3"]


EDGE = {"api": {
    "containers": {"main": {"name": "tren-api", "names": ["tren-api", "tren-api-3"]},
                   "worker": {"name": "tren-api-worker", "names": []}},
    "endpoints": {"http": {"port": 3001}},
    "routes": [{"host": "erp.test", "endpoint": "http", "upstreams": ["tren-api:3001", "tren-api-3:3001"]}]}}
RUNNING = {"tren-api-10": "api", "tren-api-2": "api", "tren-api": "api", "tren-api-worker": "api", "tren-db": "pg",
           "tren-api-7": "somebody"}


def test_an_entrance_leads_to_what_runs_until_what_is_new_serves():
    [route] = routes.leading_to(EDGE, RUNNING, wanted=False)["api"]["routes"]
    assert route["upstreams"] == ["tren-api:3001", "tren-api-2:3001", "tren-api-10:3001"]


def test_an_entrance_leads_to_what_is_new_before_what_goes_is_stopped():
    [route] = routes.leading_to(EDGE, RUNNING, wanted=True)["api"]["routes"]
    assert route["upstreams"] == ["tren-api:3001", "tren-api-2:3001", "tren-api-10:3001", "tren-api-3:3001"]


def test_an_entrance_leads_past_a_container_that_is_replaced():
    [route] = routes.leading_to(EDGE, RUNNING, wanted=True, past="tren-api-2")["api"]["routes"]
    assert route["upstreams"] == ["tren-api:3001", "tren-api-10:3001", "tren-api-3:3001"]


def test_nothing_leads_past_the_only_container():
    running = {"tren-api": "api"}
    alone = {"api": dict(EDGE["api"], routes=[dict(EDGE["api"]["routes"][0], upstreams=["tren-api:3001"])])}
    assert routes.avoidable(alone, running) == []
    assert routes.leading_to(alone, running, wanted=True, past="tren-api") == alone


def test_what_runs_beside_others_can_be_avoided():
    assert routes.avoidable(EDGE, RUNNING) == ["tren-api", "tren-api-2", "tren-api-10"]
    assert routes.avoidable(EDGE, {}) == []


def test_a_route_to_what_does_not_run_at_all_stays_as_it_is():
    assert routes.leading_to(EDGE, {}, wanted=False) == EDGE
