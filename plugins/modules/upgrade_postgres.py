#!/usr/bin/python
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: upgrade_postgres
short_description: Make PostgreSQL one of the major version that the inventory names
version_added: 0.2.0
description:
  - Without O(confirm), restores the newest backup beside what lives, as M(trenova.selfhost.drill) does, upgrades that,
    and starts the application on it. Tells what stands in the way, what else it finds, and how long the real one takes.
  - With it, makes a backup, stops what works with the database, has a server of the new major take over everything
    beside the old one, compares both, gathers statistics, and lets the directories change their names. What was there
    stays on the host as a copy for a week.
  - Leaves what it has stopped as it is; the deployment that follows starts it with the new image. No backups are made
    until O(end).
  - Until the directories change their names nothing is changed, and a fault starts again what was stopped. One that was
    interrupted is repeated with the same words.
  - The new image and its version are those of C(postgres_image).
options:
  service:
    description: The service whose server it is.
    type: str
    required: true
  confirm:
    description: Name of the installation (C(backup_installation)), a colon, and the major that it is to be of then.
    type: str
    default: ""
  back:
    description:
      - Whether the copy of before the last upgrade takes its place again. C(postgres_image) names the old major then.
        What was written since the upgrade is in what is kept, and not in what is back.
    type: bool
    default: false
  end:
    description: Whether the deployment has started the server of the other major, so that backups begin anew.
    type: bool
    default: false
extends_documentation_fragment:
  - trenova.selfhost.attributes
attributes:
  check_mode:
    support: full
    details: Says what it would do, and does nothing.
  diff_mode:
    support: none
    details: There is nothing to compare.
seealso:
  - module: trenova.selfhost.drill
  - module: trenova.selfhost.restore
author:
  - Trenova self-host contributors (@trenova-selfhost)
"""

EXAMPLES = r"""
- name: Rehearse the upgrade to the version of postgres_image
  trenova.selfhost.upgrade_postgres:
    service: postgres

- name: Do it
  trenova.selfhost.upgrade_postgres:
    service: postgres
    confirm: erp1:17
"""

RETURN = r"""
is_done:
  description: Whether the data is of the other major now, so that a deployment has to follow.
  returned: success, without O(end)
  type: bool
is_new:
  description: Whether a server of the other major answers since the last time, so that a full backup is due.
  returned: with O(end)
  type: bool
findings:
  description: What is to be known of it, in sentences.
  returned: when it was done or rehearsed
  type: list
  elements: str
offline_seconds:
  description: About how long the real one stops what works with the database.
  returned: when it was rehearsed
  type: int
report:
  description: What it has shown, line by line.
  returned: when it was done or rehearsed
  type: list
  elements: str
copies:
  description: Directory with what was there before, by store.
  returned: when it was done
  type: dict
"""
