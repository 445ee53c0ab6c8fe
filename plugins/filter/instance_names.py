# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: instance_names
short_description: Names of the containers of a service
version_added: 0.1.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - The plain name for the first instance, numbered names for the others. The first keeps its name when there are more.
positional: base
options:
  _input: {description: Number of instances., type: int, required: true}
  base: {description: Name of the first container., type: str, required: true}
"""

EXAMPLES = r"""
# ["tren-api", "tren-api-2"]
names: "{{ 2 | trenova.selfhost.instance_names('tren-api') }}"
"""

RETURN = r"""
_value:
  description: The names.
  type: list
"""

from ansible_collections.trenova.selfhost.plugins.plugin_utils import instances


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return {"instance_names": instances.instance_names}
