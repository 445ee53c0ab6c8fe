#!/usr/bin/python
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: drill
short_description: Restore the newest backup beside what lives, and prove that it works
version_added: 0.2.0
description:
  - Has systemd start the drill that the timer starts by C(backup_drill_schedule), and shows what it says. Ends with a
    report - what was restored, how long it took (RTO), how old it was (RPO), what was compared and read.
  - The newest backup is restored into a Compose project of its own, from whose networks nothing leads outside. The
    application is started on it; databases are compared with what was recorded when they were saved; somebody logs in.
    Everything is removed in the end. What lives is not touched, which a digest before and after proves.
  - The drill belongs to the host. It goes on when the connection is lost, which is asked for again for 10 minutes, or
    when the playbook is ended. Where one is at work already, that one is shown.
  - Fails where the drill does, with the reason and its last log lines, and where there is no room for one.
  - With O(kit), a host on which nothing of the installation lives makes it, with the files, secrets and images of the
    backup. It has to have a Docker Engine with Compose. What leads to the targets is removed when the drill has ended.
options:
  kit:
    description: What M(trenova.selfhost.drill_kit) has told of the installation.
    type: dict
  host:
    description: Name of the host that makes the drill, where the task is delegated to it.
    type: str
    default: ""
  keep:
    description: Whether the kit stays there, for drills by C(backup_drill_schedule).
    type: bool
    default: false
  made_on:
    description:
      - Name of the host that has made one. The server then learns of it from the record in the targets, which its next
        backup would do, and makes none itself.
    type: str
    default: ""
extends_documentation_fragment:
  - trenova.selfhost.attributes
attributes:
  check_mode:
    support: full
    details: Makes no drill.
  diff_mode:
    support: none
    details: There is nothing to compare.
seealso:
  - module: trenova.selfhost.backup_now
  - module: trenova.selfhost.drill_kit
  - module: trenova.selfhost.restore
author:
  - Trenova self-host contributors (@trenova-selfhost)
"""

EXAMPLES = r"""
- name: Prove that the newest backup can be restored
  trenova.selfhost.drill:

- name: Prove it on a host that has nothing of the installation
  trenova.selfhost.drill:
    kit: "{{ drill_kit.kit }}"
    host: spare1
  delegate_to: spare1
"""

RETURN = r"""
report:
  description: Lines of the report.
  returned: where one was made
  type: list
  elements: str
run:
  description: Name of the backup that was restored, as the list of backups has it.
  returned: when one was chosen
  type: str
rto_seconds:
  description: Seconds from nothing to a login.
  returned: when it came so far
  type: int
rpo_seconds:
  description:
    - How old the newest moment was that the target could have brought back, when it told what it holds. In seconds.
    - Of the store that would lose most, of those that small backups save.
  returned: when one was chosen, unless all that there is of a store is of a clock that was ahead
  type: int
"""
