# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Addresses of a Linux host: its own, and those of the connection by which it is managed."""

from __future__ import annotations

import ipaddress
import os

#: Scope of an address that others can reach, in /proc/net/if_inet6.
GLOBAL_SCOPE = "00"
#: Interfaces between the host and its containers.
OF_CONTAINERS = ("br-", "docker", "veth")


def ipv6_addresses(path="/proc/net/if_inet6"):
    """IPv6 addresses of the host that others can reach, those of its networks of containers aside."""
    found = []
    for line in (_read(path) or "").splitlines():
        address, _index, _length, scope, _flags, name = line.split()
        if scope == GLOBAL_SCOPE and not name.startswith(OF_CONTAINERS):
            found.append(str(ipaddress.IPv6Address(bytes.fromhex(address))))
    return sorted(found)


def ssh_connection(proc="/proc"):
    """(address, port) of this host as the SSH connection to it sees them; None without one.

    A program that has become root by sudo has lost the variable; the processes above it have it still.
    """
    process = "self"
    while process and process not in ("0", "1"):
        for entry in (_read(os.path.join(proc, process, "environ")) or "").split("\0"):
            name, _separator, value = entry.partition("=")
            words = value.split()
            if name == "SSH_CONNECTION" and len(words) == 4:
                return words[2], int(words[3])
        process = _parent(os.path.join(proc, process, "status"))
    return None


def by_ssh():
    """The same as facts: `ssh_address` and `ssh_port`, each None without such a connection."""
    address, port = ssh_connection() or (None, None)
    return {"ssh_address": address, "ssh_port": port}


def _parent(path):
    lines = (_read(path) or "").splitlines()
    return next((line.split()[1] for line in lines if line.startswith("PPid:")), None)


def _read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return None
