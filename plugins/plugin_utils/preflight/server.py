# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can be wrong with the server: its size and system, who holds ports and names, its clock, its Engine."""

from __future__ import annotations

import re

from ansible_collections.trenova.selfhost.plugins.plugin_utils.compose import version_tuple
from ansible_collections.trenova.selfhost.plugins.plugin_utils.formats import normalised
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.model import Problem

SUPPORTED_ARCHITECTURES = ("x86_64", "aarch64")
#: Family -> oldest version that the requirements or its own support allow.
SUPPORTED_DISTRIBUTIONS = {
    "debian": "12", "ubuntu": "22.04", "rhel": "9", "centos": "9", "rocky": "9", "almalinux": "9", "fedora": "41",
}
#: How distributions say that they take the packages of a RHEL release, Oracle Linux for instance: platform:el9.
RHEL_PLATFORM = "platform:el"
#: Settings of the kernel that services ask for: least value, and what becomes of it without.
WANTED_SETTINGS = {
    "vm.overcommit_memory": (1, "a server that forks to save may be refused the memory for it, although it is free"),
    "net.core.somaxconn": (4096, "connections may be refused when many come at once"),
}
CLOCK_TOLERANCE_SECONDS = 30
#: Below this even a small change may fail half-way.
LEAST_FREE_GB = 1.0
LEAST_FREE_INODES = 10000


def check_plan(facts):
    """The host is large enough for what is wanted."""
    for refusal in facts.plan["refusals"]:
        remedy = "; or ".join(refusal["remedy"])
        if refusal.get("override"):
            remedy += "; or, at your own risk, {}".format(refusal["override"])
        # The text goes on with the remedies, which have a line of their own here.
        what = refusal["text"].partition(" What helps")[0]
        yield Problem(what, "this host, rule {}".format(refusal["rule"]), remedy)


def check_distribution(facts):
    """The distribution and the architecture are supported ones."""
    found = facts.capacity["distribution"]
    oldest = SUPPORTED_DISTRIBUTIONS.get(found.get("id"))
    if oldest is None and str(found.get("platform")).startswith(RHEL_PLATFORM):
        oldest = SUPPORTED_DISTRIBUTIONS["rhel"]
    if oldest is None:
        yield Problem(
            "The distribution {} is not supported.".format(found.get("name", found.get("id"))), "/etc/os-release",
            "a host with Debian 12 or newer, Ubuntu 22.04 or newer, or a RHEL 9 family system")
    elif found.get("version") and version_tuple(found["version"]) < version_tuple(oldest):
        yield Problem(
            "{} is older than {} {}.".format(found["name"], found["id"], oldest), "/etc/os-release",
            f"upgrade the distribution to {oldest} or newer")
    architecture = facts.capacity["architecture"]
    if architecture not in SUPPORTED_ARCHITECTURES:
        yield Problem(
            f"The architecture {architecture} is not supported.", "the host's CPU",
            "a host of one of: {}".format(", ".join(SUPPORTED_ARCHITECTURES)))


def check_ports(facts):
    """The ports that will be published are free, or held by our own containers."""
    published = [
        endpoint for service in facts.services.values() for endpoint in service.get("endpoints", {}).values()
        if "published" in endpoint]
    wanted = {int(endpoint["published"]) for endpoint in published}
    variables = " / ".join(endpoint["variable"] for endpoint in published if "variable" in endpoint)
    remedy = f"stop it there, or set {variables} to another port" if variables else "stop it there"
    for port in sorted(wanted - _ports_of_project(facts)):
        holders = [entry for entry in facts.capacity["listeners"] if entry["port"] == port]
        if holders:
            holder = holders[0]
            who = _container_on(facts, port) or "{} (process {})".format(holder["process"], holder["pid"])
            yield Problem(
                f"Port {port} is held by {who}.", "this host, address {}".format(holder["address"]), remedy)


def _published(container):
    return {int(port) for port in re.findall(r":(\d+)->", container.get("ports", ""))}


def _ports_of_project(facts):
    return {
        port for container in facts.capacity["containers"]
        if container["project"] == facts.project.name
        and _is_ours(facts, container["working_dir"])
        for port in _published(container)}


def _is_ours(facts, working_dir):
    """Whether a project lies where ours does. Compose writes down the path without links, or the one that was typed."""
    real_paths = facts.capacity.get("real_paths") or {}
    directory = facts.project.directory
    return working_dir is None or real_paths.get(working_dir, normalised(working_dir)) in (
        directory, real_paths.get(directory))


