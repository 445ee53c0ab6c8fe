# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: application_profile
short_description: Content of a profile of the application
version_added: 0.2.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - Reads what one version of Trenova expects of its surroundings. A file is parsed once in a run.
positional: role_directory, extra
options:
  _input: {description: "Name of a profile of the role, or a path to one.", type: str, required: true}
  role_directory: {description: Directory of the role whose profiles are meant., type: path, required: true}
  extra: {description: Entries that are merged over the profile., type: dict, default: {}}
"""

EXAMPLES = r"""
profile: "{{ 'v0.7.2' | trenova.selfhost.application_profile(role_path) }}"
"""

RETURN = r"""
_value:
  description: The profile.
  type: dict
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.trenova.selfhost.plugins.plugin_utils import profiles


def application_profile(name, role_directory, extra=None):
    """Shim of profiles.application_profile."""
    try:
        return profiles.application_profile(name, role_directory, extra)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return {"application_profile": application_profile}
