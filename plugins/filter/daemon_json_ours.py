# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: daemon_json_ours
short_description: What of a merged daemon.json is not the administrator's
version_added: 0.2.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - The settings that P(trenova.selfhost.daemon_json#filter) adds to those of the administrator. Kept on the host, they
    tell his from ours the next time.
positional: wanted, extra, applied, docker
options:
  _input: {description: Content found on the host or V(null)., type: dict, required: true}
  wanted: {description: Settings that the services need., type: dict, required: true}
  extra: {description: Settings of the inventory; they win., type: dict, required: true}
  applied: {description: What of it was ours last time or V(null)., type: dict, required: true}
  docker: {description: What was measured of Docker on the host., type: dict}
"""

EXAMPLES = r"""
ours: "{{ found | trenova.selfhost.daemon_json_ours({'live-restore': true}, {}, none) }}"
"""

RETURN = r"""
_value:
  description: The settings that are ours.
  type: dict
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.trenova.selfhost.plugins.plugin_utils.daemon_json import ours


def daemon_json_ours(found, wanted, extra, applied, docker=None):
    """Shim of plugin_utils.daemon_json.ours."""
    if found and "unreadable" in found:
        raise AnsibleFilterError("/etc/docker/daemon.json is no valid JSON: {}".format(found["unreadable"]))
    return ours(found, wanted, extra, applied, docker)


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return {"daemon_json_ours": daemon_json_ours}
