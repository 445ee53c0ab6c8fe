# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A set of files and directories on the managed host: compared, written atomically, put back on failure."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile

#: Begin of the names of files that are written before they take another one's place.
TEMPORARY = ".trenova-"


class ManagedFile:
    """One file with its wanted content, owner and mode."""

    def __init__(self, path, content, mode, owner, group, secret=False):
        self.path = path
        self.content = content.encode("utf-8")
        self.mode = int(mode, 8)
        self.owner = owner
        self.group = group
        self.secret = secret
        self.before = self._read()

    def _read(self):
        try:
            with open(self.path, "rb") as stream:
                return stream.read()
        except FileNotFoundError:
            return None

    def content_differs(self):
        """Whether the content on the host is another one."""
        return self.before != self.content

    def differs(self):
        """Whether content, owner or mode on the host are other ones."""
        return self.content_differs() or attributes_differ(self.path, self.mode, self.owner, self.group)

    def diff(self):
        """Difference in the form that Ansible prints. Of a secret it says only that there is one."""
        before, after = (self.before or b"").decode("utf-8", "replace"), self.content.decode("utf-8")
        if self.secret:
            before = "" if self.before is None else "(the secret that was there)\n"
            after = "(a secret)\n" if self.content_differs() else before
        header = f"{self.path} (mode {self.mode:04o}, owner {self.owner}:{self.group})"
        return {"before": before, "after": after, "before_header": self.path, "after_header": header}

    def write(self):
        """Write the wanted content so that a reader sees either the old file or the new one."""
        os.makedirs(os.path.dirname(self.path), mode=0o755, exist_ok=True)
        _replace(self.path, self.content, self.mode, self.owner, self.group)

    def restore(self):
        """Put back what was there before, or nothing where there was nothing."""
        if self._read() == self.before:
            return
        if self.before is None:
            if os.path.exists(self.path):
                os.unlink(self.path)
        else:
            _replace(self.path, self.before, self.mode, self.owner, self.group)


class RecordedFile:
    """A file of which only the digest of the wanted content is known."""

    def __init__(self, path, sha256, mode, owner, group):
        self.path = path
        self.sha256 = sha256
        self.mode = int(mode, 8)
        self.owner = owner
        self.group = group

    def differs(self):
        """Whether content, owner or mode on the host are other ones."""
        if attributes_differ(self.path, self.mode, self.owner, self.group):
            return True
        with open(self.path, "rb") as stream:
            return sha256(stream.read()) != self.sha256


def sha256(content):
    """Digest of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def attributes_differ(path, mode, owner, group):
    """Whether a path is absent or has another mode, owner or group."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return True
    return stat.S_IMODE(found.st_mode) != mode or found.st_uid != owner or found.st_gid != group


def ensure_directory(path, mode, owner, group):
    """Create a directory (its missing parents as root, 0755) or mend its attributes.

    A link is followed, also to where nothing is yet.
    """
    path = os.path.realpath(path)
    if not os.path.isdir(path):
        parent = os.path.dirname(path)
        os.makedirs(parent, mode=0o755, exist_ok=True)
        os.mkdir(path)
    os.chown(path, owner, group)
    os.chmod(path, mode)


def attributes_of(path):
    """[mode, owner, group] of a path as it is."""
    found = os.stat(path)
    return [stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid]


def _replace(path, content, mode, owner, group):
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=TEMPORARY)
    try:
        with os.fdopen(handle, "wb") as stream:
            os.fchown(stream.fileno(), owner, group)
            os.fchmod(stream.fileno(), mode)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
