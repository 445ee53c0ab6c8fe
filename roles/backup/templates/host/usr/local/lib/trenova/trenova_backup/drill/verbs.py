# Managed by trenova.selfhost.
"""The verb `drill`: what the timer starts, what a playbook asks, and the report."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time

from trenova_backup import by_hand, notify, records, runs, watch
from trenova_backup.drill import away, kit, place, report
from trenova_backup.drill.run import Drill, Impossible
from trenova_backup.engine import Engine
from trenova_backup.errors import BackupError, Interrupted
from trenova_backup.restore.journal import need_none

#: Held while a drill is there.
LOCK = "drill.lock"
VERB = "drill"
#: Records that are kept in targets which lack them, and how long a backup that is at work is waited for.
HANDED_IN, PATIENCE_SECONDS = 3, 600
#: The part of its time for which a drill waits for another one, and how often it looks.
WAITING_PART, PAUSE_SECONDS = 0.5, 1


def add_parser(verbs):
    """The words of the verb."""
    parser = verbs.add_parser(VERB, help="restore the newest backup beside what lives, and see whether it works")
    parser.add_argument("--report", action="store_true", help="what the last drill has shown")
    parser.add_argument("--remove", action="store_true", help="remove what a drill has left")
    parser.add_argument("--start", action="store_true", help="for playbooks: let systemd do it, without waiting for it")
    parser.add_argument("--take-over", action="store_true", help="learn of drills that were made on other hosts")
    parser.add_argument("--look", action="store_true", help="for playbooks: whether another host can make one")
    parser.add_argument("--kit", metavar="HOST", help="for playbooks: what another host needs, with secrets")
    parser.add_argument("--keep", action="store_true", help="with --kit: that host goes on making drills")
    parser.add_argument("--install", action="store_true", help="for playbooks: have systemd know the drills of a kit")
    parser.add_argument("--forget", action="store_true", help="remove from another host what leads to the targets")


def drill(settings, arguments):
    """Do what the words say; the exit code."""
    if arguments.report:
        return _report(settings)
    if not settings.get("drill"):
        raise BackupError("A drill needs databases and objects that are services of this host: what belongs to "
                          "somebody else is not there a second time. Nothing was done.")
    if arguments.look:
        print(json.dumps({"targets": [target["name"] for target in kit.targets(settings)]}))
        return 0
    if arguments.kit:
        print(kit.told(settings, arguments.kit, arguments.keep))
        return 0
    if arguments.take_over:
        return _take_over(settings)
    if arguments.install:
        away.need_alone(settings)
        kit.install(settings)
        print(json.dumps({"unit": records.unit_of(settings, VERB)}))
        return 0
    if arguments.start:
        return _start(settings)
    if arguments.forget:
        away.forget(settings)
        kit.uninstall(settings)
        return 0
    if arguments.remove:
        remove(settings)
        return 0
    work = (away.Away if settings.get("away") else Drill)(settings)
    patience = _patience(settings)
    with _alone(settings, patience) as is_ours:
        if not is_ours and not patience:
            raise BackupError("A drill is at work already, or a rehearsal. Try again when it has ended.")

        def look():
            if not is_ours:
                raise runs.Busy(
                    "Another drill, or a rehearsal, was at work on this host all the time that this one could wait.")
            if settings.get("away"):
                away.need_alone(settings)
        return recorded(settings, work, VERB, look, report.lines, is_ours)


def _patience(settings):
    """For how many seconds another drill is waited for: by one of systemd's, whose words nobody reads."""
    return settings["timeout_seconds"] * WAITING_PART if os.environ.get("INVOCATION_ID") else 0


@contextlib.contextmanager
def _alone(settings, seconds=0):
    """Hold the lock of drills, and wait for so long for whoever has it; whether it is ours."""
    deadline, is_told = time.monotonic() + seconds, False
    while True:
        # Drills of several installations on one host would have the same names.
        with runs.held(settings, settings.get("drill_lock", LOCK)) as is_ours:
            if is_ours or time.monotonic() >= deadline:
                yield is_ours
                return
        if not is_told:
            print("It waits for another drill, or a rehearsal, that is at work on this host.", flush=True)
            is_told = True
        time.sleep(PAUSE_SECONDS)


def remove(settings):
    """Remove what a drill has left that was cut off. One that is at work does that itself."""
    with _alone(settings) as is_ours:
        if is_ours:
            place.remove(place.of(settings))


