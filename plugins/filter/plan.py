# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: plan
short_description: Plan of a host for Trenova
version_added: 0.2.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - What every service gets on a host, why, and what speaks against it, as C(playbooks/plan.yml) writes it to its JSON
    file (C(docs/plan.schema.json)), without a server and without an inventory.
  - A host that is too small is no error; its C(refusals) are not empty then.
  - Input that cannot be used is an error that says everything that is wrong with it.
positional: intent
options:
  _input:
    description:
      - What the host has, C(cores), C(memory_mb) (MiB), C(disk_free_gb) and C(disk_total_gb) (decimal GB); as far as it
        is known C(disk_kind) (ssd, nvme, hdd, unknown), C(architecture), C(disk_used_by_trenova_gb) and
        C(backup_on_data_disk).
    type: dict
    required: true
  intent:
    description:
      - What is wanted of it, C(tier) (minimum, small, medium, large) or C(users) or both. Further entries are the
        variables of the inventory without C(trenova_), C(mode), C(reserved_memory_mb), C(strict), C(restore_document),
        C(accept_undersized_host) and so on, C(overrides) for C(trenova_plan_overrides), C(minio_mode), C(pool_mode)
        for C(pgbouncer_pool_mode), and C(services), the names of those that are wanted, by default all.
    type: dict
    required: true
"""

EXAMPLES = r"""
host: {cores: 12, memory_mb: 24576, disk_free_gb: 100, disk_total_gb: 100}
small_host: {cores: 4, memory_mb: 24576, disk_free_gb: 100, disk_total_gb: 100}

postgres_limit_mb: "{{ (host | trenova.selfhost.plan({'users': 50})).services.postgres.memory_limit_mb }}"
# => 512

why_not: "{{ (small_host | trenova.selfhost.plan({'users': 50})).refusals | map(attribute='rule') | list }}"
# => [R1]
"""

RETURN = r"""
_value:
  description: The plan.
  type: dict
"""

from ansible_collections.trenova.selfhost.plugins.plugin_utils.formula_filters import formula
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import plan


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return formula("plan", plan)
