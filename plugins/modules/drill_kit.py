#!/usr/bin/python
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: drill_kit
short_description: Tell what another host needs to make drills
version_added: 0.2.0
description:
  - Packs the program of the backups with the way to those targets that another host can reach - their logins, the key,
    the certificates and the logins of the registries. M(trenova.selfhost.drill) lays it there. All else comes from the
    backups.
  - Fails where every target is a directory of this server, and where no drill is made at all.
  - The result holds secrets. Give the task C(no_log), and look before with O(only_look), whose message can be read.
options:
  host:
    description: Name of the other host, as people are told of it.
    type: str
    required: true
  keep:
    description: Whether it goes on making drills, by C(backup_drill_schedule).
    type: bool
    default: false
  only_look:
    description: Whether to tell only that a drill can be made there, or why it cannot.
    type: bool
    default: false
extends_documentation_fragment:
  - trenova.selfhost.attributes
  - trenova.selfhost.attributes.read_only
seealso:
  - module: trenova.selfhost.drill
author:
  - Trenova self-host contributors (@trenova-selfhost)
"""

EXAMPLES = r"""
- name: Take what the other host needs
  trenova.selfhost.drill_kit:
    host: spare1
  register: drill_kit
  no_log: true
"""

RETURN = r"""
targets:
  description: Names of the targets that another host can reach.
  returned: success
  type: list
  elements: str
kit:
  description: What the other host needs, for O(trenova.selfhost.drill#module:kit). It holds secrets.
  returned: unless it only looks
  type: dict
"""
