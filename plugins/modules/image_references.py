#!/usr/bin/python
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: image_references
short_description: Read from the inventory which images a host will run
version_added: 0.1.0
description:
  - Resolves the image of every role that is enabled for the host, as the role itself will.
  - Needs the inventory only. The host is not contacted, so that images can be collected where it cannot be reached.
extends_documentation_fragment:
  - trenova.selfhost.attributes
  - trenova.selfhost.attributes.read_only
author:
  - Trenova self-host contributors (@trenova-selfhost)
"""

EXAMPLES = r"""
- name: List the images
  trenova.selfhost.image_references:
  register: images
"""

RETURN = r"""
references:
  description: References of the images, sorted.
  returned: always
  type: list
  elements: str
  sample: [docker.io/library/postgres:17.11, docker.io/library/redis:8.4.7]
lock:
  description:
    - What the locks of images say, by reference, the digest of the manifest for each architecture. Empty with
      C(trenova_images_by_digest) V(false).
  returned: always
  type: dict
registry:
  description: Registry for the images that nobody publishes.
  returned: always
  type: str
  sample: registry.trucks.co:5000
"""
