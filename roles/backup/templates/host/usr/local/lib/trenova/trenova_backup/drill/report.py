# Managed by trenova.selfhost.
"""What a drill has shown, as people read it, from its record alone."""

from __future__ import annotations

import textwrap

from trenova_backup import facts
from trenova_backup.files import duration, size

WIDTH = 100
RESULTS = {"ok": "passed", "failed": "FAILED", "interrupted": "was interrupted", "skipped": "was skipped"}


def lines(record):
    """Lines of a report."""
    told = record.get("drill") or {}
    found = ["Drill of {started} on {host}: {result} in {seconds}".format(
        started=record.get("started", "-"), host=told.get("host", "this host"),
        result=RESULTS.get(record["state"], record["state"]), seconds=duration(record.get("seconds", 0)))]
    if record.get("because"):
        found += _wrapped(record["because"], 2)
    if told.get("rto_seconds") is not None:
        found.append(f"  RTO {_exactly(told['rto_seconds'])}: from nothing to " + (
            "a login" if told.get("login") else "services that are healthy"))
    if told.get("rpo_seconds") is not None:
        found += _wrapped(f"RPO {_exactly(told['rpo_seconds'])}: so old was what a loss of the server would have left "
                          f"in target {told['target']}, {told['newest']}", 2)
    if told.get("stores"):
        found += ["", "  Restored from {target}, backup {run}:".format(**told)]
        found += _table([(store["title"], "as of " + store["at"], size(store["bytes"])) for store in told["stores"]])
    found += _compared(told)
    if record.get("steps"):
        titles = {store["store"]: store["title"] + ": " for store in told.get("stores") or []}
        found += ["", "  What took how long:"]
        found += _table([(titles.get(step["service"], "") + step["name"], duration(step.get("seconds", 0)),
                          "" if step["state"] == "ok" else "failed") for step in record["steps"]])
    if told.get("live"):
        live = told["live"]
        found += ["", *_wrapped("{where}: {things} containers, networks, volumes and directories had the digest "
                                "{before} before and {after} after the drill: {what}.".format(
                                    where="Besides, on this host" if told.get("is_away") else "Live",
                                    what="nothing was touched" if not live["changes"] else
                                    ", ".join(live["changes"]) + " changed", **live), 2)]
    if told.get("removed") is not None:
        found += _wrapped("Left of the drill: " + (", ".join(told["removed"]) or "nothing") + ".", 2)
    for warning in record.get("warnings") or []:
        found += _wrapped("WARNING: " + warning, 2)
    return found


def _exactly(seconds):
    """Seconds as they were measured, where people can still read them."""
    return f"{seconds} s" if seconds < 600 else duration(seconds)


def _compared(told):
    found = []
    for name, result in sorted((told.get("compared") or {}).items()):
        sure = result["differences"]
        found += _wrapped(
            f"{name}: {result['tables']} tables with {result['rows']} rows as recorded at {result['at']}, "
            f"{result['checksums']} of them by checksum: " + ("all equal." if not sure else facts.shortened(sure)), 2)
        if result.get("uncertain"):
            found += _wrapped("Somebody wrote while it was recorded: " + facts.shortened(result["uncertain"]), 4)
    for name, result in sorted((told.get("objects") or {}).items()):
        found += _wrapped(f"{name}: {result['objects']} objects, {size(result['bytes'])}, of {result['expected']} that "
                          f"there were ({size(result['expected_bytes'])})." + _objects_compared(result), 2)
    for login in told.get("login") or []:
        found += _wrapped("Login at {container}: {read}.".format(
            container=login["container"], read=", ".join(
                f"{path} {status} ({number} bytes)" for path, status, number in login["read"])), 2)
    if told.get("rto_seconds") is not None and not told.get("login"):
        found.append("  Nobody logged in: no account of the application is known here.")
    return ["", "  Asked:", *found] if found else []


def _objects_compared(result):
    # Records of before do not say it.
    if "compared" not in result:
        return ""
    return f" Compared: {result['compared']} by size, {result['by_md5']} by MD5."


def _table(rows):
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    return [("    " + "  ".join([row[0].ljust(widths[0]), row[1].rjust(widths[1]), row[2]])).rstrip() for row in rows]


def _wrapped(text, indent):
    return textwrap.wrap(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * (indent + 2))
