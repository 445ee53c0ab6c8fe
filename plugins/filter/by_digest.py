# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: by_digest
short_description: What an image is pulled by, where the lock of images knows it
version_added: 0.2.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - The repository with the digest that the lock names for an architecture; the reference as it is where the lock does
    not know it.
options:
  _input: {description: Reference of an image., type: str, required: true}
  lock:
    description: Digests by reference and architecture, as M(trenova.selfhost.image_references) returns them.
    type: dict
    required: true
  architecture: {description: "Architecture, as images or the kernel call it.", type: str, required: true}
"""

EXAMPLES = r"""
pulled: "{{ 'docker.io/library/redis:8.4.7' | trenova.selfhost.by_digest(images.lock, 'amd64') }}"
"""

RETURN = r"""
_value:
  description: What to pull.
  type: str
"""

from ansible_collections.trenova.selfhost.plugins.module_utils.images import split_reference
from ansible_collections.trenova.selfhost.plugins.plugin_utils.image_lock import digest_for


def by_digest(reference, lock, architecture):
    """What an image is pulled by."""
    digest = digest_for(lock, reference, architecture)
    return f"{split_reference(reference)[0]}@{digest}" if digest else reference


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return {"by_digest": by_digest}
