# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Backups: what the jobs may take of the host, what they leave of it, and the storage they need elsewhere."""

from __future__ import annotations

import math

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import container, tiers
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.arguments import above_zero, formula, part
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import Bounds

#: Chosen: a job takes one of so many cores while the application needs them. A full backup of 1 GB cost 8.3 % of what
#: an application did that was asked for all it could; the goal is 10 % (docs/benchmarks-backup.md).
OF_CORES = 15
ENVELOPE = container.Envelope(
    memory=tiers.BACKUP_MEMORY, cpus=tiers.BACKUP_CPUS, reservation="chosen: a job is not kept in memory",
    least_memory_mb=64, of_cores=OF_CORES, cpu_shares=256, pids=256, oom_score_adj=500, reserved=False, job=True)

DATABASE_COPIES = 3
OBJECT_COPIES = 2
#: Part of a database that compression leaves: 0.25 to 0.4.
COMPRESSED_SHARE = 0.3
#: Never less than this of the objects, however little is deleted.
LEAST_OBJECT_COPIES = 1.1
#: What one core packs and encrypts of a stream, and unpacks again, in a second.
COPY_MB_PER_SECOND = 60
#: What a job may take while most of the host is idle, and of how many cores. Two work at once, and servers for them.
IDLE_CPUS, OF_IDLE_CORES = 1.0, 4
#: Containers, checks and small stores take as long whatever the size.
BASE_MINUTES = 10
#: What is left free of a disk, what a stream may have grown by, bases that are put together, hours of small backups.
LEFT_FREE_GB, STREAM_GROWTH, CHAIN_BASES, CUTS_HOURS = 1.0, 1.25, 14, 24
#: No run takes longer than backup_timeout_seconds can say.
_WEEK = Bounds(high=7 * 1440)


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


@formula(mb_per_second=above_zero)
def usual_minutes(read_gb: float, mb_per_second: float = COPY_MB_PER_SECOND) -> int:
    """Time in whole minutes of a run that reads so many decimal GB: ten, and what copying them takes.

    Source: 60 MB/s of one core, an assumption; ten minutes for what does not grow with the data.
    """
    return BASE_MINUTES + math.ceil(round(read_gb * 1000 / mb_per_second / 60, 9))


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
    _plan_runs(sheet, database, objects, draft.capacity_of("backup").cores)


def _plan_runs(sheet, database, objects, cores):
    """Decide how long runs usually take, and what they leave, keep and build upon."""
    idle = sheet.setting(
        "idle_cpus", IDLE_CPUS, unit="cores", rule="1, at most the host's cores / 4", inputs={"host_cores": cores},
        source="chosen: what a job may take while at least half of the host is idle, at night for instance",
        bounds=Bounds(high=round(cores / OF_IDLE_CORES, 2), least=0.01))
    speed = sheet.setting(
        "copy_mb_per_second", COPY_MB_PER_SECOND, unit="MB/s", rule="60", inputs={},
        source="chosen: one core packs, encrypts and unpacks 60 MB/s and more; what a first restore is reckoned with")
    volumes = {"postgres_volume_gb": database, "copy_mb_per_second": speed, "idle_cpus": idle}
    speed *= min(1, idle)
    sheet.setting(
        "usual_minutes", usual_minutes(2 * database, speed), unit="min", bounds=_WEEK,
        rule="10 + 2 * database / (copy_mb_per_second * min(1, idle_cpus))",
        source="assumed: a full backup reads the database twice, as base and as dump, when its volume is full",
        inputs=volumes)
    sheet.setting(
        "drill_minutes", usual_minutes(database + objects, speed), unit="min", bounds=_WEEK,
        rule="10 + (database + objects) / (copy_mb_per_second * min(1, idle_cpus))",
        source="assumed: a drill copies all of it once, when the volumes are full",
        inputs=dict(volumes, minio_volume_gb=objects))
    sheet.setting(
        "left_free_gb", LEFT_FREE_GB, unit="GB", rule="1",
        source="chosen: the system, its journal and PostgreSQL go on writing; of each disk that a run writes to, that "
               "of the log that was fetched included. PostgreSQL holds the rest, up to max_slot_wal_keep_size_mb")
    sheet.setting(
        "stream_growth", STREAM_GROWTH, rule="1.25",
        source="chosen: a stream that grows by more than a quarter from one run to the next is rare; that much is to "
               "be free before it begins")
    sheet.setting(
        "chain_bases", CHAIN_BASES, rule="14",
        source="chosen: two weeks of nights; PostgreSQL 17, pg_combinebackup reads every one of a chain, and one that "
               "is damaged takes all after it along")
    sheet.setting(
        "cuts_hours", CUTS_HOURS, unit="h", rule="24",
        source="chosen: until the next night's backup has taken their place; of older ones each day's last stays")
