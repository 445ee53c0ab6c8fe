#!/usr/bin/python
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Check everything that can be known before a change
version_added: 0.1.0
description:
  - Measures the host, checks inventory, secrets, host and plan, and reports all problems at once. Changes nothing.
  - Fails when there is a problem. Warnings of the plan are shown and do not fail.
options:
  together:
    description:
      - Do not fail, so that M(trenova.selfhost.preflight_report) tells what is wrong with a host together with what it
        has with others.
    type: bool
    default: false
  compare:
    description: Tell which services differ from what is wanted, those that the tags of the run choose.
    type: bool
    default: false
extends_documentation_fragment:
  - trenova.selfhost.attributes
  - trenova.selfhost.attributes.read_only
author:
  - Trenova self-host contributors (@trenova-selfhost)
"""

EXAMPLES = r"""
- name: Check everything that can be known before a change
  trenova.selfhost.preflight:
"""

RETURN = r"""
msg:
  description: All problems, each with what is wrong, where, and what to write instead.
  returned: when there is a problem
  type: str
problems:
  description: Lines of each problem.
  returned: when O(together)
  type: list
  elements: list
due:
  description: Services that a deployment would visit.
  returned: when O(compare)
  type: list
  elements: str
warnings_of_plan:
  description: What the plan warns of.
  returned: when there is no problem
  type: list
  elements: str
warnings_of_host:
  description: What should be known of the host besides.
  returned: when there is no problem
  type: list
  elements: str
"""
