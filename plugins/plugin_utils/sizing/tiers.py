# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The requirements document as data: its numbers, each with the line and heading it stands under.

Numbers that the document does not name are chosen here as well, and say so: a `Quote` is the document's, plain text
is ours. Memory in MiB, disks in decimal GB, users are concurrent ones.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.arguments import formula
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import TIERS


class Quote(NamedTuple):
    """A passage of the requirements document."""

    line: int
    heading: str
    text: str

    def __str__(self):
        return f'requirements.md:{self.line} ({self.heading}) "{self.text}"'


class Row(NamedTuple):
    """One figure for the four tiers, each with its source."""

    values: tuple[Any, Any, Any, Any]
    sources: tuple[Quote | str, ...]

    def value(self, tier):
        """The figure of a tier."""
        return self.values[TIERS.index(tier)]

    def source(self, tier) -> str:
        """Where the figure of a tier comes from."""
        return str(self.sources[TIERS.index(tier)])

    def floor(self, tier):
        """The figure where it is the document's own, None where it was chosen here."""
        return self.value(tier) if isinstance(self.sources[TIERS.index(tier)], Quote) else None


def every(value, source) -> Row:
    """One figure that holds for all tiers."""
    return Row((value,) * len(TIERS), (source,) * len(TIERS))


_BASE, _SMALL, _MEDIUM, _LARGE = (
    "Base Server Specifications",
    "Server Specifications (1-50 concurrent users)",
    "Server Specifications (50-200 concurrent users)",
    "Server Specifications (200+ concurrent users)",
)
_POSTGRES = "PostgreSQL Database (tren-db)"
_REDIS = "Redis Cache (tren-redis)"
_PGBOUNCER = "PGBouncer (tren-pgbouncer)"
_API = "Trenova API (tren-api)"
_CLIENT = "Trenova Client (tren-client)"
_RABBITMQ = "RabbitMQ (tren-rabbitmq)"
_MINIO = "MinIO Object Storage (tren-minio)"
_CADDY = "Caddy Reverse Proxy (tren-caddy)"
_ASYNQ = "Asynq Job Queue System"
_DASHBOARD = "Asynq Dashboard"
_VOLUMES = "Persistent Volumes"
_STORAGE = "Total Storage Needs"
_BACKUP = "Data Backup Storage"

# -- the host ----------------------------------------------------------------------------------------------------------

HOST_CORES = Row((6, 12, 20, 32), (
    Quote(36, _BASE, "**CPU**: 6 cores (Intel/AMD x86_64)"),
    Quote(52, _SMALL, "**CPU**: 12+ cores"),
    Quote(59, _MEDIUM, "**CPU**: 20+ cores"),
    Quote(66, _LARGE, "**CPU**: 32+ cores"),
))
HOST_MEMORY_GIB = Row((12, 24, 48, 96), (
    Quote(37, _BASE, "**RAM**: 12GB"),
    Quote(53, _SMALL, "**RAM**: 24GB+"),
    Quote(60, _MEDIUM, "**RAM**: 48GB+"),
    Quote(67, _LARGE, "**RAM**: 96GB+"),
))
#: The minimum speaks of available space, the tiers of the size of the disk.
HOST_DISK_GB = Row((30, 100, 200, 500), (
    Quote(38, _BASE, "**Storage**: 30GB available disk space"),
    Quote(54, _SMALL, "**Storage**: 100GB+ SSD"),
    Quote(61, _MEDIUM, "**Storage**: 200GB+ SSD"),
    Quote(68, _LARGE, "**Storage**: 500GB+ SSD with high IOPS"),
))
#: What the disk must still be able to take: the base installation, then the planned growth.
HOST_GROWTH_GB = Row((25, 75, 150, 400), (
    Quote(220, _STORAGE, "**Base Installation**: 25GB"),
    Quote(222, _STORAGE, "Small organization (1-50 users): 75GB"),
    Quote(223, _STORAGE, "Medium organization (50-200 users): 150GB"),
    Quote(224, _STORAGE, "Large organization (200+ users): 400GB+"),
))
ARCHITECTURE = Quote(36, _BASE, "**CPU**: 6 cores (Intel/AMD x86_64)")

# -- the services ------------------------------------------------------------------------------------------------------

