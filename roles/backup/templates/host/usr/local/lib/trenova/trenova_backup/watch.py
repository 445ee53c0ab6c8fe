# Managed by trenova.selfhost.
"""What nobody would tell of otherwise: runs that do not happen, disks that are gone or full, and what is good again.

Each incident is told once, and each day again while it lasts. What has been told stands in told.json.
"""

from __future__ import annotations

import contextlib
import os
import subprocess

from trenova_backup import notify, places, records
from trenova_backup.files import duration, moment, read_json, seconds_of_moment, size, write_json, write_text

#: How often an incident is told.
AGAIN_SECONDS = 86400
#: After a start of the server, timers catch up on what they missed.
START_SECONDS = 3600
UPTIME = "/proc/uptime"
#: The verb, and the level where one is meant, of what schedules name.
MEANINGS = {"full": ("backup", "full"), "cycle": ("cut", None)}
#: To whom who gives way, for as long as they are at work. A drill has a lock of its own.
GIVES_WAY = {"backup": ("check", "restore", "upgrade"), "cut": ("backup", "check", "restore", "upgrade")}
#: What a run that did not go well is told as.
STATES = {records.FAILED: "failed", records.INTERRUPTED: "was interrupted", records.SKIPPED: "was skipped"}
#: Runs that no schedule names, and that somebody has to look at all the same.
UNSCHEDULED = ("check", "drill")
OUR_TIMER = "trenova-backup-watch.timer"
#: What a record and a message need.
PROBE_BYTES = 65536
#: The log is kept again each time, and what is new of it alone takes room.
LOG = "wal"


def after_run(settings, record, now):
    """Take down what a run that has ended is worth: it failed, or it is good again; whether a message is owed.

    Of cuts, which come every few minutes, an incident is told once a day.
    """
    with _memory(settings) as told:
        key = "failed " + record["verb"]
        if record["state"] == records.OK:
            is_warned = _warned(settings, record, told, now)
            return _good(settings, record, told, now) or is_warned
        if record["state"] == records.SKIPPED and record["verb"] == "cut":
            return False  # one that takes too long is overdue soon
        kind = "skipped" if record["state"] == records.SKIPPED else "failed"
        is_due = _is_due(told, key, now)
        if is_due:
            _remember(told, key, now)
        return (is_due or kind == "failed" and record["verb"] != "cut") and notify.owe(settings, kind, record, now)


def look(settings, now):
    """Look at every schedule and at every disk; sentences of what was told just now. OSError: our own disk is full."""
    _probe(settings)
    found = records.read(settings, now)
    with _memory(settings) as told:
        said = [_schedule(settings, schedule, found, told, now) for schedule in settings.get("schedules") or []]
        said += [_disk(settings, target, found, told, now) for target in settings.targets if target.get("directory")]
        wanted = {_key(schedule) for schedule in settings.get("schedules") or []}
        wanted |= {"disk " + target["name"] for target in settings.targets}
        for key in [key for key in told if key.partition(" ")[0] in ("overdue", "disk") and key not in wanted]:
            del told[key]
    return [sentence for sentence in said if sentence]


def left_of_a_drill(settings, because, now):
    """Tell why what a drill has left is still there, or, where it is not, that it is gone; what was told just now."""
    key, about = "left drill", {"verb": "drill", "because": because or "What a drill had left is removed."}
    with _memory(settings) as told:
        return _lasts(settings, told, key, now, about, "left") if because else (
            _recovered(settings, told, key, now, about))


def faults(settings, now):
    """What is wrong with the backups just now, as sentences, for who asks: it takes nothing down and tells nobody.

    Worked out anew from the schedules and the records, so that a watch that does not run any more hides nothing.
    """
    found, told = records.read(settings, now), read_json(settings.path("told.json"))
    schedules = settings.get("schedules") or []
    said = [_last_run(verb, found, now) for verb in dict.fromkeys(
        [*map(_verb, schedules), *UNSCHEDULED])]
    if not _is_starting():
        said += [overdue(schedule, found, _known_since(settings, schedule, found, told, now), now, _longest(settings))
                 for schedule in schedules]
    said += [_disk_fault(settings, target, found) for target in settings.targets if target.get("directory")]
    timers = [schedule["unit"].rpartition(".")[0] + ".timer" for schedule in schedules if schedule.get("unit")]
    said += [_timer(timer) for timer in dict.fromkeys([*timers, OUR_TIMER])]
    return [sentence for sentence in said if sentence]


