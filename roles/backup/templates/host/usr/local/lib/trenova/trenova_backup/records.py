# Managed by trenova.selfhost.
"""What is known of runs: a record of each, the status of the newest night, and metrics for Prometheus.

A record is there before its run does anything, so that one which was killed is told of at the next start.

    stamp, verb (backup, cut, check, drill, restore, rehearsal, upgrade), unit, invocation, started, finished, seconds,
    because,
    state: running, ok, failed, interrupted, or skipped (it gave way to another one)
    level, place, bytes, objects_bytes, exit_status, checked, next, restorable {from, to},
    steps [{service, name, file, state, seconds}], targets [{name, state, because}],
    origin (the stamp of one that was made on another host, there),
    drill {host, target, run, rto_seconds, rpo_seconds, newest, stores, compared, objects, login, live, removed},
    upgrade {way, from, to, image, findings, compared, bytes}, copies {store: path},
    part {only, stores, to, target} and where, a sentence (of a restore of a part: what was asked for, where it is),
    stores [{name, state, bytes, seconds, targets [{name, state}], restorable {from, to}, wal_lag_seconds}]
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os

from trenova_backup.files import moment, read_json, seconds_of, seconds_of_moment, stamp_of, write_json, write_text

#: How many of each verb are kept at least: small ones of every five minutes are many, and push out no others.
KEPT = 400
#: {target: runs of which it holds something}, as they were seen last.
HELD = "held.json"
OK, FAILED, RUNNING, INTERRUPTED, SKIPPED = "ok", "failed", "running", "interrupted", "skipped"
#: What the status tells of a run, and what where the run says nothing of it. The first ones are read by `verify`.
STATUS = {
    "started": "", "finished": "", "exit_status": 1, "place": "", "bytes": 0, "objects_bytes": 0, "steps": [],
    "because": "", "stamp": "", "state": "", "level": "", "targets": [], "restorable": {}, "checked": "", "next": "",
}
#: A unit of systemd that each verb has where the schedules name none.
UNIT, UNITS = "trenova-backup.service", {"drill": "trenova-drill.service"}
PROC = "/proc"
STOPPED = "It was interrupted: the unit was stopped, or the server was."
TOO_LONG = "It took longer than backup_timeout_seconds allows, and was ended."


# -- A run ------------------------------------------------------------------------------------------------------------


def begin(settings, verb, now, **known):
    """The record of a run that begins, written. Its stamp is of this second, or of the next one that no run has."""
    return _written(settings, dict({
        "verb": verb, "state": RUNNING, "started": moment(now), "unit": unit_of(settings, verb),
        "invocation": os.environ.get("INVOCATION_ID", ""), "process": _myself()}, **known), now)


def adopt(settings, record, now):
    """Write the record of a run that was made on another host; as it is here. origin: its stamp there."""
    told = dict(record, origin=record["stamp"], invocation="")
    if told.get("because"):
        told["because"] = "On {}: {}".format((told.get("drill") or {}).get("host", "another host"), told["because"])
    told = _written(settings, told, seconds_of(record["stamp"]))
    with alone(settings.path("records.lock")):
        _remove_old(settings, told, now)
        write_metrics(settings, now)
    return told


def _written(settings, record, now):
    """A new record, with the stamp of this time, or of the next second that no run has."""
    folder = settings.path("records")
    os.makedirs(folder, mode=0o755, exist_ok=True)
    draft = settings.path(f"record-{os.getpid()}")
    try:
        while True:
            record["stamp"] = stamp_of(now)
            write_json(draft, record)
            try:
                os.link(draft, os.path.join(folder, record["stamp"] + ".json"))
            except FileExistsError:
                now += 1
            else:
                return record
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)


def finish(settings, record, now, state, **told):
    """Write how a run went, in its record, the metrics, and after a night in the status; the record."""
    record = dict(record, **told)
    record.pop("process", None)
    record.update(state=state, finished=moment(now))
    record.setdefault("seconds", max(0, round(now - _time(record, "started", now))))
    record.setdefault("exit_status", 0 if state == OK else 1)
    write_json(_path(settings, record), record)
    with alone(settings.path("records.lock")):
        if record["verb"] == "backup" and state != SKIPPED and not _is_outdated(settings, record, now):
            write_json(settings.path("status.json"), {key: record.get(key, value) for key, value in STATUS.items()})
        _remove_old(settings, record, now)
        write_metrics(settings, now)
    return record


def interrupted(settings, now, because=""):
    """Records of runs that ended without a word, oldest first, now told as interrupted.

    because: what is known of why, as one sentence.
    """
    found = []
    for record in read(settings, now):
        if record["state"] == RUNNING and not is_alive(record):
            known = because or (
                "It was interrupted: its program was ended." if (record.get("process") or {}).get("boot") == _boot()
                else "It was interrupted: the server was restarted, or lost its power.")
            found.append(finish(settings, record, now, INTERRUPTED, because=known))
    return found


@contextlib.contextmanager
def alone(path):
    """Hold the lock that a file stands for; waits for whoever has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def why(environment):
    """Why a run ended before it could tell how it went, by what systemd says of the unit that stops."""
    result = environment.get("SERVICE_RESULT", "")
    if result == "timeout":
        return TOO_LONG
    if environment.get("EXIT_CODE") == "killed" or result in ("success", "signal", ""):
        return STOPPED
    return "It ended before it could tell why. What it said last may."


