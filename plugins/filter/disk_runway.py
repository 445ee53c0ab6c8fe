# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: disk_runway
short_description: Days until the users have filled a disk
version_added: 0.2.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - From a fresh installation (25 GB) on, with 0.75 GB per user and year. Less than 180 days is worth a warning.
positional: users, full_share
options:
  _input: {description: "Size of the disk in decimal GB, at least 0.", type: float, required: true}
  users: {description: "People who work at the same time, at least 1.", type: int, required: true}
  full_share: {description: "Part of the disk that may be filled, 0 to 1.", type: float, default: 0.8}
"""

EXAMPLES = r"""
days: "{{ 100 | trenova.selfhost.disk_runway(users=50) }}"
# => 535
"""

RETURN = r"""
_value:
  description: Whole days; 0 where the installation alone fills it.
  type: int
"""

from ansible_collections.trenova.selfhost.plugins.plugin_utils.formula_filters import formula
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import storage


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return formula("disk_runway", storage.runway_whole_days)
