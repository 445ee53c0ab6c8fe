# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: quoted
short_description: A text as the reader of a file takes it back
version_added: 0.2.0
author: Trenova self-host contributors (@trenova-selfhost)
description:
  - With the quotes and escapes of a grammar, so that any text arrives letter by letter.
  - Fails for a text with a line break, which no line of a file can hold.
positional: grammar
options:
  _input: {description: Text., type: str, required: true}
  grammar:
    description:
      - V(caddyfile) a word of Caddy's file, V(compose) a value of Compose, V(ini) a value of rclone's
        configuration, V(pgpass) a field of PostgreSQL's password file, V(postgresql) a value of its configuration,
        V(sql) a literal, V(userlist) a field of PgBouncer's list of users.
    type: str
    choices: [caddyfile, compose, ini, pgpass, postgresql, sql, userlist]
    required: true
"""

EXAMPLES = r"""
entry: '{{ user | trenova.selfhost.quoted("userlist") }} {{ password | trenova.selfhost.quoted("userlist") }}'
# mailer and pa"ss => "mailer" "pa""ss"
"""

RETURN = r"""
_value:
  description: The text in the notation of the grammar.
  type: str
"""

from ansible_collections.trenova.selfhost.plugins.plugin_utils.quoting import quoted


class FilterModule:
    """Filters of this file."""

    def filters(self):
        """Names of the filters."""
        return {"quoted": quoted}
