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
