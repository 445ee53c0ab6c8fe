# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import datetime
import os
import shlex
from concurrent.futures import ThreadPoolExecutor

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.plugin_utils import formats
from ansible_collections.trenova.selfhost.plugins.plugin_utils.description import container_names, runs_here
from ansible_collections.trenova.selfhost.plugins.plugin_utils.entrance import entrance_of
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.gather import ask_external, facts_of
from ansible_collections.trenova.selfhost.plugins.plugin_utils.run import current
from ansible_collections.trenova.selfhost.plugins.plugin_utils.variables import address_of, project_of, templated
from ansible_collections.trenova.selfhost.plugins.plugin_utils.verification import (
    backups,
    certificates,
    deployed,
    families,
    inside,
    outside,
    table,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.verification.way import Way

#: Options of the connection that say how SSH goes to a host.
SSH_OPTIONS = ("ssh_args", "ssh_common_args", "ssh_extra_args")


class ActionModule(ActionBase):
    """Runs the inside checks on the host and the outside checks from here, and puts both into one table."""

    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec={"report_dir": {"type": "path"}})
        seconds = self._seconds(task_vars)
        run = current(self, task_vars)
        services = {name: service for name, service in run.services.items() if runs_here(service)}

        def passwords(names):
            return {name: templated(self, task_vars, name, None) for name in names}

        ports, way = self._ports(task_vars), self._way(task_vars)

        def scene(seen):
            return outside.scene(
                services, self._visitor(services, seen, task_vars, way), seen,
                passwords(outside.password_variables(services)), ports, way)

        with ThreadPoolExecutor(1) as pool:
            # Where nothing has changed since the host was measured, nobody waits for what it says of itself.
            visits = None if run.changed else pool.submit(
                outside.run, scene(_seen(run.capacity)), services, seconds, way)
            found = self._execute_module(
                module_name="trenova.selfhost.probe", task_vars=task_vars, module_args=inside.arguments(
                    services, run.services, project_of(self, task_vars), passwords, seconds))
            if found.get("failed"):
                return found
            visits = visits or pool.submit(outside.run, scene(found), services, seconds, way)
        external = ask_external(self, task_vars, facts_of(self, run, task_vars))
        outside_results = self._explained(services, visits.result(), task_vars)
        results = table.grouped({
            "from outside": outside_results + self._families(services, found, run.capacity, task_vars),
            "inside": [*found.get("host", []), *found["results"]],
            "elsewhere": [dict(entry, seconds=0) for entry in external],
            "containers": found["containers"],
            "images": found["images"],
            "on the host": deployed.results(services, run.capacity["deployed"], run.settled),
            "backups": backups.results(
                services, found["backup_status"], found["waiting_seconds"], datetime.datetime.now(datetime.UTC)),
        })
        return self._conclude(results, arguments["report_dir"], task_vars)

    def _seconds(self, task_vars):
        value = templated(self, task_vars, "trenova_verify_seconds", 30)
        if fault := formats.fault("0..600", value):
            raise AnsibleActionFail("trenova_verify_seconds {}; write {}.".format(*fault))
        return int(value)

    def _ports(self, task_vars):
        """Ports that may answer besides those of the services: that of SSH, and the administrator's."""
        others = templated(self, task_vars, "trenova_verify_other_ports", [])
        if fault := formats.fault("ports", others):
            raise AnsibleActionFail("trenova_verify_other_ports {}; write {}.".format(*fault))
        return {int(templated(self, task_vars, "ansible_port", outside.SSH_PORT)), *formats.ports_of(others)}

    def _visitor(self, services, found, task_vars, way):
        try:
            return outside.visitor_of(
                services, self._server(task_vars), found["ssh_address"],
                templated(self, task_vars, "trenova_verify_address", None),
                outside.authority(services, found.get("ca_certificate")), way)
        except outside.AddressUnknown as error:
            raise AnsibleActionFail(str(error)) from error

    def _server(self, task_vars):
        return address_of(self, task_vars)

    def _way(self, task_vars):
        """How this machine comes to the host."""
        return Way(
            self._server(task_vars), is_local=getattr(self._connection, "transport", None) == "local",
            options=tuple(shlex.split(" ".join(self._ssh_option(name) for name in SSH_OPTIONS))))

    def _ssh_option(self, name):
        try:
            return str(self._connection.get_option(name) or "")
        except (AttributeError, KeyError, AnsibleError):
            # Connections that are not by SSH have no such options.
            return ""

    def _explained(self, services, results, task_vars):
        """The results of the visits, with what an ACME authority said of certificates that are missing or late."""
        entrance, names = entrance_of(services), certificates.concerned(results)
        acme = entrance.get("acme")
        if not acme or not names:
            return results
        owner = next(service for service in services.values() if service.get("entrance"))
        container = container_names(owner, acme["container"])[0]
        answer = self._execute_module(
            module_name="trenova.selfhost.acme", task_vars=task_vars,
            module_args={"names": names, "container": container})
        if answer.get("failed"):
            # Then the results say what was seen.
            return results
        told, warnings = certificates.explained(results, certificates.Said(
            answer["attempts"], answer["resolved"], frozenset(answer["own"]),
            acme["directory"], container, {**acme["variables"], "authority": entrance["authority"]["variable"]}))
        for text in warnings:
            self._display.warning("{}: {}".format(task_vars["inventory_hostname"], text))
        return told

    def _families(self, services, found, capacity, task_vars):
        project = project_of(self, task_vars)
        there = {name: network for name, network in (found.get("networks") or {}).items()
                 if name in map(project.network, project.outside)}
        return families.results(services, there, capacity)

    def _conclude(self, results, report_dir, task_vars):
        name = task_vars["inventory_hostname"]
        inventory = os.path.basename(task_vars.get("inventory_dir") or "inventory")
        report = table.write(report_dir or os.path.join("reports", inventory), name, results)
        self._display.display(table.table(name, results))
        return table.conclusion(results, report)


def _seen(capacity):
    """What visitors must know of a host, by its measurement."""
    return {
        "ssh_address": capacity.get("ssh_address"), "ssh_port": capacity.get("ssh_port"),
        "listeners": capacity["listeners"],
        "ca_certificate": capacity["deployed"].get("ca_certificate")}
