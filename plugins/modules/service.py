#!/usr/bin/python
# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: service
short_description: Bring one service of the Compose project to its wanted state
version_added: 0.1.0
description:
  - Renders a role's templates on the controller and hands them to M(trenova.selfhost.converge), for this service alone.
    This is what a role does that is used without C(site.yml). Without a change on the host it costs no execution.
  - Where nothing has checked the host yet, it is checked first.
options:
  name:
    description: Name of the role, which is also the directory of its files on the host.
    type: str
    required: true
extends_documentation_fragment:
  - trenova.selfhost.attributes
attributes:
  check_mode:
    support: full
    details: Tells what would change, and changes nothing.
  diff_mode:
    support: full
    details: Shows the difference of every file; of a secret only that it differs.
seealso:
  - module: trenova.selfhost.converge
author:
  - Trenova self-host contributors (@trenova-selfhost)
"""

EXAMPLES = r"""
- name: Deploy PgBouncer
  trenova.selfhost.service:
    name: pgbouncer
"""

RETURN = r"""
changed_files:
  description: Paths that were (or in check mode would be) written.
  returned: always
  type: list
  elements: str
started:
  description: Containers that were (or would be) created, replaced or restarted.
  returned: always
  type: list
  elements: str
reloaded:
  description: Commands that made a service read its files again.
  returned: always
  type: list
  elements: str
"""
