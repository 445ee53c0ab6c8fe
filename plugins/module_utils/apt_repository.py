# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What apt would make of a repository that is not among its sources yet.

apt itself is asked, in a folder of its own: with the proxies, logins and certificates that it is configured with, and
with its own verdict on the signature. Its sources, lists and caches stay as they are.
"""

from __future__ import annotations

import os
import subprocess
import tempfile

from ansible_collections.trenova.selfhost.plugins.module_utils import engine

HELPER = "/usr/lib/apt/apt-helper"
#: How long a server may take to answer, and all of it together.
TIMEOUT, SECONDS = 10, 90


class Refused(Exception):
    """The repository cannot be used: what is wrong with it (key, unreachable, signature) and apt's words for it."""

    def __init__(self, kind, detail):
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


def ask(address, suite, component, key, names):
    """(key, {name: newest version, None where there is none}) of packages in a repository; raises Refused."""
    with tempfile.TemporaryDirectory() as folder:
        key_path, source = os.path.join(folder, "key.asc"), os.path.join(folder, "one.list")
        os.makedirs(os.path.join(folder, "lists", "partial"))
        with open(source, "w", encoding="utf-8") as stream:
            stream.write(f"deb [signed-by={key_path}] {address} {suite} {component}\n")
        options = _options({
            "Acquire::Retries": "1", "Acquire::http::Timeout": TIMEOUT, "Acquire::https::Timeout": TIMEOUT,
            # The folder is root's.
            "APT::Sandbox::User": "root", "APT::Update::Error-Mode": "any", "Dir::Etc::SourceList": source,
            "Dir::Etc::SourceParts": "/dev/null", "Dir::State::Lists": os.path.join(folder, "lists"),
            "Dir::State::Status": "/dev/null", "Dir::Cache::pkgcache": "", "Dir::Cache::srcpkgcache": ""})
        fetched = _run([HELPER, "download-file", key, key_path, *options])
        if fetched.returncode:
            raise Refused("key", _reason(fetched))
        with open(key_path, encoding="utf-8", errors="replace") as stream:
            text = stream.read()
        if "-----BEGIN PGP PUBLIC KEY BLOCK-----" not in text:
            raise Refused("key", "what is there is no key")
        updated = _run(["apt-get", "update", "--quiet", *options])
        if updated.returncode:
            reason = _reason(updated)
            raise Refused("signature" if "signature" in reason or "NO_PUBKEY" in reason else "unreachable", reason)
        return text, versions(_run(["apt-cache", "policy", *options, *names]).stdout, names)


def versions(text, names):
    """{name: version that would be installed} of what `apt-cache policy` prints, None where there is none."""
    found, name = dict.fromkeys(names), None
    for line in text.splitlines():
        words = line.split()
        if words and not line.startswith(" "):
            name = words[0].rstrip(":")
        elif words[:1] == ["Candidate:"] and name in found and words[1] != "(none)":
            found[name] = words[1]
    return found


def _options(values):
    return [word for name, value in values.items() for word in ("--option", f"{name}={value}")]


def _run(command):
    try:
        return engine.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=SECONDS,
            env=dict(os.environ, LC_ALL="C", DEBIAN_FRONTEND="noninteractive"))
    except subprocess.TimeoutExpired as error:
        raise Refused("unreachable", f"no answer within {SECONDS} s") from error


def _reason(done):
    """Why apt could not fetch something: the words below its first line of an error."""
    lines = done.stdout.splitlines()
    for line, below in zip(lines, lines[1:]):
        if line.startswith("Err:") and below.startswith("  "):
            return below.strip()
    told = [line.partition(" ")[2] for line in done.stderr.splitlines() if line.startswith("E:")]
    return told[0] if told else done.stderr.strip() or "apt does not say why"
