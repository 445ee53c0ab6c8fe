# Managed by trenova.selfhost.
"""A drill with an upgrade in it: the newest backup is restored beside what lives, made one of the next major, tried.

It tells how long the upgrade itself takes on this data and this host, and what it finds. Nothing live is touched.
"""

from __future__ import annotations

import os

from trenova_backup.drill.run import FILE, Drill, Impossible
from trenova_backup.engine import Engine
from trenova_backup.files import size, write_json
from trenova_backup.places import free
from trenova_backup.restore import laying
from trenova_backup.restore.run import USUAL_STOP
from trenova_backup.upgrade import findings, target
from trenova_backup.upgrade.moving import Move
from trenova_backup.upgrade.run import ask

LABEL = "trenova.role"


class Rehearsal(Drill):
    """An upgrade of what a backup holds. `told` is that of a drill, with `upgrade` besides."""

    def __init__(self, settings, store, wished, there):
        super().__init__(settings)
        self.store, self.wished = store, wished
        self.told["upgrade"] = {"from": there, "to": wished.major, "image": wished.image}
        self._asked = {}

    def look(self):
        """Ask the live server, which answers and does nothing else. Raises BackupError where it does not.

        Findings are of that one; what is upgraded is what the backup holds.
        """
        engine = Engine(self.settings)
        self._asked = ask(self.settings, engine, self.store)
        engine.need_image(self.wished.image, self.wished.digest)

    def _start(self):
        upgrade = self.told["upgrade"]
        [store] = [store for store in self._work.settings.stores if store["store"] == self.store["store"]]
        move = Move(self._engine, store, self.wished, self._step, self.say)
        self._need_space(findings.needed_bytes(self._asked), os.path.dirname(move.work))
        # What is measured is to be what the upgrade has, though it may have more.
        self._engine.cpus = self.settings["figures"].get("idle_cpus", 0)
        move.open(self._file)
        found = move.look(self._asked)
        target.need_image(move.image, self.wished)
        upgrade["findings"] = [finding.text for finding in found]
        blocking = [finding.text for finding in found if finding.is_blocking]
        if blocking:
            move.close()
            self.failures.extend(blocking)
            return
        before = len(self.steps)
        ready, told = move.run()
        seconds = sum(step["seconds"] for step in self.steps[before:])
        upgrade.update(told, findings=upgrade["findings"] + told["findings"], seconds=round(seconds + USUAL_STOP))
        laying.lay(ready, move.root, laying.beside(move.root, "before"), store.get("without", []))
        move.close()
        self._step(f"made the container of PostgreSQL {self.wished.major}", lambda: self._change_container(move.root))
        super()._start()

    def _anew(self):
        return self.told["upgrade"].get("compared", {}).get("anew", ())

    def _need_space(self, needed, place):
        left = self.settings.left_free
        if free(place) < needed + left:
            raise Impossible(f"{size(free(place))} are free in {place}, and a second server needs {size(needed)} "
                             f"there, with {size(left)} left alone. Make room.")

    def _change_container(self, root):
        """The container of the server in the next image, with its data where that looks for it."""
        changed = []
        for name, definition in self._file["services"].items():
            role = (definition.get("labels") or {}).get(LABEL)
            if "container_name" not in definition or role != self.store["service"]:
                continue
            changed.append(name)
            definition["image"] = self.wished.image
            data = os.path.join(self.wished.volume, self.wished.folder).rstrip("/")
            definition["environment"] = dict(definition.get("environment") or {}, PGDATA=data)
            for volume in definition["volumes"]:
                if volume.get("source") == root:
                    volume["target"] = self.wished.volume
        write_json(os.path.join(self.place.root, "project", FILE), self._file, 0o600)
        self._create("--force-recreate", only=changed)
