#!/usr/bin/python
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: images
short_description: Have the images on the host, and prove that they are what the roles need
version_added: 0.1.0
description:
  - Pulls the images of all services side by side and runs the checks of each image's contract (C(image_contract) in
    meta/service.yml) in a container without network or capabilities.
  - What was proven is remembered by the image's id, so that a second run does nothing.
  - Writes the logins of registries into root's Docker configuration before, where pulls and C(docker compose) find
    them. What an administrator has there stays.
options:
  images:
    description: The images. Filled in by the action plugin from the services of the play.
    type: list
    elements: dict
    default: []
    suboptions:
      reference: {description: Reference of the image., type: str, required: true}
      role: {description: Role that uses it., type: str, required: true}
      user: {description: User and group that the container runs as., type: str, default: "0:0"}
      contract:
        description: What the image must have, clause by clause.
        type: list
        elements: dict
        default: []
        suboptions:
          says: {description: What the image must be., type: str, required: true}
          programs: {description: Programs that must be on its path., type: list, elements: str, default: []}
          command: {description: A command that must succeed in it., type: list, elements: str, default: []}
          capabilities: {description: Capabilities that the container has., type: list, elements: str, default: []}
  record:
    description: File that remembers what was proven.
    type: path
    default: /opt/trenova/images.json
  logins:
    description: Logins of registries as JSON in base64. Filled in by the action plugin from C(docker_registry_logins).
    type: str
    default: ""
  logins_record:
    description: File that remembers which entries of Docker's configuration are ours, so that these go when unwanted.
    type: path
    default: /opt/trenova/registry-logins.json
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
    details: Tells which images would be pulled; checks those that are there.
  diff_mode:
    support: full
    details: Shows of which registries the login changes, and nothing else of it.
author:
  - Trenova self-host contributors (@trenova-selfhost)
"""

EXAMPLES = r"""
- name: Fetch and check the images of the project
  trenova.selfhost.images:
"""

RETURN = r"""
pulled:
  description: References that were (or would be) pulled.
  returned: always
  type: list
  elements: str
changed_files:
  description: Files with logins that were (or would be) written.
  returned: always
  type: list
  elements: str
checked:
  description: References whose contract was checked in this run.
  returned: always
  type: list
  elements: str
"""

import functools
import json
import os
from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.trenova.selfhost.plugins.module_utils import engine, host
from ansible_collections.trenova.selfhost.plugins.module_utils.converge.images import contract_fault, pull
from ansible_collections.trenova.selfhost.plugins.module_utils.docker_logins import DockerLogins
from ansible_collections.trenova.selfhost.plugins.module_utils.files import ManagedFile
from ansible_collections.trenova.selfhost.plugins.module_utils.images import proof


def keep_logins(module):
    """Have the logins of the inventory, and no longer wanted ones no more, in Docker's configuration."""
    logins = DockerLogins(module.params["logins"], module.params["logins_record"])
    if logins.fault:
        module.fail_json(msg=f"{logins.fault}. Nothing was pulled.")
    result = {"changed_files": [managed.path for managed in logins.files()], "diff": logins.diff()}
    if not module.check_mode:
        logins.write()
    return result


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "images": {
                "type": "list", "elements": "dict", "default": [],
                "options": {
                    "reference": {"type": "str", "required": True},
                    "role": {"type": "str", "required": True},
                    "user": {"type": "str", "default": "0:0"},
                    "contract": {
                        "type": "list", "elements": "dict", "default": [],
                        "required_one_of": [["programs", "command"]],
                        "options": {
                            "says": {"type": "str", "required": True},
                            "programs": {"type": "list", "elements": "str", "default": []},
                            "command": {"type": "list", "elements": "str", "default": []},
                            "capabilities": {"type": "list", "elements": "str", "default": []},
                        },
                    },
                },
            },
            "record": {"type": "path", "default": "/opt/trenova/images.json"},
            "logins": {"type": "str", "default": "", "no_log": True},
            "logins_record": {"type": "path", "default": "/opt/trenova/registry-logins.json", "no_log": False},
            "secrets": {"type": "list", "elements": "str", "default": [], "no_log": True},
        },
        supports_check_mode=True,
    )
    images = module.params["images"]
    references = sorted({image["reference"] for image in images})
    kept = keep_logins(module)
    try:
        found = engine.images(*references)
        missing = [reference for reference in references if reference not in found]
        if missing and not module.check_mode:
            # Two at a time: more only share the same line and disk.
            with ThreadPoolExecutor(max_workers=2) as pool:
                faults = dict(zip(missing, pool.map(functools.partial(pull, engine), missing)))
            failed = {reference: fault for reference, fault in faults.items() if fault}
            if failed:
                lines = []
                for fault in sorted(set(failed.values())):
                    lines += [fault, *(f"  {reference}" for reference in sorted(failed) if failed[reference] == fault)]
                module.fail_json(msg="\n".join([
                    f"{len(failed)} images cannot be pulled. Push them to the registry (playbooks/images.yml), or load "
                    "them from an archive:", *lines]))
            found = engine.images(*references)
        proven = host.read_json(module.params["record"]) or {}
        due = [
            image for image in images if image["reference"] in found
            and proven.get(image["role"]) != proof(found[image["reference"]]["Id"], image["contract"], image["user"])]
        with ThreadPoolExecutor(max_workers=2) as pool:
            faults = [fault for fault in pool.map(functools.partial(contract_fault, engine), due) if fault]
    except engine.EngineError as error:
        if module.check_mode:
            # On a bare server there is no Engine yet: all images would be pulled.
            module.exit_json(**dict(kept, changed=True, pulled=references, checked=[]))
        module.fail_json(msg=str(error))
    if faults:
        module.fail_json(msg="\n".join(["Images are not what the roles need; nothing was started with them:", *faults]))
    if due and not module.check_mode:
        proven.update({
            image["role"]: proof(found[image["reference"]]["Id"], image["contract"], image["user"]) for image in due})
        content = json.dumps(proven, indent=2, sort_keys=True) + "\n"
        os.makedirs(os.path.dirname(module.params["record"]), exist_ok=True)
        ManagedFile(module.params["record"], content, "0644", 0, 0).write()
    module.exit_json(**dict(
        kept, changed=bool(missing or kept["changed_files"]), pulled=missing,
        checked=[image["reference"] for image in due], proven=proven))


if __name__ == "__main__":
    main()
