# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Of what kind the disk below a path is: servers as their /sys shows them, in a directory."""

from __future__ import annotations

import os
import pathlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.trenova.selfhost.plugins.module_utils import disks, host


class Server:
    """Block devices and mounts of a server, below a directory."""

    def __init__(self, root, monkeypatch):
        self.root = pathlib.Path(root)
        self.numbers, self.mounts = {}, []
        for folder in ("sys/dev/block", "sys/class/block", "proc/self"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        monkeypatch.setattr(disks, "SYS", str(self.root / "sys"))
        monkeypatch.setattr(disks, "PROC", str(self.root / "proc"))
        monkeypatch.setattr(disks, "_device_number", lambda path: self.numbers[path])

    def _linked(self, directory, name):
        number = os.makedev(200, len(self.numbers) + 1)
        self.numbers[name] = number
        for link in (f"dev/block/200:{len(self.numbers)}", f"class/block/{name}"):
            (self.root / "sys" / link).symlink_to(directory)
        return directory

    def disk(self, name, rotational="1", bus="pci0000:00/ata1/host0", vendor="", model="", of=()):
        """A disk, or a device that is made of others."""
        directory = self.root / "sys/devices" / bus / "block" / name
        (directory / "queue").mkdir(parents=True)
        (directory / "device").mkdir()
        for file, text in (("queue/rotational", rotational), ("device/vendor", vendor), ("device/model", model)):
            if text:
                (directory / file).write_text(text + "\n")
        for other in of:
            (directory / "slaves").mkdir(exist_ok=True)
            (directory / "slaves" / other.name).symlink_to(other)
        return self._linked(directory, name)

    def partition(self, disk, name):
        directory = disk / name
        directory.mkdir()
        return self._linked(directory, name)

    def on(self, device):
        """The kind of what lies on a device."""
        self.numbers["/data"] = self.numbers[device.name]
        return disks.kind("/data")

    def mounted(self, filesystem, source, options="rw", place="/", device="0:40", path="/data"):
        """The kind of what lies on a file system whose files have a number of their own."""
        self.mounts.append(f"29 1 {device} / {place} rw,relatime shared:1 - {filesystem} {source} {options}")
        (self.root / "proc/self/mountinfo").write_text("\n".join(self.mounts) + "\n")
        self.numbers[path] = os.makedev(0, 41)
        return disks.kind(path)


@pytest.fixture
def server(tmp_path, monkeypatch):
    return Server(tmp_path, monkeypatch)


@pytest.mark.parametrize(("name", "rotational", "how", "kind"), [
    ("sda", "1", {}, "hdd"), ("sda", "0", {}, "ssd"), ("sda", "", {}, "unknown"), ("sda", "x", {}, "unknown"),
    ("nvme0n1", "0", {}, "nvme"), ("nvme0n1", "1", {}, "nvme"), ("mmcblk0", "0", {}, "ssd"),
    # Whatever a hypervisor shows says that it rotates, unless somebody told it otherwise.
    ("vda", "1", {}, "unknown"), ("vda", "0", {}, "ssd"), ("vdab", "1", {}, "unknown"),
    ("xvda", "1", {}, "unknown"), ("xvdba", "0", {}, "ssd"),
    ("sda", "1", {"bus": "pci0000:00/0000:00:05.0/virtio2/host2/target2:0:0"}, "unknown"),
    ("sda", "1", {"bus": "vbd-51712"}, "unknown"),
    ("sda", "1", {"vendor": "QEMU", "model": "QEMU HARDDISK"}, "unknown"),
    ("sda", "1", {"vendor": "VMware", "model": "Virtual disk"}, "unknown"),
    ("sda", "1", {"vendor": "Msft", "model": "Virtual Disk"}, "unknown"),
    ("sda", "1", {"vendor": "ATA", "model": "VBOX HARDDISK"}, "unknown"),
    ("sda", "1", {"vendor": "Google", "model": "PersistentDisk"}, "unknown"),
    ("sda", "1", {"vendor": "SEAGATE", "model": "ST4000NM0023"}, "hdd"),
    ("sda", "0", {"vendor": "QEMU", "model": "QEMU HARDDISK"}, "ssd"),
])
def test_a_disk_is_of_the_kind_that_it_can_know(server, name, rotational, how, kind):
    disk = server.disk(name, rotational, **how)
    assert server.on(disk) == kind
    assert server.on(server.partition(disk, name + "1")) == kind


@pytest.mark.parametrize(("below", "kind"), [
    ([("sda", "0")], "ssd"), ([("nvme0n1", "0"), ("nvme1n1", "0")], "nvme"), ([("nvme0n1", "0"), ("sda", "0")], "ssd"),
    ([("sda", "1"), ("sdb", "0")], "hdd"), ([("vda", "1"), ("vdb", "1")], "unknown"),
    ([("vda", "1"), ("sda", "0")], "unknown"), ([("vda", "1"), ("sda", "1")], "hdd"),
])
@pytest.mark.parametrize("name", ["dm-0", "md127", "bcache0"])
def test_what_is_made_of_disks_is_as_slow_as_the_slowest(server, name, below, kind):
    made = server.disk(name, "1", of=[server.disk(disk, rotational) for disk, rotational in below])
    assert server.on(made) == kind
    # LVM on RAID on partitions.
    parts = [server.partition(server.disk(f"{disk}z", rotational), f"{disk}z1") for disk, rotational in below]
    assert server.on(server.disk("dm-9", "1", of=[server.disk("md9", "1", of=parts)])) == kind


@pytest.mark.parametrize("name", ["dm-0", "md0", "loop0", "drbd0", "nbd0", "zd0"])
def test_what_is_made_of_others_that_cannot_be_seen_is_believed_only_that_nothing_rotates(server, name):
    assert server.on(server.disk(name, "1")) == "unknown"
    assert server.on(server.disk(name + "1", "0")) == "ssd"


@pytest.mark.parametrize(("name", "rotational", "kind"), [
    ("sda", "1", "hdd"), ("vda", "1", "unknown"), ("sda", "0", "ssd")])
def test_a_loop_is_what_its_file_lies_on(server, tmp_path, name, rotational, kind):
    file = tmp_path / "disk.img"
    file.write_text("")
    server.numbers[str(file)] = server.numbers[server.disk(name, rotational).name]
    loop = server.disk("loop3", "0")
    (loop / "loop").mkdir()
    (loop / "loop/backing_file").write_text(f"{file}\n")
    assert server.on(loop) == kind
    file.unlink()
    (loop / "loop/backing_file").write_text(f"{file} (deleted)\n")
    assert server.on(loop) == "ssd"


def test_a_loop_on_itself_comes_to_an_end(server, tmp_path):
    file = tmp_path / "disk.img"
    file.write_text("")
    loop = server.disk("loop3", "1")
    (loop / "loop").mkdir()
    (loop / "loop/backing_file").write_text(f"{file}\n")
    server.numbers[str(file)] = server.numbers["loop3"]
    assert server.on(loop) == "unknown"


def test_btrfs_is_followed_to_all_its_disks(server):
    for name, rotational in (("sda", "0"), ("sdb", "1"), ("sdc", "0")):
        server.partition(server.disk(name, rotational), name + "2")
    for number, names in enumerate((("sda2", "sdb2"), ("sdc2",))):
        folder = server.root / f"sys/fs/btrfs/u{number}/devices"
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).symlink_to(server.root / "sys/class/block" / name)
    assert server.mounted("btrfs", "/dev/sda2", "rw,subvol=/@data") == "hdd"
    assert server.mounted("btrfs", "/dev/sdc2") == "ssd"


