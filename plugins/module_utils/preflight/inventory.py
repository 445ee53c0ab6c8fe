# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can be wrong in the inventory: names, addresses, formats, secrets, certificates."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.module_utils import secret_kinds
from ansible_collections.trenova.selfhost.plugins.module_utils.formats import (
    HOST_NAME,
    MAIL_ADDRESS,
    PLACEHOLDER_DOMAIN,
)
from ansible_collections.trenova.selfhost.plugins.module_utils.preflight.model import INVENTORY, Problem


def check_address(variables):
    """The address of the host is not that of the example inventory; asked before anybody is contacted."""
    address = str(variables.get("ansible_host") or variables.get("inventory_hostname") or "")
    if PLACEHOLDER_DOMAIN.search(address):
        yield Problem(
            f"The address of the host is still the example {address}.", "hosts.yml of the inventory",
            "ansible_host: the address by which the controller reaches the server")


def check_domain(facts):
    """The host names are real ones."""
    if not {"api", "client", "caddy"}.intersection(facts.services):
        return
    for variable in ("trenova_domain", "trenova_s3_domain", "trenova_jobs_domain"):
        name = facts.variables.get(variable)
        if variable == "trenova_domain" and not name:
            yield Problem("trenova_domain is missing.", INVENTORY, "trenova_domain: erp.your-company.com")
        elif name and PLACEHOLDER_DOMAIN.search(str(name)):
            yield Problem(
                f"{variable} is still the example {name}.", INVENTORY,
                f"{variable}: a host name of yours that points to this server")
        elif name and not HOST_NAME.fullmatch(str(name)):
            yield Problem(
                f"{variable} is no host name: {name}", INVENTORY,
                f"{variable}: letters, digits, dots and hyphens only, in lower case, without https://")


def check_tls(facts):
    """Certificates can be had the way that was chosen."""
    if "caddy" not in facts.services:
        return
    mode = facts.services["caddy"].get("tls")
    if mode == "acme":
        address = str(facts.variables.get("caddy_acme_email") or "")
        if not MAIL_ADDRESS.fullmatch(address) or PLACEHOLDER_DOMAIN.search(address.rsplit("@", 1)[-1]):
            yield Problem(
                "caddy_acme_email is {}.".format("still the example " + address if address else "missing"),
                INVENTORY, "caddy_acme_email: a mail address that you read")
    if mode == "proxy" and not facts.services["caddy"].get("trusted_proxies"):
        yield Problem(
            "caddy_tls is proxy, and caddy_trusted_proxies is missing.", INVENTORY,
            "caddy_trusted_proxies: [the address by which the proxy reaches this host]")
    if mode == "files":
        for variable in ("caddy_certificate_file", "caddy_certificate_key_file"):
            if not facts.variables.get(variable):
                yield Problem(
                    f"caddy_tls is files, and {variable} is missing.", INVENTORY,
                    f"{variable}: path of the PEM file on the controller")


def check_administrator(facts):
    """The administrator's address is a real one."""
    if "api" not in facts.services or facts.services["api"].get("bootstrap") == "off":
        return
    address = str(facts.variables.get("trenova_admin_email") or "")
    if not MAIL_ADDRESS.fullmatch(address) or PLACEHOLDER_DOMAIN.search(address.rsplit("@", 1)[-1]):
        yield Problem(
            "trenova_admin_email is {}.".format("not usable: " + address if address else "missing"),
            INVENTORY, "trenova_admin_email: the mail address with which the administrator logs in")


def check_secrets(facts):
    """Every secret is there, strong, and in the form that the software can take."""
    kinds = {}
    for service in facts.services.values():
        kinds.update(service.get("secrets") or {})
    for name in sorted(kinds):
        fault = secret_kinds.fault(kinds[name], facts.variables.get(name))
        if fault == "is missing":
            yield Problem(
                f"{name} is missing.", "group_vars/trenova/secrets.yml of the inventory",
                "ansible-playbook playbooks/secrets.yml -i <inventory>")
        elif fault:
            yield Problem(
                f"{name} {fault}.", "where the inventory sets it",
                "remove the line and run: ansible-playbook playbooks/secrets.yml -i <inventory>")
