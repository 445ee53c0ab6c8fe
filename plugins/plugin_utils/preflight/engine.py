# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can be wrong with the Engine that a host has already: one that is not ours to use, or would not start again."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.plugin_utils import daemon_json
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.model import Problem

CONFIGURATION = "/etc/docker/daemon.json"
SOCKET = "/run/docker.sock"
UNIT = "docker.service"
#: Programs that answer for Docker and are not: word in what they are called, what they are, what to write instead.
SUBSTITUTES = (
    ("podman", "Podman", "remove the package podman-docker; systemctl disable --now podman.socket"),
    ("docker desktop", "Docker Desktop, in a virtual machine of its own", "quit and remove Docker Desktop"),
)


def check_kind(facts):
    """What answers is Docker Engine, run by root on this very host: what it is told of files and users holds here."""
    docker = facts.capacity["docker"]
    engine = docker.get("engine") or {}
    if (docker.get("snap") and not docker.get("installed")) or str(engine.get("root_dir")).startswith("/var/snap/"):
        yield Problem(
            "Docker is a snap on this host: it sees neither /opt nor /var/lib, and has a configuration of its own.",
            "snap list docker",
            "save what is in its volumes, then: snap remove docker; Docker is installed as packages then")
        return
    named = " ".join(str(engine.get(key)) for key in ("product", "operating_system")).lower()
    for word, what, remedy in SUBSTITUTES:
        if word in named:
            yield Problem(f"What answers at {SOCKET} is {what}.", "this host", remedy)
            return
    security = engine.get("security") or []
    if "rootless" in security:
        yield Problem(
            f"The Engine that answers at {SOCKET} does not run as root (rootless): users of its containers are others.",
            SOCKET, f"remove what leads {SOCKET} there; systemctl enable --now docker.socket")
        return
    if "userns" in security or _said(docker, "userns-remap"):
        yield Problem(
            "The Engine gives containers other users on the host (userns-remap): they could not write their own data.",
            f"userns-remap in {CONFIGURATION}, or among the flags of dockerd",
            "take it out (images and volumes of before stay in a directory of their own); or another host")


def check_unit(facts):
    """The Engine is started by systemd, so that it can be configured, and is there after a boot."""
    docker = facts.capacity["docker"]
    unit, engine = docker.get("unit"), docker.get("engine")
    if unit is None or facts.capacity.get("service_manager") != "systemd":
        return
    if unit.get("load") == "masked":
        yield Problem(
            f"{UNIT} is masked: nobody can start the Engine.", "this host",
            "systemctl unmask docker.service docker.socket")
    elif engine and unit.get("active") not in ("active", "reloading", "activating") and not list(check_kind(facts)):
        yield Problem(
            f"The Engine that answers at {SOCKET} is not started by {UNIT}.", "this host",
            f"stop it; it is started by {UNIT} then, with the same containers where its data is in /var/lib/docker")
    elif not engine and docker.get("installed") and unit.get("active") == "active":
        yield Problem(
            f"The Engine runs and does not answer at {SOCKET}.",
            f"hosts in {CONFIGURATION}, or --host among the flags of dockerd", f"add unix://{SOCKET} to it")


def check_configuration(facts):
    """The Engine would start again with the configuration that it has."""
    docker = facts.capacity["docker"]
    found = docker.get("daemon_json")
    if found and "unreadable" in found:
        yield Problem(
            "/etc/docker/daemon.json is no valid JSON: {}".format(found["unreadable"]), "this host",
            "mend or remove the file")
        return
    file = daemon_json.flags_of(docker).get("config-file")
    if file not in (None, CONFIGURATION):
        yield Problem(
            f"dockerd reads {file}, and not {CONFIGURATION}.", "--config-file among the flags of dockerd",
            f"the same settings in {CONFIGURATION}, without that flag")
    for what, remedy in daemon_json.faults(found or {}, docker):
        yield Problem(f"The Engine would not start again: {what}.", CONFIGURATION, remedy)


def warnings(facts):
    """What a reader should know of the Engine and of root's docker command, and need do nothing about."""
    docker = facts.capacity["docker"]
    command_line = docker.get("command_line") or {}
    if command_line.get("proxies"):
        yield (
            "Docker gives containers the proxies of {}; those of Trenova are told to use none. What needs one to reach "
            "the Internet gets it as environment in <service>_compose_extra.".format(command_line["path"]))
    elsewhere = command_line.get("host") or command_line.get("context")
    if elsewhere and elsewhere not in (f"unix://{SOCKET}", f"unix:///var{SOCKET}"):
        yield (
            f"Docker commands of root go to another Engine by themselves ({elsewhere}). Everything here is done with "
            f"that of {SOCKET}; by hand: DOCKER_HOST=unix://{SOCKET} docker ...")
    applied = (facts.capacity.get("deployed") or {}).get("daemon_json")
    if not daemon_json.may_restart(daemon_json.readable(docker.get("daemon_json")), applied, docker):
        why = "is a node of a swarm, where live-restore cannot be" if daemon_json.in_swarm(docker) else (
            "has live-restore switched off")
        yield (
            f"The Engine {why}: a restart would end all containers, so it is not restarted. docker_address_pools and "
            "docker_log_* are left out; in docker_daemon_extra they are set all the same.")
    if _said(docker, "iptables") in (False, "false"):
        yield (
            "The Engine makes no rules in the firewall (iptables: false): that published ports answer, and containers "
            "reach other hosts, is yours to see to.")


def _said(docker, key):
    """A setting of the Engine, from its file or a flag; None where neither says it."""
    found = daemon_json.readable(docker.get("daemon_json")) or {}
    return found.get(key, daemon_json.flags_of(docker).get(key))
