# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Caddy: every request passes it, so it gets a high weight and no swap."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import container, golang, tiers
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import Bounds

ENVELOPE = container.Envelope(memory=tiers.CADDY_MEMORY, cpus=tiers.CADDY_CPUS, cpu_shares=2048, swapless=True)


def plan(draft):
    """Decide Caddy."""
    sheet = container.plan_container(draft, "caddy", ENVELOPE)
    golang.plan_runtime(sheet)
    sheet.setting("volume_mb", 100, unit="MB", rule="the document's figure", source=str(tiers.CADDY_VOLUME),
                  bounds=Bounds(floor=100))
