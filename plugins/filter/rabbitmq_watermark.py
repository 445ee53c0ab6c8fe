# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: rabbitmq_watermark
short_description: Memory at which RabbitMQ holds publishers back
version_added: 0.2.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - 60 % of the container's limit, to be set as an absolute amount. The relative watermark looks at the memory of the
    host.
options:
  _input: {description: "Memory limit of the container in MiB, at least 0.", type: int, required: true}
"""

EXAMPLES = r"""
vm_memory_high_watermark_mb: "{{ 1024 | trenova.selfhost.rabbitmq_watermark }}"
# => 614
"""

RETURN = r"""
_value:
  description: C(vm_memory_high_watermark.absolute) in MiB.
  type: int
"""

from ansible_collections.trenova.selfhost.plugins.plugin_utils.formula_filters import formula
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import rabbitmq


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return formula("rabbitmq_watermark", rabbitmq.watermark_mb)
