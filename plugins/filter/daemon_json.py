# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: daemon_json
short_description: Merge settings into an administrator's daemon.json
version_added: 0.1.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - Keys that the administrator set himself are kept; keys of ours follow our values. Keys that mean something together
    only, as the driver of logs and its options, have one owner.
  - What would keep the Engine from starting is left out, a setting that dockerd has as a flag for instance.
positional: wanted, extra, applied, docker
options:
  _input: {description: Content found on the host or V(null)., type: dict, required: true}
  wanted: {description: Settings that the services need., type: dict, required: true}
  extra: {description: Settings of the inventory; they win., type: dict, required: true}
  applied: {description: What of it was ours last time or V(null)., type: dict, required: true}
  docker: {description: What was measured of Docker on the host., type: dict}
"""

EXAMPLES = r"""
daemon: "{{ found | trenova.selfhost.daemon_json({'live-restore': true}, {}, none) }}"
"""

RETURN = r"""
_value:
  description: The new content of daemon.json.
  type: str
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.trenova.selfhost.plugins.plugin_utils.daemon_json import merged


def daemon_json(found, wanted, extra, applied, docker=None):
    """Shim of plugin_utils.daemon_json.merged."""
    if found and "unreadable" in found:
        raise AnsibleFilterError("/etc/docker/daemon.json is no valid JSON: {}".format(found["unreadable"]))
    return merged(found, wanted, extra, applied, docker)


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return {"daemon_json": daemon_json}
