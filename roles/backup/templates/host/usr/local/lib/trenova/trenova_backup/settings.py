# Managed by trenova.selfhost.
"""What there is to save, and where to: settings.json beside this package, which the playbook writes."""

from __future__ import annotations

import json
import os

from trenova_backup.errors import BackupError
from trenova_backup.pipes import Pipe

FILE = "settings.json"


class Settings:
    """The settings of an installation's backups on this host.

    project, project_dir, data_dir: of the Compose project. installation, host: names for people. jobs: services of
    Compose that may run for a backup. stores: what is saved, in the order in which it is. targets: where to. figures:
    numbers of the plan.
    """

    def __init__(self, content):
        self.content = content
        self.stores, self.targets = content["stores"], content["targets"]
        self.state_dir = os.path.join(content["data_dir"], "backup")
        #: When they were written to this host, in seconds; None where that is not known.
        self.written = None

    @classmethod
    def read(cls, directory):
        """Those of a host. Raises BackupError where there are none."""
        try:
            with open(os.path.join(directory, FILE), encoding="utf-8") as stream:
                settings = cls(json.load(stream))
                settings.written = os.fstat(stream.fileno()).st_mtime
                return settings
        except (OSError, ValueError) as error:
            raise BackupError(f"The settings of the backups cannot be read: {error}. Run the playbook.") from None

    def __getitem__(self, key):
        return self.content[key]

    @property
    def left_free(self):
        """Bytes that a run leaves free on each disk that it writes to."""
        return self["figures"]["left_free_bytes"]

    def get(self, key, otherwise=None):
        """A setting, where it is there."""
        return self.content.get(key, otherwise)

    def path(self, *words):
        """A path below the directory where backups keep what they know."""
        return os.path.join(self.state_dir, *words)

    def make_directory(self, *words):
        """A directory below that one which containers write to; its path."""
        path = self.path(*words)
        if not os.path.isdir(path):
            os.mkdir(path, 0o700)
            os.chown(path, *self["owner"])
        return path

    def pipe(self, name):
        """A new pipe between two containers."""
        return Pipe(self.path("pipes"), name)