def unit_of(settings, verb):
    """The unit of systemd that runs a verb."""
    return next((schedule["unit"] for schedule in settings.get("schedules") or []
                 if schedule.get("verb") == verb and schedule.get("unit")), UNITS.get(verb, UNIT))


# -- What is there ----------------------------------------------------------------------------------------------------


def read(settings, now):
    """All records, oldest first. One with a stamp that lies in the future, of a clock that was ahead, counts as old."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(settings.path("records")):
            record = read_json(settings.path("records", name)) if name.endswith(".json") else {}
            if isinstance(record, dict) and record.get("stamp") == name[:-len(".json")] and record.get("verb"):
                record.setdefault("state", "")
                found.append(record)
    return sorted(found, key=lambda record: (_seconds(record) <= now, record["stamp"]))


def newest(records, verb, state=None, level=None):
    """The newest record of a verb, with a state and a level where they are given; None where there is none."""
    return next((record for record in reversed(records) if record["verb"] == verb
                 and state in (None, record["state"]) and level in (None, record.get("level"))), None)


def at_work(records, verbs, begin, end, longest=float("inf")):
    """Seconds between two times for which these verbs were at work, one of them or several.

    longest: seconds for which one run counts at most. One that runs counts while it is alive.
    """
    seconds = 0
    for started, ended in sorted(_span(record, end) for record in records if record["verb"] in verbs):
        until = min(ended, started + longest, end)
        seconds += max(0, until - max(started, begin))
        begin = max(begin, until)
    return seconds


def _span(record, now):
    """When a run began and ended; when it began, twice, where nobody knows."""
    started = _time(record, "started", float("inf"))
    if record["state"] == RUNNING:
        return started, now if is_alive(record) else started
    return started, _time(record, "finished", started)


def is_alive(record):
    """Whether the program of a record that says that it runs is still there."""
    process = record.get("process") or {}
    return process.get("boot") == _boot() and bool(process.get("born")) and (
        process["born"] == _born(process.get("pid")))


def finished(record):
    """Time in seconds at which a run ended; None where that is not known."""
    return _time(record, "finished", None)


def _path(settings, record):
    return settings.path("records", record["stamp"] + ".json")


def _is_outdated(settings, record, now):
    """Whether the status tells of a later night than that of a record."""
    stamp = read_json(settings.path("status.json")).get("stamp") or ""
    return record["stamp"] < stamp <= stamp_of(now)


def note_held(settings, target, runs):
    """Take down of which runs a target holds something."""
    known = read_json(settings.path(HELD))
    runs = sorted(set(runs))
    if known.get(target) != runs:
        names = {each["name"] for each in settings.targets}
        write_json(settings.path(HELD), {
            name: stamps for name, stamps in dict(known, **{target: runs}).items() if name in names})


def wanted(found, held):
    """Stamps of the records that stay, of all there are, oldest first: the one rule of it.

    The newest of each verb, by number; those of which a metric or an alarm is made; those of runs in `held`, as a
    target holds something of them; and those whose copies of what a restore has replaced are still on the host.
    """
    stay = {*held, *_newest_successes(found).values()}
    for verb in {record["verb"] for record in found}:
        stay.update([record["stamp"] for record in found if record["verb"] == verb][-KEPT:])
    stay.update(record["stamp"] for record in found if any(map(os.path.isdir, (record.get("copies") or {}).values())))
    return stay


def _remove_old(settings, record, now):
    """Remove the records that are not wanted any more, but for that of this run, and of what runs."""
    records = read(settings, now)
    stay = {record["stamp"], *wanted(records, {
        stamp for stamps in read_json(settings.path(HELD)).values() for stamp in stamps})}
    for old in records:
        if old["stamp"] not in stay and not (old["state"] == RUNNING and is_alive(old)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(_path(settings, old))


def _newest_successes(records):
    """{what: stamp of the newest run in which it succeeded}; what: a verb, with a level, or a store and a target."""
    found = {}
    for record in records:
        if record["state"] == OK:
            found[(record["verb"],)] = found[(record["verb"], record.get("level"))] = record["stamp"]
        for store, target in _successes(record):
            found[(record["verb"], store, target)] = record["stamp"]
    return found


def _successes(record):
    """(store, target) of all that a run has saved, "" for what it does not tell apart."""
    good = {target.get("name", "") for target in record.get("targets") or [] if target.get("state") == OK}
    stores = record.get("stores") or []
    for store in stores:
        if store.get("state") == OK:
            of_store = {target.get("name", "") for target in store.get("targets") or [] if target.get("state") == OK}
            for target in sorted(of_store if "targets" in store else good or {""}):
                yield store.get("name", ""), target
    if not stores and record["state"] == OK:
        for target in sorted(good or {""}):
            yield "", target


def _seconds(record):
    try:
        return seconds_of(record["stamp"])
    except ValueError:
        return float("inf")


def _time(record, key, otherwise):
    try:
        return seconds_of_moment(record[key])
    except (KeyError, TypeError, ValueError):
        return otherwise


# -- Processes --------------------------------------------------------------------------------------------------------


def _myself():
    """What tells this process from every other one, before and after a restart."""
    return {"pid": os.getpid(), "born": _born(os.getpid()), "boot": _boot()}


def _boot():
    try:
        with open(os.path.join(PROC, "sys/kernel/random/boot_id"), encoding="ascii") as stream:
            return stream.read().strip()
    except OSError:
        return ""


def _born(pid):
    """When a process was started, in the kernel's count; "" where there is none."""
    try:
        with open(os.path.join(PROC, str(pid), "stat"), encoding="utf-8", errors="replace") as stream:
            # Its name, in brackets, may hold anything.
            return stream.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


