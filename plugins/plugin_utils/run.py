# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a run knows of one host: its capacity, its plan, and the services of the project.

It is worked out once, by the task that measures, and goes to the tasks after it as the fact
`ansible_facts['trenova']`.
"""

from __future__ import annotations

import dataclasses
import secrets
import time
from typing import Any

from ansible.errors import AnsibleActionFail

from ansible_collections.trenova.selfhost.plugins.plugin_utils import sizing
from ansible_collections.trenova.selfhost.plugins.plugin_utils.catalogue import Catalogue, own_services
from ansible_collections.trenova.selfhost.plugins.plugin_utils.inventory import members_here
from ansible_collections.trenova.selfhost.plugins.plugin_utils.measuring import root
from ansible_collections.trenova.selfhost.plugins.plugin_utils.measuring.capacity import measure
from ansible_collections.trenova.selfhost.plugins.plugin_utils.measuring.intent import INTENT_VARIABLES, wanted
from ansible_collections.trenova.selfhost.plugins.plugin_utils.variables import project_of, templated, unfit

#: Marks facts as those of this run. The controller imports this file before it forks, so all workers share the
#: value; were it not shared, hosts would be measured again, and never planned on yesterday's cached facts.
TOKEN = secrets.token_hex(8)
FACT = "trenova"

#: How long the measurement of a host is believed where something may have happened to it since.
FRESH_SECONDS = 300

#: Why an installation on several hosts cannot be planned without one of them.
UNKNOWN_HOST = (
    "Nothing is known of {}, and all hosts are planned together. Write: what it has, as trenova_capacity with "
    "measured: false in its host variables, or see to it that it can be reached.")


class PlanImpossible(AnsibleActionFail):
    """What is wished for cannot be planned; the problems say why."""

    def __init__(self, problems):
        super().__init__("\n".join(["The plan cannot be made:", *problems]))
        self.problems = list(problems)


@dataclasses.dataclass(frozen=True)
class Run:
    """Capacity, plan and services of one host in this run."""

    capacity: dict[str, Any]
    plan: dict[str, Any]
    #: Descriptions by service: those of the run's roles, what is on the host besides, and what they need of others.
    services: dict[str, Any]
    #: {service: directory of its role} of those that take part in this run.
    places: dict[str, str]
    #: Where visitors enter, which all addresses of the installation follow from.
    entrance: dict[str, Any] = dataclasses.field(default_factory=dict)
    #: Whether the preflight found nothing wrong.
    checked: bool = False
    #: What the preflight tells of the host besides, in sentences.
    warnings: list[str] = dataclasses.field(default_factory=list)
    #: Whether the run has changed something on the host since it was measured.
    changed: bool = False
    #: Services that it has brought to their wanted state, whatever the measurement says of them.
    settled: list[str] = dataclasses.field(default_factory=list)
    #: When the host was measured, by the controller's monotonic clock.
    measured_at: float = dataclasses.field(default_factory=time.monotonic)

    @classmethod
    def from_facts(cls, task_vars):
        """What an earlier task of this run has kept of the host; None where there is nothing."""
        kept = (task_vars.get("ansible_facts") or {}).get(FACT) or {}
        if kept.get("run") != TOKEN:
            return None
        return cls(**{field.name: kept[field.name] for field in dataclasses.fields(cls)})

    def to_facts(self):
        """The facts for the tasks that follow. Every one of them is handed all facts of its host, so the explanations,
        most of a plan, which only `playbooks/plan.yml` shows, are left out."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        plan = {key: value for key, value in self.plan.items() if key != "explain"}
        return {FACT: dict(values, run=TOKEN, plan=plan)}

    def but(self, **changes):
        """The same with other values."""
        return dataclasses.replace(self, **changes)

    def is_unchanged(self, name, digest):
        """Whether the host was measured a moment ago and has the wanted state of a service, and nothing was changed
        since: another service may be restarted by a change, so one change makes every service look again."""
        fresh = time.monotonic() - self.measured_at < FRESH_SECONDS
        return fresh and not self.changed and self.capacity["deployed"].get("unchanged", {}).get(name) == digest


