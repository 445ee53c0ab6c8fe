# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: rabbitmq_password_hash
short_description: Hash of a password as RabbitMQ stores it
version_added: 0.1.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - For definitions; the same for the same input.
positional: login
options:
  _input: {description: The password., type: str, required: true}
  login: {description: Login that the password belongs to., type: str, required: true}
"""

EXAMPLES = r"""
hash: "{{ password | trenova.selfhost.rabbitmq_password_hash('trenova') }}"
"""

RETURN = r"""
_value:
  description: The hash.
  type: str
"""

from ansible_collections.trenova.selfhost.plugins.plugin_utils import hashes


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return {"rabbitmq_password_hash": hashes.rabbitmq_password_hash}
