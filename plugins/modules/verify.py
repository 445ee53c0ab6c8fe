#!/usr/bin/python
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: verify
short_description: Ask a running installation as its clients do
version_added: 0.1.0
description:
  - Checks from outside, from the controller as from any other host, and from inside by M(trenova.selfhost.probe).
  - What is looked at follows from C(visits), C(checks), C(entrance) and C(backup_status) in the roles' descriptions.
  - What fails is asked again for C(trenova_verify_seconds), each second.
  - A backup is too old when the next one was due half a day ago, by C(backup_schedule).
  - Prints a table and writes C(verify-<host>.json). Fails when a check fails.
options:
  report_dir:
    description:
      - Directory on the controller for the JSON file. By default C(reports/<inventory>) in the working directory.
    type: path
extends_documentation_fragment:
  - trenova.selfhost.attributes
  - trenova.selfhost.attributes.test_data
author:
  - Trenova self-host contributors (@trenova-selfhost)
"""

EXAMPLES = r"""
- name: Verify as clients do
  trenova.selfhost.verify:
"""

RETURN = r"""
results:
  description: One entry for each check with group, name, ok and detail.
  returned: always
  type: list
  elements: dict
report:
  description: Path of the JSON file.
  returned: always
  type: str
"""
