# Managed by trenova.selfhost.
"""What there is, where, and what it can restore: as facts for programs, and as lines for people."""

from __future__ import annotations

import textwrap

from trenova_backup import earlier, points, records
from trenova_backup.files import by_age, duration, moment, seconds_of, seconds_of_moment, size, stamp_of

WIDTH = 100
#: Levels as people call them.
LEVELS = {"": "-", points.CUT: "small"}
STATES = {records.FAILED: "failed", records.INTERRUPTED: "was interrupted", records.SKIPPED: "was skipped"}
VERBS = {"backup": "backup", "cut": "small backup", "check": "check", "drill": "drill", "rehearsal": "rehearsal",
         "upgrade": "upgrade"}
DAY = 86400


# -- Facts ------------------------------------------------------------------------------------------------------------


def facts(settings, targets, found, now):
    """All that is known, for programs. targets: of a run that has listed them. found: records, oldest first."""
    return {
        "installation": settings["installation"], "host": settings["host"], "now": moment(now),
        "failure": failure(found), "drill": drill(found), "targets": [_target(settings, target) for target in targets]}


def _target(settings, target):
    kept = points.points(target.snapshots, settings.stores, target.objects) if target.is_good else []
    return {
        "name": target.name, "kind": target.kind, "directory": target.directory or "", "free": target.free,
        "because": target.because, "earlier": earlier.sentence(target.directory) if target.directory else "",
        "snapshots": [dict(snapshot.pairs, id=snapshot.id, bytes=snapshot.bytes, file=snapshot.file)
                      for snapshot in target.snapshots],
        "objects": {name: list(stamps) for name, stamps in target.objects.items()},
        "points": [{
            "run": point.run, "level": point.level, "stores": list(point.stores), "missing": list(point.missing),
            "bytes": point.bytes, "added": point.added, "is_complete": point.is_complete,
            "window": {name: _moments(window) for name, window in point.window.items()}} for point in kept],
        "windows": {
            store["store"]: [_moments(window) for window in points.intervals(
                points.windows(target.snapshots, store["store"]))]
            for store in settings.stores if store.get("physical")}}


def _moments(window):
    return [moment(window[0]), moment(window[1])]


def failure(found):
    """The last run that did not go well, and since when its kind has gone well again: {} where there is none."""
    bad = next((record for record in reversed(found) if record["state"] in STATES
                and (record["state"], record["verb"]) != (records.SKIPPED, "cut")), None)
    if bad is None:
        return {}
    good = next((record for record in found[found.index(bad):]
                 if (record["verb"], record["state"]) == (bad["verb"], records.OK)), {})
    return {"verb": bad["verb"], "state": bad["state"], "stamp": bad["stamp"], "because": bad.get("because", ""),
            "good_since": good.get("finished", "")}


def drill(found):
    """The last drill that has ended: {} where there was none."""
    last = next((record for record in reversed(found) if record["verb"] == "drill"
                 and record["state"] != records.RUNNING), None)
    told = (last or {}).get("drill") or {}
    return {"state": last["state"], "stamp": last["stamp"], "rto_seconds": told.get("rto_seconds"),
            "rpo_seconds": told.get("rpo_seconds"),
            "elsewhere": told.get("host", "") if last.get("origin") else ""} if last else {}


# -- Lines ------------------------------------------------------------------------------------------------------------


def lines(settings, told, now):
    """What people read of these facts."""
    found = ["Backups of {installation}{where}, at {now}".format(
        where="" if told["host"] == told["installation"] else " on " + told["host"], **told)]
    for target in told["targets"]:
        found += ["", *_target_lines(settings, target, now)]
    return [*found, "", *_drill_lines(told["drill"], now), *_failure_lines(told["failure"], now)]


def _target_lines(settings, target, now):
    where = target["directory"] or target["kind"]
    if target["because"]:
        because = target["because"].removeprefix("Target {}: ".format(target["name"]))
        return [*_wrapped("{} ({}) cannot be read: {}".format(target["name"], where, because), 2),
                *_earlier_lines(target)]
    free = "" if target["free"] is None else ", {} free".format(size(target["free"]))
    age = by_age(now)
    kept = sorted(target["points"], key=lambda point: age(point["run"]))
    whole = [point for point in kept if point["level"] != points.CUT]
    cuts = [point["run"] for point in kept if point["level"] == points.CUT]
    found = ["  {} ({}{}): {}, {}".format(
        target["name"], where, free, _counted(len(whole), "backup"), _counted(len(cuts), "small one"))]
    if whole:
        titles = _titles(settings)
        found += _table(("backup", "age", "level", "size", "new", "holds"), [
            (point["run"], _age(point["run"], now), LEVELS.get(point["level"], point["level"]), size(point["bytes"]),
             size(point["added"]), _held(point, titles)) for point in reversed(whole)], right=(1, 3, 4))
    if cuts:
        found += _wrapped("{} between them, the newest of {} ago: {}".format(
            _counted(len(cuts), "small one"), _age(cuts[-1], now), _span(cuts, now)), 4)
    rows = [row for store in settings.stores for row in _store_rows(store, target, now)]
    return [*found, "", *_table(("store", "newest", "can be brought back to"), rows, right=()),
            *_earlier_lines(target)]


def _earlier_lines(target):
    return _wrapped(target["earlier"], 4) if target.get("earlier") else []


