# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is mounted, and on which of it a path lies."""

from __future__ import annotations

import os
import re

MOUNTS, FSTAB = "/proc/self/mounts", "/etc/fstab"


def mounted(table=MOUNTS):
    """[(mount point, type, device)] of all that is mounted, in the order in which it was, or shall be."""
    try:
        with open(table, encoding="utf-8", errors="replace") as stream:
            lines = [line.split() for line in stream if not line.lstrip().startswith("#")]
    except OSError:
        return []
    # White space and the like stand there as octal numbers.
    return [(re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[1]), fields[2], fields[0])
            for fields in lines if len(fields) > 2]


def filesystem(path, among=None):
    """Mount point, type and device of the file system that holds a path, or would."""
    path = os.path.realpath(path)
    best = ("/", "unknown", "unknown")
    for mount, kind, device in mounted() if among is None else among:
        inside = path == mount or path.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best[0]):
            best = (mount, kind, device)
    return best


def absent(path, among=None):
    """Where /etc/fstab says that a file system is mounted which would hold a path, and nothing is; None if all are."""
    there = {mount for mount, _kind, _device in (mounted() if among is None else among)}
    wanted = [mount.rstrip("/") for mount, _kind, _device in mounted(FSTAB) if mount.startswith("/")]
    path = os.path.realpath(path) + "/"
    return next((mount for mount in wanted if mount and path.startswith(mount + "/") and mount not in there), None)
