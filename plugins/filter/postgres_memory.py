# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: postgres_memory
short_description: How PostgreSQL divides the memory of its container
version_added: 0.2.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - The settings that keep PostgreSQL within 90 % of its container's limit with all backends busy, as the plan works
    them out.
  - C(work_mem) is pgtune's as far as that allows it, and not less than 1 MiB. Where even that is too much, C(safe) is
    false.
positional: cpus, backends
options:
  _input: {description: "Memory limit of the container in MiB, at least 1.", type: int, required: true}
  cpus: {description: "Whole cores of the container, at least 1.", type: int, required: true}
  backends:
    description: "Connections that can really exist, at least 1: those that PgBouncer lets through, and direct ones."
    type: int
    required: true
"""

EXAMPLES = r"""
memory: "{{ 512 | trenova.selfhost.postgres_memory(cpus=1, backends=33) }}"
# => {shared_buffers_mb: 128, work_mem_kb: 2750, maintenance_work_mem_mb: 32, wal_buffers_kb: 3932,
#     effective_cache_size_mb: 384, autovacuum_max_workers: 2, hash_mem_multiplier: 1.0, shm_size_mb: 128,
#     peak_memory_mb: 461, safe: true}
"""

RETURN = r"""
_value:
  description:
    - The settings with their units in the names, C(shm_size_mb) for Docker, C(peak_memory_mb) when everything happens
      at once, and C(safe), whether that stays within 90 % of the limit.
  type: dict
"""

from ansible_collections.trenova.selfhost.plugins.plugin_utils.formula_filters import formula
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import postgres


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return formula("postgres_memory", postgres.memory)
