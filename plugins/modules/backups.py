#!/usr/bin/python
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: backups
short_description: List the backups of an installation
version_added: 0.2.0
description:
  - Asks each target of the installation what it holds, and prints a table - the backups with their age, level, size and
    what they hold, for each store the moments or states to which it can be brought back, and the last run that failed.
  - A target that cannot be read is listed with the reason, and fails nothing.
  - All times are UTC.
extends_documentation_fragment:
  - trenova.selfhost.attributes
  - trenova.selfhost.attributes.read_only
seealso:
  - module: trenova.selfhost.backup_now
author:
  - Trenova self-host contributors (@trenova-selfhost)
"""

EXAMPLES = r"""
- name: List what can be restored
  trenova.selfhost.backups:
"""

RETURN = r"""
installation:
  description: Name of the installation in its backups.
  returned: success
  type: str
targets:
  description:
    - One entry for each target, with C(name), C(kind), C(because) (why it cannot be read, empty where it can) and
      C(free), the bytes that are free on the disk of a directory.
    - C(points) are the backups, oldest first, each with C(run) (its stamp), C(level) (C(full), C(incremental), C(cut)
      for a small one, empty where the base of a database is missing), C(stores), C(missing), C(bytes), C(added)
      (bytes that the target did not have before), C(is_complete) and C(window).
    - C(windows) holds the intervals of moments to which each PostgreSQL server can be brought back, C(objects) the
      stamps of the states of each store of objects, C(snapshots) all that lies there.
  returned: success
  type: list
  elements: dict
failure:
  description:
    - The last run that did not go well, with C(verb), C(state), C(stamp), C(because) and C(good_since), which is empty
      while none has gone well since. Empty where none is known.
  returned: success
  type: dict
"""
