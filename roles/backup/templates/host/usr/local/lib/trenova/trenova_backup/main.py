# Managed by trenova.selfhost.
"""What can be done, by name: what timers start, and what people start by hand."""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import os
import re
import signal
import subprocess
import sys
import time

from trenova_backup import allowed, by_hand, gate, listing, notify, records, runs, watch
from trenova_backup.drill import verbs as drilling
from trenova_backup.engine import Engine
from trenova_backup.errors import BackupError, Interrupted, NothingYet
from trenova_backup.restore import verbs as restoring
from trenova_backup.restore.journal import need_none
from trenova_backup.settings import Settings
from trenova_backup.upgrade import verbs as upgrading

DAY_SECONDS = 86400
#: What keeps this host from taking anything down, and what helps.
NOT_WRITABLE = {
    errno.ENOSPC: "Make room there.", errno.EDQUOT: "Make room there.", errno.EROFS: "Mount it for writing."}
#: How long a backup of everything waits for a small one, or for a check.
PATIENCE_SECONDS = 1800
#: Into how many parts restic divides what a check reads, at most.
PARTS = 256
#: systemd counts from before the program was there.
START_SECONDS = 5


def main(words):
    """Do what the words say; the exit code. What is wrong is told in a sentence."""
    arguments = _parser().parse_args(words)
    try:
        settings = Settings.read(os.path.dirname(os.path.abspath(__file__)))
        _listen(time.monotonic() + settings.get("timeout_seconds", float("inf")) - START_SECONDS)
        with gate.guarded(Engine.runs):
            return VERBS[arguments.verb](settings, arguments)
    except (BackupError, Interrupted) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno not in NOT_WRITABLE:
            raise
        because = (f"Nothing can be written to {os.path.dirname(error.filename or '') or settings.state_dir}: "
                   f"{error.strerror}. {NOT_WRITABLE[error.errno]}")
        print(because, file=sys.stderr)
        if arguments.verb == "watch":
            # What is owed is a file, too.
            notify.tell_now(settings, "disk", {"verb": "backup", "because": because}, time.time())
        return 1


