# Managed by trenova.selfhost.
"""Where backups lie: an encrypted, deduplicated restic repository in each target.

A snapshot holds one stream of one store. All that is known of it stands in its tags, so that a target and its key alone
tell what can be restored:

    run=20261123T013000Z  store=postgres  part=base  level=incremental  after=20261122T013000Z
"""

from __future__ import annotations

import json
import re
import time

from trenova_backup.errors import SourceError, TargetError
from trenova_backup.files import write_text

#: Exit codes of restic 0.17 and later.
NO_REPOSITORY, LOCKED, WRONG_KEY = 10, 11, 12
RETRY_LOCK = "10m"
#: How often a running stream tells how far it is.
SECONDS_BETWEEN_LINES = 5
JOB = "backup-keep"
#: While this file is there, the playbook has every target looked at, as the description of the role says.
CHECK_WANTED = "check-wanted"
#: The name of a file of a repository, and what restic's check says of one that is not damaged.
NAME = re.compile(r"\b[0-9a-f]{64}\b")
HOW = {"does not exist": "missing", "not referenced": "too much"}


class Snapshot:
    """One stream in a repository."""

    def __init__(self, told):
        self.id, self.tags, self.host = told["id"], told.get("tags") or [], told.get("hostname", "")
        pairs = dict(tag.partition("=")[::2] for tag in self.tags)
        self.run, self.store, self.part = pairs.get("run", ""), pairs.get("store", ""), pairs.get("part", "")
        self.level, self.after = pairs.get("level", ""), pairs.get("after", "")
        self.pairs = pairs
        summary = told.get("summary") or {}
        self.bytes, self.added = summary.get("total_bytes_processed", 0), summary.get("data_added_packed", 0)
        #: What it is, wherever it was copied to.
        self.key = tuple(sorted(self.tags))
        self.file = (told.get("paths") or [""])[0].lstrip("/")


