# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Caddy: every request passes it, so it gets a high weight and no swap."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import arguments, container, golang, tiers
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import Bounds

ENVELOPE = container.Envelope(memory=tiers.CADDY_MEMORY, cpus=tiers.CADDY_CPUS, cpu_shares=2048, swapless=True)

#: A proxied connection that stays open. An assumption.
_CONNECTION_KB = 60


def connection_memory_mb(connections: int) -> float:
    """Memory in MiB of so many proxied connections that stay open: 60 KiB each. Source: an assumption."""
    return arguments.whole("connections", connections) * _CONNECTION_KB / 1024


def open_files(connections: int) -> int:
    """Limit of open files: two for each proxied connection, at least 65536.

    Source: one to the client, one to the service behind.
    """
    return max(container.OPEN_FILES, 2 * arguments.whole("connections", connections))


def plan(draft):
    """Decide Caddy."""
    sheet = container.plan_container(draft, "caddy", ENVELOPE)
    golang.plan_runtime(sheet)
    sheet.setting("volume_mb", 100, unit="MB", rule="the document's figure", source=str(tiers.CADDY_VOLUME),
                  bounds=Bounds(floor=100))
