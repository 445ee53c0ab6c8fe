# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: service_hosts
short_description: Hosts of each service of an installation on several hosts
version_added: 0.1.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - A group of the inventory that is named like a service holds the hosts that run it; a service without a group runs on
    the hosts that are in no such group.
  - Empty where no group is named like a service, or where there is one host only. Then each host is an installation of
    its own.
positional: name
options:
  _input: {description: Groups of the inventory., type: dict, required: true}
  name: {description: Name of the group that holds all hosts., type: str, default: trenova}
"""

EXAMPLES = r"""
- name: Show where PostgreSQL runs
  ansible.builtin.debug:
    msg: "{{ (groups | trenova.selfhost.service_hosts).postgres | default([]) }}"
"""

RETURN = r"""
_value:
  description: Names of hosts by service.
  type: dict
"""

from ansible_collections.trenova.selfhost.plugins.plugin_utils import groups


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return {"service_hosts": groups.service_hosts}
