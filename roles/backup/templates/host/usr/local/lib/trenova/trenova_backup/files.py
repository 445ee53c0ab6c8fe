# Managed by trenova.selfhost.
"""Files and times, as records tell them."""

from __future__ import annotations

import calendar
import json
import os
import time

#: A stamp names a run, sorts by time, and is a word that every target takes for a file name.
STAMP = "%Y%m%dT%H%M%SZ"
MOMENT = "%Y-%m-%dT%H:%M:%SZ"


def read_json(path, otherwise=None):
    """Content of a JSON file, `otherwise` ({} by default) where there is none that can be read."""
    try:
        with open(path, encoding="utf-8") as stream:
            return json.load(stream)
    except (OSError, ValueError):
        return {} if otherwise is None else otherwise


def write_json(path, content, mode=0o644):
    """Write a JSON file."""
    write_text(path, json.dumps(content, indent=1, sort_keys=True) + "\n", mode)


def write_text(path, text, mode=0o644):
    """Write a file so that a reader, and a server that loses its power, sees either the old one or the new one."""
    with open(path + ".new", "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.chmod(path + ".new", mode)
    os.replace(path + ".new", path)


def stamp_of(seconds):
    """Stamp of a time in seconds."""
    return time.strftime(STAMP, time.gmtime(seconds))


def seconds_of(stamp):
    """Time in seconds of a stamp. Raises ValueError for what is none."""
    return calendar.timegm(time.strptime(stamp, STAMP))


def by_age(now):
    """Key that sorts stamps, oldest first. One that lies in the future, of a clock that was ahead, counts as old."""
    def key(stamp):
        try:
            seconds = seconds_of(stamp)
        except ValueError:
            seconds = float("inf")
        return seconds <= now, stamp
    return key


def moment(seconds):
    """A time as records and people have it, in UTC."""
    return time.strftime(MOMENT, time.gmtime(seconds))


def seconds_of_moment(text):
    """Time in seconds of a moment. Raises ValueError for what is none."""
    return calendar.timegm(time.strptime(text, MOMENT))


def size(number):
    """Bytes as people read them."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000 or unit == "GB":
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000.0
    return ""


def duration(seconds):
    """Seconds as people read them."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
