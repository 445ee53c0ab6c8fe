# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Where a host sends packets, from /proc: what Docker's own networks must not cover."""

from __future__ import annotations

import ipaddress
import struct

from ansible_collections.trenova.selfhost.plugins.module_utils import host

ROUTES = "/proc/net/route"
FLAG_UP = 0x1
FLAG_REJECT = 0x200


def routes(path=ROUTES):
    """IPv4 routes of the main table, default routes aside: network, device, and whether a gateway lies between."""
    found = []
    for line in (host.read_text(path) or "").splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8:
            continue
        device, destination, gateway, flags, mask = fields[0], *(int(fields[number], 16) for number in (1, 2, 3, 7))
        if mask == 0 or not flags & FLAG_UP or flags & FLAG_REJECT:
            continue
        network = ipaddress.ip_network((_address(destination), bin(mask).count("1")), strict=False)
        found.append({"network": str(network), "device": device, "gateway": gateway != 0})
    return found


def _address(number):
    """An address of /proc, whose bytes stand in the order of the machine."""
    return str(ipaddress.ip_address(struct.pack("=I", number)))


def nameservers(path="/etc/resolv.conf"):
    """Addresses of the name servers of the host."""
    lines = [line.split() for line in (host.read_text(path) or "").splitlines()]
    return [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]
