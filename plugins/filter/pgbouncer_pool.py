# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: pgbouncer_pool
short_description: Pool of PgBouncer before a PostgreSQL of some cores
version_added: 0.2.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - Twice what keeps the cores busy (2 * cores + 1), 20 to 100 connections, and a quarter of that in reserve.
  - Several PgBouncers share the pool.
positional: bouncers
options:
  _input: {description: "Whole cores that PostgreSQL may use, at least 1.", type: int, required: true}
  bouncers: {description: "Number of PgBouncers before it, at least 1.", type: int, default: 1}
"""

EXAMPLES = r"""
pool: "{{ 8 | trenova.selfhost.pgbouncer_pool }}"
# => {default_pool_size: 34, reserve_pool_size: 9, max_db_connections: 43, backends: 51}
"""

RETURN = r"""
_value:
  description:
    - Connections for C(default_pool_size), C(reserve_pool_size) and C(max_db_connections) of each PgBouncer, and the
      C(backends) of PostgreSQL that all of them and eight direct connections come to.
  type: dict
"""

from ansible_collections.trenova.selfhost.plugins.plugin_utils.formula_filters import formula
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import pgbouncer


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return formula("pgbouncer_pool", pgbouncer.pool)
