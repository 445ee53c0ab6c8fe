# Managed by trenova.selfhost.
"""Work that somebody starts by hand and watches: it is systemd's, and goes on when nobody watches any more."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time

from trenova_backup import allowed, listing, records
from trenova_backup.drill import report
from trenova_backup.errors import BackupError
from trenova_backup.files import write_text
from trenova_backup.upgrade import report as upgrades

#: How long systemd may take to begin.
START_SECONDS = 30
AT_WORK = ("activating", "active", "deactivating", "reloading")
#: Its presence asks for a full backup.
WANTED = "full"


# -- A full one -------------------------------------------------------------------------------------------------------


def is_full_wanted(settings):
    """Whether somebody asks for a full backup."""
    return os.path.exists(settings.path(WANTED))


def want_full(settings):
    """Ask for the next backup to be a full one."""
    write_text(settings.path(WANTED), "")


def has_begun(settings):
    """Ask for no other full one after the one that begins."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(settings.path(WANTED))


# -- The unit ---------------------------------------------------------------------------------------------------------


def look(settings):
    """What is at work: {is_running, invocation, level} of the unit that makes backups."""
    state = _unit(records.unit_of(settings, "backup"))
    is_running = state["ActiveState"] in AT_WORK
    record = _record(settings, state["InvocationID"]) if is_running else None
    return {"is_running": is_running, "invocation": state["InvocationID"] if is_running else "",
            "level": (record or {}).get("level", "")}


def start(settings, arguments):
    """Start a backup and do not wait for it; its invocation. Raises BackupError where systemd does not begin it.

    arguments: the words of who starts it, which reach the unit as files.
    """
    if arguments.full:
        want_full(settings)
    new = allowed.take_down(settings, arguments)
    unit = records.unit_of(settings, "backup")
    before, begin = invocation_of(unit), time.time()
    done = subprocess.run(["systemctl", "start", "--no-block", unit], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        if arguments.full:
            has_begun(settings)
        allowed.forget(settings, new)
        raise BackupError(f"No backup can be started: {done.stdout.strip() or 'systemd says nothing.'}")
    return await_begin(settings, unit, "backup", before, begin)


def run_unit(settings, unit, verb, title, words):
    """Have systemd do what these words say to this program, without waiting for it; the answer for a playbook, printed.

    verb: of the record that it makes. title: what systemd calls it. Raises BackupError where systemd does not begin it.
    """
    program = [sys.executable, "-B", os.path.abspath(sys.argv[0])]
    subprocess.run(["systemctl", "reset-failed", unit], stderr=subprocess.DEVNULL, check=False)
    before, begin = invocation_of(unit), time.time()
    done = subprocess.run(
        ["systemd-run", "--quiet", "--unit", unit, "--service-type=oneshot", "--no-block", "--description", title,
         "--setenv=DOCKER_HOST=unix:///run/docker.sock",
         # One that is killed can neither tell of it nor end its containers.
         "--property=ExecStopPost=" + " ".join([*program, "end"]), *program,
         # A name of an object may have what systemd would take for a variable.
         *(word.replace("$", "$$") for word in words)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise BackupError(f"No {verb} can be started: {done.stdout.strip() or 'systemd says nothing.'}")
    print(json.dumps({"unit": unit, "is_running": False,
                      "invocation": await_begin(settings, unit, verb, before, begin)}))
    return 0


def await_begin(settings, unit, verb, before, begin):
    """Wait for a unit that was told to start; its invocation. before: the one that it had at this time, in seconds."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        found = invocation_of(unit)
        if found not in ("", before):
            return found
        # systemd forgets the number of one that ended at once.
        ended = [record for record in records.read(settings, time.time()) if record.get("invocation")
                 not in ("", None, before) and record["verb"] == verb and records.finished(record)
                 and records.finished(record) >= int(begin)]
        if ended:
            return ended[-1]["invocation"]
        time.sleep(0.2)
    raise BackupError(f"systemd has not begun {unit} within {START_SECONDS} s. Look at: systemctl status {unit}")


def is_at_work(unit):
    """Whether systemd runs a unit just now."""
    return _unit(unit)["ActiveState"] in AT_WORK


def invocation_of(unit):
    """The number that systemd has given to the present run of a unit."""
    return _unit(unit)["InvocationID"]


def title_of(unit):
    """What systemd calls a unit."""
    return _unit(unit)["Description"]


def follow(settings, invocation, cursor, unit=""):
    """What a run has said since a cursor of the journal, whether it runs, and its record."""
    state = _unit(unit or records.unit_of(settings, "backup"))
    # Before the journal is asked, so that its last lines are not missed.
    is_running = state["InvocationID"] == invocation and state["ActiveState"] in AT_WORK
    lines, cursor = _journal(invocation, cursor)
    record = _record(settings, invocation)
    return {"lines": lines, "cursor": cursor, "is_running": is_running, "record": record,
            "text": "\n".join(_lines(record)) if record and not is_running else ""}


def _lines(record):
    told = {"drill": report.lines, "rehearsal": upgrades.lines, "upgrade": upgrades.lines}
    return told.get(record["verb"], listing.saved)(record)


def _unit(unit):
    wanted = ("ActiveState", "InvocationID", "Description")
    done = subprocess.run(["systemctl", "show", unit, *(f"--property={name}" for name in wanted)],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
    told = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
    return {name: told.get(name, "") for name in wanted}


def _record(settings, invocation):
    return next((record for record in reversed(records.read(settings, time.time()))
                 if invocation and record.get("invocation") == invocation), None)


def _journal(invocation, cursor):
    """Lines of a run since a cursor, and the cursor behind them."""
    words = ["journalctl", "--quiet", "--no-pager", "--output=cat", "--show-cursor"]
    words += [f"--after-cursor={cursor}"] if cursor else []
    try:
        done = subprocess.run([*words, f"_SYSTEMD_INVOCATION_ID={invocation}"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace",
                              check=False)
    except OSError:
        return [], cursor
    lines = done.stdout.splitlines()
    if lines and lines[-1].startswith("-- cursor: "):
        cursor = lines.pop()[len("-- cursor: "):]
    return lines, cursor
