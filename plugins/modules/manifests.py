#!/usr/bin/python
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: manifests
short_description: Ask from the host whether registries will give it its images
version_added: 0.1.0
description:
  - Asks the registries by their HTTP API for the manifests of images, as the Engine will - with the same certificates,
    logins, mirrors and proxies. No Engine has to be there yet.
  - Used by M(trenova.selfhost.preflight), and only where an image is not on the host. Changes nothing.
options:
  images:
    description: References of the images.
    type: list
    elements: str
    required: true
  architecture:
    description: Architecture that they must be made for, as the kernel calls it.
    type: str
    required: true
  certificates:
    description: Certificates (PEM) of registries with a CA of their own, by C(host:port).
    type: dict
    default: {}
  mirrors:
    description: Addresses of mirrors of Docker Hub, which are asked first.
    type: list
    elements: str
    default: []
  insecure:
    description: Registries (host, C(host:port) or CIDR range) that the Engine uses without a valid certificate.
    type: list
    elements: str
    default: []
  proxies:
    description: Proxies of the Engine (C(http-proxy), C(https-proxy), C(no-proxy)) as JSON in base64.
    type: str
    default: ""
  logins:
    description: Logins of the inventory as JSON in base64. Those in root's Docker configuration count as well.
    type: str
    default: ""
  project_dir:
    description: Directory of the project, which remembers which entries of Docker's configuration are ours.
    type: path
    default: /opt/trenova
  secrets:
    description: Values that are masked wherever they turn up in the output.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - trenova.selfhost.attributes
attributes:
  check_mode:
    support: full
    details: Runs in check mode and changes nothing in either mode.
  diff_mode:
    support: none
    details: There is nothing to compare.
author:
  - Trenova self-host contributors (@trenova-selfhost)
"""

EXAMPLES = r"""
- name: Ask for an image
  trenova.selfhost.manifests:
    images: [docker.io/library/redis:8.4.7]
    architecture: x86_64
"""

RETURN = r"""
findings:
  description: What keeps the host from pulling images; entries with registry, kind, detail, login and images.
  returned: always
  type: list
  elements: dict
"""

import base64
import json

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.trenova.selfhost.plugins.module_utils import host, image_registry
from ansible_collections.trenova.selfhost.plugins.module_utils.converge import releases
from ansible_collections.trenova.selfhost.plugins.module_utils.docker_logins import DockerLogins

#: Where the Engine looks for a proxy: key of daemon.json -> variable of its environment.
PROXIES = {
    "http": ("http-proxy", "HTTP_PROXY"), "https": ("https-proxy", "HTTPS_PROXY"), "no": ("no-proxy", "NO_PROXY")}


def engine_environment():
    """Environment of the Engine that runs, in which an administrator may have set a proxy."""
    process = host.read_text("/run/docker.pid") or ""
    text = host.read_text(f"/proc/{process}/environ") if process.isdigit() else None
    return dict(pair.split("=", 1) for pair in (text or "").split("\0") if "=" in pair)


def proxies_of_engine(configured):
    """Proxies that the Engine uses: those of daemon.json, else those of its environment."""
    environment = engine_environment()
    return {
        kind: configured.get(key) or environment.get(name) or environment.get(name.lower()) or ""
        for kind, (key, name) in PROXIES.items()}


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "images": {"type": "list", "elements": "str", "required": True},
            "architecture": {"type": "str", "required": True},
            "certificates": {"type": "dict", "default": {}},
            "mirrors": {"type": "list", "elements": "str", "default": []},
            "insecure": {"type": "list", "elements": "str", "default": []},
            "proxies": {"type": "str", "default": "", "no_log": True},
            "logins": {"type": "str", "default": "", "no_log": True},
            "project_dir": {"type": "path", "default": "/opt/trenova"},
            "secrets": {"type": "list", "elements": "str", "default": [], "no_log": True},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    logins = DockerLogins(wanted["logins"], releases.Releases(wanted["project_dir"]).host.registry_logins)
    if logins.fault:
        module.exit_json(changed=False, findings=[{"kind": "config", "detail": logins.fault}])
    proxies = json.loads(base64.b64decode(wanted["proxies"]).decode("utf-8")) if wanted["proxies"] else {}
    settings = image_registry.Settings(
        logins.login, wanted["certificates"], wanted["mirrors"], wanted["insecure"], proxies_of_engine(proxies))
    module.exit_json(changed=False, findings=image_registry.ask(wanted["images"], wanted["architecture"], settings))


if __name__ == "__main__":
    main()
