# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: go_limits
short_description: GOMAXPROCS and GOMEMLIMIT of a Go program in a container
version_added: 0.2.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - As many threads as the CPU quota pays for, at least two, and 90 % of the memory limit (85 % below 256 MiB) as the
    soft limit of the heap. Go up to 1.24 takes all cores of the host otherwise, and no version looks at the memory
    limit.
positional: cpus, host_cores
options:
  _input: {description: "Memory limit of the container in MiB, at least 0.", type: int, required: true}
  cpus: {description: "CPU quota of the container in cores, at least 0.", type: float, required: true}
  host_cores: {description: "Cores of the host, at least 1, never exceeded. By default it has enough.", type: int}
"""

EXAMPLES = r"""
limits: "{{ 512 | trenova.selfhost.go_limits(cpus=1, host_cores=6) }}"
# => {gomaxprocs: 2, gomemlimit_mb: 460}
"""

RETURN = r"""
_value:
  description: C(gomaxprocs) as a number and C(gomemlimit_mb) in MiB.
  type: dict
"""

from ansible_collections.trenova.selfhost.plugins.plugin_utils.formula_filters import formula
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import golang


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return formula("go_limits", golang.limits)
