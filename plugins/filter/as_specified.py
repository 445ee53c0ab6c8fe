# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: as_specified
short_description: Value of a variable that roles share, as its specification means it
version_added: 0.2.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - For playbooks, which see variables as the inventory or the command has written them. C(-e) brings texts.
  - A text becomes what C(meta/variables.yml) says of the variable, a list for instance, or a path that begins where the
    command was given. Nothing becomes its default.
  - A value that does not fit is an error with the name of the variable.
positional: variable
options:
  _input: {description: The value; nothing where the variable is not set., type: raw, required: true}
  variable: {description: Name of the variable., type: str, required: true}
"""

EXAMPLES = r"""
- name: Show which images are built
  ansible.builtin.debug:
    msg: "{{ trenova_images | default(none) | trenova.selfhost.as_specified('trenova_images') }}"
"""

RETURN = r"""
_value:
  description: The value.
  type: raw
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.trenova.selfhost.plugins.plugin_utils import specified


def as_specified(value, variable):
    """Shim of specified.as_specified."""
    try:
        return specified.as_specified(value, variable)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return {"as_specified": as_specified}
