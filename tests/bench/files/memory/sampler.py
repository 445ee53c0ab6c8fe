# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Looks four times a second what memory containers have that cannot be given back, until /root/memory/stop is there.

    sampler.py CONTAINER ...

What cannot be given back is the memory of the cgroup without the page cache of files: heaps, stacks, shared memory and
the kernel's own. Writes {container: {"peak_mb", "limit_mb", "oom_kills", "restarts"}} to /root/memory/peaks.json.
"""

import json
import pathlib
import subprocess
import sys
import time

STOP = pathlib.Path("/root/memory/stop")
CGROUPS = pathlib.Path("/sys/fs/cgroup")
MIB = 1048576


def cgroup_of(container):
    """Directory of the memory controller of a container."""
    pid = subprocess.check_output(["docker", "inspect", "--format", "{{.State.Pid}}", container], text=True).strip()
    for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return CGROUPS / "memory" / path.lstrip("/")
        if not controllers:
            unified = CGROUPS / path.lstrip("/")
    return unified


def number(path):
    """A file with one number."""
    return int(path.read_text())


def pairs(path):
    """A file with a name and a number in each line."""
    return {name: int(value) for name, value in (line.split()[:2] for line in path.read_text().splitlines())}


def look(cgroup):
    """(bytes that cannot be given back, limit in bytes, kills for want of memory) of either version of cgroups."""
    statistics = pairs(cgroup / "memory.stat")
    if (cgroup / "memory.current").exists():
        kept = number(cgroup / "memory.current") - statistics["file"] + statistics["shmem"]
        return kept, number(cgroup / "memory.max"), pairs(cgroup / "memory.events")["oom_kill"]
    kept = number(cgroup / "memory.usage_in_bytes") - statistics["cache"] + statistics["shmem"]
    return kept, number(cgroup / "memory.limit_in_bytes"), pairs(cgroup / "memory.oom_control").get("oom_kill", 0)


def main():
    """Sample until told to stop; the cgroup of a container that ends is gone with what it has counted."""
    found = {name: {"peak_mb": 0, "limit_mb": 0, "oom_kills": 0, "restarts": -1} for name in sys.argv[1:]}
    cgroups, kills = {}, {}
    while not STOP.exists():
        for name, entry in found.items():
            try:
                if name not in cgroups:
                    cgroups[name] = cgroup_of(name)
                    kills[name] = look(cgroups[name])[2]
                    entry["restarts"] += 1
                kept, limit, killed = look(cgroups[name])
            except (OSError, subprocess.CalledProcessError, UnboundLocalError):
                cgroups.pop(name, None)
                continue
            entry["peak_mb"] = max(entry["peak_mb"], round(kept / MIB))
            entry["limit_mb"] = round(limit / MIB)
            entry["oom_kills"] += max(0, killed - kills[name])
            kills[name] = killed
        time.sleep(0.25)
    pathlib.Path("/root/memory/peaks.json").write_text(json.dumps(found))


main()
