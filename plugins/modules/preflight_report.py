#!/usr/bin/python
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_report
short_description: Look for what hosts have with each other
version_added: 0.1.0
description:
  - Looks for what hosts and installations have with each other, as one domain, one address, or groups of services that
    say what cannot be, and tells each host that is concerned. Runs once for all hosts of a play.
extends_documentation_fragment:
  - trenova.selfhost.attributes
  - trenova.selfhost.attributes.read_only
author:
  - Trenova self-host contributors (@trenova-selfhost)
"""

EXAMPLES = r"""
- name: Report what hosts have with each other
  trenova.selfhost.preflight_report:
    domains: {acme1: erp.acme.example, borealis1: erp.borealis.example}
  run_once: true
  register: trenova_report
"""

RETURN = r"""
problems:
  description: Message for each host that must not be changed, with what is wrong, where, and what to write instead.
  returned: always
  type: dict
"""
