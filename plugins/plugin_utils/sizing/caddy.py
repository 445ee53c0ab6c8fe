# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Caddy: every request passes it, so it gets a high weight and no swap."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import container, demand, golang, tiers
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import Bounds

ENVELOPE = container.Envelope(
    memory=tiers.CADDY_MEMORY, cpus=tiers.CADDY_CPUS, cpu_shares=2048, stop_seconds=30, least_memory_mb=32,
    users_memory_mb=demand.caddy_memory_mb, users_cpus=demand.caddy_cores,
    users_source="chosen: about 60 KiB for the connection of each user, 2400 requests a second for a core")
#: A request has a connection of its browser and one to where it is passed on, and a page opens several.
_FILES_PER_USER = 4

#: How long requests and upstreams are waited for: (figure, value, unit, rule, source).
_PATIENCE = (
    ("stream_close_seconds", 43200, "s", "a WebSocket outlives a new configuration so long",
     "chosen: a long working day; Caddy's own is 0, at once"),
    ("upstream_try_seconds", 15, "s", "a request waits so long for an upstream that is being replaced",
     "chosen: the application starts within it; Caddy's own is 0, an error at once"),
    ("upstream_try_interval_ms", 250, "ms", "between two tries", "Caddy's default"),
    ("upstream_health_interval_seconds", 5, "s", "between two checks of several upstreams",
     "chosen: Caddy's default is 30, too long for a replacement one by one"),
    ("upstream_health_timeout_seconds", 3, "s", "an upstream that does not answer so long is left out",
     "chosen: below the interval; Caddy's default is 5"),
)


def plan(draft):
    """Decide Caddy."""
    files = max(container.OPEN_FILES, _FILES_PER_USER * (draft.intent.users or 0))
    sheet = container.plan_container(
        draft, "caddy", ENVELOPE, open_files=files, files_rule="max(65536, 4 for each user)")
    golang.plan_runtime(sheet, ENVELOPE.least_memory_mb)
    for name, value, unit, rule, source in _PATIENCE:
        sheet.setting(name, value, unit=unit, rule=rule, source=source, bounds=Bounds(least=1, most=86400))
    sheet.setting("volume_mb", 100, unit="MB", rule="the document's figure", source=str(tiers.CADDY_VOLUME),
                  bounds=Bounds(floor=100))
