# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""From what Ansible knows of an inventory to what the topology takes.

Resolving the variables of a host takes milliseconds, so that is done only where they are asked for.
"""

from __future__ import annotations

import os

from ansible.errors import AnsibleError
from ansible.utils.vars import load_extra_vars
from jinja2 import TemplateError

try:
    from ansible.inventory.helpers import sort_groups
    from ansible.vars.plugins import get_vars_from_inventory_sources
except ImportError:  # they are not promised to stay
    sort_groups = get_vars_from_inventory_sources = None

from ansible_collections.trenova.selfhost.plugins.plugin_utils.role_files import shared_options
from ansible_collections.trenova.selfhost.plugins.plugin_utils.specified import as_specified
from ansible_collections.trenova.selfhost.plugins.plugin_utils.topology import (
    ROOT,
    VARIABLES,
    Inventory,
    members_on,
)


def structure(groups, hostvars=None) -> Inventory:
    """Groups and child groups alone. `groups` and `hostvars` are Ansible's; a play's `hosts` has only the first."""
    return Inventory(groups, child_groups(hostvars))


def with_variables(groups, hostvars, completed=lambda found: found, more=()) -> Inventory:
    """Groups, child groups, and the variables of all hosts that the topology looks at, with `more` of them.

    `completed` adds to those of a host what follows from them.
    """
    hosts = groups.get(ROOT) or []
    return Inventory(
        groups, child_groups(hostvars),
        {host: completed(resolved(hostvars, host, (*VARIABLES, *more))) for host in hosts})


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
    """Those of some variables of a host that are set and can be resolved, as their specifications mean them.

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
                found[name] = as_specified(found[name], name) if name in shared_options() else found[name]
        except (AnsibleError, TemplateError):
            continue
        except ValueError:
            continue  # as it is: the checks of that host tell of it
    return found


def shared_with_others(task_vars, names):
    """Those of some variables of a host that a group sets which holds hosts outside of `trenova`, too: {name: group}.

    What is set closer to the host, or by the command, is meant for it. Nothing where this version of Ansible does not
    show who sets what.
    """
    groups, hostvars = task_vars.get("groups") or {}, task_vars.get("hostvars")
    # The controller may be in the inventory to build images.
    ours = {*(groups.get(ROOT) or ()), "localhost"}
    if not names or not set(groups.get("all") or ()) - ours or sort_groups is None:
        return {}
    found = {}
    try:
        manager, loader = hostvars._inventory, hostvars._loader
        host = manager.get_host(task_vars["inventory_hostname"])
        sources = [*manager._sources, loader.get_basedir() + os.sep]
        for holder in [*sort_groups(host.get_groups()), host]:
            told = {**holder.vars, **get_vars_from_inventory_sources(loader, sources, [holder], "task")}
            is_shared = holder is not host and set(groups.get(holder.name) or ()) - ours
            found.update(dict.fromkeys(names.intersection(told), holder.name if is_shared else None))
        found.update(dict.fromkeys(names.intersection(load_extra_vars(loader))))
    except AttributeError:
        return {}
    return {name: group for name, group in found.items() if group}
