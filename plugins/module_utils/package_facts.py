# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What packages of Docker a host has, from where more can be had, and who keeps their database busy."""

from __future__ import annotations

import configparser
import fcntl
import glob
import os
import shutil
import struct
import subprocess
from urllib.parse import urlsplit, urlunsplit

from ansible_collections.trenova.selfhost.plugins.module_utils import engine, host

#: Packages of the Engine and of its parts, and neighbours of which some cannot stand beside those.
NAMES = (
    "containerd", "containerd.io", "docker-ce", "docker-ce-cli", "docker-cli", "docker-compose",
    "docker-compose-plugin", "docker-compose-v2", "docker-ee", "docker.io", "moby-compose", "moby-engine",
    "podman-docker", "runc")
SECONDS = 20
APT_LOCK = "/var/lib/dpkg/lock-frontend"
APT_LIST, APT_PARTS = "/etc/apt/sources.list", "/etc/apt/sources.list.d"
DNF_PARTS = "/etc/yum.repos.d"
#: Where the version of the distribution is pinned, which stands in the addresses of repositories.
RELEASE_VARIABLES = ("/etc/dnf/vars/releasever", "/etc/yum/vars/releasever")
#: struct flock of Linux: type, whence, start, length, process.
FLOCK = "hhqqi4x"


def measure():
    """What is there: `manager` (apt, dnf or None), `installed`, `lock`, `repositories` and `release`."""
    if shutil.which("apt-get"):
        return {
            "manager": "apt", "installed": _installed(["dpkg-query", "--show", "--showformat",
                                                       "${Package} ${db:Status-Status}\n"], " installed"),
            "lock": lock_holder(APT_LOCK), "repositories": apt_repositories(), "release": None}
    if shutil.which("dnf"):
        return {
            "manager": "dnf", "installed": _installed(["rpm", "--query", "--queryformat", "%{NAME}\n"], ""),
            "lock": None, "repositories": dnf_repositories(),
            "release": next(filter(None, map(host.read_text, RELEASE_VARIABLES)), None)}
    return {"manager": None, "installed": [], "lock": None, "repositories": [], "release": None}


def _installed(command, ending):
    """Names among ours that the package manager has installed."""
    try:
        done = engine.run(
            [*command, *NAMES], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = set(done.stdout.splitlines())
    return [name for name in NAMES if name + ending in lines]


def lock_holder(path):
    """Who holds the lock of the package manager: {pid, process}, None where nobody does."""
    request = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        with open(path, "rb+") as stream:
            kind, _whence, _start, _length, pid = struct.unpack(FLOCK, fcntl.fcntl(stream, fcntl.F_GETLK, request))
    except OSError:
        return None
    if kind == fcntl.F_UNLCK:
        return None
    return {"pid": pid, "process": host.read_text(f"/proc/{pid}/comm") or "unknown"}


# -- Repositories -----------------------------------------------------------------------------------------------------


def without_login(address):
    """An address without user and password."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def apt_repositories(sources=APT_LIST, folder=APT_PARTS):
    """All enabled entries of apt: file, address, suite, components, and the key they are signed by, None for any."""
    found = []
    for path in [sources, *sorted(glob.glob(os.path.join(glob.escape(folder), "*.list")))]:
        for line in (host.read_text(path) or "").splitlines():
            found += _one_line(path, line)
    for path in sorted(glob.glob(os.path.join(glob.escape(folder), "*.sources"))):
        for stanza in _stanzas(host.read_text(path) or ""):
            found += _deb822(path, stanza)
    return found


def _one_line(path, line):
    words = line.partition("#")[0].split()
    if not words or words[0] != "deb":
        return []
    options, rest = {}, words[1:]
    if rest and rest[0].startswith("["):
        text = " ".join(rest)
        inside, _bracket, behind = text[1:].partition("]")
        options = dict(pair.split("=", 1) for pair in inside.split() if "=" in pair)
        rest = behind.split()
    if len(rest) < 2:
        return []
    return [_entry(path, rest[0], rest[1], rest[2:], options.get("signed-by"))]


def _stanzas(text):
    """Paragraphs of a deb822 file: {field in small letters: value, its lines joined}."""
    for paragraph in text.split("\n\n"):
        fields, name = {}, None
        for line in paragraph.splitlines():
            if line.startswith("#"):
                continue
            if line[:1].isspace() and name:
                fields[name] += "\n" + line.strip()
            elif ":" in line:
                name, _colon, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if fields:
            yield fields


def _deb822(path, fields):
    if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false", "0"):
        return []
    signed_by = fields.get("signed-by")
    # A key in the file itself is one of a kind.
    signed_by = "a key in the file" if signed_by and "BEGIN PGP" in signed_by else signed_by
    return [
        _entry(path, address, suite, fields.get("components", "").split(), signed_by)
        for address in fields.get("uris", "").split() for suite in fields.get("suites", "").split()]


def _entry(path, address, suite, components, signed_by):
    return {
        "file": path, "address": without_login(address).rstrip("/"), "suite": suite, "components": list(components),
        "signed_by": signed_by or None,
        "key_is_there": not (signed_by or "").startswith("/") or os.path.exists(signed_by)}


def dnf_repositories(folder=DNF_PARTS):
    """Enabled repositories of dnf whose files speak of Docker: file, id and address as it is written."""
    found = []
    for path in sorted(glob.glob(os.path.join(glob.escape(folder), "*.repo"))):
        text = host.read_text(path) or ""
        # The file of a subscription holds hundreds of others.
        if "docker" not in text:
            continue
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read_string(text)
        except configparser.Error:
            continue
        for name in parser.sections():
            section = dict(parser.items(name))
            if section.get("baseurl") and section.get("enabled", "1").strip() not in ("0", "false", "no"):
                found.append({
                    "file": path, "id": name, "address": without_login(section["baseurl"].split()[0]).rstrip("/")})
    return found
