# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can be wrong in the inventory: names, addresses, formats, secrets."""

from __future__ import annotations

import difflib

from ansible_collections.trenova.selfhost.plugins.plugin_utils import formats, secret_kinds
from ansible_collections.trenova.selfhost.plugins.plugin_utils.description import secret_kinds as kinds_of
from ansible_collections.trenova.selfhost.plugins.plugin_utils.formats import (
    HOST_NAME,
    MAIL_ADDRESS,
    PLACEHOLDER_DOMAIN,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.model import INVENTORY, Problem

#: Host names under which people and their browsers find the installation; there is always the first.
DOMAIN = "trenova_domain"
HOST_NAMES = (DOMAIN, "trenova_s3_domain", "trenova_jobs_domain")


def check_address(variables):
    """The address of the host is not that of the example inventory; asked before anybody is contacted."""
    address = str(variables.get("ansible_host") or variables.get("inventory_hostname") or "")
    if PLACEHOLDER_DOMAIN.search(address):
        yield Problem(
            f"The address of the host is still the example {address}.", "hosts.yml of the inventory",
            "ansible_host: the address by which the controller reaches the server")


def check_domain(facts):
    """The host names are real ones. Asked for by each service that cannot do without the first of them."""
    for variable in HOST_NAMES:
        name = facts.variables.get(variable)
        if variable == DOMAIN and not name:
            yield Problem("trenova_domain is missing.", INVENTORY, "trenova_domain: erp.your-company.com")
        elif name and PLACEHOLDER_DOMAIN.search(str(name)):
            yield Problem(
                f"{variable} is still the example {name}.", INVENTORY,
                f"{variable}: a host name of yours that points to this server")
        elif name and formats.is_address(name):
            yield Problem(
                f"{variable} is an address: {name}", INVENTORY,
                f"{variable}: a host name; certificates are made for names")
        elif name and not HOST_NAME.fullmatch(str(name)):
            yield Problem(
                f"{variable} is no host name: {name}", INVENTORY,
                f"{variable}: letters, digits, dots and hyphens only, in lower case, without https://")


def check_names_differ(facts):
    """Each host name leads to one thing."""
    seen = {}
    for variable in HOST_NAMES:
        name = facts.variables.get(variable)
        if name and name in seen:
            yield Problem(
                f"{variable} and {seen[name]} are the same: {name}", INVENTORY, f"{variable}: a host name of its own")
        seen[name] = variable


def mail_fault(address):
    """Why a mail address is none that somebody reads; None when it may be one."""
    address = str(address or "")
    if not address:
        return "missing"
    if not MAIL_ADDRESS.fullmatch(address):
        return f"no mail address: {address}"
    return f"still the example {address}" if PLACEHOLDER_DOMAIN.search(address.rsplit("@", 1)[-1]) else None


def check_required(facts):
    """What a choice makes necessary is there."""
    for service in facts.all_services.values():
        if service.get("absent"):
            continue
        for name, because in sorted((service.get("required") or {}).items()):
            if facts.variables.get(name) in (None, "", []):
                yield Problem(f"{name} is missing, and {because}.", INVENTORY, f"{name}: a value, or another choice")


def check_formats(facts):
    """Values have the format that the software takes."""
    for _name, service in sorted(facts.all_services.items()):
        for variable, kind in sorted((service.get("formats") or {}).items()):
            found = formats.fault(kind, facts.variables.get(variable))
            if found:
                yield Problem(f"{variable} {found[0]}.", INVENTORY, f"{variable}: {found[1]}")


def check_unknown(facts):
    """No name of the inventory is a typing error of one that means something."""
    for name in sorted(set(facts.given) - set(facts.known)):
        near = difflib.get_close_matches(name, facts.known, n=1, cutoff=0.8)
        if near or name.startswith("trenova_"):
            meant = f"; {near[0]} is" if near else ""
            yield Problem(
                f"{name} is no variable of this collection{meant}.", INVENTORY,
                f"{near[0]}" if near else "a name without the prefix trenova_, if it is yours")


def check_secrets(facts):
    """Every secret is there, strong, and in the form that the software can take."""
    kinds = {}
    for service in facts.services.values():
        kinds.update(kinds_of(service))
    for name in sorted(kinds):
        fault = secret_kinds.fault(kinds[name], facts.variables.get(name))
        if fault == "is missing":
            yield Problem(
                f"{name} is missing.",
                "group_vars/trenova/secrets.yml of the inventory; in a fleet, secrets.yml of the installation",
                "ansible-playbook playbooks/secrets.yml -i <inventory>")
        elif fault:
            yield Problem(
                f"{name} {fault}.", "where the inventory sets it",
                "remove the line and run: ansible-playbook playbooks/secrets.yml -i <inventory>")
