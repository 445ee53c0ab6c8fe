# Managed by trenova.selfhost.
"""Directories that take the place of others by a change of names, so that neither is ever half there."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil

#: What file systems keep at their root.
LOST = "lost+found"
#: What is beside a directory, by the begin of its name.
OURS = ("before-", "restored", "upgraded")


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
    elif os.path.exists(new):
        _drop_ours(new, path)
        if os.path.exists(path):
            _like(new, path)
            # With a copy from before an interruption, this is what somebody has made since.
            os.rename(path, copy if not os.path.exists(copy) else _free_name(copy))
        os.rename(new, path)
    for below in keep:
        if os.path.isdir(os.path.join(copy, below)) and not os.path.exists(os.path.join(path, below)):
            os.makedirs(os.path.dirname(os.path.join(path, below)), exist_ok=True)
            os.rename(os.path.join(copy, below), os.path.join(path, below))
    _sync(path if os.path.ismount(path) else os.path.dirname(path))


def _change_contents(new, path, copy):
    """The same within the root of a disk, which cannot get another name.

    The new directory's own name tells how far it is: as it was while the old contents go, `.moving` while its own come,
    `.moved` once it is empty.
    """
    moving, moved = new + ".moving", new + ".moved"
    if os.path.exists(new):
        _drop_ours(new, path)
        if not os.path.exists(copy):
            os.mkdir(copy, 0o700)
            # PostgreSQL reads all that is below its directory when it is saved, and fails at what it may not read.
            _like(copy, path)
        for name in os.listdir(path):
            if name != LOST and not _is_ours(name, path):
                os.rename(os.path.join(path, name), os.path.join(copy, name))
        os.rename(new, moving)
    if os.path.exists(moving):
        for name in os.listdir(moving):
            if name != LOST:
                os.rename(os.path.join(moving, name), os.path.join(path, name))
        os.rename(moving, moved)
    remove(moved)


def _is_ours(name, path):
    """Whether a name below the root of a disk is that of something that waits for its place, or was there."""
    return name.startswith(tuple(f".{os.path.basename(path)}.{word}" for word in OURS))


def _drop_ours(new, path):
    """Remove from what comes back the copies of earlier restores: where they lay below the root, they were saved."""
    for name in os.listdir(new):
        if _is_ours(name, path):
            remove(os.path.join(new, name))


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


def size_of(path, without=()):
    """Bytes on the disk of all that is below a path. without: paths below it that do not count."""
    total, left_out = 0, {os.path.join(path, name) for name in without}
    for folder, names, files in os.walk(path):
        names[:] = [name for name in names if os.path.join(folder, name) not in left_out]
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
