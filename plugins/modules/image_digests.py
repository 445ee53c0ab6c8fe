#!/usr/bin/python
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: image_digests
short_description: Ask registries which manifests stand behind the tags of images
version_added: 0.2.0
description:
  - Asks the registries themselves, never a mirror of Docker Hub, by their HTTP API. No Engine is needed.
  - Used by M(trenova.selfhost.image_lock). Changes nothing.
options:
  images:
    description: References of the images.
    type: list
    elements: str
    required: true
  certificates:
    description: Certificates (PEM) of registries with a CA of their own, by C(host:port).
    type: dict
    default: {}
  insecure:
    description: Registries (host, C(host:port) or CIDR range) that are asked without a valid certificate.
    type: list
    elements: str
    default: []
  logins:
    description: Logins of the inventory as JSON in base64. Those in Docker's configuration of the user count as well.
    type: str
    default: ""
  secrets:
    description: Values that are masked wherever they turn up in the output.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - trenova.selfhost.attributes
  - trenova.selfhost.attributes.read_only
author:
  - Trenova self-host contributors (@trenova-selfhost)
"""

EXAMPLES = r"""
- name: Ask for an image
  trenova.selfhost.image_digests:
    images: [docker.io/library/redis:8.4.7]
"""

RETURN = r"""
digests:
  description: By reference, the digest of the manifest for each architecture that is known here (C(amd64), C(arm64)).
  returned: always
  type: dict
findings:
  description: What could not be asked or had; entries with registry, kind, detail, login and images.
  returned: always
  type: list
  elements: dict
newer:
  description: By reference, the tag of a newer patch of the same series that the registry has.
  returned: always
  type: dict
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.trenova.selfhost.plugins.module_utils import image_registry
from ansible_collections.trenova.selfhost.plugins.module_utils.docker_logins import DockerLogins

PROXIES = {"http": "HTTP_PROXY", "https": "HTTPS_PROXY", "no": "NO_PROXY"}


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "images": {"type": "list", "elements": "str", "required": True},
            "certificates": {"type": "dict", "default": {}},
            "insecure": {"type": "list", "elements": "str", "default": []},
            "logins": {"type": "str", "default": "", "no_log": True},
            "secrets": {"type": "list", "elements": "str", "default": [], "no_log": True},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    proxies = {kind: os.environ.get(name) or os.environ.get(name.lower()) or "" for kind, name in PROXIES.items()}
    settings = image_registry.Settings(
        DockerLogins(wanted["logins"], {}).login, wanted["certificates"], (), wanted["insecure"], proxies)
    digests, findings, newer = image_registry.resolve(wanted["images"], settings)
    module.exit_json(changed=False, digests=digests, findings=findings, newer=newer)


if __name__ == "__main__":
    main()