def remove_left(settings):
    """The same, where there is something: after a server lost its power, nobody else would look for a week."""
    if settings.get("drill") and os.path.lexists(place.of(settings).root) and Engine.runs():
        remove(settings)


def recorded(settings, work, verb, look, lines, is_alone=True):
    """Do a drill, or what has one in it, and take down how it went; the exit code.

    look: done before anything is made. lines: of the report on a record. is_alone: whether the lock of drills is held.
    """
    record = records.begin(settings, verb, time.time())
    state, because = records.FAILED, ""
    try:
        need_none(settings)
        look()
        work.run(record["stamp"])
        state = records.FAILED if work.failures else records.OK
    except Interrupted as error:
        state, because = records.INTERRUPTED, str(error)
    except (Impossible, runs.Busy) as error:
        state, because = records.SKIPPED, str(error)
    except BackupError as error:
        because = str(error)
    except Exception as error:
        because = f"It ended by a fault of its own: {type(error).__name__}: {error}."
        raise
    finally:
        record = records.finish(
            settings, record, time.time(), state, because=" ".join(filter(None, [because, *work.failures])),
            steps=work.steps, warnings=work.warnings, drill=work.told)
        if watch.after_run(settings, record, time.time()):
            notify.wake()
        hand_in(settings, is_alone)
        print("", *lines(record), sep="\n", flush=True)
    return 0 if state == records.OK else 1


def hand_in(settings, is_alone):
    """Keep the records of the last drills in every target that lacks one: there the server itself learns of them.

    is_alone: whether the lock of drills is held. What another one has there has the same names, and stays.
    """
    ended = [record for record in records.read(settings, time.time())
             if record["verb"] == VERB and record["state"] != records.RUNNING and not record.get("origin")]
    run = runs.Run(settings, VERB)
    try:
        with runs.alone(settings, VERB, PATIENCE_SECONDS):
            run.look_at_targets()
            for run.stamp, record in [(record["stamp"], record) for record in ended[-HANDED_IN:]]:
                run.keep_record(record)
            run.engine.close()
            if settings.get("away") and is_alone:
                place.remove(place.of(settings))  # the network that led to the targets
    except BackupError as error:
        run.say(f"the record is not in all targets yet, which the next drill makes good: {error}")
    finally:
        run.engine.close()


def hand_in_after(settings):
    """The same after a drill that was cut off, while another installation's may be at work on this host."""
    with _alone(settings) as is_ours:
        hand_in(settings, is_ours)


def _take_over(settings):
    """Learn of drills that were made on other hosts from the records in the targets."""
    run = runs.Run(settings, "list")
    try:
        run.listed()
        taken = run.take_over_drills()
        for record in taken:
            tell(settings, record)
        print(json.dumps({"taken": [record["stamp"] for record in taken]}))
    finally:
        run.engine.close()
    return 0


def tell(settings, record):
    """Tell of a drill that was made elsewhere, where that is due: this server has the ways to tell."""
    if watch.after_run(settings, record, time.time()):
        notify.wake()


def _report(settings):
    unit = records.unit_of(settings, VERB).rpartition(".")[0]
    found = [record for record in records.read(settings, time.time()) if record["verb"] == VERB]
    ended = [record for record in found if record["state"] != records.RUNNING]
    if found and found[-1]["state"] == records.RUNNING:
        print(f"A drill is at work since {found[-1]['started']}: journalctl -fu {unit}")
    elif not ended:
        raise BackupError(f"There was no drill yet. Make one: systemctl start {unit}")
    print("\n".join(report.lines(ended[-1]) if ended else []))
    return 0


def _start(settings):
    """Let systemd make a drill, or tell of the one that is at work; JSON."""
    unit = records.unit_of(settings, VERB)
    if by_hand.is_at_work(unit):
        print(json.dumps({"unit": unit, "invocation": by_hand.invocation_of(unit), "is_running": True}))
        return 0
    before, begin = by_hand.invocation_of(unit), time.time()
    done = subprocess.run(["systemctl", "start", "--no-block", unit], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise BackupError(f"No drill can be started: {done.stdout.strip() or 'systemd says nothing.'}")
    print(json.dumps({"unit": unit, "is_running": False,
                      "invocation": by_hand.await_begin(settings, unit, VERB, before, begin)}))
    return 0
