# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.plugin_utils import catalogue as roles
from ansible_collections.trenova.selfhost.plugins.plugin_utils import preflight
from ansible_collections.trenova.selfhost.plugins.plugin_utils.bundle import Bundle
from ansible_collections.trenova.selfhost.plugins.plugin_utils.catalogue import Catalogue
from ansible_collections.trenova.selfhost.plugins.plugin_utils.description import runs_here
from ansible_collections.trenova.selfhost.plugins.plugin_utils.measuring.intent import wanted
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.gather import contents_problems, facts_of
from ansible_collections.trenova.selfhost.plugins.plugin_utils.report.changes import Wish, changes
from ansible_collections.trenova.selfhost.plugins.plugin_utils.report.files import write_reports
from ansible_collections.trenova.selfhost.plugins.plugin_utils.report.table import plan_table
from ansible_collections.trenova.selfhost.plugins.plugin_utils.run import (
    UNKNOWN_HOST,
    PlanImpossible,
    current,
    one_of_several,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import PlanError, comparison
from ansible_collections.trenova.selfhost.plugins.plugin_utils.values import is_set
from ansible_collections.trenova.selfhost.plugins.plugin_utils.variables import address_of, project_of, templated

UNREACHABLE = "{} cannot be reached. To plan the host that is needed in its place: -e trenova_plan_measure=false"


class ActionModule(ActionBase):
    """Measures and plans the host, keeps the result as a fact, and shows it where that is asked for."""

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec={
            "refresh": {"type": "bool", "default": False}, "show": {"type": "bool", "default": False},
            "measure": {"type": "bool", "default": True}, "directory": {"type": "path"},
            "service_hosts": {"type": "dict", "default": {}}})
        show, name = arguments["show"], task_vars["inventory_hostname"]
        spread = arguments["service_hosts"]
        instead = self._instead(task_vars, arguments["measure"]) if show and not spread else None
        if instead:
            task_vars = self._with_needed_host(task_vars)
        run = self._run(task_vars, arguments)
        result = {"changed": False}
        if show or arguments["directory"]:
            shown = {"note": _places(spread)} if spread else self._shown(task_vars, run)
            if instead:
                shown["note"] = instead
            looks = roles.looks(run.places)
            lines = plan_table(name, run.plan, looks, **shown)
            if arguments["directory"]:
                result["written"] = write_reports(arguments["directory"], name, run.plan, looks, shown)
                lines += ["  Written: " + path for path in result["written"]]
            if show:
                self._display.display("\n".join(lines))
        # A host that was imagined in place of the real one is nothing for later tasks to build on.
        return result if instead else dict(result, ansible_facts=run.to_facts())

    def _run(self, task_vars, arguments):
        # What an earlier task has kept of a plan lacks the explanations.
        explained, name = arguments["show"] or bool(arguments["directory"]), task_vars["inventory_hostname"]
        if arguments["service_hosts"]:
            if explained:
                return one_of_several(self, task_vars, arguments["service_hosts"])
            if not arguments["measure"] and not self._is_imagined(task_vars):
                raise PlanImpossible([UNKNOWN_HOST.format(name)])
        try:
            return current(self, task_vars, refresh=arguments["refresh"] or explained)
        except AnsibleConnectionFailure:
            self._display.display((UNKNOWN_HOST if arguments["service_hosts"] else UNREACHABLE).format(name))
            raise

    def _is_imagined(self, task_vars):
        return templated(self, task_vars, "trenova_capacity", {}).get("measured") is False

    def _instead(self, task_vars, measure):
        """Why the host that is needed is planned in place of the one of the inventory; None where that is measured."""
        if self._is_imagined(task_vars):
            return None
        name = task_vars["inventory_hostname"]
        if not measure:
            return f"{name} was not contacted (trenova_plan_measure: false). This is the host that is needed."
        if list(preflight.check_address({"ansible_host": address_of(self, task_vars)})):
            return f"The address of {name} is still the example: nobody was contacted. This is the host that is needed."
        return None

    def _with_needed_host(self, task_vars):
        """The variables with the host to buy as its capacity, and with the tier that the users need."""
        needed, own = self._needed(task_vars, {}), templated(self, task_vars, "trenova_capacity", {})
        return dict(task_vars, trenova_tier=needed["tier"], trenova_capacity=dict(needed["capacity"], **own))

    def _needed(self, task_vars, services):
        try:
            return comparison.needed_host(wanted(self, task_vars, self._catalogue(task_vars), services))
        except PlanError as error:
            raise PlanImpossible(error.problems) from error

    def _catalogue(self, task_vars):
        return Catalogue(self, task_vars, project_of(self, task_vars))

    def _shown(self, task_vars, run):
        """What is shown besides the plan."""
        services = run.capacity["deployed"]["services"]
        intent = wanted(self, task_vars, self._catalogue(task_vars), services)
        shown = {
            "comparison": comparison.compare_tiers(run.capacity, intent),
            "needed": self._needed(task_vars, services),
        }
        if services:
            shown["changes"] = changes(run.plan, list(self._wishes(task_vars, run)), run.capacity)
            shown["changes"]["remarks"] += [
                "Would be refused: " + problem.what
                for problem in contents_problems(self, task_vars, facts_of(self, run, task_vars))]
        return shown

    def _wishes(self, task_vars, run):
        """What is wanted of each service, worked out as the deployment does."""
        places = self._catalogue(task_vars).places
        order = [name for name in run.plan["services"] if name in places]
        for name in [*order, *(name for name in places if name not in order)]:
            if not runs_here(run.services[name]):
                yield Wish(name, None)
                continue
            if any(not is_set(task_vars.get(secret)) for secret in run.services[name].get("secrets") or {}):
                yield Wish(name, None, "the inventory lacks their secrets (playbooks/secrets.yml)")
                continue
            try:
                yield Wish(name, Bundle(
                    self, roles.role_variables(self, places[name], task_vars), run, name).arguments())
            except AnsibleError as error:
                yield Wish(name, None, str(error).splitlines()[0])


def _places(service_hosts):
    """Which service runs on which hosts, as a sentence."""
    count = len(set().union(*service_hosts.values()))
    services = "; ".join(f"{service} on {', '.join(hosts)}" for service, hosts in service_hosts.items() if hosts)
    return f"One of {count} hosts: {services}. The connections are those of all hosts."
