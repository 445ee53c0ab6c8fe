#!/usr/bin/python
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: restore
short_description: Bring back what a target of the backups holds
version_added: 0.2.0
description:
  - Shows what would be restored, as of when, what it replaces, what is stopped meanwhile and about how long it takes.
    Without O(confirm) it ends there, as a failure.
  - With it, the host fetches everything beside the live data first; PostgreSQL recovers there. Only then it stops what
    works with the data, and directories change their names. What was there stays on the host as a copy.
  - Leaves what it has stopped as it is; the deployment that follows starts it, and does again what jobs once did to the
    data (migrations).
  - With O(only) a part of one store comes back beside the live ones. That replaces nothing and stops nobody, and needs
    no O(confirm).
  - The restore belongs to the host. It goes on when the connection is lost. One that was interrupted is repeated with
    the same words and goes on from where it was.
options:
  stores:
    description: Names of the stores, as the list of backups has them; all but the installation's own files by default.
    type: list
    elements: str
    default: []
  to:
    description:
      - The moment, with its time zone, as V(2026-11-23 14:05:00+00). PostgreSQL and objects come back as they were
        then, all else as it was saved last before. As new as can be by default.
    type: str
    default: ""
  target:
    description:
      - Name of the target. By default the one that has the newest, and with O(to) the first that has that moment.
    type: str
    default: ""
  confirm:
    description: Name of the installation whose data is to be replaced, C(backup_installation).
    type: str
    default: ""
  only:
    description:
      - A part of the one store in O(stores), which comes back beside the live ones. Of PostgreSQL it is a table,
        C([database/][schema.]table), into a schema C(restored_<stamp>); of objects a bucket or an object,
        C(bucket/key), into a bucket C(restored-<stamp>). All of the stores is replaced by default.
      - It is not for use with O(confirm), which names an installation whose data is to be replaced.
    type: str
    default: ""
extends_documentation_fragment:
  - trenova.selfhost.attributes
attributes:
  check_mode:
    support: full
    details: Shows what it would do, and does nothing.
  diff_mode:
    support: none
    details: There is nothing to compare.
seealso:
  - module: trenova.selfhost.backups
author:
  - Trenova self-host contributors (@trenova-selfhost)
"""

EXAMPLES = r"""
- name: Bring the database back to five past two
  trenova.selfhost.restore:
    stores: [postgres]
    to: "2026-11-23 14:05:00+00"
    confirm: erp1

- name: Bring a table back beside the live one
  trenova.selfhost.restore:
    stores: [postgres]
    only: public.shipments
    to: "2026-11-23 14:05:00+00"
"""

RETURN = r"""
plan:
  description: What was or would be restored - C(stores), C(bytes), C(seconds), C(stops), C(space), C(only).
  returned: success
  type: dict
copies:
  description: Directory, or bucket of the objects, with what was there before, by store; empty where it was nothing.
  returned: when stores were restored
  type: dict
where:
  description: A sentence that tells where the part is now.
  returned: when a part was restored
  type: str
seconds:
  description: How long it took.
  returned: when it was restored
  type: int
"""
