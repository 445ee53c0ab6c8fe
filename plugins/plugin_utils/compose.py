# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""From a role's short Compose fragment to the complete one: limits of the plan, hardening, labels.

A role's template says what is its own (image, command, volumes, health check). What every container
of the project has in common is added here, once.
"""

from __future__ import annotations

import hashlib
import json
import re

from ansible_collections.trenova.selfhost.plugins.module_utils import labels
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import disk

#: Engines from this version on probe a starting container in short intervals (start_interval).
START_INTERVAL_ENGINE = (25, 0)

#: Keys of a definition that the Engine can change while the container runs.
LIVE_KEYS = frozenset(("mem_limit", "memswap_limit", "mem_reservation", "cpus", "cpu_shares", "pids_limit"))

#: What the plan counts with.
LOGGING = {"driver": "local", "options": {"max-size": f"{disk.LOG_FILE_MB}m", "max-file": str(disk.LOG_FILES)}}

#: A check that hangs has failed, and one that failed may be an accident.
HEALTH = {"timeout": "5s", "retries": 4}
#: Seconds between checks where the Engine cannot probe a starting container in shorter intervals.
OLD_ENGINE_INTERVAL = 5

#: Docker's client gives containers the proxies of its own configuration, unless they say something themselves. Through
#: one of those, nobody finds the other containers, nor itself.
NO_PROXY = {
    spelt: "" for name in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY")
    for spelt in (name, name.lower())}
#: Label of what several containers may read and write, where SELinux confines them.
SHARED_LABEL = "z"


def version_tuple(text):
    """Numbers of a version: "26.1.5+dfsg1" becomes (26, 1, 5). Absent or odd text becomes (0,)."""
    numbers = []
    for part in re.split("[+-]", str(text or ""), maxsplit=1)[0].split("."):
        digits = "".join(character for character in part if character.isdigit())
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers) or (0,)


def merge(base, addition):
    """Deep merge of mappings; lists are appended, everything else is replaced by the addition."""
    if isinstance(base, dict) and isinstance(addition, dict):
        merged = dict(base)
        for key, value in addition.items():
            merged[key] = merge(base[key], value) if key in base else value
        return merged
    if isinstance(base, list) and isinstance(addition, list):
        return base + [entry for entry in addition if entry not in base]
    return addition


def resources(plan, capacity):
    """Compose keys for the limits that the plan gives to one container."""
    limits = capacity.get("process_limits", {})
    open_files = min(plan["nofile"], limits.get("open_files") or plan["nofile"])
    keys = {
        "mem_limit": "{}m".format(plan["memory_limit_mb"]),
        "memswap_limit": "{}m".format(plan.get("memory_swap_limit_mb", plan["memory_limit_mb"])),
        "mem_reservation": "{}m".format(plan["memory_reservation_mb"]),
        "cpus": plan["cpus"],
        "pids_limit": plan["pids_limit"],
        "ulimits": {"nofile": {"soft": open_files, "hard": open_files}},
        "oom_score_adj": plan["oom_score_adj"] if limits.get("can_lower_oom_score", True) else max(
            0, plan["oom_score_adj"]),
    }
    if plan.get("cpu_shares"):
        keys["cpu_shares"] = plan["cpu_shares"]
    if plan.get("shm_size_mb"):
        keys["shm_size"] = "{}m".format(plan["shm_size_mb"])
    return keys


def health_check(check, engine_version, limits=None):
    """Complete a health check by the plan, so that a start is noticed within a second where the Engine can do that."""
    complete = {"interval": _seconds(limits or {}, "health_interval_seconds", 15), **HEALTH,
                "start_period": _seconds(limits or {}, "start_grace_seconds", 60)}
    complete.update(check)
    if version_tuple(engine_version) >= START_INTERVAL_ENGINE:
        complete.setdefault("start_interval", "1s")
    else:
        complete["interval"] = f"{OLD_ENGINE_INTERVAL}s"
        complete.pop("start_interval", None)
    return complete


def _seconds(limits, name, otherwise):
    """A duration of the plan as Compose writes it; `otherwise` for a role that the plan does not know."""
    return f"{limits.get(name, otherwise)}s"


def hardened(service, limits, role, capacity):
    """A service with the limits, restrictions, log rotation and labels that all containers carry.

    `limits` are those that the plan gives to this kind of container.

    Whatever the fragment says itself wins: an image that needs a capability adds it there, visibly.
    """
    common = {
        "restart": "unless-stopped",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "init": False,
        "logging": LOGGING,
        "labels": {labels.ROLE: role},
    }
    complete = dict(common)
    complete.update(resources(limits, capacity))
    if "stop_grace_seconds" in limits:
        complete["stop_grace_period"] = _seconds(limits, "stop_grace_seconds", None)
    complete.update({key: value for key, value in service.items() if key not in ("labels", "healthcheck")})
    complete["labels"] = dict(common["labels"], **service.get("labels", {}))
    complete["environment"] = without_proxies(service.get("environment"))
    if "healthcheck" in service:
        complete["healthcheck"] = health_check(service["healthcheck"], capacity["docker"]["version"], limits)
    return complete


def without_proxies(environment):
    """An environment that says for each proxy that there is none, where the fragment does not say otherwise."""
    if isinstance(environment, list):
        said = {str(entry).partition("=")[0] for entry in environment}
        return environment + [f"{name}=" for name in NO_PROXY if name not in said]
    return dict(environment or {}, **{name: "" for name in NO_PROXY if name not in (environment or {})})


def labelled(definition, directories):
    """A service whose mounts of these directories, and of what is in them, may be used where SELinux confines it.

    The label is written into the file system. What is not ours is left alone.
    """
    volumes = [_labelled(volume, directories) for volume in definition.get("volumes") or []]
    return dict(definition, volumes=volumes) if volumes else definition


def _labelled(volume, directories):
    if isinstance(volume, dict):
        if volume.get("type") != "bind" or not _is_in(volume.get("source"), directories):
            return volume
        return dict(volume, bind=dict({"selinux": SHARED_LABEL}, **volume.get("bind") or {}))
    source, _colon, rest = volume.partition(":")
    target, _colon, options = rest.partition(":")
    if not _is_in(source, directories) or {"z", "Z"} & {*options.split(",")}:
        return volume
    return ":".join((source, target, ",".join(filter(None, (options, SHARED_LABEL)))))


def _is_in(path, directories):
    return any(path == each or str(path).startswith(each.rstrip("/") + "/") for each in directories)


def is_confined(capacity):
    """Whether the Engine confines its containers by SELinux, as it says itself, or will as it is configured."""
    docker = capacity["docker"]
    if docker.get("engine"):
        return "selinux" in (docker["engine"].get("security") or [])
    settings = docker.get("daemon_json") or {}
    flags = (docker.get("unit") or {}).get("flags") or {}
    return bool(capacity.get("selinux")) and (
        settings.get("selinux-enabled") is True or flags.get("selinux-enabled") == "true")


def job(service, limits, role, capacity):
    """A one-off container: as a service, but never started by `up` and never restarted."""
    # How long the service may take to end says nothing of a job beside it.
    complete = hardened(
        service, {name: value for name, value in limits.items() if name != "stop_grace_seconds"}, role, capacity)
    complete["restart"] = "no"
    complete["profiles"] = ["jobs"]
    return complete


def digest(definition, files, at_next_start=()):
    """Digest of all that a container must be replaced for: its definition and the files it reads at start.

    Limits are no part of it: they are set while it runs; nor is what may wait for the next start: keys of the
    definition and variables of the environment. `files` maps paths to contents. Secrets are among them: the
    digest changes when they do, and tells nothing of them, because it also covers material of high entropy.
    """
    kept = {key: value for key, value in _without_no_proxies(definition).items()
            if key not in LIVE_KEYS and key not in at_next_start}
    if at_next_start:
        kept["environment"] = _without(kept.get("environment") or {}, at_next_start)
    return _digest(kept, files)


def digests_of_first_edition(definition, files, at_next_start=()):
    """The digests that the first edition may have given to the same container, so that it need not restart.

    Limits were part of it, and so were variables of the environment that wait for the next start, where it knew them.
    """
    kept = {key: value for key, value in _without_no_proxies(definition).items() if key not in at_next_start}
    kept["labels"] = {key: value for key, value in definition["labels"].items() if key != labels.DIGEST}
    environment = kept.get("environment") or {}
    without = _without(environment, at_next_start)
    return [_digest(kept, files)] + [_digest(dict(kept, environment=without), files)] * (without != environment)


def _without(environment, names):
    """Variables of an environment, a mapping or a list as Compose takes both, without some."""
    if isinstance(environment, list):
        return [entry for entry in environment if str(entry).partition("=")[0] not in names]
    return {name: value for name, value in environment.items() if name not in names}


def _digest(definition, files):
    payload = json.dumps([definition, sorted(files.items())], sort_keys=True, default=str)
    return hashlib.sha256(payload.encode("utf-8")).hexdigest()[:32]


def _without_no_proxies(definition):
    """A definition without what it says of proxies that are not there, which is no reason to replace a container."""
    environment = definition.get("environment") or {}
    if isinstance(environment, list):
        kept = [entry for entry in environment if str(entry) not in {f"{name}=" for name in NO_PROXY}]
    else:
        kept = {name: value for name, value in environment.items() if name not in NO_PROXY or value != ""}
    if kept:
        return dict(definition, environment=kept)
    return {key: value for key, value in definition.items() if key != "environment"}


def with_places(fragment, places):
    """A fragment in which the Engine does not make a directory of data that is gone: an empty one is another's.

    places: directories of data; what lies below one is data, too. No part of a container's digest.
    """
    services = {
        name: dict(definition, volumes=[_place(volume, places) for volume in definition["volumes"]])
        if "volumes" in definition else definition
        for name, definition in fragment["services"].items()}
    return dict(fragment, services=services)


def _place(volume, places):
    words = volume.split(":") if isinstance(volume, str) else []
    if len(words) not in (2, 3) or words[2:] not in ([], ["ro"], ["rw"]) or not any(
            (words[0] + "/").startswith(place + "/") for place in places):
        return volume
    return {
        "type": "bind", "source": words[0], "target": words[1], **({"read_only": True} if words[2:] == ["ro"] else {}),
        "bind": {"create_host_path": False}}


def live_limits(definition):
    """The limits of a definition as the Engine reports and sets them: bytes, billionths of a core, numbers."""
    cpus = definition.get("cpus")
    return {
        "memory": size_bytes(definition.get("mem_limit")),
        "memory_swap": size_bytes(definition.get("memswap_limit")),
        "memory_reservation": size_bytes(definition.get("mem_reservation")),
        "nano_cpus": None if cpus is None else round(float(cpus) * 1e9),
        "cpu_shares": definition.get("cpu_shares"),
        "pids_limit": definition.get("pids_limit"),
    }


def size_bytes(text):
    """Bytes of a size in Compose's notation (512m, 1.5g, bytes); None when absent or not understood."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)b?", str("" if text is None else text).lower())
    if not match:
        return None
    return int(float(match.group(1)) * 1024 ** " kmgt".index(match.group(2) or " "))
