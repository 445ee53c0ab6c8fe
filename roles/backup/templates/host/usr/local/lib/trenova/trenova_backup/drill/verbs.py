# Managed by trenova.selfhost.
"""The verb `drill`: what the timer starts, what a playbook asks, and the report."""

from __future__ import annotations

import json
import os
import subprocess
import time

from trenova_backup import by_hand, notify, records, runs, watch
from trenova_backup.drill import place, report
from trenova_backup.drill.run import Drill, Impossible
from trenova_backup.engine import Engine
from trenova_backup.errors import BackupError, Interrupted
from trenova_backup.restore.journal import need_none

#: Held while a drill is there.
LOCK = "drill.lock"
VERB = "drill"


def add_parser(verbs):
    """The words of the verb."""
    parser = verbs.add_parser(VERB, help="restore the newest backup beside what lives, and see whether it works")
    parser.add_argument("--report", action="store_true", help="what the last drill has shown")
    parser.add_argument("--remove", action="store_true", help="remove what a drill has left")
    parser.add_argument("--start", action="store_true", help="for playbooks: let systemd do it, without waiting for it")


def drill(settings, arguments):
    """Do what the words say; the exit code."""
    if arguments.report:
        return _report(settings)
    if not settings.get("drill"):
        raise BackupError("A drill needs databases and objects that are services of this host: what belongs to "
                          "somebody else is not there a second time. Nothing was done.")
    if arguments.start:
        return _start(settings)
    if arguments.remove:
        remove(settings)
        return 0
    with runs.held(settings, LOCK) as is_ours:
        if not is_ours:
            raise BackupError("A drill is at work already.")
        return _recorded(settings)


def remove(settings):
    """Remove what a drill has left that was cut off. One that is at work does that itself."""
    with runs.held(settings, LOCK) as is_ours:
        if is_ours:
            place.remove(place.of(settings))


def remove_left(settings):
    """The same, where there is something: after a server lost its power, nobody else would look for a week."""
    if settings.get("drill") and os.path.lexists(place.of(settings).root) and Engine.runs():
        remove(settings)


def _recorded(settings):
    record = records.begin(settings, VERB, time.time())
    work = Drill(settings)
    state, because = records.FAILED, ""
    try:
        need_none(settings)
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
        print("", *report.lines(record), sep="\n", flush=True)
    return 0 if state == records.OK else 1


def _report(settings):
    found = [record for record in records.read(settings, time.time()) if record["verb"] == VERB]
    ended = [record for record in found if record["state"] != records.RUNNING]
    if found and found[-1]["state"] == records.RUNNING:
        print(f"A drill is at work since {found[-1]['started']}: journalctl -fu trenova-drill")
    elif not ended:
        raise BackupError("There was no drill yet. Make one: systemctl start trenova-drill")
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
