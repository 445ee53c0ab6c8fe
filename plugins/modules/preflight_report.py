#!/usr/bin/python
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_report
short_description: Put together what is wrong with each host
version_added: 0.1.0
description:
  - Looks for what hosts and installations have with each other, as one domain, one address, or groups of services that
    say what cannot be, and adds for each host what M(trenova.selfhost.preflight) has found with its option C(together).
    Runs once for all hosts of a play, whose results of the checks are registered as C(trenova_preflight).
extends_documentation_fragment:
  - trenova.selfhost.attributes
  - trenova.selfhost.attributes.read_only
author:
  - Trenova self-host contributors (@trenova-selfhost)
"""

EXAMPLES = r"""
- name: Put together what is wrong
  trenova.selfhost.preflight_report:
  run_once: true
  register: trenova_report
"""

RETURN = r"""
problems:
  description: Message for each host that must not be changed, with what is wrong, where, and what to write instead.
  returned: always
  type: dict
"""
