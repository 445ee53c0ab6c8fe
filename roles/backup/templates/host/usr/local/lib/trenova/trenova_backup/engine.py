# Managed by trenova.selfhost.
"""Containers that read stores and write to targets: jobs of the Compose project, by the Engine's own command."""

from __future__ import annotations

import collections
import contextlib
import itertools
import json
import os
import re
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from trenova_backup.errors import BackupError, Interrupted
from trenova_backup.files import write_text
from trenova_backup.pace import Pace
from trenova_backup.words import LONGEST, NOT_STARTED, reason

#: An Engine that is being upgraded is away for a while.
ENGINE_SECONDS = 120
#: For a command that could not be started and is asked why.
ASKED_SECONDS = 20
DOCKER_EXEC = ["docker", "exec"]
#: How a command ends that was killed: in a container, and the command of Docker itself.
KILLED = (137, -9)
#: For a client whose container was removed.
STOP_SECONDS = 5
PULL_SECONDS = 600
#: For Compose, to tell what a project is.
MODEL_SECONDS = 120
#: What a container says on its error output and is kept of it.
LAST_LINES = 200
LABEL = "com.docker.compose.oneoff=True"
#: Of all jobs, in the files of Compose.
PROFILE = "jobs"
#: What the names of jobs begin with that those files do not know.
DEFINED = "backup-upgrade-"
UNIT = "docker.service"
PROC = "/proc"
#: Label with the service that a container belongs to.
ROLE = "trenova.role"
HEALTHY_SECONDS = 300
#: Between two looks at whether something is healthy, at first and later.
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 0.5
HEALTH = "{{if not .State.Running}}stopped{{else if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}"


