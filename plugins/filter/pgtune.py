# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: pgtune
short_description: What pgtune recommends for a PostgreSQL server
version_added: 0.2.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - pgtune's recommendation for a Linux server that runs nothing but PostgreSQL. Amounts of memory are in kB, keyed by
    the names of PostgreSQL's settings with the unit; null stands for a setting that pgtune does not write.
  - Not for a container as it is, since its least C(work_mem) of 4 MiB over-commits small ones; for those see
    P(trenova.selfhost.postgres_memory#filter).
positional: cpu, connections, workload, storage, pg_version, dbsize
options:
  _input: {description: "Memory as MiB, or with a unit as text (V(4GB)).", type: raw, required: true}
  cpu: {description: "Cores, at least 1. Without them nothing is said of worker processes.", type: int}
  connections: {description: "Connections, at least 1. By default what pgtune takes for the workload.", type: int}
  workload: {description: What it is used for., type: str, choices: [web, oltp, dw, desktop, mixed], default: web}
  storage: {description: Where the data lies., type: str, choices: [hdd, ssd, san, nvme], default: ssd}
  pg_version: {description: "Major version, 10 to 18.", type: int, default: 18}
  dbsize:
    description: Whether the database is smaller than the memory, about as large, or much larger.
    type: str
    choices: [less_ram, mid_ram, greater_ram]
    default: mid_ram
"""

EXAMPLES = r"""
work_mem_kb: "{{ ('4GB' | trenova.selfhost.pgtune(cpu=4, connections=200, workload='oltp')).work_mem_kb }}"
# => 5140
"""

RETURN = r"""
_value:
  description: Settings by name, C(shared_buffers_kb), C(work_mem_kb), C(max_connections) and so on.
  type: dict
"""

from ansible_collections.trenova.selfhost.plugins.plugin_utils.formula_filters import formula
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import tuners


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return formula("pgtune", tuners.pgtune)
