# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: netloc
short_description: Name and port under which a host name of the installation is reached
version_added: 0.2.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - As they stand in an address and in the header C(Host). The port is left out where it is that of HTTPS.
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
endpoint: "{{ 's3.erp.trucks.co' | trenova.selfhost.netloc({'https_port': 8443}) }}"
# => s3.erp.trucks.co:8443
"""

RETURN = r"""
_value:
  description: Name and port.
  type: str
"""

from ansible_collections.trenova.selfhost.plugins.plugin_utils import entrance


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return {"netloc": entrance.netloc}
