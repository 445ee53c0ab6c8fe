# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: backup_stores
short_description: What a backup saves, in the order in which it does
version_added: 0.2.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - What all available services declare in C(state[].backup) of their descriptions, except what is of the kind V(none).
  - Files of services come first, then what their programs tell, databases, objects and Redis, so that nothing points
    to what is not saved.
positional: data_dir, project_dir
options:
  _input: {description: Descriptions of the services., type: dict, required: true}
  data_dir: {description: Directory below which the state of the services lies., type: path, required: true}
  project_dir: {description: Directory of the Compose project; with it that is a store of its own., type: path}
"""

EXAMPLES = r"""
stores: "{{ services | trenova.selfhost.backup_stores(trenova_data_dir) }}"
"""

RETURN = r"""
_value:
  description:
    - Each store has C(store), its name, C(service), C(title) and C(kind).
    - A directory has C(path), C(inside), where its reader sees it, and C(without), paths below it that are declared
      themselves.
    - A command has C(container), C(command) and C(file).
    - PostgreSQL has C(host), C(port), C(login), C(password_variable), C(sslmode), C(ca), C(databases), C(physical),
      C(incremental), C(slot) and C(image).
    - Redis has C(host), C(port) and C(password_variable).
    - Objects have C(url), C(region), C(access_key) and C(password_variable).
  type: list
  elements: dict
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.trenova.selfhost.plugins.plugin_utils.backup.stores import stores


def backup_stores(services, data_dir, project_dir=None):
    """Shim of stores.stores."""
    try:
        return stores(services, data_dir, project_dir)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return {"backup_stores": backup_stores}
