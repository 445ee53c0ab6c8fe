# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: service_hosts
short_description: Hosts of each service of an installation on several hosts
version_added: 0.1.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - A group C(trenova_<service>) of the inventory holds the hosts that run a service; a service without a host of the
    installation there runs on its first host that is in no such group, or else on its first.
  - Empty where the installation has one host. C(docs/fleets.md) tells which hosts are one installation.
  - An error where groups say of this installation what cannot be.
positional: hostvars, host
options:
  _input: {description: Groups of the inventory., type: dict, required: true}
  hostvars: {description: The variable C(hostvars) of Ansible., type: dict, required: true}
  host: {description: A host of the installation., type: str, required: true}
  roles_extra:
    description: Roles of yours, whose services have groups besides.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show where PostgreSQL runs
  ansible.builtin.debug:
    msg: "{{ (groups | trenova.selfhost.service_hosts(hostvars, inventory_hostname)).postgres | default([]) }}"
"""

RETURN = r"""
_value:
  description: Names of hosts by service.
  type: dict
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.trenova.selfhost.plugins.plugin_utils import catalogue, inventory
from ansible_collections.trenova.selfhost.plugins.plugin_utils.topology import installations
from ansible_collections.trenova.selfhost.plugins.plugin_utils.topology_problems import structure_problems


def service_hosts(value, hostvars, host, roles_extra=()):
    """{service: hosts} of the installation that a host belongs to, or an error in words."""
    structure, services = inventory.structure(value, hostvars), catalogue.services(roles_extra)
    mine = [each for each in installations(structure, services) if host in each.host_names]
    problems = structure_problems(structure, services)
    told = [problem for name in [None, *(each.id for each in mine)] for problem in problems.get(name, [])]
    if told:
        raise AnsibleFilterError(" ".join(problem.sentence() for problem in dict.fromkeys(told)))
    return next((each.service_hosts for each in mine if each.is_spread), {})


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return {"service_hosts": service_hosts}
