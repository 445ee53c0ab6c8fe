# Managed by trenova.selfhost.
"""What the host keeps of a mirror between two syncs, and while one is at work."""

from __future__ import annotations

import contextlib
import os

from trenova_backup.mirror.lists import flagged, merged, path_of, read, sort
from trenova_backup.mirror.steps import INSIDE


class Work:
    """The directory of a store and a target on the host: the list, what a running sync knows, files for containers."""

    def __init__(self, directory, target, store):
        self._inside = f"{INSIDE}/{target}/{store}"
        self._directory = os.path.join(directory, target, store)
        owner = os.stat(directory)
        for path in (os.path.join(directory, target), self._directory):
            if not os.path.isdir(path):
                os.mkdir(path, 0o700)
                os.chown(path, owner.st_uid, owner.st_gid)
        lists = sorted(name[5:] for name in os.listdir(self._directory) if name.startswith("list-"))
        self.base = None
        if lists:
            self.use(lists[-1])

    def use(self, base):
        """Take the list of a stamp for what is known."""
        self.base = base
        self.list, self.journal = self.path("list-" + base), self.path("journal-" + base)
        self._unlisted = self.path(f"journal-{base}-unlisted")

    @property
    def is_unlisted(self):
        """Whether the list knows more than the one of the target that it was made of, which is then to be made anew."""
        return os.path.exists(self._unlisted)

    def note_unlisted(self):
        """Note that it does, before it does."""
        with open(self._unlisted, "w", encoding="utf-8") as stream:
            os.fsync(stream.fileno())

    def path(self, name):
        """A file, on the host."""
        return os.path.join(self._directory, name)

    def inside(self, name):
        """A file, as containers see it."""
        return f"{self._inside}/{name}"

    @contextlib.contextmanager
    def write(self, name):
        """Write a file that is there as a whole or not at all."""
        with open(self.path("new"), "w", encoding="utf-8", newline="\n") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(self.path("new"), self.path(name))

    def empty(self, name):
        """Write an empty file."""
        with self.write(name):
            pass

    def write_names(self, name, paths):
        """Write the paths of objects for rclone."""
        with self.write(name) as stream:
            stream.writelines(path + "\n" for path in paths)

    def note(self, notes):
        """Note in the journal that `current` holds (=) or does not hold (-) the line of a list."""
        notes = list(notes)
        if notes:
            with open(self.journal, "a", encoding="utf-8", newline="\n") as stream:
                stream.writelines(f"{sign}\t{line}\n" for sign, line in notes)
                stream.flush()
                os.fsync(stream.fileno())

    def mark(self, marks):
        """Note the marks, or the MD5 that was read, of {path: mark}; `current` holds what the list says otherwise."""
        if marks:
            self.note(("=", flagged(line, marks[path_of(line)])) for line in read(self.list) if path_of(line) in marks)

    def merge(self, into):
        """Write the list with what the journal knows."""
        with self.write("notes") as stream:
            stream.writelines(note + "\n" for note in read(self.journal))
        sort(self.path("notes"), 2)
        with self.write(os.path.basename(into)) as stream:
            stream.writelines(line + "\n" for line in merged(read(self.list), read(self.path("notes"))))

    def forget(self):
        """Remove what is known."""
        for name in os.listdir(self._directory):
            if name.startswith(("list-", "journal-")):
                os.unlink(self.path(name))

    def tidy(self):
        """Remove all but what is known."""
        for name in os.listdir(self._directory):
            if not name.startswith(("list-" + (self.base or ""), "journal-" + (self.base or ""))):
                os.unlink(self.path(name))
