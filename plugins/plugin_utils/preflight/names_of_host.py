# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether the host names lead to the host, before an ACME authority is asked for certificates of them.

Only a name that nobody finds is a problem, on a host that serves none of its names yet: no authority can be led
anywhere by it, and each attempt counts against the limits of the public ones. An address that is not the host's may be
that of a router, a load balancer or a CDN, or of the old server until the move: that is told, and stops nobody. Names
that have a certificate already are not asked for.
"""

from __future__ import annotations

import ipaddress

from ansible_collections.trenova.selfhost.plugins.plugin_utils import routes
from ansible_collections.trenova.selfhost.plugins.plugin_utils.entrance import entrance_of
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.model import Problem


def without_certificate(facts):
    """Host names of the routes for which an ACME authority is to be asked, and that have no certificate on the host."""
    entrance, there = entrance_of(facts.services), facts.capacity["deployed"].get("certificates", [])
    if not entrance.get("acme") or there is None or facts.capacity.get("measured") is False:
        return []
    return [name for name in routes.route_hosts(facts.services, entrance.get("routes")) if name not in there]


class Leads:
    """Where names lead to: {name: addresses, [] where there is no such name, None where nobody answered}."""

    def __init__(self, facts, from_here=None, from_host=None, own=()):
        """from_here, from_host: as the controller and the host resolve them. own: addresses that are the host's."""
        self._ssh_address = facts.capacity.get("ssh_address")
        self._otherwise = (entrance_of(facts.services).get("acme") or {}).get("otherwise", "")
        self._from_here, self._from_host = from_here or {}, from_host or {}
        self._own = set(own)
        self._is_served = bool(facts.capacity["deployed"].get("certificates"))
        self._lost = [name for name in self._from_here if self._from_here[name] == self._from_host.get(name) == []]

    def problems(self):
        """Names that neither the controller nor the host finds, where nothing is served yet that could go on."""
        if self._lost and not self._is_served:
            yield Problem(
                self._not_found(), "the DNS of the domain",
                f"{self._record()}; or {self._otherwise}, until there is one")

    def remarks(self):
        """Sentences on names that lead elsewhere, also elsewhere, or to nobody knows where."""
        elsewhere, beside, unknown = {}, {}, []
        for name, here in self._from_here.items():
            views = [view for view in (here, self._from_host.get(name)) if view]
            if not views:
                unknown += [name] if here is None or self._from_host.get(name) is None else []
            elif not any(self._own.intersection(view) for view in views):
                elsewhere.setdefault(_joined(views), []).append(name)
            elif others := [address for view in views if self._own.intersection(view)
                            for address in view if address not in self._own]:
                beside.setdefault(_joined([others]), []).append(name)
        if self._lost and self._is_served:
            yield f"{self._not_found()} Create {self._record()}."
        for addresses, names in elsewhere.items():
            yield (
                f"{_lead(names)} to {addresses}, which is no address of this host. Where a router, a load balancer or "
                "a CDN has it, and hands ports 80 and 443 on to this host, all is well; else there will be no "
                f"certificate until the A and AAAA records say where this host is{self._such_as()}.")
        for addresses, names in beside.items():
            yield (
                f"{_lead(names)} to this host and also to {addresses}, which is not this host's: an authority that "
                "looks there first gives no certificate. Remove that record, or make sure that this host answers "
                "there.")
        if unknown:
            yield (
                "No name server has told where {} {} to: whether an authority will find this host there is not "
                "known.".format(_listed(unknown), "lead" if len(unknown) > 1 else "leads"))

    def _not_found(self):
        return (
            f"{_listed(self._lost)} {'are' if len(self._lost) > 1 else 'is'} not found in the DNS, neither from here "
            "nor from the host: no authority can give a certificate.")

    def _record(self):
        return f"an A record for each, with the address at which visitors reach the server{self._such_as()}"

    def _such_as(self):
        """An address that may be the right one."""
        return f", {self._ssh_address} for instance" if _is_public(self._ssh_address) else ""


def _is_public(address):
    try:
        return ipaddress.ip_address(str(address)).is_global
    except ValueError:
        return False


def _joined(views):
    return " and ".join(list(dict.fromkeys(address for view in views for address in view)))


def _listed(names):
    return names[0] if len(names) == 1 else "{} and {}".format(", ".join(names[:-1]), names[-1])


def _lead(names):
    return f"{_listed(names)} {'lead' if len(names) > 1 else 'leads'}"
