# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import pytest

from ansible_collections.trenova.selfhost.plugins.module_utils.sizing import plan
from ansible_collections.trenova.selfhost.plugins.plugin_utils.plan_table import WIDTH, plan_table

HOST = {"cores": 32, "memory_mb": 98304, "disk_free_gb": 500, "disk_total_gb": 500, "disk_kind": "ssd",
        "architecture": "x86_64"}


@pytest.mark.parametrize("tier", ["minimum", "small", "medium", "large"])
def test_table_fits_the_width_and_names_every_service_and_deviation(tier):
    planned = plan(HOST, {"tier": tier})
    lines = plan_table("erp1", planned)
    text = "\n".join(lines)
    assert max(map(len, lines)) <= WIDTH
    assert all(f"\n  {service}" in text for service in planned["services"])
    assert all(entry["setting"] in text for entry in planned["deviations"])
