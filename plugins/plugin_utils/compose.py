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

#: Engines from this version on probe a starting container in short intervals (start_interval).
START_INTERVAL_ENGINE = (25, 0)

#: Key of a fragment's container that says of which kind it is, where it is not the main one.
CONTAINER_KIND = "x-container"

LOGGING = {"driver": "local", "options": {"max-size": "10m", "max-file": "3"}}


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
    """Compose keys for the limits that the plan gives to one container.

    The swap limit equals the memory limit: a service that swaps is slower than one that is restarted.
    """
    limits = capacity.get("process_limits", {})
    open_files = min(plan["nofile"], limits.get("open_files") or plan["nofile"])
    keys = {
        "mem_limit": "{}m".format(plan["memory_limit_mb"]),
        "memswap_limit": "{}m".format(plan["memory_limit_mb"]),
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


def health_check(check, engine_version):
    """Complete a health check so that a start is noticed within a second where the Engine can do that."""
    complete = {"interval": "15s", "timeout": "5s", "retries": 4, "start_period": "60s"}
    complete.update(check)
    if version_tuple(engine_version) >= START_INTERVAL_ENGINE:
        complete.setdefault("start_interval", "1s")
    else:
        complete["interval"] = "5s"
        complete.pop("start_interval", None)
    return complete


def hardened(service, containers, role, capacity):
    """A service with the limits, restrictions, log rotation and labels that all containers carry.

    `containers` has the limits of each kind of container, of which the service says its own.

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
    complete.update(resources(containers[service.get(CONTAINER_KIND, "main")], capacity))
    complete.update({
        key: value for key, value in service.items() if key not in ("labels", "healthcheck", CONTAINER_KIND)})
    complete["labels"] = dict(common["labels"], **service.get("labels", {}))
    if "healthcheck" in service:
        complete["healthcheck"] = health_check(service["healthcheck"], capacity["docker"]["version"])
    return complete


def job(service, containers, role, capacity):
    """A one-off container: as a service, but never started by `up` and never restarted."""
    complete = hardened(service, containers, role, capacity)
    complete["restart"] = "no"
    complete["profiles"] = ["jobs"]
    return complete


def digest(definition, files):
    """Digest of all that a container must be replaced for: its definition and the files it reads at start.

    `files` maps paths to contents. Secrets are among them: the digest changes when they do, and tells nothing
    of them, because it also covers material of high entropy.
    """
    payload = json.dumps([definition, sorted(files.items())], sort_keys=True, default=str)
    return hashlib.sha256(payload.encode("utf-8")).hexdigest()[:32]
