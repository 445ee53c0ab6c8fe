# Managed by trenova.selfhost.
"""How far a restore has come, so that one which was interrupted is repeated from there, and nothing is lost twice.

    restore.json   wish {target, until, stores}, stamp, begun (the same as a moment), touched (whether anything live
                   is no more as it was), stopped [containers], done
                   phases {store: fetched, laid or written}, ready {store: path of what takes its place},
                   copies {store: path of what was there, or the bucket with its objects, "" where it was nothing}

While it says that a restore has touched something live and is not done, no backup is made: half of what it would save
is another state.
"""

from __future__ import annotations

import os
import threading

from trenova_backup.errors import BackupError
from trenova_backup.files import moment, read_json, write_json

FILE = "restore.json"
#: Below the project's directory. Its presence says that a server waits for its data.
HOLD = ".state/hold"
FETCHED, LAID, WRITTEN = "fetched", "laid", "written"


class Journal:
    """The journal of the restore that is at work, or was the last one; or of other work that is done in this way."""

    file, what = FILE, "restore"

    def __init__(self, settings):
        self._path = settings.path(self.file)
        # Stores that are written at the same time take down how far they are.
        self._lock = threading.RLock()
        self.content = read_json(self._path)

    @property
    def is_open(self):
        """Whether the work was begun and has not ended."""
        return bool(self.content) and not self.content.get("done")

    @property
    def is_touched(self):
        """Whether the work was begun, has touched something live, and has not ended."""
        return self.is_open and bool(self.content.get("touched"))

    def begin(self, wish, stamp):
        """Go on with the work that is open, where it is the same wish, or begin. Raises BackupError for another."""
        self.need_same(wish)
        if self.is_touched:
            return False
        # What only lay beside the live data is fetched anew.
        self.content = {"wish": wish, "stamp": stamp, "begun": moment_of(stamp), "phases": {}, "copies": {},
                        "stopped": [], "touched": False}
        self.save()
        return True

    def need_same(self, wish):
        """Raises BackupError where another one has touched what lives, and was interrupted."""
        if self.is_touched and self.content["wish"] != wish:
            raise BackupError(
                f"A {self.what} of {self.said(self.content['wish'])} that was begun at {self.content['begun']} was "
                "interrupted, with live data half replaced. Repeat that one first, with the same words.")

    @staticmethod
    def said(wish):
        """What was wished, in words."""
        until = f" up to {moment(wish['until'])}" if wish["until"] is not None else ""
        return (", ".join(wish["stores"]) or "everything") + until

    def phase(self, store):
        """How far a store is."""
        return self.content.get("phases", {}).get(store, "")

    def set_phase(self, store, phase):
        """Take down how far a store is."""
        with self._lock:
            self.content["phases"][store] = phase
            self.save()

    def set_copy(self, store, place):
        """Take down where the copy is of what a store is about to replace; "" where there was nothing."""
        with self._lock:
            self.content["copies"][store] = place
            self.save()

    def update(self, **facts):
        """Take down what else is known."""
        self.content.update(facts)
        self.save()

    def save(self):
        """Write it."""
        with self._lock:
            write_json(self._path, self.content, 0o600)


def moment_of(stamp):
    """The moment of a stamp, as people have it."""
    return f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}T{stamp[9:11]}:{stamp[11:13]}:{stamp[13:15]}Z"


class UpgradeJournal(Journal):
    """That of an upgrade of PostgreSQL, or of the way back. wish: {way: up or back, from, to, stores} besides.

    asked: what the old server has told before it was stopped. back_to: the copy that a way back leads to. It is open
    until the deployment has started the server of the other major, and that has answered.
    """

    file, what = "upgrade.json", "change"

    @staticmethod
    def said(wish):
        """What was wished, in words."""
        return "{} from PostgreSQL {} to {}".format(", ".join(wish["stores"]), wish["from"], wish["to"])


def is_waiting(settings):
    """Whether a server was deployed for a restore which has not ended."""
    return os.path.exists(os.path.join(settings["project_dir"], HOLD))


def need_none(settings):
    """Raises BackupError where a restore or an upgrade was begun and has not ended."""
    need_no_upgrade(settings)
    journal = Journal(settings)
    if journal.is_touched:
        raise BackupError(
            f"A restore of {journal.said(journal.content['wish'])} was begun at {journal.content['begun']} and has not "
            "ended. Nothing is saved before it is repeated to its end.")
    if is_waiting(settings):
        raise BackupError("This server waits for its data to be restored. Nothing is saved before that, or before "
                          f"somebody removes {os.path.join(settings['project_dir'], HOLD)}.")


def need_no_upgrade(settings):
    """Raises BackupError where an upgrade of PostgreSQL was begun and has not ended."""
    journal = UpgradeJournal(settings)
    if journal.is_touched:
        raise BackupError(
            f"A change of {journal.said(journal.content['wish'])} was begun at {journal.content['begun']} and has not "
            "ended. Nothing is saved or restored before playbooks/upgrade_postgres.yml is repeated, or leads back.")
