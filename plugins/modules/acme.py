#!/usr/bin/python
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: acme
short_description: Ask a host what it knows of host names and their certificates
version_added: 0.2.0
description:
  - Resolves host names on the host, says which addresses are its own, and reads in the log of Caddy what an ACME
    authority said last of each name.
  - What was said before Caddy was started is of no account, since it asks anew then. Where it was started just now and
    has not said of each name how that went, it is waited for, for some seconds.
  - Used by M(trenova.selfhost.preflight) for names without a certificate, and by M(trenova.selfhost.verify) where a
    certificate is missing or late. Changes nothing.
options:
  names:
    description: The host names.
    type: list
    elements: str
    required: true
  addresses:
    description: Addresses to which the names lead elsewhere, of which it is asked whether they are the host's.
    type: list
    elements: str
    default: []
  container:
    description: Container of Caddy whose log is read; none when left out.
    type: str
extends_documentation_fragment:
  - trenova.selfhost.attributes
  - trenova.selfhost.attributes.read_only
author:
  - Trenova self-host contributors (@trenova-selfhost)
"""

EXAMPLES = r"""
- name: Ask what became of a certificate
  trenova.selfhost.acme:
    names: [erp.company.com]
    container: tren-caddy
"""

RETURN = r"""
resolved:
  description: >-
    Addresses of each name; an empty list of a name that does not exist, null where no name server has answered.
  returned: always
  type: dict
own:
  description: Those of all addresses that are named in O(addresses), in the answers and in the log that are the host's.
  returned: always
  type: list
  elements: str
attempts:
  description: >-
    The last attempt for each name that got no certificate, by name, with C(failures) (each with C(issuer), C(status),
    C(type) and C(detail)), C(registers), whether the account was refused, and C(lines) of the log.
  returned: always
  type: dict
"""

import calendar
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.trenova.selfhost.plugins.module_utils import acme_log, engine, host_names

#: Caddy tries again after six hours at the latest.
LOG_HOURS = 8
LOG_LINES = 20000
LOG_SECONDS = 20
#: From Caddy's start on, in which it asks for all names that lack a certificate.
ASKING_SECONDS = 20
PAUSE_SECONDS = 1


def attempts(container, names):
    """The last attempt for each name since Caddy was started. One that has just begun to ask is waited for."""
    # One that ends and is started again and again has always just begun.
    deadline = time.monotonic() + ASKING_SECONDS
    while True:
        since, seconds = begun(container)
        lines = log_lines(container, since)
        if seconds > ASKING_SECONDS or time.monotonic() >= deadline or names <= acme_log.ended(lines):
            return acme_log.attempts(lines, names)
        time.sleep(PAUSE_SECONDS)


def begun(container):
    """From when on the log is of account, as the Engine takes it, and how many seconds ago that was."""
    longest = LOG_HOURS * 3600
    try:
        started = engine.started_at(engine.containers(container)[container])
        seconds = time.time() - calendar.timegm(time.strptime(started.partition(".")[0], "%Y-%m-%dT%H:%M:%S"))
    except (engine.EngineError, KeyError, ValueError):
        seconds = longest
    # A clock that was ahead at the start tells nothing.
    return (started + "Z", seconds) if 0 <= seconds < longest else (f"{LOG_HOURS}h", longest)


def log_lines(container, since):
    """Lines of a container's log; none where the Engine does not hand them out."""
    try:
        done = engine.docker(
            "logs", "--since", since, "--tail", str(LOG_LINES), container, seconds=LOG_SECONDS, check=False)
    except engine.EngineError:
        return []
    return [*done.stdout.splitlines(), *done.stderr.splitlines()]


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "addresses": {"type": "list", "elements": "str", "default": []},
            "container": {"type": "str"},
        },
        supports_check_mode=True,
    )
    names, container = module.params["names"], module.params["container"]
    resolved = host_names.resolved(names)
    found = attempts(container, set(names)) if container else {}
    told = {address for attempt in found.values() for failure in attempt["failures"]
            for address in acme_log.addresses(failure["detail"])}
    told.update(module.params["addresses"], *(addresses or [] for addresses in resolved.values()))
    module.exit_json(
        changed=False, resolved=resolved, attempts=found,
        own=sorted(address for address in told if host_names.is_own(address)))


if __name__ == "__main__":
    main()
