# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What Docker is told of every container: memory, CPU, weights and the limits that keep a leak at home."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import balance, host
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import Bounds
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.tiers import Quote, Row

#: Docker refuses less.
LEAST_MEMORY_MB = 6
#: Defaults of Docker range from 1024 to a thousand million, at which Erlang takes minutes to start.
OPEN_FILES = 65536

_CHOSEN_WEIGHTS = "chosen: who waits for whom; Docker's default weight is 1024"
_CHOSEN_OOM = "chosen: whom the kernel should kill last when the host itself runs out of memory"


class Envelope(NamedTuple):
    """How one service's container differs from the others."""

    memory: Row
    cpus: Row
    reservation: Quote | str = "half of the limit, as the document has it for PostgreSQL, Redis and PgBouncer"
    least_memory_mb: int = LEAST_MEMORY_MB
    cpu_shares: int = 1024
    pids: int = 512
    oom_score_adj: int = 0
    reserved: bool = True
    #: Seconds that it has to end, to begin, and between two checks of its health. A job has none of them.
    stop_seconds: int = 30
    start_seconds: int = 60
    health_seconds: int = 15
    job: bool = False
    #: It takes at most one of so many cores of the host.
    of_cores: int = 1
    #: What so many users ask for beyond the tiers: MiB, cores, and who says so.
    users_memory_mb: Callable[[int], int] | None = None
    users_cpus: Callable[[int], float] | None = None
    users_source: str = ""
    #: In mode balanced: the part of what containers may use, and the limit in MiB beyond which more does not help.
    share: float = 0
    most_memory_mb: int | None = None
    #: In mode balanced: the cores that a host of so many gives.
    balanced_cpus: Callable[[float], float] | None = None


def plan_memory(draft, service, envelope, containers=1, total_mb=None, **how):
    """Decide the memory of a service's container: limit, reservation and no swap.

    `containers` counts those that divide a share among them, one that gets half of a limit as a half; `total_mb` is
    what all containers of the service take where one has a limit of so many MiB, if there are several.
    """
    sheet, row, tier = draft.sheet(service), envelope.memory, draft.intent.tier
    planned, explanation = _planned_memory(draft, service, envelope, containers, total_mb or _itself)
    limit = sheet.limit(
        "memory_limit_mb", planned, unit="MiB", **explanation,
        bounds=Bounds(floor=row.floor(tier), least=envelope.least_memory_mb), **how)
    sheet.limit(
        "memory_reservation_mb", (limit or row.value(tier)) // 2 if envelope.reserved else 0, unit="MiB",
        rule="floor(memory_limit / 2)" if envelope.reserved else "0: a job is not kept in memory",
        source=str(envelope.reservation), inputs={"memory_limit_mb": limit}, bounds=Bounds(most=limit or None))
    plan_no_swap(sheet)
    return limit


def plan_no_swap(sheet):
    """Decide that a container gets no swap: one that swaps is slower than one that is started anew."""
    limit = sheet["memory_limit_mb"]
    sheet.limit(
        "memory_swap_limit_mb", limit, unit="MiB", rule="memory_limit: no swap",
        source="Docker: a limit of memory alone allows as much swap again", inputs={"memory_limit_mb": limit},
        # Docker takes a limit of swap with one of memory only.
        bounds=Bounds(least=limit, most=None if limit else 0))


def _itself(limit_mb):
    return limit_mb


def _of_tier(draft, row, of_users, envelope, unit):
    """(figure, what explains it): that of the tier, or what the users ask for where that is more."""
    tier, users = draft.intent.tier, draft.intent.users
    figure, asked = row.value(tier), of_users(users) if users and of_users else 0
    inputs = {"tier": tier}
    if not of_users:
        return figure, {"rule": "the figure of the tier", "source": row.source(tier), "inputs": inputs}
    return max(figure, asked), {
        "rule": "max(the figure of the tier, what the users ask for)",
        "source": row.source(tier) if asked <= figure else envelope.users_source,
        "inputs": {**inputs, "users": users, f"for_users_{unit}": asked}}


