# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The program that makes backups on a host, asked from the controller."""

from __future__ import annotations

import json
import shlex

from ansible.errors import AnsibleActionFail

COMMAND = ("/usr/bin/env", "python3", "-B", "/usr/local/lib/trenova/backup.py")
#: What Python says where the program is not there, and what the program says of words that it does not know.
MISSING, UNKNOWN = "can't open file", "usage:"
NOT_THERE = "No backups are made on {}: it was not deployed yet, or backup_enabled is false. Run site.yml."
TOO_OLD = "The program of the backups on {} is that of another version. Run site.yml."


def ask(action, host, *words, command=COMMAND):
    """What the program answers to words, as data. Raises AnsibleActionFail, with one sentence, where it cannot."""
    done = action._low_level_execute_command(shlex.join([*command, *words]))
    said = (done.get("stderr") or "") + (done.get("stdout") or "")
    if MISSING in said:
        raise AnsibleActionFail(NOT_THERE.format(host))
    if UNKNOWN in said:
        raise AnsibleActionFail(TOO_OLD.format(host))
    if done.get("rc") != 0:
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        raise AnsibleActionFail(lines[-1] if lines else f"The program of the backups on {host} failed.")
    return _answer(done.get("stdout") or "", host)


def _answer(text, host):
    """The object that stands in a line of its own, whatever a login shell says besides."""
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            return json.loads(line)
    raise AnsibleActionFail(TOO_OLD.format(host))
