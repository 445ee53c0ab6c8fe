# Managed by trenova.selfhost.
"""The disks of this host on which backups lie."""

from __future__ import annotations

import os
import re

from trenova_backup.files import read_json

MOUNTS, FSTAB = "/proc/self/mounts", "/etc/fstab"


def mount_points(table):
    """Mount points in a table of mounts; none where it cannot be read."""
    try:
        with open(table, encoding="utf-8", errors="replace") as stream:
            lines = [line.split() for line in stream if not line.lstrip().startswith("#")]
    except OSError:
        return []
    return [re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), words[1]) for words in lines if len(words) > 2]


def recorded(settings):
    """{path: mount point} as the deployment has taken it down; {} where it has not."""
    found = read_json(settings.get("record", "")).get("places")
    return found if isinstance(found, dict) else {}


def missing_mount(paths, known):
    """Where a disk ought to be mounted for one of these paths and is not; None where all is well.

    known: {path: mount point} of before. /etc/fstab may know of a disk that was not there then.
    """
    mounted = mount_points(MOUNTS)
    for path in paths:
        directory = os.path.realpath(path)
        above = [point for point in mount_points(FSTAB)
                 if point.startswith("/") and (directory + "/").startswith(point.rstrip("/") + "/")]
        for point in [known.get(path, "/"), *above]:
            if point != "/" and point not in mounted:
                return point
    return None


def is_read_only(path):
    """Whether the disk of a path is mounted read-only; not where it cannot be asked."""
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def free(path):
    """Bytes that anybody may still write at a path, which need not be there yet. Raises OSError."""
    while not os.path.lexists(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    told = os.statvfs(path)
    return told.f_bavail * told.f_frsize
