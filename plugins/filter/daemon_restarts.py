# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: daemon_restarts
short_description: Whether a new daemon.json may call for a start of the Engine
version_added: 0.2.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - An Engine that cannot keep its containers through a start, in swarm mode or with live-restore switched off by its
    administrator, is given nothing of ours that calls for one. What the inventory sets is another matter.
positional: extra, applied, docker
options:
  _input: {description: Content of daemon.json on the host or V(null)., type: dict, required: true}
  extra: {description: Settings of the inventory., type: dict, required: true}
  applied: {description: What of it was ours last time or V(null)., type: dict, required: true}
  docker: {description: What was measured of Docker on the host., type: dict}
"""

EXAMPLES = r"""
restarts: "{{ found | trenova.selfhost.daemon_restarts({}, none, capacity.docker) }}"
"""

RETURN = r"""
_value:
  description: Whether it may.
  type: bool
"""

from ansible_collections.trenova.selfhost.plugins.plugin_utils.daemon_json import needs_restart, readable


def daemon_restarts(found, extra, applied, docker=None):
    """Shim of plugin_utils.daemon_json.needs_restart."""
    return needs_restart(readable(found), extra, applied, docker)


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return {"daemon_restarts": daemon_restarts}
