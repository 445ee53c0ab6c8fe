# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What of a host is ours to give away, and whether the host will do."""

from __future__ import annotations

import math

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import tiers
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.arguments import formula
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import TIERS, Capacity

#: (width of the step in MiB, percent of it that the system keeps)
_MEMORY_LADDER = ((4096, 25), (4096, 20), (8192, 10), (114688, 6), (math.inf, 2))
#: (cores of the step, millicores that each of them gives to the system)
_CPU_LADDER = ((1, 60), (1, 40), (2, 20), (math.inf, 10))

#: A "12 GB" machine reports 11.2 to 11.7 GiB: firmware, kernel and hypervisor take their part first.
MEMORY_ACCEPTED_PERCENT = 90
MEMORY_EXPECTED_PERCENT = 95
DISK_ACCEPTED_PERCENT = 95


def _climb(ladder, amount):
    """What a ladder of (width, share) takes of an amount, in hundredths for shares in percent."""
    taken = 0
    for width, share in ladder:
        step = min(amount, width)
        taken += step * share
        amount -= step
    return taken


@formula
def reserve_memory_mb(memory_mb: float) -> float:
    """Memory in MiB that the system keeps: 25 % of the first 4 GiB, 20 % of the next 4, 10 % of the next 8, 6 % of the
    next 112 and 2 % beyond.

    Source: Google Kubernetes Engine's ladder; at 12 GiB it keeps 2.2, the document's "10GB allocated to Docker".
    """
    return _climb(_MEMORY_LADDER, memory_mb) / 100


@formula
def allocatable_mb(memory_mb: int, reserved_mb: int = 0) -> int:
    """Memory in MiB that the limits of all containers together may take, rounded to the nearest MiB: what the system
    (`reserve_memory_mb`) and other software on the host leave."""
    return max(0, int(math.floor(memory_mb - reserve_memory_mb(memory_mb) + 0.5)) - reserved_mb)


def allocatable_of(capacity: Capacity) -> int:
    """Memory in MiB that the limits of all containers of a host together may take."""
    return allocatable_mb(capacity.memory_mb, capacity.reserved_memory_mb)


@formula
def reserve_cpu_millicores(cores: float) -> int:
    """CPU in millicores that the system needs: 60 for the first core, 40 for the second, 20 each for the third and
    fourth, 10 for each further one.

    Source: Azure Kubernetes Service. It is shown, not enforced: CPU is compressible.
    """
    return int(_climb(_CPU_LADDER, int(cores)))


@formula
def accepted_memory_mb(nominal_gib: int) -> int:
    """Least memory in MiB that passes for a machine sold with so many GB: 90 %, rounded up.

    Source: hosts report less than they are sold with.
    """
    return -(-nominal_gib * 1024 * MEMORY_ACCEPTED_PERCENT // 100)


@formula
def memory_acceptance(memory_mb: int, nominal_gib: int) -> str:
    """How a memory in MiB compares with a nominal size in GiB: `accept` from 95 %, `warn` from 90 %, else `refuse`.

    Source: hosts report less than they are sold with; Sentry's self-hosted checks allow 15 %.
    """
    if memory_mb * 100 >= nominal_gib * 1024 * MEMORY_EXPECTED_PERCENT:
        return "accept"
    return "warn" if memory_mb >= accepted_memory_mb(nominal_gib) else "refuse"


@formula
def accepted_disk_gb(nominal_gb: float) -> float:
    """Least disk in GB that passes for a nominal size: 95 %, which is what a file system leaves of it.

    Source: chosen here.
    """
    return nominal_gb * DISK_ACCEPTED_PERCENT / 100


def fitting_tier(capacity: Capacity) -> str | None:
    """The largest tier whose cores, memory and disk the host has; None where not even the minimum fits."""
    return next((tier for tier in reversed(TIERS) if _fits(capacity, tier)), None)


def _fits(capacity: Capacity, tier: str) -> bool:
    minimum_disk_gb = tiers.HOST_DISK_GB.value("minimum")
    return (
        capacity.cores >= tiers.HOST_CORES.value(tier)
        and memory_acceptance(capacity.usable_memory_mb, tiers.HOST_MEMORY_GIB.value(tier)) != "refuse"
        and capacity.disk_available_gb >= accepted_disk_gb(minimum_disk_gb)
        and (tier == "minimum" or capacity.disk_total_gb >= accepted_disk_gb(tiers.HOST_DISK_GB.value(tier)))
    )


def describe(capacity: Capacity) -> dict:
    """The host's part of a plan."""
    allocatable = allocatable_of(capacity)
    return {
        "cores": capacity.cores,
        "cpu_reserve_millicores": reserve_cpu_millicores(capacity.cores),
        "memory_mb": capacity.memory_mb,
        "reserve_mb": capacity.usable_memory_mb - allocatable,
        "reserved_memory_mb": capacity.reserved_memory_mb,
        "allocatable_mb": allocatable,
        "disk_free_gb": capacity.disk_free_gb,
        "disk_total_gb": capacity.disk_total_gb,
        "disk_used_by_trenova_gb": capacity.disk_used_by_trenova_gb,
        "disk_available_gb": capacity.disk_available_gb,
        "disk_kind": capacity.disk_kind,
        "architecture": capacity.architecture,
        "fitting_tier": fitting_tier(capacity),
    }
