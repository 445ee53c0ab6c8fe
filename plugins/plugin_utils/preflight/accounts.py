# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""People of the host who have the number of a container's user, and with it what that user may."""

from __future__ import annotations

REMARK = (
    "The user {name} of this host has the number {number}, as which the containers of {services} run: whoever logs in "
    "as {name} can end them, and read what they can read. Give the account another number (usermod --uid).")


def remarks(facts):
    """A sentence for each of them. Nothing that a run must not go on with."""
    found = []
    for number, name in sorted((facts.capacity.get("people") or {}).items()):
        services = [
            service.get("title", key) for key, service in sorted(facts.services.items())
            if service.get("containers") and str(service.get("user", 0)) == number]
        if services:
            found.append(REMARK.format(name=name, number=number, services=", ".join(services)))
    return found
