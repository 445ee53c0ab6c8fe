# Managed by trenova.selfhost.
"""The upgrade itself, of a server that nobody uses, wherever its data lies: the installation's, or a rehearsal's.

The old server runs on its data, and may only be read; the new one on a directory beside. Both are in containers without
a network, each in its own image, and share a directory with their sockets. The new client reads the old server and
writes into the new one, one database after the other, so that no file of it lies on the disk. Then both are asked for
all that they hold.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import time

from trenova_backup import facts
from trenova_backup.engine import DEFINED
from trenova_backup.errors import BackupError
from trenova_backup.files import size
from trenova_backup.restore import laying
from trenova_backup.upgrade import comparison, findings
from trenova_backup.upgrade.target import Image

OLD, NEW = DEFINED + "old", DEFINED + "new"
SCRIPT = "/run/trenova/config/upgrade.sh"
HERE, DATA, CONTENTS = "/upgrade", "data", "tree"
BY_SQL = findings.BY_SQL
#: Tables of so many bytes in all are compared by checksums, twenty times as many by their rows.
CHECKSUM_BYTES = 20_000_000_000
#: Memory of a container that no plan limits, and the parts of it that a server may take at once.
USUAL_MEMORY, MEMORY_PART = 1_000_000_000, 8
LEAST_MB, MOST_MB = 32, 1024
SHARED = "512m"
ANALYZING = 2
SECONDS_BETWEEN_LINES = 5


def root_of(store):
    """The directory of a server, of which its data may be a folder with the number of its major."""
    folder = store.get("folder", "")
    return store["path"][:-len(folder) - 1] if folder else store["path"]


class Move:
    """One upgrade of one server.

    engine: of its project. store: as settings have it, with paths of that project. wished: target.Next. step: does a
    step of the work, step(name, work). say: tells a line.
    """

    def __init__(self, engine, store, wished, step, say):
        self.engine, self.store, self.wished = engine, store, wished
        self._step, self._say = step, say
        self.root = root_of(store)
        #: On the disk of the data, so that the result only has to be renamed.
        self.work = laying.beside(self.root, "upgraded")
        self.asked, self.image, self._memory = {}, None, USUAL_MEMORY

    # -- Begin --------------------------------------------------------------------------------------------------------

    def open(self, config):
        """Have the directory and the jobs. config: the project, as Compose tells it."""
        self.engine.close()
        laying.remove(self.work)
        os.mkdir(self.work, 0o700)
        os.chown(self.work, *self.store["owner"])
        base, limit = config["services"][self.store["restore_job"]], self._limit(config)
        self._memory = limit or USUAL_MEMORY
        shared = {"type": "bind", "source": self.work, "target": HERE}
        data = {"type": "bind", "source": self.store["path"], "target": "/old"}
        self.engine.define({
            OLD: _job(base, base["image"], [shared, data], max(limit // 4, 268435456) if limit else 0),
            NEW: _job(base, self.wished.image, [shared], limit)})

    def look(self, asked):
        """What stands in the way, and what should be known: [findings.Finding]. asked: what the old server has told.

        Raises BackupError where the image cannot be asked.
        """
        self.asked = asked
        self.image = Image.told(self._run(NEW, "image").lines)
        notes = sorted({name for told in asked.values() for name in told["notes"]})
        unknown = self._run(NEW, "unknown", *notes).lines if notes else []
        return [*findings.of_notes(asked, unknown, self.wished),
                *findings.of(asked, self.image, self._refused(), self.wished, [self.store.get("slot")])]

    def close(self):
        """Remove the containers, and all that lies beside."""
        self.engine.close()
        laying.remove(self.work)

    def _limit(self, config):
        """Bytes of memory that the container of the server may have, 0 for as many as it likes."""
        limits = [int(definition.get("mem_limit") or 0) for definition in config["services"].values()
                  if (definition.get("labels") or {}).get("trenova.role") == self.store["service"]
                  and "container_name" in definition]
        return max(limits, default=0)

    def _refused(self):
        """{name: removed or refused} of settings that the new version does not take, wherever they are set."""
        told = findings.any_of(self.asked)
        values = {entry["name"]: entry["setting"] for entry in told["settings"]}
        found = self._tried(values)
        # Of these only the names are known.
        others = {entry["name"]: "" for entry in told["role_settings"] if entry["name"] not in values}
        return {**found, **{name: state for name, state in self._tried(others).items() if state == "removed"}}

    def _tried(self, values):
        path = os.path.join(self.work, "settings.conf")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
            stream.writelines("{} = "
                              "'{}'\n".format(name, (value or "").replace("'", "''")) for name, value in values.items())
        os.chown(path, *self.store["owner"])
        lines = self._run(NEW, "settings", f"{HERE}/settings.conf").lines if values else []
        os.unlink(path)
        return {name: state for state, _space, name in (line.partition(" ") for line in lines)}

    # -- Work ---------------------------------------------------------------------------------------------------------

    def run(self):
        """Make the new server, beside the old one: (its directory, what is told of it). Neither runs afterwards.

        Raises BackupError where it cannot be made, or does not hold what the old one does.
        """
        told = findings.any_of(self.asked)
        preloaded, shared = told["preloaded"].replace(" ", ""), f"{self._megabytes()}MB"
        self._step("started the old server, to be read only", lambda: self._run(
            OLD, "start-old", preloaded, told["wal_level"], str(told["max_replication_slots"]), f"{LEAST_MB}MB"))
        # Since the live one was asked, databases may have come and gone; a rehearsal has the data of a backup.
        there = self._ask("old")
        self._step("made a new one", lambda: self._run(NEW, "init", *findings.initdb(there)))
        self._run(NEW, "start-new", preloaded, shared, shared)
        self._step("took over the roles", lambda: self._run(NEW, "globals"))
        names, held_bytes = findings.databases(there), findings.bytes_of(there)
        for name in names:
            self._step(f"took over the database {name}", lambda name=name: self._take(name, held_bytes[name]))
        self._step("gathered statistics", lambda: self._run(NEW, "analyze", str(ANALYZING)))
        held = {server: self._step(f"counted the {server} one", lambda server=server: self._held(server, names))
                for server in ("old", "new")}
        result = comparison.compared(held["old"], held["new"])
        if result["differences"]:
            raise BackupError("The new server does not hold what the old one "
                              "does: " + facts.shortened(result["differences"]))
        notes = [finding.text for finding in findings.of_collations(there, self._ask("new"))]
        self._step("stopped both", self._stop)
        return self._laid_out(), {"compared": result, "findings": notes, "bytes": laying.size_of(self.work)}

    def _megabytes(self):
        return max(LEAST_MB, min(MOST_MB, self._memory // MEMORY_PART // 1_000_000))

    def _run(self, job, *words, tell=None):
        process = self.engine.start(job, ["sh", SCRIPT, *words])
        try:
            told, begin = time.monotonic(), time.monotonic()
            while tell and process.code is None:
                if time.monotonic() - told >= SECONDS_BETWEEN_LINES:
                    told = time.monotonic()
                    tell(told - begin)
                time.sleep(0.1)
            if process.wait():
                raise BackupError(f"{self.store['title']} cannot be upgraded ({words[0]}): {process.said.rstrip('.')}.")
        finally:
            process.end()
        return process

    def _take(self, name, total):
        before = laying.size_of(self.work)
        self._run(NEW, "database", name, tell=lambda _seconds: self._say(
            f"  {name}: {size(max(0, laying.size_of(self.work) - before))}, and the old one has {size(total)}"))

    def _held(self, server, names):
        """What a server holds, as comparison has it."""
        found = {}
        for name in names:
            process = self.engine.run(
                NEW, ["sh", SCRIPT, "facts", server, findings.connection(name), str(CHECKSUM_BYTES)])
            try:
                if process.code:
                    raise ValueError(process.said.rstrip("."))
                found[name] = {"facts": facts.parsed(process.lines),
                               "contents": comparison.contents(self._run(NEW, "contents", server, name).lines)}
            except ValueError as error:
                raise BackupError(f"{self.store['title']}: {name} of the {server} server cannot be counted: "
                                  f"{error}.") from None
        return found

    def _ask(self, server):
        """What a server that runs beside tells, as `look` takes it, but for what is of one database alone."""
        try:
            return {"postgres": json.loads("".join(self._run(NEW, "asked", server).lines[-1:]))}
        except ValueError as error:
            raise BackupError(f"{self.store['title']}: the {server} server does not tell what there is in it: "
                              f"{error}.") from None

    def _stop(self):
        self._run(NEW, "stop", "new")
        self._run(OLD, "stop", "old")

    def _laid_out(self):
        """Give the data the place that its image expects, and what was set by SQL; the directory."""
        data = os.path.join(self.work, DATA)
        for_all = os.path.join(self.store["path"], BY_SQL)
        if os.path.exists(for_all):
            shutil.copyfile(for_all, os.path.join(data, BY_SQL))
        self.engine.close()
        if not self.wished.folder:
            return data
        tree = os.path.join(self.work, CONTENTS)
        os.makedirs(os.path.dirname(os.path.join(tree, self.wished.folder)), 0o700)
        os.rename(data, os.path.join(tree, self.wished.folder))
        for folder, names, _files in os.walk(tree):
            os.chown(folder, *self.store["owner"])
            if "PG_VERSION" in _files:
                names.clear()
        return tree


def _job(base, image, mounts, memory):
    """The definition of a job with more mounts, in another image."""
    made = copy.deepcopy(base)
    made.pop("container_name", None)
    made.update(image=image, shm_size=SHARED, volumes=[*(made.get("volumes") or []), *(
        dict(mount, bind={"create_host_path": False}) for mount in mounts)])
    if memory:
        made.update(mem_limit=str(memory), memswap_limit=str(memory))
        made.pop("mem_reservation", None)
    return made
