# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The results of a verification: as a table for people, and as a file for everything else."""

from __future__ import annotations

import datetime
import json
import os

WIDTH = 100


def table(name, results):
    """The results as a person reads them, 100 columns wide."""
    width = max(len(entry["name"]) for entry in results)
    lines = [f"Verification of {name}"]
    group = None
    for entry in results:
        if entry["group"] != group:
            group = entry["group"]
            lines.append(f"  {group}")
        mark = "note  " if is_note(entry) else "ok    " if entry["ok"] else "FAILED"
        detail = str(entry["detail"])
        room = max(20, WIDTH - width - 13)
        is_short = mark == "ok    " and len(detail) > room
        shown = detail[:room - 1] + "…" if is_short else detail
        lines.append(f"    {mark} {entry['name']:<{width}}  {shown}")
    asked = [entry for entry in results if not is_note(entry)]
    passed = sum(1 for entry in asked if entry["ok"])
    more = f"; {len(results) - len(asked)} say nothing of it, see their notes" if len(asked) < len(results) else ""
    lines.append(f"  {passed} of {len(asked)} checks passed{more}")
    return "\n".join(lines)


def is_note(entry):
    """Whether a result is neither a success nor a failure: what cannot be asked from here, or should be known."""
    return bool(entry["ok"] and entry.get("note"))


def grouped(groups):
    """All results of {group: results} in one list, each with the name of its group."""
    return [dict(entry, group=name) for name, results in groups.items() for entry in results]


def write(directory, name, results):
    """Write the results of a host to a file in a directory, and return its path."""
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, f"verify-{name}.json")
    moment = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    with open(path, "w", encoding="utf-8") as stream:
        json.dump({"host": name, "time": moment, "results": results}, stream, indent=2)
    return path


def conclusion(results, report):
    """What the task says of the results."""
    failed = [entry for entry in results if not entry["ok"]]
    if not failed:
        return {"changed": False, "results": results, "report": report}
    lines = [f"{len(failed)} of {len(results)} checks failed."]
    for entry in failed:
        lines.append("  {name}: {detail}".format(**entry))
        log_lines = entry.get("log_lines") or []
        lines += ["    The last log lines:", *("      " + line for line in log_lines)] if log_lines else []
    # A failed result is printed whole; the table above and the report have it all already.
    return {"failed": True, "msg": "\n".join(lines), "report": report}
