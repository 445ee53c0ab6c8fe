# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Backups: what the jobs may take of the host, and the storage they need elsewhere."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.module_utils.sizing import container, tiers
from ansible_collections.trenova.selfhost.plugins.module_utils.sizing.model import Bounds

ENVELOPE = container.Envelope(
    memory=tiers.BACKUP_MEMORY, cpus=tiers.BACKUP_CPUS, reservation="chosen: a job is not kept in memory",
    cpu_shares=256, pids=256, oom_score_adj=500, reserved=False)

DATABASE_COPIES = 3
OBJECT_COPIES = 2


def storage_need_gb(database_gb: float, objects_gb: float) -> float:
    """Backup storage in GB: three times the database and twice the objects. Source: the document."""
    return DATABASE_COPIES * database_gb + OBJECT_COPIES * objects_gb


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
