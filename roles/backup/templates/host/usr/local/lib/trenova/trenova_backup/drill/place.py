# Managed by trenova.selfhost.
"""Where a drill is: a project and directories of its own, which are there while it lasts and no longer."""

from __future__ import annotations

import contextlib
import copy
import os
import shutil
import subprocess

from trenova_backup.drill.project import Drill, container
from trenova_backup.engine import Engine
from trenova_backup.errors import BackupError
from trenova_backup.settings import Settings

NAME = "{}-drill"
SECONDS = 300
ELSEWHERE = "elsewhere"
#: Says that a directory is that of a drill.
MARK = ".drill-of-trenova"


def of(settings):
    """The drill of an installation on this host, which is its own, or only lends itself for drills."""
    data_dir = settings["data_dir"]
    return within(settings, os.path.join(data_dir, "drill") if settings.get("away") else root_of(data_dir))


def within(settings, root, **more):
    """The drill of an installation below a directory. more: what `project.Drill` has besides."""
    # Directories of services that lie elsewhere.
    places = {settings["data_dir"]: os.path.join(root, "data")}
    for store in settings.stores:
        path = store.get("path")
        if path and path != settings["project_dir"] and not (path + "/").startswith(settings["data_dir"] + "/"):
            places[path] = os.path.join(root, ELSEWHERE, path.strip("/"))
    return Drill(
        NAME.format(settings["project"]), root, (*places.items(), *more.pop("places", ())),
        tuple(settings["drill"]["containers"]), tuple(settings["jobs"]), **more)


def root_of(data_dir):
    """The directory of a drill, on the disk of the data: beside them, or below where they are the root of a disk."""
    return os.path.join(data_dir, ".drill") if os.path.ismount(data_dir) else data_dir.rstrip("/") + "-drill"


def settings_of(settings, drill, services):
    """The settings with which a restore works in the place of a drill. services: names in its file of Compose."""
    content = copy.deepcopy(settings.content)
    content.update(
        project=drill.name, project_dir=os.path.join(drill.root, "project"), data_dir=drill.place(settings["data_dir"]),
        jobs=[job for job in settings["jobs"] if job in services], schedules=[], mail={}, webhook={})
    for store in content["stores"]:
        if store.get("path"):
            store["path"] = drill.place(store["path"]) or store["path"]
        if store.get("container"):
            store["container"] = container(store["container"])
    return Settings(content)


def make(drill):
    """Make the directory of a drill, which nobody of this host has to enter: containers are given what they mount."""
    os.makedirs(drill.root, mode=0o700)
    with open(os.path.join(drill.root, MARK), "w", encoding="utf-8"):
        pass


def need_own(drill):
    """Raises BackupError where somebody else has something in the place of the drill."""
    if os.path.islink(drill.root) or os.path.isdir(drill.root) and MARK not in (os.listdir(drill.root) or [MARK]):
        raise BackupError(f"{drill.root} is there and is not of a drill, which would be made in its place. Nothing was "
                          "done. Move it away.")


def directories(mounted):
    """Make the directories that containers mount, each as the live one is. mounted: {directory: live directory}."""
    for path, live in sorted(mounted.items()):
        if os.path.isfile(live):
            # A file that something of ours has made; nobody saves it.
            os.makedirs(os.path.dirname(path), exist_ok=True)
            shutil.copy2(live, path)
            like(path, live)
            continue
        os.makedirs(path, exist_ok=True)
        like(path, live)


def like(path, live):
    """Give a path the owner and the mode of another one, where that is there."""
    if os.path.exists(live):
        told = os.stat(live)
        os.chown(path, told.st_uid, told.st_gid)
        os.chmod(path, told.st_mode & 0o7777)


def remove(drill):
    """Remove all of a drill, whether it runs or not. Raises BackupError where some of it stays."""
    if not Engine.runs():
        # Any command would start it.
        raise BackupError("The Docker Engine does not run. What there is of a drill goes when it runs again.")
    need_own(drill)
    label = "label=com.docker.compose.project=" + drill.name
    # What a command that was cut off goes on to make is there a moment later.
    for _attempt in range(3):
        _each(["ps", "--all", "--quiet", "--filter", label], ["rm", "--force", "--volumes"])
        for kind in ("network", "volume"):
            _each([kind, "ls", "--quiet", "--filter", label], [kind, "rm"])
        _clear(drill.root)
        left = remains(drill)
        if not left:
            return
    raise BackupError(f"A drill could not be removed: {', '.join(left)} stayed. Remove that by hand.")


def remains(drill):
    """What there is of a drill, as words."""
    label = "label=com.docker.compose.project=" + drill.name
    found = [f"container {name}" for name in _names("ps", "--all", "--filter", label, "--format", "{{.Names}}")]
    for kind in ("network", "volume"):
        found += [f"{kind} {name}" for name in _names(kind, "ls", "--filter", label, "--format", "{{.Name}}")]
    return found + ([drill.root] if os.path.lexists(drill.root) else [])


def _clear(root):
    """Remove a directory, its mark last: one that is cut off here is known again."""
    with contextlib.suppress(OSError):
        for name in os.listdir(root):
            path = os.path.join(root, name)
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path, ignore_errors=True)
            elif name != MARK:
                os.unlink(path)
        # What stays would be somebody else's without its mark, and no drill be made for ever.
        if os.listdir(root) == [MARK]:
            os.unlink(os.path.join(root, MARK))
        os.rmdir(root)


def _each(listing, command):
    names = _names(*listing)
    if names:
        _docker(*command, *names)


def _names(*words):
    return _docker(*words).stdout.split()


def _docker(*words):
    return subprocess.run(["docker", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          errors="replace", check=False, timeout=SECONDS)
