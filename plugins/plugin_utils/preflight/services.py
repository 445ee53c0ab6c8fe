# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can be wrong with services: what they need of each other and of somebody else, their images, their limits."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.module_utils.images import is_pinned
from ansible_collections.trenova.selfhost.plugins.plugin_utils import formats
from ansible_collections.trenova.selfhost.plugins.plugin_utils.compose import size_bytes
from ansible_collections.trenova.selfhost.plugins.plugin_utils.description import is_available
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.model import (
    INVENTORY,
    Problem,
)

#: No machine has more; a limit beyond was written in another unit.
MOST_CORES = 4096


def check_needs(facts):
    """What a service cannot run without is in the play, on the host, or somebody else's."""
    for name, service in sorted(facts.services.items()):
        for need in service.get("needs", []):
            other = facts.all_services.get(need)
            if other and is_available(other):
                continue
            remedy = f"the role trenova.selfhost.{need} before {name}"
            if other and "external" in other:
                remedy += f", or {need}_mode: external for one that you have"
            if other and not other.get("absent"):
                yield Problem(
                    f"{name} needs {need}, which is switched off.", f"{need}_enabled, {need}_mode in the inventory",
                    f"{need}_enabled: true; or {remedy.rpartition(', or ')[2]}")
            else:
                yield Problem(
                    f"{name} needs {need}, which is neither in this play nor on the host.", "roles of the play", remedy)


def check_reachable(results):
    """What servers of somebody else's answered when the host asked them."""
    for result in results:
        if not result["ok"]:
            yield Problem(
                "{name}, which is external, cannot be used from this host: {detail}.".format(**result),
                "{} in the inventory, or that server and what lies between".format(result["variable"]),
                "{}: a server that answers this host as described".format(result["variable"]))


def check_images(facts):
    """Every image names one version."""
    for name, service in sorted(facts.services.items()):
        image = service.get("image")
        if not image:
            continue
        if not is_pinned(image):
            yield Problem(
                f"{name}_image names no version: {image}", INVENTORY,
                "{}_image: {}:<version>, so that a run today and one next year start the same".format(
                    name, image.replace(":latest", "")))


def check_own_limits(facts):
    """What is merged into Compose services asks for no more than the host has; Docker would refuse to start them."""
    cores, memory_mb = facts.capacity["cores"], facts.capacity["memory_mb"]
    for name in sorted(facts.services):
        for service, settings in sorted((facts.variables.get(name + "_compose_extra") or {}).items()):
            if fault := _fault_of(settings):
                variable = f"{name}_compose_extra"
                yield Problem(f"{variable}.{service}{fault[0]} {fault[1]}.", INVENTORY, f"{variable}: {fault[2]}")
                continue
            cpus, limit = settings.get("cpus"), (size_bytes(settings.get("mem_limit")) or 0) / 1048576
            if cpus and float(cpus) > cores:
                yield Problem(
                    f"{name}_compose_extra gives {service} {cpus} CPU cores; the host has {cores:g}.", INVENTORY,
                    f"cpus: {cores:g} or less")
            if limit and limit > memory_mb:
                yield Problem(
                    f"{name}_compose_extra gives {service} {limit:.0f} MiB of memory; the host has {memory_mb}.",
                    INVENTORY, f"mem_limit: {memory_mb}m or less")


def _fault_of(settings):
    """(key, what is wrong, what would be right) of what is merged into a Compose service; None where it can be read."""
    if not isinstance(settings, dict):
        return "", "is no dictionary", "keys of a service of Compose, by the service's name"
    if fault := formats.fault(f"0..{MOST_CORES}", settings.get("cpus")):
        return ".cpus", *fault
    size = settings.get("mem_limit")
    if size is not None and size_bytes(size) is None:
        return ".mem_limit", f"is no size: {size}", "a number with k, m or g, as 512m"
    return None
