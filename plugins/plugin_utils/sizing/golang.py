# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a Go program must be told in a container, because its runtime does not look."""

from __future__ import annotations

import math

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.arguments import formula
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import Bounds


@formula(host_cores=1)
def gomaxprocs(host_cores: int, cpus: float | None = None) -> int:
    """Threads that run Go code at once: the CPU quota rounded up, at least 2, never more than the host's cores.

    Without a quota it is the host's cores. Source: Go 1.25's container-aware default (Go blog, 2025-08-20), spelled
    out because programs built with Go up to 1.24 take all cores of the host.
    """
    return host_cores if cpus is None else min(host_cores, max(2, math.ceil(cpus)))


@formula
def gomemlimit_mb(memory_limit_mb: int) -> int:
    """Soft memory limit of the Go runtime in MiB: 90 % of the container's limit, 85 % below 256 MiB.

    Source: Go's guide to the garbage collector leaves 5 to 10 % of headroom; small containers get more, since what
    lies outside the heap does not shrink with them.
    """
    return memory_limit_mb * (85 if memory_limit_mb < 256 else 90) // 100


@formula(host_cores=1)
def limits(memory_limit_mb: int, cpus: float, host_cores: int | None = None) -> dict[str, int]:
    """What a Go program is told in a container of so many MiB and cores: `gomaxprocs` as a number, `gomemlimit_mb` in
    MiB. Without `host_cores` the host is taken to have enough.

    Source: `gomaxprocs`, `gomemlimit_mb`.
    """
    enough = max(2, math.ceil(cpus))
    return {"gomaxprocs": gomaxprocs(enough if host_cores is None else host_cores, cpus),
            "gomemlimit_mb": gomemlimit_mb(memory_limit_mb)}


def plan_runtime(sheet, least_memory_mb=0, **how):
    """Decide GOMAXPROCS and GOMEMLIMIT from the CPU quota and memory limit of a sheet, and from what its program needs
    at least."""
    host_cores = sheet.draft.capacity_of(sheet.service).whole_cores
    cpus, limit = sheet["cpus"], sheet["memory_limit_mb"]
    sheet.setting(
        "gomaxprocs", gomaxprocs(host_cores, cpus), unit="threads",
        rule="min(host cores, max(2, ceil(cpus)))", source="Go 1.25, container-aware GOMAXPROCS",
        inputs={"host_cores": host_cores, "cpus": cpus}, bounds=Bounds(least=1), **how)
    sheet.setting(
        "gomemlimit_mb", gomemlimit_mb(limit), unit="MiB",
        rule="floor(0.90 * memory_limit), 0.85 below 256 MiB", source="Go, a guide to the garbage collector",
        inputs={"memory_limit_mb": limit}, bounds=Bounds(least=gomemlimit_mb(least_memory_mb), most=limit))
