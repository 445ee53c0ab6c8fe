# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: backup_secrets
short_description: Secrets that targets of backups need, and why
version_added: 0.2.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - Each target away from the host has one.
options:
  _input: {description: The targets of the inventory., type: list, elements: dict, required: true}
"""

EXAMPLES = r"""
found: "{{ backup_targets | trenova.selfhost.backup_secrets }}"
"""

RETURN = r"""
_value:
  description: Reasons by the names of variables of the inventory.
  type: dict
"""

from ansible_collections.trenova.selfhost.plugins.plugin_utils.backup.targets import needed_secrets


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return {"backup_secrets": needed_secrets}
