# Managed by trenova.selfhost.
"""What programs say of why they failed, as words for people: one rule for restic, rclone, and the Engine's command.

Nothing here reads or writes anything.
"""

from __future__ import annotations

import json
import re

#: How docker exec ends where a command was not started. Why stands in its output then, as if the command had said it.
NOT_STARTED = (126, 127)
#: Types of restic's messages that tell of a failure: the last word of all, and what one file or request had.
LAST_WORD, FAULT = "exit_error", "error"
#: How lines begin that restic hands on of the rclone that it works with, and how rclone's own do.
OF_RCLONE = re.compile(r"(rclone: )?\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ")
LEVEL = re.compile(r"(ERROR|CRITICAL|NOTICE|INFO|Failed)\s*:\s*")
#: What tar and pg_receivewal end with whatever was the matter, which they said before.
NO_REASONS = ("Exiting with failure status due to previous errors", "pg_receivewal: error: disconnected")
#: More is nothing that somebody reads.
LONGEST = 400


def reason(lines, errors):
    """Why a program failed, by its output and its error output; "" where it said nothing.

    What rclone says is nearest to the cause, then the last word of restic, then the last line of all.
    """
    said = [line.strip() for line in [*list(lines)[-1:], *errors]
            if line.strip() and not any(words in line for words in NO_REASONS)]
    of_rclone = [line for line in said if line.startswith("rclone: ") and OF_RCLONE.match(line)]
    last_words = [line for kind in (FAULT, LAST_WORD) for line in said if message(line).get("message_type") == kind]
    return cleaned([*said, *last_words, *of_rclone][-1]) if said else ""


def cleaned(line):
    """A line without what is for programs, and without its full stop."""
    line = line.strip()
    told = message(line)
    if told:
        fault = told.get("error")
        line = str(told.get("msg") or told.get("message") or (
            fault.get("message") if isinstance(fault, dict) else fault) or line)
    line = LEVEL.sub("", OF_RCLONE.sub("", line, count=1), count=1) if OF_RCLONE.match(line) else line
    return " ".join(line.removeprefix("Fatal: ").split())[:LONGEST].lstrip(": ").rstrip(".")


def message(line):
    """A line for programs as data, {} for what is none."""
    try:
        told = json.loads(line)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