def _container_on(facts, port):
    for container in facts.capacity["containers"]:
        if port in _published(container):
            return "the container {}".format(container["name"])
    return None


def check_project(facts):
    """No other Compose project of the same name, and no foreign container with one of our names."""
    for container in facts.capacity["containers"]:
        directory = container["working_dir"]
        if container["project"] == facts.project.name and not _is_ours(facts, directory):
            yield Problem(
                f"Another Compose project is called {facts.project.name}; its container is {container['name']}.",
                str(directory),
                f"docker compose --project-directory {directory} down, after saving its data")
        elif container["project"] != facts.project.name and str(
                container["name"]).startswith(facts.project.prefix):
            yield Problem(
                "The container {} has one of our names and is not ours.".format(container["name"]), "this host",
                "docker rename {} <another name>".format(container["name"]))


def check_releases(facts):
    """Nothing on the host was written by a newer version of the collection, which this one would misread."""
    for sentence in facts.capacity["deployed"].get("newer") or []:
        yield Problem(sentence, "this host", "use that version of the collection, or a newer one")


def check_clock(facts):
    """The clock is right: signed requests to the object storage are refused when it is off."""
    clock = facts.capacity.get("clock")
    if not clock or facts.now is None:
        return
    offset = clock["epoch_seconds"] - facts.now
    if abs(offset) > CLOCK_TOLERANCE_SECONDS:
        yield Problem(
            "The clock of the host is {:.0f} s {} the controller's.".format(
                abs(offset), "ahead of" if offset > 0 else "behind"), "this host",
            "install and start a time service: apt-get install chrony")


def check_docker(facts):
    """There is an Engine, or may be one."""
    if facts.capacity.get("service_manager") != "systemd":
        yield Problem("The host is not run by systemd.", "this host", "a host whose PID 1 is systemd")
    if not facts.capacity["docker"].get("installed") and "docker" not in facts.all_services:
        yield Problem(
            "There is no Docker Engine on the host.", "this host",
            "the role trenova.selfhost.docker first in the play")
    elif facts.variables.get("docker_source") == "none" and not facts.capacity["docker"].get("installed"):
        yield Problem(
            "There is no Docker Engine on the host, and docker_source is none.", "this host",
            "docker_source: auto; or install Docker Engine 24 and Compose 2.20 or newer")


def check_room(facts):
    """There is room to write at all, whatever was accepted."""
    for path, disk in sorted(facts.capacity.get("disks", {}).items()):
        if disk["free_gb"] < LEAST_FREE_GB:
            yield Problem(
                "The disk is too full: {} GB are free, {} are needed to write anything.".format(
                    disk["free_gb"], LEAST_FREE_GB), "{}, mounted on {}".format(path, disk.get("mount")),
                "free some space (docker image prune removes unused images)")
        elif 0 < disk.get("free_inodes", LEAST_FREE_INODES) < LEAST_FREE_INODES:
            yield Problem(
                "The file system has only {} inodes left.".format(disk["free_inodes"]),
                "{}, mounted on {}".format(path, disk.get("mount")), "remove small files that nobody needs")


def check_directories(facts):
    """Directories of ours are ours: the project's is root's, and those with data belong to their service."""
    for path, owner in sorted((facts.capacity["deployed"].get("owners") or {}).items()):
        wanted = expected_owner(facts, path)
        if wanted is not None and owner != wanted:
            yield Problem(
                f"{path} is not empty and belongs to user {owner}; ours would belong to {wanted}.", "this host",
                f"move it away, or, if it is Trenova's: chown -R {wanted}:{wanted} {path}")


def expected_owner(facts, path):
    """Numeric owner that a directory of ours has; None where we know of none."""
    if path == facts.project.directory:
        return 0
    for service in facts.services.values():
        for entry in service.get("state") or []:
            if path == facts.project.data_path(entry["path"]):
                return entry.get("owner", service.get("user", 0))
    return None


def warnings(facts):
    """Settings of the kernel that are not as they should be and that nobody can change from here."""
    kernel = facts.capacity.get("kernel") or {}
    for name in kernel.get("unwritable") or []:
        least, otherwise = WANTED_SETTINGS[name]
        value = str(kernel.get(name) or "")
        if not value.isdigit() or int(value) < least:
            yield (
                f"{name} is {value or 'unknown'} and cannot be changed here, because the host is a container itself: "
                f"{otherwise}. On the machine that it runs on: sysctl -w {name}={least}, and the same in a file of "
                "/etc/sysctl.d for the next boot.")
