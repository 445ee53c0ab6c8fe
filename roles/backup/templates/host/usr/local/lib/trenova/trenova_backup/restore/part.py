# Managed by trenova.selfhost.
"""A part of one store - a table, a bucket, an object - beside the live ones: what is refused, and the plan."""

from __future__ import annotations

from trenova_backup.errors import BackupError
from trenova_backup.files import duration, size

#: Chosen: seconds that it takes besides what is read, for containers and a server that recovers.
USUAL = 20


def need_sense(work, confirm):
    """Raises BackupError, before a target is asked, where the words are no wish for a part, or it is not the time."""
    if len(work.wish["stores"]) != 1:
        raise BackupError("A part is one of one store. Write: --store, once.")
    if confirm:
        raise BackupError("--only brings a part back beside the live ones. It replaces nothing, so nobody confirms it. "
                          "Leave out --confirm; or leave out --only, to replace the store. Nothing was changed.")
    if work.journal.is_touched:
        raise BackupError("A restore has not ended. Repeat that one first.")


def need_parts(work):
    """Raises BackupError where the store has no parts that could come back by themselves."""
    [(name, kind)] = work.kinds.items()
    if kind.store["kind"] != "objects" and not (kind.store["kind"] == "postgres" and kind.store["physical"]):
        # Whose kind has none says so, and touches nothing before.
        kind.bring_part(work.choices[name], "", "", "")


def told(work, only):
    """What would be done, for people and programs, as that of a whole restore; and `only`, which part."""
    [(name, kind)] = work.kinds.items()
    choice = work.choices[name]
    # Of objects only those of the part are read; a server that recovers needs all of its files.
    read = choice.bytes if choice.adds is None else choice.adds
    speed = work.settings["figures"]["copy_bytes_per_second"]
    full = work.told()
    [store] = full["stores"]
    return dict(full, only=only, bytes=read, seconds=round(read / speed + USUAL), stops=[], stores=[
        dict(store, bytes=read, objects=None, replaces="", now_bytes=None)])


def words(plan):
    """Lines that say which part comes back, as of when, and what that takes."""
    [store] = plan["stores"]
    is_table = store["kind"] == "postgres"
    needed = ", ".join(f"{size(number)} in {place}" for place, number in plan["space"].items() if number)
    return [
        f"Restore of a part of {plan['installation']} from target {plan['target']}", "",
        f"  {plan['only']} of {store['title']}, as of {store['at']}, {duration(store['age_seconds'])} ago",
        f"  It comes back beside the live ones, in {'a schema' if is_table else 'a bucket'} of its own. Nothing is "
        "replaced and nobody is stopped,", "  so it needs no confirmation.", "",
        f"  About {duration(plan['seconds'])}, in which {size(plan['bytes'])} are read."
        + (f" Space: {needed}." if needed else "")]
