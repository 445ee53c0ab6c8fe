# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether there is a backup that succeeded and is not too old for its schedule."""

from __future__ import annotations

import datetime

from ansible_collections.trenova.selfhost.plugins.plugin_utils.schedules import longest_interval

#: What a backup may be late by: a day's half, in which it runs, waits for a server that was off, or is made by hand.
GRACE = datetime.timedelta(hours=12)
KEY = "Key of the backups"
REMINDER = (
    "nobody has said that trenova_backup_key is kept elsewhere, too; without it no backup can be read. When it is: "
    "backup_key_kept: true")


def status_of(services):
    """What a description says of where the last backup tells how it went; nothing where nobody makes backups."""
    return next((service["backup_status"] for service in services.values() if service.get("backup_status")), {})


def allowed_age(told, today):
    """How old the newest backup may be; None where its schedule does not tell."""
    interval = longest_interval(told["schedule"], today)
    return None if interval is None else interval + datetime.timedelta(seconds=told.get("delay_seconds", 0)) + GRACE


def results(services, status, waiting_seconds, now):
    """One result for the backups of a host: there is one, it succeeded, it is not too old.

    status: content of the status file, None while there is none. waiting_seconds: for how long there has been a place
    for it, None where that is not known.
    """
    told = status_of(services)
    if not told:
        return []
    reminder = {"name": KEY, "ok": True, "note": True, "detail": REMINDER, "seconds": 0}
    allowed = allowed_age(told, now.date())
    ok, detail = _newest(status, allowed, told, now) if status else _none_yet(waiting_seconds, allowed, told)
    if allowed is None:
        detail += "; how old it may be cannot be told from the schedule {}".format(told["schedule"])
    return [{"name": "Newest backup", "ok": ok, "detail": detail, "seconds": 0},
            *([] if told.get("key_kept", True) else [reminder])]


def _newest(status, allowed, told, now):
    finished = datetime.datetime.strptime(status["finished"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.UTC)
    age = now - finished
    detail = "exit status {}, {:.1f} MB, {:.1f} hours old".format(
        status["exit_status"], (status["bytes"] + status["objects_bytes"]) / 1e6, _hours(age))
    if status.get("because"):
        detail += ": " + status["because"].rstrip(".")
    if allowed is not None and age > allowed:
        return False, "{}, {:.1f} are allowed with the schedule {}".format(detail, _hours(allowed), told["schedule"])
    return status["exit_status"] == 0, detail


def _none_yet(waiting_seconds, allowed, told):
    advice = "due {schedule}; make one: {command}".format(**told)
    if allowed is not None and waiting_seconds is not None and waiting_seconds > allowed.total_seconds():
        return False, f"none in {waiting_seconds / 3600:.1f} hours, {advice}"
    return True, "none yet, " + advice


def _hours(duration):
    return duration.total_seconds() / 3600
