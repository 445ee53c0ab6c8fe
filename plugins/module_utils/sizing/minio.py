# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""MinIO: one node; as many requests at once as its memory can hold."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.module_utils.sizing import container, disk, golang, tiers
from ansible_collections.trenova.selfhost.plugins.module_utils.sizing.model import Bounds

ENVELOPE = container.Envelope(
    memory=tiers.MINIO_MEMORY, cpus=tiers.MINIO_CPUS, pids=1024, share=0.06, most_memory_mb=4096)

#: A request holds a block of 1 MiB and its checksums for each drive, and 2 MiB besides.
_BLOCK_MB = 1.03125
_REQUEST_MB = 2


#: A distributed server allocates 2 GiB at its start; the vendor's least for production is twice that.
DISTRIBUTED = ENVELOPE._replace(
    memory=tiers.every(4096, "MinIO: a distributed server allocates 2 GiB at its start"), least_memory_mb=2048)


def requests_max(memory_limit_mb: int, drives_per_set: int = 1) -> int:
    """Requests that MinIO serves at once, at least 1: 90 % of the limit divided by what a request holds.

    Further requests wait. Source: MinIO, cmd/handler-api.go.
    """
    return max(1, int(0.9 * memory_limit_mb / (drives_per_set * _BLOCK_MB + _REQUEST_MB)))


def plan(draft):
    """Decide MinIO, unless an object store of the operator's own is used."""
    intent, capacity = draft.intent, draft.capacity_of("minio")
    if intent.minio_mode == "external":
        return
    nodes, besides = intent.hosts_of("minio"), disk.besides_gb(draft, "minio")
    sheet = container.plan_container(draft, "minio", ENVELOPE if nodes == 1 else DISTRIBUTED)
    golang.plan_runtime(draft, "minio")
    limit = sheet["memory_limit_mb"]
    sheet.setting(
        "requests_max", requests_max(limit, nodes), unit="requests",
        rule="0.9 * memory_limit / (drives * 1.03125 MiB + 2 MiB)",
        source="MinIO, cmd/handler-api.go", inputs={"memory_limit_mb": limit, "drives": nodes}, bounds=Bounds(least=1))
    sheet.setting(
        "nodes", nodes, unit="nodes", rule="the hosts that run MinIO, each with one drive", derived=True,
        deviation="minio-single-node" if nodes == 1 else None, source="groups of the inventory")
    sheet.setting(
        "volume_gb", disk.volume_gb("minio", intent.tier, intent.users, besides, capacity.disk_total_gb), unit="GB",
        rule="5 and two thirds of the growth planned for, at most 3/5 of the disk", source=str(tiers.MINIO_VOLUME),
        inputs={"tier": intent.tier, "users": intent.users, "disk_total_gb": capacity.disk_total_gb,
                "besides_gb": besides},
        bounds=Bounds(floor=5))
