# Managed by trenova.selfhost.
"""What databases held when they were saved: taken down with a backup, and compared with what a drill brings back.

    {database: {lsn, timeline, at, is_exact, tables: {"schema.table": {rows, checksum}}}}

The checksum of a table does not hang on the order of its rows; None for one that was too large to read it all, and so
are the rows of one that was too large even to count them. Where is_exact, nobody was writing: the log up to that
position leads to these very rows. Nothing here reads or writes anything.
"""

from __future__ import annotations

import json

#: How many differences are told.
MOST = 10


def parsed(lines):
    """The facts of one database from what config/facts.sh says. Raises ValueError where that is something else."""
    first, *others = [json.loads(line) for line in lines if line.strip()] or [None]
    if not isinstance(first, dict) or "lsn" not in first:
        raise ValueError("it does not say of which moment it is")
    return dict(first, tables={
        told["table"]: {"rows": told["rows"], "checksum": told["checksum"]} for told in others})


def target_of(facts):
    """Up to where the log is to be read so that these facts hold, as config/recover.sh takes it: the first database's.

    Others were read a moment later, mostly at the same position.
    """
    first = next(iter(facts.values()))
    return "{lsn}@{timeline}".format(**first)


def without(held, names):
    """Facts without tables of these names."""
    return {database: dict(facts, tables={name: told for name, told in facts["tables"].items() if name not in names})
            for database, facts in held.items()}


def compared(recorded, found):
    """How what came back differs from what was recorded.

    {tables, rows, checksums: how many are equal, or were compared; differences: sentences; uncertain: those of
    databases that somebody was writing to, of which a difference proves nothing}
    """
    told = {"tables": 0, "rows": 0, "checksums": 0, "differences": [], "uncertain": []}
    positions = [facts["lsn"] for facts in recorded.values()]
    for database, facts in recorded.items():
        is_sure = facts["is_exact"] and facts["lsn"] == positions[0]
        into = told["differences" if is_sure else "uncertain"]
        there = found.get(database)
        if there is None:
            told["differences"].append(f"The database {database} is missing.")
            continue
        for name in sorted({*facts["tables"], *there["tables"]}):
            _compare(f"{database}, {name}", facts["tables"].get(name), there["tables"].get(name), told, into)
    return told


def _compare(title, then, now, told, differences):
    if then is None or now is None:
        differences.append(f"{title}: " + ("it is missing." if now is None else "it was not there then."))
        return
    told["tables"] += 1
    told["rows"] += now["rows"] or 0
    if None in (then["rows"], now["rows"]):
        return  # too large to be counted each night
    if then["rows"] != now["rows"]:
        differences.append(f"{title}: {now['rows']} rows, and then there were {then['rows']}.")
    elif None not in (then["checksum"], now["checksum"]):
        told["checksums"] += 1
        if then["checksum"] != now["checksum"]:
            differences.append(f"{title}: as many rows as then ({now['rows']}), but other ones.")


def shortened(differences):
    """A text of differences, the first ones and how many more there are."""
    more = len(differences) - MOST
    return " ".join([*differences[:MOST], *([f"And {more} more."] if more > 0 else [])])
