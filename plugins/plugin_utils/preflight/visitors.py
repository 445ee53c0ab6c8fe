# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can be wrong with what the inventory says of addresses and ports of the host itself, whatever runs there."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.plugin_utils import formats, ipv6
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.model import INVENTORY, Problem

#: {variable: format} of those that no role owns.
FORMATS = {"trenova_ipv6": "boolean", "trenova_verify_other_ports": "ports", "trenova_verify_seconds": "0..600"}


def check_shared_formats(facts):
    """Values that no role owns have their format."""
    for variable, kind in FORMATS.items():
        fault = formats.fault(kind, facts.variables.get(variable))
        if fault:
            yield Problem(f"{variable} {fault[0]}.", INVENTORY, f"{variable}: {fault[1]}")


def check_ipv6(facts):
    """IPv6 is wanted where the host can have it."""
    is_wanted = formats.is_true(facts.variables.get("trenova_ipv6"))
    # Of a host that is only imagined, nothing is known of its addresses.
    missing = ipv6.lack(facts.capacity) if is_wanted and facts.capacity.get("measured") is not False else None
    if missing:
        yield Problem(
            f"trenova_ipv6 is true, and {missing}.", INVENTORY, "trenova_ipv6: false; or see to what is missing")
