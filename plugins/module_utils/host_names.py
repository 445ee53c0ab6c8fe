# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Where host names lead to, as a machine resolves them, within a bounded time; and which addresses are its own."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time

SECONDS = 5
#: What a resolver says of a name that does not exist, or has no address. All else is no answer.
NO_SUCH_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


def resolved(names, seconds=SECONDS, look_up=socket.getaddrinfo):
    """{name: its addresses}; an empty list of a name that does not exist, None where nobody has answered in time.

    The host's own loopback says nothing of the DNS: installers write it beside the host's name in /etc/hosts.
    """
    found = dict.fromkeys(names)

    def ask(name):
        try:
            entries = look_up(name, None, 0, socket.SOCK_STREAM)
        except socket.gaierror as error:
            if error.errno in NO_SUCH_NAME:
                found[name] = []
        except (OSError, UnicodeError):
            return
        else:
            addresses = list(dict.fromkeys(entry[4][0].partition("%")[0] for entry in entries))
            others = [address for address in addresses if not ipaddress.ip_address(address).is_loopback]
            found[name] = others or None

    # A resolver has no time limit of ours: who has not answered by then is left behind.
    threads = [threading.Thread(target=ask, args=[name], daemon=True) for name in names]
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0, deadline - time.monotonic()))
    return dict(found)


def is_own(address):
    """Whether an address is one of this machine's: nobody can listen on another's."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True
