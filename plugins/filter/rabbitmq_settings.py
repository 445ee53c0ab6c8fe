# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: rabbitmq_settings
short_description: What RabbitMQ reports in /api/nodes
version_added: 0.1.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - Maps settings of the plan to names and values as the server says them.
options:
  _input: {description: Settings of the plan., type: dict, required: true}
"""

EXAMPLES = r"""
expected: "{{ plan.settings | trenova.selfhost.rabbitmq_settings }}"
"""

RETURN = r"""
_value:
  description: Names and values.
  type: dict
"""

from ansible_collections.trenova.selfhost.plugins.module_utils import reported


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return {"rabbitmq_settings": reported.rabbitmq_settings}
