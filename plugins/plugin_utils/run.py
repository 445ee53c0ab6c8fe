# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a run knows of a host: its capacity, its plan, and the services of the project.

It is worked out once per host and run, by whichever action asks first, and kept as the fact
`ansible_facts['trenova']`.
"""

from __future__ import annotations

import secrets
import time

from ansible.errors import AnsibleActionFail

from ansible_collections.trenova.selfhost.plugins.plugin_utils import catalogue, sizing
from ansible_collections.trenova.selfhost.plugins.plugin_utils.compose import merge
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight import runs_here

#: Marks facts as those of this run. The controller imports this file before it forks, so all workers share the
#: value; were it not shared, hosts would be measured again, and never planned on yesterday's cached facts.
RUN = secrets.token_hex(8)

#: How long the measurement of a host is believed where something may have happened to it since.
FRESH_SECONDS = 300

#: Variable of the inventory -> entry of the intent that the sizing engine takes.
INTENT_VARIABLES = {
    "trenova_tier": "tier",
    "trenova_users": "users",
    "trenova_mode": "mode",
    "trenova_plan_overrides": "overrides",
    "trenova_strict": "strict",
    "trenova_accept_undersized_host": "accept_undersized_host",
    "trenova_accept_overcommit": "accept_overcommit",
    "trenova_accept_backup_on_data_disk": "accept_backup_on_data_disk",
    "trenova_reserved_memory_mb": "reserved_memory_mb",
    "trenova_restore_document": "restore_document",
    "minio_mode": "minio_mode",
}


#: Why an installation on several hosts cannot be planned without one of them.
UNKNOWN_HOST = (
    "Nothing is known of {}, and all hosts are planned together. Write: what it has, as trenova_capacity with "
    "measured: false in its host variables, or see to it that it can be reached.")


class PlanImpossible(AnsibleActionFail):
    """What is wished for cannot be planned; the problems say why."""

    def __init__(self, problems):
        super().__init__("\n".join(["The plan cannot be made:", *problems]))
        self.problems = list(problems)


class HostContext:
    """Capacity, plan and services of one host in this run."""

    def __init__(self, facts, is_new):
        self.facts = facts
        #: Whether the facts were worked out just now and must be kept for the next task.
        self.is_new = is_new
        self.capacity = facts["capacity"]
        self.plan = facts["plan"]
        self.services = facts["services"]

    def is_unchanged(self, name, wish):
        """Whether the host was measured a moment ago, has the wished state of a service, and nothing was changed since.

        Another service may be restarted by a change, so one change makes every service of the host look again.
        """
        fresh = time.monotonic() - self.facts["measured_at"] < FRESH_SECONDS
        return fresh and not self.facts["changed"] and self.capacity["deployed"].get("unchanged", {}).get(name) == wish

    def kept_facts(self):
        """The facts for the tasks that follow. Every one of them is handed all facts of its host, so the explanations,
        most of a plan, which only `playbooks/plan.yml` shows, are left out."""
        plan = {key: value for key, value in self.facts["plan"].items() if key != "explain"}
        return {"trenova": dict(self.facts, plan=plan)}

    def keep(self, result):
        """Hand the facts to the tasks that follow, with a note when this one has changed the host."""
        if result.get("changed") and not self.facts["changed"]:
            self.facts = dict(self.facts, changed=True)
            self.is_new = True
        if self.is_new and not result.get("failed"):
            result["ansible_facts"] = self.kept_facts()
        return result


def known_facts(task_vars):
    """What this run has worked out of the host already; empty when nothing."""
    known = task_vars.get("ansible_facts", {}).get("trenova") or {}
    return known if known.get("run") == RUN else {}


def host_context(action, task_vars, refresh=False):
    """The context of the host that an action runs for; measures the host when this run has not done so yet."""
    known = known_facts(task_vars)
    if not known or refresh:
        return HostContext(build(action, task_vars, measure(action, task_vars)), is_new=True)
    if set(catalogue.roles_in_play(task_vars)) <= set(known["described"]):
        return HostContext(known, is_new=False)
    # A role that the play includes only now.
    return HostContext(build(action, task_vars, known["capacity"], known), is_new=True)


def one_of_several(action, task_vars, service_hosts):
    """The context of a host that is one of several of an installation, with the hosts of each service.

    All of them were measured by an earlier task of this run.
    """
    known, name = known_facts(task_vars), task_vars["inventory_hostname"]
    wish = wanted(action, task_vars, {})
    wanted_services = wish.pop("services")
    hosts = list(dict.fromkeys(host for service in service_hosts.values() for host in service))
    measured = {host: known_facts(task_vars["hostvars"][host]).get("capacity") for host in hosts}
    if missing := [host for host in hosts if not measured[host]]:
        raise PlanImpossible([UNKNOWN_HOST.format(host) for host in missing])
    placed = {service: service_hosts.get(service, []) for service in wanted_services}
    try:
        plan = sizing.plan_hosts(measured, placed, wish)[name]
    except sizing.PlanError as error:
        raise PlanImpossible(error.problems) from error
    return HostContext(dict(known, plan=plan), is_new=True)


def measure(action, task_vars):
    """Run the capacity module and lay the operator's own values over what it found.

    A complete `trenova_capacity` is for planning of hosts that do not exist yet: it says `measured: false`, and
    nobody is contacted.
    """
    own = templated(action, task_vars, "trenova_capacity", {})
    if own.get("measured") is False:
        return merge(empty_capacity(), own)
    arguments = {
        "data_dir": templated(action, task_vars, "trenova_data_dir", "/var/lib/trenova"),
        "project_dir": templated(action, task_vars, "trenova_project_dir", "/opt/trenova"),
        "paths": catalogue.apart_from_data(action, task_vars),
    }
    result = action._execute_module(  # the documented way for an action to run a module
        module_name="trenova.selfhost.capacity", module_args=arguments, task_vars=task_vars)
    if result.get("failed") or result.get("unreachable"):
        raise AnsibleActionFail("The host could not be measured: {}".format(result.get("msg")), result=result)
    capacity, disks = result["capacity"], result["capacity"]["disks"]
    # The module resolves `~`, which a check of formats refuses later.
    apart = [disks[path]["device"] for path in arguments["paths"] if path in disks]
    if apart and arguments["data_dir"] in disks:
        capacity["backup_on_data_disk"] = disks[arguments["data_dir"]]["device"] in apart
    return merge(capacity, own)


def build(action, task_vars, capacity, earlier=None):
    """Plan a measured host and collect the descriptions of its services.

    `earlier` are the facts of this run, to which a role that is included late adds itself.
    """
    earlier = earlier or {"services": capacity["deployed"]["services"], "described": []}
    try:
        plan = sizing.plan(capacity, wanted(action, task_vars, earlier["services"]))
    except sizing.PlanError as error:
        raise PlanImpossible(error.problems) from error
    described = catalogue.describe(action, task_vars, plan, capacity)
    services = dict(earlier["services"], **described)
    services.update(catalogue.describe_counterparts(action, task_vars, plan, capacity, services))
    return {
        "run": RUN, "capacity": capacity, "plan": plan, "services": services, "checked": False,
        "measured_at": earlier.get("measured_at", time.monotonic()), "changed": earlier.get("changed", False),
        "described": sorted(set(earlier["described"]).union(described))}


def wanted(action, task_vars, known):
    """What the inventory wants of the host, as the sizing engine takes it; `known` services are described already."""
    intent = {}
    for variable, key in INTENT_VARIABLES.items():
        value = templated(action, task_vars, variable, None)
        if value is not None:
            intent[key] = value
    intent["services"] = services_here(action, task_vars, known)
    return intent


def services_here(action, task_vars, known):
    """Names of the planned services whose containers run on this host, or will."""
    in_play = catalogue.roles_in_play(task_vars)
    here = {name for name, service in known.items() if name not in in_play and runs_here(service)}
    here.update(name for name, path in in_play.items() if catalogue.is_enabled(action, task_vars, path))
    return [name for name in sizing.SERVICES if name in here]


def templated(action, task_vars, variable, default):
    """A variable of the inventory with its expressions resolved, or the default where it is not set."""
    if variable not in task_vars:
        return default
    value = action._templar.template(task_vars[variable])
    return default if value is None or value == "" else value


def empty_capacity():
    """The shape of a measurement for hosts that are only imagined."""
    return {
        "swap_mb": 0, "disk_used_by_trenova_gb": 0.0, "disk_kind": "unknown", "architecture": "x86_64",
        "listeners": [], "containers": [], "disks": {}, "kernel": {}, "distribution": {"id": "unknown", "like": []},
        "docker": {"installed": False, "version": None, "compose_version": None, "daemon_json": None},
        "deployed": {"services": {}, "images": {}, "plan": {}, "files": {}, "daemon_json": None, "postgres_major": None,
                     "registry_logins": [], "disk_free_gb_before": None, "unchanged": {}},
    }