def test_the_mount_nearest_to_the_path_counts(server):
    server.disk("sda", "1")
    server.disk("sdb", "0")
    server.mounted("btrfs", "/dev/sda")
    assert server.mounted("btrfs", "/dev/sdb", place="/srv\\040data", path="/srv data/x") == "ssd"
    server.numbers["/srv"] = os.makedev(0, 42)
    assert disks.kind("/srv") == "hdd"


def test_layers_are_followed_where_they_can_be_seen(server, tmp_path):
    upper = tmp_path / "upper"
    assert server.mounted("overlay", "overlay", f"rw,lowerdir=/l,upperdir={upper},workdir=/w") == "unknown"
    upper.mkdir()
    server.numbers[str(upper)] = server.numbers[server.disk("sda", "1").name]
    assert disks.kind("/data") == "hdd"


@pytest.mark.parametrize(("filesystem", "source"), [
    ("nfs4", "nas:/volume"), ("cifs", "//nas/share"), ("zfs", "tank/data"), ("tmpfs", "tmpfs"), ("btrfs", "/dev/gone")])
def test_of_anything_else_nobody_can_tell(server, filesystem, source):
    assert server.mounted(filesystem, source) == "unknown"


kinds = st.sampled_from(["hdd", "unknown", "ssd", "nvme"])
#: A disk of each kind, as (name, whether it rotates).
DISKS = {"hdd": ("sd{}", "1"), "unknown": ("vd{}", "1"), "ssd": ("sd{}", "0"), "nvme": ("nvme{}n1", "0")}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.recursive(kinds, lambda inner: st.lists(inner, min_size=1, max_size=3), max_leaves=6))
def test_any_stack_is_as_slow_as_its_slowest_disk(tmp_path_factory, made):
    with pytest.MonkeyPatch.context() as patch:
        server, leaves = Server(tmp_path_factory.mktemp("server"), patch), []

        def build(part):
            if isinstance(part, str):
                leaves.append(part)
                name, rotational = DISKS[part]
                letters = chr(ord("a") + len(leaves)) if part != "nvme" else len(leaves)
                return server.disk(name.format(letters), rotational)
            below = [build(inner) for inner in part]
            return server.disk(f"dm-{len(server.numbers)}", "1", of=below)

        top = build(made)
        assert server.on(top) == min(leaves, key=disks.SLOWEST_FIRST.index)


def test_a_host_says_the_kind_of_its_disk(tmp_path):
    assert host.disk(str(tmp_path))["kind"] == disks.kind(str(tmp_path)) in disks.SLOWEST_FIRST
