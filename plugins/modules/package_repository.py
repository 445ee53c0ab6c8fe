#!/usr/bin/python
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: package_repository
short_description: Ask from the host whether a repository will give it packages
version_added: 0.2.0
description:
  - Has apt or dnf read a repository in a folder of its own, as it would if the repository were among its sources - with
    the proxies, logins and certificates that it has on this host. The sources of the host stay as they are.
  - Used by M(trenova.selfhost.preflight), and by the role C(docker) before it writes a source; only where packages
    are to come from such a repository. Changes nothing.
options:
  manager:
    description: Package manager of the host.
    type: str
    choices: [apt, dnf]
    required: true
  address:
    description: Address of the repository, which holds C(dists) for apt, C(repodata) for dnf.
    type: str
    required: true
  suite:
    description: Release of the distribution, by its code name. Required for apt.
    type: str
  component:
    description: Part of the repository. For apt.
    type: str
    default: stable
  key:
    description: Address of the key that the repository is signed by. Required for apt; dnf fetches it itself.
    type: str
  packages:
    description: Names of the packages that are to come from it.
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - trenova.selfhost.attributes
  - trenova.selfhost.attributes.read_only
author:
  - Trenova self-host contributors (@trenova-selfhost)
"""

EXAMPLES = r"""
- name: Ask Docker's repository
  trenova.selfhost.package_repository:
    manager: apt
    address: https://download.docker.com/linux/debian
    suite: bookworm
    key: https://download.docker.com/linux/debian/gpg
    packages: [docker-ce, docker-compose-plugin]
"""

RETURN = r"""
fault:
  description: What keeps the host from using the repository, with C(kind) (key, unreachable, signature) and C(detail).
  returned: always
  type: dict
key:
  description: The key, with which apt has found the signature good; empty where there is a fault, and for dnf.
  returned: always
  type: str
versions:
  description: Newest version of each package, null where the repository does not have it. Empty where it is not known.
  returned: always
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.trenova.selfhost.plugins.module_utils import package_repository


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "manager": {"type": "str", "choices": ["apt", "dnf"], "required": True},
            "address": {"type": "str", "required": True},
            "suite": {"type": "str"},
            "component": {"type": "str", "default": "stable"},
            "key": {"type": "str", "no_log": False},
            "packages": {"type": "list", "elements": "str", "required": True},
        },
        required_if=[("manager", "apt", ("suite", "key"))],
        supports_check_mode=True,
    )
    wanted = module.params
    fault, key, versions = None, "", {}
    try:
        if wanted["manager"] == "apt":
            key, versions = package_repository.ask_apt(
                wanted["address"], wanted["suite"], wanted["component"], wanted["key"], wanted["packages"])
        else:
            versions = package_repository.ask_dnf(wanted["address"], wanted["packages"])
    except package_repository.Refused as error:
        fault = {"kind": error.kind, "detail": error.detail}
    module.exit_json(changed=False, fault=fault, key=key, versions=versions)


if __name__ == "__main__":
    main()
