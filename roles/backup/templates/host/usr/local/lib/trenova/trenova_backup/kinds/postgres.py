# Managed by trenova.selfhost.
"""PostgreSQL: base backups, the write-ahead log since, and a dump that another major version can read.

All of it is PostgreSQL's own: pg_basebackup (incremental since 17), pg_receivewal with a slot that keeps what was not
fetched yet, pg_dump; they run from the image of the server, whose version they have.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import shutil
import time

from trenova_backup import facts, places, points
from trenova_backup.engine import Process
from trenova_backup.errors import BackupError, NothingYet, SourceError
from trenova_backup.files import by_age, moment, read_json, seconds_of, seconds_of_moment, size, write_json
from trenova_backup.kinds.kind import Choice, Kind

#: Where the containers of this store see what the host keeps for it.
WAL, MANIFESTS = "/wal", "/manifests"
MANIFEST = "backup_manifest"
FACTS = "facts.json"
END_OF_MANIFEST = 4096
SEGMENT_BYTES = 16 * 1024 * 1024
#: How pg_receivewal calls a segment of which more is to come.
PARTIAL = ".partial"
#: Tables of so many bytes in all are read for their checksums, and how often a moment without writers is looked for.
CHECKSUM_BYTES, FACTS_TRIES = 1_000_000_000, 60
#: What the log's segments, and the files that tell of its branches, are called.
OF_LOG = re.compile(r"[0-9A-F]{24}|[0-9A-F]{8}\.history")
#: Where the container that recovers sees what is beside.
RESTORE = "/restore"
#: What the log is fetched into, beside the bases.
LOG = "log"


class Postgres(Kind):
    """A PostgreSQL server."""

    has_rows = True

    def __init__(self, store, run):
        super().__init__(store, run)
        for part in ("wal", "manifests"):
            run.settings.make_directory(part, self.name)
        self.version = ""
        self._memory_file = run.settings.path("manifests", self.name, "memory.json")
        #: system: identifier of the cluster. bases: [{run, after, level, lsn}], oldest first. cut: {lsn, at}.
        self.memory = read_json(self._memory_file)

    # -- What is kept -------------------------------------------------------------------------------------------------

    def save(self):
        """A base backup where the server lets us, and dumps weekly, or each time where it does not."""
        if self.store["physical"]:
            self._look()
            self._base()
        if self.run.is_full or not self.store["physical"]:
            self._dumps()
        if self.store["physical"]:
            told = self._told_facts()
            # What was counted is in the log that is fetched after it: without that, no drill could come to this state.
            self.cut()
            if told:
                self.run.keep(self.stream("facts", FACTS), lambda pipe: Process(["cat", told], output=pipe.path))

    def cut(self):
        """The write-ahead log up to now."""
        if not self.store["physical"]:
            return
        self._look()
        if not self.memory.get("bases"):
            raise NothingYet(f"{self.store['title']} has no base backup yet that its log could be added to.")
        base = self.memory["bases"][-1]["run"]
        if base != self.run.stamp and not self.run.any_has(self.name, "base", base):
            raise NothingYet(f"{self.store['title']}: no target that is there holds the base backup {base}, which its "
                             "log belongs to.")
        lsn, at = self._receive()
        if lsn == (self.memory.get("cut") or {}).get("lsn"):
            self.run.say(f"{self.store['title']}: nothing was written since")
        else:
            self._keep_wal(lsn, at)
        self.memory["cut"] = {"lsn": lsn, "at": at}
        self._remember()
        self.run.facts.setdefault("restorable", {})[self.name] = {"to": at, "lsn": lsn}

    # -- Parts --------------------------------------------------------------------------------------------------------

    def _query(self, statement, **variables):
        # psql puts variables only into what it reads from its input.
        process = self.run.engine.run(self.store["job"], [
            "sh", "-c", 'statement=$1; shift; printf "%s\n" "$statement" | exec "$@"', "sh", statement,
            "psql", "--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--no-password", "--field-separator=\t",
            "--set=ON_ERROR_STOP=1", *(f"--set={name}={value}" for name, value in variables.items()), "--dbname",
            self._connection("postgres")], 60)
        if process.code:
            raise SourceError(f"{self.store['title']} cannot be read: {process.said.rstrip('.')}.")
        return [line.split("\t") for line in process.lines if line.strip()]

    def _connection(self, database="", **more):
        words = dict(
            host=self.store["host"], port=self.store["port"], user=self.store["login"], sslmode=self.store["sslmode"],
            sslrootcert="/run/trenova/config/postgres-ca.pem" if self.store["ca"] else "", dbname=database,
            application_name="trenova-backup", connect_timeout=10, **more)
        return " ".join(f"{key}={_quoted(value)}" for key, value in words.items() if value != "")

    def _look(self):
        """Have a slot, and notice a server that is another one than the last time, or that had to drop the log."""
        slot = self.store["slot"]
        system, self.version, status, behind = self._query(
            "SELECT system_identifier, current_setting('server_version_num')::int / 10000, "
            "coalesce(max(wal_status), 'none'), "
            "coalesce(max(pg_current_wal_flush_lsn() - restart_lsn), 0) FROM pg_control_system() "
            "LEFT JOIN pg_replication_slots ON slot_name = :'slot' GROUP BY system_identifier", slot=slot)[0]
        if status == "lost":
            self.run.warn(
                f"{self.store['title']} had to drop write-ahead log that was not fetched (max_slot_wal_keep_size): "
                "moments between the last backup and this one cannot be restored.")
            self._query("SELECT pg_drop_replication_slot(:'slot')", slot=slot)
            status = "none"
        if status == "none" or system != self.memory.get("system"):
            self._clear_wal()
            self.memory = {"system": system, "bases": []}
            self._remember()
        free, left = places.free(self.run.settings.state_dir), self.run.settings.left_free
        if free < float(behind) + left:
            raise SourceError(
                f"{self.store['title']}: {size(float(behind))} of its log are to be fetched, and {size(free)} are free "
                f"in {self.run.settings.state_dir}, of which {size(left)} are left alone. Make room there.")
        if status == "none":
            self._query("SELECT pg_create_physical_replication_slot(:'slot', true)", slot=slot)

    def _base(self):
        bases = self.memory.get("bases") or []
        parent = bases[-1] if bases and self.store["incremental"] and not self.run.is_full else None
        # One of many links is read back slowly.
        if parent and (
                len(bases) >= self.run.settings["figures"]["chain_bases"]
                or not os.path.exists(self._manifest(parent["run"]))
                or not self.run.has(self.name, "base", parent["run"])):
            parent = None
        try:
            self._keep_base(parent)
        except SourceError as error:
            if not parent:
                raise
            # Its summaries of the log may not reach back: they were switched on or removed since.
            self.run.warn(f"{self.store['title']}: an increment was refused ({error}); a full backup is made.")
            parent = None
            self._keep_base(None)
        lsn = self._begin_of(self.run.stamp)
        entry = {"run": self.run.stamp, "after": parent["run"] if parent else "", "lsn": lsn}
        self.memory["bases"] = [*(bases if parent else []), entry]
        self._remember()
        self._drop_manifests()
        # The log of the base before is complete with this; the next snapshots of it begin here.
        at_end = self._receive()
        self._keep_wal(*at_end, base=bases[-1]["run"] if bases else self.run.stamp)
        self._drop_wal_before(lsn)
        if bases:
            self._keep_wal(*at_end)
        self.memory["cut"] = {"lsn": at_end[0], "at": at_end[1]}
        self._remember()

    def _keep_base(self, parent):
        level = "incremental" if parent else "full"
        command = [
            "pg_basebackup", "--pgdata=-", "--format=tar", "--wal-method=none", "--checkpoint=fast", "--verbose",
            "--no-password", "--dbname", self._connection("")]
        if parent:
            command.append(f"--incremental={MANIFESTS}/{self.name}/{parent['run']}")
        stream = self.stream(
            "base", "base.tar", (MANIFEST, f"{MANIFESTS}/{self.name}/{self.run.stamp}"), level=level,
            after=parent["run"] if parent else "", system=self.memory["system"], version=self.version)
        self.run.keep(stream, self.from_job(command), int if parent else self._bytes)

    def _told_facts(self):
        """Take down what the databases hold, for the next drill to compare with: the file; "" where they do not tell.

        A backup is good without it.
        """
        path = self.run.settings.path(f"facts-{self.name}.json")
        try:
            write_json(path, self.facts(), 0o600)
        except SourceError as error:
            self.run.warn(f"The next drill has nothing to compare with: {error}")
            return ""
        return path

    def facts(self):
        """What the databases hold: facts, as that module has them. Raises SourceError where they cannot be read."""
        found = {}
        for database in self.store["databases"]:
            process = self.run.engine.run(self.store["job"], [
                "sh", "/run/trenova/config/facts.sh", self._connection(database), str(CHECKSUM_BYTES),
                str(FACTS_TRIES)])
            try:
                if process.code:
                    raise ValueError(process.said.rstrip("."))
                found[database] = facts.parsed(process.lines)
            except ValueError as error:
                raise SourceError(f"{self.store['title']}: {database} cannot be counted: {error}.") from None
        return found

    def _bytes(self, database=""):
        """What all databases hold, or one: a base or a dump hardly exceeds it. 0 where the login may not know."""
        try:
            return int(self._query(
                "SELECT sum(pg_database_size(oid))::bigint FROM pg_database WHERE :'name' IN ('', datname)",
                name=database)[0][0])
        except SourceError:
            return 0

    def _begin_of(self, stamp):
        """Position in the log at which a base began, which its manifest tells at its end."""
        with open(self._manifest(stamp), "rb") as manifest:
            manifest.seek(-min(END_OF_MANIFEST, os.path.getsize(self._manifest(stamp))), os.SEEK_END)
            found = re.search(rb'"Start-LSN": "([0-9A-F]+/[0-9A-F]+)"', manifest.read())
        if not found:
            raise SourceError(f"{self.store['title']}: the manifest of the base backup does not say where it began.")
        return found.group(1).decode()

    def _dumps(self):
        for database in self.store["databases"]:
            self.run.keep(
                self.stream("dump", f"{database}.dump", database=database),
                self.from_job([
                    "pg_dump", "--format=custom", "--compress=0", "--no-password", "--dbname",
                    self._connection(database)]),
                functools.partial(self._bytes, database))
        self.run.keep(
            self.stream("globals", "globals.sql"),
            self.from_job([
                "pg_dumpall", "--globals-only", "--no-role-passwords", "--no-password", "--dbname",
                self._connection("postgres")]))

    # -- The log ------------------------------------------------------------------------------------------------------

    def _receive(self):
        """Fetch the log up to now: (position, moment)."""
        self._drop_unfinished()
        process = self.run.engine.run(self.store["job"], [
            "sh", "/run/trenova/config/wal.sh", self._connection("postgres"), self.store["slot"], f"{WAL}/{self.name}"])
        if process.code:
            raise SourceError(f"The log of {self.store['title']} cannot be fetched: {process.said.rstrip('.')}.")
        lsn, at = process.lines[-1].split()
        return lsn, at

    def _keep_wal(self, lsn, at, base=None):
        self.run.keep_tree(
            self.stream("wal", "wal", base=base or self.memory["bases"][-1]["run"], lsn=lsn, until=at,
                        system=self.memory["system"]), f"{WAL}/{self.name}", self._new_wal_bytes())

    def _new_wal_bytes(self):
        """Bytes of the log that was fetched since what was last kept of it; the file of then was perhaps half full."""
        directory, names = self._wal_files()
        high, low = (int(word, 16) for word in ((self.memory.get("cut") or {}).get("lsn") or "0/0").split("/"))
        first = f"{high:08X}{low // SEGMENT_BYTES:08X}"
        return sum(os.path.getsize(os.path.join(directory, name)) for name in names
                   if len(name) >= 24 and name[8:24] >= first)

    def _wal_files(self):
        directory = self.run.settings.path("wal", self.name)
        return directory, sorted(os.listdir(directory)) if os.path.isdir(directory) else []

    def _drop_wal_before(self, lsn):
        high, low = (int(word, 16) for word in lsn.split("/"))
        first = f"{high:08X}{low // SEGMENT_BYTES:08X}"
        directory, names = self._wal_files()
        for name in names:
            if len(name) >= 24 and name[8:24] < first:
                _remove(os.path.join(directory, name))

    def _drop_unfinished(self):
        """Remove a file that nothing of the log is in yet: who fetches it gives it its size first, or refuses it."""
        directory, names = self._wal_files()
        for name in names:
            path = os.path.join(directory, name)
            if name.endswith(PARTIAL) and os.path.getsize(path) != SEGMENT_BYTES:
                _remove(path)

    def _clear_wal(self):
        directory, names = self._wal_files()
        for name in names:
            _remove(os.path.join(directory, name))

    # -- The way back -------------------------------------------------------------------------------------------------

    @property
    def is_laid(self):
        """A server of somebody else's has its files elsewhere, and is given dumps."""
        return self.store["physical"]

    def newest(self, target):
        """The end of the log that a base leads to, or the last dump."""
        if not self.is_laid:
            return self._newest_of(target, "dump")
        now = time.time()
        ends = [window.end for window in points.windows(target.snapshots, self.name)]
        return max((end for end in ends if end <= now), default=0)

    def choose(self, target, until):
        """A base, all that it builds upon, and a log that reaches to the moment; or the dumps of one run."""
        return self._choose_base(target, until) if self.is_laid else self._choose_dumps(target, until)

    def _choose_dumps(self, target, until):
        dumps = {}
        for snapshot in target.snapshots:
            if (snapshot.store, snapshot.part) == (self.name, "dump"):
                dumps.setdefault(snapshot.run, []).append(snapshot)
        wanted = set(self.store["databases"])
        runs = sorted((run for run, those in dumps.items()
                       if wanted <= {snapshot.pairs.get("database") for snapshot in those}), key=by_age(time.time()))
        fitting = [run for run in runs if until is None or seconds_of(run) <= until]
        if not fitting:
            raise BackupError(self.nothing(
                until, seconds_of(min(runs)) if runs else None, seconds_of(max(runs)) if runs else None))
        chosen = [snapshot for snapshot in dumps[fitting[-1]] if snapshot.pairs.get("database") in wanted]
        read = sum(snapshot.bytes for snapshot in chosen)
        return Choice(chosen, seconds_of(fitting[-1]), read, read)

    def _choose_base(self, target, until):
        mine = [snapshot for snapshot in target.snapshots if snapshot.store == self.name]
        bases = {snapshot.run: snapshot for snapshot in mine if snapshot.part == "base"}
        # A log belongs to a base from where that ended, which the first log after it tells.
        logs = sorted(((seconds_of_moment(snapshot.pairs["until"]), snapshot) for snapshot in mine
                       if snapshot.part == "wal" and snapshot.pairs.get("until")), key=lambda entry: entry[0])
        begins = {}
        usable = []
        for end, log in logs:
            base = log.pairs.get("base", "")
            chain = _chain(bases, base)
            if chain:
                usable.append((begins.setdefault(base, end), end, log, chain))
        if not usable:
            raise BackupError(self.nothing(until, None, None))
        first, last = min(entry[0] for entry in usable), usable[-1][1]
        # A clock may have been ahead: of one base the log only grows, and the newest base is none of the future.
        age = by_age(time.time())
        newest = max(usable, key=lambda entry: (
            age(entry[2].pairs["base"]), _position(entry[2].pairs.get("lsn", "0/0")), entry[1]))
        fitting = [entry for entry in usable if until is not None and entry[0] <= until <= entry[1]]
        if until is not None and not fitting:
            raise BackupError(self.nothing(until, first, last))
        _begin, end, log, chain = fitting[0] if fitting else newest
        choice = self._choice(chain, log, end if until is None else until)
        choice.facts["target"] = _utc(until) if until is not None else ""
        return choice

    def choose_run(self, target, run):
        """The state of which a run has taken down what there was, at the very position in the log."""
        mine = [snapshot for snapshot in target.snapshots if snapshot.store == self.name]
        bases = {snapshot.run: snapshot for snapshot in mine if snapshot.part == "base"}
        logs = [snapshot for snapshot in mine if (snapshot.part, snapshot.run) == ("wal", run)
                and _chain(bases, snapshot.pairs.get("base", ""))]
        told = [snapshot for snapshot in mine if (snapshot.part, snapshot.run) == ("facts", run)]
        if not logs or not told:
            raise BackupError(f"{self.store['title']}: the backup {run} holds no state that could be compared.")
        log = max(logs, key=lambda snapshot: (snapshot.pairs["base"], _position(snapshot.pairs.get("lsn", "0/0"))))
        base = log.pairs["base"]
        chain, recorded = _chain(bases, base), json.loads(target.repository.read(told[-1]))
        choice = self._choice(chain, log, seconds_of_moment(next(iter(recorded.values()))["at"]))
        choice.facts.update(target=facts.target_of(recorded), recorded=recorded)
        return choice

    def _choice(self, chain, log, at):
        read = sum(snapshot.bytes for snapshot in [*chain, log])
        # Put together, it is as large as the full one again.
        return Choice([*chain, log], at, read, read + (chain[0].bytes if len(chain) > 1 else 0),
                      {"target": "", "version": chain[-1].pairs.get("version", "")})

    @property
    def is_recovered(self):
        """Dumps are written as they are."""
        return self.is_laid

    def fetch(self, choice, beside):
        """The bases and the log since, or the dumps."""
        if not self.is_laid:
            for snapshot in choice.snapshots:
                self.run.bring_file(snapshot, os.path.join(beside, snapshot.file))
            self.run.own(beside, self.run.settings["owner"])
            return beside
        self.run.engine.mount(self.store["restore_job"], beside, RESTORE)
        works = [] if choice.facts.get("is_readable") else [lambda: self._need_version(choice)]
        for snapshot, name in zip(choice.snapshots, [*_names(choice.snapshots[:-1]), LOG]):
            place = os.path.join(beside, name)
            os.mkdir(place, 0o700)
            works.append(functools.partial(self.run.unpack, snapshot, place, ["--no-same-owner"]))
        self.run.do(works)
        self._flatten(os.path.join(beside, LOG))
        return beside

    def recover(self, choice, beside):
        """The server puts bases and log together and recovers by itself, beside the live one."""
        self._recover(choice, beside)
        # What is left is the data alone, which takes the place of the live one.
        for name in os.listdir(beside):
            if name != "data":
                _remove_all(os.path.join(beside, name))
        return os.path.join(beside, "data")

    def _recover(self, choice, beside):
        self.run.own(beside, self.store["owner"])
        process = self.run.engine.run(self.store["restore_job"], [
            "sh", "/run/trenova/config/recover.sh", RESTORE, choice.facts["target"], *_names(choice.snapshots[:-1])],
            read_lines=lambda line: self.run.say(f"{self.store['title']}: {line}"))
        if process.code:
            raise BackupError(f"{self.store['title']} cannot be recovered: {process.said.rstrip('.')}.")

    def bring_part(self, choice, beside, only, name):
        """A table, [database/][schema.]table, into a schema of its own beside the live one."""
        if not self.is_laid:
            raise BackupError(f"{self.store['title']}: a table of somebody else's server cannot be restored by itself. "
                              f"Read its dump: backup.py read {self.name} --part dump | pg_restore --table=...")
        database, _slash, table = only.rpartition("/")
        database = database or self.store["databases"][0]
        self.fetch(choice, beside)
        self._recover(choice, beside)
        process = self.run.engine.run(self.store["restore_job"], [
            "sh", "/run/trenova/config/table.sh", RESTORE, database, table, name])
        if process.code:
            raise BackupError(f"{self.store['title']}: {process.said}")
        [(container, _runs), *_others] = self.run.engine.services()[self.store["service"]]
        process = self.run.engine.execute(container, [
            "psql", "--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", "--dbname", database],
            source=os.path.join(beside, "table.sql"))
        try:
            if process.wait():
                raise BackupError(f"{self.store['title']} does not take the table: {process.said.rstrip('.')}.")
        finally:
            process.end()
        return f"{table} of {database} is in the schema {name}, beside the live one."

    def foresee(self, choice):
        """Whether the server can read it. Of dumps, what a copy of each database takes, a file of this host."""
        if self.is_laid:
            self._need_version(choice)
            choice.facts["is_readable"] = True
            return
        choice.adds = sum(self._bytes(snapshot.pairs["database"]) for snapshot in choice.snapshots)

    def keep_live(self, choice, name):
        """Dumps of the databases that are written over: their directory."""
        path = self.copy_directory(name)
        self.run.own(path, self.run.settings["owner"])
        self.run.engine.mount(self.store["job"], path, RESTORE)
        for snapshot in choice.snapshots:
            process = self.run.engine.run(self.store["job"], [
                "pg_dump", "--format=custom", "--no-password", f"--file={RESTORE}/{snapshot.file}", "--dbname",
                self._connection(snapshot.pairs["database"])])
            if process.code:
                raise SourceError(f"{self.store['title']}: {snapshot.pairs['database']} cannot be saved before it is "
                                  f"replaced: {process.said.rstrip('.')}.")
        return path

    def write(self, choice, beside):
        """Restore dumps into the databases of a server of somebody else's, each as a whole or not at all."""
        self.run.engine.mount(self.store["job"], beside, RESTORE)
        for snapshot in choice.snapshots:
            process = self.run.engine.run(self.store["job"], [
                "sh", "/run/trenova/config/undump.sh", self._connection(snapshot.pairs["database"]),
                f"{RESTORE}/{snapshot.file}"])
            if process.code:
                raise SourceError(f"{self.store['title']} does not take its dump of {snapshot.pairs['database']}: "
                                  f"{process.said.rstrip('.')}.")

    def _need_version(self, choice):
        """Only its own major version reads a base. Raises BackupError where the server is another one."""
        there = self.run.engine.run(self.store["restore_job"], ["pg_basebackup", "--version"])
        found, then = re.search(r"\d+", " ".join(there.lines)), choice.facts["version"]
        now = found.group() if found else ""
        if then and now and then != now:
            raise BackupError(
                f"{self.store['title']}: the backup is of PostgreSQL {then}, and the server is PostgreSQL {now}, which "
                f"cannot read it. Set postgres_image to a {then}.x image, restore, and upgrade then.")

    @staticmethod
    def _flatten(directory):
        """Leave the files of the log in the directory itself, under the names by which the server asks for them."""
        for folder, _names, files in os.walk(directory, topdown=False):
            for name in files:
                plain = name[:-len(PARTIAL)] if name.endswith(PARTIAL) else name
                path = os.path.join(directory, plain)
                if not OF_LOG.fullmatch(plain) or name != plain and os.path.exists(path):
                    os.unlink(os.path.join(folder, name))
                else:
                    os.replace(os.path.join(folder, name), path)
            if folder != directory:
                os.rmdir(folder)

    # -- Memory -------------------------------------------------------------------------------------------------------

    def _manifest(self, stamp):
        return self.run.settings.path("manifests", self.name, stamp)

    def _drop_manifests(self):
        """Those of interrupted bases, and of chains that nothing is added to any more."""
        wanted = {base["run"] for base in self.memory["bases"]} | {os.path.basename(self._memory_file)}
        for name in os.listdir(os.path.dirname(self._memory_file)):
            if name not in wanted:
                _remove(self._manifest(name))

    def _remember(self):
        write_json(self._memory_file, self.memory)


def _names(bases):
    """What the bases of a chain are fetched into."""
    return [f"base{number}" for number in range(len(bases))]


def _quoted(value):
    text = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"


def _chain(bases, run):
    """The bases that one builds upon, the full one first; nothing where one of them is gone."""
    chain = []
    while run in bases and bases[run] not in chain:
        chain.insert(0, bases[run])
        if not bases[run].after:
            return chain
        run = bases[run].after
    return []


def _position(lsn):
    """A position in the log, as something to compare."""
    return [int(word, 16) for word in lsn.split("/")]


def _utc(seconds):
    """A moment as PostgreSQL reads it."""
    return moment(seconds)[:-1].replace("T", " ") + f"{seconds % 1:.6f}"[1:] + "+00"


def _remove_all(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def _remove(path):
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
