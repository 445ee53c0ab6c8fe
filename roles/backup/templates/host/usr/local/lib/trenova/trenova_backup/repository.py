# Managed by trenova.selfhost.
"""Where backups lie: an encrypted, deduplicated restic repository in each target.

A snapshot holds one stream of one store. All that is known of it stands in its tags, so that a target and its key alone
tell what can be restored:

    run=20261123T013000Z  store=postgres  part=base  level=incremental  after=20261122T013000Z
"""

from __future__ import annotations

import contextlib
import json
import re
import time

from trenova_backup.errors import BackupError, SourceError, TargetError
from trenova_backup.files import by_age, write_text

#: Exit codes of restic 0.17 and later.
NO_REPOSITORY, LOCKED, WRONG_KEY = 10, 11, 12
#: What ends by a signal has a code above this one.
KILLED = 128
RETRY_LOCK = "10m"
#: How rclone is asked whether it reaches what it serves to restic, and that there is no such directory yet.
RCLONE, NO_DIRECTORY = "rclone:", 3
ASK = ("rclone", "lsf", "--retries", "1", "--low-level-retries", "1", "--contimeout", "15s", "--timeout", "30s")
#: For a name that nobody knows any more, and the code of `timeout`.
REACH_SECONDS, TIMED_OUT = 45, 124
#: How often a running stream tells how far it is.
SECONDS_BETWEEN_LINES = 5
JOB = "backup-keep"
#: The name in locks of hosts that make drills of an installation.
DRILLS = "{}-drill"
#: While this file is there, the playbook has every target looked at, as the description of the role says.
CHECK_WANTED = "check-wanted"
#: The name of a file of a repository, and what restic's check says of one that is not damaged.
NAME = re.compile(r"\b[0-9a-f]{64}\b")
#: What it calls a file that it cannot read, by the begin of its name.
SHORT_NAME = re.compile(r"<(\w+)/([0-9a-f]{10})>")
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
        return self._good(self._engine.run(JOB, self.command(*words), seconds, read_lines))

    def _good(self, process):
        self.unlock_after(process)
        if process.code:
            if process.code == NO_REPOSITORY:
                # Only the playbook makes one: what lacks it may be a disk that is not mounted.
                write_text(self._settings.path(CHECK_WANTED), "")
            raise TargetError(self.why(process))
        return process

    def why(self, process):
        """Why restic failed, as a sentence. Raises Interrupted where an Engine that was stopped has cut it off."""
        self._engine.look()
        what = {
            NO_REPOSITORY: "there is no repository; mount its disk, or run the playbook, which makes a new one",
            LOCKED: "another program holds the repository",
            WRONG_KEY: "trenova_backup_key does not open the repository: it is another installation's, or the key was "
                       "changed",
        }.get(process.code)
        return f"Target {self.name}: {what or process.said.rstrip('.')}."

    def reach(self):
        """Ask a target that is elsewhere for itself, in bounded time. Raises TargetError where it does not answer.

        restic repeats each request for a quarter of an hour, and has no option for less: good for a line that is cut
        during a stream, and no use where nobody is there from the beginning.
        """
        if not self._place.startswith(RCLONE):
            return
        process = self._engine.run(JOB, ["timeout", str(REACH_SECONDS), *ASK, self._place[len(RCLONE):]])
        if process.code == TIMED_OUT:
            raise TargetError(f"Target {self.name}: it does not answer within {REACH_SECONDS} s.")
        if process.code not in (0, NO_DIRECTORY):
            raise TargetError(self.why(process))

    # -- Reading ------------------------------------------------------------------------------------------------------

    def snapshots(self, **wanted):
        """The snapshots that are there, oldest first as `by_age` has it, of all that have these tags."""
        tags = ",".join(f"{key}={value}" for key, value in wanted.items())
        process = self.run("snapshots", "--json", *self.reading, *(["--tag", tags] if tags else []))
        found = [Snapshot(told) for told in json.loads("\n".join(process.lines) or "[]") or []]
        key = by_age(time.time())
        return sorted(found, key=lambda snapshot: key(snapshot.run))

    def read(self, snapshot):
        """Text of a snapshot's file."""
        return "\n".join(self.run(*self.dump(snapshot)).lines)

    def dump(self, snapshot):
        """Words of restic that write a snapshot's file to the output."""
        return ["dump", *self.reading, snapshot.id, "/" + snapshot.file]

    @property
    def reading(self):
        """Words of whoever reads. The server itself knows what it removes; another host says that it reads."""
        return [] if self._settings.get("away") else ["--no-lock"]

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
        except BackupError:
            # Where nobody writes restic can only be killed, and what comes next would wait for its lock.
            keeper.end()
            with contextlib.suppress(TargetError):
                self.unlock()
            raise
        finally:
            for process in (producer, keeper):
                if process:
                    process.end()
            pipe.remove()
        self.unlock_after(keeper)
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
        process = self._engine.run(JOB, self.command(
            "copy", "--from-repo", other.target["repository"], *(snapshot.id for snapshot in snapshots)))
        other.unlock_after(process)
        self._good(process)

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
            short = [f"{kind} {name}..." for kind, name in SHORT_NAME.findall(line)]
            for name in (NAME.findall(line) or short)[:1]:
                found.setdefault(name, next((how for words, how in HOW.items() if words in line), "damaged"))
        if process.code and not found:
            raise TargetError(self.why(process))
        return [f"Target {self.name}: {name} is {how}." for name, how in found.items()]

    def unlock_after(self, process):
        """Where a restic of ours was killed, remove its lock: whoever needs the repository alone would wait for it."""
        if process.code and (process.code < 0 or process.code > KILLED):
            self.unlock()

    def unlock(self):
        """Remove locks that an interrupted run of this host left behind; those of others stay."""
        if self._holders() == {self._settings["keeper"]}:
            process = self._engine.run(JOB, self.command("unlock", "--remove-all"))
            if process.code:
                raise TargetError(self.why(process))

    def is_read_elsewhere(self):
        """Whether a drill on another host reads it just now. What one has left that was cut off is half an hour old."""
        if DRILLS.format(self._settings["installation"]) not in self._holders():
            return False
        self.run("unlock")
        return DRILLS.format(self._settings["installation"]) in self._holders()

    def _holders(self):
        """Names of the hosts that hold locks."""
        process = self._engine.run(JOB, self.command("list", "locks", "--no-lock"))
        hosts = set()
        for lock in process.lines if not process.code else []:
            told = self._engine.run(JOB, self.command("cat", "lock", lock.strip(), "--no-lock"))
            try:
                hosts.add(json.loads("\n".join(told.lines))["hostname"])
            except (ValueError, KeyError):
                hosts.add("")
        return hosts
