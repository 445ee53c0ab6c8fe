# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether data is still where it was: a disk that is not mounted, or another path, must not look like a new server.

The host keeps for each directory with data on which mount point its file system was. A directory that was emptied on
purpose lies where it lay; that is no matter of this file, and data is made anew there.
"""

from __future__ import annotations

import os

from ansible_collections.trenova.selfhost.plugins.module_utils import directories
from ansible_collections.trenova.selfhost.plugins.plugin_utils.description import is_saved
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.model import Problem

ACCEPT = "trenova_accept_moved_data"
VARIABLES = (ACCEPT,)
#: What says yes, from the command line, too.
YES = ("true", "yes", "on", "1")


def check_places(facts):
    """Data lies on the disk on which it was, and at the path."""
    if str(facts.variables.get(ACCEPT)).lower() in YES:
        return
    for path, disk in sorted((facts.capacity.get("disks") or {}).items()):
        if disk.get("absent"):
            yield Problem(
                f"/etc/fstab of the host mounts a disk for {path}, and it is not mounted.",
                f"{disk['absent']} on this host", f"mount {disk['absent']}; or take it out of /etc/fstab")
    for name, places in sorted((facts.capacity["deployed"].get("places") or {}).items()):
        service = facts.services.get(name)
        if service:
            title = service.get("title", name)
            wanted = {facts.project.data_path(entry["path"]): entry for entry in service.get("state") or []}
            yield from _on_another_disk(title, wanted, places)
            yield from _at_another_path(title, wanted, places, facts)


def _on_another_disk(title, wanted, places):
    for path, place in sorted(places.items()):
        before, now = place["before"], place["now"]
        if path not in wanted or before == now:
            continue
        accept = f"or, where the data was moved for good: -e {ACCEPT}=true"
        if _is_below(before, now):
            yield Problem(
                f"The disk with {path} ({title}) is not mounted: it was mounted on {before}.", f"{before} on this host",
                f"mount {before}, and begin again; {accept}")
        elif place["empty"] and _is_saved(wanted[path]):
            yield Problem(
                f"The directory {path} ({title}) lies on another disk now, mounted on {now}, and is empty.",
                f"{now} on this host", f"copy the data there from {before}; {accept}")


def _at_another_path(title, wanted, places, facts):
    left = sorted(path for path in places if path not in wanted and not places[path]["empty"])
    there = list(facts.capacity["deployed"].get("owners") or {})
    new = sorted(
        path for path, entry in wanted.items()
        if path not in places and _is_saved(entry) and not os.path.isabs(entry["path"])
        and not any(path == found or _is_below(path, found) for found in there))
    if left and new:
        yield Problem(
            f"The data of {title} lies in {left[0]}, and is wanted in {new[0]}, where nothing is.",
            "trenova_data_dir in the inventory",
            f"trenova_data_dir as it was; or stop Trenova, move the data there, and begin again; or, to begin anew: -e "
            f"{ACCEPT}=true")


def check_shares(facts):
    """A directory on a file system whose owners are those of its mount belongs to who writes there."""
    for service in facts.services.values():
        for entry in service.get("state") or []:
            path = facts.project.data_path(entry["path"])
            disk = (facts.capacity.get("disks") or {}).get(path) or {}
            if disk.get("filesystem") not in directories.OWNED_BY_MOUNT or "owner" not in disk:
                continue
            owner = entry.get("owner", service.get("user", 0))
            group, mode = entry.get("group", service.get("group", owner)), int(entry.get("mode", "0700"), 8)
            if not _may_write(disk, owner, group):
                yield Problem(
                    f"{path} belongs to user {disk['owner']} on its file system ({disk['filesystem']}), and user "
                    f"{owner} has to write there.", f"the mount {disk['mount']} on this host",
                    directories.remedy(disk["filesystem"], mode, owner, group))


def _may_write(disk, owner, group):
    """Whether the modes let somebody write and enter."""
    shift = 6 if disk["owner"] == owner else 3 if disk["group"] == group else 0
    return int(disk["mode"], 8) >> shift & 0o3 == 0o3


def _is_saved(entry):
    return is_saved({"state": [entry]})


def _is_below(path, other):
    return path != other and (path + "/").startswith(other.rstrip("/") + "/")
