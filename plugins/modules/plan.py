#!/usr/bin/python
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: plan
short_description: Plan a host from its capacity and the wanted tier or users
version_added: 0.1.0
description:
  - Measures the host (once in a run) and works out every number that the roles use.
  - The result is the fact C(ansible_facts['trenova']) with the keys C(capacity), C(plan) and C(services).
  - Runs on the controller; the only execution on the host is that of M(trenova.selfhost.capacity).
options:
  refresh:
    description: Measure again although this run has done so already.
    type: bool
    default: false
  show:
    description: Print the plan as a table.
    type: bool
    default: false
extends_documentation_fragment:
  - trenova.selfhost.attributes
  - trenova.selfhost.attributes.read_only
author:
  - Trenova self-host contributors (@trenova-selfhost)
"""

EXAMPLES = r"""
- name: Plan the host
  trenova.selfhost.plan:

- name: Show what PostgreSQL gets
  ansible.builtin.debug:
    var: ansible_facts['trenova'].plan.services.postgres
"""

RETURN = r"""
ansible_facts:
  description: The fact C(trenova).
  returned: always
  type: dict
"""
