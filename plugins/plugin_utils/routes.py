# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""From the routes that services declare to the sites that Caddy serves."""

from __future__ import annotations


def declared(services, extra):
    """Routes of all enabled services, and those that the inventory adds."""
    routes = []
    for name in sorted(services):
        if services[name].get("enabled", True):
            routes.extend(services[name].get("routes", []))
    return routes + list(extra or [])


def route_hosts(services, extra=None):
    """Host names of all routes, sorted."""
    return sorted({route["host"] for route in declared(services, extra)})


def sites(services, extra=None):
    """One entry per host name, its routes ordered so that the longest path is asked first.

    A host name asks for a login, or takes signed requests only, when one of its routes says so: what is
    protected on one path must not be open on another.
    """
    found = {}
    for route in declared(services, extra):
        site = found.setdefault(route["host"], {
            "host": route["host"], "blocked_paths": [], "login": False, "signed_only": False, "routes": []})
        site["blocked_paths"] += route.get("blocked_paths", [])
        site["login"] = site["login"] or route.get("login", False)
        site["signed_only"] = site["signed_only"] or route.get("signed_only", False)
        for path in route.get("paths") or ["/*"]:
            site["routes"].append({
                "path": path, "upstreams": route["upstreams"], "health": route.get("health"),
                "max_body_mb": route.get("max_body_mb")})
    for site in found.values():
        site["routes"].sort(key=lambda route: (-len(route["path"]), route["path"]))
    return [found[host] for host in sorted(found)]