class Engine:
    """The Docker Engine of this host, and the jobs of one project."""

    def __init__(self, settings):
        #: Cores that each job may take, where that is not what the plan gives it.
        self.cpus = 0
        self.project, self.directory = settings["project"], settings["project_dir"]
        self.jobs = settings["jobs"]
        self._volumes, self._defined = {}, settings.path("jobs.json")
        self._numbers = itertools.count(1)
        #: {job: Future with the name of its container}.
        self._begun, self._lock, self._pool = {}, threading.Lock(), ThreadPoolExecutor()
        #: Whether what runs at once is ended because a part of it failed: nothing is begun then.
        self.is_ending = False
        self._life, self._was_waited_for, self._pace = None, False, None

    # -- Life ---------------------------------------------------------------------------------------------------------

    @staticmethod
    def runs():
        """Whether the Engine runs. While an administrator keeps it stopped, any command of its would start it again."""
        return subprocess.run(["systemctl", "is-active", "--quiet", UNIT], check=False).returncode == 0

    def wait(self):
        """Wait for an Engine that comes back, unless that was in vain before; whether it did."""
        deadline = time.monotonic() + (0 if self._was_waited_for else ENGINE_SECONDS)
        while not self.runs():
            if time.monotonic() >= deadline:
                self._was_waited_for = True
                return False
            time.sleep(1)
        return True

    def look(self):
        """See to it that the Engine is still the one that was there at the first look.

        One that was stopped in between has cut off whoever waited for its containers, and keeps these. Raises
        Interrupted then, and BackupError where it did not run at first.
        """
        done = subprocess.run(
            ["systemctl", "show", UNIT, "--property=ActiveState", "--property=InvocationID", "--property=MainPID"],
            stdout=subprocess.PIPE, text=True, check=False)
        told = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
        is_there = told.get("ActiveState") in ("active", "reloading")
        life = (told.get("InvocationID"), told.get("MainPID")) if is_there else ()
        if self._life is None:
            if not is_there:
                raise BackupError("The Docker Engine does not run.")
            self._life = life
        elif life != self._life:
            raise Interrupted("It was interrupted: the Docker Engine was stopped or restarted.")

    def left(self):
        """Containers of our jobs that nobody waits for: they have ended, or whoever started them has, or is us.

        What somebody runs by hand is left alone, and so is the check that a playbook makes.
        """
        done = subprocess.run(
            ["docker", "ps", "--all", "--no-trunc", "--filter=label=com.docker.compose.project=" + self.project,
             "--filter=label=" + LABEL,
             "--format", '{{.ID}} {{.Label "com.docker.compose.service"}} {{.State}} {{.Names}}'],
            stdout=subprocess.PIPE, text=True, check=False)
        lines = [line.split() for line in done.stdout.splitlines()]
        return [words[0] for words in lines if len(words) == 4
                and (words[1] in self.jobs or words[1].startswith(DEFINED)) and self._is_forsaken(words[3], words[2])]

    def _is_forsaken(self, name, state):
        found = re.fullmatch(re.escape(self.project) + r"-.+-(\d+)-\d+", name)
        if not found:
            return state not in ("created", "running")
        if int(found[1]) == os.getpid():
            return True
        try:
            with open(os.path.join(PROC, found[1], "cmdline"), encoding="utf-8", errors="replace") as stream:
                return "backup.py" not in stream.read()
        except OSError:
            return True

    @staticmethod
    def remove(containers):
        """Remove containers, whether they run or not, with the volumes that their images ask for and nobody mounts."""
        # While the Engine does not run, any command would start it.
        if containers and Engine.runs():
            subprocess.run(["docker", "rm", "--force", "--volumes", *containers], stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, check=False)

    # -- The project --------------------------------------------------------------------------------------------------

    def model(self):
        """The project with its jobs, as Compose tells it. Raises BackupError where it does not."""
        done = subprocess.run(
            ["docker", "compose", "--profile", PROFILE, "config", "--format", "json"], stdin=subprocess.DEVNULL,
            cwd=self.directory, capture_output=True, text=True, check=False, timeout=MODEL_SECONDS)
        if done.returncode:
            raise BackupError(f"Compose does not tell the project: {_last(done.stderr)}.")
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise BackupError("Compose does not tell the project: what it says is no JSON.") from None

    def digests(self, references):
        """{reference: repository@digest} of the images that are there and were pulled from a registry."""
        found = {}
        for reference in references:
            told = self._ask("image", "inspect", "--format", "{{json .RepoDigests}}", reference)
            names = json.loads(told.stdout or "null") or [] if not told.returncode else []
            mine = [name for name in names if name.rpartition("@")[0] == repository_of(reference)]
            if mine:
                found[reference] = mine[0]
        return found

    def pull(self, image, logins):
        """Have an image; whether it was pulled. Raises BackupError where it cannot be had.

        logins: directory with logins at registries, where it is there.
        """
        if self._ask("image", "inspect", image).returncode == 0:
            return False
        self.look()
        done = self._ask(*(["--config", logins] if os.path.isdir(logins) else []), "pull", "--quiet", image)
        if done.returncode:
            raise BackupError(f"{image} is not on this host, and cannot be pulled: {_last(done.stderr)}.")
        return True

    def remove_images(self, images):
        """Remove images that no container needs."""
        for image in images:
            self._ask("image", "rm", image)

    # -- Images -------------------------------------------------------------------------------------------------------

    def fetch_images(self):
        """Have the images of all jobs: no container that runs keeps them from being cleared away.

        Raises BackupError where one is gone and cannot be had.
        """
        self.look()
        told = self._ask("compose", "--profile", PROFILE, "config", "--images", *self.jobs)
        images = sorted(set(told.stdout.split()))
        if not images or self._ask("image", "inspect", *images).returncode == 0:
            return
        for image in images:
            if self._ask("image", "inspect", image).returncode:
                self.look()
                pulled = self._ask("pull", "--quiet", image)
                if pulled.returncode:
                    said = (pulled.stderr.strip() or "it says nothing").splitlines()[-1].rstrip(".")
                    raise BackupError(
                        f"It could not run: its image is missing. {image} is not on this host, and cannot be pulled: "
                        f"{said}. Nothing was saved. Run the playbook, which fetches it or says what to load.")

    def _ask(self, *words):
        try:
            return subprocess.run(
                ["docker", *words], cwd=self.directory, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                errors="replace", check=False, timeout=PULL_SECONDS)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(words, 1, "", f"no end within {PULL_SECONDS} s")

    def need_image(self, image, digest=""):
        """Have an image that no file of the project names. digest: what it is pulled by; its tag by default.

        Raises BackupError where it cannot be had.
        """
        if not self._ask("image", "inspect", image).returncode:
            return
        self.look()
        name, _colon, tag = image.rpartition(":")
        source = f"{name if '/' not in tag else image}@{digest}" if digest else image
        pulled = self._ask("pull", "--quiet", source)
        if pulled.returncode or digest and self._ask("tag", source, image).returncode:
            raise BackupError(f"{image} is not on this host, and cannot be pulled: {_last(pulled.stderr)}. Push it to "
                              "the registry (playbooks/images.yml), or load it from an archive.")

    # -- Work ---------------------------------------------------------------------------------------------------------

    def start(self, job, command, read_lines=None):
        """Start a command in the container of a job; a Process. read_lines: called with each line of its output."""
        container = self._container(job)
        return Process(
            ["docker", "exec", container, *command], read_lines, ending=lambda: self._end(job, container))

    def run(self, job, command, seconds=None, read_lines=None):
        """Run a command in the container of a job to its end; the Process. Raises Interrupted where it was cut off."""
        process = self.start(job, command, read_lines)
        try:
            process.wait(seconds)
        finally:
            process.end()
        if process.code:
            # An Engine that was stopped leaves a code that says nothing.
            self.look()
        return process

    def pass_on(self, job, command):
        """Run a command in the container of a job whose output is ours; the exit code."""
        return subprocess.run(
            ["docker", "exec", self._container(job), *command], stdin=subprocess.DEVNULL, check=False).returncode

    def prepare(self, *jobs):
        """Begin to start the containers of jobs, all at once. Whoever needs one waits for it, and is told its fault."""
        for job in jobs:
            self._prepared(job)

    def _prepared(self, job):
        with self._lock:
            if self.is_ending:
                raise BackupError("It is ended by what failed beside it.")
            if job not in self._begun:
                self._begun[job] = self._pool.submit(self._begin, job)
            return self._begun[job]

    def take_all(self):
        """Have jobs take all cores: the application waits for what they do."""
        self.cpus = os.cpu_count() or 0

    def keep_pace(self, figures, patience=None):
        """Have jobs take more cores than the plan leaves them while the host is idle, until they are removed.

        patience: seconds after which they take that in any case.
        """
        # Settings of an earlier version, which a drill on another host may have, do not say it.
        usual, most = figures.get("cpus", 0), min(figures.get("idle_cpus", 0), os.cpu_count() or 1)
        if not self._pace and most > usual:
            self._pace = Pace(self._let, usual, most, patience)
            self._pace.start()

    def _let(self, cpus):
        self.cpus = cpus
        there = [begun.result() for begun in list(self._begun.values()) if begun.done() and not begun.exception()]
        if there:
            self._ask("update", f"--cpus={cpus}", *there)

    def close(self):
        """Remove the containers of all jobs."""
        if self._pace:
            self._pace.end()
            self._pace, self.cpus = None, 0
        with self._lock:
            begun = dict(self._begun)
        self.remove([future.result() for future in begun.values() if not future.exception()])
        # Not before: whoever is interrupted here removes them then.
        for job, future in begun.items():
            self._forget(job, future)

    def mount(self, job, path, inside):
        """Have the container of a job see a directory of the host, from its next start on; one directory at a time."""
        if self._volumes.get(job) != (path, inside):
            self._volumes[job] = (path, inside)
            if job in self._begun:
                self._end(job, self._container(job))

    def define(self, definitions):
        """Have jobs that the project's files do not know: {name, which begins with DEFINED: definition}."""
        write_text(self._defined, json.dumps({"name": self.project, "services": definitions}), 0o600)

    def _container(self, job):
        """The container of a job in this run. Starting one costs a second; a command in one that is there does not."""
        self.look()
        begun = self._prepared(job)
        try:
            return begun.result()
        except BackupError:
            self._forget(job, begun)
            raise

    def _begin(self, job):
        # Who waits for it stands in its name.
        name = f"{self.project}-{job}-{os.getpid()}-{next(self._numbers)}"
        volume = ["--volume", ":".join(self._volumes[job])] if job in self._volumes else []
        file = ["--file", self._defined] if job.startswith(DEFINED) else []
        done = subprocess.run(
            ["docker", "compose", *file, "--progress", "quiet", "run", "--detach", "--rm", "--no-deps", "-T",
             *volume, "--name", name, job, "sleep", "infinity"], cwd=self.directory, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            self.remove([name])
            self.look()
            raise BackupError(f"The job {job} cannot be started: {_last(done.stdout)}.")
        given = 0
        while self.cpus not in (0, given):
            # It may change meanwhile. In vain, it is only slower.
            given = self.cpus
            self._ask("update", f"--cpus={given}", name)
        return name

    def _end(self, job, container):
        """End all that runs in a container, which only its end does for sure."""
        self.remove([container])
        begun = self._begun.get(job)
        if begun and begun.done() and not begun.exception() and begun.result() == container:
            self._forget(job, begun)

    def _forget(self, job, begun):
        with self._lock:
            if self._begun.get(job) is begun:
                del self._begun[job]

    def execute(self, container, command, output=None, read_lines=None, source=None):
        """Start a command in a container that runs; a Process. output: path that it writes to. source: it reads."""
        self.look()
        interactive = ["--interactive"] if source else []
        return Process(["docker", "exec", *interactive, container, *command], read_lines, output=output, source=source)

    # -- Services -----------------------------------------------------------------------------------------------------

    def services(self):
        """{service: [(container, whether it runs)]} of the project, without its jobs.

        Raises BackupError where the Engine does not tell: no answer would be read as "nothing runs".
        """
        self.look()
        done = self._ask(
            "ps", "--all", "--filter", "label=com.docker.compose.project=" + self.project, "--format",
            '{{.Names}}\t{{.Label "' + ROLE + '"}}\t{{.State}}\t{{.Label "com.docker.compose.oneoff"}}')
        if done.returncode:
            self.look()
            raise BackupError(f"The Docker Engine does not tell what runs: {_last(done.stderr)}.")
        found = {}
        for line in done.stdout.splitlines():
            name, role, state, oneoff = (line.split("\t") + [""] * 3)[:4]
            if role and oneoff != "True":
                found.setdefault(role, []).append((name, state in ("running", "restarting", "paused")))
        return {role: sorted(containers) for role, containers in found.items()}

    def stop(self, containers):
        """Stop containers as they ask for it. Raises BackupError where one goes on."""
        self._command("stop", containers)

    def start_again(self, containers):
        """Start containers, and wait until each is healthy. Raises BackupError where one is not."""
        self.set_going(containers)
        self.need_healthy(containers)

    def set_going(self, containers):
        """Start containers. Raises BackupError where one does not start."""
        self._command("start", containers)

    def need_healthy(self, containers):
        """Wait until each container is healthy. Raises BackupError where one is not in time."""
        deadline = time.monotonic() + HEALTHY_SECONDS
        waiting, pause = list(containers), SHORTEST_PAUSE
        while waiting:
            told = self._ask("inspect", "--format", HEALTH, *waiting)
            if told.returncode:
                # Of an Engine that is away, or of a container that is gone, nothing is healthy.
                self.look()
            else:
                waiting = [name for name, health in zip(waiting, told.stdout.split())
                           if health not in ("healthy", "none")]
            if waiting and time.monotonic() > deadline:
                last = self._ask("logs", "--tail", "3", waiting[0])
                raise BackupError(
                    f"{waiting[0]} is not healthy within {HEALTHY_SECONDS} s: {_last(last.stdout + last.stderr)}.")
            if waiting:
                time.sleep(pause)
                pause = min(1.2 * pause, LONGEST_PAUSE)

    def _command(self, verb, containers):
        if containers:
            self.look()
            done = self._ask(verb, *containers)
            if done.returncode:
                self.look()
                raise BackupError(f"{', '.join(containers)} did not {verb}: {_last(done.stderr)}.")

    @staticmethod
    def hand_on(path, output):
        """Write a file of this host into a pipe; a Process."""
        return Process(["cat", path], output=output)


class Process:
    """A command that runs, and what it said. ending: ends what the command has begun elsewhere."""

    def __init__(self, command, read_lines=None, output=None, ending=None, source=None):
        self._ending, self._command, self._redirected = ending, list(command), bool(output)
        self.lines, self.errors = [], collections.deque(maxlen=LAST_LINES)
        # Of an output that somebody else reads.
        self._newest = collections.deque(maxlen=1)
        # Opening waits for whoever reads: that must not keep us.
        redirected = {output: 'exec "$@" >"$file"', source: 'exec "$@" <"$file"'}
        file = output or source
        shell = ["sh", "-c", "file=$1; shift; " + redirected[file], "sh", file] if file else []
        self._process = subprocess.Popen(
            [*shell, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, errors="replace", start_new_session=True)
        self._threads = [
            threading.Thread(target=self._read, args=(
                self._process.stdout, self._remembering(read_lines) if read_lines else self.lines.append)),
            threading.Thread(target=self._read, args=(self._process.stderr, self.errors.append))]
        for thread in self._threads:
            thread.daemon = True
            thread.start()

    def _remembering(self, take):
        def remember(line):
            self._newest.append(line)
            take(line)
        return remember

    @staticmethod
    def _read(stream, take):
        for line in stream:
            take(line.rstrip("\n"))

    @property
    def code(self):
        """Exit code, None while it runs."""
        return self._process.poll()

    @property
    def said(self):
        """Why it failed, or what it said last."""
        told = reason(self.lines, self.errors)
        if not told and self.code in NOT_STARTED and self._command[:2] == DOCKER_EXEC:
            told = self._not_started() if self._redirected else reason(self._newest, [])
        if self.code in KILLED:
            last = f"; it last said: {told}" if told else ""
            return f"it was killed (exit code {self.code}), by somebody or because memory was short{last}"
        return told or f"exit code {self.code}"

    def _not_started(self):
        """Why docker exec could not start a command whose output goes elsewhere, into which it wrote that.

        What cannot be started does nothing, and neither does it the second time.
        """
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            done = subprocess.run(self._command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  errors="replace", check=False, timeout=ASKED_SECONDS)
            if done.returncode == self.code:
                return reason(done.stdout[:LONGEST].splitlines(), done.stderr.splitlines())
        return ""

    def read_bytes(self):
        """Bytes that it has read up to now; 0 where nobody tells."""
        try:
            with open(f"{PROC}/{self._process.pid}/io", encoding="ascii") as stream:
                return int(stream.readline().split()[1])
        except (OSError, ValueError, IndexError):
            return 0

    def wait(self, seconds=None):
        """Wait for its end; the exit code. Raises BackupError where it does not come."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise BackupError(f"It did not end within {seconds} s.") from None
        self._join()
        return self.code

    def _join(self):
        for thread in self._threads:
            thread.join(5)

    def end(self):
        """See to it that it does not run on."""
        if self._ending and (self.code is None or self.code < 0):
            # What it has begun goes on when somebody has ended the command.
            self._ending()
        try:
            self._process.wait(STOP_SECONDS if self._ending else 0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._join()


def repository_of(reference):
    """What stands before the tag or the digest of an image."""
    name = reference.partition("@")[0]
    return name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name


def _last(text):
    """The last line of a text that tells something, without its full stop."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else "it said nothing"
