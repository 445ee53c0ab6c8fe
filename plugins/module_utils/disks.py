# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Of what kind the disk below a path is, through all that may lie between: partitions, LVM, RAID, loops, file systems.

The kernel says of every disk whether it rotates, but only a disk that can be held in a hand knows: what a hypervisor
shows says yes unless somebody told it otherwise. Such a yes counts for nothing.
"""

from __future__ import annotations

import glob
import os
import re

SYS, PROC = "/sys", "/proc"
#: From the slowest on: what lies on several disks is as slow as the slowest of them.
SLOWEST_FIRST = ("hdd", "unknown", "ssd", "nvme")

#: Names of disks that virtio and Xen give.
_VIRTUAL_NAME = re.compile(r"(vd|xvd)[a-z]+$")
#: Buses of virtual machines, in the path of a device: disks that are called sda hang on them, too.
_VIRTUAL_BUS = re.compile(r"/(virtio\d+|vbd-\d+|vmbus_\d+|VMBUS:\d+)(/|$)")
#: What hypervisors call their disks, whatever bus they imitate.
_VIRTUAL_MAKER = re.compile(r"QEMU|VBOX|VMware|Virtual|Msft|Google|Xen|BOCHS", re.IGNORECASE)
#: Devices that are made of others. Where those cannot be seen, a yes is one of them at most.
_MADE_OF_OTHERS = re.compile(r"(dm-|md|loop|bcache|drbd|nbd|rbd|zd)")
_NOT_THERE_ANY_MORE = " (deleted)"


def kind(path):
    """ssd, nvme, hdd, or unknown where nobody can tell; `path` must exist."""
    kinds = _kinds_of_path(path, set())
    return next((found for found in SLOWEST_FIRST if found in kinds), "unknown")


def _kinds_of_path(path, seen):
    """Kinds of all disks on which a path lies; `seen` are devices that were looked at already."""
    number = _device_number(path)
    directory = _directory(f"dev/block/{os.major(number)}:{os.minor(number)}")
    if directory:
        return _kinds_of_device(directory, seen)
    # Subvolumes and layers have numbers of their own; the mount says what they are made from.
    filesystem, source, options = _mount(path)
    upper = options.get("upperdir")
    if upper:
        return _kinds_of_path(upper, seen) if os.path.exists(upper) else {"unknown"}
    if not source.startswith("/dev/"):
        return {"unknown"}
    name = os.path.basename(os.path.realpath(source))
    found = set()
    for member in _members(name) if filesystem == "btrfs" else [name]:
        directory = _directory("class/block/" + member)
        found |= _kinds_of_device(directory, seen) if directory else {"unknown"}
    return found


def _kinds_of_device(directory, seen):
    """Kinds of the disks that a block device is made of, or its own."""
    # A partition has no queue of its own.
    disk = directory if os.path.isdir(os.path.join(directory, "queue")) else os.path.dirname(directory)
    if disk in seen:
        return set()
    seen.add(disk)
    below = sorted(glob.glob(os.path.join(disk, "slaves", "*")))
    if below:
        return set().union(*(_kinds_of_device(os.path.realpath(link), seen) for link in below))
    backing = _text(os.path.join(disk, "loop", "backing_file"))
    if backing and os.path.exists(backing):
        return _kinds_of_path(backing, seen)
    return {_kind_of_disk(disk)}


def _kind_of_disk(disk):
    """What a device says of itself, as far as it can know."""
    name = os.path.basename(disk)
    if name.startswith("nvme"):
        return "nvme"
    rotational = _text(os.path.join(disk, "queue", "rotational"))
    if rotational == "0":
        return "ssd"
    return "hdd" if rotational == "1" and not _is_hearsay(disk, name) else "unknown"


def _is_hearsay(disk, name):
    """Whether a device only passes on, or makes up, that it rotates."""
    maker = " ".join(_text(os.path.join(disk, "device", part)) for part in ("vendor", "model"))
    return bool(
        _VIRTUAL_NAME.match(name) or _MADE_OF_OTHERS.match(name) or _VIRTUAL_BUS.search(disk)
        or _VIRTUAL_MAKER.search(maker))


def _members(name):
    """Names of all devices of the btrfs that a device belongs to."""
    for folder in glob.glob(os.path.join(SYS, "fs", "btrfs", "*", "devices")):
        names = os.listdir(folder)
        if name in names:
            return names
    return [name]


def _mount(path):
    """(type, source, options) of the mount that holds a path."""
    best, found = "", ("unknown", "unknown", {})
    for line in _text(os.path.join(PROC, "self", "mountinfo")).splitlines():
        before, _separator, after = line.partition(" - ")
        fields, rest = before.split(), after.split()
        if len(fields) < 5 or len(rest) < 3:
            continue
        mount = _unescaped(fields[4])
        inside = path == mount or path.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            options = dict(option.partition("=")[::2] for option in rest[2].split(","))
            best, found = mount, (rest[0], _unescaped(rest[1]), {key: _unescaped(value)
                                                                 for key, value in options.items()})
    return found


def _unescaped(text):
    """Text of mountinfo, in which spaces and the like are written in octal."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found.group(1), 8)), text)


def _device_number(path):
    return os.stat(path).st_dev


def _directory(link):
    """The directory of a device behind a link below /sys; None where there is no such device."""
    path = os.path.join(SYS, link)
    return os.path.realpath(path) if os.path.exists(path) else None


def _text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            text = stream.read().strip()
    except OSError:
        return ""
    return text[:-len(_NOT_THERE_ANY_MORE)] if text.endswith(_NOT_THERE_ANY_MORE) else text
