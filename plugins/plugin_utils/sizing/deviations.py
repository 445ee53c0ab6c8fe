# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Where a plan departs from the requirements document, why, and how to have the document's way back.

The engine departs only where the document's own number (or its silence) loses data or cannot work. Each departure
has an id; an operator who lists it in `trenova_restore_document` gets the document's value.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.values import did_you_mean, shown

#: How a departure is undone, unless the departure says otherwise.
_RESTORE = "trenova_restore_document: [{0}]"


class Deviation(NamedTuple):
    """One settled departure: what the document says and why the plan does not follow."""

    id: str
    document: str
    reason: str
    restore: str = ""

    def entry(self, setting: str, planned: Any, here: str = "") -> dict[str, Any]:
        """The departure as a plan lists it; `here` are the figures of that plan behind the reason."""
        return {
            "id": self.id,
            "setting": setting,
            "document": self.document,
            "planned": planned,
            "reason": f"{self.reason} {here}".rstrip(),
            "restore": self.restore or _RESTORE.format(self.id),
        }


_ALL = (
    Deviation(
        "postgres-backends",
        "max_connections: 100 (200-500 for high concurrency), without a pool size",
        "each busy backend needs about 4 MiB before it sorts a row, and more of them than the cores can use wait for "
        "each other; PgBouncer therefore lets only as many reach PostgreSQL as its cores can use, and max_connections "
        "stays as headroom.",
    ),
    Deviation(
        "postgres-cache-hint",
        "effective_cache_size: 75% of memory",
        "page cache is charged to the container, and the backends leave less than that of its limit.",
    ),
    Deviation(
        "postgres-wal-size",
        "not named; upstream's Compose file: max_wal_size 4GB",
        "4 GB of WAL leave too little of a small volume for data; 20 % of it are safe.",
    ),
    Deviation(
        "postgres-slot-wal",
        "not named; PostgreSQL's default: unlimited",
        "a replication slot that nobody reads keeps WAL until the disk is full and the database stops.",
    ),
    Deviation(
        "postgres-shm",
        "not named; Docker's default: 64MB of /dev/shm",
        "parallel queries and index builds share their memory there; where it does not hold two maintenance_work_mem "
        'they fail with "could not resize shared memory segment".',
    ),
    Deviation(
        "redis-policy",
        "Max Memory Policy: allkeys-lru",
        "jobs carry no expiry; allkeys-lru evicts them silently, and nothing logs or retries a lost job. "
        "volatile-lru evicts only keys that were made to expire.",
        restore="trenova_plan_overrides.redis.maxmemory_policy to another volatile-* policy or to noeviction; "
                "allkeys-* is refused",
    ),
    Deviation(
        "redis-persistence",
        "not named; upstream's Compose file: snapshots only",
        "between two snapshots minutes of queued jobs are lost; the append-only file loses one second at most.",
    ),
    Deviation(
        "redis-volume",
        "Redis Data: 1GB+",
        "the append-only file with its rewrite takes up to three times maxmemory and a snapshot up to two; "
        "on 1 GB the first rewrite fills the volume.",
    ),
    Deviation(
        "rabbitmq-limit",
        "Memory: No explicit limit (monitor usage)",
        "without a limit RabbitMQ takes its watermark from the host's memory, 60 % of it, and starves its neighbours.",
    ),
    Deviation(
        "rabbitmq-volume",
        "RabbitMQ Data: 1GB+",
        "publishers are blocked while less than disk_free_limit is free; on 1 GB that is always.",
    ),
    Deviation(
        "minio-single-node",
        "Consider distributed MinIO setup for high availability",
        "every distributed server allocates 2 GiB at start and needs three peers; one host has no room for it.",
        restore="minio_mode: external, with the address of a distributed store",
    ),
    Deviation(
        "api-gomaxprocs",
        "not named; Go up to 1.24 takes every core of the host",
        "more running threads than the CPU limit pays for spend each period's quota at once and are then stalled.",
    ),
    Deviation(
        "rabbitmq-ports",
        "Ports: 5674 (AMQP), 15674 (Management)",
        "inside of the container RabbitMQ listens on its own ports, 5672 and 15672; those of the document are where "
        "its Compose file publishes them on the host, and here only Caddy publishes anything.",
        restore='rabbitmq_compose_extra: {rabbitmq: {ports: ["127.0.0.1:5674:5672", "127.0.0.1:15674:15672"], '
                'networks: [edge]}}',
    ),
    Deviation(
        "host-distribution",
        "Linux (Ubuntu 20.04+, CentOS 8+, or similar)",
        "Ubuntu 20.04 and CentOS 8 get no security updates any more, Docker's repositories have nothing new for them, "
        "and their control groups (version 1) protect no reserved memory.",
        restore="there is no way back but an upgrade of the distribution",
    ),
)

#: Every settled departure by its id.
CATALOGUE = {deviation.id: deviation for deviation in _ALL}


def ordered(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Departures in the order of the catalogue, however they were found."""
    order = list(CATALOGUE)
    return sorted(entries, key=lambda entry: order.index(entry["id"]))


def known(deviation_id) -> str:
    """The id, when it can be restored by name.

    Raises ValueError with the nearest id for an unknown one, and with the way to go for one that needs another
    variable.
    """
    if not isinstance(deviation_id, str) or deviation_id not in CATALOGUE:
        raise ValueError(f"no deviation is called {shown(deviation_id)}{did_you_mean(deviation_id, CATALOGUE)}")
    if CATALOGUE[deviation_id].restore:
        raise ValueError(f"{deviation_id} is not undone by name; set {CATALOGUE[deviation_id].restore}")
    return str(deviation_id)