def _parser():
    parser = argparse.ArgumentParser(prog="backup.py", description="Backups of the installation on this host.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    backup = verbs.add_parser("backup", help="save everything now")
    backup.add_argument("--full", action="store_true", help="a full backup, not an increment")
    allowed.add_options(backup)
    verbs.add_parser("cut", help="save what has changed since")
    listed = verbs.add_parser("list", help="what there is, where, and what it can restore")
    listed.add_argument("--json", action="store_true", help="for programs")
    read = verbs.add_parser("read", help="write one file of a backup to the output")
    read.add_argument("store", help="name of the store, as the list has it")
    read.add_argument("--part", help="one of its parts, as base or dump; the only one by default")
    read.add_argument("--run", help="stamp of the backup; the newest by default")
    read.add_argument("--target", help="name of the target; the first that can be read by default")
    check = verbs.add_parser("check", help="read the targets and find what is damaged, missing or too much")
    check.add_argument("--part", help="1/4 reads one quarter of the data and of the objects, 2/4 the next one; what is "
                       "there, and how large, is compared for all of them each time. All is read by default")
    restoring.add_parser(verbs)
    drilling.add_parser(verbs)
    upgrading.add_parser(verbs)
    start = verbs.add_parser("start", help="for playbooks: have systemd make a backup now, without waiting for it")
    start.add_argument("--full", action="store_true", help="a full backup, not an increment")
    allowed.add_options(start)
    start.add_argument("--check", action="store_true", help="tell what it would do, and do nothing")
    follow = verbs.add_parser("follow", help="for playbooks: what a backup has said, and whether it runs")
    follow.add_argument("invocation", help="number of systemd, as `start` tells it")
    follow.add_argument("--unit", default="", help="that of systemd, where it is not the nightly one")
    follow.add_argument("--cursor", default="", help="of the journal: only what was said since")
    verbs.add_parser("watch", help="tell of what is overdue, and of disks that are gone")
    verbs.add_parser("health", help="what is wrong: overdue or failed runs, disks, timers; sends nothing")
    verbs.add_parser("test", help="send a test message now")
    prove = verbs.add_parser("prove", help="send a test message where these settings have not proved to be good")
    prove.add_argument("--patient", action="store_true", help="fail only where one is refused, not out of reach")
    verbs.add_parser("end", help="for systemd: see to it that the record tells how a run ended")
    verbs.add_parser("deliver", help="for systemd: send the messages that are owed")
    verbs.add_parser("check-mail", help="whether messages would be taken, without sending one")
    return parser


def _listen(deadline):
    """Have a signal that ends us raise Interrupted, once: whoever is told of it has to tidy up."""
    signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    def interrupted(_number, _frame):
        for number in signals:
            # Not ignored, which programs that we start would inherit.
            signal.signal(number, lambda *_nothing: None)
        raise Interrupted(records.TOO_LONG if time.monotonic() > deadline else records.STOPPED)

    for number in signals:
        # What nohup has us ignore stays ignored.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interrupted)


def _work(settings, verb, is_full=False, warnings=()):
    """A run from its begin to its record; the exit code. warnings: what the run has to tell of that led to this one."""
    patience = min(PATIENCE_SECONDS, settings.get("timeout_seconds", PATIENCE_SECONDS) / 2) if verb == "backup" else 0
    with runs.alone(settings, verb, patience):
        _tell_interrupted(settings)
        _give_way(settings)
        record = records.begin(settings, verb, time.time(), level="full" if is_full else "incremental")
        if is_full:
            by_hand.has_begun(settings)
        run = runs.Run(settings, verb, record["stamp"], is_full)
        run.warnings += warnings
        allowances = allowed.names(settings)
        state, more = records.FAILED, {}
        try:
            run.prepare()
            run.engine.keep_pace(settings["figures"], settings.get("timeout_seconds", DAY_SECONDS) / 2)
            run.look_at_targets()
            for drill in run.take_over_drills():
                drilling.tell(settings, drill)
            run.all_stores()
            if verb == "backup":
                run.describe()
            run.copy_to_others()
            if verb == "backup":
                run.let_go()
            if run.failures:
                run.engine.look()
            else:
                state = records.OK
                allowed.forget(settings, allowances)
        except NothingYet as error:
            state = records.SKIPPED
            error.warnings = run.warnings
            raise
        except Interrupted as error:
            run.stopped(error)
            # What else failed did so for this.
            state, more = records.INTERRUPTED, {"because": str(error)}
        except BackupError as error:
            run.stopped(error)
        except Exception as error:
            run.stopped(f"It ended by a fault of its own: {type(error).__name__}: {error}.")
            raise
        finally:
            _conclude(settings, run, record, state, more)
        for failure in run.failures:
            print(failure, file=sys.stderr)
        return 0 if state == records.OK else 1


class _Refused(runs.Busy):
    """A restore or an upgrade was interrupted: whoever repeats that comes first."""


def _give_way(settings):
    """Raises _Refused where nothing is to be saved now."""
    try:
        need_none(settings)
    except BackupError as error:
        raise _Refused(str(error)) from None


def _conclude(settings, run, record, state, more):
    """Take down how a run went, here and in the targets, and tell of it where that is due."""
    try:
        record = records.finish(settings, record, time.time(), state, **dict(run.told(), **more))
        if watch.after_run(settings, record, time.time()):
            notify.wake()
        if state in (records.OK, records.FAILED):
            run.keep_record(record)
    finally:
        run.engine.close()
        if state not in (records.OK, records.SKIPPED) and not os.environ.get("INVOCATION_ID"):
            # Of a unit of systemd, `end` tidies up.
            run.clean()


def _tell_interrupted(settings, because=""):
    """Take down that runs ended without a word, which the next start of a program of ours is the first to see."""
    for record in records.interrupted(settings, time.time(), because):
        if watch.after_run(settings, record, time.time()):
            notify.wake()


def _backup(settings, arguments):
    allowed.take_down(settings, arguments)
    try:
        return _work(settings, "backup", arguments.full or by_hand.is_full_wanted(settings) or _is_full_due(settings))
    except runs.Busy as error:
        if os.environ.get("INVOCATION_ID"):
            # Nobody reads what a timer's unit says.
            record = records.begin(settings, "backup", time.time())
            record = records.finish(settings, record, time.time(), records.SKIPPED, because=str(error))
            if watch.after_run(settings, record, time.time()):
                notify.wake()
        raise


def _is_full_due(settings):
    """Whether the last full backup that succeeded is so old that this one is to be full."""
    found = records.read(settings, time.time())
    last = records.newest(found, "backup", records.OK, "full")
    # Half a day, because no two nights begin at the same second.
    # One of the future is of a clock that was ahead.
    return last is None or not 0 <= time.time() - (records.finished(last) or 0) <= (
        settings["full_days"] - 0.5) * DAY_SECONDS


def _start(settings, arguments):
    """Start a backup, or tell of the one that is at work; JSON."""
    found = by_hand.look(settings)
    is_full = arguments.full or by_hand.is_full_wanted(settings) or _is_full_due(settings)
    told = {"targets": [target["name"] for target in settings.targets], "unit": records.unit_of(settings, "backup")}
    if found["is_running"] or arguments.check:
        print(json.dumps(dict(found, level=found["level"] or ("full" if is_full else "incremental"), **told)))
        return 0
    invocation = by_hand.start(settings, arguments)
    print(json.dumps(dict(told, is_running=False, invocation=invocation, level="full" if is_full else "incremental")))
    return 0


def _follow(settings, arguments):
    print(json.dumps(by_hand.follow(settings, arguments.invocation, arguments.cursor, arguments.unit)))
    return 0


def _cut(settings, _arguments):
    waits = upgrading.waits(settings)
    if waits:
        print(waits)
        return 0
    try:
        return _work(settings, "cut")
    except NothingYet as error:
        print(error, "A full backup is made.")
        return _work(settings, "backup", is_full=True, warnings=error.warnings)
    except _Refused:
        raise
    except runs.Busy as error:
        # What else is at work saves nothing.
        print("A backup is at work, which saves this, too." if error.verb in ("backup", "cut") else error)
        return 0


def _list(settings, arguments):
    run, now = runs.Run(settings, "list"), time.time()
    found = records.read(settings, now)
    try:
        targets = run.listed()
        run.list_objects()
        if not records.newest(found, "backup"):
            found = run.records() + found
    finally:
        run.engine.close()
    told = listing.facts(settings, targets, found, now)
    text = "\n".join(listing.lines(settings, told, now))
    print(json.dumps(dict(told, text=text)) if arguments.json else text)
    return 0


def _read(settings, arguments):
    run = runs.Run(settings, "read")
    try:
        return _read_with(run, arguments)
    finally:
        run.engine.close()


def _read_with(run, arguments):
    targets = [target for target in run.listed() if target.is_good and arguments.target in (None, target.name)]
    for target in targets:
        found = [snapshot for snapshot in target.snapshots if snapshot.store == arguments.store
                 and arguments.part in (None, snapshot.part) and arguments.run in (None, snapshot.run)]
        parts = sorted({snapshot.part for snapshot in found})
        if len(parts) > 1:
            raise BackupError(f"{arguments.store} has several parts. Write --part and one of: {', '.join(parts)}.")
        if found:
            return run.engine.pass_on(
                target.repository.job, target.repository.command(*target.repository.dump(found[-1])))
    raise BackupError(f"There is no such backup of {arguments.store}. `list` tells what there is.")


def _need_part(text):
    """Raises BackupError where this is no part of a whole, as restic and the mirror of the objects count them."""
    found = re.fullmatch(r"([0-9]{1,3})/([0-9]{1,3})", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]) <= PARTS:
        raise BackupError(f"{text} is no part. Write which one, and of how many, up to {PARTS}: 1/4. Nothing was read.")


