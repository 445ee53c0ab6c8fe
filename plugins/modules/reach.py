#!/usr/bin/python
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: reach
short_description: Ask from the host whether servers of somebody else's answer
version_added: 0.1.0
description:
  - Speaks a few words with external PostgreSQL, Redis and S3 services (C(reachable) in meta/service.yml) - do they
    answer, are they what they should be, do they know our password where that can be asked.
  - Used by M(trenova.selfhost.preflight), and only where a service is external. Changes nothing.
options:
  servers:
    description: The servers, as the services declare them.
    type: list
    elements: dict
    required: true
  passwords:
    description: Passwords that the servers name, by variable.
    type: dict
    default: {}
extends_documentation_fragment:
  - trenova.selfhost.attributes
  - trenova.selfhost.attributes.read_only
author:
  - Trenova self-host contributors (@trenova-selfhost)
"""

EXAMPLES = r"""
- name: Ask an external Redis
  trenova.selfhost.reach:
    servers:
      - {name: Redis, kind: redis, host: redis.internal, port: 6379, password_variable: password}
    passwords:
      password: "{{ trenova_redis_password }}"
"""

RETURN = r"""
results:
  description: One entry for each server with name, variable, ok and detail.
  returned: always
  type: list
  elements: dict
"""

from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.trenova.selfhost.plugins.module_utils import reach


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "servers": {"type": "list", "elements": "dict", "required": True},
            "passwords": {"type": "dict", "default": {}, "no_log": True},
        },
        supports_check_mode=True,
    )

    def result(server):
        try:
            ok, detail = True, reach.ask(server, module.params["passwords"])
        except reach.Unreachable as error:
            ok, detail = False, str(error)
        return {"name": server["name"], "variable": server.get("variable"), "ok": ok, "detail": detail}

    with ThreadPoolExecutor(max_workers=4) as pool:
        module.exit_json(changed=False, results=list(pool.map(result, module.params["servers"])))


if __name__ == "__main__":
    main()
