#!/usr/bin/python
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: plan_index
short_description: List the planned hosts of a play on one page
version_added: 0.2.0
description:
  - Writes C(index.html) with a row for each host of the play, its verdict, tier, users and memory, what changes, and a
    link to its page.
  - Reads what M(trenova.selfhost.plan) has written to the same directory; run it once, after all hosts are planned.
  - A host that has failed before in the play, or of which no plan can be read, is listed as not planned.
  - Runs on the controller.
options:
  directory:
    description: Directory on the controller with the plans of the hosts.
    type: path
    required: true
extends_documentation_fragment:
  - trenova.selfhost.attributes
  - trenova.selfhost.attributes.read_only
seealso:
  - module: trenova.selfhost.plan
author:
  - Trenova self-host contributors (@trenova-selfhost)
"""

EXAMPLES = r"""
- name: Plan the hosts
  trenova.selfhost.plan:
    show: true
    directory: reports/plan

- name: List the hosts on one page
  trenova.selfhost.plan_index:
    directory: reports/plan
  run_once: true
"""

RETURN = r"""
written:
  description: Path of the page on the controller.
  returned: always
  type: str
"""
