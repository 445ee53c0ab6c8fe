# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the requirements document asks of the host as a whole, beside what this host has: its size, what is left for
Docker, its line to the world. And where the deployment departs from it in what is no figure of a service."""

from __future__ import annotations

from typing import Any

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import host, storage, tiers
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.deviations import CATALOGUE
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import plain
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.tiers import Quote, Row
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.words import amount

_BASE, _RUNTIME, _BANDWIDTH, _PORTS = (
    "Base Server Specifications", "Container Runtime", "Bandwidth Recommendations", "Main Application Ports")

OPERATING_SYSTEM = Quote(40, _BASE, "**Operating System**: Linux (Ubuntu 20.04+, CentOS 8+, or similar)")
DOCKER_ENGINE = Quote(44, _RUNTIME, "**Docker**: Version 20.10+ with Docker Compose V2")
DOCKER_MEMORY_GIB, DOCKER_MEMORY = 10, Quote(45, _RUNTIME, "**Available Docker Memory**: 10GB allocated to Docker")
DOCKER_CORES, DOCKER_CPU = 6, Quote(46, _RUNTIME, "**Available Docker CPU**: 6 cores allocated to Docker")

#: Mbit/s in both directions.
BANDWIDTH_MBPS = Row((10, 100, 100, 1000), (
    Quote(247, _BANDWIDTH, "**Minimum**: 10 Mbps up/down"),
    Quote(248, _BANDWIDTH, "**Recommended**: 100 Mbps up/down"),
    Quote(248, _BANDWIDTH, "**Recommended**: 100 Mbps up/down"),
    Quote(249, _BANDWIDTH, "**High-traffic**: 1 Gbps up/down"),
))

#: Ports inside of containers; the descriptions of the roles have them.
PORTS = (
    Quote(144, "MinIO Object Storage (tren-minio)", "**Ports**: 9000 (API), 9001 (Console)"),
    Quote(156, "RabbitMQ (tren-rabbitmq)", "**Ports**: 5674 (AMQP), 15674 (Management)"),
    Quote(199, "Asynq Dashboard", "**Port**: 8080 (job monitoring UI)"),
    Quote(232, _PORTS, "**80/443**: HTTP/HTTPS (Caddy proxy)"),
    Quote(233, _PORTS, "**3001**: API server (internal)"),
    Quote(234, _PORTS, "**5173**: Client application (internal)"),
    Quote(235, _PORTS, "**5432**: PostgreSQL (internal)"),
    Quote(236, _PORTS, "**6432**: PGBouncer (internal)"),
    Quote(237, _PORTS, "**6379**: Redis (internal)"),
    Quote(238, _PORTS, "**9000/9001**: MinIO API/Console (internal)"),
    Quote(239, _PORTS, "**5674/15674**: RabbitMQ (internal)"),
    Quote(243, "Background Job Processing Ports", "**8080**: Asynq Dashboard (job monitoring UI)"),
)

#: What is deployed in place of what the document says: (id, what departs, of which service or of any, what is planned).
_DEPARTURES = (
    ("rabbitmq-ports", "rabbitmq.ports", "rabbitmq", "5672, 15672"),
    ("host-distribution", "host.distribution", None,
     "Ubuntu 22.04, Debian 12, RHEL 9 and its family, Fedora 41, or newer"),
)


def departures(draft) -> list[dict[str, Any]]:
    """The departures of what is deployed on a host that are no figure of a service, as a plan lists them."""
    services = draft.intent.services
    return [
        CATALOGUE[deviation].entry(setting, planned) for deviation, setting, service, planned in _DEPARTURES
        if (service in services if service else services)]


def lines(draft) -> list[dict[str, Any]]:
    """The document's lines on the host for the tier of a plan, each with what is asked and what is here.

    `is_met` is None for what is not measured. Memory may be 10 % less than it is sold with, a file system 5 %.
    """
    capacity, tier = draft.capacity, draft.intent.tier
    allocatable = host.allocatable_of(capacity)
    disk_gb = capacity.disk_available_gb if tier == "minimum" else capacity.disk_total_gb
    cores, memory_gib, asked_gb = (
        row.value(tier) for row in (tiers.HOST_CORES, tiers.HOST_MEMORY_GIB, tiers.HOST_DISK_GB))
    kept, less = capacity.memory_mb - allocatable, DOCKER_MEMORY_GIB * 1024 - allocatable
    of_docker = f"{allocatable} MiB" + (f", {less} MiB less" if less > 0 else "") + (
        f"; {kept} MiB are kept for the system" + (" and other software" if capacity.reserved_memory_mb else ""))
    return [
        _line("cores", tiers.HOST_CORES.source(tier), amount(cores, "cores"), amount(capacity.cores, "cores"),
              capacity.cores >= cores),
        _line("memory", tiers.HOST_MEMORY_GIB.source(tier), f"{memory_gib} GiB", f"{capacity.usable_memory_mb} MiB",
              host.memory_acceptance(capacity.usable_memory_mb, memory_gib) != "refuse"),
        _line("disk", tiers.HOST_DISK_GB.source(tier), f"{asked_gb} GB", f"{plain(disk_gb)} GB",
              disk_gb >= host.accepted_disk_gb(asked_gb)),
        _line("memory of Docker", str(DOCKER_MEMORY), f"{DOCKER_MEMORY_GIB} GiB", of_docker,
              host.memory_acceptance(allocatable, DOCKER_MEMORY_GIB) != "refuse"),
        _line("cores of Docker", str(DOCKER_CPU), amount(DOCKER_CORES, "cores"),
              f"{amount(capacity.cores, 'cores')}, all of the host's; CPU is shared, not set aside",
              capacity.cores >= DOCKER_CORES),
        _line("bandwidth", BANDWIDTH_MBPS.source(tier), f"{BANDWIDTH_MBPS.value(tier)} Mbit/s up and down",
              "not measured", None),
    ]


def _line(name, source, asked, here, is_met):
    return {"name": name, "asked": asked, "here": here, "is_met": is_met, "source": source}


def network(draft) -> dict[str, Any]:
    """The line that the document recommends for the tier, and how long all data that is planned for travel over each of
    its lines: the first copy of a backup to another place, or the way back.

    `copy_gb` is database and objects as planned for, uncompressed; 0 where both are somebody else's.
    """
    sheets = draft.sheets
    copy_gb = sum(sheets[service]["volume_gb"] for service in ("postgres", "minio")
                  if service in sheets and "volume_gb" in sheets[service].names)
    speeds = sorted(set(BANDWIDTH_MBPS.values))
    return {
        "recommended_mbps": BANDWIDTH_MBPS.value(draft.intent.tier), "source": BANDWIDTH_MBPS.source(draft.intent.tier),
        "copy_gb": copy_gb,
        "copies": [{"mbps": speed, "seconds": round(storage.transfer_seconds(copy_gb, speed))} for speed in speeds]}
