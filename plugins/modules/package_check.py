#!/usr/bin/python
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: package_check
short_description: Look at the programs that an operator brings, before images are made of them
version_added: 0.2.0
description:
  - Looks whether the files of each package are there, and whether programs are for Linux, for the image's architecture
    and for its C library. Reads the files and runs none of them.
  - Tells in a sentence for each program what it is, with version and commit where it was built by Go.
  - Warns where a program was built from another commit than the version that it shall be called by.
  - Runs on the controller only.
options:
  directories:
    description: Directory of each package by the name of its image, as V(api) or V(client).
    type: dict
    required: true
  version:
    description: Version that the images will be called by.
    type: str
    required: true
  placeholder:
    description: Text that stands for the address of the installation in a web client; not looked for when empty.
    type: str
    default: ""
extends_documentation_fragment:
  - trenova.selfhost.attributes
  - trenova.selfhost.attributes.read_only
author:
  - Trenova self-host contributors (@trenova-selfhost)
"""

EXAMPLES = r"""
- name: Look at what is to be packaged
  trenova.selfhost.package_check:
    directories:
      api: /srv/trenova/api
      client: /srv/trenova/client
    version: 0.7.2
    placeholder: https://trenova.invalid
"""

RETURN = r"""
found:
  description: A sentence for each program and for the client.
  returned: success
  type: list
  elements: str
"""