def _last_run(verb, found, now):
    """Why the run of a verb that ended last was no good one; "" where it was, or where there is none."""
    ended = [(records.finished(record) or 0, record) for record in found if record["verb"] == verb and (
        record["state"] == records.OK or record["state"] in STATES
        and (verb, record["state"]) != ("cut", records.SKIPPED))]
    last = max((entry for entry in ended if entry[0] <= now), key=lambda entry: entry[0], default=(0, None))[1]
    if last is None or last["state"] == records.OK:
        return ""
    return "The {} of {} {}: {}".format(
        notify.TITLES.get(verb, verb), last["stamp"], STATES[last["state"]],
        last.get("because") or "it tells no reason.")


def _known_since(settings, schedule, found, told, now):
    """From when on a schedule is as it is: by the watch, or since a good run, or since it was written to this host."""
    entry = told.get(_key(schedule)) if isinstance(told, dict) else None
    entry = entry if isinstance(entry, dict) else {}
    since, interval, written = _seconds(entry.get("since")), entry.get("interval"), min(settings.written or now, now)
    if isinstance(interval, (int, float)) and (schedule.get("seconds") or 0) < interval:
        return written  # it asks for more than before
    return _last_good(schedule, found, now) or written if since is None or since > now else since


def _timer(name):
    try:
        done = subprocess.run(["systemctl", "is-active", "--quiet", name], check=False)
    except OSError:
        return ""
    return f"{name} does not run, and starts nothing. Run the playbook." if done.returncode else ""


def overdue(schedule, found, since, now, longest=float("inf")):
    """Why a schedule is overdue, as one sentence; "" where it is not, or where that cannot be told.

    Its clock stands while something is at work to which its runs give way.
    schedule: verb, title, seconds (the longest interval, None where that is not known), grace_seconds. found: records,
    oldest first. since: from when on the schedule is as it is, in seconds. longest: seconds for which one run holds
    others up at most. A restore, an upgrade and what is started by hand have no timeout of their own.
    """
    if not schedule.get("seconds"):
        return ""
    allowed = schedule["seconds"] + schedule.get("grace_seconds", 0)
    last = _last_good(schedule, found, now)
    begin = max(last or 0, since)
    if now - begin - records.at_work(found, GIVES_WAY.get(_verb(schedule), ()), begin, now, longest) <= allowed:
        return ""
    # One that runs tells by itself how it ends, unless it does not end.
    if any(_is_meant(schedule, record) and record["state"] == records.RUNNING and records.is_alive(record)
           and 0 <= now - _begun(record) <= allowed for record in found):
        return ""
    title, interval = schedule.get("title") or schedule["verb"], duration(schedule["seconds"])
    if last is None:
        return f"{title}: there is none yet, and since {moment(since)} one is due at least every {interval}."
    return (f"{title}: the last good one ended at {moment(last)}, {duration(now - last)} ago, and one is due at least "
            f"every {interval}.")


# -- One incident -----------------------------------------------------------------------------------------------------


def _schedule(settings, schedule, found, told, now):
    key = _key(schedule)
    entry = told.setdefault(key, {})
    since, interval = _seconds(entry.get("since")), schedule.get("seconds") or 0
    if since is None or since > now:
        # The schedule is new to us, or the clock was ahead.
        since = _last_good(schedule, found, now) or now
    elif isinstance(entry.get("interval"), (int, float)) and interval < entry["interval"]:
        since = now  # it asks for more than before
    entry.update(since=moment(since), interval=interval)
    because = overdue(schedule, found, since, now, _longest(settings))
    if not because:
        return _recovered(settings, told, key, now, _about(schedule, "It is done on time again."))
    if _is_starting() or not _is_due(told, key, now):
        return ""
    _remember(told, key, now)
    notify.owe(settings, "overdue", _about(schedule, because), now)
    return because


def _probe(settings):
    """Meet a full disk although there is nothing to take down. Raises OSError."""
    path = settings.path("probe")
    try:
        write_text(path, " " * PROBE_BYTES)
    finally:
        for name in (path, path + ".new"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)


def _disk_fault(settings, target, found):
    """What is wrong with the disk of a target, as a sentence; "" where nothing is. found: records, oldest first."""
    missing = places.missing_mount([target["directory"]], places.recorded(settings))
    if missing:
        return f"The disk of the backups is not mounted on {missing}. Mount it."
    try:
        free = places.free(target["directory"])
    except OSError as error:
        return f"The disk of the backups at {target['directory']} cannot be asked: {error.strerror}."
    needed = _needed(settings, found)
    if free < needed:
        return (f"The disk of the backups at {target['directory']} has {size(free)} free, less than the "
                f"{size(needed)} that the next ones may need. Give it a larger disk, or lower backup_retention.")
    return ""


