# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: scram_verifier
short_description: SCRAM-SHA-256 verifier of a password
version_added: 0.1.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - As PostgreSQL stores it; the same for the same input.
positional: login
options:
  _input: {description: The password., type: str, required: true}
  login: {description: Login that the password belongs to., type: str, required: true}
"""

EXAMPLES = r"""
verifier: "{{ password | trenova.selfhost.scram_verifier('trenova') }}"
"""

RETURN = r"""
_value:
  description: The verifier.
  type: str
"""

from ansible_collections.trenova.selfhost.plugins.plugin_utils import hashes


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return {"scram_verifier": hashes.scram_verifier}
