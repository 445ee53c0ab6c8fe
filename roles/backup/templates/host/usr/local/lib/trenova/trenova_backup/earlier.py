# Managed by trenova.selfhost.
"""What versions of this collection before these have saved into a directory: one below it for each night, in clear.

It is neither restored nor removed by this program, but told of, so that nobody takes it for gone.
"""

from __future__ import annotations

import os

from trenova_backup.files import read_json, seconds_of

MANIFEST, PAGE = "manifest.json", "docs/recovery.md"


def nights(directory):
    """Stamps of the backups of an earlier version in the directory of a target, oldest first."""
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return []
    return [name for name in names if _is_stamp(name) and "steps" in read_json(os.path.join(directory, name, MANIFEST))]


def sentence(directory):
    """What there is of them, and how it is read; "" where there is nothing."""
    found = nights(directory)
    if not found:
        return ""
    number = f"{len(found)} backups" if len(found) > 1 else "1 backup"
    until = f" - {found[-1]}" if len(found) > 1 else ""
    return (f"{directory} holds {number} of an earlier version of this collection, too: {found[0]}{until}. They are "
            "plain files, not encrypted, and stay until somebody removes them; "
            f"{PAGE} tells how they are brought back.")


def _is_stamp(name):
    try:
        seconds_of(name)
    except ValueError:
        return False
    return True
