# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can be wrong with the way of packets: addresses for Docker's networks, and whether the host forwards at all."""

from __future__ import annotations

import ipaddress
import itertools

from ansible_collections.trenova.selfhost.plugins.plugin_utils import daemon_json
from ansible_collections.trenova.selfhost.plugins.plugin_utils.compose import version_tuple
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.model import INVENTORY, Problem

#: Key of the Engine's configuration, and variable of the inventory.
KEY, VARIABLE = "default-address-pools", "docker_address_pools"
#: Where Docker takes addresses from when nobody says otherwise: (range, length of the prefix of a network).
DEFAULT_POOLS = (
    ("172.17.0.0/16", 16), ("172.18.0.0/16", 16), ("172.19.0.0/16", 16), ("172.20.0.0/14", 16), ("172.24.0.0/14", 16),
    ("172.28.0.0/14", 16), ("192.168.0.0/16", 20))
#: Ranges to propose, networks of 256 addresses in each.
PROPOSALS = ("10.201.0.0/16", "172.30.0.0/16", "192.168.192.0/20", "10.87.0.0/16", "172.21.0.0/16", "192.168.96.0/20")
PROPOSED_SIZE = 24
#: Engines from this version on leave alone what a gateway leads to; older ones take no address that any route covers.
ON_LINK_ONLY = (23, 0)
#: Routes to more than this are the way to the rest of the world in other words: 0.0.0.0/1 of a VPN for instance.
WIDEST = 8
SHOWN = 4


def check_forwarding(facts):
    """The host forwards packets, which Docker turns on as it starts: without it no published port answers."""
    kernel = facts.capacity.get("kernel") or {}
    if kernel.get("net.ipv4.ip_forward") == "0" and facts.capacity["docker"].get("version"):
        yield Problem(
            "net.ipv4.ip_forward is 0. Docker turned it on as it started, something has turned it off since, and "
            "published ports do not answer.", "this host, /etc/sysctl.conf and /etc/sysctl.d",
            "net.ipv4.ip_forward = 1 there, and: sysctl -w net.ipv4.ip_forward=1")


def check_pools(facts):
    """Docker finds addresses for the networks that are missing, and none that somebody is reached by."""
    needed = missing_networks(facts)
    if not needed:
        return
    pools, variable = pools_of(facts)
    taken = taken_by(facts)
    found = list(itertools.islice(free_subnets(pools, [network for network, _who in taken]), needed))
    ranges = ", ".join(str(base) for base, _size in pools)
    proposal = proposed(taken + led_elsewhere(facts))
    remedy = f"{variable or KEY}: {proposal}" if proposal else "a range that nothing covers"
    if len(found) < needed:
        who = [name for network, name in taken if any(network.overlaps(base) for base, _size in pools)]
        yield Problem(
            "Docker has addresses for {} of {} networks: {} {} {}.".format(
                len(found), needed, ranges, "is" if len(pools) == 1 else "are",
                f"covered by {_listed(who)}" if who else "too small"),
            variable or _where(facts), remedy)
    elif variable and facts.variables.get(variable) is None:
        # A range that the inventory names is somebody's decision.
        who = [name for network, name in led_elsewhere(facts) if any(network.overlaps(subnet) for subnet in found)]
        if who:
            yield Problem(
                f"Docker's networks would cover what a gateway leads to: {ranges}, and {_listed(who)}.", INVENTORY,
                f"{remedy}; or, where nobody is in that range, the range that it is now")


def _where(facts):
    """Where ranges stand that are not those of our variable."""
    extra = KEY in (facts.variables.get("docker_daemon_extra") or {})
    return "docker_daemon_extra" if extra else f"{KEY} in /etc/docker/daemon.json"


def _listed(names):
    """Some of many names."""
    names = list(dict.fromkeys(names))
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def missing_networks(facts):
    """How many networks Docker has yet to make here; 0 for a host that nobody has looked at."""
    if "routes" not in facts.capacity:
        return 0
    there = {network["name"] for network in facts.capacity.get("networks") or []}
    missing = [key for key in facts.project.networks if facts.project.network(key) not in there]
    # Docker's own bridge comes first.
    return len(missing) + bool(missing and "bridge" not in there)


