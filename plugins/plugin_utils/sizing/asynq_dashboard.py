# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The Asynq dashboard: a small Go program that nothing depends on."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import container, golang, tiers

ENVELOPE = container.Envelope(
    memory=tiers.DASHBOARD_MEMORY, cpus=tiers.DASHBOARD_CPUS, least_memory_mb=16, cpu_shares=512, pids=128,
    oom_score_adj=300, stop_seconds=10)


def plan(draft):
    """Decide the dashboard."""
    golang.plan_runtime(container.plan_container(draft, "asynq_dashboard", ENVELOPE), ENVELOPE.least_memory_mb)
