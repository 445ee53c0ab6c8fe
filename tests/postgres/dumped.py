# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether the last backup has dumped a database: its status on the input; the name of the database as the only word."""

from __future__ import annotations

import json
import sys


def dumped(status, database):
    """The step that dumped a database, as words for a table. Raises SystemExit, with a sentence, where it did not."""
    wanted = f"dump {database}"
    states = {step["name"]: step["state"] for step in status.get("steps") or []}
    if states.get(wanted) != "ok":
        what = f"is {states[wanted]}" if wanted in states else "is missing; there are: " + (", ".join(states) or "none")
        because = f" The backup says: {status['because']}" if status.get("because") else ""
        raise SystemExit(
            f'The backup is {status.get("state") or "not there"}, and its step "{wanted}" {what}.{because}')
    return f"{wanted} ok"


if __name__ == "__main__":
    print(dumped(json.load(sys.stdin), sys.argv[1]))
