# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Majorities: what a cluster needs to decide, and how many of its members may fail."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.arguments import formula


@formula(members=1)
def majority(members: int) -> int:
    """Members that must agree: more than half of all. Source: Raft; Redis Sentinel and RabbitMQ count the same way."""
    return members // 2 + 1


@formula(members=1)
def failures_tolerated(members: int) -> int:
    """Members that may fail while the others still are a majority; four tolerate no more than three do.

    Source: `majority`.
    """
    return members - majority(members)
