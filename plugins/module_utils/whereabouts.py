# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Who measures a host, and where its paths really lead."""

from __future__ import annotations

import os
import pwd


def user():
    """The user that this runs as: number, and name where the host knows one."""
    uid = os.geteuid()
    try:
        return {"uid": uid, "name": pwd.getpwuid(uid).pw_name}
    except KeyError:
        return {"uid": uid, "name": str(uid)}


def real_paths(paths):
    """{path: the same without links} of absolute paths, which Compose writes into its labels."""
    return {path: os.path.realpath(path) for path in sorted(set(paths)) if os.path.isabs(path)}
