# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""RabbitMQ: a limit of its own and an absolute watermark, since the relative one looks at the host's memory."""

from __future__ import annotations

import math
from typing import NamedTuple

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import container, quorum, tiers
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.arguments import formula
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import Bounds, ceil_to, clamp

ENVELOPE = container.Envelope(
    memory=tiers.RABBITMQ_MEMORY, cpus=tiers.RABBITMQ_CPUS, least_memory_mb=256, pids=1024, oom_score_adj=-100,
    share=0.04, most_memory_mb=4096, stop_seconds=90, start_seconds=180, health_seconds=30)

#: Nodes of a cluster; quorum queues have at most seven members.
CLUSTER_SIZES = (1, 3, 5, 7)
#: What the container takes when publishers are held back, in percent of the watermark.
_BLOCKED_PERCENT = 120


class Cluster(NamedTuple):
    """What a cluster of so many nodes needs and survives."""

    nodes: int
    majority: int
    failures_tolerated: int


@formula
def watermark_mb(memory_limit_mb: int) -> int:
    """Memory in MiB at which publishers are throttled: 60 % of the limit.

    Source: RabbitMQ recommends 0.4 to 0.7, and the absolute form in containers.
    """
    return memory_limit_mb * 6 // 10


@formula
def raft_wal_mb(memory_limit_mb: int) -> int:
    """Write-ahead log of quorum queues in MiB: an eighth of the limit, 32 to 512. Three of them must fit under the
    watermark. Source: RabbitMQ, quorum queues."""
    return clamp(memory_limit_mb // 8, 32, 512)


@formula(nodes=1)
def quorum_group(nodes: int) -> int:
    """Replicas of a quorum queue in a cluster of so many nodes: all up to three, then three, five from five nodes on.

    Source: RabbitMQ, quorum queues; a majority must live.
    """
    return nodes if nodes < 3 else 5 if nodes >= 5 else 3


@formula
def schedulers(cpus: float) -> int:
    """Schedulers of the Erlang machine: the CPU quota rounded up, at least 2.

    Source: Erlang starts one for each core of the host unless told; RabbitMQ asks for more than one core.
    """
    return max(2, math.ceil(cpus))


@formula
def volume_gb(disk_free_limit_mb: int) -> int:
    """Disk in GB: the document's 1 and what must stay free, or publishers are blocked.

    Source: the document; RabbitMQ, disk alarms.
    """
    return 1 + ceil_to(disk_free_limit_mb * 1.048576 / 1000, 1)


@formula
def disk_free_limit_mb(watermark: int, memory_limit_mb: int | None = None) -> int:
    """Disk in MiB that must stay free: as much as the watermark, at least 1 GiB; a memory limit, where it is given, as
    the careful choice.

    Source: RabbitMQ, production checklist.
    """
    return max(1024, watermark, memory_limit_mb or 0)


@formula
def peak_memory_mb(watermark: int) -> int:
    """Memory in MiB when publishers are held back: the watermark, and a fifth for what comes in until RabbitMQ has seen
    that it is reached, and for what it does not count, such as the kernel's socket buffers.

    Source: make bench-memory.
    """
    return round(watermark * _BLOCKED_PERCENT / 100)


@formula(nodes=1)
def cluster(nodes: int) -> Cluster:
    """Nodes that must agree, as a number, and nodes that may fail, in a cluster of 1, 3, 5 or 7.

    Raises ValueError for other sizes: an even one survives no more failures than one node less. Source: RabbitMQ,
    clustering and quorum queues.
    """
    if nodes not in CLUSTER_SIZES:
        raise ValueError(f"nodes: expected 1, 3, 5 or 7 nodes, which have a majority, got {nodes}")
    return Cluster(nodes, quorum.majority(nodes), quorum.failures_tolerated(nodes))


def _free_most_mb(draft) -> int:
    """What is free on the disk of RabbitMQ when only the base installation lies there, in MiB."""
    free_gb = draft.capacity_of("rabbitmq").disk_available_gb - tiers.BASE_GB
    return max(0, int(free_gb * 1000 ** 3 / 1024 ** 2))


def plan(draft):
    """Decide RabbitMQ."""
    of_host = watermark_mb(draft.capacity_of("rabbitmq").memory_mb)
    limit = container.plan_memory(draft, "rabbitmq", ENVELOPE, deviation="rabbitmq-limit", document=0,
                                  here=f"Here that would be {of_host} MiB.")
    container.plan_cpus(draft, "rabbitmq", ENVELOPE)
    sheet = draft.sheet("rabbitmq")
    container.plan_weights(sheet, ENVELOPE)
    # Without a limit the watermark still needs a size to go by.
    size = limit or tiers.RABBITMQ_MEMORY.value(draft.intent.tier)
    watermark = sheet.setting(
        "memory_high_watermark_mb", watermark_mb(size), unit="MiB", rule="0.6 * memory_limit, absolute",
        source="RabbitMQ, memory alarms", inputs={"memory_limit_mb": size},
        bounds=Bounds(least=1, most=limit or None))
    sheet.setting(
        "peak_memory_mb", peak_memory_mb(watermark), unit="MiB", derived=True,
        rule="1.2 * memory_high_watermark, when publishers are held back", source="make bench-memory",
        inputs={"memory_high_watermark_mb": watermark})
    free = sheet.setting(
        "disk_free_limit_mb", disk_free_limit_mb(watermark), unit="MiB", rule="max(1 GiB, watermark)",
        source="RabbitMQ, production checklist", inputs={"memory_high_watermark_mb": watermark},
        bounds=Bounds(least=50, most=max(disk_free_limit_mb(watermark), _free_most_mb(draft))))
    sheet.setting(
        "raft_wal_max_size_mb", raft_wal_mb(size), unit="MiB", rule="memory_limit / 8, 32 to 512 MiB",
        source="RabbitMQ, quorum queues: a node needs 3 to 4 of them", inputs={"memory_limit_mb": size},
        bounds=Bounds(low=32, high=512, least=1, most=max(32, watermark // 3)))
    sheet.setting(
        "schedulers", schedulers(sheet["cpus"]), unit="threads", rule="max(2, ceil(cpus))",
        source="Erlang, +S: one for each core of the host unless told", inputs={"cpus": sheet["cpus"]},
        bounds=Bounds(least=1, most=1024))
    sheet.setting(
        "heartbeat_seconds", 30, unit="s", rule="30: a connection is dead after two that were missed; 0 is off",
        source="chosen: RabbitMQ's default is 60, its least without false alarms 5", bounds=Bounds(least=0, most=65535))
    nodes = sheet.setting(
        "nodes", draft.intent.hosts_of("rabbitmq"), unit="nodes", rule="the hosts that run RabbitMQ", derived=True,
        source="groups of the inventory")
    sheet.setting(
        "quorum_group_size", quorum_group(nodes), unit="replicas", rule="all of up to 3 nodes, 3, 5 from 5 nodes on",
        source="RabbitMQ, quorum queues", inputs={"nodes": nodes}, bounds=Bounds(least=1, most=max(1, nodes)))
    sheet.setting(
        "volume_gb", volume_gb(free), unit="GB", rule="1 GB and disk_free_limit",
        source=f"chosen: RabbitMQ, disk alarms; at least {tiers.RABBITMQ_VOLUME}",
        inputs={"disk_free_limit_mb": free}, bounds=Bounds(floor=1), deviation="rabbitmq-volume", document=1)
