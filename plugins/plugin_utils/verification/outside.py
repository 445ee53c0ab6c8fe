# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The verification from outside: which visits follow from the descriptions of services, and what came of them."""

from __future__ import annotations

import functools
import ipaddress
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.trenova.selfhost.plugins.module_utils.patience import until_ok
from ansible_collections.trenova.selfhost.plugins.plugin_utils import routes
from ansible_collections.trenova.selfhost.plugins.plugin_utils.entrance import (
    entrance_of,
    http_port,
    https_port,
    is_loopback,
    loopback,
    published_ports,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.verification import visits
from ansible_collections.trenova.selfhost.plugins.plugin_utils.verification.visitor import Visitor
from ansible_collections.trenova.selfhost.plugins.plugin_utils.verification.way import (
    Way,
    is_tunnel,
    own_addresses,
)

#: Ports of the requirements and of what the services listen on, asked although nothing should answer.
WELL_KNOWN_PORTS = (
    80, 443, 2019, 2375, 2376, 3001, 3002, 4369, 5173, 5432, 5672, 5674, 6379, 6432, 8080, 8081, 9000, 9001, 15672,
    15674, 15692, 25672,
)
SSH_PORT = 22
UNSEEN = (
    "cannot be asked from here: {}. Run playbooks/verify.yml where browsers are, or write trenova_verify_address: an "
    "address at which this machine reaches the entrance")
#: The program that takes SSH connections: whatever ports it has are the administrator's.
SSH_PROGRAM = "sshd"


class AddressUnknown(Exception):
    """A name has no address here."""


def chains(services):
    """The visits that follow from the services of a host, in chains: those of one chain are made one after the other.

    Nobody gets in where there is no entrance: then only the ports are asked.
    """
    found = [[{"name": "Open ports, seen from another host", "kind": "ports"}]]
    entrance = entrance_of(services)
    if not entrance:
        return found
    found += [service["visits"] for service in services.values() if service.get("visits")]
    if guarded_hosts(services):
        found.append([dict(entrance["login"], name="Dashboards", kind="dashboards")])
    return found


def guarded_hosts(services):
    """Host names for which the entrance asks for its login, sorted."""
    return [site["host"] for site in routes.sites(services) if site["login"]]


def password_variables(services):
    """Names of the secrets that the visits need."""
    return {visit["password_variable"] for chain in chains(services) for visit in chain if "password_variable" in visit}


def scene(services, visitor, seen, passwords, ports=(), way=None):
    """What holds for all visits of a host.

    seen: what the host says of itself, `listeners`, `ssh_address` and `ssh_port`. passwords: {variable: value}. ports:
    those that may answer besides, of SSH and of what is the administrator's. way: how this machine comes to the host.
    """
    entrance = entrance_of(services)
    published = {
        int(endpoint["published"]) for service in services.values()
        for endpoint in (service.get("endpoints") or {}).values() if "published" in endpoint}
    # Behind a proxy, the ports of the visitors are its own, and it may stand on this host.
    has_proxy = entrance.get("behind_proxy") or loopback(entrance.get("proxies"))
    of_proxy = {http_port(entrance), https_port(entrance)} if has_proxy else set()
    heard = [entry for entry in seen["listeners"] if not is_loopback(entry["address"])]
    of_ssh = {entry["port"] for entry in heard if entry.get("process") == SSH_PROGRAM}
    allowed = {*published, *of_proxy, *of_ssh, *map(int, ports), *filter(None, [seen.get("ssh_port")])}
    return visits.Scene(
        visitor=visitor, hosts=routes.route_hosts(services, entrance.get("routes")), guarded=guarded_hosts(services),
        entrance=entrance, allowed_ports=allowed,
        asked_ports={entry["port"] for entry in heard} | set(WELL_KNOWN_PORTS),
        holders={entry["port"]: entry["process"] for entry in heard if entry.get("process") not in (None, "unknown")},
        ports_unseen=_ports_unseen(visitor, seen, way or Way()),
        unseen=_unseen(visitor.addresses if visitor else [], entrance, seen, way or Way()), passwords=passwords)


def _unseen(addresses, entrance, seen, way):
    """Why what is asked at these addresses may be something else than the server; empty where it is that."""
    if not way.is_local and addresses == [entrance.get("address")] and is_loopback(addresses[0]):
        return UNSEEN.format(f"the entrance listens on {addresses[0]} of the server alone")
    if not way.is_local and is_tunnel(addresses, seen.get("ssh_address")):
        return UNSEEN.format(f"{addresses[0]} is this machine's end of a tunnel to the server")
    return ""


def _ports_unseen(visitor, seen, way):
    """Why the ports that the server shows to others cannot be asked from here; empty where they can."""
    addresses = visitor.server_addresses if visitor else []
    if way.is_local and addresses and all(map(is_loopback, addresses)):
        return UNSEEN.format("this host has no address but its loopback")
    return _unseen(addresses, {}, seen, way)


def visitor_of(services, server, ssh_address, given_address=None, authority=None, way=None):
    """Somebody who comes to the installation by the entrance's name, or by the server's address.

    server: name or address of the host in the inventory; ssh_address: where it was reached. given_address: name or
    address that the inventory wants to be asked, as browsers would. Raises AddressUnknown.
    """
    entrance, way = entrance_of(services), way or Way()
    try:
        at_server = addresses_of(server, ssh_address)
    except AddressUnknown:
        if not given_address or entrance.get("behind_proxy"):
            raise
        at_server = addresses_of(given_address)
    if way.is_local and all(map(is_loopback, at_server)):
        # The loopback of a host has ports that others do not see.
        at_server = own_addresses() or at_server
    public = {"http": http_port(entrance), "https": https_port(entrance)}
    by_name = given_address or (entrance["host"] if entrance.get("behind_proxy") else None)
    if by_name:
        found, ports = addresses_of(by_name, ssh_address), public
    else:
        bound = entrance.get("address")
        found = [bound] if bound and not ipaddress.ip_address(bound).is_unspecified else at_server
        ports = {**public, **published_ports(entrance)}
    return Visitor(
        found, authority, ports["https"], server_address=at_server, http_port=ports["http"], public_ports=public)


def authority(services, of_host):
    """Certificate of the authority that a visitor must know besides the public ones; of_host is what lies there."""
    told = entrance_of(services).get("authority", {})
    # Records of the first edition have the path of a file here.
    if told.get("file"):
        with open(told["file"], encoding="utf-8") as stream:
            return stream.read()
    return told.get("certificate") or of_host


def addresses_of(name, ssh_address=None):
    """Addresses of a host name, of both families; of a name that only SSH knows, an alias, the connection's."""
    try:
        found = socket.getaddrinfo(str(name).strip("[]"), None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        if ssh_address:
            return [ssh_address]
        raise AddressUnknown(
            f"The address of {name} is not known here. Set trenova_verify_address to the server's address.") from error
    return list(dict.fromkeys(entry[4][0] for entry in found))


def run(scene_of_host, services, seconds, way=None):
    """Results of all visits, several chains at a time: name, ok, detail, seconds.

    What fails is asked again for so many seconds. way: how this machine comes to the host.
    """
    deadline = time.monotonic() + seconds
    unseen = _why_unseen(scene_of_host, services, way)

    def answer(visit):
        if unseen:
            return {"name": visit["name"], "ok": True, "note": True, "detail": unseen, "seconds": 0}
        return until_ok(functools.partial(visits.ask, scene_of_host, visit), deadline)

    def walk(chain):
        return [(visit["kind"], answer(visit)) for visit in chain]

    with ThreadPoolExecutor(max_workers=4) as pool:
        found = [entry for results in pool.map(walk, chains(services)) for entry in results]
    order = list(visits.KINDS)
    return [result for _kind, result in sorted(found, key=lambda entry: order.index(entry[0]))]


def _why_unseen(scene_of_host, services, way):
    """Why nothing of the entrance can be asked from here; empty where it answers, or fails for a reason of its own."""
    if way is None or not entrance_of(services) or scene_of_host.visitor.reaches_entrance():
        return ""
    if scene_of_host.unseen:
        return scene_of_host.unseen
    over = way.over()
    return UNSEEN.format(f"the way to the server leads over {over}") if over else ""
