# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What fits: the tiers side by side on one host, and the host that a tier or a number of users needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.trenova.selfhost.plugins.plugin_utils import sizing
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import demand, host, inputs, refusals, tiers
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import TIERS, PlanError, ceil_to, plain
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.values import shown
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.words import counted

#: What a plan without refusals says of the host: all that the document recommends is there, or less.
FITS, BELOW, REFUSED = "fits", "below", "refused"

#: Rules that speak of the host and the tier. The others are the same for every tier: where backups go, own figures.
_HOST_RULES = re.compile(r"R([1-7]|1[12])$")

#: Sizes in which hosts are sold: an even number of cores, memory in steps of 4 GiB, disks in steps of 10 GB.
CORES_STEP, MEMORY_STEP_GIB, DISK_STEP_GB = 2, 4, 10
#: How full a disk may be after a year.
DISK_FILL_PERCENT = 80
#: A disk that a refusal asks for is asked for once more with the plan that it leads to; this many times at most.
_ROUNDS = 8


def first_sentence(text: str) -> str:
    """The first sentence of a refusal or warning: what was found and what is needed."""
    return re.split(r"(?<=\.)\s+(?=[A-Z])", text, maxsplit=1)[0]


def compare_tiers(capacity, intent) -> list[dict[str, Any]]:
    """The four tiers on one host, each with its verdict and the reasons for it. Raises PlanError as `plan` does.

    A tier `fits` when the host has all that the document recommends for it and for the users; `below`, it can be
    carried out, and the reasons say what the document recommends more; `refused`, it is not carried out.
    """
    return [_compared(tier, sizing.plan(capacity, dict(_mapping(intent), tier=tier))) for tier in TIERS]


def _compared(tier, planned) -> dict[str, Any]:
    services, totals = planned["services"], planned["totals"]
    limits = totals["memory_limit_mb"] + totals["memory_limit_jobs_mb"]
    return {
        "tier": tier,
        "verdict": _verdict(tier, planned),
        "reasons": _reasons(planned),
        "memory_limit_mb": limits,
        "memory_percent": round(100 * limits / max(1, planned["host"]["allocatable_mb"]), 1),
        "postgres_memory_mb": services.get("postgres", {}).get("memory_limit_mb"),
        "api_instances": services.get("api", {}).get("instances"),
    }


def _verdict(tier, planned):
    if planned["refusals"]:
        return REFUSED
    largest = planned["host"]["fitting_tier"]
    smallest = tiers.tier_for_users(planned["users"]) if planned["users"] else tier
    if largest and TIERS.index(tier) <= TIERS.index(largest):
        return BELOW if TIERS.index(tier) < TIERS.index(smallest) else FITS
    return BELOW


def _reasons(planned):
    if planned["refusals"]:
        return [first_sentence(refusal["text"]) for refusal in planned["refusals"]]
    return [first_sentence(entry["text"]) for entry in planned["warnings"] if _HOST_RULES.match(entry["rule"])]


class _Needs:
    """What speaks for a size, of which the largest counts."""

    def __init__(self, step, most):
        self.step = step
        self.most = most
        self.entries: list[dict[str, Any]] = []

    def add(self, value, reason):
        """Add a need, rounded up to what is sold."""
        self.entries.append({"value": min(self.most, ceil_to(value, self.step)), "reason": reason})

    @property
    def value(self) -> int:
        """The size that meets all needs."""
        return max(entry["value"] for entry in self.entries)

    def export(self) -> dict[str, Any]:
        """The size and its reasons, the decisive one first."""
        return {"value": self.value, "needs": sorted(self.entries, key=lambda entry: -entry["value"])}


