# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: loopback
short_description: Those of some addresses and networks that are a host's way to itself
version_added: 0.2.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - C(127.0.0.0/8) and C(::1), in whatever spelling.
options:
  _input: {description: Addresses and networks., type: list, elements: str, required: true}
"""

EXAMPLES = r"""
here: "{{ ['192.0.2.10', '127.0.0.1'] | trenova.selfhost.loopback }}"
# => ['127.0.0.1']
"""

RETURN = r"""
_value:
  description: The ones among them.
  type: list
  elements: str
"""

from ansible_collections.trenova.selfhost.plugins.plugin_utils import entrance


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return {"loopback": entrance.loopback}
