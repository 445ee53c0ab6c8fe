#!/usr/bin/python
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: new_inventory
short_description: Write a first inventory by five answers
version_added: 0.2.0
description:
  - Gives the example inventory C(inventories/prod) your values, and keeps the comments that explain each variable.
  - Writes nothing where an answer is wrong, and never into a directory that holds something.
  - Runs on the controller only.
options:
  directory:
    description: Directory of the new inventory.
    type: path
    required: true
  address:
    description: Host name or address by which the controller reaches the server with SSH.
    type: str
    required: true
  domain:
    description: Host name under which people will open Trenova. It, C(s3.) and C(jobs.) before it point to the server.
    type: str
    required: true
  users:
    description: Number of people who work at the same time, 1 to 100000.
    type: str
    required: true
  mail:
    description: Mail address of the administrator, for Trenova and for the authority of certificates.
    type: str
    required: true
  registry:
    description:
      - Registry of yours, with a port where it has one, for the images that nobody publishes.
      - Without one they travel to the server as an archive.
    type: str
    default: ""
extends_documentation_fragment:
  - trenova.selfhost.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: There is nothing before.
seealso:
  - module: trenova.selfhost.secrets
  - module: trenova.selfhost.plan
author:
  - Trenova self-host contributors (@trenova-selfhost)
"""

EXAMPLES = r"""
- name: Write an inventory
  trenova.selfhost.new_inventory:
    directory: inventories/north
    address: 192.0.2.10
    domain: erp.trucks.co
    users: "40"
    mail: ops@trucks.co
"""

RETURN = r"""
directory:
  description: Absolute path of the inventory.
  returned: success
  type: str
written:
  description: Absolute paths of its files.
  returned: success
  type: list
  elements: str
"""