def _planned_memory(draft, service, envelope, containers, total_mb):
    """The limit before overrides, and what explains it."""
    least, explanation = _of_tier(draft, envelope.memory, envelope.users_memory_mb, envelope, "mb")
    if draft.intent.mode != "balanced" or not envelope.share or draft.is_given(service, "memory_limit_mb"):
        return least, explanation
    allocatable = host.allocatable_of(draft.capacity_of(service))
    most = max(envelope.most_memory_mb or math.inf, least)
    claim = balance.Claim(least, most, envelope.share, containers, total_mb)
    grown = draft.growth_of(service).grown(claim, allocatable)
    each = "" if containers == 1 else " / containers"
    at_most = f", at most {envelope.most_memory_mb} MiB" if envelope.most_memory_mb else ""
    return grown, {
        "rule": f"max({explanation['rule']}, {envelope.share:g} * allocatable{each} in steps of 256 MiB{at_most}), "
                "as far as the host has it",
        "source": explanation["source"] if grown == least else
        f"chosen: {envelope.share:g} of what containers may use; at least {explanation['source']}",
        "inputs": {**explanation["inputs"], "allocatable_mb": allocatable, "share": envelope.share,
                   "containers": containers, "wanted_mb": claim.limit_mb(allocatable)}}


def plan_cpus(draft, service, envelope, spare=0):
    """Decide the CPU quota of a service's container; Docker refuses more than the host has.

    `spare` cores are left to others as far as there is more than one.
    """
    row, tier = envelope.cpus, draft.intent.tier
    cores = math.floor(draft.capacity_of(service).cores * 100) / 100
    of_tier, explanation = _of_tier(draft, row, envelope.users_cpus, envelope, "cores")
    planned = of_tier = float(of_tier)
    rule, source = explanation["rule"], explanation["source"]
    if draft.intent.mode == "balanced" and envelope.balanced_cpus:
        planned = max(planned, float(envelope.balanced_cpus(cores)))
        rule = f"max({rule}, the service's part of the host's cores)"
        if planned > of_tier:
            source = f"chosen: the service's part of the host's cores; at least {source}"
    most, told = max(min(cores, 1), cores - spare), "one less than the host has" if spare else "the host's cores"
    if envelope.of_cores > 1:
        most, told = cores / envelope.of_cores, f"the host's cores / {envelope.of_cores}"
    return draft.sheet(service).limit(
        "cpus", planned, unit="cores",
        rule=f"{rule}, at most {told}",
        source=source, inputs={**explanation["inputs"], "host_cores": cores},
        bounds=Bounds(high=round(most, 2), floor=row.floor(tier), least=0.01, cap=cores))


def plan_weights(sheet, envelope, pids=None, open_files=OPEN_FILES, files_rule="65536, always explicit", **stop):
    """Decide what else Docker is told: CPU weight, processes, open files, the order of killing, and its patience.

    `stop` is how `stop_grace_seconds` is explained where it is no figure of the envelope.
    """
    sheet.limit("cpu_shares", envelope.cpu_shares, rule="weight of the service", source=_CHOSEN_WEIGHTS,
                bounds=Bounds(least=2, most=262144))
    sheet.limit("pids_limit", pids or envelope.pids, unit="processes",
                rule="room for all its threads, an end to a leak",
                source="chosen: CIS Docker Benchmark asks for a limit", bounds=Bounds(least=1))
    sheet.limit("nofile", open_files, unit="files", rule=files_rule,
                source="chosen: defaults of Docker differ from host to host", bounds=Bounds(least=1024, most=1048576))
    sheet.limit("oom_score_adj", envelope.oom_score_adj, rule="order of killing", source=_CHOSEN_OOM,
                bounds=Bounds(least=-1000, most=1000))
    if not envelope.job:
        _plan_patience(sheet, envelope, stop)


def _plan_patience(sheet, envelope, stop):
    how = {"stop_seconds": envelope.stop_seconds, "rule": "time to end by itself before it is killed",
           "source": "chosen: what it writes and hands back at the end; Docker's own are 10", **stop}
    sheet.limit(
        "stop_grace_seconds", how.pop("stop_seconds"), unit="s", bounds=Bounds(least=1, most=86400), **how)
    sheet.limit(
        "start_grace_seconds", envelope.start_seconds, unit="s",
        rule="failed checks of its health do not count so long",
        source="chosen: recovery, migrations and imports of a slow start included; Docker's own are 0",
        bounds=Bounds(least=0, most=86400))
    sheet.limit(
        "health_interval_seconds", envelope.health_seconds, unit="s",
        rule="between two checks of its health; 5 where the Engine is older than 25.0 and knows no faster start",
        source="chosen: a check is a process of its own; Docker's own are 30", bounds=Bounds(least=1, most=86400))


def plan_container(draft, service, envelope, **weights):
    """Decide everything that Docker is told, for services in which nothing of it depends on other figures; `weights` as
    in `plan_weights`."""
    plan_memory(draft, service, envelope)
    plan_cpus(draft, service, envelope)
    plan_weights(draft.sheet(service), envelope, **weights)
    return draft.sheet(service)
