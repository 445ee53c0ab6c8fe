# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: origin
short_description: Origin under which browsers reach a host name of the installation
version_added: 0.2.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - Scheme, name, and the port where it is not the scheme's own. Whatever names the installation to browsers is written
    with it.
positional: entrance
options:
  _input: {description: Host name., type: str, required: true}
  entrance:
    description:
      - C(entrance) of the description that has one. Templates and descriptions know it as the variable C(entrance).
    type: dict
    required: true
"""

EXAMPLES = r"""
origin: "{{ 'erp.trucks.co' | trenova.selfhost.origin({'https_port': 8443}) }}"
# => https://erp.trucks.co:8443
"""

RETURN = r"""
_value:
  description: The origin.
  type: str
"""

from ansible_collections.trenova.selfhost.plugins.plugin_utils import entrance


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return {"origin": entrance.origin}
