# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: backup_places
short_description: Directories of the host that backups go to, as a description says them
version_added: 0.2.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - Targets that are no directories make none. They should lie on another disk where there is no target elsewhere.
options:
  _input: {description: The targets of the inventory., type: list, elements: dict, required: true}
"""

EXAMPLES = r"""
found: "{{ backup_targets | trenova.selfhost.backup_places }}"
"""

RETURN = r"""
_value:
  description: Entries of C(state) of a description.
  type: list
  elements: dict
"""

from ansible_collections.trenova.selfhost.plugins.plugin_utils.backup.targets import places


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return {"backup_places": places}
