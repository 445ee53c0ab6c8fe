# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Directories of services: made as they shall be, or taken as a share gives them; and on which disk they lie.

A share may have owners and modes of its own (CIFS, FAT), or not let root change them (NFS with root_squash). What
counts is that the service can write.
"""

from __future__ import annotations

import errno
import os
import subprocess

from ansible_collections.trenova.selfhost.plugins.module_utils import engine, files, mounts

#: File systems whose owners are those of the mount.
OWNED_BY_MOUNT = ("vfat", "msdos", "exfat", "ntfs", "ntfs3", "fuseblk", "cifs", "smb3", "9p", "hfsplus")
CIFS = ("cifs", "smb3")
TRY_SECONDS = 60
#: Run by the user in question: nobody else can tell whether he may write there. By its handle, because parents may be
#: closed to him: what is mounted into a container is looked up by root.
TRY = "cd /proc/self/fd/$1 && mkdir .trenova-try && rmdir .trenova-try"


class CannotBeUsed(OSError):
    """A directory has another owner than it shall have, and who shall have it cannot write there."""


def wrong(entry, accepted=None):
    """Whether a directory is not as it shall be, nor as it was accepted before (mode, owner and group)."""
    path = entry["path"]
    if not files.attributes_differ(path, int(entry["mode"], 8), entry["owner"], entry["group"]):
        return False
    return not accepted or not os.path.isdir(path) or files.attributes_of(path) != accepted


def ensure(entry):
    """Make a directory, or mend it. Returns its attributes where they are other ones and it can be used; else None.

    Raises CannotBeUsed, with what to do, and OSError where it cannot be made at all.
    """
    path, mode, owner, group = entry["path"], int(entry["mode"], 8), entry["owner"], entry["group"]
    try:
        files.ensure_directory(path, mode, owner, group)
    except OSError:
        # Each kind of share has a word of its own for no.
        if not os.path.isdir(path):
            raise
    if not files.attributes_differ(path, mode, owner, group):
        return None
    fault = fault_of_writing(path, owner, group)
    if fault:
        raise CannotBeUsed(refusal(path, mode, owner, group, fault))
    return files.attributes_of(path)


def fault_of_writing(path, owner, group):
    """Why a user cannot write in a directory, whatever its attributes say; None where he can."""
    handle = os.open(path, os.O_PATH | os.O_DIRECTORY)
    try:
        done = engine.run(
            ["/bin/sh", "-c", TRY, "sh", str(handle)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/",
            pass_fds=[handle], user=owner, group=group, extra_groups=[], timeout=TRY_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    finally:
        os.close(handle)
    lines = done.stderr.strip().splitlines()
    return None if done.returncode == 0 else (lines[-1] if lines else "it failed")


def refusal(path, mode, owner, group, fault):
    """What to tell of a directory that cannot be used."""
    mount, kind, _device = mounts.filesystem(path)
    if os.strerror(errno.EROFS) in fault:
        return f"{path} cannot be written: the file system ({kind}, mounted on {mount}) is read-only. Mount it rw"
    return (
        f"{path} does not belong to user {owner}, who has to write there ({fault}); the file system ({kind}, mounted "
        f"on {mount}) does not let root change that. {remedy(kind, mode, owner, group)}")


def remedy(kind, mode, owner, group):
    """What gives a directory on a file system of this kind to a user."""
    if kind in CIFS:
        return f"Mount it with uid={owner},gid={group},dir_mode={mode:04o},file_mode=0600"
    if kind in OWNED_BY_MOUNT:
        return f"Mount it with uid={owner},gid={group},umask={0o777 & ~mode:03o}"
    return f"On the server that exports it: chown {owner}:{group} and chmod {mode:04o}, of the directory"


def places(entries):
    """{path: mount point of its file system} of the directories with data among some."""
    paths = [entry["path"] for entry in entries if entry.get("data")]
    among = mounts.mounted() if paths else []
    return {path: mounts.filesystem(path, among)[0] for path in paths}


def is_empty(path):
    """Whether there is nothing in a directory, or no such directory."""
    try:
        # Of a disk that was just formatted.
        return set(os.listdir(path)) <= {"lost+found"}
    except OSError:
        return True
