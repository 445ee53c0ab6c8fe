# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Services of somebody else's roles: no formula knows them, so they say themselves what their containers may use."""

from __future__ import annotations

import math

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import Bounds
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.services import RESOURCES
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.sheet import MAIN


def plan(draft):
    """Decide what somebody else's services get: what they ask for, of CPU no more than the host has."""
    for service, containers in draft.intent.foreign.items():
        for kind, figures in containers.items():
            _plan_container(draft, draft.sheet(service, kind), figures)


def _plan_container(draft, sheet, figures):
    cores = math.floor(draft.capacity_of(sheet.service).cores * 100) / 100
    for name, value in figures.items():
        known = RESOURCES[name]
        bounds = Bounds(least=known.least, most=known.most)
        if name == "cpus":
            bounds = Bounds(least=known.least, high=cores, cap=cores)
        elif known.within:
            bounds = Bounds(least=known.least, most=sheet[known.within])
        sheet.limit(
            "instances" if name == "count" and sheet.kind == MAIN else name, value, unit=known.unit, bounds=bounds,
            rule="as the role says" + (", at most the host's cores" if name == "cpus" else ""),
            source=f"meta/service.yml of the role {sheet.service}")