def _check(settings, arguments):
    if arguments.part is not None:
        _need_part(arguments.part)
    with runs.alone(settings, "check"):
        record = records.begin(settings, "check", time.time())
        run = runs.Run(settings, "check", record["stamp"])
        state, because = records.FAILED, ""
        try:
            run.prepare()
            run.engine.keep_pace(settings["figures"], settings.get("timeout_seconds", DAY_SECONDS) / 2)
            found = run.check(arguments.part)
            state, because = (records.FAILED if found else records.OK), " ".join(found[:5])
        except BackupError as error:
            found = [str(error)]
            because = str(error)
        except Interrupted as error:
            state, because = records.INTERRUPTED, str(error)
            raise
        finally:
            run.engine.close()
            record = records.finish(settings, record, time.time(), state, because=because)
            if watch.after_run(settings, record, time.time()):
                notify.wake()
        for sentence in found:
            print(sentence, file=sys.stderr)
        return 1 if found else 0


def _restore(settings, arguments):
    if arguments.start:
        return restoring.start(settings, arguments)
    at_work = restoring.at_work() if arguments.json else None
    if at_work:
        print(json.dumps(at_work))
        return 0
    with runs.alone(settings, "restore", PATIENCE_SECONDS):
        _tell_interrupted(settings)
        return restoring.restore(settings, arguments)