def _needed(settings, found):
    """Bytes that are to be free on the disk of a target, as a run itself asks for them before its largest stream."""
    last, stores = {}, {store["name"] for store in settings.stores}
    for record in found:
        for step in record.get("steps") or [] if record["verb"] in ("backup", "cut") else []:
            if step.get("service") in stores and step.get("name") != LOG and step.get("target"):
                last[step["service"], step["name"]] = step.get("bytes", 0)
    return max(last.values(), default=0) * settings["figures"]["stream_growth"] + settings.left_free


def _disk(settings, target, found, told, now):
    key, because = "disk " + target["name"], _disk_fault(settings, target, found)
    about = {"verb": "backup", "because": because or f"The disk of the target {target['name']} is as it should be."}
    return _lasts(settings, told, key, now, about, "disk") if because else _recovered(settings, told, key, now, about)


def _lasts(settings, told, key, now, about, kind):
    """Tell of what lasts, where that is due; the sentence, "" where it is not."""
    if not _is_due(told, key, now):
        return ""
    _remember(told, key, now)
    notify.owe(settings, kind, about, now)
    return about["because"]


def _good(settings, record, told, now):
    """Whether a good run ends incidents, of which it then tells."""
    keys = ["failed " + record["verb"]]
    keys += [_key(schedule) for schedule in settings.get("schedules") or [] if _is_meant(schedule, record)]
    begun = [told[key].get("first") or told[key]["told"] for key in keys if _is_told(told, key)]
    for key in keys:
        _forget(told, key)
    return bool(begun) and notify.owe(
        settings, "good", dict(record, because=f"It is good again, after trouble since {min(begun)}."), now)


def _warned(settings, record, told, now):
    """Whether a good backup warns of what the one before it did not warn of, which is then told."""
    if record["verb"] != "backup":
        return False
    key, said = "warned backup", record.get("warnings") or []
    before = told.pop(key, {}).get("said")
    if said:
        told[key] = {"said": said}
    new = [sentence for sentence in said if not isinstance(before, list) or sentence not in before]
    return bool(new) and notify.owe(settings, "warned", dict(record, because=" ".join(new)), now)


def _recovered(settings, told, key, now, about):
    if not _is_told(told, key):
        return ""
    _forget(told, key)
    notify.owe(settings, "good", about, now)
    return about["because"]


def _about(schedule, because):
    return {"verb": _verb(schedule), "because": because, "state": "overdue",
            "unit": schedule.get("unit") or records.UNIT}


def _verb(schedule):
    return MEANINGS.get(schedule["verb"], (schedule["verb"],))[0]


def _longest(settings):
    return settings.get("timeout_seconds", float("inf"))


def _key(schedule):
    return "overdue " + schedule["verb"]


def _is_meant(schedule, record):
    """Whether a record is one of a schedule's runs."""
    verb, level = MEANINGS.get(schedule["verb"], (schedule["verb"], None))
    return record["verb"] == verb and level in (None, record.get("level"))


def _last_good(schedule, found, now):
    """When the last good run ended; None where there is none. Of times in the future nothing is known."""
    times = [records.finished(record) for record in found
             if _is_meant(schedule, record) and record["state"] == records.OK]
    return max((time for time in times if time is not None and time <= now), default=None)


def _begun(record):
    time = _seconds(record.get("started"))
    return float("inf") if time is None else time


def _is_starting():
    try:
        with open(UPTIME, encoding="ascii") as stream:
            return float(stream.read().split()[0]) < START_SECONDS
    except (OSError, ValueError, IndexError):
        return False


# -- What has been told -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _memory(settings):
    """What has been told, to be changed; of one program at a time."""
    path = settings.path("told.json")
    with records.alone(path + ".lock"):
        told = read_json(path)
        told = {key: entry for key, entry in told.items() if isinstance(entry, dict)} if isinstance(told, dict) else {}
        before = repr(told)
        yield told
        if repr(told) != before:
            write_json(path, told, 0o600)


def _is_told(told, key):
    return _seconds(told.get(key, {}).get("told")) is not None


def _is_due(told, key, now):
    """Whether an incident is to be told: it is new, or was told a day ago, or by a clock that was ahead."""
    last = _seconds(told.get(key, {}).get("told"))
    return last is None or not 0 <= now - last < AGAIN_SECONDS


def _remember(told, key, now):
    entry = told.setdefault(key, {})
    entry.setdefault("first", moment(now))
    entry["told"] = moment(now)


def _forget(told, key):
    for word in ("first", "told"):
        told.get(key, {}).pop(word, None)
    if told.get(key) == {}:
        del told[key]


def _seconds(text):
    try:
        return seconds_of_moment(text)
    except (TypeError, ValueError):
        return None
