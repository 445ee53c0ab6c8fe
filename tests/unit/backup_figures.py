# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Figures of a plan as the program that makes backups is told them."""

from __future__ import annotations

FIGURES = {
    "copy_bytes_per_second": 60_000_000, "left_free_bytes": 1_000_000_000, "stream_growth": 1.25, "chain_bases": 14,
    "cpus": 0.8, "idle_cpus": 1.0}