_PG_MEDIUM = Quote(87, _POSTGRES, "For 50+ users: Increase memory to 2GB, CPU to 2 cores")
_PG_LARGE = Quote(88, _POSTGRES, "For 200+ users: Increase memory to 4GB+, CPU to 4+ cores")
_PG_MEMORY = Quote(76, _POSTGRES, "**Memory Limit**: 512MB (configurable)")
_PG_CPU = Quote(78, _POSTGRES, "**CPU Limit**: 1 core")
_PG_CONNECTIONS = Quote(83, _POSTGRES, "`max_connections`: 100 (adjustable based on load)")
_PG_MORE = Quote(89, _POSTGRES, "Consider increasing `max_connections` to 200-500 for high concurrency")

POSTGRES_MEMORY = Row((512, 512, 2048, 4096), (_PG_MEMORY, _PG_MEMORY, _PG_MEDIUM, _PG_LARGE))
POSTGRES_CPUS = Row((1, 1, 2, 4), (_PG_CPU, _PG_CPU, _PG_MEDIUM, _PG_LARGE))
POSTGRES_CONNECTIONS = Row((100, 100, 200, 200), (_PG_CONNECTIONS, _PG_CONNECTIONS, _PG_MORE, _PG_MORE))
POSTGRES_RESERVATION = Quote(77, _POSTGRES, "**Memory Reservation**: 256MB")
POSTGRES_SHARED_BUFFERS = Quote(81, _POSTGRES, "`shared_buffers`: 128MB (25% of memory)")
POSTGRES_CACHE_SIZE = Quote(82, _POSTGRES, "`effective_cache_size`: 384MB (75% of memory)")
POSTGRES_VOLUME = Quote(212, _VOLUMES, "**PostgreSQL Data**: 10GB+ (grows with data)")

PGBOUNCER_MEMORY = every(128, Quote(106, _PGBOUNCER, "**Memory Limit**: 128MB"))
PGBOUNCER_CPUS = every(1, "chosen: one process of PgBouncer runs on one core")
PGBOUNCER_RESERVATION = Quote(107, _PGBOUNCER, "**Memory Reservation**: 64MB")

_REDIS_MEMORY = Quote(93, _REDIS, "**Memory Limit**: 2GB")
REDIS_MEMORY = Row((2048, 2048, 2048, 4096), (_REDIS_MEMORY,) * 3 + (
    Quote(101, _REDIS, "For high-traffic applications: Increase to 4GB+ memory"),
))
REDIS_CPUS = every(1, Quote(95, _REDIS, "**CPU Limit**: 1 core"))
REDIS_RESERVATION = Quote(94, _REDIS, "**Memory Reservation**: 1GB")
REDIS_POLICY = Quote(96, _REDIS, "**Max Memory Policy**: `allkeys-lru`")
REDIS_MAXMEMORY = Quote(97, _REDIS, "**Configured Memory**: 1.5GB (75% of limit)")
REDIS_VOLUME = Quote(213, _VOLUMES, "**Redis Data**: 1GB+ (cache data)")

RABBITMQ_UNLIMITED = Quote(154, _RABBITMQ, "**Memory**: No explicit limit (monitor usage)")
_RABBITMQ_MEMORY = "chosen: RabbitMQ wants 256 MiB free at all times and room for three write-ahead logs"
RABBITMQ_MEMORY = Row((512, 1024, 1024, 2048), (_RABBITMQ_MEMORY,) * 4)
RABBITMQ_CPUS = Row((2, 2, 2, 4), ("chosen: RabbitMQ's production checklist asks for more than one core",) * 4)
RABBITMQ_VOLUME = Quote(215, _VOLUMES, "**RabbitMQ Data**: 1GB+ (message persistence and job queues)")

_MINIO_MEMORY = Quote(142, _MINIO, "**Memory Limit**: 512MB")
_MINIO_MORE = "chosen: doubles with the tier (the document: \"increase memory based on concurrent file operations\")"
MINIO_MEMORY = Row((512, 512, 1024, 2048), (_MINIO_MEMORY, _MINIO_MEMORY, _MINIO_MORE, _MINIO_MORE))
MINIO_CPUS = Row((2, 2, 2, 4), ("chosen: hashing of uploads takes a core; the quota keeps a scan from taking all",) * 4)
MINIO_VOLUME = Quote(214, _VOLUMES, "**MinIO Data**: 5GB+ (file storage, grows significantly)")

