# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The sizing engine: from what a host has and what its operator wants to every number that a role needs.

Plain Python without I/O. `plan` is the way in; the formulas behind it are public functions of the services' modules.
"""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.module_utils.sizing import (
    api,
    asynq_dashboard,
    backup,
    caddy,
    client,
    deviations,
    host,
    inputs,
    minio,
    pgbouncer,
    postgres,
    rabbitmq,
    redis,
    refusals,
    totals,
)
from ansible_collections.trenova.selfhost.plugins.module_utils.sizing.model import SERVICES, PlanError
from ansible_collections.trenova.selfhost.plugins.module_utils.sizing.sheet import Draft

__all__ = ["SCHEMA_VERSION", "SERVICES", "PlanError", "plan"]

#: Rises when a key of the plan is renamed or removed.
SCHEMA_VERSION = 1


def plan(capacity, intent):
    """Plan a host.

    `capacity` maps what was measured: `cores`, `memory_mb` (MiB that containers may use), `disk_free_gb`,
    `disk_total_gb`, `disk_used_by_trenova_gb` (decimal GB), `disk_kind` (ssd, nvme, hdd, unknown) and `architecture`.

    `intent` maps what the operator wants: `tier` or `users` or both, `mode`, `overrides` ({service: {setting: value}}),
    `strict`, `accept_undersized_host`, `accept_overcommit`, `restore_document`, `minio_mode`, `profile`, and
    `services`, the names of those whose containers run on this host (all, when it is absent): the sums are theirs.

    Returns a JSON-able dict, always the same for the same input, with the values (`services`), how each came about
    (`explain`), the sums (`totals`), every departure from the requirements document (`deviations`), and what speaks
    against carrying it out (`warnings`, `refusals`). A host that is too small fills `refusals`.

    Raises PlanError, with every problem at once, for input that cannot be used.
    """
    draft = Draft(*inputs.read(capacity, intent))
    _decide(draft)
    problems = draft.problems + draft.unused_overrides()
    if problems:
        raise PlanError(problems)
    return _assemble(draft)


def _decide(draft):
    """Fill the sheets, each after those that it follows from."""
    postgres_cpus = postgres.plan_container(draft)
    pgbouncer.plan_servers(draft, postgres_cpus)
    app_pools = api.plan(draft)
    pgbouncer.plan_clients(draft, app_pools)
    postgres.plan_settings(draft)
    asynq_dashboard.plan(draft)
    for service in (redis, rabbitmq, minio, client, caddy, backup):
        service.plan(draft)


def _assemble(draft):
    draft.sheets = {service: draft.sheets[service] for service in SERVICES if service in draft.sheets}
    warnings, refused = refusals.judge(draft)
    explain = {}
    for sheet in draft.sheets.values():
        explain.update(sheet.explain())
    return {
        "schema_version": SCHEMA_VERSION,
        "tier": draft.intent.tier,
        "users": draft.intent.users,
        "mode": draft.intent.mode,
        "host": host.describe(draft.capacity),
        "services": {service: sheet.export() for service, sheet in draft.sheets.items() if service in draft.here},
        "explain": explain,
        "totals": totals.summary(draft),
        "deviations": deviations.ordered(draft.deviations),
        "warnings": warnings,
        "refusals": refused,
    }
