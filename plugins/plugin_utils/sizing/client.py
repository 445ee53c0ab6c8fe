# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The client: static files behind a small web server written in Go."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import container, golang, tiers
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import Bounds

ENVELOPE = container.Envelope(
    memory=tiers.CLIENT_MEMORY, cpus=tiers.CLIENT_CPUS, least_memory_mb=32, pids=128, oom_score_adj=300,
    stop_seconds=15)


def plan(draft):
    """Decide the client."""
    sheet, tier, row = container.plan_container(draft, "client", ENVELOPE), draft.intent.tier, tiers.CLIENT_INSTANCES
    sheet.limit("instances", row.value(tier), unit="instances", rule="the figure of the tier", source=row.source(tier),
                inputs={"tier": tier}, bounds=Bounds(floor=row.floor(tier), least=1))
    golang.plan_runtime(sheet, ENVELOPE.least_memory_mb)