_API_MEMORY = Quote(117, _API, "**Memory Limit**: 512MB")
_API_MEDIUM = Quote(124, _API, "For 50+ users: Increase memory to 1GB, consider multiple instances")
_API_LARGE = Quote(125, _API, "For 200+ users: Deploy multiple API instances behind load balancer")
_API_ONE = "chosen: one instance, as the document's Compose file runs"
API_MEMORY = Row((512, 512, 1024, 1024), (_API_MEMORY, _API_MEMORY, _API_MEDIUM, _API_MEDIUM))
API_CPUS = every(1, Quote(118, _API, "**CPU Limit**: 1 core"))
API_INSTANCES = Row((1, 1, 2, 3), (_API_ONE, _API_ONE, _API_MEDIUM, _API_LARGE))
API_WORKERS = Row((0, 0, 0, 2), ("chosen: jobs run inside the API until the large tier",) * 3 + (
    Quote(260, "Horizontal Scaling Options", "deploy dedicated worker instances"),
))
ASYNQ_MEMORY = Quote(173, _ASYNQ, "**Memory Recommendation**: 256MB-512MB (integrated within API)")

CLIENT_MEMORY = every(256, Quote(131, _CLIENT, "**Memory Limit**: 256MB"))
CLIENT_CPUS = every(0.5, Quote(132, _CLIENT, "**CPU Limit**: 0.5 cores"))
_CLIENT_ONE = "chosen: one instance serves static files to many"
CLIENT_INSTANCES = Row((1, 1, 1, 2), (_CLIENT_ONE,) * 3 + (
    Quote(138, _CLIENT, "Multiple instances for high availability"),
))

DASHBOARD_MEMORY = every(128, Quote(195, _DASHBOARD, "**Memory Recommendation**: 128MB"))
DASHBOARD_CPUS = every(0.5, Quote(196, _DASHBOARD, "**CPU Recommendation**: 0.5 cores"))

_CADDY_MEMORY = Quote(165, _CADDY, "**Memory Limit**: 128MB")
_CADDY_MORE = "chosen: about 60 KiB for each proxied live connection"
CADDY_MEMORY = Row((128, 128, 256, 256), (_CADDY_MEMORY, _CADDY_MEMORY, _CADDY_MORE, _CADDY_MORE))
CADDY_CPUS = every(0.5, Quote(166, _CADDY, "**CPU Limit**: 0.5 cores"))
CADDY_VOLUME = Quote(216, _VOLUMES, "**Caddy Data**: 100MB (certificates and config)")

BACKUP_MEMORY = every(512, "chosen: compression and deduplication indexes; a job, not a standing service")
BACKUP_CPUS = every(1, "chosen: a backup may be slow, its neighbours may not")
BACKUP_DATABASE = Quote(309, _BACKUP, "**Database Backups**: Plan for 3x database size")
BACKUP_OBJECTS = Quote(310, _BACKUP, "**File Storage Backups**: Plan for 2x MinIO storage size")

# -- users and growth --------------------------------------------------------------------------------------------------

#: Largest number of users of a tier. The document's edges overlap at 50 and 200; they belong to the smaller tier.
_LARGEST_USERS = (("small", 50), ("medium", 200))

#: Fitted to the document's growth figures (400 GB for 500 users in a year); not measured.
BASE_GB = 25
GROWTH_GB_PER_USER_AND_YEAR = 0.75


@formula(users=1)
def tier_for_users(users: int) -> str:
    """The tier for a number of concurrent users: up to 50 small, up to 200 medium, beyond that large.

    The minimum tier is never derived: it is taken by name. Source: headings of the
    document's "Recommended Production Requirements".
    """
    for tier, largest in _LARGEST_USERS:
        if users <= largest:
            return tier
    return "large"


@formula
def growth_gb(users: int, years: float = 1) -> float:
    """Disk in GB that so many users fill in so many years: the base installation and 0.75 GB per user and year.

    Source: fitted to "Total Storage Needs" of the document, a third of the growth in the database.
    """
    return BASE_GB + GROWTH_GB_PER_USER_AND_YEAR * users * years


@formula(tier=TIERS)
def storage_gb(tier: str, users: int | None) -> float:
    """Disk in GB to plan for: the document's growth figure of the tier, or the first year of `users` if larger."""
    return max(float(HOST_GROWTH_GB.value(tier)), growth_gb(users) if users else 0.0)
