# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the Engine of a host is: what it says of itself, how it is started, its configuration, what it runs, its client.

Everything is asked once and nothing is changed. What is not there is None or empty; whether that is a fault, the
preflight says.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.trenova.selfhost.plugins.module_utils import docker_logins, engine, host, labels

CONFIGURATION = "/etc/docker/daemon.json"
#: How long the Engine may take to answer; a measurement waits for nobody longer.
SECONDS = 20
UNIT = "docker.service"
UNIT_PROPERTIES = (
    "LoadState", "ActiveState", "UnitFileState", "FragmentPath", "MainPID", "ExecStart", "Environment",
    "EnvironmentFiles")
#: One-letter flags of dockerd.
SHORT_FLAGS = {
    "b": "bridge", "D": "debug", "g": "data-root", "G": "group", "H": "host", "l": "log-level", "p": "pidfile",
    "s": "storage-driver"}
#: Flags of dockerd that stand for true without a value; the next word is none of theirs.
SWITCHES = frozenset((
    "allow-direct-routing", "cri-containerd", "debug", "experimental", "icc", "init", "ip-forward",
    "ip-forward-no-drop", "ip-masq", "ip6tables", "iptables", "ipv6", "live-restore", "no-new-privileges", "raw-logs",
    "restart", "rootless", "selinux-enabled", "tls", "tlsverify", "userland-proxy", "validate"))
#: Flags whose values are told. Others may hold a password, in the address of a proxy for instance.
TOLD_FLAGS = SWITCHES | frozenset((
    "bip", "bridge", "cgroup-parent", "config-file", "data-root", "default-address-pool", "host", "log-driver",
    "storage-driver", "userns-remap"))
SNAPSHOTTER = ["driver-type", "io.containerd.snapshotter.v1"]


def measure():
    """(facts of Docker, containers, {reference of an image: id}, networks), all of it asked side by side."""
    asked = {
        "info": engine.information, "version": engine.versions, "containers": engine.all_containers,
        "images": engine.all_images, "networks": engine.all_networks, "compose": _compose_version, "unit": _unit}
    with ThreadPoolExecutor(len(asked)) as pool:
        answers = {name: pool.submit(_answer, ask) for name, ask in asked.items()}
    found = {name: answer.result() for name, answer in answers.items()}
    return (
        docker(found["info"], found["version"], found["compose"], found["unit"] or {}),
        containers(found["containers"] or []), images(found["images"] or []), networks(found["networks"] or []))


def _answer(ask):
    """What a question yields, or None where it fails or nobody answers."""
    try:
        return ask(seconds=SECONDS)
    except engine.EngineError:
        return None


def _compose_version(seconds):
    return engine.docker("compose", "version", "--short", seconds=seconds).stdout.strip().lstrip("v")


def docker(info, version, compose_version, unit):
    """What is known of the Engine, of how it is started and configured, and of root's client."""
    program = shutil.which("dockerd")
    return {
        "installed": program is not None,
        # One that does not run is asked itself.
        "version": (version or {}).get("Version"),
        "installed_version": (version or {}).get("Version") or _version_of(program),
        "api_version": (version or {}).get("ApiVersion"),
        "compose_version": compose_version or None,
        "daemon_json": configuration(),
        "program": os.path.realpath(program) if program else None,
        "snap": os.path.exists("/snap/bin/docker") or os.path.exists("/var/lib/snapd/snap/bin/docker"),
        "engine": of_engine(info, version),
        "unit": unit,
        "command_line": command_line(),
    }


def configuration(path=CONFIGURATION):
    """Content of the Engine's file; None when absent, {"unreadable": reason} when it cannot be read."""
    found = host.read_json(path)
    return found if found is None or isinstance(found, dict) else {"unreadable": "it holds no object"}


