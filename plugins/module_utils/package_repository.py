# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a package manager would make of a repository that is not among its sources yet.

It is asked itself, in a folder of its own: with the proxies, logins and certificates that it is configured with, and
with its own verdict. Its sources, lists and caches stay as they are.
"""

from __future__ import annotations

import os
import subprocess
import tempfile

from ansible_collections.trenova.selfhost.plugins.module_utils import engine

APT_HELPER = "/usr/lib/apt/apt-helper"
#: What dnf 4 and 5 say before they give a repository up.
DNF_REASONS = ("Status code:", "Curl error")
#: How long a server may take to answer, and all of it together.
TIMEOUT, SECONDS = 10, 90


class Refused(Exception):
    """The repository cannot be used: what is wrong with it (key, unreachable, signature), in the manager's words."""

    def __init__(self, kind, detail):
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


# -- apt --------------------------------------------------------------------------------------------------------------


def ask_apt(address, suite, component, key, names):
    """(key, {name: newest version, None where there is none}) of packages in a repository; raises Refused."""
    with tempfile.TemporaryDirectory() as folder:
        key_path, source = os.path.join(folder, "key.asc"), os.path.join(folder, "one.list")
        os.makedirs(os.path.join(folder, "lists", "partial"))
        with open(source, "w", encoding="utf-8") as stream:
            stream.write(f"deb [signed-by={key_path}] {address} {suite} {component}\n")
        options = _apt_options({
            "Acquire::Retries": "1", "Acquire::http::Timeout": TIMEOUT, "Acquire::https::Timeout": TIMEOUT,
            # The folder is root's.
            "APT::Sandbox::User": "root", "APT::Update::Error-Mode": "any", "Dir::Etc::SourceList": source,
            "Dir::Etc::SourceParts": "/dev/null", "Dir::State::Lists": os.path.join(folder, "lists"),
            "Dir::State::Status": "/dev/null", "Dir::Cache::pkgcache": "", "Dir::Cache::srcpkgcache": ""})
        fetched = _run([APT_HELPER, "download-file", key, key_path, *options])
        if fetched.returncode:
            raise Refused("key", _apt_reason(fetched))
        with open(key_path, encoding="utf-8", errors="replace") as stream:
            text = stream.read()
        if "-----BEGIN PGP PUBLIC KEY BLOCK-----" not in text:
            raise Refused("key", "what is there is no key")
        updated = _run(["apt-get", "update", "--quiet", *options])
        if updated.returncode:
            reason = _apt_reason(updated)
            raise Refused("signature" if "signature" in reason or "NO_PUBKEY" in reason else "unreachable", reason)
        return text, apt_versions(_run(["apt-cache", "policy", *options, *names]).stdout, names)


def apt_versions(text, names):
    """{name: version that would be installed} of what `apt-cache policy` prints, None where there is none."""
    found, name = dict.fromkeys(names), None
    for line in text.splitlines():
        words = line.split()
        if words and not line.startswith(" "):
            name = words[0].rstrip(":")
        elif words[:1] == ["Candidate:"] and name in found and words[1] != "(none)":
            found[name] = words[1]
    return found


def _apt_options(values):
    return [word for name, value in values.items() for word in ("--option", f"{name}={value}")]


def _apt_reason(done):
    """Why apt could not fetch something: the words below its first line of an error."""
    lines = done.stdout.splitlines()
    for line, below in zip(lines, lines[1:]):
        if line.startswith("Err:") and below.startswith("  "):
            return below.strip()
    told = [line.partition(" ")[2] for line in done.stderr.splitlines() if line.startswith("E:")]
    return told[0] if told else done.stderr.strip() or "apt does not say why"


# -- dnf --------------------------------------------------------------------------------------------------------------


def ask_dnf(address, names):
    """{name: newest version, None where there is none} of packages in a repository; raises Refused.

    Packages are signed there, and not the repository: whether its key is the right one, an installation tells. Where
    dnf fails for another reason than the repository, nothing is known, and {} the answer.
    """
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "reposdir": "/dev/null", "cachedir": folder, "logdir": folder, "persistdir": folder,
            "asked.skip_if_unavailable": "0", "asked.timeout": TIMEOUT, "asked.retries": "1"}
        done = _run([
            "dnf", "--disableplugin=*", f"--repofrompath=asked,{address}", "--repo=asked",
            *(f"--setopt={name}={value}" for name, value in settings.items()),
            "repoquery", "--latest-limit=1", "--queryformat=%{name} %{evr}\\n", *names])
    if done.returncode:
        for line in done.stderr.splitlines():
            if any(reason in line for reason in DNF_REASONS):
                raise Refused("unreachable", line.strip().lstrip("->").strip())
        return {}
    return dnf_versions(done.stdout, names)


def dnf_versions(text, names):
    """{name: version} of what `dnf repoquery` prints, None where there is none."""
    found = dict.fromkeys(names)
    for line in text.splitlines():
        name, _space, version = line.partition(" ")
        if name in found and version:
            found[name] = version
    return found


def _run(command):
    try:
        return engine.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=SECONDS,
            env=dict(os.environ, LC_ALL="C", DEBIAN_FRONTEND="noninteractive"))
    except subprocess.TimeoutExpired as error:
        raise Refused("unreachable", f"no answer within {SECONDS} s") from error
