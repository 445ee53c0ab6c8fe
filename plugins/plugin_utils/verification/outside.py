# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The verification from outside: which visits follow from the descriptions of services, and what came of them."""

from __future__ import annotations

import functools
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.trenova.selfhost.plugins.module_utils.patience import until_ok
from ansible_collections.trenova.selfhost.plugins.plugin_utils import routes
from ansible_collections.trenova.selfhost.plugins.plugin_utils.verification import visits
from ansible_collections.trenova.selfhost.plugins.plugin_utils.verification.visitor import Visitor

#: Ports of the requirements and of what the services listen on, asked although nothing should answer.
WELL_KNOWN_PORTS = (
    80, 443, 2019, 2375, 2376, 3001, 3002, 4369, 5173, 5432, 5672, 5674, 6379, 6432, 8080, 8081, 9000, 9001, 15672,
    15674, 15692, 25672,
)
#: Where visitors find an entrance that says nothing else.
HTTP_PORT, HTTPS_PORT = 80, 443
SSH_PORT = 22


class AddressUnknown(Exception):
    """A name has no address here."""


def entrance_of(services):
    """What a description says of the entrance on this host; nothing where there is none."""
    return next((service["entrance"] for service in services.values() if service.get("entrance")), {})


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


def scene(services, visitor, listeners, passwords, ssh_port=SSH_PORT):
    """What holds for all visits of a host: {variable: value} of the passwords, and the ports on which it listens."""
    published = {
        int(endpoint["published"]) for service in services.values()
        for endpoint in (service.get("endpoints") or {}).values() if "published" in endpoint}
    heard = {entry["port"] for entry in listeners if not entry["address"].startswith("127.")}
    return visits.Scene(
        visitor=visitor, hosts=routes.route_hosts(services), guarded=guarded_hosts(services),
        http_port=int(entrance_of(services).get("http_port", HTTP_PORT)), allowed_ports=published | {int(ssh_port)},
        asked_ports=heard | set(WELL_KNOWN_PORTS), passwords=passwords)


def visitor_of(services, server, ssh_address, given_address=None, authority=None):
    """Somebody who comes to the installation by the entrance's name or the server's address.

    server: name or address of the host in the inventory; ssh_address: where it was reached. given_address: name or
    address that the inventory wants to be asked. Raises AddressUnknown.
    """
    entrance = entrance_of(services)
    address = given_address or (entrance["host"] if entrance.get("behind_proxy") else server)
    return Visitor(
        resolved_name(address, ssh_address), authority, int(entrance.get("https_port", HTTPS_PORT)),
        server_address=resolved_name(server, ssh_address))


def authority(services, of_host):
    """Certificate of the authority that a visitor must know besides the public ones; of_host is what lies there."""
    told = entrance_of(services).get("authority", {})
    # Records of the first edition have the path of a file here.
    if told.get("file"):
        with open(told["file"], encoding="utf-8") as stream:
            return stream.read()
    return told.get("certificate") or of_host


def resolved_name(name, ssh_address=None):
    """Address of a host name; of a name that only SSH knows, an alias of its configuration, the connection's."""
    try:
        return socket.gethostbyname(str(name))
    except OSError as error:
        if ssh_address:
            return ssh_address
        raise AddressUnknown(
            f"The address of {name} is not known here. Set trenova_verify_address to the server's address.") from error


def run(scene_of_host, services, seconds):
    """Results of all visits, several chains at a time: name, ok, detail, seconds.

    What fails is asked again for so many seconds.
    """
    deadline = time.monotonic() + seconds

    def walk(chain):
        return [
            (visit["kind"], until_ok(functools.partial(visits.ask, scene_of_host, visit), deadline)) for visit in chain]

    with ThreadPoolExecutor(max_workers=4) as pool:
        found = [entry for results in pool.map(walk, chains(services)) for entry in results]
    order = list(visits.KINDS)
    return [result for _kind, result in sorted(found, key=lambda entry: order.index(entry[0]))]
