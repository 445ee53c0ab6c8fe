# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: becomes
short_description: Whether a task becomes root on the server
version_added: 0.2.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - What the inventory says wins. Otherwise a user who is known not to be root becomes root, and so does whoever was
    found not to be when the host was measured. Where nothing is known the command decides, by C(-b).
positional: user, facts
options:
  _input: {description: The variable C(trenova_become); nothing where it is not set., type: raw, required: true}
  user: {description: The user by whom Ansible connects; C(root) where nobody is named., type: str, required: true}
  facts: {description: The variable C(ansible_facts)., type: dict, required: true}
"""

EXAMPLES = r"""
- name: Trenova
  hosts: trenova
  become: >-
    {{ trenova_become | default(none) | trenova.selfhost.becomes(ansible_user | default('root'), ansible_facts) }}
"""

RETURN = r"""
_value:
  description: Whether it does.
  type: bool
"""

from ansible import context
from ansible.errors import AnsibleFilterError

from ansible_collections.trenova.selfhost.plugins.plugin_utils.specified import as_specified


def becomes(value, user, facts):
    """Whether a task becomes root, by what is known of the user so far."""
    try:
        wanted = as_specified(value, "trenova_become")
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error
    if wanted is not None:
        return wanted
    capacity = (facts.get("trenova") or {}).get("capacity") or {}
    # A keyword of a play would hide what the command says.
    return user != "root" or bool(capacity.get("became")) or bool(context.CLIARGS.get("become"))


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return {"becomes": becomes}
