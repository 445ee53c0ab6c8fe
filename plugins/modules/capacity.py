#!/usr/bin/python
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: capacity
short_description: Measure a host once, for planning and preflight
version_added: 0.1.0
description:
  - Measures in one execution all that the plan and the preflight checks need to know of a host.
  - For a user who is not root, only who that is.
  - Changes nothing.
options:
  data_dir:
    description: Directory that holds (or will hold) the data of the services.
    type: path
    default: /var/lib/trenova
  project_dir:
    description: Directory of the Compose project.
    type: path
    default: /opt/trenova
  paths:
    description: Further paths whose file systems are measured, those of backups for instance.
    type: list
    elements: path
    default: []
extends_documentation_fragment:
  - trenova.selfhost.attributes
  - trenova.selfhost.attributes.read_only
author:
  - Trenova self-host contributors (@trenova-selfhost)
"""

EXAMPLES = r"""
- name: Measure the host
  trenova.selfhost.capacity:
  register: measured
"""

RETURN = r"""
capacity:
  description: The measurement. Sizes carry their unit in the name.
  returned: always
  type: dict
  contains:
    cores:
      description: CPU cores that containers may use, limits of the host's own cgroup included.
      type: float
      returned: always
    memory_mb:
      description: Memory in MiB that containers may use, limits of the host's own cgroup included.
      type: int
      returned: always
"""

import json
import os
import platform
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.trenova.selfhost.plugins.module_utils import engine, host, labels, whereabouts
from ansible_collections.trenova.selfhost.plugins.module_utils.converge import releases
from ansible_collections.trenova.selfhost.plugins.module_utils.converge.tools import Engine

DOCKER_COMMANDS = {
    "version": ("version", "--format", "{{json .}}"),
    "compose": ("compose", "version", "--short"),
    "containers": ("ps", "--all", "--no-trunc", "--format", "{{json .}}"),
    "images": ("images", "--digests", "--no-trunc", "--format", "{{json .}}"),
}


def answer(arguments):
    """What a docker command prints, or None when it is missing, fails or hangs."""
    try:
        return engine.docker(*arguments, seconds=20).stdout
    except engine.EngineError:
        return None


def json_lines(text):
    """Objects of an output that holds one JSON document per line."""
    return [json.loads(line) for line in (text or "").splitlines() if line.strip()]


def engine_facts(version, compose):
    """Versions of the Engine and of Compose, None where absent."""
    server = (json.loads(version) or {}).get("Server") if version else None
    return {
        "installed": shutil.which("dockerd") is not None,
        "version": (server or {}).get("Version"),
        "api_version": (server or {}).get("ApiVersion"),
        "compose_version": (compose or "").strip().lstrip("v") or None,
        "daemon_json": host.read_json("/etc/docker/daemon.json"),
    }


def container_facts(listing):
    """What the Engine runs: name, project, image, state, digest of its definition and the ports that it publishes."""
    containers = []
    for entry in json_lines(listing):
        found = dict(pair.split("=", 1) for pair in entry.get("Labels", "").split(",") if "=" in pair)
        containers.append({
            "name": entry.get("Names"),
            "image": entry.get("Image"),
            "state": entry.get("State"),
            "project": found.get("com.docker.compose.project"),
            "one_off": found.get("com.docker.compose.oneoff") == "True",
            "role": found.get(labels.ROLE),
            "digest": found.get(labels.DIGEST),
            "working_dir": found.get("com.docker.compose.project.working_dir"),
            "ports": entry.get("Ports", ""),
        })
    return sorted(containers, key=lambda container: container["name"] or "")


def image_facts(listing):
    """Images on the host: {reference: id}, by tag and by digest."""
    found = {}
    for entry in json_lines(listing):
        for separator, part in ((":", entry["Tag"]), ("@", entry.get("Digest", "<none>"))):
            if part != "<none>":
                found[entry["Repository"] + separator + part] = entry["ID"]
    return found


def measure(data_dir, project_dir, paths):
    """Everything, with the slow commands of Docker side by side."""
    with ThreadPoolExecutor(len(DOCKER_COMMANDS)) as pool:
        answers = {name: pool.submit(answer, command) for name, command in DOCKER_COMMANDS.items()}
        facts = host_facts(data_dir, project_dir, paths)
    docker = {name: future.result() for name, future in answers.items()}
    facts["docker"] = engine_facts(docker["version"], docker["compose"])
    facts["containers"] = container_facts(docker["containers"])
    facts["images"] = image_facts(docker["images"])
    return facts


def released(project_dir):
    """What of ours is on the host already, by its state files, and which services are as those say."""
    found = releases.measure(project_dir, Engine(project_dir))
    return {
        "services": found["services"], "plan": found["plan"], "files": found["files"], "unchanged": found["unchanged"],
        "newer": found["newer"],
        "images": found["host"].get("images") or {},
        # Names only: what belongs to them stays on the host.
        "registry_logins": sorted(found["host"].get("registry_logins") or {}),
        "disk_free_gb_before": found["host"].get("disk_free_gb_before"),
        "members": found["host"].get("members") or {},
        "ca_certificate": authority_of(found["services"]),
    }


def authority_of(services):
    """Certificate of the authority that visitors of the entrance must know, as it lies on the host; None without."""
    paths = [((service.get("entrance") or {}).get("authority") or {}).get("path") for service in services.values()]
    return next((host.read_text(path) for path in paths if path), None)


def host_facts(data_dir, project_dir, paths):
    """What the host has, Docker aside."""
    disk = host.disk(data_dir)
    facts = {
        "cores": host.cores(),
        "memory_mb": host.memory_mb(),
        "swap_mb": host.meminfo_mb("SwapTotal"),
        "disk_free_gb": disk["free_gb"],
        "disk_total_gb": disk["total_gb"],
        "disk_kind": disk["kind"],
        "disk_filesystem": disk["filesystem"],
        "disks": {path: host.disk(path) for path in sorted({data_dir, project_dir, "/var/lib/docker", *paths})},
        "architecture": platform.machine(),
        "distribution": host.distribution(),
        "kernel": host.kernel(),
        "cgroup_version": host.cgroup_version(),
        "process_limits": host.process_limits(),
        "service_manager": "systemd" if os.path.isdir("/run/systemd/system") else None,
        "clock": {"synchronized": host.clock_synchronized(), "epoch_seconds": time.time()},
        "listeners": host.listeners(),
        "ssh_address": host.ssh_address(),
        "deployed": dict(host.data_of(data_dir, project_dir), **released(project_dir)),
    }
    first_free = facts["deployed"]["disk_free_gb_before"]
    facts["disk_used_by_trenova_gb"] = round(max(0.0, first_free - disk["free_gb"]), 1) if first_free else 0.0
    return facts


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "data_dir": {"type": "path", "default": "/var/lib/trenova"},
            "project_dir": {"type": "path", "default": "/opt/trenova"},
            "paths": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    parameters, user = module.params, whereabouts.user()
    if user["uid"] != 0:
        module.exit_json(changed=False, capacity={"user": user})
    found = measure(parameters["data_dir"], parameters["project_dir"], parameters["paths"])
    directories = {container["working_dir"] for container in found["containers"] if container["working_dir"]}
    module.exit_json(changed=False, capacity=dict(
        found, user=user, real_paths=whereabouts.real_paths([parameters["project_dir"], *directories])))


if __name__ == "__main__":
    main()
