# Managed by trenova.selfhost.
"""Whether a new server holds what the old one does. Nothing here reads or writes anything.

Of a server: {database: {"facts": as that module has them, "contents": {(kind, name): what it is like}}}.
"""

from __future__ import annotations

import json

from trenova_backup import facts

#: Their rows are worked out anew, so they may be newer than before.
ANEW = "materialized view"


def contents(lines):
    """{(kind, name): what it is like} from what config/contents.sql says."""
    return {(kind, name): told for kind, name, told in (json.loads(line) for line in lines if line.strip())}


def compared(old, new):
    """What is equal, and what is not: {tables, rows, checksums, contents, anew, differences}."""
    anew = {database: {told["plain"] for (kind, _name), told in held["contents"].items() if kind == ANEW}
            for database, held in old.items()}
    told = facts.compared(*(
        {database: _facts(held["facts"], anew.get(database, ())) for database, held in server.items()}
        for server in (old, new)))
    told.pop("uncertain")
    told.update(contents=0, anew=sorted(name for names in anew.values() for name in names))
    for database, held in old.items():
        there = new.get(database, {}).get("contents", {})
        for key in sorted({*held["contents"], *there}):
            told["contents"] += 1
            then, now, title = held["contents"].get(key), there.get(key), f"{database}, {' '.join(key)}"
            if now is None or then is None:
                told["differences"].append(f"{title}: " + ("it is "
                                                           "missing." if now is None else "it was not there before."))
            elif then != now:
                told["differences"].append(f"{title}: it is not what it was ({', '.join(_changed(then, now))}).")
    return told


def _facts(held, without):
    """Facts of a server that nobody else reaches: nothing is written between two databases, whatever it logs itself."""
    tables = {name: entry for name, entry in held["tables"].items() if name not in without}
    return dict(held, tables=tables, is_exact=True, lsn="")


def _changed(then, now):
    """Names of what differs, and not the values: hashes of passwords are among them."""
    if isinstance(then, dict) and isinstance(now, dict):
        return sorted(name for name in {*then, *now} if then.get(name) != now.get(name))
    return ["all of it"]
