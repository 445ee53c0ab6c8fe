# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What lies on the disk, on the first day and as planned for, and how long it lasts."""

from __future__ import annotations

from typing import Any

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import rabbitmq, redis, tiers
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.arguments import above_zero, formula, part
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import TIERS, plain
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.services import SERVICES

#: A log file of a container and how many of them there are; the docker role sets the same.
LOG_FILE_MB = 10
LOG_FILES = 3
#: Part of a disk that logs may take, and what of them is counted with the images.
LOGS_SHARE = 0.05
_LOGS_COUNTED_GB = 1
#: Parts of PostgreSQL's volume that WAL may take, a fifth between checkpoints and one for a dead slot, before it counts
#: besides.
_WAL_SHARE = 0.4
#: Part of the disk that may be filled before somebody must act.
FULL_SHARE = 0.8
_DAYS_PER_YEAR = 365

#: The document's volumes, by service: what it promises to hold the base installation.
DOCUMENT_VOLUMES_GB = {name: service.volume_gb for name, service in SERVICES.items() if service.volume_gb}
#: Services whose data grows with the users, and their part of the growth.
GROWTH_SHARES = {name: service.growth_share for name, service in SERVICES.items() if service.growth_share}


@formula
def system_gb() -> float:
    """Disk in GB for images (twice at an upgrade), logs and whatever else is no data: the document's base installation
    less its volumes. Source: "Base Installation: 25GB" and "Persistent Volumes"."""
    return round(tiers.BASE_GB - sum(DOCUMENT_VOLUMES_GB.values()), 1)


@formula(tier=TIERS)
def data_gb(tier: str, users: int | None, besides_gb: float) -> float:
    """Disk in GB that database and objects together are planned for: the document's figure for the tier (or a year's
    growth of so many users), less what else lies there; at least the document's two volumes. Source: "Total Storage
    Needs", "Persistent Volumes"."""
    return max(sum(DOCUMENT_VOLUMES_GB[service] for service in GROWTH_SHARES),
               tiers.storage_gb(tier, users) - besides_gb)


@formula(service=tuple(GROWTH_SHARES), tier=TIERS)
def volume_gb(service: str, tier: str, users: int | None, besides_gb: float, disk_total_gb: float) -> int:
    """Disk in GB to plan for the data of PostgreSQL or MinIO: the document's volume and its part of the growth planned
    for, a third for the database and two for the objects; at most a third and three fifths of the disk.

    Source: "Persistent Volumes"; the parts are chosen here.
    """
    document = DOCUMENT_VOLUMES_GB[service]
    growth = data_gb(tier, users, besides_gb) - sum(DOCUMENT_VOLUMES_GB[grows] for grows in GROWTH_SHARES)
    most = disk_total_gb * SERVICES[service].most_of_disk
    return int(max(document, min(document + growth * GROWTH_SHARES[service], most)) + 1e-9)


@formula(tier=TIERS)
def besides_gb(tier: str) -> float:
    """Disk in GB that a tier takes beside the data that grows: images and logs, and the volumes of Redis, RabbitMQ and
    Caddy at the tier's own figures, so that a larger Redis takes nothing from the database.

    Source: `system_gb`, `redis.volume_gb`, `rabbitmq.volume_gb`.
    """
    return _BESIDES_GB[tier]


def _besides_gb(tier) -> float:
    of_redis = redis.volume_gb(redis.maxmemory_mb(tiers.REDIS_MEMORY.value(tier)))
    watermark = rabbitmq.watermark_mb(tiers.RABBITMQ_MEMORY.value(tier))
    of_rabbitmq = rabbitmq.volume_gb(rabbitmq.disk_free_limit_mb(watermark))
    return system_gb() + of_redis + of_rabbitmq + DOCUMENT_VOLUMES_GB["caddy"]


_BESIDES_GB = {tier: _besides_gb(tier) for tier in TIERS}


@formula
def logs_gb(containers: int, files: int = LOG_FILES, file_mb: float = LOG_FILE_MB) -> float:
    """Disk in GB that the logs of so many containers take at most: files * size for each of them.

    More than 5 % of the disk is too much. Source: Docker, logging drivers, which count in decimal MB.
    """
    return containers * files * file_mb / 1000


