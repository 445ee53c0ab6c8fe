# Managed by trenova.selfhost.
"""A restore from what is wished to its record.

Everything is fetched beside the live data first, while that is in use, and PostgreSQL recovers there. Only then is what
works with it stopped, in the reverse order of what needs what, and directories change their names: what was there stays
as the copy. What is written into running services (objects, definitions) comes last, before anybody uses them.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

from trenova_backup import earlier, kinds, places
from trenova_backup.engine import Process
from trenova_backup.errors import BackupError, SourceError, TargetError
from trenova_backup.files import duration, moment, read_json, seconds_of, size, write_json
from trenova_backup.repository import JOB
from trenova_backup.restore import laying
from trenova_backup.restore.journal import FETCHED, HOLD, LAID, WRITTEN, Journal, is_waiting
from trenova_backup.runs import Target

#: Seconds that stopping and starting take besides.
USUAL_STOP = 40
#: A disk with fewer bytes is full.
FULL = 1_000_000
SECONDS_BETWEEN_LINES = 5
#: Chosen: programs that read from a target at once. Each holds an index of it, in the memory of one job.
READERS = 2
WORTH_TELLING = 20_000_000
#: Below the project's directory, in a backup as on the host.
SECRETS = "backup/secrets/installation/secrets.json"
#: What a pipe gives at once is less than tar takes for a block.
UNPACK = ("tar", "--extract", "--read-full-records")
HANDED_OVER = ".state/restored-secrets.json"
#: Saved for people, and made by the deployment.
NOT_RESTORED = "installation"
#: Where the deployment looks for services whose data is another one now, by a file with the name of each.
RENEWED = "{}/.state/renewed"


class Restore:
    """One restore. wish: {target, until (seconds or None), stores}."""

    #: Whether what is written over may be wanted back.
    keeps_live = True
    #: Whether the networks of the jobs are there, which two that start at once would both make.
    starts_at_once = True

    def __init__(self, settings, engine, wish):
        self.settings, self.engine, self.wish = settings, engine, wish
        self.stamp = ""
        self.target, self.choices, self.kinds = None, {}, {}
        #: Targets that have told what they hold.
        self._read = []
        #: What a target says of the secrets, where that is asked already.
        self._secrets = None
        self._job = threading.Lock()
        self.warnings, self.steps = [], []
        self._told = 0.0
        self.journal = Journal(settings)

    # -- Told ---------------------------------------------------------------------------------------------------------

    def say(self, text):
        """Tell what happens, with the time."""
        print(time.strftime("%H:%M:%S"), text, flush=True)

    def warn(self, text):
        """Tell what is wrong and does not stop the restore."""
        self.warnings.append(text)
        self.say("WARNING: " + text)

    def tell_progress(self, title, done, total):
        """Tell how far something is, not too often, and not of what is soon there."""
        if total < WORTH_TELLING or time.monotonic() - self._told < SECONDS_BETWEEN_LINES:
            return
        self._told = time.monotonic()
        self.say(f"  {title}: {size(min(done, total))} of {size(total)}")

    # -- Wish ---------------------------------------------------------------------------------------------------------

    def choose(self):
        """Find in a target what is wished: the newest that there is, or the first that has the moment.

        Raises BackupError, before anything is touched, where none has.
        """
        wanted = self.wish["stores"] or [
            store["store"] for store in self.settings.stores if store["store"] != NOT_RESTORED]
        known = {store["store"]: store for store in self.settings.stores}
        for name in wanted:
            if name not in known:
                raise BackupError(f"There is no store {name}. Write one of: {', '.join(sorted(known))}.")
        self.kinds = {name: kinds.of(known[name], self) for name in wanted}
        if self.starts_at_once:
            self.engine.prepare(JOB, *{job for kind in self.kinds.values() for job in kind.reads_with})
        because = []
        targets = [Target(told, self.engine, self.settings) for told in self.settings.targets
                   if self.wish["target"] in (None, told["name"])]
        # One that has the moment is as good as another, and those behind it need not be asked.
        is_free = len(targets) > 1 and self.wish["until"] is None
        for target in self._newest_first(targets, because) if is_free else targets:
            try:
                return self._choose_from(target)
            except BackupError as error:
                because.append(error)
        if not because:
            raise TargetError(f"There is no target {self.wish['target']}. Write one of: "
                              f"{', '.join(told['name'] for told in self.settings.targets)}.")
        told = [sentence for sentence in (
            earlier.sentence(told["directory"]) for told in self.settings.targets if told.get("directory")) if sentence]
        raise BackupError(" ".join([str(because[0]), *told])) if told else because[0]

    def _newest_first(self, targets, because):
        """Those that can be read, one that was away for a while behind the others.

        because: takes why the others cannot.
        """
        found = []
        for target in targets:
            try:
                self.read_from(target)
                found.append((sorted(kind.newest(target) for kind in self.kinds.values()), target))
            except BackupError as error:
                because.append(error)
                self.say(f"target {target.name}: {error}")
        found.sort(key=lambda entry: entry[0], reverse=True)
        return [target for _newest, target in found]

    def read_from(self, target):
        """Read from a target, and know what it holds. Raises TargetError where it does not answer."""
        if target not in self._read:
            target.repository.reach()
            target.snapshots = target.repository.snapshots()
            self._read.append(target)
        self.target = target

    def _choose_from(self, target):
        self.read_from(target)
        with self._at_once() as pool:
            if any(kind.store["kind"] == "postgres" for kind in self.kinds.values()):
                # They are asked for next, and come while the objects are looked at.
                self._secrets = pool.submit(self._read_secrets, target)
            return self.choose_all(lambda kind: kind.choose(target, self.wish["until"]))

    def choose_all(self, choose):
        """{store: Choice} of all kinds by a function of each: rows first, as they point to others."""
        self.choices = {}
        for name, kind in sorted(self.kinds.items(), key=lambda entry: not entry[1].has_rows):
            self.choices[name] = choose(kind)
        self.choices = {name: self.choices[name] for name in self.kinds}
        return self.choices

    def rows_since(self):
        """From when on, in seconds, the rows may be that come back; None where none do."""
        return min((choice.at for name, choice in self.choices.items() if self.kinds[name].has_rows), default=None)

    def told(self):
        """What would be done, for people and programs: the stores, what they hold now, and how long it takes."""
        speed = self.settings["figures"]["copy_bytes_per_second"]
        read = sum(choice.bytes for choice in self.choices.values())
        stores = [{
            "store": name, "title": self.kinds[name].store["title"], "kind": self.kinds[name].store["kind"],
            "at": moment(choice.at), "age_seconds": round(time.time() - choice.at), "bytes": choice.bytes,
            "objects": choice.facts.get("objects"), "over": choice.facts.get("over"),
            "replaces": self._replaces(name), "now_bytes": self._now(name)} for name, choice in self.choices.items()]
        return {
            "installation": self.settings["installation"], "target": self.target.name, "wish": self.wish,
            "seconds": round(read / speed + USUAL_STOP), "bytes": read,
            "stops": self._consumers_in_order(), "space": self._spaces(),
            "stores": stores}

    def _replaces(self, name):
        kind = self.kinds[name]
        return kind.store["path"] if kind.is_laid else ""

    def _now(self, name):
        kind = self.kinds[name]
        return laying.size_of(kind.store["path"]) if kind.is_laid and os.path.isdir(kind.store["path"]) else None

    def _spaces(self):
        """{directory: bytes that are needed beside it}."""
        needed = {}
        for name, choice in self.choices.items() if not self.journal.is_touched else ():  # else all of it is there
            for path, number in self._takes(name, self.kinds[name], choice):
                place = path
                while not os.path.isdir(place):
                    place = os.path.dirname(place)
                disk = next((other for other in needed if os.stat(other).st_dev == os.stat(place).st_dev), place)
                needed[disk] = needed.get(disk, 0) + number
        return needed

    def _takes(self, name, kind, choice):
        """(path, bytes) of what a choice takes, beside what is there or in a running service."""
        yield os.path.dirname(self._beside(name)), choice.space
        if not kind.is_laid:
            yield kind.store.get("path") or self.settings.state_dir, kind.bytes_added(choice)

    def need_same(self):
        """Raises BackupError where another restore was begun and has touched what lives."""
        self.journal.need_same(self.wish)

    def need_secrets(self):
        """Raises BackupError where data would come back that was encrypted with another secret than the server has."""
        if is_waiting(self.settings):
            return  # the deployment that follows takes those of the backup
        kept, there = self.settings.get("kept_secrets") or [], self.secrets()
        here = read_json(os.path.join(self.settings["project_dir"], SECRETS))
        other = [name for name in kept if name in here and there.get(name, here[name]) != here[name]]
        if other and any(kind.store["kind"] == "postgres" for kind in self.kinds.values()):
            raise BackupError(
                f"{' and '.join(other)} of this server is not the one that the data of the backup was written with, "
                f"which could not be read. Put that of the backup into the inventory and run site.yml: backup.py read "
                f"{NOT_RESTORED} | tar --extract --to-stdout ./{SECRETS}")

    def secrets(self):
        """All secrets of the installation, as the target has them; {} where it has none of the moment."""
        return self._secrets.result() if self._secrets else self._read_secrets(self.target)

    def _read_secrets(self, target):
        mine = [snapshot for snapshot in target.snapshots if snapshot.store == NOT_RESTORED and (
            self.wish["until"] is None or seconds_of(snapshot.run) <= self.wish["until"])]
        if not mine:
            return {}
        read = []
        self._pour(mine[-1], lambda pipe: Process(
            [*UNPACK, "--to-stdout", "--file", pipe.path, "./" + SECRETS], read.append), target=target)
        return json.loads("\n".join(read))

    def hand_over_secrets(self):
        """Leave the secrets for the deployment of a server that was empty, which takes and removes them."""
        if is_waiting(self.settings):
            write_json(os.path.join(self.settings["project_dir"], HANDED_OVER), self.secrets(), 0o600)

    def foresee(self, only=None):
        """Have the choices know what they would replace or, of a part, add. Raises BackupError where one is in vain."""
        if self.journal.is_touched:
            return  # what there was is replaced already, in part
        there = self.engine.services()
        for name, kind in self.kinds.items():
            if only:
                kind.foresee_part(self.choices[name], only)
            # Who does not run cannot be asked, and an empty server has nothing.
            elif kind.is_laid or not is_waiting(self.settings) and all(
                    is_running for _container, is_running in there.get(kind.store["service"], [])):
                kind.foresee(self.choices[name])

    def need_space(self):
        """Raises BackupError where a disk has not the room that a restore takes beside what is there."""
        for place, needed in self._spaces().items():
            free, left = places.free(place), self.settings.left_free
            if free < needed + left:
                raise BackupError(
                    f"{size(free)} are free in {place}, and {size(needed)} are needed beside what is there, with "
                    f"{size(left)} left alone. Make room, or restore one store at a time (--store). Nothing was "
                    "changed.")

    # -- The way back -------------------------------------------------------------------------------------------------

    def execute(self, stamp):
        """Do it, or go on with it. What is stopped stays stopped when it fails, and the journal tells it."""
        self.journal.begin(self.wish, stamp)
        self.stamp = self.journal.content["stamp"]
        try:
            self._fetch_all()
        except (BackupError, OSError):
            # Nothing live was touched, and what lies beside it would take its room.
            self._tidy()
            raise
        self.journal.update(touched=True)
        self._stop()
        for name, kind in self.kinds.items():
            if kind.is_laid:
                self._step(
                    name, "laid in its place", LAID, (FETCHED,), lambda name=name, kind=kind: self._lay(name, kind))
        self._write()
        self._tidy()
        self._renew()

    def _write(self):
        """Write what is written into services that run, those first that others need."""
        services = {kind.store["service"] for kind in self.kinds.values() if not kind.is_laid}
        for level in reversed(levels(services, {service: self._needed({service}) for service in services})):
            there, needed = self.engine.services(), levels(self._needed(level) - set(level), self._needs)
            idle = [[name for service in others for name, runs in there.get(service, []) if not runs]
                    for others in needed]
            for containers in reversed(idle):
                # Before it has the secrets of the backup, not everything gets healthy.
                (self.engine.set_going if is_waiting(self.settings) else self.engine.start_again)(containers)
            self._write_into(level, there)
            for containers in idle:
                self.engine.stop(containers)

    def _write_into(self, services, there):
        """Start services, and write what is theirs as soon as each is ready, what takes longest first."""
        containers = {service: [container for container, _runs in there.get(service, [])] for service in services}
        self.engine.set_going(sorted({container for those in containers.values() for container in those}))
        with self._at_once() as pool:
            works = []
            for service in sorted(services, key=lambda service: -sum(
                    self.choices[name].bytes for name in self._written_into(service))):
                begin = time.monotonic()
                self.engine.need_healthy(containers[service])
                self._note(f"waited for {service}", time.monotonic() - begin)
                works.append(pool.submit(self._write_all_of, service))
            for work in as_completed(works):
                for name, seconds in work.result().items():
                    self._took(name, "written", seconds)
                    self.journal.set_phase(name, WRITTEN)

    def _written_into(self, service):
        """Names of the stores that are written into a service."""
        return [name for name, kind in self.kinds.items() if not kind.is_laid and kind.store["service"] == service]

    def _needed(self, services):
        """Services with all that they need to work."""
        found, more = set(), set(services)
        while more:
            found |= more
            more = {needed for service in more for needed in self._needs.get(service, [])} - found
        return found

    def _write_all_of(self, service):
        """Write the stores of a service that are not yet: {name: seconds}."""
        took = {}
        for name in self._written_into(service):
            kind = self.kinds[name]
            if self.journal.phase(name) == FETCHED:
                # Stores of objects share a job.
                with self._job if kind.reads_with else contextlib.nullcontext():
                    begin = time.monotonic()
                    self._keep_live(name, kind)
                    kind.write(self.choices[name], self._beside(name))
                took[name] = time.monotonic() - begin
        if any(self.kinds[name].is_read_at_start for name in self._written_into(service)):
            # What the deployment says of it, logins for instance, is read at its start and holds again then.
            self.engine.stop([container for container, runs in self.engine.services().get(service, []) if runs])
        return took

    def _keep_live(self, name, kind):
        """Take a copy of what is written over, once: after an interruption half of that is what came back."""
        if not self.keeps_live or is_waiting(self.settings) or name in self.journal.content["copies"]:
            return
        place = kind.keep_live(self.choices[name], f"before-{self.stamp}")
        if place:
            self.say(f"{kind.store['title']}: what is replaced is in "
                     f"{place if place.startswith('/') else 'the bucket ' + place}")
        self.journal.set_copy(name, place)

    @contextlib.contextmanager
    def _at_once(self):
        """A pool for what goes on meanwhile. Where anything fails, what runs in containers of jobs has to end."""
        try:
            with ThreadPoolExecutor() as pool:
                try:
                    yield pool
                except BaseException:
                    self.engine.is_ending = True
                    pool.shutdown(wait=False, cancel_futures=True)
                    self.engine.close()
                    raise
        finally:
            self.engine.is_ending = False

    def do(self, works):
        """Do pieces of work, each a function, some of them at once. Where one fails the others end.

        Raises its error. Where several fail, what failed on this host has ended the others.
        """
        left = collections.deque(works)

        def take():
            with contextlib.suppress(IndexError):
                return left.popleft()

        def work_off():
            try:
                while work := take():
                    work()
            except BaseException:
                left.clear()
                raise
        errors = []
        with self._at_once() as pool:
            for reader in as_completed([pool.submit(work_off) for _number in range(READERS)]):
                if reader.exception():
                    errors.append(reader.exception())
                    # The others end by that, and may do so first.
                    self.engine.is_ending = True
                    self.engine.close()
        if errors:
            raise next((error for error in errors if isinstance(error, SourceError)), errors[0])

    def part(self, only, name):
        """Bring a part of one store back beside the live ones; a sentence that says where it is."""
        if len(self.kinds) != 1:
            raise BackupError("A part is one of one store. Write: --store, once.")
        [(store, kind)] = self.kinds.items()
        beside = self._beside(store)
        if self.journal.is_touched:
            raise BackupError("A restore has not ended. Repeat that one first.")
        laying.remove(beside)
        os.mkdir(beside, 0o700)
        try:
            return kind.bring_part(self.choices[store], beside, only, name)
        finally:
            self.engine.close()
            laying.remove(beside)

    def start(self):
        """Start what was stopped, what others need first."""
        stopped = self.journal.content["stopped"]
        there = self.engine.services()
        for level in reversed(levels(self._consumers_in_order(), self._needs)):
            self.engine.start_again([
                name for service in level for name, _runs in there.get(service, []) if name in stopped])

    def end(self):
        """Take down that it has ended. A server whose secrets are to be taken over waits until that is done."""
        self.journal.update(done=True)
        if not os.path.exists(os.path.join(self.settings["project_dir"], HANDED_OVER)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self.settings["project_dir"], HOLD))

    def _step(self, name, what, phase, before, work):
        if self.journal.phase(name) not in before:
            return
        self._timed(name, what, work, reads=phase != LAID)
        self.journal.set_phase(name, phase)

    def _timed(self, name, what, work, reads=True):
        """What the work gives. Tells and takes down how long it took, and what it has read."""
        begin = time.monotonic()
        result = work()
        self._took(name, what, time.monotonic() - begin, reads)
        return result

    def _took(self, name, what, seconds, reads=True):
        self.steps.append({"service": name, "name": what, "file": "", "state": "ok", "seconds": round(seconds, 1),
                           "bytes": self.choices[name].bytes if reads else 0})
        self.say(f"{self.kinds[name].store['title']}: {what}: {duration(seconds)}")

    def _note(self, what, seconds):
        """Take down what took its time and is no store's."""
        self.steps.append({"service": "restore", "name": what, "file": "", "state": "ok", "seconds": round(seconds, 1),
                           "bytes": 0})

    def _beside(self, name):
        """Where a store waits for its place, or is fetched for being written."""
        kind = self.kinds[name]
        return laying.beside(kind.store["path"], "restored") if kind.is_laid else self.settings.path("restored-" + name)

    def _tidy(self):
        self.engine.close()
        for name in self.kinds:
            laying.remove(self._beside(name))

    def _fetch_all(self):
        """Fetch all stores, one after the other. What recovers does so meanwhile."""
        if self.journal.is_touched:
            return  # all of it is there
        with self._at_once() as pool:
            recovering = {}
            for name, kind in sorted(self.kinds.items(), key=lambda entry: not entry[1].is_recovered):
                ready = self._timed(name, "fetched", lambda name=name, kind=kind: self._fetch(name, kind))
                if kind.is_recovered:
                    recovering[name] = pool.submit(kind.recover, self.choices[name], ready)
                else:
                    self._is_ready(name, ready)
            for name, work in recovering.items():
                self._is_ready(name, self._timed(
                    name, "waited for its recovery", work.result, reads=False))

    def _fetch(self, name, kind):
        place = self._beside(name)
        laying.remove(place)
        os.mkdir(place, 0o700)
        return kind.fetch(self.choices[name], place)

    def _is_ready(self, name, path):
        self.journal.content.setdefault("ready", {})[name] = path
        self.journal.set_phase(name, FETCHED)

    def _lay(self, name, kind):
        path = kind.store["path"]
        copy = self.journal.content["copies"].get(name) or laying.beside(path, f"before-{self.stamp}")
        self.journal.set_copy(name, copy)
        laying.lay(self.journal.content["ready"][name], path, copy, kind.store.get("without", []))

    def _renew(self):
        """Have the next deployment do again what it once did to the data of these services."""
        folder = RENEWED.format(self.settings["project_dir"])
        os.makedirs(folder, exist_ok=True)
        for kind in self.kinds.values():
            with open(os.path.join(folder, kind.store["service"]), "w", encoding="utf-8"):
                pass

    # -- What is stopped ----------------------------------------------------------------------------------------------

    @property
    def _needs(self):
        return self.settings.get("needs") or {}

    def _affected(self):
        """Services of the stores, and all that work with them."""
        affected = {kind.store["service"] for kind in self.kinds.values()}
        grown = True
        while grown:
            more = {service for service, needed in self._needs.items() if affected & set(needed)} - affected
            affected, grown = affected | more, bool(more)
        return affected

    def _written_running(self):
        """{service: whether it is stopped when it was written} of those that nothing is laid for and that need nothing
        which is stopped: they may run on meanwhile, and nobody uses them."""
        laid = {kind.store["service"] for kind in self.kinds.values() if kind.is_laid}
        affected, found = self._affected(), {}
        for kind in self.kinds.values():
            service = kind.store["service"]
            if service not in laid and not affected & set(self._needs.get(service, [])):
                found[service] = found.get(service, False) or kind.is_read_at_start
        return found

    def _consumers_in_order(self):
        """Services that are stopped, each before what it needs."""
        spared = {service for service, is_stopped in self._written_running().items() if not is_stopped}
        return in_order(self._affected() - spared, self._needs)

    def _stop(self):
        there, later = self.engine.services(), self._written_running()
        running = [name for service in self._consumers_in_order() for name, runs in there.get(service, []) if runs]
        known = self.journal.content["stopped"]
        self.journal.update(stopped=known + [name for name in running if name not in known])
        begin, stopped = time.monotonic(), []
        # Those that do not need each other end at the same time.
        for level in levels(self._affected() - set(later), self._needs):
            stopped += [name for service in level for name, runs in there.get(service, []) if runs]
            self.engine.stop([name for service in level for name, runs in there.get(service, []) if runs])
        if stopped:
            self._note("stopped what works with it", time.monotonic() - begin)
            self.say(f"stopped {', '.join(stopped)}: {duration(time.monotonic() - begin)}")

    # -- What kinds ask for -------------------------------------------------------------------------------------------

    def unpack(self, snapshot, directory, options):
        """Unpack an archive of the target into a directory."""
        self._pour(snapshot, lambda pipe: Process([
            *UNPACK, "--numeric-owner", "--file", pipe.path, "--directory", directory, *options]), directory)

    def bring_file(self, snapshot, path):
        """Write a file of the target to a path."""
        self._pour(
            snapshot, lambda pipe: Process(["cp", "--no-preserve=all", pipe.path, path]), os.path.dirname(path))
        os.chmod(path, 0o600)

    @staticmethod
    def own(path, owner):
        """Give all that is below to a user and a group."""
        laying.own(path, owner)

    def _pour(self, snapshot, reader, directory=None, target=None):
        """Let a program of this host read from a pipe what the target gives. directory: where it writes."""
        pipe = self.settings.pipe(f"restore-{snapshot.id[:16]}")
        repository = (target or self.target).repository
        consumer = producer = None
        try:
            producer = self.engine.start(JOB, [
                "sh", "-c", 'pipe=$1; shift; exec "$@" >"$pipe"', "sh", pipe.inside,
                *repository.command(*repository.dump(snapshot))])
            consumer = reader(pipe)
            is_over = False
            while consumer.code is None:
                if producer.code and not is_over:
                    # Whoever was cut off by an Engine that was restarted, or was killed, has left somebody who writes.
                    self.engine.look()
                    producer.end()
                    is_over = True
                if producer.code:
                    # It may have failed before it wrote: then nobody ends what the reader waits for.
                    pipe.wake()
                self.tell_progress(f"{snapshot.store} {snapshot.part}", consumer.read_bytes(), snapshot.bytes)
                time.sleep(0.05)
            if producer.code is None and consumer.code:
                raise SourceError(f"{snapshot.store} cannot be written here: {_reason(consumer, directory)}.")
            if producer.wait():
                raise TargetError(repository.why(producer))
            if consumer.wait():
                raise SourceError(f"{snapshot.store} cannot be written here: {_reason(consumer, directory)}.")
        finally:
            for process in (producer, consumer):
                if process:
                    process.end()
            pipe.remove()


def _reason(consumer, directory):
    # tar does not always say so.
    if directory and places.free(directory) < FULL:
        return f"the disk of {directory} is full"
    return consumer.said.rstrip(".")


def in_order(services, needs):
    """Services, each before those that it needs; by name where that leaves a choice."""
    return [service for level in levels(services, needs) for service in level]


def levels(services, needs):
    """[services] that do not need each other, each list before those that it needs; by name within one."""
    left, found = sorted(services), []
    while left:
        needed = {name for service in left for name in needs.get(service, []) if name != service}
        # A circle is no fault of whoever restores.
        found.append([service for service in left if service not in needed] or left[:1])
        left = [service for service in left if service not in found[-1]]
    return found
