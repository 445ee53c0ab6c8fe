# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""MinIO: one node; as many requests at once as its memory can hold."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.module_utils.sizing import container, golang, tiers
from ansible_collections.trenova.selfhost.plugins.module_utils.sizing.model import Bounds

ENVELOPE = container.Envelope(memory=tiers.MINIO_MEMORY, cpus=tiers.MINIO_CPUS, pids=1024)

#: A request holds a block of 1 MiB and its checksums for each drive, and 2 MiB besides.
_BLOCK_MB = 1.03125
_REQUEST_MB = 2


def requests_max(memory_limit_mb: int, drives_per_set: int = 1) -> int:
    """Requests that MinIO serves at once, at least 1: 90 % of the limit divided by what a request holds.

    Further requests wait. Source: MinIO, cmd/handler-api.go.
    """
    return max(1, int(0.9 * memory_limit_mb / (drives_per_set * _BLOCK_MB + _REQUEST_MB)))


def volume_gb(tier: str, users: int | None, disk_total_gb: float) -> int:
    """Disk in GB to plan for objects: the document's 5 and two thirds of the growth, at most 3/5 of the disk."""
    grown = 5 + (tiers.storage_gb(tier, users) - tiers.BASE_GB) * 2 / 3
    return int(max(5, min(grown, disk_total_gb * 3 / 5)))


def plan(draft):
    """Decide MinIO, unless an object store of the operator's own is used."""
    intent, capacity = draft.intent, draft.capacity
    if intent.minio_mode == "external":
        return
    sheet = container.plan_container(draft, "minio", ENVELOPE)
    golang.plan_runtime(draft, "minio")
    limit = sheet["memory_limit_mb"]
    sheet.setting(
        "requests_max", requests_max(limit), unit="requests", rule="0.9 * memory_limit / (1.03125 MiB + 2 MiB)",
        source="MinIO, cmd/handler-api.go", inputs={"memory_limit_mb": limit, "drives": 1}, bounds=Bounds(least=1))
    sheet.setting(
        "nodes", 1, rule="one node with one drive", derived=True, deviation="minio-single-node",
        source="MinIO: a distributed server allocates 2 GiB and needs peers")
    sheet.setting(
        "volume_gb", volume_gb(intent.tier, intent.users, capacity.disk_total_gb), unit="GB",
        rule="5 and two thirds of the growth planned for, at most 3/5 of the disk", source=str(tiers.MINIO_VOLUME),
        inputs={"tier": intent.tier, "users": intent.users, "disk_total_gb": capacity.disk_total_gb},
        bounds=Bounds(floor=5))
