# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import datetime
import json
import os
import socket

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.trenova.selfhost.plugins.plugin_utils.description import container_names, runs_here
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.gather import ask_external, facts_of
from ansible_collections.trenova.selfhost.plugins.plugin_utils.run import current
from ansible_collections.trenova.selfhost.plugins.plugin_utils.variables import project_of, templated
from ansible_collections.trenova.selfhost.plugins.plugin_utils.verification import outside


class ActionModule(ActionBase):
    """Runs the inside checks on the host and the outside checks from here, and puts both into one table."""

    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec={"report_dir": {"type": "path"}})
        run = current(self, task_vars)
        services = {name: service for name, service in run.services.items() if runs_here(service)}
        inside = self._probe(services, run.services, task_vars)
        if inside.get("failed"):
            return inside
        site = self._installation(services, inside, task_vars)
        server = task_vars.get("ansible_host", task_vars["inventory_hostname"])
        entrance = templated(
            self, task_vars, "trenova_verify_address", site.domain if site.behind_proxy else server)
        visitor = outside.Visitor(
            resolved_name(entrance, inside["ssh_address"]), self._authority(services, inside), site.https_port,
            server_address=resolved_name(server, inside["ssh_address"]))
        results = [dict(entry, group="from outside") for entry in outside.run_checks(visitor, site)]
        results += [dict(entry, group="inside") for entry in inside["results"]]
        results += [
            dict(entry, group="elsewhere", seconds=0)
            for entry in ask_external(self, task_vars, facts_of(self, run, task_vars))]
        results += [dict(entry, group="containers") for entry in inside["containers"]]
        results += [dict(entry, group="backups") for entry in backup_results(services, inside["backup_status"])]
        return self._conclude(results, arguments["report_dir"], task_vars)

    def _probe(self, services, all_services, task_vars):
        checks = [
            resolved(check, service, all_services) for service in services.values()
            for check in service.get("checks", [])]
        names = {check["password_variable"] for check in checks if "password_variable" in check}
        ca_dir = services.get("caddy", {}).get("exports", {}).get("ca_dir")
        return self._execute_module(
            module_name="trenova.selfhost.probe",
            module_args={
                "project": project_of(self, task_vars).name,
                "checks": checks,
                "passwords": {name: templated(self, task_vars, name, None) for name in names},
                "ca_file": os.path.join(ca_dir, "caddy-root.crt") if ca_dir else None,
                "status_file": services.get("backup", {}).get("exports", {}).get("status_file"),
            },
            task_vars=task_vars)

    @staticmethod
    def _authority(services, inside):
        """Certificate of the authority that a visitor must know besides the public ones."""
        given = services.get("caddy", {}).get("exports", {}).get("ca_file")
        if not given:
            return inside.get("ca_certificate")
        with open(given, encoding="utf-8") as stream:
            return stream.read()

    def _installation(self, services, inside, task_vars):
        def value(name, default=None):
            return templated(self, task_vars, name, default)

        api, minio = services.get("api", {}).get("exports", {}), services.get("minio")
        entrance = services.get("caddy", {})
        caddy, published = entrance.get("exports", {}), {
            name: endpoint["published"] for name, endpoint in entrance.get("endpoints", {}).items()}
        dashboard_password = value("trenova_dashboard_password")
        dashboards = [
            {"host": route["host"], "user": caddy.get("dashboard_user"), "password": dashboard_password}
            for service in services.values() for route in service.get("routes", []) if route.get("login")]
        site = outside.Installation({
            "domain": value("trenova_domain"),
            "profile": api.get("profile"),
            "administrator": (value("trenova_admin_email"), value("trenova_admin_password"))
            if api.get("bootstrap") == "seed" else None,
            "s3": minio and {
                "host": minio["exports"]["public"]["endpoint"], "access_key": minio["exports"]["public"]["access_key"],
                "secret_key": value("trenova_minio_password"), "region": minio["exports"]["public"]["region"]},
            "dashboards": dashboards,
            "http_port": 80 if caddy.get("tls") == "proxy" else published.get("http", 80),
            "allowed_ports": set(published.values()) | {int(value("ansible_port", 22))},
            "asked_ports": {entry["port"] for entry in inside["listeners"] if not entry["address"].startswith("127.")},
        })
        site.behind_proxy = caddy.get("tls") == "proxy"
        site.https_port = 443 if site.behind_proxy else published.get("https", 443)
        return site

    def _conclude(self, results, report_dir, task_vars):
        name = task_vars["inventory_hostname"]
        inventory = os.path.basename(task_vars.get("inventory_dir") or "inventory")
        directory = report_dir or os.path.join("reports", inventory)
        os.makedirs(directory, exist_ok=True)
        report = os.path.join(directory, f"verify-{name}.json")
        with open(report, "w", encoding="utf-8") as stream:
            moment = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            json.dump({"host": name, "time": moment, "results": results}, stream, indent=2)
        self._display.display(table(name, results))
        failed = [entry for entry in results if not entry["ok"]]
        conclusion = {"changed": False, "results": results, "report": report}
        if failed:
            lines = [f"{len(failed)} of {len(results)} checks failed."]
            lines += ["  {name}: {detail}".format(**entry) for entry in failed]
            # A failed result is printed whole; the table above and the report have it all already.
            conclusion = {"failed": True, "msg": "\n".join(lines), "report": report}
        return conclusion