@formula(growth_gb_per_year=above_zero, full_share=part)
def days_until_full(disk_gb: float, base_gb: float, growth_gb_per_year: float,
                    full_share: float = FULL_SHARE) -> float:
    """Days until so large a part of a disk is full, not rounded: (share * disk - base) / growth per day; 0 when it is
    already. Source: the document's growth figures, read as a rate."""
    return max(0.0, (full_share * disk_gb - base_gb) / (growth_gb_per_year / _DAYS_PER_YEAR))


@formula(growth_gb_per_year=above_zero)
def runway_days(disk_gb: float, base_gb: float, growth_gb_per_year: float) -> int:
    """Days until a disk is 80 % full: (0.8 * disk - base) / growth per day; 0 when it is already.

    Source: the document's growth figures, read as a rate; see `tiers.growth_gb`.
    """
    return int(days_until_full(disk_gb, base_gb, growth_gb_per_year) + 1e-9)


def budget(draft) -> dict[str, Any]:
    """The disk of a host in decimal GB.

    `items` lists what lies there as planned, `day_one_gb` sums what the base installation takes: the document's
    volumes, or the operator's own where he has set one. `runway_days`, until 80 % are full, and `full_days`, until
    nothing is left, are None where the number of users is not given.
    """
    volumes = {service: _volume_gb(sheet) for service, sheet in draft.here.items() if service in DOCUMENT_VOLUMES_GB}
    containers = sum(sheet.count for sheet in draft.here.values())
    first = {service: gb if draft.is_given(service, "volume_gb") else DOCUMENT_VOLUMES_GB[service]
             for service, gb in volumes.items()}
    wal_gb, logs = _wal_besides_gb(draft), logs_gb(containers)
    system = round(system_gb() + max(0, logs - _LOGS_COUNTED_GB), 1)
    day_one_gb = round(system + sum(first.values()) + wal_gb, 1)
    growth = _growth_gb(draft, volumes)
    available_gb = draft.capacity.disk_available_gb
    return {
        "total_gb": draft.capacity.disk_total_gb,
        "available_gb": available_gb,
        "items": [
            {"name": "images and logs", "gb": system,
             "what": f"images, twice at an upgrade; of logs at most {plain(logs)}"},
            *(_item(service, gb, wal_gb) for service, gb in volumes.items()),
        ],
        "day_one_gb": day_one_gb,
        "planned_gb": round(system + sum(volumes.values()) + wal_gb, 1),
        "logs_gb": logs,
        "growth_gb_per_year": growth,
        "runway_days": runway_days(available_gb, day_one_gb, growth) if growth else None,
        "full_days": int(days_until_full(available_gb, day_one_gb, growth, 1) + 1e-9) if growth else None,
        # Of the whole installation; a host on which no backup runs has nothing to do with it.
        "backup_storage_gb": draft.sheets["backup"]["storage_need_gb"] if "backup" in draft.here else None,
    }


def _item(service, gb, wal_gb):
    """A volume as it lies on the disk."""
    if service != "postgres" or not wal_gb:
        return {"name": service, "gb": gb, "what": "volume"}
    return {"name": service, "gb": round(gb + wal_gb, 1), "what": f"volume, and {plain(wal_gb)} of WAL beside it"}


def _wal_besides_gb(draft) -> float:
    """Disk in GB that WAL may take beyond its part of PostgreSQL's volume on this host."""
    if "postgres" not in draft.here:
        return 0
    sheet = draft.here["postgres"]
    wal_mb = sheet["max_wal_size_mb"] + max(0, sheet["max_slot_wal_keep_size_mb"])
    return round(max(0.0, wal_mb * 1024 ** 2 / 1000 ** 3 - _WAL_SHARE * sheet["volume_gb"]), 1)


def _volume_gb(sheet) -> float:
    return sheet["volume_gb"] if "volume_gb" in sheet.names else sheet["volume_mb"] / 1000


def _growth_gb(draft, volumes) -> float | None:
    """GB a year on this disk; None where the number of users is not given or nothing here grows with it."""
    users = draft.intent.users
    share = sum(GROWTH_SHARES[service] for service in volumes if service in GROWTH_SHARES)
    return round(tiers.GROWTH_GB_PER_USER_AND_YEAR * users * share, 2) if users and share else None
