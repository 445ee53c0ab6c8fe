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
  - What is shown and written also compares the tiers on the host, says what to buy, and, where something is deployed
    already, what would change and which containers would restart.
options:
  refresh:
    description: Measure again although this run has done so already.
    type: bool
    default: false
  show:
    description: Print the plan as a table.
    type: bool
    default: false
  measure:
    description:
      - With V(false), and where the address of the host is still that of the example inventory, nobody is contacted,
        and the host that is needed is planned. Only together with O(show); the fact is not set then.
    type: bool
    default: true
  directory:
    description:
      - Directory on the controller for C(<host>.json), which C(docs/plan.schema.json) describes, and the page
        C(<host>.html). Nothing is written without it.
    type: path
  service_hosts:
    description:
      - Hosts of each service, where one installation is spread over several hosts. Such a host is shown with its own
        services and with the sums of all hosts, without a comparison of tiers. A task without O(show) before it in the
        play measures all hosts.
    type: dict
    default: {}
extends_documentation_fragment:
  - trenova.selfhost.attributes
  - trenova.selfhost.attributes.read_only
seealso:
  - module: trenova.selfhost.plan_index
author:
  - Trenova self-host contributors (@trenova-selfhost)
"""

EXAMPLES = r"""
- name: Plan the host
  trenova.selfhost.plan:

- name: Show the plan, and write it as JSON and as a page
  trenova.selfhost.plan:
    show: true
    directory: reports/plan

- name: Show what PostgreSQL gets
  ansible.builtin.debug:
    var: ansible_facts['trenova'].plan.services.postgres
"""

RETURN = r"""
ansible_facts:
  description: The fact C(trenova).
  returned: when the host itself was planned
  type: dict
written:
  description: Paths of the files on the controller.
  returned: with O(directory)
  type: list
  elements: str
"""
