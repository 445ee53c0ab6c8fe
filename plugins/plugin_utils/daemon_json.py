# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Merging of our settings into an administrator's daemon.json."""

from __future__ import annotations

import json


def merged(found, wanted, extra, applied):
    """The new daemon.json.

    found: what is on the host (None when absent). wanted: what the services need. extra: keys that the
    inventory sets. applied: what we wrote last time (None at first), which tells our keys from the administrator's.

    A key that the administrator set himself stays as he set it. A key of ours follows our value, and goes
    when we no longer want it. Empty values are left out.
    """
    result = dict(found or {})
    for key, value in (applied or {}).items():
        if result.get(key) == value:
            del result[key]
    for key, value in (wanted or {}).items():
        if value not in ({}, [], None):
            result.setdefault(key, value)
    result.update(extra or {})
    return json.dumps(result, indent=2, sort_keys=True) + "\n"