def current(action, task_vars, names=(), refresh=False):
    """The run of the host that an action is for, which measures the host where this run has not done so yet.

    `names` are the roles that take part, those of the play when there are none. A role that the play includes only
    late adds itself.
    """
    # Of its own wishes the engine tells itself, all at once.
    if problems := [problem.sentence() for name, problem in unfit(action, task_vars) if name not in INTENT_VARIABLES]:
        raise PlanImpossible(problems)
    known, project = Run.from_facts(task_vars), project_of(action, task_vars)
    catalogue = Catalogue(action, task_vars, project, names)
    if known is None:
        return planned(action, task_vars, catalogue, measure(action, task_vars, catalogue, project))
    root.keep(action, task_vars, known.capacity)
    places = {**catalogue.places, **known.places}
    if refresh:
        everything = Catalogue(action, task_vars, project, places=places)
        return planned(action, task_vars, everything, measure(action, task_vars, everything, project)).but(
            checked=known.checked)
    if len(places) == len(known.places):
        return known
    late = planned(action, task_vars, catalogue, known.capacity, known.services)
    return late.but(
        places=places, changed=known.changed, settled=known.settled, measured_at=known.measured_at)


def planned(action, task_vars, catalogue, capacity, earlier=None):
    """Plan a measured host and collect the descriptions of its services.

    `earlier` are services that this run has described already, those that are deployed on the host by default.
    """
    found = capacity["deployed"]["services"] if earlier is None else earlier
    try:
        plan = sizing.plan(capacity, wanted(action, task_vars, catalogue, found))
    except sizing.PlanError as error:
        raise PlanImpossible(error.problems) from error
    members = members_here(
        task_vars, dict.fromkeys([*own_services(), *catalogue.places]), capacity["deployed"].get("members"),
        templated(action, task_vars, "trenova_ordinals", None))
    services = {name: service for name, service in found.items() if _is_current(service)}
    entrance = catalogue.entrance(services)
    for name in sorted(set(found) - set(services) - set(catalogue.places)):
        if again := catalogue.again(name, plan, capacity, members):
            services[name] = again
    services.update(catalogue.describe(plan, capacity, members))
    services.update(catalogue.counterparts(plan, capacity, members, services))
    return Run(
        capacity=capacity, plan=plan, services=services, places=dict(catalogue.places), entrance=entrance)


def _is_current(service):
    """Whether a description that lies on the host is of this edition; an older one is made anew from the role."""
    return "title" in service


def one_of_several(action, task_vars, service_hosts, names=()):
    """The run of a host that is one of several of an installation, with the hosts of each service.

    All of them were measured by an earlier task of this run.
    """
    known, name = Run.from_facts(task_vars), task_vars["inventory_hostname"]
    catalogue = Catalogue(action, task_vars, project_of(action, task_vars), names)
    intent = wanted(action, task_vars, catalogue, {})
    wanted_services = intent["services"]
    hosts = list(dict.fromkeys(host for service in service_hosts.values() for host in service))
    runs = {host: Run.from_facts(task_vars["hostvars"][host]) for host in hosts}
    if missing := [host for host, run in runs.items() if run is None]:
        raise PlanImpossible([UNKNOWN_HOST.format(host) for host in missing])
    spread = [service for service in catalogue.alone() if len(service_hosts.get(service, [])) > 1]
    if spread:
        raise PlanImpossible([
            f"{service} cannot run on several hosts, and is to run on {', '.join(service_hosts[service])}. Write: one "
            f"host in its group, trenova_{service}" for service in spread])
    placed = {service: service_hosts.get(service, []) for service in wanted_services}
    # A role without a group runs wherever the play has it.
    placed.update((service, service_hosts.get(service) or [name]) for service in intent["foreign"])
    try:
        plans = sizing.plan_hosts({host: run.capacity for host, run in runs.items()}, placed, intent)
    except sizing.PlanError as error:
        raise PlanImpossible(error.problems) from error
    return known.but(plan=plans[name])
