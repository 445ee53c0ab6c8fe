#!/usr/bin/python
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: image_lock
short_description: Write down which manifests stand behind the tags of images, and check what is written
version_added: 0.2.0
description:
  - Asks the registries for the manifests of images, for each architecture, and writes to a file on the controller what
    it does not know yet. Deployments pull by what stands there.
  - Where a registry has another image under a tag than the lock says, that is told and the task fails; the lock stays
    as it is, unless O(renew) is set. An image that cannot be asked for is told, too, and nothing is made up for it.
  - Where the registry has a newer patch of the same series, a warning tells its tag.
  - An index that has changed only for architectures that nobody here has is no change.
  - The registries are asked by the host of the task, C(localhost) for instance.
options:
  path:
    description: The lock to read and to write. By default C(images.lock.yml) beside the inventory.
    type: path
  references:
    description: References of the images.
    type: list
    elements: str
    required: true
  folder:
    description:
      - Folder of Dockerfiles with an C(image.yml) each, whose base images are looked at as well.
    type: path
  renew:
    description: Whether the lock takes what the registries have now.
    type: bool
    default: false
extends_documentation_fragment:
  - trenova.selfhost.attributes
attributes:
  check_mode:
    support: full
    details: Asks and compares, and writes nothing.
  diff_mode:
    support: full
    details: Shows the difference of the lock.
author:
  - Trenova self-host contributors (@trenova-selfhost)
"""

EXAMPLES = r"""
- name: Lock an image
  trenova.selfhost.image_lock:
    references: [docker.io/library/redis:8.4.7]
  delegate_to: localhost
"""

RETURN = r"""
path:
  description: The lock.
  returned: always
  type: str
resolved:
  description: References whose manifests the lock knows now and did not before.
  returned: always
  type: list
  elements: str
differing:
  description: References under which a registry has another image than the lock says, with the architectures.
  returned: always
  type: dict
unresolved:
  description: References that no registry could be asked for.
  returned: always
  type: list
  elements: str
newer:
  description: By reference, the tag of a newer patch of the same series that the registry has. Each is a warning, too.
  returned: always
  type: dict
"""
