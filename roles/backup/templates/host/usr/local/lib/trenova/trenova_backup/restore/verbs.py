# Managed by trenova.selfhost.
"""The verb `restore`: a plan first, and the restore itself only for who names the installation, or wants but a part."""

from __future__ import annotations

import contextlib
import datetime
import json
import re
import time

from trenova_backup import by_hand, records, runs
from trenova_backup.engine import Engine
from trenova_backup.errors import BackupError, Interrupted
from trenova_backup.restore import part
from trenova_backup.restore.journal import need_no_upgrade
from trenova_backup.restore.plan import words
from trenova_backup.restore.run import Restore

UNIT = "trenova-restore.service"
VERB = "restore"
#: What systemd calls it, which tells one from the other as soon as it begins.
TITLE, PART_TITLE = "Restore of Trenova", "Restore of a part of Trenova"


def add_parser(verbs):
    """The words of the verb."""
    parser = verbs.add_parser("restore", help="bring back what a target holds")
    parser.add_argument("--store", action="append", help="one store, as the list has it, or several; all by default")
    parser.add_argument("--to", help='the moment in UTC, as "2026-11-23 14:05:00+00"; as new as can be by default')
    parser.add_argument("--target", help="name of the target; the one that has the newest by default, and with --to "
                        "the first that has that moment")
    parser.add_argument("--only", help="a part of a store, beside the live ones: [database/][schema.]table, bucket or "
                        "bucket/object")
    parser.add_argument("--plan", action="store_true", help="tell what would be done, and do nothing")
    parser.add_argument("--json", action="store_true", help="the plan, for programs")
    parser.add_argument("--confirm", help="name of the installation whose data is to be replaced")
    parser.add_argument("--leave-stopped", action="store_true", help="do not start again what was stopped")
    parser.add_argument("--start", action="store_true", help="for playbooks: let systemd do it, without waiting for it")


def restore(settings, arguments):
    """Plan or do a restore; the exit code. Raises BackupError, in one sentence, where it cannot be."""
    wish = {"target": arguments.target, "until": moment_of(arguments.to), "stores": sorted(set(arguments.store or []))}
    if arguments.confirm and arguments.confirm != settings["installation"]:
        raise BackupError(f"This is {settings['installation']}, and {arguments.confirm} was to be restored. Nothing "
                          "was changed.")
    engine = Engine(settings)
    engine.take_all()
    work = Restore(settings, engine, wish)
    try:
        if arguments.only:
            part.need_sense(work, arguments.confirm)
        runs.Run(settings, "restore").prepare()
        need_no_upgrade(settings)
        work.choose()
        if arguments.only:
            return _part(settings, work, arguments)
        work.need_same()
        work.need_secrets()
        work.foresee()
        work.need_space()
        if arguments.plan or not arguments.confirm:
            told = work.told()
            told["text"] = "\n".join(words(told))
            print(json.dumps(told) if arguments.json else told["text"])
        if arguments.plan:
            return 0
        if not arguments.confirm:
            raise BackupError(f"Nothing was changed. To replace the data of {settings['installation']}, add --confirm "
                              f"{settings['installation']}.")
        return _all(settings, work, arguments.leave_stopped)
    finally:
        engine.close()


def _part(settings, work, arguments):
    """A part replaces nothing, so nobody has to confirm it."""
    only, found = arguments.only, {}
    part.need_parts(work)
    if arguments.plan:
        work.foresee(only)
        work.need_space()
        told = part.told(work, only)
        told["text"] = "\n".join(part.words(told))
        print(json.dumps(told) if arguments.json else told["text"])
        return 0
    asked = {"only": only, "stores": work.wish["stores"], "to": arguments.to or "", "target": arguments.target or ""}
    with recorded(settings, VERB, work, lambda: found, part=asked) as record:
        work.foresee(only)
        work.need_space()
        found["where"] = work.part(only, "restored_" + record["stamp"].lower())
        work.say(found["where"])
    return 0


def _all(settings, work, is_left_stopped):
    with recorded(settings, VERB, work, lambda: {"copies": work.journal.content.get("copies", {})}) as record:
        work.hand_over_secrets()
        work.execute(record["stamp"])
        if not is_left_stopped:
            work.start()
        work.end()
    return 0


@contextlib.contextmanager
def recorded(settings, verb, work, told=dict, after=None, **known):
    """The record of some work, from its begin to how it ended, whatever happens.

    told: what the record says then, besides steps and warnings. after: called with the record, whatever has happened.
    known: what it says from the begin on.
    """
    record = records.begin(settings, verb, time.time(), **known)
    state, because = records.FAILED, ""
    try:
        yield record
        state = records.OK
    except Interrupted as error:
        state, because = records.INTERRUPTED, str(error)
        raise
    except (BackupError, OSError) as error:
        because = str(error)
        raise
    except Exception as error:
        because = f"It ended by a fault of its own: {type(error).__name__}: {error}."
        raise
    finally:
        record = records.finish(settings, record, time.time(), state, because=because, steps=work.steps,
                                warnings=work.warnings, **told())
        if after:
            after(record)


def start(settings, arguments):
    """Let systemd do a restore, which goes on without whoever asked for it; the answer for a playbook."""
    words_of = [VERB, f"--only={arguments.only}"] if arguments.only else [VERB, "--confirm", arguments.confirm or ""]
    for option in ("to", "target"):
        if getattr(arguments, option):
            words_of += ["--" + option, getattr(arguments, option)]
    words_of += [word for store in arguments.store or [] for word in ("--store", store)]
    words_of += ["--leave-stopped"] if arguments.leave_stopped else []
    return by_hand.run_unit(settings, UNIT, VERB, PART_TITLE if arguments.only else TITLE, words_of)


def at_work():
    """The restore that systemd does just now, for a playbook that follows it; None where it does none."""
    invocation, title = by_hand.invocation_of(UNIT), by_hand.title_of(UNIT)
    return {"is_running": True, "unit": UNIT, "invocation": invocation,
            "is_part": title == PART_TITLE} if by_hand.is_at_work(UNIT) else None


def moment_of(text):
    """Seconds of a moment that somebody has written. Raises BackupError where it is none."""
    if not text:
        return None
    written = text.strip()
    try:
        # Python 3.9 knows hours and minutes only.
        told = datetime.datetime.fromisoformat(re.sub(r"([+-]\d\d):?(\d\d)?$", _zone, written.replace("Z", "+00:00")))
    except ValueError:
        raise BackupError(f'{text} is no moment. Write it in UTC: "2026-11-23 14:05:00+00".') from None
    if ":" not in written:
        # On a command line a space ends what a playbook is given by -e.
        raise BackupError(f"{text} says no time. Write it in UTC, without a space: {written}T14:05:00Z.")
    if told.tzinfo is None:
        raise BackupError(f'{text} says no time zone. Write it in UTC: "{written}+00".')
    return told.timestamp()


def _zone(found):
    return f"{found.group(1)}:{found.group(2) or '00'}"