def resolved_name(name, ssh_address=None):
    """Address of a host name; of a name that only SSH knows, an alias of its configuration, the connection's."""
    try:
        return socket.gethostbyname(str(name))
    except OSError as error:
        if ssh_address:
            return ssh_address
        raise AnsibleActionFail(
            f"The address of {name} is not known here. Set trenova_verify_address to the server's address.") from error


def resolved(check, service, services):
    """A check with the container, or the place of an endpoint, in which it looks."""
    if "endpoint" not in check:
        return dict(check, container=container_names(service, check["container"])[0])
    name, endpoint = check["endpoint"].split(".")
    found = services[name]["endpoints"][endpoint]
    place = {"host": found["host"], "container": None} if services[name].get("external") else {
        "host": None, "container": found["host"]}
    return dict(check, port=found["port"], **place)


def backup_results(services, status):
    """One result for the backups: there is one, it succeeded, it is not too old."""
    if "backup" not in services:
        return []
    if not status:
        due = services["backup"]["exports"]["schedule"]
        detail = f"none yet, due {due}; make one: systemctl start trenova-backup"
        return [{"name": "Newest backup", "ok": True, "detail": detail, "seconds": 0}]
    now = datetime.datetime.now(datetime.UTC)
    finished = datetime.datetime.strptime(status["finished"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=now.tzinfo)
    hours = (now - finished).total_seconds() / 3600
    detail = "exit status {}, {:.1f} MB, {:.1f} hours old".format(
        status["exit_status"], (status["bytes"] + status["objects_bytes"]) / 1e6, hours)
    return [{"name": "Newest backup", "ok": status["exit_status"] == 0 and hours < MAXIMUM_AGE_HOURS, "detail": detail,
             "seconds": 0}]


#: A nightly backup that is older has been missed once.
MAXIMUM_AGE_HOURS = 50


def table(name, results):
    """The results as a person reads them, 100 columns wide."""
    width = max(len(entry["name"]) for entry in results)
    lines = [f"Verification of {name}"]
    group = None
    for entry in results:
        if entry["group"] != group:
            group = entry["group"]
            lines.append(f"  {group}")
        mark = "ok    " if entry["ok"] else "FAILED"
        detail = str(entry["detail"])
        room = max(20, 100 - width - 13)
        shown = detail if not entry["ok"] or len(detail) <= room else detail[:room - 1] + "…"
        lines.append(f"    {mark} {entry['name']:<{width}}  {shown}")
    passed = sum(1 for entry in results if entry["ok"])
    lines.append(f"  {passed} of {len(results)} checks passed")
    return "\n".join(lines)
