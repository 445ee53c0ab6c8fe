# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""From what is wanted of services to the one execution on the host that makes it so."""

from __future__ import annotations

import os

from ansible_collections.trenova.selfhost.plugins.plugin_utils import catalogue as roles
from ansible_collections.trenova.selfhost.plugins.plugin_utils.bundle import Bundle, Removal
from ansible_collections.trenova.selfhost.plugins.plugin_utils.description import runs_here
from ansible_collections.trenova.selfhost.plugins.plugin_utils.docker_packages import Packages
from ansible_collections.trenova.selfhost.plugins.plugin_utils.logins import login_arguments
from ansible_collections.trenova.selfhost.plugins.plugin_utils.report.progress import Progress
from ansible_collections.trenova.selfhost.plugins.plugin_utils.variables import project_of

#: Words that Ansible itself gives to tags: they choose nothing among services.
EVERYTHING = frozenset(("all", "tagged", "untagged", "always"))
MODULE = "trenova.selfhost.converge"


def selected(names, task_vars):
    """The services among these that --tags and --skip-tags of the run leave, in their order."""
    wanted = set(task_vars.get("ansible_run_tags") or ["all"])
    skipped = set(task_vars.get("ansible_skip_tags") or [])
    return [name for name in names if (wanted & EVERYTHING or name in wanted) and name not in skipped]


class Wanted:
    """What is wanted of some services of a host, rendered once."""

    def __init__(self, action, task_vars, run, names):
        self._action = action
        self._task_vars = task_vars
        self.run = run
        self.project = project_of(action, task_vars, run.capacity)
        self.services = [self._service(name, run.places[name]) for name in _in_order(names, run)]

    def _service(self, name, path):
        if not runs_here(self.run.services[name]):
            return Removal(name, os.path.join(path, "templates"))
        return Bundle(self._action, roles.role_variables(self._action, path, self._task_vars), self.run, name)

    def due(self):
        """Names of the services that differ from what the measurement of the host has found, as far as that tells."""
        deployed = self.run.capacity["deployed"]
        known = {*deployed["services"], *(
            container["role"] for container in self.run.capacity["containers"] if container.get("role"))}
        return [
            service.name for service in self.services if (
                service.name in known if service.wish is None
                else service.pulls_again() or self._lacks_packages(service.name)
                or not self.run.is_unchanged(service.name, service.wish))]

    def _lacks_packages(self, name):
        """Whether the host lacks something of the packages that a service speaks of, or has it stopped."""
        settings = (self.run.services[name].get("exports") or {}).get("packages")
        return bool(settings) and Packages(self.run.capacity, settings).is_incomplete

    def execute(self, version):
        """Bring the host to what is wanted, with a line for each service as it ends; the result of the module."""
        logins = login_arguments(self._action, self._task_vars)
        deployed = self.run.capacity["deployed"]
        progress = Progress(self._action, self._task_vars, self.project, self.run.services)
        arguments = {
            "project": {
                "name": self.project.name, "directory": self.project.directory,
                "networks": self.project.compose_networks()},
            "services": [service.arguments() for service in self.services],
            "host": {
                "disk_free_gb_before": deployed["disk_free_gb_before"] or self.run.capacity["disk_free_gb"],
                "members": {
                    service.name: self.run.services[service.name]["ordinal"] for service in self.services
                    if service.wish}},
            "logins": logins["logins"],
            "secrets": sorted(set(logins["secrets"]).union(*(service.secrets for service in self.services))),
            "progress": progress.path,
            "version": version,
        }
        with progress:
            result = self._action._execute_module(
                module_name=MODULE, module_args=arguments, task_vars=self._task_vars)
        progress.tell(result)
        if result.get("failed"):
            # A failed result is printed whole; its message and the lines above have it all already.
            result = {key: value for key, value in result.items() if key not in ("services", "diff")}
        settled = {service.name for service in self.services} & set(deployed["differing"])
        if not result.get("failed") and (result.get("changed") or settled):
            result["ansible_facts"] = self.run.but(
                changed=self.run.changed or bool(result.get("changed")),
                settled=sorted(settled.union(self.run.settled))).to_facts()
        return result


def _in_order(names, run):
    """Services in the order of the plan, then those that it does not know; what has no containers comes first."""
    planned = list(run.plan["services"])
    return sorted(names, key=lambda name: (
        bool(run.services[name].get("containers")), planned.index(name) if name in planned else len(planned), name))
