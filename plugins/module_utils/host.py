# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a Linux host says of itself, read from /proc, /sys and a few files.

Every function reads and returns; none raises for a file that is absent, because an older
kernel or another distribution is a finding for the preflight, not a failure of the measurement.
"""

from __future__ import annotations

import ctypes
import glob
import json
import os
import re
import socket

from ansible_collections.trenova.selfhost.plugins.module_utils import disks, mounts

CGROUP_ROOT = "/sys/fs/cgroup"
#: Linux reports a huge number for "no limit" in cgroup v1.
UNLIMITED = 1 << 60
STA_UNSYNC = 0x0040
CAP_SYS_RESOURCE = 24
TCP_LISTEN = "0A"


def read_text(path):
    """Content of a file without surrounding white space, or None."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read().strip()
    except OSError:
        return None


def read_json(path):
    """Content of a JSON file; None when absent, {"unreadable": reason} when it cannot be parsed."""
    text = read_text(path)
    if text is None:
        return None
    try:
        # Editors of some systems begin a file with a mark, which Docker takes.
        return json.loads(text.lstrip("\ufeff") or "{}")
    except ValueError as error:
        return {"unreadable": str(error)}


def container_group(driver=None, parent=None):
    """The control group that the Engine puts containers into, below that of the whole host.

    driver: the Engine's (systemd or cgroupfs), what it would take by itself when None. parent: its cgroup-parent, if
    one is set. A slice is below those that its name begins with: a-b.slice in a.slice.
    """
    if driver is None:
        driver = "systemd" if cgroup_version() == 2 else "cgroupfs"
    if driver != "systemd":
        return parent or "docker"
    words = (parent or "system.slice").rpartition("/")[2].rpartition(".slice")[0].split("-")
    return "/".join("-".join(words[:count]) + ".slice" for count in range(1, len(words) + 1))


def _groups(controller, group):
    """Directories of a control group of the host and of all that enclose it.

    They begin where the first process of the host is. That of whoever measures may be bounded for itself: a login is
    in user.slice. Where the host is a container, its own bounds are those of the outermost.
    """
    for line in (read_text("/proc/1/cgroup") or "").splitlines():
        _number, controllers, path = line.split(":", 2)
        unified = controllers == ""
        if not unified and controller not in controllers.split(","):
            continue
        base = CGROUP_ROOT if unified else os.path.join(CGROUP_ROOT, controller)
        parts = [part for part in path.split("/") if part]
        if parts[-1:] == ["init.scope"]:
            parts.pop()
        parts += [part for part in group.split("/") if part]
        for depth in range(len(parts), -1, -1):
            yield os.path.join(base, *parts[:depth])


def _group_values(controller, name, group):
    """(directory, text) of a file of these control groups, where it exists."""
    found = ((directory, read_text(os.path.join(directory, name))) for directory in _groups(controller, group))
    return [(directory, text) for directory, text in found if text]


def _count_of(cpus):
    """Number of CPUs in the kernel's notation: 4 for 0-2,7."""
    ranges = (part.partition("-") for part in cpus.split(","))
    return sum(int(last or first) - int(first) + 1 for first, _dash, last in ranges)


def cores(group=None):
    """CPU cores that containers in a control group may use: CPUs, and the quotas of all enclosing groups."""
    group = group or container_group()
    try:
        available = float(len(os.sched_getaffinity(1)))
    except OSError:
        available = float(len(os.sched_getaffinity(0)))
    for name in ("cpuset.cpus.effective", "cpuset.effective_cpus"):
        for _directory, text in _group_values("cpuset", name, group):
            available = min(available, _count_of(text))
    for _directory, text in _group_values("cpu", "cpu.max", group):
        quota, period = text.split()
        if quota != "max":
            available = min(available, int(quota) / int(period))
    for directory, quota in _group_values("cpu", "cpu.cfs_quota_us", group):
        period = read_text(os.path.join(directory, "cpu.cfs_period_us"))
        if period and int(quota) > 0:
            available = min(available, int(quota) / int(period))
    return round(available, 2)