def needed_host(intent) -> dict[str, Any]:
    """The host to buy for the tier or the users of an intent, in the mode that is set, with the reasons for each size.

    That is what the document recommends, or more where the plan itself needs more, so that the plan of that host is not
    refused. Users who need a larger tier than the one that was named get it. `unmet` holds what no single host meets.
    Raises PlanError as `plan` does.
    """
    wish = dict(_mapping(intent), accept_undersized_host=False, accept_overcommit=False)
    tier = wish["tier"] = _tier_needed(wish)
    cores, memory, disk = (_Needs(step, most) for step, most in (
        (CORES_STEP, inputs.MOST_CORES), (MEMORY_STEP_GIB, inputs.MOST_MEMORY_MB // 1024),
        (DISK_STEP_GB, inputs.MOST_DISK_GB)))
    for needs, row, unit in ((cores, tiers.HOST_CORES, "cores"), (memory, tiers.HOST_MEMORY_GIB, "GiB"),
                             (disk, tiers.HOST_DISK_GB, "GB")):
        needs.add(row.value(tier), f"the document recommends {row.value(tier)} {unit} for tier {tier}")

    plans: dict[tuple, dict] = {}

    def planned(memory_gib=None):
        sizes = cores.value, memory.value if memory_gib is None else memory_gib, disk.value
        if sizes not in plans:
            plans[sizes] = sizing.plan(imagined(*sizes), wish)
        return plans[sizes]

    first = _roomy(wish)
    _add_reserved(memory, tier, first)
    _add_load(cores, first)
    # Mode balanced takes what there is: on a host with hardly anything a plan has what it cannot do without.
    _add_limits(memory, planned(_lean_gib(first)))
    _add_growth(disk, planned())
    _add_volumes(disk, planned())
    last = planned()
    for _round in range(_ROUNDS):
        if not _add_refused(cores, memory, disk, last):
            break
        last = planned()
    return {
        "tier": tier, "users": last["users"], "mode": last["mode"],
        "cores": cores.export(), "memory_gib": memory.export(), "disk_gb": disk.export(),
        "api_instances": last["services"].get("api", {}).get("instances"),
        "capacity": imagined(cores.value, memory.value, disk.value),
        "unmet": [first_sentence(refusal["text"]) for refusal in last["refusals"]],
    }


def _roomy(wish) -> dict[str, Any]:
    """The plan of a wish on a host that lacks nothing."""
    return sizing.plan(imagined(inputs.MOST_CORES, inputs.MOST_MEMORY_MB // 1024, inputs.MOST_DISK_GB), wish)


def _mapping(intent):
    """The intent, if it is one at all. Raises PlanError otherwise."""
    if not isinstance(intent, Mapping):
        raise PlanError([f"intent: expected a mapping, got {shown(intent)}"])
    return intent


def _lean_gib(planned) -> float:
    """Memory in GiB of a host that has hardly anything for containers beside what is kept for other software."""
    return (planned["host"]["reserved_memory_mb"] + inputs.LEAST_MEMORY_MB) / 1024


def imagined(cores, memory_gib, disk_gb) -> dict[str, Any]:
    """The capacity of a host that somebody could buy, new and empty."""
    return {
        "measured": False, "cores": cores, "memory_mb": memory_gib * 1024, "disk_free_gb": disk_gb,
        "disk_total_gb": disk_gb, "disk_kind": "ssd", "architecture": "x86_64"}


def _tier_needed(wish):
    """The tier that was named, or that of the users where it is the larger one."""
    settled = _roomy(wish)
    recommended = tiers.tier_for_users(settled["users"]) if settled["users"] else settled["tier"]
    return max(settled["tier"], recommended, key=TIERS.index)


def _add_reserved(memory, tier, planned):
    """What other software keeps comes on top of what the document recommends."""
    reserved = planned["host"]["reserved_memory_mb"]
    if reserved:
        gib = tiers.HOST_MEMORY_GIB.value(tier)
        memory.add(gib + reserved / 1024,
                   f"the document recommends {gib} GiB for tier {tier}, other software keeps {reserved} MiB")


def _add_load(cores, planned):
    """The cores of those who work for the users, where nobody lacks any."""
    needed = planned["explain"].get("api.instances", {"inputs": {}})["inputs"].get("needed_for_load")
    services, users = planned["services"], planned["users"]
    if needed and not planned["explain"]["api.instances"]["overridden"]:
        cores.add(2 * needed, "{} for the peak of {}, two cores for each".format(
            counted(needed, "API instance"), counted(users, "user")))
    busy = {name: services[name]["cpus"] for name in ("postgres", "redis", "caddy") if name in services}
    if needed and "postgres" in busy and users > demand.TIER_USERS:
        # In mode balanced it takes what there is; needed is what the users ask for.
        busy["postgres"] = demand.database_cores(users)
        busy = {"api": needed * services["api"]["cpus"], **busy}
        cores.add(sum(busy.values()) + 1, "at the peak of {} {}, and one for the system".format(
            counted(users, "user"), ", ".join(f"{name} {plain(count)}" for name, count in busy.items())))


def _add_limits(memory, planned):
    """What the limits of all containers need, on a host that reports five percent less than it is sold with."""
    limits = planned["totals"]["memory_limit_mb"] + planned["totals"]["memory_limit_jobs_mb"]
    memory.add(_gib_for(limits, planned["host"]["reserved_memory_mb"]),
               f"the memory limits add up to {limits} MiB, and the system keeps its part")


def _gib_for(allocatable_mb, reserved_mb) -> int:
    """Memory in GiB of a host, as it is sold, that can allocate so much."""
    gib, missing = 0, allocatable_mb
    while missing > 0 and gib < inputs.MOST_MEMORY_MB // 1024:
        gib = ceil_to(gib + missing / 1024, MEMORY_STEP_GIB)
        missing = allocatable_mb - host.allocatable_mb(gib * 1024 * host.MEMORY_EXPECTED_PERCENT // 100, reserved_mb)
    return gib


def _add_growth(disk, planned):
    users, section = planned["users"], planned.get("disk") or {}
    if not users:
        return
    grown = tiers.growth_gb(users)
    if section.get("growth_gb_per_year") is not None:
        grown = max(grown, section["day_one_gb"] + section["growth_gb_per_year"])
    disk.add(100 * grown / DISK_FILL_PERCENT,
             f"{counted(users, 'user')} {'fills' if users == 1 else 'fill'} {plain(round(grown, 1))} GB in a year, "
             f"at most {DISK_FILL_PERCENT} % of the disk")


def _add_volumes(disk, planned):
    """The volumes beside those that grow, where they are more than the growth leaves."""
    volumes = (planned.get("disk") or {}).get("planned_gb") or 0
    if planned["users"] and 100 * volumes / DISK_FILL_PERCENT > disk.value:
        disk.add(100 * volumes / DISK_FILL_PERCENT,
                 f"the volumes that are planned for add up to {plain(volumes)} GB, at most {DISK_FILL_PERCENT} % of "
                 "the disk")


def _add_refused(cores, memory, disk, planned) -> bool:
    """Raise what the host is refused for; whether anything was raised."""
    raised = False
    for refusal in planned["refusals"]:
        needs, required = _asked_for(refusal, planned, {"cores": cores, "memory": memory, "disk": disk})
        if needs is None:
            continue
        before = needs.value
        if required > before:
            needs.add(required, first_sentence(refusal["text"]).rstrip("."))
            raised = raised or needs.value > before
    return raised


def _asked_for(refusal, planned, needs):
    """(needs, size) of what a refusal asks for of the host; (None, 0) where no host helps."""
    dimension, found, required = refusal["dimension"], refusal["found"], refusal["required"]
    reserved = planned["host"]["reserved_memory_mb"]
    if isinstance(required, bool) or not isinstance(required, (int, float)):
        return None, 0
    if dimension == "memory_limit_mb":
        return needs["memory"], _gib_for(found, reserved)
    if dimension == "memory_reservation_mb":
        return needs["memory"], _gib_for(-(-found * 100 // refusals.RESERVED_PERCENT), reserved)
    if dimension == "memory_mb":
        return needs["memory"], (required + reserved) / 1024
    if dimension == "cores":
        return needs["cores"], required
    if dimension == "postgres.cpus" and not planned["explain"].get(dimension, {}).get("overridden"):
        return needs["cores"], required + 1
    # A file system is smaller than its disk; of two roundings the second could ask for the same again.
    if "disk" in dimension:
        return needs["disk"], required * 100 / host.DISK_ACCEPTED_PERCENT
    return None, 0