class Repository:
    """The restic repository of a target."""

    job = JOB

    def __init__(self, target, engine, settings):
        self.name, self._engine, self._settings = target["name"], engine, settings
        self.target = target
        self._place = target["repository"]
        self._options = [*target.get("options", []), "--retry-lock", RETRY_LOCK]

    def command(self, *words):
        """restic, with the way to this repository."""
        return ["restic", "--repo", self._place, *self._options, *words]

    def run(self, *words, seconds=None, read_lines=None):
        """Run restic to its end; the Process. Raises TargetError where it fails."""
        process = self._engine.run(JOB, self.command(*words), seconds, read_lines)
        if process.code:
            if process.code == NO_REPOSITORY:
                # Only the playbook makes one: what lacks it may be a disk that is not mounted.
                write_text(self._settings.path(CHECK_WANTED), "")
            raise TargetError(self.why(process))
        return process

    def why(self, process):
        """Why restic failed, as a sentence."""
        what = {
            NO_REPOSITORY: "there is no repository; mount its disk, or run the playbook, which makes a new one",
            LOCKED: "another program holds the repository",
            WRONG_KEY: "trenova_backup_key does not open the repository: it is another installation's, or the key was "
                       "changed",
        }.get(process.code)
        return f"Target {self.name}: {what or process.said.rstrip('.')}."

    # -- Reading ------------------------------------------------------------------------------------------------------

    def snapshots(self, **wanted):
        """The snapshots that are there, oldest first, of all that have these tags."""
        tags = ",".join(f"{key}={value}" for key, value in wanted.items())
        process = self.run("snapshots", "--json", "--no-lock", *(["--tag", tags] if tags else []))
        found = [Snapshot(told) for told in json.loads("\n".join(process.lines) or "[]") or []]
        return sorted(found, key=lambda snapshot: snapshot.run)

    def read(self, snapshot):
        """Text of a snapshot's file."""
        return "\n".join(self.run("dump", "--no-lock", snapshot.id, "/" + snapshot.file).lines)

    # -- Writing ------------------------------------------------------------------------------------------------------

    def keep(self, stream, source, tell):
        """Store what a source writes, while it writes it; the Snapshot's summary as restic tells it.

        source: starts the producer, given the path of the pipe; a Process. tell: is told how many bytes there are.
        Raises SourceError where the producer fails, which no other target helps, and TargetError where restic does.
        """
        pipe = self._engine_pipe(stream)
        summary, told = {}, [time.monotonic()]

        def read(line):
            try:
                message = json.loads(line)
            except ValueError:
                return
            if message.get("message_type") == "summary":
                summary.update(message)
            elif message.get("message_type") == "status" and time.monotonic() - told[0] > SECONDS_BETWEEN_LINES:
                told[0] = time.monotonic()
                if message.get("bytes_done"):
                    tell(message["bytes_done"])

        tags = [word for tag in stream.tags for word in ("--tag", tag)]
        keeper = self._engine.start(JOB, self.command(
            "backup", "--json", "--host", self._settings["installation"], *tags, "--stdin-filename", stream.file,
            "--stdin-from-command", "--", "sh", "/run/trenova/config/receive.sh", pipe.inside, *stream.extract), read)
        producer = None
        try:
            producer = source(pipe)
            producer_code, keeper_code = self._both(pipe, producer, keeper)
        finally:
            for process in (producer, keeper):
                if process:
                    process.end()
            pipe.remove()
        if producer_code:
            raise SourceError(producer.said.rstrip(".") + ".")
        if keeper_code:
            raise TargetError(self.why(keeper))
        return summary

    def _engine_pipe(self, stream):
        return self._settings.pipe(stream.name)

    @staticmethod
    def _both(pipe, producer, keeper):
        """Wait for both ends of a pipe; their exit codes. Where a producer fails, the keeper throws away what it has.

        The producer's is None where the keeper ended first, and that of the keeper then says why.
        """
        while producer.code is None:
            if keeper.code is not None:
                return None, keeper.code or 1
            time.sleep(0.05)
        pipe.tell(producer.wait() == 0)
        while keeper.code is None:
            if producer.code:
                # It may have begun to wait only now.
                pipe.wake()
            time.sleep(0.05)
        return producer.code, keeper.wait()

    def copy_from(self, other, snapshots):
        """Take over snapshots of another target's repository that are not here."""
        self.run("copy", "--from-repo", other.target["repository"], *(snapshot.id for snapshot in snapshots))

    def forget(self, snapshots):
        """Let snapshots go; their space is freed by `prune`."""
        if snapshots:
            self.run("forget", *(snapshot.id for snapshot in snapshots))

    def prune(self):
        """Free the space of what was let go."""
        self.run("prune", "--max-unused", "5%")

    def check(self, part=None):
        """Read the repository as a whole, and all or a part ("1/4") of its data; sentences that name what is wrong."""
        process = self._engine.run(JOB, self.command(
            "check", "--verbose", *(["--read-data-subset", part] if part else ["--read-data"])))
        found = {}
        for line in [*process.lines, *process.errors]:
            for name in NAME.findall(line)[:1]:
                found.setdefault(name, next((how for words, how in HOW.items() if words in line), "damaged"))
        if process.code and not found:
            raise TargetError(self.why(process))
        return [f"Target {self.name}: {name} is {how}." for name, how in found.items()]

    def unlock(self):
        """Remove locks that an interrupted run of this host left behind; those of others stay."""
        process = self._engine.run(JOB, self.command("list", "locks", "--no-lock"))
        hosts = set()
        for lock in process.lines if not process.code else []:
            told = self._engine.run(JOB, self.command("cat", "lock", lock.strip(), "--no-lock"))
            try:
                hosts.add(json.loads("\n".join(told.lines))["hostname"])
            except (ValueError, KeyError):
                hosts.add("")
        if hosts == {self._settings["keeper"]}:
            self.run("unlock", "--remove-all")
