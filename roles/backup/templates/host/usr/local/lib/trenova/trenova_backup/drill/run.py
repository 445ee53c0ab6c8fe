# Managed by trenova.selfhost.
"""A drill from its begin to what it has shown.

The newest backup that has taken down what there was is restored by the same code as after a loss, into a project of its
own. Then the databases are compared, the application is started and somebody logs in. Whatever happens, nothing of it
stays.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time

from trenova_backup import facts, places, points, records, runs
from trenova_backup.drill import live, login, place, project
from trenova_backup.engine import Engine
from trenova_backup.errors import BackupError
from trenova_backup.files import by_age, duration, moment, read_json, seconds_of, size, stamp_of, write_json
from trenova_backup.restore.run import Restore, levels

#: Bytes of memory that a drill leaves to what lives, of what is available, and as a part of what there is.
LEFT_BYTES, LEFT_PART = 256_000_000, 0.05
MEMORY = "/proc/meminfo"
CREATE_SECONDS = 120
#: How long a drill waits for a backup that is removing what retention does not keep.
PATIENCE_SECONDS = 1800
#: Kinds of stores that a small backup saves, too, and the runs that save all of these.
OFTEN, SAVING = ("postgres", "objects", "redis"), ("backup", "cut")
FILE = "compose.yaml"
LOGINS = "backup/secrets/drill/logins.json"


class Impossible(BackupError):
    """A drill cannot be made here and now, which says nothing of the backups."""


class Recorded(Restore):
    """A restore of what a run has kept that has also taken down what there was."""

    starts_at_once = keeps_live = False
    run = ""
    #: When it was known what the target holds, in seconds.
    asked = 0.0

    def _choose_from(self, target):
        self.read_from(target)
        self.asked = time.time()
        needed = {name for name, kind in self.kinds.items() if kind.store.get("physical")}
        told = {name: {snapshot.run for snapshot in target.snapshots
                       if snapshot.store == name and (snapshot.part == "facts" or not needed)}
                for name in needed or self.kinds}
        common = set.intersection(*told.values()) if needed else set.union(*told.values())
        if not common:
            raise BackupError(
                "No backup has taken down yet what there was, so that nothing could be compared. Make one: systemctl "
                "start trenova-backup")
        self.run = max(common, key=by_age(self.asked))
        return self.choose_all(lambda kind: kind.choose_run(target, self.run))

    def newest(self):
        """{store: up to when the target holds what was written into it, in seconds; None where that is not known}.

        Of the stores that each small backup saves. What is of the future, by a clock that was ahead, tells nothing.
        """
        kept = [snapshot for snapshot in self.target.snapshots if snapshot.run <= stamp_of(self.asked)]
        # Where nothing was written nothing new is kept, which a good run has seen.
        good = [snapshot.run for snapshot in kept if snapshot.part == points.RECORD
                and snapshot.pairs.get("verb") in SAVING and snapshot.pairs.get("state") == records.OK]
        return {name: max([*map(seconds_of, good), *self._moments(name, kind, kept)], default=None)
                for name, kind in self.kinds.items() if kind.store["kind"] in OFTEN}

    def _moments(self, name, kind, kept):
        """What the target holds of a store, as moments. kept: snapshots of the past."""
        if kind.store.get("physical"):
            # A base may be of the future whose log is not.
            past = [snapshot for snapshot in self.target.snapshots
                    if snapshot.pairs.get("until", "") <= moment(self.asked)]
            return [window.end for window in points.windows(past, name)]
        if kind.store["kind"] == "objects":
            stamps = self.target.mirror.stamps(name)[0]
            return [seconds_of(stamp) for stamp in stamps if stamp <= stamp_of(self.asked)]
        return [seconds_of(snapshot.run) for snapshot in kept if snapshot.store == name]

    def need_space(self):
        """Raises Impossible where the disk has not the room for all of it, objects included, once more."""
        place_of_data = self.settings["data_dir"]
        needed = sum(choice.space or choice.bytes for choice in self.choices.values())
        free, left = places.free(place_of_data), self.settings.left_free
        if free < needed + left:
            raise Impossible(
                f"{size(free)} are free in {place_of_data}, and a drill needs {size(needed)}, with {size(left)} "
                f"left alone. Make room, or make no drills here (backup_drill_schedule: \"\").")


class Drill:
    """One drill. `told` and `steps` are what its record says."""

    def __init__(self, settings):
        self.settings = settings
        self.place = place.of(settings)
        self.steps, self.warnings = [], []
        self.told = {"host": settings["host"]}
        self.failures = []
        self._begin = time.monotonic()
        self._work, self._engine, self._file = None, None, {}

    def say(self, text):
        """Tell what happens, with the time."""
        print(time.strftime("%H:%M:%S"), text, flush=True)

    def run(self, stamp):
        """Do it. Raises BackupError where it ends early; what is wrong besides is in `failures`."""
        self._step("removed what an earlier drill had left", lambda: place.remove(self.place))
        before, deployed = self._look(), live.deployed(self.settings)
        try:
            self._prepare()
            with runs.reading(self.settings, PATIENCE_SECONDS):
                self._restore(stamp)
            self._start()
            self.told["rto_seconds"] = round(time.monotonic() - self._begin)
            self._count_objects()
        finally:
            self._end(before, deployed)

    def _end(self, before, deployed):
        """Remove it, and look whether all else is as it was. What ended the drill is not hidden by what fails here."""
        if self._engine:
            self._engine.close()
        try:
            self._step("removed all of it", lambda: place.remove(self.place))
            self.told["removed"] = place.remains(self.place)
            self._look_again(before, self._look(), deployed == live.deployed(self.settings))
        except BackupError as error:
            self.failures.append(str(error))

    def _step(self, name, work):
        begin, step = time.monotonic(), {"service": "drill", "name": name, "file": "", "state": "failed"}
        self.steps.append(step)
        try:
            found = work()
            step["state"] = "ok"
            return found
        finally:
            step["seconds"] = round(time.monotonic() - begin, 1)
            self.say(f"{name}: {step['state']}, {duration(step['seconds'])}")

    # -- The project --------------------------------------------------------------------------------------------------

    def _prepare(self):
        place.make(self.place)
        known = self._model()
        try:
            made = project.made(known, self.place)
            made = project.limited(made, project.limits(made, known, available()))
        except ValueError as error:
            raise Impossible(str(error)) from None
        self._file = made = self._complete(made)
        folder = os.path.join(self.place.root, "project")
        os.mkdir(folder, 0o700)
        write_json(os.path.join(folder, FILE), made, 0o600)
        settings = place.settings_of(self.settings, self.place, made["services"])
        self._engine = Engine(settings)
        self._engine.keep_pace(settings["figures"])
        self._work = Recorded(settings, self._engine, {"target": None, "until": None, "stores": []})
        # One list for all that is done, in its order.
        self._work.steps, self._work.warnings, self._work.say = self.steps, self.warnings, self.say
        runs.Run(settings, "drill").prepare()

    def _model(self):
        """The project that the drill is made from, as Compose tells it."""
        return Engine(self.settings).model()

    def _complete(self, made):
        """Have what the drill's project mounts; the project."""
        place.directories(project.mounted(made, self.place))
        return made

    # -- The restore --------------------------------------------------------------------------------------------------

    def _restore(self, stamp):
        work = self._work
        self._step("chose the backup", work.choose)
        work.need_space()
        self.told.update(
            target=work.target.name, run=work.run,
            stores=[{"store": name, "title": work.kinds[name].store["title"], "at": moment(choice.at),
                     "bytes": choice.bytes}
                    for name, choice in work.choices.items()])
        self._tell_newest()
        self._step("made the containers", self._create)
        work.execute(stamp)

    def _tell_newest(self):
        """RPO: what would be lost if the server were lost when the target was asked, of the store that loses most."""
        work, found = self._work, self._work.newest()
        unknown = [work.kinds[name].store["title"] for name, at in found.items() if at is None]
        if unknown:
            work.warn(f"No RPO: all that target {work.target.name} holds of {', '.join(unknown)} is later than now. A "
                      "clock was ahead, or that of this host is behind: set it.")
            return
        newest = min(found.values()) if found else seconds_of(work.run)
        self.told.update(rpo_seconds=max(0, round(work.asked - newest)), newest=moment(newest))

    def _create(self, *options, only=()):
        """Make the containers, or those of some services only, and start none."""
        names = [name for name, definition in self._file["services"].items() if "container_name" in definition
                 and (not only or name in only)]
        done = subprocess.run(
            ["docker", "compose", "--progress", "quiet", "create", "--no-build", *options, *names],
            stdin=subprocess.DEVNULL, cwd=os.path.join(self.place.root, "project"), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", check=False, timeout=CREATE_SECONDS)
        if done.returncode:
            said = (done.stdout.strip() or "it says nothing").splitlines()[-1]
            raise BackupError(f"The containers of the drill cannot be made: {said}")

    # -- The application ----------------------------------------------------------------------------------------------

    def _start(self):
        there = self._engine.services()
        for level in reversed(levels(set(there), self.settings.get("needs") or {})):
            containers = [name for service in level for name, _runs in there[service]]
            self._step(f"started {', '.join(level)}", lambda containers=containers: self._serve(containers))
            for name, kind in self._work.kinds.items():
                # Before anybody is there who writes.
                if kind.store["service"] in level and "recorded" in self._work.choices[name].facts:
                    self._step(f"compared {name}", lambda name=name, kind=kind: self._compare(name, kind))
        self._log_in()

    def _serve(self, containers):
        self._engine.start_again(containers)
        for entry in self.settings["drill"]["after_start"]:
            name = project.container(entry["container"])
            if name in containers:
                process = self._engine.execute(name, entry["command"])
                try:
                    if process.wait(login.PATIENCE_SECONDS):
                        raise BackupError(f"{name} does not take what it is told at each start: {process.said}.")
                finally:
                    process.end()

    def _anew(self):
        """Names of tables that are not what was saved, and are not meant to be."""
        return ()

    def _compare(self, name, kind):
        recorded = self._work.choices[name].facts["recorded"]
        result = facts.compared(*(facts.without(held, self._anew()) for held in (recorded, kind.facts())))
        result["at"] = next(iter(recorded.values()))["at"]
        self.told.setdefault("compared", {})[kind.store["title"]] = result
        if result["differences"]:
            self.failures.append("What came back is not what was saved: " + facts.shortened(result["differences"]))
        if result["uncertain"]:
            self.warnings.append("Somebody wrote while it was recorded what there was, so that a difference proves "
                                 "nothing: " + facts.shortened(result["uncertain"]))

    def _log_in(self):
        bodies = {entry["container"]: entry["body"] for entry in self._bodies()}
        for entry in self.settings["drill"]["logins"]:
            if entry["container"] in bodies:
                self._step(f"logged in at {entry['container']}", lambda entry=entry: self.told.setdefault(
                    "login", []).append({"container": entry["container"], "read": login.prove(
                        entry, bodies[entry["container"]], self._address(project.container(entry["container"])))}))

    def _bodies(self):
        found = read_json(os.path.join(self._files(), LOGINS))
        return found if isinstance(found, list) else []

    def _files(self):
        """Where the files of the project lie that the drill reads by itself."""
        return self.settings["project_dir"]

    @staticmethod
    def _address(name):
        told = subprocess.run(["docker", "inspect", "--format", "{{json .NetworkSettings.Networks}}", name],
                              stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, check=False)
        networks = json.loads(told.stdout or "{}") if not told.returncode else {}
        return next((each["IPAddress"] for each in networks.values() if each.get("IPAddress")), "")

    def _count_objects(self):
        for name, kind in self._work.kinds.items():
            if kind.store["kind"] != "objects":
                continue
            choice = self._work.choices[name]
            number, total = self._step(f"counted {name}", kind.measured)
            result = {
                "objects": number, "bytes": total, "expected": choice.facts["objects"], "expected_bytes": choice.bytes}
            self.told.setdefault("objects", {})[kind.store["title"]] = result
            # The application itself may have written one meanwhile, and takes none away.
            if number < result["expected"]:
                self.failures.append(f"{kind.store['title']}: {number} objects came back of {result['expected']}.")
            result.update(compared=kind.compared, by_md5=kind.by_md5)
            if kind.unlike:
                self.failures.append(f"{kind.store['title']}: {len(kind.unlike)} objects came back with another MD5 "
                                     f"than they were saved with, the first one is {kind.unlike[0]}.")
            if kind.missing:
                self.failures.append(f"{kind.store['title']}: the target lacks {len(kind.missing)} objects that it "
                                     f"should hold, the first one is {kind.missing[0]}.")

    # -- What lives ---------------------------------------------------------------------------------------------------

    def _look(self):
        """What must be the same after the drill."""
        return live.look(self.settings)

    def _look_again(self, before, after, is_undisturbed):
        changed = live.changes(before, after)
        self.told["live"] = {"things": len(before), "before": live.digest(before), "after": live.digest(after),
                             "changes": changed}
        if changed and is_undisturbed:
            self.failures.append(f"While the drill ran, this changed of what lives: {', '.join(changed)}.")
        elif changed:
            self.warnings.append("Something was deployed while the drill ran.")
        if self.told["removed"]:
            self.failures.append(f"Of the drill itself this stayed: {', '.join(self.told['removed'])}.")


def available():
    """Bytes of memory that a drill may take here."""
    told = {}
    with contextlib.suppress(OSError), open(MEMORY, encoding="ascii") as stream:
        told = {words[0].rstrip(":"): int(words[1]) * 1024 for words in map(str.split, stream) if len(words) > 1}
    return int(told.get("MemAvailable", 0) - max(LEFT_BYTES, LEFT_PART * told.get("MemTotal", 0)))
