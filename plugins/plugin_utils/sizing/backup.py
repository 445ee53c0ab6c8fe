# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Backups: what the jobs may take of the host, and the storage they need elsewhere."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import container, tiers
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.arguments import formula, part
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import Bounds

ENVELOPE = container.Envelope(
    memory=tiers.BACKUP_MEMORY, cpus=tiers.BACKUP_CPUS, reservation="chosen: a job is not kept in memory",
    least_memory_mb=64, cpu_shares=256, pids=256, oom_score_adj=500, reserved=False, job=True)

DATABASE_COPIES = 3
OBJECT_COPIES = 2
#: Part of a database that compression leaves: 0.25 to 0.4.
COMPRESSED_SHARE = 0.3
#: Never less than this of the objects, however little is deleted.
LEAST_OBJECT_COPIES = 1.1


@formula
def gfs_full_copies(weekly: int = 4, monthly: int = 6) -> int:
    """Full backups that are kept at once, as a number, when each week and each month has one.

    Source: grandfather, father, son; the dailies between them are increments.
    """
    return weekly + monthly


@formula(changed_share=part, compressed_share=part, wal_compressed_share=part)
def gfs_storage_gb(database_gb: float, full_copies: int = 10, incremental_copies: int = 0,
                   changed_share: float = 0.1, compressed_share: float = COMPRESSED_SHARE, wal_gb_per_day: float = 0,
                   wal_days: float = 0, wal_compressed_share: float = 1) -> float:
    """Backup storage in GB of a database: S = DB * c * (full + incremental * changed) + WAL per day * c_w * days.

    With ten compressed full copies it is the document's three times the database; six increments of a tenth between
    them add 0.18 of it. Source: grandfather, father, son retention.
    """
    copies = full_copies + incremental_copies * changed_share
    return database_gb * compressed_share * copies + wal_gb_per_day * wal_days * wal_compressed_share


@formula
def objects_storage_gb(objects_gb: float, deleted_share: float = 1) -> float:
    """Backup storage in GB of objects that hardly compress: one copy and what was deleted and is still kept, at least
    1.1 times the objects.

    With all deleted once it is the document's twice. Source: restic deduplicates; a prune leaves some space unused.
    """
    return objects_gb * max(LEAST_OBJECT_COPIES, 1 + deleted_share)


def plan(draft):
    """Decide the backup jobs; the volumes of PostgreSQL and MinIO must be decided before."""
    sheet, database = container.plan_container(draft, "backup", ENVELOPE), draft.sheet("postgres")["volume_gb"]
    # An object store of the operator's own is his to back up.
    objects = draft.sheet("minio")["volume_gb"] if draft.intent.minio_mode == "managed" else 0
    of_database = sheet.setting(
        "database_storage_gb", DATABASE_COPIES * database, unit="GB", rule="3 * database",
        source=str(tiers.BACKUP_DATABASE), inputs={"postgres_volume_gb": database},
        bounds=Bounds(floor=DATABASE_COPIES * database))
    of_objects = sheet.setting(
        "object_storage_gb", OBJECT_COPIES * objects, unit="GB", rule="2 * objects, 0 for an external store",
        source=str(tiers.BACKUP_OBJECTS), inputs={"minio_volume_gb": objects},
        bounds=Bounds(floor=OBJECT_COPIES * objects))
    sheet.setting(
        "storage_need_gb", of_database + of_objects, unit="GB", rule="3 * database + 2 * objects",
        source=f"{tiers.BACKUP_DATABASE}; {tiers.BACKUP_OBJECTS}", derived=True,
        inputs={"database_storage_gb": of_database, "object_storage_gb": of_objects})
