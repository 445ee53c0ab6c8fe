# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Losing and getting back: how much is lost at most (RPO), and how long it takes until it serves again (RTO)."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.arguments import above_zero, amount, formula, part

#: Part of a line that a copy gets: 110 MB/s of 1 Gbit/s.
LINE_SHARE = 0.88
DISK_MB_PER_SECOND = 300
#: Slow ends of what is seen: 50 to 100 MB/s of WAL replayed by one process, 20 to 40 MB/s of a dump with its indexes.
REPLAY_MB_PER_SECOND = 50
DUMP_RESTORE_MB_PER_SECOND = 20
#: An append-only file that is synced every second.
QUEUE_RPO_SECONDS = 1


@formula
def archive_rpo_seconds(archive_timeout_seconds: float, upload_lag_seconds: float = 0) -> float:
    """Time in seconds whose writes are lost at most with an archived WAL: archive_timeout and the lag of the upload.

    Source: PostgreSQL, continuous archiving.
    """
    return archive_timeout_seconds + upload_lag_seconds


@formula
def dump_rpo_seconds(interval_seconds: float, duration_seconds: float = 0) -> float:
    """Time in seconds whose writes are lost at most with dumps: from the start of one to the end of the next.

    Source: a dump holds what there was when it began.
    """
    return interval_seconds + duration_seconds


def system_rpo_seconds(*store_rpo_seconds: float) -> float:
    """Time in seconds whose writes are lost at most by stores that are used together: the longest of them.

    Source: rows of the database point to objects.
    """
    if not store_rpo_seconds:
        raise ValueError("store_rpo_seconds: expected the seconds of at least one store, got none")
    return max(amount("store_rpo_seconds", seconds) for seconds in store_rpo_seconds)


@formula(megabits_per_second=above_zero, line_share=part)
def line_mb_per_second(megabits_per_second: float, line_share: float = LINE_SHARE) -> float:
    """Speed in MB/s (decimal) of a copy over a line of so many Mbit/s: 88 % of it.

    Source: 110 MB/s over 1 Gbit/s, an assumption.
    """
    return megabits_per_second / 8 * above_zero("line_share", line_share)


@formula(compression=part, network_mb_per_second=above_zero, disk_mb_per_second=above_zero)
def copy_seconds(database_gb: float, compression: float = 1, network_mb_per_second: float | None = None,
                 disk_mb_per_second: float = DISK_MB_PER_SECOND) -> float:
    """Time in seconds to copy a base backup back: the compressed size over the network or all of it onto the disk,
    whichever takes longer.

    `compression` is the part that is left, 1 for none; without `network_mb_per_second` the line is 1 Gbit/s.
    Source: both run at once.
    """
    size_mb = database_gb * 1000
    line = line_mb_per_second(1000) if network_mb_per_second is None else network_mb_per_second
    return max(size_mb * compression / line, size_mb / disk_mb_per_second)


@formula(replay_mb_per_second=above_zero)
def replay_seconds(wal_gb: float, replay_mb_per_second: float = REPLAY_MB_PER_SECOND) -> float:
    """Time in seconds to replay so many decimal GB of WAL since the base backup.

    Source: one process replays 50 to 100 MB/s, an assumption.
    """
    return wal_gb * 1000 / replay_mb_per_second


@formula(restore_mb_per_second=above_zero)
def dump_restore_seconds(database_gb: float, restore_mb_per_second: float = DUMP_RESTORE_MB_PER_SECOND) -> float:
    """Time in seconds to load a dump of a database of so many decimal GB, indexes included.

    Source: 20 to 40 MB/s, an assumption.
    """
    return database_gb * 1000 / restore_mb_per_second


@formula
def rto_seconds(restore_seconds: float, replay_seconds: float = 0, detect_seconds: float = 0,
                provision_seconds: float = 0, verify_seconds: float = 0) -> float:
    """Time in seconds until the service is back: notice, provide a host, restore, replay, verify.

    `restore_seconds` is that of `copy_seconds` or `dump_restore_seconds`. Source: the steps follow each other.
    """
    return detect_seconds + provision_seconds + restore_seconds + replay_seconds + verify_seconds
