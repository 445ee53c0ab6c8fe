# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A host whose backups are made by the real restic, rclone and tar, without an Engine: jobs run on this machine.

    python -B backup_host.py DIRECTORY VERB...   as backup.py does it, to be killed
"""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from backup_figures import FIGURES
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.poly1305 import Poly1305

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "roles/backup/templates/host/usr/local/lib/trenova"
SCRIPTS = ROOT / "roles/backup/templates/config"
sys.path.insert(0, str(PROGRAM))
sys.dont_write_bytecode = True

from trenova_backup import engine, gate, main, records, runs  # noqa: E402  # found by the line above
from trenova_backup.repository import Snapshot  # noqa: E402
from trenova_backup.restore import verbs  # noqa: E402
from trenova_backup.settings import Settings  # noqa: E402

#: The image that has the programs, where the lab was here.
IMAGE = "trenova-lab/trenova/backup:1"
CACHE = ROOT / ".cache/programs"
NAMES = ("restic", "rclone")
OLDEST_RESTIC = (0, 17)
KEY = "key-of_a-test"
#: For a machine on which others work, too; less than restic waits for a lock that nobody holds any more.
PATIENCE_SECONDS = 550
#: PostgreSQL does not run as root.
USER = "nobody" if os.geteuid() == 0 else os.getuid()
POLICY = {"daily": 7, "weekly": 4, "monthly": 6, "cuts_hours": 24}


@functools.cache
def programs():
    """Directory of restic and rclone, as the image of the backups has them; None where they cannot be had."""
    found = [shutil.which(name) for name in NAMES]
    if all(found) and _is_new_enough(found[0]):
        return os.path.dirname(found[0])
    if not CACHE.exists():
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            _take_from_image()
    return str(CACHE) if CACHE.exists() and _is_new_enough(str(CACHE / "restic")) else None


def _is_new_enough(restic):
    with contextlib.suppress(OSError):
        told = subprocess.run([restic, "version"], capture_output=True, text=True, check=False).stdout
        version = re.search(r"restic (\d+)\.(\d+)", told)
        return version is not None and tuple(map(int, version.groups())) >= OLDEST_RESTIC
    return False


def _take_from_image():
    draft = CACHE.with_name(f"programs-{os.getpid()}")
    draft.mkdir(parents=True)
    container = subprocess.run(
        ["docker", "create", "--pull", "never", IMAGE], capture_output=True, text=True, check=True).stdout.strip()
    try:
        for name in NAMES:
            subprocess.run(["docker", "cp", "--quiet", f"{container}:/usr/bin/{name}", draft], check=True)
    finally:
        subprocess.run(["docker", "rm", container], capture_output=True, check=False)
    with contextlib.suppress(OSError):  # somebody was faster
        draft.rename(CACHE)
    shutil.rmtree(draft, ignore_errors=True)


class Engine(engine.Engine):
    """In the place of the Engine: a job's command runs here, and sees what its container would see."""

    def __init__(self, settings):
        super().__init__(settings)
        self._settings = settings

    @staticmethod
    def runs():
        return True

    def look(self):
        pass

    def fetch_images(self):
        pass

    def left(self):
        return []

    @staticmethod
    def remove(_containers):
        pass

    def prepare(self, *_jobs):
        pass

    def close(self):
        pass

    def services(self):
        return {}

    def stop(self, containers):
        assert not list(containers)

    def set_going(self, containers):
        assert not list(containers)

    def start(self, job, command, read_lines=None):
        inside = {f"/{name}/": self._settings.path(name) + "/" for name in ("pipes", "objects", "wal", "manifests")}
        inside["/run/trenova/"] = self._settings["project_dir"] + "/"
        words = [next((place + word[len(prefix):] for prefix, place in inside.items() if word.startswith(prefix)), word)
                 for word in command]
        process = engine.Process(words, read_lines, ending=lambda: end(process))
        return process


