# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""From the routes that services declare to the sites that Caddy serves."""

from __future__ import annotations

import re


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


def leading_to(services, running, wanted, past=None):
    """Descriptions whose routes lead to the containers that run, {name: role}; with `wanted`, also to those that shall.

    A route to something that does not run at all stays as it is. `past` is a container that none leads to, where there
    are others.
    """
    return {
        name: dict(service, routes=[
            _leading_past(_leading_to(name, service, route, running, wanted), past) for route in service["routes"]])
        if service.get("routes") else service for name, service in services.items()}


def avoidable(services, running):
    """Names of the containers that run and that routes can lead past, because they lead to others as well."""
    found = []
    for service in leading_to(services, running, wanted=True).values():
        for route in service.get("routes") or []:
            names = [upstream.rpartition(":")[0] for upstream in route["upstreams"]]
            found += [name for name in names if name in running and len(names) > 1]
    return list(dict.fromkeys(found))


def _leading_past(route, container):
    others = [upstream for upstream in route["upstreams"] if upstream.rpartition(":")[0] != container]
    return dict(route, upstreams=others or route["upstreams"])


def _leading_to(name, service, route, running, wanted):
    endpoint = (service.get("endpoints") or {}).get(route.get("endpoint"))
    if endpoint is None:
        return route
    first = service["containers"][endpoint.get("container", "main")]["name"]
    of_kind = re.compile(re.escape(first) + r"(-[0-9]+)?")
    found = [container for container, role in running.items() if role == name and of_kind.fullmatch(container)]
    upstreams = [f"{container}:{endpoint['port']}" for container in sorted(found, key=_by_number)]
    if not upstreams:
        return route
    return dict(route, upstreams=list(dict.fromkeys(upstreams + (route["upstreams"] if wanted else []))))


def _by_number(container):
    number = container.rpartition("-")[2]
    return int(number) if number.isdigit() else 1
