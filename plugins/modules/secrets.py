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
  - Each installation of the play has a file of its own, C(group_vars/<group>/secrets.yml) beside the inventory where it
    is a group, C(host_vars/<host>/secrets.yml) where it is a host of a fleet. C(docs/fleets.md) tells which is what.
  - Never changes a secret that is there, wherever the inventory has it from. A file is encrypted when a vault password
    is configured.
  - Prints a new secret that has to be kept elsewhere, too (C(keep) in the roles' descriptions), once, when it is
    written, with the order to do so. It goes to the screen, and not to Ansible's log. No other secret is ever shown.
  - Warns of secrets that installations share.
  - Runs on the controller only.
options:
  file:
    description:
      - File of variables to add the secrets to, for a play with one installation. By default what
        C(trenova_secrets_file) says, or else the installation's own.
    type: path
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
  run_once: true
"""

RETURN = r"""
written:
  description: Names of the secrets that were added, by installation.
  returned: always
  type: dict
files:
  description: File of each installation.
  returned: always
  type: dict
encrypted:
  description: Whether the file is encrypted with Ansible Vault.
  returned: always
  type: bool
"""
