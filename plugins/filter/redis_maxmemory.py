# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: redis_maxmemory
short_description: Data that a Redis may hold in its container
version_added: 0.2.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - Three quarters of the limit with snapshots, 60 % with an append-only file that must not fail, 85 % without
    persistence. The rest is for buffers and for what is copied while it saves.
positional: persistence, replica_buffers_mb
options:
  _input: {description: "Memory limit of the container in MiB, at least 0.", type: int, required: true}
  persistence:
    description: V(rdb) saves snapshots, V(aof) an append-only file with C(noeviction), V(none) nothing at all.
    type: str
    choices: [none, rdb, aof]
    default: rdb
  replica_buffers_mb: {description: "Buffers for replicas in MiB, at least 0.", type: int, default: 0}
"""

EXAMPLES = r"""
maxmemory_mb: "{{ 2048 | trenova.selfhost.redis_maxmemory }}"
# => 1536
"""

RETURN = r"""
_value:
  description: C(maxmemory) in MiB.
  type: int
"""

from ansible_collections.trenova.selfhost.plugins.plugin_utils.formula_filters import formula
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import redis


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return formula("redis_maxmemory", redis.maxmemory_for_mb)
