# Managed by trenova.selfhost.
"""An upgrade of the live server, and the way back.

Whoever works with the server is stopped first, and what was written until then is saved. The new server is made beside
the old one (moving). Until its directory takes the old one's place nothing has changed: a fault before that starts
again what was stopped. Afterwards the deployment starts the server of the new major; what was there stays as the copy.
An interruption anywhere is repeated: what only lay beside is made anew, a change of names is ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import time

from trenova_backup import kinds, places, runs
from trenova_backup.engine import Engine
from trenova_backup.errors import BackupError, Interrupted
from trenova_backup.files import duration, moment, read_json, size, stamp_of
from trenova_backup.restore import laying
from trenova_backup.restore.journal import FETCHED, LAID, UpgradeJournal
from trenova_backup.restore.run import Restore
from trenova_backup.upgrade import findings, target
from trenova_backup.upgrade.moving import Move, root_of

UP, BACK = "up", "back"
ASKED = "backup/config/asked.sql"
SECONDS = 60
#: A deployment after which nothing answers yet has failed.
DEPLOYMENT_SECONDS = 3600


def store_of(settings, name):
    """The server that is upgraded. Raises BackupError where there is none that could be."""
    found = {store["store"]: store for store in settings.stores if store["kind"] == "postgres"}
    if name not in found:
        raise BackupError(f"There is no PostgreSQL called {name}. Write one of: "
                          f"{', '.join(sorted(found)) or 'none is there'}.")
    if not found[name]["physical"]:
        raise BackupError(f"{found[name]['title']} is somebody else's server, whose administrator upgrades it. "
                          "Nothing was done.")
    return found[name]


def major_of(root):
    """Major of the data below the directory of a server; 0 where there is none.

    Since 18 it lies in a folder of its major.
    """
    found = []
    for folder, names, files in os.walk(root):
        if "PG_VERSION" in files:
            names.clear()
            path = os.path.join(folder, "PG_VERSION")
            with contextlib.suppress(OSError, ValueError), open(path, encoding="ascii") as stream:
                found.append(int(stream.read().split(".")[0]))
        elif os.path.relpath(folder, root).count(os.sep) >= 1:
            names.clear()
    return max(found, default=0)


def ask(settings, engine, store):
    """What the live server tells: {database: what config/asked.sql says}. Raises BackupError where it does not."""
    container = _container(engine, store)
    first = _ask(settings, engine, container, "postgres")
    return {name: first if name == "postgres" else _ask(settings, engine, container, name)
            for name in findings.databases({"postgres": first})}


def _container(engine, store):
    running = [name for name, runs_now in engine.services().get(store["service"], []) if runs_now]
    if not running:
        raise BackupError(f"{store['title']} does not run, so that it cannot be asked what it holds. Start it, or run "
                          "site.yml.")
    return running[0]


def _ask(settings, engine, container, database):
    process = engine.execute(
        container, ["psql", "--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1",
                    "--dbname", findings.connection(database)],
        source=os.path.join(settings["project_dir"], ASKED))
    try:
        if process.wait(SECONDS):
            raise BackupError(f"{container} does not tell what there is in {database}: {process.said.rstrip('.')}.")
        return json.loads(process.lines[-1])
    finally:
        process.end()


class Change(Restore):
    """What an upgrade and the way back have in common: a journal, and who is stopped."""

    way = UP

    def __init__(self, settings, engine, store, wished, there):
        super().__init__(settings, engine, {
            "way": self.way, "from": there, "to": wished.major, "stores": [store["store"]], "target": None,
            "until": None})
        self.store, self.wished, self.there = store, wished, there
        self.root = root_of(store)
        self.journal = UpgradeJournal(settings)
        self.kinds = {store["store"]: kinds.of(store, self)}
        #: What its record tells, from its begin on.
        self.shown = {"way": self.way, "from": there, "to": wished.major, "image": wished.image}

    @property
    def name(self):
        """Name of the store."""
        return self.store["store"]

    @property
    def is_laid(self):
        """Whether the directory has changed its place, so that only the deployment is left."""
        journal = self.journal
        return journal.is_open and journal.content["wish"] == self.wish and journal.phase(self.name) == LAID

    def stopped_services(self):
        """Services that are stopped meanwhile, in their order."""
        return self._consumers_in_order()

    def step(self, name, work):
        """Do a step, and take down how long it took."""
        begin, told = time.monotonic(), {"service": self.name, "name": name, "file": "", "state": "failed"}
        self.steps.append(told)
        try:
            found = work()
            told["state"] = "ok"
            return found
        finally:
            told["seconds"] = round(time.monotonic() - begin, 1)
            self.say(f"{name}: {'' if told['state'] == 'ok' else 'failed, '}{duration(told['seconds'])}")

    def change_places(self, ready):
        """Let a directory take the place of the live one. It may be repeated wherever it was cut off."""
        copy = self.journal.content["copies"].setdefault(
            self.name, laying.beside(self.root, f"before-{self.journal.content['stamp']}"))
        self.journal.content["ready"] = {self.name: ready}
        self.journal.set_phase(self.name, FETCHED)
        self.step("changed places", lambda: laying.lay(ready, self.root, copy, self.store.get("without", [])))
        self.journal.set_phase(self.name, LAID)

    def is_changing(self):
        """Whether a change of places was begun, and perhaps not ended."""
        copy = self.journal.content.get("copies", {}).get(self.name, "")
        return self.journal.phase(self.name) == FETCHED and (os.path.exists(copy) or not os.path.exists(self.root))


class Upgrade(Change):
    """An upgrade of the live server."""

    def __init__(self, settings, engine, store, wished, there):
        super().__init__(settings, engine, store, wished, there)
        self.move = Move(engine, store, wished, self.step, self.say)

    def look(self):
        """What stands in the way, and what should be known. Raises BackupError where it cannot be told."""
        known = self.journal.content.get("asked") if self.journal.is_open else None
        asked = known or ask(self.settings, self.engine, self.store)
        self.engine.need_image(self.wished.image, self.wished.digest)
        self.move.open(self.engine.model())
        try:
            found = self.move.look(asked)
            target.need_image(self.move.image, self.wished)
        finally:
            self.move.close()
        self.shown["findings"] = [finding.text for finding in found]
        return found

    @staticmethod
    def need_possible(found):
        """Raises BackupError with all that stands in the way."""
        blocking = [finding.text for finding in found if finding.is_blocking]
        if blocking:
            raise BackupError(" ".join([*blocking, "Nothing was changed."]))

    def need_space(self):
        """Raises BackupError where the disk has not the room for a second server."""
        place, needed = os.path.dirname(self.move.work), findings.needed_bytes(self.move.asked)
        free = places.free(place)
        left = self.settings.left_free
        if free < needed + left:
            raise BackupError(f"{size(free)} are free in {place}, and {size(needed)} are needed beside what is there, "
                              f"with {size(left)} left alone. Make room. Nothing was changed.")

    def execute(self, stamp):
        """Do it, or go on with it. What is stopped stays stopped, for the deployment that follows."""
        if self.is_laid:
            return
        is_new = self.journal.begin(self.wish, stamp)
        if self.is_changing():
            self.change_places(self.journal.content["ready"][self.name])
            self.move.close()
            return
        self.journal.update(touched=True, asked=self.move.asked, **({"stopped": []} if is_new else {}))
        try:
            self._stop_users()
            self.step("saved what was written until now", self._save)
            self._stop()
            self.move.open(self.engine.model())
            ready, told = self.move.run()
        except Interrupted:
            raise
        except Exception as error:
            # Whatever it was: who works with the server does not wait for somebody who reads this.
            self.undo(error)
            raise
        self.shown.update(told, findings=[*self.shown.get("findings", []), *told["findings"]])
        self.change_places(ready)
        self.move.close()

    def undo(self, error):
        """Start again what was stopped, on the data that was never touched.

        Raises BackupError, with what has led here, where that cannot be.
        """
        try:
            self.move.close()
            self.step("started again what was there", self.start)
        except (BackupError, OSError) as another:
            raise BackupError(f"{_sentence(error)} Then what was stopped could not be started again: "
                              f"{_sentence(another)}") from error
        self.journal.update(done=True)
        self.shown["is_undone"] = True

    def _stop_users(self):
        """Stop who works with the server, and let it run: what they have written last is to be saved."""
        there, known = self.engine.services(), self.journal.content["stopped"]
        running = [name for service in self._consumers_in_order() for name, runs_now in there.get(service, [])
                   if runs_now]
        self.journal.update(stopped=known + [name for name in running if name not in known])
        for service in self._consumers_in_order():
            if service != self.store["service"]:
                self.engine.stop([name for name, runs_now in there.get(service, []) if runs_now])
        # After an interruption it may be stopped.
        stopped = self.journal.content["stopped"]
        self.engine.start_again([name for name, _runs in there.get(self.store["service"], []) if name in stopped])

    def _save(self):
        """The log up to now, so that the targets lead to the very state that is upgraded."""
        run = runs.Run(self.settings, "cut", stamp_of(time.time()))
        run.say = self.say
        run.engine.take_all()
        try:
            run.look_at_targets()
            kinds.of(self.store, run).cut()
            run.copy_to_others()
            if run.failures:
                raise BackupError(" ".join(run.failures))
        finally:
            run.engine.close()


class WayBack(Change):
    """The way back to the data that an upgrade has left as a copy."""

    way = BACK

    def __init__(self, settings, engine, store, wished, there):
        super().__init__(settings, engine, store, wished, there)
        self.last = read_json(settings.path(UpgradeJournal.file))

    def need_copy(self):
        """The copy to go back to; "" where an upgrade was interrupted before it changed anything.

        Raises BackupError where there is none.
        """
        wish, phase = self.last.get("wish") or {}, (self.last.get("phases") or {}).get(self.name, "")
        if wish.get("way") == BACK and not self.last.get("done"):
            self.need_same()
            return (self.last.get("ready") or {}).get(self.name, self.last.get("back_to", ""))
        if wish.get("way") != UP or not (self.last.get("touched") or self.last.get("copies")):
            raise BackupError("There was no upgrade on this server to go back from. Nothing was changed.")
        if self.wished.major != wish["from"]:
            raise BackupError(
                f"The upgrade was from PostgreSQL {wish['from']}, and postgres_image is {self.wished.image}. To go "
                f"back, set it to an image of {wish['from']}. Nothing was changed.")
        if phase not in (FETCHED, LAID):
            if self.last.get("done"):
                raise BackupError("The last upgrade has changed nothing, so there is nothing to go back from. Nothing "
                                  "was changed.")
            return ""
        copy = self.last["copies"][self.name]
        if phase == FETCHED and not os.path.isdir(copy):
            return ""
        if phase != FETCHED and major_of(copy) != wish["from"]:
            raise BackupError(
                f"{copy} is not there any more. What was before the upgrade can be restored: set postgres_image to an "
                f"image of {wish['from']}, move {self.root} away, run site.yml, and then restore.yml with -e "
                f"trenova_restore_to of a moment before {self.last['begun']}. Nothing was changed.")
        return copy

    def execute(self, stamp):
        """Do it, or go on with it."""
        if self.is_laid:
            return
        copy = self.need_copy()
        if not copy:
            self._go_on_as_before()
            return
        if self.last["wish"]["way"] == UP and self.journal.phase(self.name) == FETCHED:
            # Half of what was there may still be in its place: only a change that has ended leaves a whole copy.
            self._stop()
            self.change_places(self.journal.content["ready"][self.name])
        if self.last["wish"] != self.wish or self.last.get("done"):
            # At once: with half of it, nobody would know where to go back to.
            self.journal.content = {
                "wish": self.wish, "stamp": stamp, "begun": moment(time.time()), "phases": {}, "copies": {},
                "touched": True, "back_to": copy,
                "stopped": self.last.get("stopped", []) if not self.last.get("done") else []}
            self.journal.save()
        Move(self.engine, self.store, self.wished, self.step, self.say).close()
        self._stop()
        # Migrations since the upgrade are not in it. Before it is in its place: with that, only the deployment is left.
        self._renew()
        self.change_places(copy)

    def _go_on_as_before(self):
        """An upgrade that was interrupted has only stopped who works with the server."""
        Move(self.engine, self.store, self.wished, self.step, self.say).close()
        self.step("started again what was there", self.start)
        self.journal.update(done=True)


def answered(settings, store):
    """The journal of a change that only waited for the deployment; None where none is open.

    Raises BackupError where the server does not answer as one of the other major.
    """
    journal = UpgradeJournal(settings)
    if not journal.is_open or journal.phase(store["store"]) != LAID:
        return None
    engine = Engine(settings)
    told = _ask(settings, engine, _container(engine, store), "postgres")
    if told["version"] != journal.content["wish"]["to"]:
        raise BackupError(f"{store['title']} answers as PostgreSQL {told['version']}, and "
                          f"{journal.content['wish']['to']} was to be there.")
    return journal


def waits(settings, store):
    """Why a small backup is not made now, as one sentence: the deployment is to start the server of the other major.

    "" where it can be made, or where that deployment does not come, which then has to be told.
    """
    journal = UpgradeJournal(settings)
    is_waiting = journal.is_open and journal.phase(store["store"]) == LAID
    if not is_waiting or time.time() - os.path.getmtime(settings.path(UpgradeJournal.file)) > DEPLOYMENT_SECONDS:
        return ""
    major = journal.content["wish"]["to"]
    return f"{store['title']} becomes one of version {major}; the next backup is a full one of that."


def _sentence(error):
    return str(error).rstrip(".") + "."
