# Managed by trenova.selfhost.
"""What somebody allows the backups that they refuse of themselves, until a run has gone well with it.

Each is a file while it is allowed: the run that somebody asks for is a unit of systemd, and what it did not come to is
for the next one.
"""

from __future__ import annotations

import contextlib
import os

from trenova_backup.files import write_text

VANISHED, CLOCK = "accept-vanished", "clock-is-right"
MEANINGS = {
    VANISHED: "objects that are gone are meant to be gone, however many",
    CLOCK: "the clock of this host is right, and was ahead when it made what is of later than now"}


def add_options(parser):
    """The words by which it is allowed."""
    for name, meaning in MEANINGS.items():
        parser.add_argument("--" + name, action="store_true", help=meaning)


def take_down(settings, arguments):
    """Allow what the words of a command allow; the names of what was not allowed before."""
    new = [name for name in MEANINGS if getattr(arguments, name.replace("-", "_")) and not has(settings, name)]
    for name in new:
        write_text(settings.path(name), "")
    return new


def names(settings):
    """All that is allowed just now."""
    return [name for name in MEANINGS if has(settings, name)]


def has(settings, name):
    """Whether it is allowed just now."""
    return os.path.exists(settings.path(name))


def forget(settings, those):
    """Allow it no longer."""
    for name in those:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(settings.path(name))


def hint(name):
    """How it is allowed: the end of a sentence."""
    return (f"run playbooks/backup.yml with -e trenova_backup_{name.replace('-', '_')}=true, or on the server: "
            f"backup.py backup --{name}.")
