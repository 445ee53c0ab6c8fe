#!/usr/bin/python
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: secrets
short_description: Write the secrets that an inventory lacks
version_added: 0.1.0
description:
  - Generates every secret that the roles need and the inventory does not hold, in the form that the software can take.
  - Never changes a secret that is there. The file is encrypted when a vault password is configured.
  - Runs on the controller only.
options:
  file:
    description: File of variables to add the secrets to.
    type: path
    required: true
extends_documentation_fragment:
  - trenova.selfhost.attributes
attributes:
  check_mode:
    support: full
    details: Names the secrets that are missing, and writes nothing.
  diff_mode:
    support: none
    details: Secrets are not shown.
author:
  - Trenova self-host contributors (@trenova-selfhost)
"""

EXAMPLES = r"""
- name: Write the missing secrets into the inventory
  trenova.selfhost.secrets:
    file: "{{ inventory_dir }}/group_vars/trenova/secrets.yml"
  run_once: true
"""

RETURN = r"""
written:
  description: Names of the secrets that were added.
  returned: always
  type: list
  elements: str
encrypted:
  description: Whether the file is encrypted with Ansible Vault.
  returned: always
  type: bool
"""
