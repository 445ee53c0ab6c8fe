# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether visitors who come by IPv6 keep their addresses on the way to a container.

Docker publishes a port for IPv6 in any case. Where the network of the container has no IPv6, a process of the Engine's
takes those connections and makes new ones, so that all of these visitors have one address, the network's gateway. The
Engine makes rules for IPv6 by itself from version 27 on; before, it has to be asked for them as an experiment.
"""

from __future__ import annotations

import hashlib

from ansible_collections.trenova.selfhost.plugins.plugin_utils.compose import version_tuple

#: The Engine that makes rules for IPv6 without being asked (https://docs.docker.com/engine/release-notes/27/).
ENGINE = (27, 0)


def lack(capacity):
    """What a host lacks for it, in words; None where nothing is known to be missing."""
    docker = capacity.get("docker") or {}
    daemon, version = docker.get("daemon_json") or {}, docker.get("version")
    if not capacity.get("ipv6_addresses"):
        return "the host has no IPv6 address that others can reach"
    for name in ("iptables", "ip6tables"):
        if daemon.get(name) is False:
            return f"{name} is false in the Engine's daemon.json"
    asked_for = daemon.get("experimental") is True and daemon.get("ip6tables") is True
    if version and version_tuple(version) < ENGINE and not asked_for:
        return f"Docker Engine {version} makes no rules for IPv6; version {ENGINE[0]} does"
    return None


def is_on(network, wished, capacity):
    """Whether a network that leads outside has IPv6.

    wished: what the inventory says, None where it leaves that open. Then a network that exists stays as it is, because
    it would have to be made anew with all that is on it; a new one has IPv6 where nothing is missing.
    """
    if wished is not None:
        return wished
    for there in capacity.get("networks") or []:
        if there["name"] == network:
            return bool(there.get("ipv6"))
    return bool((capacity.get("docker") or {}).get("version")) and lack(capacity) is None


def subnet(network):
    """A subnet of a network's own among those that nobody routes (RFC 4193), the same at each run."""
    digits = hashlib.sha256(network.encode()).hexdigest()
    return f"fd{digits[:2]}:{digits[2:6]}:{digits[6:10]}::/64"
