# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether those who come by IPv6 are told apart, on a host that has IPv6."""

from __future__ import annotations

import socket

from ansible_collections.trenova.selfhost.plugins.plugin_utils import ipv6
from ansible_collections.trenova.selfhost.plugins.plugin_utils.entrance import entrance_of, is_ipv6

NAME = "Visitors by IPv6"
#: What gives an existing network IPv6.
ANEW = "trenova_ipv6: true makes the network anew, which interrupts for a moment"


def results(services, networks, capacity, resolve=None):
    """One result where visitors may come by IPv6; none where they cannot, or come to a proxy.

    networks: those that lead outside, {name: {"ipv6"}}. resolve: function from a host name to its IPv6 addresses.
    """
    entrance = entrance_of(services)
    bound = entrance.get("address")
    if not entrance or entrance.get("behind_proxy") or not capacity.get("ipv6_addresses") or not networks:
        return []
    if bound and not is_ipv6(bound):
        return []
    if all(network["ipv6"] for network in networks.values()):
        return [_result("arrive under their own addresses")]
    why = ipv6.lack(capacity)
    addresses = (resolve or ipv6_of)(entrance["host"])
    if not addresses and not bound:
        return [_result("are not served: {}. So {} must have no IPv6 address".format(why or ANEW, entrance["host"]))]
    return [dict(_result(
        "all have one address here, whose failed logins and limits they share: {} leads to {}, and {}".format(
            entrance["host"], addresses[0] if addresses else bound,
            f"{why}. Else give the name no IPv6 address" if why else ANEW)), note=True)]


def ipv6_of(host):
    """IPv6 addresses of a host name, as this machine resolves it."""
    try:
        found = socket.getaddrinfo(host, None, socket.AF_INET6, socket.SOCK_STREAM)
    except OSError:
        return []
    return sorted({entry[4][0] for entry in found})


def _result(detail):
    return {"name": NAME, "ok": True, "detail": detail, "seconds": 0}