def process_limits():
    """What the host can give to the processes of containers.

    A server that is a container itself usually lacks CAP_SYS_RESOURCE. There, a container that asks for a negative
    OOM score, or for more open files than the server has, does not start.
    """
    limits = {"can_lower_oom_score": True, "open_files": None}
    for line in (read_text("/proc/self/status") or "").splitlines():
        if line.startswith("CapBnd:"):
            limits["can_lower_oom_score"] = bool(int(line.split()[1], 16) >> CAP_SYS_RESOURCE & 1)
    if not limits["can_lower_oom_score"]:
        for line in (read_text("/proc/1/limits") or "").splitlines():
            if line.startswith("Max open files"):
                hard = line.split()[4]
                limits["open_files"] = int(hard) if hard.isdigit() else None
    return limits


def meminfo_mb(field):
    """A field of /proc/meminfo in MiB, 0 when absent."""
    for line in (read_text("/proc/meminfo") or "").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) // 1024
    return 0


def memory_mb(group=None):
    """Memory in MiB that containers in a control group may use: RAM and the limits of all enclosing groups."""
    group = group or container_group()
    limits = [meminfo_mb("MemTotal")]
    texts = [text for name in ("memory.max", "memory.limit_in_bytes")
             for _directory, text in _group_values("memory", name, group)]
    limits.extend(int(text) // 1048576 for text in texts if text.isdigit() and int(text) < UNLIMITED)
    return min(limits)


def cgroup_version():
    """2 for the unified hierarchy, else 1."""
    return 2 if os.path.exists(os.path.join(CGROUP_ROOT, "cgroup.controllers")) else 1


def nearest_existing(path):
    """The path or its nearest parent that exists; a relative one, which a check refuses later, starts at the root."""
    # A link may lead to what is not there yet.
    path = os.path.realpath(os.path.join("/", path))
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def _filesystem(path):
    """Mount point, type and device of the file system that holds a path."""
    return mounts.filesystem(path)


def disk(path):
    """Size, free space (decimal GB, as disks are sold), kind, type and device of the file system below a path."""
    existing = os.path.realpath(nearest_existing(path))
    size = os.statvfs(existing)
    mount, kind, device = _filesystem(existing)
    return {
        "total_gb": round(size.f_blocks * size.f_frsize / 1e9, 1),
        "free_gb": round(size.f_bavail * size.f_frsize / 1e9, 1),
        "free_inodes": size.f_favail,
        "kind": disks.kind(existing),
        "filesystem": kind,
        "mount": mount,
        # Subvolumes of one disk have numbers of their own, overlays and network file systems no device.
        "device": device if device.startswith("/") else str(os.stat(existing).st_dev),
    }


def distribution():
    """Name, version and family of the distribution from os-release."""
    fields = {}
    for line in (read_text("/etc/os-release") or read_text("/usr/lib/os-release") or "").splitlines():
        key, separator, value = line.partition("=")
        if separator:
            fields[key] = value.strip().strip('"').strip("'")
    return {
        "id": fields.get("ID", "unknown"),
        # Of the RHEL family this tells the release that packages are made for: platform:el9.
        "platform": fields.get("PLATFORM_ID", ""),
        "version": fields.get("VERSION_ID", ""),
        "codename": fields.get("VERSION_CODENAME", ""),
        "like": fields.get("ID_LIKE", "").split(),
        "name": fields.get("PRETTY_NAME", "unknown"),
    }


def _selected(text):
    """The choice in brackets of a file such as transparent_hugepage/enabled."""
    if text and "[" in text:
        return text[text.index("[") + 1:text.index("]")]
    return text


def kernel():
    """Release and the settings that the services ask for."""
    return {
        "release": os.uname().release,
        "vm.overcommit_memory": read_text("/proc/sys/vm/overcommit_memory"),
        "vm.swappiness": read_text("/proc/sys/vm/swappiness"),
        "net.core.somaxconn": read_text("/proc/sys/net/core/somaxconn"),
        "net.ipv4.ip_forward": read_text("/proc/sys/net/ipv4/ip_forward"),
        "net.ipv4.tcp_migrate_req": read_text("/proc/sys/net/ipv4/tcp_migrate_req"),
        "transparent_hugepage": _selected(read_text("/sys/kernel/mm/transparent_hugepage/enabled")),
    }


#: Settings of the kernel that services ask for.
WANTED_SETTINGS = ("vm.overcommit_memory", "net.core.somaxconn")


def unwritable_settings(names=WANTED_SETTINGS):
    """Settings of the kernel that root may not change here: those of the machine below, in many a container."""
    return [name for name in names if not os.access("/proc/sys/" + name.replace(".", "/"), os.W_OK)]


def selinux():
    """enforcing or permissive, None where SELinux is off or absent."""
    return {"1": "enforcing", "0": "permissive"}.get(read_text("/sys/fs/selinux/enforce"))


def clock_synchronized():
    """Whether the kernel says that its clock is disciplined; None when it cannot be asked.

    adjtimex(2) with modes 0 only reads, and answers for every time daemon alike.
    """
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        buffer = (ctypes.c_long * 64)()
        if libc.adjtimex(ctypes.byref(buffer)) < 0:
            return None
    except (OSError, AttributeError):
        return None
    # struct timex: modes, offset, freq, maxerror, esterror, status (the int after four longs and the first slot).
    status = ctypes.cast(ctypes.byref(buffer), ctypes.POINTER(ctypes.c_int))[10]
    return not status & STA_UNSYNC


def _address(text):
    """IP address in the notation of /proc/net/tcp."""
    packed = bytes.fromhex(text)
    words = [packed[i:i + 4][::-1] for i in range(0, len(packed), 4)]
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, b"".join(words))


