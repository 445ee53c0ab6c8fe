# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How this machine comes to a host, which decides what can be asked of it from here.

What cannot be asked from here says nothing of the installation: behind a jump host, nobody here sees the entrance, and
on the host itself or at the end of a tunnel, the loopback has other ports than the host shows to others.
"""

from __future__ import annotations

import re
import socket
import subprocess
from dataclasses import dataclass

from ansible_collections.trenova.selfhost.plugins.plugin_utils.entrance import is_loopback

#: In the settings of SSH, the host that a connection goes over, or the program that makes it.
OVER_ANOTHER = re.compile(r"^(proxyjump|proxycommand)[=\s]+(?!none$)(\S+)", re.MULTILINE | re.IGNORECASE)
#: How long SSH may take to say what it is configured to.
SETTINGS_SECONDS = 10
#: Nobody has these addresses (RFC 5737, RFC 3849); which address of one's own would lead there is known all the same.
ELSEWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


@dataclass(frozen=True)
class Way:
    """The way to a host."""

    #: Its name or address, as Ansible connects to it.
    server: str = ""
    #: Whether Ansible runs on the host itself.
    is_local: bool = False
    #: Options with which Ansible calls SSH.
    options: tuple[str, ...] = ()

    def over(self):
        """The host that the connection goes over, in words; nothing where it goes straight.

        SSH itself is asked, because its files may say so, too; only where there is a reason to.
        """
        if self.is_local:
            return ""
        try:
            told = subprocess.run(
                ["ssh", *self.options, "-G", self.server], capture_output=True, text=True, check=False,
                timeout=SETTINGS_SECONDS).stdout
        except (OSError, subprocess.TimeoutExpired):
            return ""
        found = OVER_ANOTHER.search(told)
        if not found:
            return ""
        return found[2] if found[1].lower() == "proxyjump" else "another host (ProxyCommand)"


def is_tunnel(addresses, ssh_address):
    """Whether addresses on the loopback of this machine lead to another one: a forwarded port, a virtual machine's."""
    return bool(addresses) and all(map(is_loopback, addresses)) and bool(ssh_address) and not is_loopback(ssh_address)


def own_addresses():
    """Addresses by which this machine is reached from others, where it has a way to them."""
    found = []
    for family, elsewhere in ELSEWHERE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((elsewhere, 9))
                found.append(probe.getsockname()[0])
        except OSError:
            continue
    return found