def _held(point, titles):
    if point["is_complete"]:
        return "everything"
    words, names = ("all but", point["missing"]) if 0 < len(point["missing"]) < len(point["stores"]) else (
        "only", point["stores"])
    return "{} {}".format(words, ", ".join(titles.get(name, name) for name in names) or "records")


def _store_rows(store, target, now):
    """A row for a store, and one more for each further window."""
    name, title = store["store"], store["title"]
    if store.get("physical"):
        windows = target["windows"].get(name) or []
        if not windows:
            return [(title, "-", "nothing yet")]
        windows = sorted(windows, key=lambda window: (window[1] <= moment(now), window))
        texts = [f"any moment {begin} - {end}" if begin != end else begin for begin, end in reversed(windows)]
        newest = _ago(now - seconds_of_moment(windows[-1][1]))
        return [(title, newest, texts[0]), *(("", "", "and " + text) for text in texts[1:])]
    if store["kind"] == "objects":
        stamps, what = sorted(target["objects"].get(name) or [], key=by_age(now)), "states"
    else:
        stamps, what = sorted((point["run"] for point in target["points"] if name in point["stores"]),
                              key=by_age(now)), "backups"
    if not stamps:
        return [(title, "-", "nothing yet")]
    several = stamps[0] if len(stamps) == 1 else f"{len(stamps)} {what} {_span(stamps, now)}"
    return [(title, _age(stamps[-1], now), several)]


def _span(stamps, now):
    """The first and the last of stamps, which are sorted by age; those of the future by themselves."""
    past = [stamp for stamp in stamps if stamp <= stamp_of(now)] or stamps
    ahead = stamps[:len(stamps) - len(past)]
    span = past[0] if len(past) == 1 else f"{past[0]} - {past[-1]}"
    return f"{span}, {', '.join(ahead)} by a clock that was ahead" if ahead else span


def _drill_lines(drill, now):
    if not drill:
        return ["  No drill has tried a backup yet: systemctl start trenova-drill"]
    how = STATES.get(drill["state"], "passed")
    measured = ", ".join(f"{name} {drill[key]} s" for name, key in (("RTO", "rto_seconds"), ("RPO", "rpo_seconds"))
                         if drill[key] is not None) if how == "passed" else ""
    measured = ": " + measured if measured else ""
    where = " on " + drill["elsewhere"] if drill["elsewhere"] else ""
    return ["  The last drill {}, {} ago{}{}.".format(how, _age(drill["stamp"], now), where, measured)]


def _failure_lines(failure, now):
    if not failure:
        return ["  No run is known to have failed."]
    since = " It went well again at {good_since}.".format(**failure) if failure["good_since"] else (
        " None has gone well since.")
    return _wrapped("The last {} that did not go well {}, {} ago ({}): {}{}".format(
        VERBS.get(failure["verb"], failure["verb"]), STATES[failure["state"]], _age(failure["stamp"], now),
        failure["stamp"], failure["because"] or "it tells no reason.", since), 2)


# -- A run ------------------------------------------------------------------------------------------------------------


def saved(record):
    """Lines of what a run has saved, by its record."""
    head = "{} {} of {}: {} in {}".format(
        (record.get("level") or "").capitalize(), VERBS.get(record["verb"], record["verb"]), record["stamp"],
        "all is saved" if record["state"] == records.OK else STATES.get(record["state"], record["state"]),
        duration(record.get("seconds", 0))).strip()
    titles = {store["name"]: store.get("title", store["name"]) for store in record.get("stores") or []}
    rows = [(
        titles.get(step["service"], step["service"]), step["name"], duration(step.get("seconds", 0)),
        size(step["bytes"]) if "bytes" in step else "", size(step["added"]) if "added" in step else "",
        step.get("target", "") if step["state"] == records.OK else step.get("because") or "failed")
        for step in record.get("steps") or []]
    found = [head, *(_table(("store", "what", "time", "size", "new", "in"), rows, right=(2, 3, 4), indent=2)
                     if rows else [])]
    for target in record.get("targets") or []:
        found += _wrapped("{}: {}".format(target["name"], target.get("because") or "holds it"), 2)
    for name, window in sorted((record.get("restorable") or {}).items()):
        found += _wrapped("{} can be brought back to any moment {} {}".format(
            titles.get(name, name), "{from} -".format(**window) if window.get("from") else "up to",
            window.get("to", "")), 2)
    for warning in record.get("warnings") or []:
        found += _wrapped("WARNING: " + warning, 2)
    return found


# -- Words ------------------------------------------------------------------------------------------------------------


def _titles(settings):
    return {store["store"]: store["title"] for store in settings.stores}


def _age(stamp, now):
    try:
        return _ago(now - seconds_of(stamp))
    except ValueError:
        return "-"


def _ago(seconds):
    if seconds < 0:
        return "ahead"
    return duration(seconds) if seconds < 3 * DAY else f"{seconds / DAY:.0f} d"


def _counted(number, word):
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _table(titles, rows, right, indent=4):
    """Lines of a table; its last column is wrapped."""
    last, cells = len(titles) - 1, [titles, *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(last)]
    found = []
    for row in cells:
        head = " " * indent + "".join(
            (cell.rjust(width) if column in right else cell.ljust(width)) + "  "
            for column, (cell, width) in enumerate(zip(row, widths)))
        room = max(WIDTH - len(head), 24)
        texts = textwrap.wrap(row[last], room) or [""]
        found += [(head + texts[0]).rstrip(), *(" " * len(head) + text for text in texts[1:])]
    return found


def _wrapped(text, indent):
    return textwrap.wrap(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * (indent + 2))