def _version_of(program):
    if program is None:
        return None
    try:
        done = engine.run([program, "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = done.stdout.replace(",", " ").split()
    return words[words.index("version") + 1] if "version" in words[:-1] else None


def of_engine(info, version):
    """What the Engine says of itself; None where it does not answer.

    security: names of what confines its containers, among them `selinux`, `userns` and `rootless`. image_store:
    containerd where images are identified by their manifests, docker where by their configurations.
    """
    if not info:
        return None
    parts = [str(part.get("Name", "")) for part in (version or {}).get("Components") or []]
    options = [dict(pair.split("=", 1) for pair in text.split(",") if "=" in pair) for text in
               info.get("SecurityOptions") or []]
    return {
        "product": next((name for name in parts if "podman" in name.lower()), "Docker"),
        "operating_system": info.get("OperatingSystem"),
        "swarm": (info.get("Swarm") or {}).get("LocalNodeState") or "inactive",
        "storage_driver": info.get("Driver"),
        "image_store": "containerd" if SNAPSHOTTER in (info.get("DriverStatus") or []) else "docker",
        "root_dir": info.get("DockerRootDir"),
        "log_driver": info.get("LoggingDriver"),
        "cgroup_driver": info.get("CgroupDriver"),
        "live_restore": bool(info.get("LiveRestoreEnabled")),
        "security": sorted(option["name"] for option in options if "name" in option),
    }


def command_line():
    """What root's docker command is told: proxies that it gives to containers, by name, and another Engine to go to."""
    path = docker_logins.config_path()
    found = host.read_json(path)
    found = found if isinstance(found, dict) and "unreadable" not in found else {}
    proxies = found.get("proxies") if isinstance(found.get("proxies"), dict) else {}
    named = {name for entry in proxies.values() if isinstance(entry, dict) for name, value in entry.items() if value}
    context = found.get("currentContext")
    return {
        "path": path,
        "proxies": sorted(named),
        "context": context if context not in ("", "default") else None,
        "host": os.environ.get("DOCKER_HOST"),
    }


# -- How it is started ------------------------------------------------------------------------------------------------


def _unit(seconds):
    """What systemd knows of the Engine's unit: its state, and the flags that dockerd is started with."""
    try:
        done = engine.run(
            ["systemctl", "show", UNIT, "--property", ",".join(UNIT_PROPERTIES)], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, timeout=seconds)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return of_unit(done.stdout)


def of_unit(text):
    """The same, of what `systemctl show` prints; {} where there is nothing to be said."""
    lines = [line.partition("=") for line in text.splitlines()]
    found = {name: value for name, _separator, value in lines}
    if found.get("LoadState") in (None, "", "not-found"):
        return {}
    starts = [value for name, _separator, value in lines if name == "ExecStart"]
    variables = _variables([value for name, _separator, value in lines if name in ("Environment", "EnvironmentFiles")])
    pid = found.get("MainPID", "0")
    running = (host.read_text(f"/proc/{pid}/cmdline") or "").split("\0")[1:] if pid != "0" else []
    return {
        "load": found["LoadState"],
        "active": found.get("ActiveState"),
        "enabled": found.get("UnitFileState"),
        "path": found.get("FragmentPath"),
        # What it runs with, and what it would be started with next.
        "flags": {**flags(running), **flags(_words(starts[-1], variables) if starts else [])},
    }


def _variables(values):
    """Variables of a unit: those that it names, and above them those of the files that it reads."""
    pairs, files = [], []
    for value in values:
        for word in _split(value):
            if "=" in word and not word.startswith(("/", "(")):
                pairs.append(word)
            elif word.startswith("/"):
                files.append(word)
    for path in files:
        lines = (host.read_text(path) or "").splitlines()
        pairs += [line.strip() for line in lines if "=" in line and not line.strip().startswith(("#", ";"))]
    known = {}
    for name, _separator, value in (pair.partition("=") for pair in pairs):
        known[name.strip()] = " ".join(_split(value.strip(), whole=True))
    return known


def _split(text, whole=False):
    """Words of a text in which quotes may stand; where they do not match, as it is."""
    try:
        return shlex.split(text)
    except ValueError:
        return [text] if whole else text.split()


def _words(start, variables):
    """Words after the program of an ExecStart as systemd prints it, with variables put in."""
    text = start.partition("argv[]=")[2].partition(" ; ")[0]
    words = []
    for word in text.split()[1:]:
        name = word.strip("${}") if word.startswith("$") else None
        if name is None:
            words.append(word)
        else:
            words += _split(variables.get(name, ""))
    return words


def flags(words):
    """{flag of dockerd, by its long name: its value where that may be told, True else}."""
    found, rest = {}, list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-":
            continue
        name, separator, value = word.lstrip("-").partition("=")
        if not word.startswith("--"):
            name, separator, value = _short(name, separator, value)
        if not separator and name not in SWITCHES and rest and not rest[0].startswith("-"):
            value = rest.pop(0)
        elif not separator:
            value = "true"
        found[name] = value if name in TOLD_FLAGS else True
    return found


def _short(name, separator, value):
    """A one-letter flag, its value behind it without a sign between."""
    long, behind = SHORT_FLAGS.get(name[:1], name), name[1:]
    return (long, "=", behind) if behind and long != name else (long, separator, value)


# -- What it has ------------------------------------------------------------------------------------------------------


def containers(listing):
    """What the Engine runs: name, project, image, state, digest of its definition and the ports that it publishes."""
    found = []
    for entry in listing:
        told = entry.get("Labels") or {}
        found.append({
            "name": ",".join(name.lstrip("/") for name in entry.get("Names") or []) or None,
            "image": entry.get("Image"),
            "state": entry.get("State"),
            "project": told.get("com.docker.compose.project"),
            "one_off": told.get("com.docker.compose.oneoff") == "True",
            "role": told.get(labels.ROLE),
            "digest": told.get(labels.DIGEST),
            "working_dir": told.get("com.docker.compose.project.working_dir"),
            "swarm_service": told.get("com.docker.swarm.service.name"),
            "ports": _ports(entry.get("Ports") or []),
        })
    return sorted(found, key=lambda container: container["name"] or "")


def _ports(entries):
    """Ports in the words of `docker ps`: 0.0.0.0:80->80/tcp."""
    told = ["{}:{}->{}/{}".format(entry.get("IP", ""), entry["PublicPort"], entry["PrivatePort"], entry["Type"])
            for entry in entries if entry.get("PublicPort")]
    return ", ".join(sorted(told))


def images(listing):
    """Images on the host: {reference: id}, by tag and by digest."""
    return {
        reference: entry["Id"] for entry in listing
        for reference in [*(entry.get("RepoTags") or []), *(entry.get("RepoDigests") or [])]
        if "<none>" not in reference}


def networks(listing):
    """Networks of the Engine: name, project, whether it has IPv6, and ranges of addresses."""
    return sorted((
        {
            "name": entry.get("Name"),
            "project": (entry.get("Labels") or {}).get("com.docker.compose.project"),
            "ipv6": bool(entry.get("EnableIPv6")),
            "subnets": [part["Subnet"] for part in (entry.get("IPAM") or {}).get("Config") or [] if part.get("Subnet")],
        }
        for entry in listing), key=lambda network: network["name"] or "")
