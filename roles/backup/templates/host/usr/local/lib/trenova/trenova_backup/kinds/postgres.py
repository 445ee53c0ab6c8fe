# Managed by trenova.selfhost.
"""PostgreSQL: base backups, the write-ahead log since, and a dump that another major version can read.

All of it is PostgreSQL's own: pg_basebackup (incremental since 17), pg_receivewal with a slot that keeps what was not
fetched yet, pg_dump; they run from the image of the server, whose version they have.
"""

from __future__ import annotations

import contextlib
import os
import re

from trenova_backup import places
from trenova_backup.errors import NothingYet, SourceError
from trenova_backup.files import read_json, size, write_json
from trenova_backup.kinds.kind import Kind

#: Where the containers of this store see what the host keeps for it.
WAL, MANIFESTS = "/wal", "/manifests"
MANIFEST = "backup_manifest"
END_OF_MANIFEST = 4096
SEGMENT_BYTES = 16 * 1024 * 1024
#: Bytes of the host's disk that fetching the log leaves free at least.
LEFT_ALONE = 1_000_000_000
#: A base of so many links is read back slowly; the next one is full.
LONGEST_CHAIN = 14
PARTIAL = ".partial"


class Postgres(Kind):
    """A PostgreSQL server."""

    def __init__(self, store, run):
        super().__init__(store, run)
        for part in ("wal", "manifests"):
            run.settings.make_directory(part, self.name)
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
            self.cut()

    def cut(self):
        """The write-ahead log up to now."""
        if not self.store["physical"]:
            return
        self._look()
        if not self.memory.get("bases"):
            raise NothingYet(f"{self.store['title']} has no base backup yet that its log could be added to.")
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
        system, status, behind = self._query(
            "SELECT system_identifier, coalesce(max(wal_status), 'none'), "
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
        free = places.free(self.run.settings.state_dir)
        if free < float(behind) + LEFT_ALONE:
            raise SourceError(
                f"{self.store['title']}: {size(float(behind))} of its log are to be fetched, and {size(free)} are free "
                f"in {self.run.settings.state_dir}, of which {size(LEFT_ALONE)} are left alone. Make room there.")
        if status == "none":
            self._query("SELECT pg_create_physical_replication_slot(:'slot', true)", slot=slot)

    def _base(self):
        bases = self.memory.get("bases") or []
        parent = bases[-1] if bases and self.store["incremental"] and not self.run.is_full else None
        if parent and (
                len(bases) >= LONGEST_CHAIN or not os.path.exists(self._manifest(parent["run"]))
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
            after=parent["run"] if parent else "", system=self.memory["system"])
        self.run.keep(stream, self.from_job(command), 0 if parent else self._bytes())

    def _bytes(self):
        """What all databases hold, which is about what a full base does; 0 where the login may not know."""
        try:
            return int(self._query("SELECT sum(pg_database_size(oid))::bigint FROM pg_database")[0][0])
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
                    self._connection(database)]))
        self.run.keep(
            self.stream("globals", "globals.sql"),
            self.from_job([
                "pg_dumpall", "--globals-only", "--no-role-passwords", "--no-password", "--dbname",
                self._connection("postgres")]))

    # -- The log ------------------------------------------------------------------------------------------------------

    def _receive(self):
        """Fetch the log up to now: (position, moment)."""
        process = self.run.engine.run(self.store["job"], [
            "sh", "/run/trenova/config/wal.sh", self._connection("postgres"), self.store["slot"], f"{WAL}/{self.name}"])
        if process.code:
            raise SourceError(f"The log of {self.store['title']} cannot be fetched: {process.said.rstrip('.')}.")
        lsn, at = process.lines[-1].split()
        return lsn, at

    def _keep_wal(self, lsn, at, base=None):
        self.run.keep_tree(
            self.stream("wal", "wal", base=base or self.memory["bases"][-1]["run"], lsn=lsn, until=at,
                        system=self.memory["system"]), f"{WAL}/{self.name}")

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

    def _clear_wal(self):
        directory, names = self._wal_files()
        for name in names:
            _remove(os.path.join(directory, name))

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


def _quoted(value):
    text = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"


def _remove(path):
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
