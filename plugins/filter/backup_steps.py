# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: backup_steps
short_description: What a backup saves, in the order of its steps
version_added: 0.2.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - What all available services declare in C(state[].backup) of their descriptions, except what is of the kind V(none).
  - Files of services come first, then databases, objects and Redis, so that nothing points to what is not saved.
positional: data_dir
options:
  _input: {description: Descriptions of the services., type: dict, required: true}
  data_dir: {description: Directory below which the state of the services lies., type: path, required: true}
"""

EXAMPLES = r"""
steps: "{{ services | trenova.selfhost.backup_steps(trenova_data_dir) }}"
"""

RETURN = r"""
_value:
  description:
    - Each step has C(service), C(title), C(kind) and C(name), its name in messages.
    - A directory has C(file) in the backup, C(path), and C(without), paths below it that are declared themselves.
    - PostgreSQL has C(host), C(port), C(login), C(password_variable), C(sslmode), C(ca), C(dumps) and C(roles).
    - Redis has C(file), C(host), C(port) and C(password_variable).
    - Objects have C(file), a directory beside the backups, C(url), C(region), C(access_key) and C(password_variable).
  type: list
  elements: dict
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.trenova.selfhost.plugins.plugin_utils.backup.steps import steps


def backup_steps(services, data_dir):
    """Shim of steps.steps."""
    try:
        return steps(services, data_dir)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return {"backup_steps": backup_steps}
