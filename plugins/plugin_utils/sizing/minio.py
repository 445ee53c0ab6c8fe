# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""MinIO: one node; as many requests at once as its memory can hold."""

from __future__ import annotations

from typing import NamedTuple

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import (
    arguments,
    container,
    demand,
    disk,
    golang,
    tiers,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.arguments import formula
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import Bounds, ceil_to

#: Part of its limit that MinIO lets itself have.
_OWN_SHARE = 0.9
#: A request holds a block of 1 MiB and its checksums for each drive, and 2 MiB besides.
_BLOCK_MB = 1.03125
_REQUEST_MB = 2
_STEP_MB = 256


@formula(drives_per_set=1)
def memory_for_mb(requests: float, drives_per_set: int = 1) -> int:
    """Memory limit in MiB at which MinIO serves so many requests at once, in steps of 256. Source: `requests_max`."""
    return ceil_to(requests * (drives_per_set * _BLOCK_MB + _REQUEST_MB) / _OWN_SHARE, _STEP_MB)


@formula
def memory_for_users_mb(users: int) -> int:
    """Memory limit in MiB at which MinIO serves all documents of so many users at the peak.

    Source: `demand.busy_uploads`.
    """
    return memory_for_mb(demand.busy_uploads(users))


ENVELOPE = container.Envelope(
    memory=tiers.MINIO_MEMORY, cpus=tiers.MINIO_CPUS, pids=1024, share=0.06, most_memory_mb=4096, least_memory_mb=128,
    stop_seconds=30, users_memory_mb=memory_for_users_mb,
    users_source="chosen: all documents that are on their way at the peak")

#: A distributed server allocates 2 GiB at its start; the vendor's least for production is twice that.
DISTRIBUTED = ENVELOPE._replace(
    memory=tiers.every(4096, "MinIO: a distributed server allocates 2 GiB at its start"), least_memory_mb=2048)

#: Drives of an erasure set.
MOST_DRIVES_PER_SET = 16
#: (drives of a set, drives of it that may be lost): the last row that is not above the drives counts.
_PARITY = ((1, 0), (2, 1), (4, 2), (6, 3), (8, 4))


class Layout(NamedTuple):
    """How drives are divided into erasure sets."""

    sets: int
    drives_per_set: int


@formula(drives_per_set=1)
def requests_max(memory_limit_mb: int, drives_per_set: int = 1) -> int:
    """Requests that MinIO serves at once, at least 1: 90 % of the limit divided by what a request holds.

    Further requests wait. Source: MinIO, cmd/handler-api.go.
    """
    return max(1, int(_OWN_SHARE * memory_limit_mb / (drives_per_set * _BLOCK_MB + _REQUEST_MB)))


@formula(drives_per_set=(1, MOST_DRIVES_PER_SET))
def default_parity(drives_per_set: int) -> int:
    """Drives of an erasure set that may be lost unless told otherwise: 1 drive 0, 2 or 3 1, 4 or 5 2, 6 or 7 3, then 4.

    Source: MinIO, internal/config/storageclass.
    """
    return next(parity for least, parity in reversed(_PARITY) if drives_per_set >= least)


@formula(drives=1)
def erasure_sets(drives: int) -> Layout:
    """Erasure sets and drives of each: the largest divisor up to 16. Raises ValueError where there is none above 1.

    Source: MinIO, erasure coding.
    """
    if drives == 1:
        return Layout(1, 1)
    each = next((size for size in range(MOST_DRIVES_PER_SET, 1, -1) if drives % size == 0), None)
    if not each:
        raise ValueError(
            f"drives: {drives} drives do not divide into sets of 2 to 16; write a multiple of such a number")
    return Layout(drives // each, each)


@formula(drives=1)
def usable_gb(drives: int, smallest_drive_gb: float, parity: int | None = None) -> float:
    """Capacity in GB that objects have: sets * (drives of a set - parity) * the smallest drive.

    Source: MinIO, erasure coding; the parity is `default_parity` unless given.
    """
    sets, each = erasure_sets(drives)
    return sets * (each - _parity_of(each, parity)) * smallest_drive_gb


@formula(drives_per_set=(1, MOST_DRIVES_PER_SET))
def storage_ratio(drives_per_set: int, parity: int | None = None) -> float:
    """Raw capacity for each byte of an object, as a number: drives / (drives - parity). Source: MinIO, erasure coding.
    """
    return drives_per_set / (drives_per_set - _parity_of(drives_per_set, parity))


@formula(drives_per_set=(1, MOST_DRIVES_PER_SET))
def read_quorum(drives_per_set: int, parity: int | None = None) -> int:
    """Drives of a set that must answer a read: all but the parity. Source: MinIO, erasure coding."""
    return drives_per_set - _parity_of(drives_per_set, parity)


@formula(drives_per_set=(1, MOST_DRIVES_PER_SET))
def write_quorum(drives_per_set: int, parity: int | None = None) -> int:
    """Drives of a set that must take a write: all but the parity, and one more where that is half of them.

    Source: MinIO, erasure coding.
    """
    readers = read_quorum(drives_per_set, parity)
    return readers + (2 * readers == drives_per_set)


def _parity_of(drives, parity) -> int:
    """The parity of a set that is given, at most half of its drives, or the default one."""
    return default_parity(drives) if parity is None else arguments.whole("parity", parity, 0, drives // 2)


def plan(draft):
    """Decide MinIO, unless an object store of the operator's own is used."""
    intent, capacity = draft.intent, draft.capacity_of("minio")
    if intent.minio_mode == "external":
        return
    nodes, besides = intent.hosts_of("minio"), disk.besides_gb(intent.tier)
    sheet = container.plan_container(draft, "minio", ENVELOPE if nodes == 1 else DISTRIBUTED)
    golang.plan_runtime(sheet, ENVELOPE.least_memory_mb)
    limit = sheet["memory_limit_mb"]
    sheet.setting(
        "requests_max", requests_max(limit, nodes), unit="requests",
        rule="0.9 * memory_limit / (drives * 1.03125 MiB + 2 MiB)",
        source="MinIO, cmd/handler-api.go", inputs={"memory_limit_mb": limit, "drives": nodes},
        bounds=Bounds(least=1, most=max(1, int(requests_max(limit, nodes) / _OWN_SHARE))))
    sheet.setting(
        "nodes", nodes, unit="nodes", rule="the hosts that run MinIO, each with one drive", derived=True,
        deviation="minio-single-node" if nodes == 1 else None, source="groups of the inventory")
    sheet.setting(
        "volume_gb", disk.volume_gb("minio", intent.tier, intent.users, besides, capacity.disk_total_gb), unit="GB",
        rule="5 and two thirds of the growth planned for, at most 3/5 of the disk",
        source=f"{tiers.MINIO_VOLUME}; chosen: two thirds of the growth",
        inputs={"tier": intent.tier, "users": intent.users, "disk_total_gb": capacity.disk_total_gb,
                "besides_gb": besides},
        bounds=Bounds(floor=5))