def end(process):
    """End all that a command has begun."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process._process.pid, signal.SIGKILL)


def cheapen(repository):
    """Have the key of a repository be derived from its password at once, and not in half a second each time.

    Its file is the master key, by AES-256-CTR with Poly1305-AES, under a key that scrypt makes of the password.
    """
    [path] = (repository / "keys").iterdir()
    told = json.loads(path.read_text())
    sealed = base64.b64decode(told["data"])
    costs = {"n": told["N"], "r": told["r"], "p": told["p"], "maxmem": 2**30}
    salt = base64.b64decode(told["salt"])
    start = sealed[:16]
    opened = _stream(hashlib.scrypt(KEY.encode(), salt=salt, dklen=64, **costs)[:32], start, sealed[16:-16])
    costs.update(n=2)
    derived = hashlib.scrypt(KEY.encode(), salt=salt, dklen=64, **costs)
    text = _stream(derived[:32], start, opened)
    once = Cipher(algorithms.AES(derived[32:48]), modes.ECB()).encryptor().update(start)  # noqa: S305  # as restic does
    told.update(N=2, data=base64.b64encode(
        start + text + Poly1305.generate_tag(derived[48:] + once, text)).decode())
    content = json.dumps(told).encode()
    path.unlink()
    (path.parent / hashlib.sha256(content).hexdigest()).write_bytes(content)


def _stream(key, start, text):
    return Cipher(algorithms.AES(key), modes.CTR(start)).encryptor().update(text)


class Host:
    """A host with a directory and objects to save, and one or more directories to save them to."""

    def __init__(self, root, *targets, objects=False, database=None):
        self.root = pathlib.Path(root)
        for name in (
                *(f"backup/{part}" for part in ("pipes", "records", "objects", "wal", "manifests")), "papers", "config",
                "secrets/targets", "bin", "bucket/letters"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        for script in SCRIPTS.glob("*.sh"):
            (self.root / "config" / script.name).write_text(
                script.read_text().replace("/tmp/", f"{self.root}/").replace("/run/trenova", str(self.root)))  # noqa: S108
        (self.root / "secrets/targets/key").write_text(KEY)
        self.targets = {name: self.root / name for name in targets or ("one",)}
        remotes = ["[store-papers]", "type = alias", f"remote = {self.root}/bucket"]
        for name, path in self.targets.items():
            path.mkdir(exist_ok=True)
            remotes += [f"[objects-{name}]", "type = crypt", f"remote = {path}/objects"]
        (self.root / "rclone.conf").write_text("\n".join(remotes))
        stores = [{"store": "desk", "name": "desk", "kind": "directory", "title": "Desk", "service": "desk",
                   "job": "backup-directory", "inside": str(self.root / "papers"), "path": str(self.root / "papers"),
                   "without": []}]
        stores += [{"store": "papers", "name": "papers", "kind": "objects", "title": "Papers",
                    "job": "backup-objects"}] if objects else []
        stores += [database] if database else []
        told = {
            "project": "trenova", "project_dir": str(self.root), "data_dir": str(self.root), "installation": "erp1",
            "host": "erp1", "keeper": socket.gethostname(), "jobs": [], "full_days": 7, "record": "", "schedules": [],
            "figures": FIGURES, "owner": [os.getuid(), os.getgid()], "retention": POLICY, "mail": {}, "webhook": {},
            "stores": stores,
            "targets": [{"name": name, "kind": "directory", "repository": f"{path}/restic", "directory": str(path)}
                        for name, path in self.targets.items()]}
        (self.root / "settings.json").write_text(json.dumps(told))
        self.settings = Settings(told)
        self.environment = {
            "PATH": f"{self.root}/bin:{programs()}:{os.environ['PATH']}", "RCLONE_CONFIG": f"{self.root}/rclone.conf",
            "RESTIC_PASSWORD_FILE": f"{self.root}/secrets/targets/key", "RESTIC_PROGRESS_FPS": "1",
            "RESTIC_FROM_PASSWORD_FILE": f"{self.root}/secrets/targets/key", "RESTIC_CACHE_DIR": f"{self.root}/cache"}

    def restic(self, *words, target="one"):
        """What restic says, run by hand."""
        return subprocess.run(
            [f"{programs()}/restic", "--repo", self.targets[target] / "restic", *words], capture_output=True, text=True,
            check=False, env=dict(os.environ, **self.environment))

    def make_repositories(self):
        """As the playbook does."""
        for name in self.targets:
            done = self.restic("init", target=name)
            assert done.returncode == 0, done.stderr

            cheapen(self.targets[name] / "restic")

    def start(self, *words):
        """Start the program in a group of its own, with its output in a file."""
        with open(self.root / "said", "w", encoding="utf-8") as said:
            return subprocess.Popen(
                [sys.executable, "-B", __file__, self.root, *words], stdout=said, stderr=said,
                env=dict(os.environ, **self.environment), start_new_session=True)

    def program(self, *words):
        """Run the program to its end: (exit code, what it said)."""
        code = self.start(*words).wait(PATIENCE_SECONDS)
        return code, (self.root / "said").read_text()

    def write(self, name, size):
        """Have a file of so many random bytes in the directory."""
        (self.root / "papers" / name).write_bytes(os.urandom(size))

    def snapshots(self, target="one"):
        """What a target holds, but for records."""
        told = json.loads(self.restic("snapshots", "--json", "--no-lock", target=target).stdout or "[]")
        return [found for found in map(Snapshot, told) if found.part != "record"]

    def holds(self, snapshot, target="one"):
        """The files of a snapshot of the directory, as its archive lists them."""
        dumped = subprocess.run(
            [f"{programs()}/restic", "--repo", self.targets[target] / "restic", "dump", "--no-lock", snapshot.id,
             "/" + snapshot.file], capture_output=True, check=True, env=dict(os.environ, **self.environment)).stdout
        return subprocess.run(
            ["tar", "--list"], input=dumped, capture_output=True, check=True).stdout.decode().split()

    def records(self):
        """The records of all runs, oldest first."""
        return records.read(self.settings, time.time())


class Postgres:
    """A server of PostgreSQL that runs on this machine, and the store that it is.

    programs: the folder of its programs, those that the machine finds by default. made: more options of initdb.
    """

    def __init__(self, programs="", made=(), **settings):
        self._environment = dict(os.environ, PATH=os.pathsep.join(filter(None, (programs, os.environ["PATH"]))))
        # pytest's own directories are closed to others.
        self.root = pathlib.Path(tempfile.mkdtemp())
        self.root.chmod(0o711)
        self.data, self.place = self.root / "data", self.root / "sockets"
        for path in (self.data, self.place):
            path.mkdir()
            shutil.chown(path, USER)
        self._as_user(
            "initdb", "--pgdata", self.data, "--auth", "trust", "--username", "postgres", "--no-sync", *made)
        told = dict(settings, listen_addresses="", unix_socket_directories=self.place, fsync="off", wal_level="replica")
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as stream:
            stream.writelines(f"{name} = '{value}'\n" for name, value in told.items())
        self.start()
        self.store = {
            "store": "rows", "name": "rows", "kind": "postgres", "title": "Rows", "service": "rows", "job": "rows",
            "restore_job": "", "physical": True, "incremental": False, "databases": ["postgres"], "port": 5432,
            "host": str(self.place), "login": "postgres", "sslmode": "disable", "ca": False, "slot": "trenova_backup",
            "path": str(self.data), "figures": FIGURES, "owner": [os.getuid(), os.getgid()]}

    def _as_user(self, *words):
        # The program is looked for by the path of the environment.
        done = subprocess.run(
            ["env", *map(str, words)], user=USER, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            check=False, cwd="/", stdin=subprocess.DEVNULL, env=self._environment)
        assert done.returncode == 0, done.stderr

    def ask(self, statement, database="postgres"):
        """The answer of the server."""
        return subprocess.run(
            ["psql", "--no-psqlrc", "-qAt", "--host", self.place, "--username", "postgres", "--dbname", database,
             "--set", "ON_ERROR_STOP=1"], input=statement,
            capture_output=True, text=True, check=True).stdout.strip()

    def start(self):
        """Start the server."""
        self._as_user("pg_ctl", "--pgdata", self.data, "--silent", "--wait", "--log", self.place / "log", "start")

    def stop(self, mode="fast"):
        """Stop the server."""
        self._as_user("pg_ctl", "--pgdata", self.data, "--silent", "--mode", mode, "stop")

    def end(self):
        """Stop the server, and remove what it had."""
        if (self.data / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self.root)


def run(root, words):
    """The program, with an Engine that is none."""
    root = pathlib.Path(root)
    told = json.loads((root / "settings.json").read_text())
    # What is left alone of a disk is more than those of tests have.
    told["figures"]["left_free_bytes"] = int(os.environ.get("LEFT_ALONE", "0"))
    settings = Settings(told)
    for module in (main, runs, verbs):
        module.Engine = Engine
    Settings.read = classmethod(lambda cls, _directory: settings)
    gate.guarded = lambda _is_open: contextlib.nullcontext()
    return main.main(words)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2:]))
