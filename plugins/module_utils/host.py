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
import socket

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
        return json.loads(text or "{}")
    except ValueError as error:
        return {"unreadable": str(error)}


def _cgroup_files(controller, name):
    """Paths of a limit file from the process's own cgroup up to the root."""
    for line in (read_text("/proc/self/cgroup") or "").splitlines():
        _number, controllers, path = line.split(":", 2)
        unified = controllers == ""
        if not unified and controller not in controllers.split(","):
            continue
        base = CGROUP_ROOT if unified else os.path.join(CGROUP_ROOT, controller)
        parts = [part for part in path.split("/") if part]
        for depth in range(len(parts), -1, -1):
            yield os.path.join(base, *parts[:depth], name)


def _cgroup_limits(controller, name):
    """Texts of a limit file along the way to the root, where it exists."""
    return [text for text in map(read_text, _cgroup_files(controller, name)) if text]


def cores():
    """CPU cores that processes here may use: affinity and the quotas of all enclosing cgroups."""
    available = float(len(os.sched_getaffinity(0)))
    for text in _cgroup_limits("cpu", "cpu.max"):
        quota, period = text.split()
        if quota != "max":
            available = min(available, int(quota) / int(period))
    for path in _cgroup_files("cpu", "cpu.cfs_quota_us"):
        quota, period = read_text(path), read_text(path.replace("quota", "period"))
        if quota and period and int(quota) > 0:
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


def memory_mb():
    """Memory in MiB that processes here may use: RAM and the limits of all enclosing cgroups."""
    limits = [meminfo_mb("MemTotal")]
    texts = _cgroup_limits("memory", "memory.max") + _cgroup_limits("memory", "memory.limit_in_bytes")
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


def _block_device(path):
    """Directory in /sys of the disk that holds a path, or None for file systems without one."""
    device = os.stat(path).st_dev
    link = f"/sys/dev/block/{os.major(device)}:{os.minor(device)}"
    if not os.path.exists(link):
        return None
    directory = os.path.realpath(link)
    return directory if os.path.isdir(os.path.join(directory, "queue")) else os.path.dirname(directory)


def _disk_kind(path):
    """ssd, hdd, nvme or unknown."""
    directory = _block_device(path)
    if directory is None:
        return "unknown"
    if os.path.basename(directory).startswith("nvme"):
        return "nvme"
    rotational = read_text(os.path.join(directory, "queue", "rotational"))
    return {"0": "ssd", "1": "hdd"}.get(rotational, "unknown")


def _filesystem(path):
    """Mount point, type and device of the file system that holds a path."""
    best = ("/", "unknown", "unknown")
    for line in (read_text("/proc/self/mounts") or "").splitlines():
        device, mount, kind = line.split()[:3]
        inside = path == mount or path.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best[0]):
            best = (mount, kind, device)
    return best


def disk(path):
    """Size, free space (decimal GB, as disks are sold), kind, type and device of the file system below a path."""
    existing = os.path.realpath(nearest_existing(path))
    size = os.statvfs(existing)
    mount, kind, device = _filesystem(existing)
    return {
        "total_gb": round(size.f_blocks * size.f_frsize / 1e9, 1),
        "free_gb": round(size.f_bavail * size.f_frsize / 1e9, 1),
        "free_inodes": size.f_favail,
        "kind": _disk_kind(existing),
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
        "transparent_hugepage": _selected(read_text("/sys/kernel/mm/transparent_hugepage/enabled")),
    }


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


def ssh_address():
    """Address of this host as the SSH connection to it sees it; None without one, or behind sudo."""
    words = os.environ.get("SSH_CONNECTION", "").split()
    return words[2] if len(words) == 4 else None


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
        "postgres_major": read_text(os.path.join(data_dir, "postgres", "PG_VERSION"))
        or read_text(os.path.join(data_dir, "postgres", "data", "PG_VERSION")),
    }
