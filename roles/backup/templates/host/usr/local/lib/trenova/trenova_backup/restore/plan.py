# Managed by trenova.selfhost.
"""What a restore would do, as people read it."""

from __future__ import annotations

from trenova_backup.files import duration, size


def words(told):
    """Lines that say what is restored, as of when, and what it replaces."""
    lines = [f"Restore of {told['installation']} from target {told['target']}", ""]
    rows = [("", "as of", "", "restores", "replaces")]
    rows += [(
        store["title"], store["at"], f"{duration(store['age_seconds'])} ago",
        size(store["bytes"]) + (f", {store['objects']} objects" if store["objects"] is not None else ""),
        _replaced(store)) for store in told["stores"]]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        lines.append("  " + "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[4]]).rstrip())
    needed = ", ".join(f"{size(number)} in {place}" for place, number in told["space"].items() if number)
    return [
        *lines, "",
        f"  Stopped meanwhile: {', '.join(told['stops'])}. About {duration(told['seconds'])}."
        + (f" Space: {needed}." if needed else ""),
        "  What is replaced stays for a week, and can be put back: directories beside it, objects in a bucket, "
        "the rest as files."]


def _replaced(store):
    if store["replaces"]:
        now = f" ({size(store['now_bytes'])})" if store["now_bytes"] is not None else ""
        return store["replaces"] + now
    if store["kind"] != "objects":
        return "what has the same names"
    number = store["over"]
    return "objects of the same names" if number is None else f"{number} objects that are other ones now"
