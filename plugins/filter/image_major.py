# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: image_major
short_description: Major version in the reference of an image
version_added: 0.1.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - The number that the tag starts with; 0 when it starts with none.
options:
  _input: {description: Reference of an image., type: str, required: true}
"""

EXAMPLES = r"""
major: "{{ 'docker.io/library/postgres:17.11' | trenova.selfhost.image_major }}"
"""

RETURN = r"""
_value:
  description: The number.
  type: int
"""

from ansible_collections.trenova.selfhost.plugins.module_utils import images


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return {"image_major": images.image_major}