# -- Metrics ----------------------------------------------------------------------------------------------------------

PREFIX = "trenova_backup_"
METRICS = {
    "last_success_timestamp_seconds": "When a store was last saved to a target, or a run of this kind succeeded.",
    "last_run_timestamp_seconds": "When the last run of this kind ended.",
    "last_run_success": "Whether the last run of this kind succeeded.",
    "duration_seconds": "How long the last run of this kind took.",
    "size_bytes": "What the last good backup of a store holds.",
    "restorable_from_timestamp_seconds": "Earliest time to which a store can be brought back.",
    "restorable_to_timestamp_seconds": "Latest time to which a store can be brought back.",
    "drill_rto_seconds": "How long the last good drill took from nothing to a login.",
    "drill_rpo_seconds": "How old the newest moment was that the last good drill could have restored.",
    "wal_lag_seconds": "How far what is saved of PostgreSQL was behind it at the end of the last run.",
}


def write_metrics(settings, now):
    """Write the metrics of all records."""
    folder = settings.path("metrics")
    os.makedirs(folder, mode=0o755, exist_ok=True)
    write_text(os.path.join(folder, "trenova_backup.prom"), exposition(settings, read(settings, now)))


def exposition(settings, records):
    """Metrics of records, oldest first, in Prometheus' text format."""
    known = {what: {entry["name"] for entry in entries if entry.get("name")}
             for what, entries in (("store", settings.stores), ("target", settings.targets))}
    values = {name: {} for name in METRICS}

    def tell(name, value, **labels):
        # What an installation has no more would be an alarm for ever.
        if value is not None and all(
                not labels.get(what) or not names or labels[what] in names for what, names in known.items()):
            values[name][tuple((key, label) for key, label in labels.items() if label)] = value

    for record in records:
        if record["state"] in (RUNNING, SKIPPED):
            continue
        verb, ended = record["verb"], finished(record)
        tell("last_run_timestamp_seconds", ended, verb=verb)
        tell("last_run_success", int(record["state"] == OK), verb=verb)
        tell("duration_seconds", record.get("seconds"), verb=verb)
        for store, target in _successes(record):
            tell("last_success_timestamp_seconds", ended, verb=verb, store=store, target=target)
        _tell_stores(record, tell)
        if record["state"] == OK:
            for name in ("rto_seconds", "rpo_seconds"):
                tell("drill_" + name, (record.get("drill") or {}).get(name))
    lines = []
    for name, meaning in METRICS.items():
        lines += [f"# HELP {PREFIX}{name} {meaning}", f"# TYPE {PREFIX}{name} gauge"] if values[name] else []
        lines += [PREFIX + name + _labels(labels) + " " + json.dumps(value)
                  for labels, value in sorted(values[name].items())]
    return "\n".join([*lines, ""])


def _tell_stores(record, tell):
    """What a run says of each store, and where it tells none apart, of all."""
    everything = {"state": record["state"], "restorable": record.get("restorable"),
                  "bytes": record.get("bytes", 0) + record.get("objects_bytes", 0)}
    for store in record.get("stores") or [everything]:
        name = store.get("name", "")
        if record["verb"] == "backup" and store.get("state") == OK:
            tell("size_bytes", store.get("bytes"), store=name)
        for end in ("from", "to"):
            tell(f"restorable_{end}_timestamp_seconds", _time(store.get("restorable") or {}, end, None), store=name)
        tell("wal_lag_seconds", store.get("wal_lag_seconds"), store=name)


def _labels(labels):
    text = ",".join(f'{key}="{_escaped(str(label))}"' for key, label in labels)
    return "{" + text + "}" if text else ""


def _escaped(text):
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
