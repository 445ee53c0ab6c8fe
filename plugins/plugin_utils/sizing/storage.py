# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Disks: the units they are sold in, how long they last, and how long their contents travel."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import disk, tiers
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.arguments import above_zero, formula, part


@formula
def need_gb(users: int, years: float = 1) -> float:
    """Disk in GB that so many users need in so many years: 25 GB and 0.75 GB per user and year.

    Source: `growth_gb`, fitted to the document's "Total Storage Needs".
    """
    return tiers.growth_gb(users, years)


@formula(users=1, full_share=part)
def runway_days(disk_gb: float, users: int, full_share: float = disk.FULL_SHARE) -> float:
    """Days until a disk of so many GB is 80 % full, from the base installation on; 0 where that alone fills it.

    Less than 180 days is worth a warning. Source: the growth of `need_gb`, solved for the time.
    """
    return disk.days_until_full(disk_gb, tiers.BASE_GB, tiers.GROWTH_GB_PER_USER_AND_YEAR * users, full_share)


@formula(users=1, full_share=part)
def runway_whole_days(disk_gb: float, users: int, full_share: float = disk.FULL_SHARE) -> int:
    """Days that are over before a disk of so many GB is 80 % full. Source: `runway_days`, rounded down."""
    return int(runway_days(disk_gb, users, full_share) + 1e-9)


@formula(megabits_per_second=above_zero)
def transfer_seconds(size_gb: float, megabits_per_second: float) -> float:
    """Time in seconds that so many decimal GB take over a line of so many Mbit/s. Source: arithmetic, no overhead."""
    return size_gb * 8 * 1000 / megabits_per_second
