# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which packages of Docker a host lacks, and from where they come: always from where its Engine has come.

What is there is somebody's choice. A part that is missing is added from the same source; an Engine that does not run is
started; nothing is replaced that anybody runs containers on.
"""

from __future__ import annotations

import re

from ansible_collections.trenova.selfhost.plugins.plugin_utils.compose import version_tuple

#: Package that tells where the Engine has come from.
ORIGINS = {"docker-ce": "docker", "docker.io": "distribution"}
#: What the packages of the one source cannot stand beside, of the other or of somebody else.
#: The first three go with an Engine of the other one.
CONFLICTS = {
    "docker": ("containerd", "runc", "docker.io", "podman-docker", "moby-engine"),
    "distribution": ("containerd.io", "docker-ce", "docker-ce-cli", "podman-docker", "moby-engine")}
#: Where our entry of Docker's repository stands, and its key.
APT_FILE, APT_KEY = "/etc/apt/sources.list.d/docker.sources", "/etc/apt/keyrings/docker.asc"
DNF_FILE = "/etc/yum.repos.d/docker-ce-stable.repo"
APT_COMPONENT = "stable"


class Packages:
    """What is to be done about Docker's packages on a host.

    capacity: what was measured of it. settings: source (auto, distribution, docker, none), engine_minimum,
    compose_minimum, repository_url, and the names of packages, of the source `docker` as vendor, of the distributions
    by their release, each as {engine: [...], tools: [...]}: what runs containers, and what commands it.
    """

    def __init__(self, capacity, settings):
        self.settings = settings
        self.docker = capacity["docker"]
        self.distribution = capacity["distribution"]
        packages = capacity.get("packages") or {}
        self.installed = packages.get("installed") or []
        self.manager = packages.get("manager")
        self.release = packages.get("release")
        self.repositories = packages.get("repositories") or []
        self.bystanders = sorted(
            container["name"] for container in capacity.get("containers", [])
            if container.get("state") == "running" and not container.get("role"))

    # -- What is there ------------------------------------------------------------------------------------------------

    @property
    def has_engine(self):
        """Whether there is an Engine, running or not."""
        return bool(self.docker.get("installed") or self.docker.get("version"))

    @property
    def is_stopped(self):
        """Whether there is an Engine that does not answer."""
        return self.has_engine and not self.docker.get("version")

    @property
    def is_old(self):
        """Whether the Engine is older than it may be."""
        version = self.docker.get("version") or self.docker.get("installed_version")
        return self.has_engine and bool(version) and _is_below(version, self.settings["engine_minimum"])

    @property
    def lacks_compose(self):
        """Whether Compose is missing or too old."""
        version = self.docker.get("compose_version")
        return not version or _is_below(version, self.settings["compose_minimum"])

    @property
    def origin(self):
        """Where the Engine has come from: docker, distribution, or None where no package of ours tells."""
        return next((origin for name, origin in ORIGINS.items() if name in self.installed), None)

    # -- What is wanted -----------------------------------------------------------------------------------------------

    @property
    def source(self):
        """Where packages come from: docker or distribution; None where that cannot be told."""
        chosen = self.settings["source"]
        if chosen in ("docker", "distribution"):
            return chosen
        if self.has_engine:
            return self.origin
        if "containerd.io" in self.installed:
            return "docker"
        return "distribution" if self._of_distribution() else "docker"

    def _of_distribution(self):
        key = "{}-{}".format(self.distribution.get("id"), self.distribution.get("version"))
        return self.settings["distribution"].get(key)

    def _names(self):
        """Names of the packages of the source; None where it has none."""
        return self.settings["vendor"] if self.source == "docker" else self._of_distribution()

    @property
    def is_replaced(self):
        """Whether the Engine is to be that of another source than it is."""
        return self.has_engine and self.origin is not None and self.source != self.origin

    @property
    def is_due(self):
        """Whether anything is missing that packages bring."""
        return self.settings["source"] != "none" and (
            not self.has_engine or self.is_old or self.lacks_compose)

    @property
    def upgraded(self):
        """Packages that are there and too old."""
        names = self._names()
        if not self.is_due or not self.is_old or self.is_replaced or not names:
            return []
        return [*names["engine"], *(name for name in names["tools"] if name in self.installed)]

    @property
    def added(self):
        """Packages that are missing."""
        names = self._names()
        if not self.is_due or not names:
            return []
        if not self.has_engine or self.is_replaced:
            return [*names["engine"], *names["tools"]]
        return list(names["tools"]) if self.lacks_compose else []

    @property
    def is_incomplete(self):
        """Whether there is anything to be installed or started."""
        return bool(self.added or self.upgraded) or self.is_stopped

    @property
    def repository(self):
        """Entry of Docker's own repository that is needed; None where it is not, or where one of somebody's is used.

        removes_ours: an entry of ours stands beside one of somebody's, and with two keys apt reads neither.
        """
        if not (self.added or self.upgraded) or self.source != "docker":
            return None
        address, foreign = self._address(), self.foreign_entries()
        return {
            "address": address, "key": "{}/gpg".format(address if self.manager != "dnf" else "/".join(
                address.split("/")[:-3])),
            "suite": self.distribution.get("codename"), "writes": not foreign, "removes_ours": bool(foreign)}

    def _address(self):
        base = self.settings["repository_url"].rstrip("/")
        if self.manager != "dnf":
            return "{}/{}".format(base, self.distribution.get("id"))
        return f"{base}/{self._vendor()}/{self._major()}/$basearch/stable"

    def _vendor(self):
        return "fedora" if self.distribution.get("id") == "fedora" else "centos"

    def _major(self):
        """Docker's repositories are made for major releases, whatever minor one a host is kept at."""
        return str(self.distribution.get("version", "")).partition(".")[0]

    def foreign_entries(self):
        """Entries of Docker's repository that are not ours and are for this release."""
        if self.manager == "dnf":
            place = re.compile(re.escape(self.settings["repository_url"].rstrip("/")) + r"/[a-z]+/[^/]+/[^/]+/stable")
            return [entry for entry in self.repositories
                    if place.fullmatch(entry["address"]) and entry["file"] != DNF_FILE]
        return [
            entry for entry in self.repositories
            if entry["address"] == self._address() and entry["suite"] == self.distribution.get("codename")
            and (entry["file"], entry["signed_by"]) != (APT_FILE, APT_KEY)]

    def plan(self):
        """All of it, as the role works it off."""
        return {
            "added": self.added, "upgraded": self.upgraded, "installs": bool(self.added or self.upgraded),
            "repository": self.repository, "source": self.source,
            "is_stopped": self.is_stopped, "manager": self.manager}

    # -- What is wrong ------------------------------------------------------------------------------------------------

    def faults(self):
        """Why what is missing cannot be had: [(what, where, what to write instead)]."""
        if not self.is_due:
            return self._faults_of_none() if self.settings["source"] == "none" else []
        if self.source is None:
            version = self.docker.get("version") or self.docker.get("installed_version") or ""
            return [(
                f"Docker Engine {version} is of no package that is known here, and {self._what_is_missing()}.",
                self.docker.get("program") or "this host",
                "install what is missing from where that Engine came from; or remove it, and another one is installed")]
        if not self._names():
            return [self._fault_of_distribution()]
        found = self._faults_of_neighbours()
        if self.source == "docker":
            found += self._faults_of_repositories()
        return found

    def _what_is_missing(self):
        if self.is_old:
            return "it is older than {}".format(self.settings["engine_minimum"])
        version = self.docker.get("compose_version")
        if version:
            return "its Compose {} is older than {}".format(version, self.settings["compose_minimum"])
        return "its Compose (the plugin docker compose) is missing"

    def _faults_of_none(self):
        if not self.has_engine or not (self.is_old or self.lacks_compose):
            return []
        return [(
            f"Docker Engine is there, {self._what_is_missing()}, and docker_source is none.", "this host",
            "docker_source: auto; or install what is missing yourself")]

    def _fault_of_distribution(self):
        name = self.distribution.get("name", self.distribution.get("id"))
        if self.has_engine and self.settings["source"] != "distribution":
            return (
                f"Docker Engine is that of {name}, {self._what_is_missing()}, and {name} has nothing newer.",
                "packages of the host",
                "docker_source: docker, for Docker's own Engine in its place, which takes containers and volumes over; "
                "or the plugin in /usr/local/lib/docker/cli-plugins")
        return (
            f"docker_source is distribution, and the packages of {name} are too old.", "docker_source",
            "docker_source: auto")

    def _faults_of_neighbours(self):
        if (self.is_replaced or self.upgraded) and self.bystanders:
            what = "another Docker Engine" if self.is_replaced else f"a newer Docker Engine ({self._what_is_missing()})"
            remedy = "docker_source: auto; or do it" if self.is_replaced else "do it"
            return [(
                "To install {} would end containers that are not ours: {}.".format(what, ", ".join(self.bystanders)),
                "this host", f"{remedy} yourself when they may be stopped")]
        if self.has_engine and not self.is_replaced:
            return []
        found = [
            name for name in CONFLICTS[self.source] if name in self.installed and name not in self._going()]
        if not found:
            return []
        return [(
            "Docker Engine from {} cannot stand beside what is installed: {}.".format(
                "Docker's own repository" if self.source == "docker" else "the distribution", ", ".join(found)),
            "packages of the host",
            "remove {}, where nobody needs that; or docker_source: {}".format(
                ", ".join(found), "distribution" if self.source == "docker" else "docker"))]

    def _going(self):
        """Packages that go with an Engine that is replaced."""
        return CONFLICTS[self.source][:3] if self.is_replaced else ()

    def _faults_of_repositories(self):
        foreign = self.foreign_entries()
        found = []
        if self.manager == "dnf":
            for entry in foreign:
                release = self.release if "$releasever" in entry["address"] else entry["address"].split("/")[-3]
                if release and "." in release:
                    found.append((
                        "The repository {} asks for release {}, and Docker's has major releases only.".format(
                            entry["id"], release),
                        entry["file"], "{} in place of {} in its baseurl".format(
                            self._major(), "$releasever" if "$releasever" in entry["address"] else release)))
            return found
        keys = sorted({entry["signed_by"] or "no key" for entry in foreign})
        if len(keys) > 1:
            found.append((
                "Docker's repository has several keys in apt's sources, so that apt reads none of them: {}.".format(
                    ", ".join(keys)),
                ", ".join(sorted({entry["file"] for entry in foreign})), "one entry; remove the others"))
        for entry in foreign:
            if not entry["key_is_there"]:
                found.append((
                    "Docker's repository is signed by a key that is not there: {}.".format(entry["signed_by"]),
                    entry["file"], "fetch the key; or remove this file, and one of ours takes its place"))
            elif APT_COMPONENT not in entry["components"]:
                found.append((
                    "Docker's repository stands in apt's sources without the component stable.", entry["file"],
                    "add the component; or remove this file, and one of ours takes its place"))
        return found


def _is_below(version, minimum):
    """Whether a version is older than another one."""
    return version_tuple(version) < version_tuple(minimum)
