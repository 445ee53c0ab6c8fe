# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: installation
short_description: Group of the inventory that can be planned or deployed to
version_added: 0.1.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - The name of the group, or an error when it is empty, or when the inventory spreads an installation over several
    hosts. Without it a play for an empty group would do nothing and succeed.
  - An installation on several hosts can be planned, but not deployed yet.
positional: name
options:
  _input: {description: Groups of the inventory., type: dict, required: true}
  name: {description: Name of the group., type: str, default: trenova}
  several: {description: Whether several hosts may be one installation., type: bool, default: false}
"""

EXAMPLES = r"""
- name: Trenova
  hosts: "{{ groups | trenova.selfhost.installation }}"
"""

RETURN = r"""
_value:
  description: The name of the group.
  type: str
"""

from ansible import context
from ansible.errors import AnsibleFilterError

from ansible_collections.trenova.selfhost.plugins.plugin_utils import groups


def installation(value, name="trenova", several=False):
    """The name of the group, or an error in words."""
    if context.CLIARGS.get("syntax"):  # no inventory is meant; Galaxy's importer and linters have none
        return name
    try:
        return groups.installation(value, name, several)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return {"installation": installation}
