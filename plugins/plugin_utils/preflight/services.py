# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can be wrong with the services: what they need of each other and of somebody else, their images, their data."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.module_utils.images import image_major, is_pinned
from ansible_collections.trenova.selfhost.plugins.plugin_utils.compose import size_bytes
from ansible_collections.trenova.selfhost.plugins.plugin_utils.description import is_available
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.model import (
    INVENTORY,
    Problem,
)

REDIS_WITH_JSON = 8
#: Policies that evict keys without an expiry.
EVICTS_JOBS = "allkeys-"


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
    """Every image names one version, and is not one that is known not to work."""
    for name, service in sorted(facts.services.items()):
        image = service.get("image")
        if not image:
            continue
        if not is_pinned(image):
            yield Problem(
                f"{name}_image names no version: {image}", INVENTORY,
                "{}_image: {}:<version>, so that a run today and one next year start the same".format(
                    name, image.replace(":latest", "")))
    redis = facts.services.get("redis", {}).get("image", "")
    repository = redis.rsplit("/", 1)[-1]
    if "valkey" in repository or (repository.startswith("redis:") and 0 < image_major(redis) < REDIS_WITH_JSON):
        yield Problem(
            f"redis_image is {redis}, which has no JSON commands; every login to Trenova would fail.",
            INVENTORY, "redis_image: an image of Redis 8, for instance docker.io/library/redis:8.4.0")


def check_postgres_major(facts):
    """The image can read the data that is there."""
    found = facts.capacity["deployed"].get("postgres_major")
    image = facts.services.get("postgres", {}).get("image")
    wanted = image_major(image) if image else 0
    if found and wanted and str(wanted) != str(found):
        yield Problem(
            f"The data on the host is of PostgreSQL {found}; postgres_image is {image}, which cannot read it.",
            INVENTORY,
            f"postgres_image: an image of PostgreSQL {found}; a new major needs a dump and a restore")


def check_data_is_there(facts):
    """Where PostgreSQL was deployed, its data is still there: an empty directory is a disk that is not mounted."""
    deployed = facts.capacity["deployed"]
    was_here = (deployed["services"].get("postgres") or {}).get("enabled")
    if was_here and "postgres" in facts.services and not deployed.get("postgres_major"):
        yield Problem(
            "PostgreSQL was deployed here, and its data is gone.", f"{facts.project.data_dir}/postgres on this host",
            f"mount the disk, or restore a backup; to begin anew: rm -r {facts.project.directory}/postgres")


def check_eviction(facts):
    """Redis never throws queued jobs away."""
    policy = (facts.variables.get("redis_settings_extra") or {}).get("maxmemory-policy", "")
    if "redis" in facts.services and str(policy).startswith(EVICTS_JOBS):
        yield Problem(
            f"redis_settings_extra sets maxmemory-policy {policy}, which throws queued jobs away.", INVENTORY,
            "take it out; volatile-lru is set, which evicts what has an expiry")


def check_own_limits(facts):
    """What is merged into Compose services asks for no more than the host has; Docker would refuse to start them."""
    cores, memory_mb = facts.capacity["cores"], facts.capacity["memory_mb"]
    for name in sorted(facts.services):
        for service, settings in sorted((facts.variables.get(name + "_compose_extra") or {}).items()):
            cpus, limit = settings.get("cpus"), (size_bytes(settings.get("mem_limit")) or 0) / 1048576
            if cpus and float(cpus) > cores:
                yield Problem(
                    f"{name}_compose_extra gives {service} {cpus} CPU cores; the host has {cores:g}.", INVENTORY,
                    f"cpus: {cores:g} or less")
            if limit and limit > memory_mb:
                yield Problem(
                    f"{name}_compose_extra gives {service} {limit:.0f} MiB of memory; the host has {memory_mb}.",
                    INVENTORY, f"mem_limit: {memory_mb}m or less")
