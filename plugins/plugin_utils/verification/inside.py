# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The verification from inside: what a host is to be asked about its services, by their descriptions."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.module_utils.images import split_reference
from ansible_collections.trenova.selfhost.plugins.plugin_utils.description import container_names
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.registries import OWN_IMAGE
from ansible_collections.trenova.selfhost.plugins.plugin_utils.verification.backups import status_of
from ansible_collections.trenova.selfhost.plugins.plugin_utils.verification.outside import entrance_of


def checks(services, all_services):
    """The checks of the services on a host; all_services are also those that are somebody else's."""
    return [
        resolved(check, service, all_services) for service in services.values() for check in service.get("checks", [])]


def resolved(check, service, services):
    """A check with the container, or the place of an endpoint, in which it looks."""
    if "program" in check:
        return check
    if "endpoint" not in check:
        return dict(check, container=container_names(service, check["container"])[0])
    name, endpoint = check["endpoint"].split(".")
    found = services[name]["endpoints"][endpoint]
    place = {"host": found["host"], "container": None} if services[name].get("external") else {
        "host": None, "container": found["host"]}
    return dict(check, port=found["port"], **place)


def own_images(services):
    """References of the images that come from a registry of one's own: what nobody publishes, built here."""
    references = {service["image"] for service in services.values() if service.get("image")}
    return sorted(
        reference for reference in references
        if not reference.startswith("docker.io/") and OWN_IMAGE.search(split_reference(reference)[0]))


def arguments(services, all_services, project, passwords, seconds):
    """Arguments of the module that asks; passwords: a function from the names of variables to their values."""
    found = checks(services, all_services)
    return {
        "project": project.name,
        "checks": found,
        "passwords": passwords({check["password_variable"] for check in found if "password_variable" in check}),
        "images": own_images(services),
        "seconds": seconds,
        "ca_file": entrance_of(services).get("authority", {}).get("path"),
        "status_file": status_of(services).get("file"),
    }
