#!/usr/bin/python
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_now
short_description: Make a backup of an installation now, and show how far it is
version_added: 0.2.0
description:
  - Has systemd start the backup that the timer starts every night, and shows what it says, with bytes and the seconds
    that are left where that can be told. Ends with a table of what was saved.
  - The backup belongs to the host. It goes on when the connection is lost, which is asked for again for 10 minutes, or
    when the playbook is ended.
  - Where a backup is at work already, that one is shown. With O(full) another one is made after it, unless it is a full
    one, and with O(accept_vanished) or O(clock_is_right) in any case.
  - Fails where the backup does, with the reason and its last log lines.
options:
  full:
    description:
      - Whether it is to be a full backup, with a dump of each database. By default it is an increment, unless a full
        one is due by C(backup_full_days).
    type: bool
    default: false
  accept_vanished:
    description:
      - Whether objects that are gone since the last backup are meant to be gone, although they are more than half of
        all, which a backup refuses otherwise. It holds until a backup has gone well, and the objects stay as long as a
        backup that needs them.
    type: bool
    default: false
  clock_is_right:
    description:
      - Whether the clock of the host is right, although a target holds objects of later than now, because it was ahead
        when they were saved. A backup asks systemd for that, and refuses where it does not know. It holds until a
        backup has gone well.
    type: bool
    default: false
extends_documentation_fragment:
  - trenova.selfhost.attributes
attributes:
  check_mode:
    support: full
    details: Tells what it would make, and makes nothing.
  diff_mode:
    support: none
    details: There is nothing to compare.
seealso:
  - module: trenova.selfhost.backups
author:
  - Trenova self-host contributors (@trenova-selfhost)
"""

EXAMPLES = r"""
- name: Save everything before an upgrade
  trenova.selfhost.backup_now:
    full: true
"""

RETURN = r"""
level:
  description: C(full) or C(incremental).
  returned: success
  type: str
stamp:
  description: Name of the backup, as the list of backups has it.
  returned: success, and not in check mode
  type: str
bytes:
  description: Bytes that were read of all stores but objects.
  returned: success, and not in check mode
  type: int
objects_bytes:
  description: Bytes of all objects.
  returned: success, and not in check mode
  type: int
"""
