# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Hosts and plans to test with."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import plan

TIERS = ("minimum", "small", "medium", "large")

#: What every plan for the document's minimum host is warned of.
TIGHT_DISK = (
    "R7: the volumes that are planned for add up to 35 GB with images and logs, more than 80 % of 30 GB.")

#: Hosts as the document recommends them: cores, GiB, GB.
_RECOMMENDED = {"minimum": (6, 12, 30), "small": (12, 24, 100), "medium": (20, 48, 200), "large": (32, 96, 500)}


def host_of(tier, **changes):
    """The host that the document recommends for a tier, with changes."""
    cores, memory_gib, disk_gb = _RECOMMENDED[tier]
    capacity = {
        "cores": cores, "memory_mb": memory_gib * 1024, "disk_free_gb": disk_gb, "disk_total_gb": disk_gb,
        "disk_kind": "ssd", "architecture": "x86_64",
    }
    capacity.update(changes)
    return capacity


def plan_of(tier, host=None, **intent):
    """A plan of a tier on its recommended host, or on another."""
    return plan(host or host_of(tier), dict(intent, tier=tier))


def value_at(plan_, path):
    """`postgres.settings.work_mem_kb` of a plan."""
    value = plan_["services"]
    for key in path.split("."):
        value = value[key]
    return value


def leaves(services):
    """(path, value) of everything in the services of a plan."""
    for name, value in services.items():
        if isinstance(value, dict):
            for path, inner in leaves(value):
                yield f"{name}.{path}", inner
        else:
            yield name, value


def placed(figures, name):
    """A figure of a planned service by the name under which an operator sets it: `workers`, `worker.count`."""
    kind, name = ("worker", "count") if name == "workers" else ("main", name)
    found = figures["containers"][kind] if kind != "main" else figures
    return found[name] if name in found else found["settings"][name]
