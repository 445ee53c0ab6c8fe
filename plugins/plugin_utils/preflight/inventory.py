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
from ansible_collections.trenova.selfhost.plugins.plugin_utils.topology import LIKENESS

#: What begins with it can be nobody else's.
PREFIX = "trenova_"
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
    of_services = [service.get("formats") or {} for _name, service in sorted(facts.all_services.items())]
    for told in (facts.formats, *of_services):
        for variable, kind in sorted(told.items()):
            found = formats.fault(kind, facts.variables.get(variable))
            if found:
                yield Problem(f"{variable} {found[0]}.", INVENTORY, f"{variable}: {found[1]}")


def check_unknown(facts):
    """No name of the inventory that must be ours is a typing error, or means nothing."""
    for name in sorted(set(facts.given) - set(facts.known)):
        if name.startswith(PREFIX):
            near = _nearest(name, facts.known)
            meant = f"; {near} is" if near else ""
            yield Problem(
                f"{name} is no variable of this collection{meant}.", INVENTORY,
                near or f"a name without the prefix {PREFIX}, if it is yours")


def remark_on_names(given, known):
    """One sentence on names that look like ours and mean nothing, as other roles have them, too; None without any."""
    names = [name for name in set(given) - set(known) if not name.startswith(PREFIX)]
    near = {name: _nearest(name, known) for name in sorted(names)}
    told = [f"{name} ({meant}?)" for name, meant in near.items() if meant]
    if not told:
        return None
    return (
        f"No variables of this collection: {', '.join(told)}. Correct what is misspelt, leave what another role reads.")


def remark_on_others(others, variables):
    """One sentence on variables that hosts of somebody else have, too, and that are taken for ours; None without any.

    `others` is {variable: group that sets it}.
    """
    if not others:
        return None
    told = [f"{name}: {_briefly(variables[name])}" for name in sorted(others)]
    groups = ", ".join(sorted(set(others.values())))
    return (
        f"Taken for Trenova's, although set for {groups}, where other hosts are, too: {'; '.join(told)}. Where another "
        "role is meant, set Trenova's own value in group_vars/trenova; a name without a value stands for its default.")


def _briefly(value):
    """A value in few words: what holds secrets is structured."""
    if isinstance(value, str):
        return f'"{value[:40]}"'
    return str(value).lower() if isinstance(value, (bool, int)) else "..."


def _nearest(name, known):
    """The name of ours that one is likely a typing error of; None where it is like none."""
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=LIKENESS)), None)


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
