#!/usr/bin/python
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: restored_secrets
short_description: Have the secrets that an inventory lacks, and then those of a backup
version_added: 0.2.0
description:
  - For a restore onto an empty server whose inventory has lost its secrets. Without O(values) it makes new ones, with
    which the server can be deployed so far that its backups can be read; nothing is written.
  - With O(values), those of the backup take their place, and are added to the file of secrets of the installation, as
    M(trenova.selfhost.secrets) does it. What the inventory has is not changed.
  - C(trenova_backup_key) must be there, since no backup can be read without it.
  - Runs on the controller only. Its result holds secrets, so the task wants C(no_log).
options:
  values:
    description: Secrets of the backup, by the names of their variables.
    type: dict
  provisional:
    description: Names of the secrets that an earlier task of this run has made, which count as missing.
    type: list
    elements: str
    default: []
  file:
    description: File of variables to add the secrets to, by default that of the installation.
    type: path
extends_documentation_fragment:
  - trenova.selfhost.attributes
attributes:
  check_mode:
    support: full
    details: Writes nothing.
  diff_mode:
    support: none
    details: Secrets are not shown.
seealso:
  - module: trenova.selfhost.secrets
author:
  - Trenova self-host contributors (@trenova-selfhost)
"""

EXAMPLES = r"""
- name: Take over the secrets of the backup
  trenova.selfhost.restored_secrets:
    values: "{{ read.content | b64decode | from_json }}"
  no_log: true
"""

RETURN = r"""
secrets:
  description: The secrets that were lacking, by the names of their variables.
  returned: success
  type: dict
"""
