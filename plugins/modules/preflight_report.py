#!/usr/bin/python
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_report
short_description: Stop when the checks of any host have found something
version_added: 0.1.0
description:
  - Puts the problems of all hosts into one message, sorted by host, and adds those that hosts and installations have
    with each other, as one domain, one address, or groups of services that say what cannot be.
  - For use with M(trenova.selfhost.preflight) and its option C(together).
options:
  results:
    description: What M(trenova.selfhost.preflight) returned, by host.
    type: dict
    required: true
extends_documentation_fragment:
  - trenova.selfhost.attributes
  - trenova.selfhost.attributes.read_only
author:
  - Trenova self-host contributors (@trenova-selfhost)
"""

EXAMPLES = r"""
- name: Stop when anything is wrong
  trenova.selfhost.preflight_report:
    results: "{{ dict(ansible_play_hosts | zip(ansible_play_hosts | map('extract', hostvars, 'trenova_preflight'))) }}"
  run_once: true
"""

RETURN = r"""
msg:
  description: All problems, by host, each with what is wrong, where, and what to write instead.
  returned: when there is a problem
  type: str
"""
