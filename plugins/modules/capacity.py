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
  users:
    description: Numbers of the users of containers, which nobody of the host should have.
    type: list
    elements: int
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
      description: CPU cores that containers may use, with the limits of all control groups that they are in.
      type: float
      returned: always
    memory_mb:
      description: Memory in MiB that containers may use, with the limits of all control groups that they are in.
      type: int
      returned: always
    disk_kind:
      description:
        - What the data lies on, V(ssd), V(nvme), V(hdd) or V(unknown), of several disks the slowest. LVM, RAID, loops
          and file systems are followed to the disks below.
        - A disk of a virtual machine is V(unknown) where it says that it rotates, which all of them do unless told
          otherwise.
      type: str
      returned: always
"""

import os
import platform
import time
from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.trenova.selfhost.plugins.module_utils import (
    accounts,
    addresses,
    engine_facts,
    host,
    mounts,
    network_facts,
    package_facts,
    whereabouts,
)
from ansible_collections.trenova.selfhost.plugins.module_utils.converge import releases
from ansible_collections.trenova.selfhost.plugins.module_utils.converge.tools import Engine
from ansible_collections.trenova.selfhost.plugins.module_utils.files import attributes_of

#: Where the Engine keeps images and containers when nobody has told it otherwise.
ENGINE_DIRECTORY = "/var/lib/docker"


def measure(data_dir, project_dir, paths, users=()):
    """Everything, with the slow questions side by side."""
    with ThreadPoolExecutor(3) as pool:
        packages = pool.submit(package_facts.measure)
        known = pool.submit(released, project_dir)
        docker, containers, images, networks = engine_facts.measure()
        facts = host_facts(data_dir, project_dir, paths, docker)
        facts["deployed"] = dict(host.data_of(data_dir, project_dir), **known.result())
        facts["packages"] = packages.result()
    # Asked of a directory of the company's, which may take its time, on hosts that have one.
    facts["people"] = accounts.people(users)
    facts["docker_group"] = accounts.number_of_group("docker")
    facts.update(docker=docker, containers=containers, images=images, networks=networks)
    first_free = facts["deployed"]["disk_free_gb_before"]
    facts["disk_used_by_trenova_gb"] = round(max(0.0, first_free - facts["disk_free_gb"]), 1) if first_free else 0.0
    return facts


def released(project_dir):
    """What of ours is on the host already, by its state files, and which services are as those say."""
    found = releases.measure(project_dir, Engine(project_dir))
    return {
        "services": found["services"], "plan": found["plan"], "files": found["files"], "unchanged": found["unchanged"],
        "differing": found["differing"], "places": found["places"],
        "newer": found["newer"],
        "images": found["host"].get("images") or {},
        # Names only: what belongs to them stays on the host.
        "registry_logins": sorted(found["host"].get("registry_logins") or {}),
        "disk_free_gb_before": found["host"].get("disk_free_gb_before"),
        "members": found["host"].get("members") or {},
        "ca_certificate": authority_of(found["services"]),
        "certificates": certificates_of(found["services"]),
    }


def authority_of(services):
    """Certificate of the authority that visitors of the entrance must know, as it lies on the host; None without."""
    paths = [((service.get("entrance") or {}).get("authority") or {}).get("path") for service in services.values()]
    return next((host.read_text(path) for path in paths if path), None)


def certificates_of(services):
    """Host names with a certificate of an ACME authority; None where an older edition has not said where they lie."""
    entrances = [service["entrance"] for service in services.values() if service.get("entrance")]
    if any("acme" not in entrance for entrance in entrances):
        return None
    places = [entrance["acme"]["certificates"] for entrance in entrances if entrance["acme"]]
    return sorted({name for place in places for name in host.certificates(place)})


def configured(docker, key, flag=None):
    """A setting of the Engine, from its file or a flag; None where neither says it."""
    found = docker["daemon_json"] if isinstance(docker["daemon_json"], dict) else {}
    return found.get(key, (docker["unit"].get("flags") or {}).get(flag or key))


def share(path):
    """To whom a directory belongs that may lie on a share, or what it will be made in."""
    mode, owner, group = attributes_of(host.nearest_existing(path))
    return {"mode": f"{mode:04o}", "owner": owner, "group": group}


def host_facts(data_dir, project_dir, paths, docker):
    """What the host has, beside what is installed and deployed on it."""
    disk, engine = host.disk(data_dir), docker["engine"] or {}
    shares = {path: share(path) for path in paths}
    group = host.container_group(engine.get("cgroup_driver"), configured(docker, "cgroup-parent"))
    images_dir = engine.get("root_dir") or configured(docker, "data-root") or ENGINE_DIRECTORY
    return {
        "cores": host.cores(group),
        "memory_mb": host.memory_mb(group),
        "swap_mb": host.meminfo_mb("SwapTotal"),
        "disk_free_gb": disk["free_gb"],
        "disk_total_gb": disk["total_gb"],
        "disk_kind": disk["kind"],
        "disk_filesystem": disk["filesystem"],
        "disks": {path: dict(host.disk(path), **shares.get(path, {}), absent=mounts.absent(path))
                  for path in sorted({data_dir, project_dir, images_dir, *paths})},
        "architecture": platform.machine(),
        "distribution": host.distribution(),
        "kernel": dict(host.kernel(), unwritable=host.unwritable_settings()),
        "selinux": host.selinux(),
        "cgroup_version": host.cgroup_version(),
        "process_limits": host.process_limits(),
        "service_manager": "systemd" if os.path.isdir("/run/systemd/system") else None,
        "clock": {"synchronized": host.clock_synchronized(), "epoch_seconds": time.time()},
        "listeners": host.listeners(),
        "routes": network_facts.routes(),
        "nameservers": network_facts.nameservers(),
        "ipv6_addresses": addresses.ipv6_addresses(),
        **addresses.by_ssh(),
    }


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "data_dir": {"type": "path", "default": "/var/lib/trenova"},
            "project_dir": {"type": "path", "default": "/opt/trenova"},
            "paths": {"type": "list", "elements": "path", "default": []},
            "users": {"type": "list", "elements": "int", "default": []},
        },
        supports_check_mode=True,
    )
    parameters, user = module.params, whereabouts.user()
    if user["uid"] != 0:
        module.exit_json(changed=False, capacity={"user": user})
    found = measure(parameters["data_dir"], parameters["project_dir"], parameters["paths"], parameters["users"])
    directories = {container["working_dir"] for container in found["containers"] if container["working_dir"]}
    module.exit_json(changed=False, capacity=dict(
        found, user=user, real_paths=whereabouts.real_paths([parameters["project_dir"], *directories])))


if __name__ == "__main__":
    main()
