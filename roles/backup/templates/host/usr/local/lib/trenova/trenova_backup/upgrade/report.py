# Managed by trenova.selfhost.
"""What an upgrade or a rehearsal has shown, as people read it, from its record alone."""

from __future__ import annotations

import textwrap

from trenova_backup import facts
from trenova_backup.drill import report as drill
from trenova_backup.files import duration, size

WIDTH = 100


def lines(record):
    """Lines of a report."""
    if record["verb"] == "rehearsal":
        told = (record.get("drill") or {}).get("upgrade") or {}
        found = drill.lines(record)
        found[0] = found[0].replace("Drill of", f"Rehearsal of PostgreSQL {told.get('from')} to {told.get('to')},", 1)
        return [found[0], *_seconds(told), *_told(told), *found[1:]]
    told = record.get("upgrade") or {}
    title = "Way back from" if told.get("way") == "back" else "Upgrade of"
    found = ["{} PostgreSQL {} to {}, {}: {} in {}".format(
        title, told.get("from", "?"), told.get("to", "?"), record.get("started", "-"),
        drill.RESULTS.get(record["state"], record["state"]), duration(record.get("seconds", 0)))]
    if record.get("because"):
        found += _wrapped(record["because"])
    found += _told(told)
    if record.get("steps"):
        found += ["", "  What took how long:"]
        width = max(len(step["name"]) for step in record["steps"])
        found += ["    {}  {}{}".format(step["name"].ljust(width), duration(step.get("seconds", 0)),
                                        "" if step["state"] == "ok" else "  failed") for step in record["steps"]]
    for path in (record.get("copies") or {}).values():
        found += ["", *_wrapped(f"What was there is in {path}, until a good backup a week later.")]
    return found + [line for warning in record.get("warnings") or [] for line in _wrapped("WARNING: " + warning)]


def _seconds(told):
    if "seconds" not in told:
        return []
    return _wrapped(f"The real one stops what works with the database for about {duration(told['seconds'])}, and takes "
                    f"{size(told['bytes'])} beside what is there.")


def _told(told):
    found = ["", "  It finds:"] if told.get("findings") else []
    for text in told.get("findings") or []:
        found += textwrap.wrap(text, WIDTH, initial_indent="    - ", subsequent_indent="      ")
    result = told.get("compared")
    if result:
        found += ["", *_wrapped(
            f"Before and after: {result['tables']} tables with {result['rows']} rows, {result['checksums']} of them "
            f"by checksum, and {result['contents']} other things that there are: " + (
                facts.shortened(result["differences"]) or "all equal."))]
        if result["anew"]:
            found += _wrapped(f"Worked out anew: {', '.join(result['anew'][:10])}.")
    return found


def _wrapped(text):
    # Paths are to be copied.
    return textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ", break_long_words=False,
                         break_on_hyphens=False)
