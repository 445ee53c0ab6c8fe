# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The sizing engine: from what a host has and what its operator wants to every number that a role needs.

Plain Python without I/O. `plan_hosts` is the way in; the formulas behind it are public functions of the services'
modules.
"""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import (
    api,
    asynq_dashboard,
    backup,
    caddy,
    client,
    demand,
    deviations,
    disk,
    document,
    foreign,
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
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import PlanError
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.services import SERVICES as _KNOWN
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.sheet import MAIN, Draft

__all__ = ["SCHEMA_VERSION", "SERVICES", "PlanError", "plan", "plan_hosts"]

#: Names of the services, in the order of a plan.
SERVICES = tuple(_KNOWN)
#: Rises when a key of the plan is renamed or removed.
SCHEMA_VERSION = 2


#: Stands for the one host of an installation that has no other.
_ONE = "host"


def plan(capacity, intent):
    """The plan of an installation on one host, as `plan_hosts` makes it."""
    return plan_hosts({_ONE: capacity}, dict.fromkeys([*SERVICES, *inputs.foreign_names(intent)], [_ONE]), intent)[_ONE]


def plan_hosts(capacities, groups, intent):
    """Plan all hosts of an installation: {host: plan}, in the order of `capacities`. One host is the simplest of them.

    `capacities` maps each host to what was measured on it: `cores`, `memory_mb` (MiB that containers may use),
    `disk_free_gb`, `disk_total_gb`, `disk_used_by_trenova_gb` (decimal GB), `disk_kind` (ssd, nvme, hdd, unknown),
    `architecture` and `backup_on_data_disk` (whether the backups go to the file system of the data).

    `intent` maps what the operator wants: `tier` or `users` or both, `mode`, `overrides` ({service: {setting: value}}),
    `strict`, `accept_undersized_host`, `accept_overcommit`, `accept_backup_on_data_disk`, `reserved_memory_mb` (MiB
    that other software on the host needs), `restore_document`, `minio_mode`, `profile`, `services`, the names of
    those that are wanted at all (every one, when it is absent), and `foreign`, what the containers of services that no
    formula knows may use ({service: {kind: {figure: value}}}, `main` among the kinds; `services.RESOURCES` has the
    figures). They count in every sum.

    `groups` maps each service to the hosts that run it; a service that is not named runs nowhere. A service that runs
    on several hosts is planned for each by its own capacity; what the hosts share, the connection budget above all, by
    the capacity of the first host of each group. The sums of a host are those of the services that run on it.

    A plan is a JSON-able dict, always the same for the same input, with the values (`services`), how each came about
    (`explain`), the sums (`totals`), the disk (`disk`), every departure from the requirements document (`deviations`),
    what that asks of the host and its line (`requirements`), what the users ask for (`load`), what could be made better
    (`notes`) and what speaks against carrying it out
    (`warnings`, `refusals`). A host that is too small fills `refusals`.

    Raises PlanError, with every problem of all hosts at once, for input that cannot be used.
    """
    problems, read = inputs.unlike_hosts(capacities, groups), {}
    if problems:
        raise PlanError(problems)
    services = [*SERVICES, *inputs.foreign_names(intent)]
    problems.extend(
        f"groups: no service is called {inputs.shown(service)}{inputs.did_you_mean(service, services)}"
        for service in groups if service not in services)
    unknown = sorted({name for hosts in groups.values() for name in hosts} - set(capacities))
    problems.extend(f"{name}: is in a group of the inventory, but nothing is known of it" for name in unknown)
    counts = {service: len(hosts) for service, hosts in groups.items() if hosts}
    for name, capacity in capacities.items():
        here = [service for service, hosts in groups.items() if name in hosts]
        try:
            read[name] = inputs.read(capacity, intent, here, counts)
        except PlanError as error:
            problems.extend(error.problems if len(capacities) == 1 else (
                f"{name}: {problem}" for problem in error.problems))
    if problems:
        raise PlanError(problems)
    first = {service: hosts[0] for service, hosts in groups.items() if hosts}
    return {
        name: _plan(found, wanted, {
            service: read[other][0] for service, other in first.items() if service not in wanted.services})
        for name, (found, wanted) in read.items()}


def _plan(found, wanted, elsewhere):
    draft = _decided(found, wanted, elsewhere)
    if wanted.mode == "balanced" and (headroom := totals.headroom_mb(draft)) < 0:
        draft = _decided(found, wanted, elsewhere, draft.growth.within(host.allocatable_of(found), -headroom))
    return _assemble(draft)


def _decided(found, wanted, elsewhere, growth=None):
    """A draft with all sheets filled, each after those that it follows from."""
    draft = Draft(found, wanted, elsewhere, growth)
    postgres_cpus = postgres.plan_container(draft)
    api.plan_processes(draft)
    pgbouncer.plan_servers(draft, postgres_cpus)
    api.plan(draft)
    pgbouncer.plan_clients(draft, totals.application_connections(draft))
    for service in (asynq_dashboard, redis, rabbitmq, client, caddy):
        service.plan(draft)
    # What grows gets what the others leave of the disk.
    postgres.plan_settings(draft)
    minio.plan(draft)
    backup.plan(draft)
    foreign.plan(draft)
    problems = draft.problems + draft.unused_overrides()
    if problems:
        raise PlanError(problems)
    draft.finish()
    return draft


def _exported(sheets):
    """A service as a plan shows it: the figures of its main containers, and those of the other kinds in `containers`.
    """
    main, *others = sheets
    return dict(main.export(), containers={sheet.kind: sheet.export() for sheet in others})


def _assemble(draft):
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
        "services": {
            sheet.service: _exported(draft.sheets_of(sheet.service)) for sheet in draft.here.values()
            if sheet.kind == MAIN},
        "explain": explain,
        "totals": totals.summary(draft),
        "disk": disk.budget(draft),
        "deviations": deviations.ordered([
            *(entry for entry in draft.deviations if entry["setting"].split(".", 1)[0] in draft.here),
            *document.departures(draft)]),
        "requirements": {"lines": document.lines(draft), "network": document.network(draft)},
        "load": demand.summary(draft.intent.users) if draft.intent.users else None,
        "notes": refusals.notes(draft),
        "warnings": warnings,
        "refusals": refused,
    }
