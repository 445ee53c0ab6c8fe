# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Logins of registries in root's Docker configuration, which an administrator may use too.

They are merged on the host, unlike daemon.json: his passwords stand in the same file, and nobody but Docker needs
to see them.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import os

from ansible_collections.trenova.selfhost.plugins.module_utils import host
from ansible_collections.trenova.selfhost.plugins.module_utils.files import ManagedFile

#: The name that Docker's client gives to Docker Hub.
HUB_KEY = "https://index.docker.io/v1/"
HUB_NAMES = ("docker.io", "index.docker.io", "registry-1.docker.io")


class LoginError(Exception):
    """The logins cannot be kept in the file that is there."""


def key_of(registry):
    """Name of a registry in Docker's configuration."""
    return HUB_KEY if registry in HUB_NAMES else registry


def encoded(logins):
    """{registry: {username, password}} as one text for a module's arguments, which the host's journal shows.

    In base64, so that no part of it stands there letter by letter where a mask would be needed.
    """
    plain = {name: {part: str(entry[part]) for part in ("username", "password")} for name, entry in logins.items()}
    return base64.b64encode(json.dumps(plain, sort_keys=True).encode("utf-8")).decode("ascii") if plain else ""


def auth(entry):
    """User and password as Docker's configuration holds them."""
    return base64.b64encode("{username}:{password}".format(**entry).encode("utf-8")).decode("ascii")


def masked(logins):
    """All texts that must be masked wherever they turn up."""
    return [text for entry in logins.values() for text in (str(entry["password"]), auth(entry))]


def config_path():
    """Docker's configuration of the user that runs this, as Docker's client finds it."""
    folder = os.environ.get("DOCKER_CONFIG") or os.path.join(os.path.expanduser("~"), ".docker")
    return os.path.realpath(os.path.join(folder, "config.json"))


class DockerLogins:
    """What is wanted, what is there, and what of that is ours.

    wanted: what `encoded` made. record: what `entries` told when they were written, a digest of each, so that one which
    the administrator replaced since is known as his.
    """

    def __init__(self, wanted, record, path=None):
        logins = json.loads(base64.b64decode(wanted).decode("utf-8")) if wanted else {}
        self.wanted = {key_of(registry): auth(entry) for registry, entry in logins.items()}
        self.path = path or config_path()
        found = host.read_json(self.path)
        self.is_broken = self._is_broken(found)
        #: Why the file cannot take our logins; None when it can, or need not.
        self.fault = self._fault(found)
        self.found = {} if self.is_broken else found or {}
        self.record = record
        self.config = self._merged()

    @staticmethod
    def _is_broken(found):
        if found is None:
            return False
        return not isinstance(found, dict) or "unreadable" in found or not isinstance(
            found.get("auths"), (dict, type(None)))

    def _fault(self, found):
        if not self.wanted:
            return None
        if self.is_broken:
            return f"{self.path} is no valid configuration of Docker"
        helpers = (found or {}).get("credHelpers") or {}
        covered = sorted(key for key in self.wanted if helpers.get(key, (found or {}).get("credsStore")))
        if covered:
            return "{} leaves the logins of {} to a program (credsStore, credHelpers), so one in the file counts for " \
                "nothing".format(self.path, ", ".join(covered))
        return None

    def _merged(self):
        result = copy.deepcopy(self.found)
        auths = result["auths"] = result.get("auths") or {}
        for key, written in self.record.items():
            if key not in self.wanted and written == digest(auths.get(key)):
                del auths[key]
        for key, value in self.wanted.items():
            if (auths.get(key) or {}).get("auth") != value:
                auths[key] = {"auth": value}
        if not auths:
            del result["auths"]
        return result

    def changed(self):
        """Registries whose login is written or removed."""
        before, after = self.found.get("auths") or {}, self.config.get("auths") or {}
        return sorted(key for key in {*before, *after} if before.get(key) != after.get(key))

    def files(self):
        """Docker's configuration where it differs from what is wanted."""
        # Where nothing of ours is wanted or there, even the mode is the administrator's own affair.
        if self.is_broken or not (self.wanted or self.changed()):
            return []
        text = json.dumps(self.config, indent="\t") + "\n"
        managed = ManagedFile(self.path, text, "0600", os.geteuid(), os.getegid(), secret=True)
        return [managed] if managed.differs() else []

    def entries(self):
        """What the caller has to remember: a digest of each entry that is ours."""
        return {key: digest(self.config["auths"][key]) for key in sorted(self.wanted)}

    def diff(self):
        """What changes, by the names of the registries only."""
        before, after = self.found.get("auths") or {}, self.config.get("auths") or {}
        changed = self.changed()

        def listed(auths, word):
            return "".join(f"login of {key}{word if key in before and key in after else ''}\n"
                           for key in changed if key in auths)

        return {"before": listed(before, ""), "after": listed(after, " (another one)"),
                "before_header": self.path, "after_header": self.path + " (mode 0600)"}

    def write(self):
        """Write what differs."""
        if self.fault:
            raise LoginError(self.fault)
        for managed in self.files():
            if not os.path.isdir(os.path.dirname(managed.path)):
                os.makedirs(os.path.dirname(managed.path), mode=0o700)
            managed.write()

    def login(self, registry):
        """Login that Docker will use: None, (user, password), or "helper" where only a program can tell."""
        key = key_of(registry)
        helpers = self.found.get("credHelpers") or {}
        if helpers.get(key, self.found.get("credsStore")):
            return "helper"
        entry = (self.config.get("auths") or {}).get(key) or {}
        if entry.get("identitytoken"):
            return "helper"
        try:
            user, _colon, password = base64.b64decode(entry.get("auth") or "").decode("utf-8").partition(":")
        except ValueError:
            return None
        return (user, password) if user else None


def digest(entry):
    """What the record keeps of an entry. The file is as private as the entry itself."""
    return hashlib.sha256(json.dumps(entry, sort_keys=True).encode("utf-8")).hexdigest() if entry else None