def _listening_sockets():
    """(inode, address, port) of each listening TCP socket."""
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in (read_text(name) or "").splitlines()[1:]:
            fields = line.split()
            if fields[3] == TCP_LISTEN:
                address, port = fields[1].split(":")
                yield fields[9], _address(address), int(port, 16)


def _socket_owners(inodes):
    """Process that holds each socket: {inode: (pid, command)}."""
    owners = {}
    for link in glob.glob("/proc/[0-9]*/fd/*"):
        try:
            target = os.readlink(link)
        except OSError:
            continue
        if target.startswith("socket:["):
            inode = target[8:-1]
            if inode in inodes and inode not in owners:
                pid = link.split("/")[2]
                owners[inode] = (int(pid), read_text(f"/proc/{pid}/comm") or "unknown")
    return owners


def listeners():
    """Listening TCP ports and who holds them, sorted by port."""
    sockets = list(_listening_sockets())
    owners = _socket_owners({inode for inode, _address_text, _port in sockets})
    found = []
    for inode, address, port in sockets:
        pid, command = owners.get(inode, (None, "unknown"))
        found.append({"port": port, "address": address, "pid": pid, "process": command})
    return sorted(found, key=lambda entry: (entry["port"], entry["address"]))


def owners(data_dir, project_dir):
    """Owner of the project directory and of each directory with data, as far as there is something in it."""
    found = {}
    for path in [project_dir, *sorted(glob.glob(os.path.join(data_dir, "*")))]:
        try:
            if os.listdir(path):
                found[path] = os.stat(path).st_uid
        except OSError:
            continue
    return found


def data_of(data_dir, project_dir):
    """What the data and the files of the project say of themselves: owners, PostgreSQL's major, our daemon.json."""
    return {
        "owners": owners(data_dir, project_dir),
        "daemon_json": read_json(os.path.join(project_dir, "docker", "config", "daemon.json")),
        "postgres_major": postgres_major(os.path.join(data_dir, "postgres")),
        "postgres_change": postgres_change(os.path.join(data_dir, "backup", "upgrade.json")),
    }


def postgres_change(path):
    """When a change of PostgreSQL's major was begun that is at work on the data, by its journal; None where none is.

    With the data in its place only the deployment is left of it.
    """
    journal = read_json(path) or {}
    phases = (journal.get("phases") or {}).values()
    if journal.get("done") or not journal.get("touched") or "laid" in phases:
        return None
    return journal.get("begun")


def certificates(directory):
    """Host names for which there is a certificate of an ACME authority, in a directory as certmagic has it."""
    paths = glob.glob(os.path.join(glob.escape(directory), "*", "*", "*.crt"))
    return sorted({os.path.basename(path)[:-len(".crt")] for path in paths if path.split(os.sep)[-3] != "local"})


def postgres_major(directory):
    """Major of PostgreSQL's data, of several the newest: since 18 it lies in a folder of its major."""
    found = []
    for place in ("", "data", "*/docker"):
        for path in glob.glob(os.path.join(directory, place, "PG_VERSION")):
            found.append(read_text(path) or "")
    return max(filter(None, found), key=lambda major: [int(part) for part in re.findall(r"\d+", major)], default=None)
