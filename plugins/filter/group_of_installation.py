# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: group_of_installation
short_description: Group of the inventory that can be planned or deployed to
version_added: 0.2.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - The name of the group that holds all hosts, C(trenova), or an error when it is empty, or when groups of services say
    what cannot be. Without it a play for an empty group would do nothing and succeed.
  - An installation on several hosts can be planned, but not deployed yet.
  - Nobody knows the child groups of C(trenova) where a play says which hosts it is for. Where groups of the inventory
    may be such, each an installation, the checks of the play tell what is wrong with one of them.
positional: several
options:
  _input: {description: Groups of the inventory., type: dict, required: true}
  several: {description: Whether several hosts may be one installation., type: bool, default: false}
  roles_extra:
    description: Roles of yours, whose services have groups besides.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Trenova
  hosts: "{{ groups | trenova.selfhost.group_of_installation }}"
"""

RETURN = r"""
_value:
  description: The name of the group.
  type: str
"""

from ansible import context
from ansible.errors import AnsibleFilterError

from ansible_collections.trenova.selfhost.plugins.plugin_utils import catalogue, inventory, topology_problems
from ansible_collections.trenova.selfhost.plugins.plugin_utils.topology import ROOT


def group_of_installation(value, several=False, roles_extra=()):
    """The name of the group, or an error in words."""
    if context.CLIARGS.get("syntax"):  # no inventory is meant; Galaxy's importer and linters have none
        return ROOT
    problems = topology_problems.at_start(inventory.structure(value), catalogue.services(roles_extra), several)
    if problems:
        raise AnsibleFilterError(" ".join(problem.sentence() for problem in problems))
    return ROOT


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return {"group_of_installation": group_of_installation}