def pools_of(facts):
    """([(range, length of prefix)] of which Docker will take networks, variable that sets them or None)."""
    docker, deployed = facts.capacity["docker"], facts.capacity["deployed"]
    wanted = (facts.services.get("docker", {}).get("exports") or {}).get("address_pools")
    found, applied = daemon_json.readable(docker.get("daemon_json")), deployed.get("daemon_json")
    extra = facts.variables.get("docker_daemon_extra")
    ours = daemon_json.ours(found, {KEY: wanted}, extra, applied, docker).get(KEY)
    pools = list(_parsed(ours or (found or {}).get(KEY) or _pools_of_flag(docker)))
    default = [(ipaddress.ip_network(base), size) for base, size in DEFAULT_POOLS]
    return pools or default, VARIABLE if ours is not None and ours == wanted else None


def _pools_of_flag(docker):
    """The same of a flag, base=...,size=..."""
    parts = dict(part.split("=", 1) for part in str(
        daemon_json.flags_of(docker).get("default-address-pool", "")).split(",") if "=" in part)
    return [parts] if {"base", "size"} <= {*parts} else []


def _parsed(pools):
    for pool in pools or []:
        try:
            base, size = ipaddress.ip_network(pool["base"], strict=False), int(pool["size"])
        except (KeyError, TypeError, ValueError):
            continue
        if base.version == 4 and base.prefixlen <= size <= 32:
            yield base, size


def taken_by(facts):
    """[(range, who has it)] of all that Docker takes no addresses from."""
    capacity, docker = facts.capacity, facts.capacity["docker"]
    version = version_tuple(docker.get("version") or docker.get("installed_version") or "99")
    networks = [(subnet, "the network {}".format(network["name"])) for network in capacity.get("networks") or []
                for subnet in network["subnets"]]
    routes = [
        (route["network"], _words(route)) for route in capacity["routes"]
        if not route["gateway"] or version < ON_LINK_ONLY]
    servers = [(address, f"the name server {address}") for address in capacity.get("nameservers") or []]
    settings = daemon_json.readable(docker.get("daemon_json")) or {}
    bridge = (settings.get("bip") or daemon_json.flags_of(docker).get("bip"), "Docker's own bridge (bip)")
    return [(network, who) for text, who in [*networks, *routes, *servers, bridge] if (network := _network(text))]


def led_elsewhere(facts):
    """[(range, who)] of the routes by which a gateway leads to somebody, the way to the whole world aside."""
    return [
        (network, _words(route)) for route in facts.capacity["routes"]
        if route["gateway"] and (network := _network(route["network"])) and network.prefixlen >= WIDEST]


def _words(route):
    return "the route {network} on {device}".format(**route)


def _network(text):
    """An IPv4 network of a text; None where it is none."""
    try:
        network = ipaddress.ip_network(str(text), strict=False)
    except ValueError:
        return None
    return network if network.version == 4 else None


def free_subnets(pools, taken):
    """Networks that nothing of `taken` overlaps with, in the order in which Docker takes them."""
    ranges = sorted((int(network.network_address), int(network.broadcast_address)) for network in taken)
    for base, size in pools:
        step, start, end = 1 << (32 - size), int(base.network_address), int(base.broadcast_address)
        while start + step - 1 <= end:
            covered = [last for first, last in ranges if first < start + step and last >= start]
            if covered:
                # On to the first network that begins behind all of that.
                start += ((max(covered) - start) // step + 1) * step
            else:
                yield ipaddress.ip_network((start, size))
                start += step


def proposed(taken):
    """A value for docker_address_pools that nothing covers, as it is written; None where there is none."""
    networks = [network for network, _who in taken]
    for text in PROPOSALS:
        if not any(network.overlaps(ipaddress.ip_network(text)) for network in networks):
            return f"[{{base: {text}, size: {PROPOSED_SIZE}}}]"
    return None
