# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: backup_targets
short_description: Where backups go, as the program on the host takes it
version_added: 0.2.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - Each of O(_input) has a name and exactly one of C(directory), C(s3) and C(sftp).
positional: installation
options:
  _input: {description: The targets of the inventory., type: list, elements: dict, required: true}
  installation: {description: Name below which they lie in a bucket or on an SFTP server., type: str, required: true}
"""

EXAMPLES = r"""
targets: "{{ backup_targets | trenova.selfhost.backup_targets(backup_installation) }}"
"""

RETURN = r"""
_value:
  description:
    - Each target has C(name), C(kind), C(repository) of restic, C(objects), C(remote) with the options of rclone and
      C(place), where it lies there. A directory has C(directory) and C(inside), where containers see it. Others have
      C(secret_variable), the variable of the inventory with their secret.
  type: list
  elements: dict
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.trenova.selfhost.plugins.plugin_utils.backup.targets import targets


def backup_targets(told, installation):
    """Shim of targets.targets."""
    try:
        return targets(told, installation)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return {"backup_targets": backup_targets}
