# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""From what Ansible knows of an inventory to what the topology takes.

Resolving the variables of a host takes milliseconds, so that is done only where they are asked for.
"""

from __future__ import annotations

from ansible.errors import AnsibleError
from jinja2 import TemplateError

from ansible_collections.trenova.selfhost.plugins.plugin_utils.topology import (
    ROOT,
    VARIABLES,
    Inventory,
    members_on,
)


def structure(groups, hostvars=None) -> Inventory:
    """Groups and child groups alone. `groups` and `hostvars` are Ansible's; a play's `hosts` has only the first."""
    return Inventory(groups, child_groups(hostvars))


def with_variables(groups, hostvars) -> Inventory:
    """Groups, child groups, and the variables of all hosts that the topology looks at."""
    hosts = groups.get(ROOT) or []
    return Inventory(
        groups, child_groups(hostvars), {host: resolved(hostvars, host, VARIABLES) for host in hosts})


def members_here(task_vars, services, recorded, written):
    """{service: member} of the host that some variables are of. `written` is its `trenova_ordinals`, resolved."""
    host, hostvars = task_vars["inventory_hostname"], task_vars.get("hostvars")
    groups = task_vars.get("groups") or {}
    there = Inventory(groups, child_groups(hostvars), {host: {"trenova_ordinals": written}})
    return members_on(host, there, services, recorded)


def child_groups(hostvars):
    """{group: names of its child groups}; None where this version of Ansible does not show them.

    No variable tells them. `hostvars` holds the inventory, in an attribute that is not promised to stay (ansible-core
    2.19 to 2.21 have it).
    """
    try:
        return {
            name: [child.name for child in group.child_groups]
            for name, group in hostvars._inventory.groups.items()}
    except AttributeError:
        return None


def resolved(hostvars, host, names):
    """Those of some variables of a host that are set and can be resolved.

    What cannot be, as the secrets of a customer whose vault is closed, is for the run that wants that host to tell.
    """
    found = {}
    try:
        variables = hostvars[host]
    except AnsibleError:
        return found
    for name in names:
        try:
            if name in variables:
                found[name] = variables[name]
        except (AnsibleError, TemplateError):
            continue
    return found
