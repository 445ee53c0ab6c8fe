# Managed by trenova.selfhost.
"""A drill on a host on which nothing of the installation lives.

All but the way to the targets comes from one of them: the files of the project, with its secrets, and what it was
deployed with. From there on it is a drill as any other.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time

from trenova_backup import deployed, runs
from trenova_backup.drill import live, place, project
from trenova_backup.drill.run import FILE, Drill
from trenova_backup.engine import Engine
from trenova_backup.errors import BackupError
from trenova_backup.files import by_age, read_json, write_json
from trenova_backup.repository import JOB
from trenova_backup.restore import laying
from trenova_backup.restore.run import NOT_RESTORED, Restore
from trenova_backup.settings import Settings

#: Below the directory of the drill: the files of the project, as a backup holds them.
FILES = "installation"
#: Images that drills have pulled, in the directory where this host keeps what it knows.
PULLED = "pulled.json"
#: Logins at registries, for the Engine's command, below the directory with the way to the targets.
LOGINS = "docker"


class Described(Restore):
    """A restore of the files of the newest backup that a drill can be made from. described: deployed, of that one."""

    described = None

    def _choose_from(self, target):
        self.read_from(target)
        told = {snapshot.run: snapshot for snapshot in target.snapshots
                if (snapshot.store, snapshot.part) == (deployed.STORE, deployed.PART)}
        compared = {snapshot.run for snapshot in target.snapshots if snapshot.part == "facts"}
        fitting = compared & set(told) if compared else set(told)
        if not fitting:
            raise BackupError(
                f"Target {target.name}: no backup tells yet what it was deployed with. Make one on the server itself: "
                "systemctl start trenova-backup")
        run = max(fitting, key=by_age(time.time()))
        self.described = json.loads(target.repository.read(told[run]))
        self.choose_all(lambda kind: kind.choose_run(target, run))
        return self.choices


class Away(Drill):
    """One drill. settings: those of this host; those of the installation come from the backup."""

    def __init__(self, settings):
        super().__init__(settings)
        self._here, self._described = settings, {}
        self.told["is_away"] = True

    # -- The project --------------------------------------------------------------------------------------------------

    def _model(self):
        self._step("fetched the files of the installation", self._fetch)
        return Engine(Settings(dict(self.settings.content, project_dir=self._files()))).model()

    def _fetch(self):
        engine = Engine(self._here)
        work = Described(self._here, engine, {"target": None, "until": None, "stores": [NOT_RESTORED]})
        try:
            self._pull(self._images(read_json(os.path.join(self._here["project_dir"], FILE))))
            runs.Run(self._here, "drill").prepare()
            work.choose()
            self._described = work.described
            self._need_machine()
            [(name, kind)] = work.kinds.items()
            os.mkdir(self._files(), 0o700)
            kind.fetch(work.choices[name], self._files())
        finally:
            engine.close()
        self.settings = self._of_installation()
        self.place = place.within(
            self.settings, self.place.root, places=((self.settings["project_dir"], self._files()),),
            without=tuple(target["directory"] for target in self._described["settings"]["targets"]
                          if target.get("directory")))

    def _need_machine(self):
        then, now = self._described["machine"], platform.machine()
        if then != now:
            raise BackupError(f"The installation runs on {then}, whose images and databases {now} cannot read. Choose "
                              "another host for drills.")

    def _of_installation(self):
        """Its settings, with the targets that can be reached from here, and what is known kept where this host does."""
        content = self._described["settings"]
        settings = Settings(dict(
            content, host=self._here["host"], keeper=self._here["keeper"], away=self._here["away"], schedules=[],
            mail={}, webhook={},
            targets=[target for target in content["targets"] if not target.get("directory")]))
        settings.state_dir = self._here.state_dir
        return settings

    def _files(self):
        return os.path.join(self.place.root, FILES)

    def _complete(self, made):
        for path, source in sorted(project.mounted(made, self.place).items()):
            if not os.path.lexists(path):
                deployed.make(path, self._described["mounted"].get(source))
        unknown = project.unknown_mounts(made, os.path.lexists)
        if unknown:
            raise BackupError(f"The project mounts {', '.join(unknown)}, which no backup holds and this host does not "
                              "have. Put it there, or make the drills on the server itself.")
        made = project.by_digest(made, self._described["images"])
        made["services"][JOB]["hostname"] = self._here["keeper"]
        self._step("fetched the images", lambda: self._pull(self._images(made)))
        return made

    @staticmethod
    def _images(made):
        return sorted({definition["image"] for definition in made["services"].values()})

    def _pull(self, images):
        engine, path = Engine(self._here), self._here.path(PULLED)
        for image in images:
            if engine.pull(image, os.path.join(self._here["project_dir"], LOGINS)):
                write_json(path, sorted({*read_json(path, []), image}), 0o600)
                self.say(f"pulled {image}")

    # -- What lives ---------------------------------------------------------------------------------------------------

    def _look(self):
        return live.others(self.place.name)

    def _look_again(self, before, after, _is_undisturbed):
        """Who else works on this host may do as he likes; it is told all the same."""
        super()._look_again(before, after, is_undisturbed=False)
        if self.told["live"]["changes"]:
            self.warnings[-1] = "While the drill ran, this changed on this host: {}.".format(
                ", ".join(self.told["live"]["changes"]))


def need_alone(settings):
    """Raises BackupError where an installation of the same name lives on this host: a drill is made of its names."""
    found = live.of_project(settings["project"])
    if found:
        raise BackupError(f"An installation lives on this host by itself ({', '.join(found[:3])}), whose names a drill "
                          "would take. Choose another host.")


def forget(settings):
    """Remove what leads to the targets, what was read of them, and the images that drills have pulled; records stay."""
    engine, path = Engine(settings), settings.path(PULLED)
    if engine.runs():
        engine.remove_images(read_json(path, []))
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    for directory in (settings["project_dir"], settings.path("cache")):
        laying.remove(directory)
