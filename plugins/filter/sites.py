# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: sites
short_description: Sites of Caddy from the routes of the services
version_added: 0.1.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - One entry per host name, with the longest path first.
positional: extra
options:
  _input: {description: Descriptions of the services., type: dict, required: true}
  extra: {description: Routes that the inventory adds., type: list}
"""

EXAMPLES = r"""
sites: "{{ services | trenova.selfhost.sites }}"
"""

RETURN = r"""
_value:
  description: The sites.
  type: list
"""

from ansible_collections.trenova.selfhost.plugins.plugin_utils import routes


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return {"sites": routes.sites}
