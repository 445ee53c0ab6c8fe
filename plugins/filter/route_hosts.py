# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: route_hosts
short_description: Host names of all routes
version_added: 0.1.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - Sorted, without repetition.
positional: extra
options:
  _input: {description: Descriptions of the services., type: dict, required: true}
  extra: {description: Routes that the inventory adds., type: list}
"""

EXAMPLES = r"""
hosts: "{{ services | trenova.selfhost.route_hosts }}"
"""

RETURN = r"""
_value:
  description: The host names.
  type: list
"""

from ansible_collections.trenova.selfhost.plugins.plugin_utils import routes


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return {"route_hosts": routes.route_hosts}
