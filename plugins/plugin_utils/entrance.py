# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Where visitors enter an installation, and the addresses that follow from it.

One service says it, as `entrance` of its description: the public name and ports, who ends TLS, and where the host
itself listens. Every other address of the installation is made here from that, so that what one part writes another
agrees with: the page, the API's origin, its CORS, presigned links, redirects, and what the verification expects.
"""

from __future__ import annotations

import ipaddress

#: TLS is ended by the entrance or by a proxy in front of it; nobody comes to the application without it.
SCHEME = "https"
#: Ports that addresses do not name, and where visitors find an entrance that says nothing else.
HTTP_PORT, HTTPS_PORT = 80, 443


def entrance_of(services):
    """What a description says of the entrance on this host; nothing where there is none."""
    return next((service["entrance"] for service in services.values() if service.get("entrance")), {})


def https_port(entrance):
    """Port of HTTPS, as visitors see it."""
    return int(entrance.get("https_port", HTTPS_PORT))


def http_port(entrance):
    """Port of plain HTTP, as visitors see it."""
    return int(entrance.get("http_port", HTTP_PORT))


def published_ports(entrance):
    """Ports on which the host itself takes visitors: {"http", "https"}, the latter not where a proxy ends TLS.

    They are the public ones, unless a router or a proxy in front has others.
    """
    told = entrance.get("published")
    if told is None:
        return {"http": http_port(entrance), "https": https_port(entrance)}
    return {scheme: int(port) for scheme, port in told.items()}


def netloc(host, entrance):
    """Name and port of a host name of the installation, as they stand in an address and in the header `Host`.

    The port is left out where it is that of the scheme: browsers leave it out, and S3 requests are signed with it.
    """
    return with_port(host, https_port(entrance), HTTPS_PORT)


def origin(host, entrance):
    """Origin of a host name of the installation (RFC 6454): scheme, name, and the port where it is not the scheme's."""
    return f"{SCHEME}://{netloc(host, entrance)}"


def with_port(host, port, default=None):
    """Name or address with a port, in the notation of an address of the web; without one that is the default."""
    name = f"[{host}]" if is_ipv6(host) else str(host)
    return name if int(port) == default else f"{name}:{port}"


def is_ipv6(text):
    """Whether a text is an IPv6 address."""
    try:
        return ipaddress.ip_address(str(text)).version == 6
    except ValueError:
        return False


def is_loopback(text):
    """Whether an address or a network is the host's way to itself."""
    try:
        network = ipaddress.ip_network(str(text), strict=False)
    except ValueError:
        return False
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    return network.is_loopback or mapped is not None and mapped.is_loopback


def loopback(addresses):
    """Those of some addresses and networks that are the host's way to itself."""
    return [entry for entry in addresses or [] if is_loopback(entry)]