def _drill(settings, arguments):
    if not arguments.report:
        _tell_interrupted(settings)
    return drilling.drill(settings, arguments)


def _upgrade(settings, arguments):
    if not arguments.plan and not arguments.start:
        _tell_interrupted(settings)
    return upgrading.upgrade(settings, arguments)


def _watch(settings, _arguments):
    _tell_interrupted(settings)
    for sentence in watch.look(settings, time.time()):
        print(sentence)
    if notify.owed(settings):
        notify.wake()
    # Last, as it may take long, and fail: whoever waits for an alarm does not wait for it.
    _remove_left(settings)
    return 0


def _remove_left(settings):
    """Remove what a drill has left. What stays is told, and keeps nothing else from being told."""
    if not settings.get("drill"):
        return
    because = ""
    try:
        drilling.remove_left(settings)
    except BackupError as error:
        because = str(error)
    except subprocess.TimeoutExpired as error:
        because = f"What a drill has left is still there: the Docker Engine does not answer within {error.timeout} s."
    except Interrupted as error:
        because = f"What a drill has left is still there. {error}"
        raise
    finally:
        # A drill that is at work, and an Engine that is stopped, have their time.
        if because or not os.path.lexists(drilling.place.of(settings).root):
            said = watch.left_of_a_drill(settings, because, time.time())
            if said:
                print(said)
                notify.wake()


def _end(settings, _arguments):
    """After a unit: one whose program could not tell how it went is told of, and nothing of it runs on."""
    _tell_interrupted(settings, records.why(os.environ))
    if os.environ.get("SERVICE_RESULT") != "success":
        # Who is at work meanwhile tidies up, and knows what is its own.
        with contextlib.suppress(runs.Busy), runs.alone(settings, "end"):
            runs.Run(settings, "end").clean()
        if settings.get("away"):
            drilling.hand_in_after(settings)
    if notify.owed(settings):
        notify.wake()
    return 0


def _health(settings, _arguments):
    found = watch.faults(settings, time.time())
    print(" ".join(found) or "All backups are made as their schedules say.")
    return 1 if found else 0


def _sentences(found):
    """Exit code, with what was found on the error output."""
    for sentence in found:
        print(sentence, file=sys.stderr)
    return 1 if found else 0


VERBS = {
    "backup": _backup, "cut": _cut, "list": _list, "read": _read, "check": _check, "watch": _watch, "end": _end,
    "start": _start, "follow": _follow, "health": _health, "restore": _restore, "drill": _drill,
    "upgrade": _upgrade,
    "deliver": lambda settings, _arguments: _sentences(notify.deliver(settings, time.time())),
    "test": lambda settings, _arguments: _sentences(notify.test(settings, time.time())),
    "prove": lambda settings, arguments: _sentences(notify.prove(settings, time.time(), arguments.patient)),
    "check-mail": lambda settings, _arguments: _sentences(notify.check(settings)),
}
