# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The list of Compose files in .env, so that plain `docker compose` works in the project's directory."""

from __future__ import annotations

import glob
import os
import threading

from ansible_collections.trenova.selfhost.plugins.module_utils.files import ManagedFile

BASE = "compose.yaml"


class Fragments:
    """The Compose files of a project: the base file and one fragment for each service that has containers."""

    def __init__(self, project):
        self.project = project
        self.directory = project["directory"]
        # Services that start side by side write the list.
        self.lock = threading.Lock()

    def fragment(self, name):
        """Path of the fragment of a service."""
        return os.path.join(self.directory, name, BASE)

    def wrong(self, without=()):
        """The list as it shall be, where it is another one; None where it is right, or nothing is to be listed."""
        found = sorted(set(glob.glob(self.fragment("*"))) - set(without))
        if not found and not os.path.exists(os.path.join(self.directory, BASE)):
            return None
        names = [BASE] + [os.path.relpath(path, self.directory) for path in found]
        content = (
            "# Managed by trenova.selfhost: the files that make up this project.\n"
            "COMPOSE_PROJECT_NAME={}\nCOMPOSE_FILE={}\n".format(self.project["name"], ":".join(names)))
        listing = ManagedFile(os.path.join(self.directory, ".env"), content, "0644", 0, 0)
        return listing if listing.differs() else None

    def list(self, without=()):
        """Write what is there, `without` fragments that are about to go: Compose stops at a name of no file."""
        with self.lock:
            listing = self.wrong(without)
            if listing:
                listing.write()
