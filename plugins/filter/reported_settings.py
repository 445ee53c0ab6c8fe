# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: reported_settings
short_description: How a service itself reports the settings of its plan
version_added: 0.1.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - Maps settings of the plan to the names and values with which the server answers (pg_settings, SHOW CONFIG,
    CONFIG GET, /api/nodes), by C(meta/reported.yml) of the service's role.
  - What the operator sets beside the plan is left out.
positional: role_directory, own
options:
  _input: {description: Settings of the plan., type: dict, required: true}
  role_directory: {description: Directory of the service's role., type: path, required: true}
  own: {description: Lines of the configuration file that win over the plan, type: dict, default: {}}
"""

EXAMPLES = r"""
expected: "{{ plan.settings | trenova.selfhost.reported_settings(role_path, redis_settings_extra) }}"
"""

RETURN = r"""
_value:
  description: Names and values as the server says them.
  type: dict
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.trenova.selfhost.plugins.plugin_utils import reported


def reported_settings(settings, role_directory, own=()):
    """Shim of reported.reported_settings."""
    try:
        return reported.reported_settings(settings, role_directory, own)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return {"reported_settings": reported_settings}
