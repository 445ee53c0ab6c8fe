# Managed by trenova.selfhost.
"""Directories that take the place of others by a change of names, so that neither is ever half there."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil


def beside(path, name):
    """Where something can wait for the place of a directory: on the same disk, so that a change of names is enough.

    Below the directory itself where that is the root of a disk.
    """
    parent = path if os.path.ismount(path) else os.path.dirname(path)
    return os.path.join(parent, f".{os.path.basename(path)}.{name}")


def lay(new, path, copy, keep=()):
    """Let one directory take the place of another, which becomes the copy. It may be repeated wherever it was cut off.

    keep: paths below, which are stores by themselves and go along with the place.
    """
    if os.path.ismount(path):
        _change_contents(new, path, copy)
        return
    if os.path.exists(new):
        if os.path.exists(path):
            _like(new, path)
            # With a copy from before an interruption, this is what somebody has made since.
            os.rename(path, copy if not os.path.exists(copy) else _free_name(copy))
        os.rename(new, path)
    for below in keep:
        if os.path.isdir(os.path.join(copy, below)) and not os.path.exists(os.path.join(path, below)):
            os.makedirs(os.path.dirname(os.path.join(path, below)), exist_ok=True)
            os.rename(os.path.join(copy, below), os.path.join(path, below))
    _sync(os.path.dirname(path))


def _change_contents(new, path, copy):
    """The same within the root of a disk, which cannot get another name."""
    ours = f".{os.path.basename(path)}."
    if os.path.exists(new):
        if not os.path.exists(copy):
            os.mkdir(copy, 0o700)
        marker = os.path.join(new, ".moving")
        if not os.path.exists(marker):
            for name in os.listdir(path):
                if name != "lost+found" and not name.startswith(ours):
                    os.rename(os.path.join(path, name), os.path.join(copy, name))
            with open(marker, "w", encoding="utf-8"):
                pass
        for name in os.listdir(new):
            if name != ".moving":
                os.rename(os.path.join(new, name), os.path.join(path, name))
        shutil.rmtree(new)
    _sync(path)


def _free_name(path):
    return next(name for name in (f"{path}-{number}" for number in itertools.count(2)) if not os.path.exists(name))


def _like(new, path):
    """Give a directory the owner and the mode of another."""
    told = os.stat(path)
    os.chown(new, told.st_uid, told.st_gid)
    os.chmod(new, told.st_mode & 0o7777)


def own(path, owner):
    """Give all that is below to a user and a group, by number."""
    for folder, names, files in os.walk(path):
        for name in [*names, *files]:
            os.lchown(os.path.join(folder, name), *owner)
    os.lchown(path, *owner)


def remove(path):
    """Remove a directory, or nothing where it is not there."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path)


def size_of(path):
    """Bytes on the disk of all that is below a path."""
    total = 0
    for folder, _names, files in os.walk(path):
        for name in files:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
    return total


def _sync(path):
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
