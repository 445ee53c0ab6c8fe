# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a package manager makes of a repository that is not among its sources, and what the preflight says of it."""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import pathlib
import shutil
import socket
import subprocess
import threading

import pytest
import test_gather
import yaml
from ansible.errors import AnsibleActionFail

from ansible_collections.trenova.selfhost.plugins.module_utils import package_repository
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight import gather, repositories

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROLE = yaml.safe_load((ROOT / "roles/docker/vars/main.yml").read_text())
NAMES = ["docker-ce", "docker-compose-plugin"]
#: What is measured of a bare Debian 12, and how the role is set by default.
BOOKWORM = {
    "docker": {}, "distribution": {"id": "debian", "version": "12", "codename": "bookworm"},
    "packages": {"manager": "apt", "installed": [], "repositories": []}}
SETTINGS = {
    "source": "auto", "engine_minimum": "20.10", "compose_minimum": "2.20",
    "repository_url": "https://download.docker.com/linux", "vendor": ROLE["docker_vendor_packages"],
    "distribution": ROLE["docker_distribution_packages"]}
ADDRESS = "https://download.docker.com/linux/debian"
QUESTION = {
    "manager": "apt", "address": ADDRESS, "suite": "bookworm", "component": "stable", "key": f"{ADDRESS}/gpg",
    "packages": ["docker-ce", "containerd.io", "docker-ce-cli", "docker-compose-plugin"]}
needs_apt = pytest.mark.skipif(
    not (shutil.which("gpg") and shutil.which("apt-get") and os.path.exists(package_repository.APT_HELPER)),
    reason="there is no apt to ask, or nothing to sign with")


# -- apt itself -------------------------------------------------------------------------------------------------------


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A static server."""

    def log_message(self, *_arguments):
        """Nobody reads it."""


def made_repository(folder, keys):
    """A signed repository of one package, which nobody can install; its key is beside it, and another one's."""
    def gpg(*arguments):
        return subprocess.run(
            ["gpg", "--batch", "--quiet", "--homedir", keys, "--passphrase", "", *arguments], check=True,
            capture_output=True, text=True).stdout
    keys.mkdir(mode=0o700)
    for owner in ("owner", "other"):
        gpg("--quick-generate-key", owner, "rsa2048", "sign", "never")
        (folder / owner).write_text(gpg("--armor", "--export", owner))
    architecture = subprocess.run(
        ["dpkg", "--print-architecture"], check=True, capture_output=True, text=True).stdout.strip()
    name = f"stable/binary-{architecture}/Packages"
    suite = folder / "dists/bookworm"
    (suite / name).parent.mkdir(parents=True)
    content = (
        f"Package: docker-ce\nVersion: 5:29.8.1-1~debian.12~bookworm\nArchitecture: {architecture}\nSize: 1\n"
        f"Maintainer: x <x@y.test>\nFilename: x.deb\nSHA256: {'0' * 64}\nDescription: x\n")
    (suite / name).write_text(content)
    digest = hashlib.sha256(content.encode()).hexdigest()
    release = (
        f"Origin: x\nSuite: bookworm\nCodename: bookworm\nDate: Mon, 01 Jan 2024 00:00:00 UTC\n"
        f"Architectures: {architecture}\nComponents: stable\nSHA256:\n {digest} {len(content)} {name}\n")
    (folder / "Release").write_text(release)
    gpg("--local-user", "owner", "--clearsign", "--output", str(suite / "InRelease"), str(folder / "Release"))


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """Address of a repository on this machine."""
    folder = tmp_path_factory.mktemp("repository")
    keys = tmp_path_factory.mktemp("keys") / "home"
    made_repository(folder, keys)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
    subprocess.run(["gpgconf", "--homedir", keys, "--kill", "all"], check=False, capture_output=True)


@needs_apt
def test_apt_tells_what_it_would_install_with_the_key_that_it_did_so_with(repository):
    key, versions = package_repository.ask_apt(repository, "bookworm", "stable", f"{repository}/owner", NAMES)
    assert key.startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----")
    assert versions == {"docker-ce": "5:29.8.1-1~debian.12~bookworm", "docker-compose-plugin": None}


@needs_apt
@pytest.mark.parametrize(("suite", "key", "kind", "detail"), [
    ("bookworm", "other", "signature", "NO_PUBKEY"), ("bookworm", "absent", "key", "404"),
    ("bookworm", "Release", "key", "what is there is no key"), ("trixie", "owner", "unreachable", "404"),
])
def test_apt_tells_why_it_would_not(repository, suite, key, kind, detail):
    """A key of somebody else's, none, something that is no key, and a release that is not there."""
    with pytest.raises(package_repository.Refused, match=detail) as caught:
        package_repository.ask_apt(repository, suite, "stable", f"{repository}/{key}", NAMES)
    assert caught.value.kind == kind


@needs_apt
def test_a_repository_that_does_not_answer_is_told(repository):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}"
        questions = [(closed, f"{repository}/owner", "unreachable"), (repository, f"{closed}/owner", "key")]
        for address, key, kind in questions:
            with pytest.raises(package_repository.Refused, match="Connection refused") as caught:
                package_repository.ask_apt(address, "bookworm", "stable", key, NAMES)
            assert caught.value.kind == kind


def test_the_time_of_a_question_is_bounded(tmp_path, monkeypatch):
    """By itself, however many times apt asks again."""
    slow = tmp_path / "apt-helper"
    slow.write_text("#!/bin/sh\nexec sleep 5\n")
    slow.chmod(0o755)
    monkeypatch.setattr(package_repository, "SECONDS", 0.1)
    monkeypatch.setattr(package_repository, "APT_HELPER", str(slow))
    with pytest.raises(package_repository.Refused, match=r"no answer within 0.1 s"):
        package_repository.ask_apt("http://a", "x", "stable", "http://a/gpg", NAMES)


# -- dnf --------------------------------------------------------------------------------------------------------------


#: What dnf 4.14 (that of RHEL 9) printed: packages, reasons, exit status.
FOUND = ("containerd.io 2.4.2-1.el9\ndocker-ce 3:29.8.1-1.el9\n", """\
Added asked repo from http://127.0.0.1/linux/centos/9/$basearch/stable
Last metadata expiration check: 0:00:18 ago on Mon Nov 30 04:10:18 2026.
""", 0)
ABSENT = ("", """\
asked                                            47 kB/s | 335  B     00:00
Errors during downloading metadata for repository 'asked':
  - Status code: 404 for http://127.0.0.1/linux/centos/10/x86_64/stable/repodata/repomd.xml (IP: 127.0.0.1)
Error: Failed to download metadata for repo 'asked': Cannot download repomd.xml: Cannot download repodata/repomd.xml: \
All mirrors were tried
""", 1)
SILENT = ("", """\
Errors during downloading metadata for repository 'asked':
  - Curl error (7): Couldn't connect to server for http://172.30.60.6/linux/centos/9/x86_64/stable/repodata/repomd.xml \
[Failed to connect to 172.30.60.6 port 80 after 0 ms: Couldn't connect to server]
Error: Failed to download metadata for repo 'asked': Cannot download repomd.xml: All mirrors were tried
""", 1)
BROKEN = ("", "Config error: Parsing file \"/etc/dnf/dnf.conf\" failed\n", 1)


@pytest.fixture
def dnf(tmp_path, monkeypatch):
    """A function that has a program called dnf say what was recorded, and the path of what it was asked."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def says(text, told, status):
        (tmp_path / "text").write_text(text)
        (tmp_path / "told").write_text(told)
        (tmp_path / "dnf").write_text(
            f"#!/bin/sh\ncd {tmp_path}\nprintf '%s\\n' \"$@\" > asked\ncat text\ncat told >&2\nexit {status}\n")
        (tmp_path / "dnf").chmod(0o755)
        return tmp_path / "asked"
    return says


def test_dnf_tells_what_it_would_install(dnf):
    asked = dnf(*FOUND)
    names = ["docker-ce", "containerd.io", "docker-compose-plugin"]
    assert package_repository.ask_dnf("http://127.0.0.1/linux/centos/9/$basearch/stable", names) == {
        "docker-ce": "3:29.8.1-1.el9", "containerd.io": "2.4.2-1.el9", "docker-compose-plugin": None}
    words = asked.read_text().split("\n")
    assert "--repofrompath=asked,http://127.0.0.1/linux/centos/9/$basearch/stable" in words
    assert {"--setopt=reposdir=/dev/null", "--setopt=asked.skip_if_unavailable=0", "--repo=asked"} <= set(words)


@pytest.mark.parametrize(("recorded", "detail"), [
    (ABSENT, "Status code: 404 for http://127.0.0.1/linux/centos/10/x86_64"), (SILENT, "Curl error (7): Couldn't con")])
def test_dnf_tells_why_it_would_not(dnf, recorded, detail):
    dnf(*recorded)
    with pytest.raises(package_repository.Refused) as caught:
        package_repository.ask_dnf("http://a", NAMES)
    assert (caught.value.kind, caught.value.detail.startswith(detail)) == ("unreachable", True)


def test_a_dnf_that_fails_otherwise_refuses_no_repository(dnf):
    dnf(*BROKEN)
    assert package_repository.ask_dnf("http://a", NAMES) == {}
    assert repositories.announcement(dict(QUESTION, packages=NAMES), answer(versions={})).endswith(
        ": docker-ce, docker-compose-plugin.")
    assert list(repositories.check_repository(QUESTION, answer(versions={}))) == []


# -- The preflight ----------------------------------------------------------------------------------------------------


def of_host(settings=None, **capacity):
    """What the checks look at, of a bare Debian 12."""
    exports = {"packages": dict(SETTINGS, **(settings or {}))}
    return test_gather.facts(services={"docker": {"exports": exports}}, capacity={**BOOKWORM, **capacity})


def answer(**more):
    return {"fault": None, "key": "", "versions": dict.fromkeys(QUESTION["packages"], "1"), **more}


def test_the_repository_is_asked_where_an_entry_of_ours_is_to_be_written():
    assert repositories.wanted(of_host()) == QUESTION
    known = of_host(
        distribution={"id": "rocky", "version": "9.4"}, packages=dict(BOOKWORM["packages"], manager="dnf"))
    assert [repositories.wanted(known)[key] for key in ("manager", "address", "packages")] == [
        "dnf", "https://download.docker.com/linux/centos/9/$basearch/stable", QUESTION["packages"]]


@pytest.mark.parametrize("known", [
    of_host(measured=False),
    of_host({"source": "none"}),
    of_host(docker={"version": "29.8.1", "compose_version": "5.7.1"}),
    of_host(distribution={"id": "debian", "version": "13", "codename": "trixie"}),
    of_host(packages=dict(BOOKWORM["packages"], manager=None)),
    of_host(packages=dict(BOOKWORM["packages"], repositories=[
        {"file": "/etc/apt/sources.list.d/docker.list", "address": ADDRESS, "suite": "bookworm",
         "signed_by": "/etc/apt/keyrings/docker.gpg", "components": ["stable"], "key_is_there": True}])),
    test_gather.facts(services={"redis": {}}),
])
def test_it_is_not_asked_elsewhere(known):
    """No host, nothing to install, the distribution's packages, no manager, an entry that is there, another role."""
    assert repositories.wanted(known) is None


@pytest.mark.parametrize(("said", "what"), [
    ({"fault": {"kind": "key", "detail": "404  Not Found"}},
     f"The key of Docker's repository cannot be had from {ADDRESS}/gpg (404  Not Found)."),
    ({"fault": {"kind": "unreachable", "detail": "Could not connect"}},
     f"Docker's repository {ADDRESS} cannot be used from this host (Could not connect)."),
    ({"fault": {"kind": "signature", "detail": "NO_PUBKEY 7EA0A9C3F273FCD8"}},
     f"Docker's repository {ADDRESS} is not signed by the key that lies beside it, {ADDRESS}/gpg (NO_PUBKEY "
     "7EA0A9C3F273FCD8)."),
    ({"versions": {"docker-ce": "1", "docker-compose-plugin": None}},
     f"Docker's repository {ADDRESS} has no docker-compose-plugin for this release and architecture."),
])
def test_what_is_wrong_with_it_is_one_sentence(said, what):
    [problem] = repositories.check_repository(QUESTION, answer(**said))
    assert (problem.what, problem.where) == (what, repositories.WHERE)
    assert problem.write.count("docker_repository_url: ") == 1


def test_no_login_of_a_mirror_is_told():
    question = dict(QUESTION, address="https://u:secret@mirror.test/debian", key="https://u:secret@mirror.test/gpg")
    told = [repositories.announcement(question, answer())]
    for kind in repositories.FAULTS:
        [problem] = repositories.check_repository(question, answer(fault={"kind": kind, "detail": "x"}))
        told.append(" ".join(problem.lines()))
    assert [text for text in told if "secret" in text or "mirror.test" not in text] == []


@pytest.fixture
def host():
    return test_gather.host.__wrapped__()


def test_a_host_is_told_what_will_be_installed_from_where(host):
    action, variables = host
    action.answers["package_repository"] = answer()
    assert gather.ask_repository(action, variables, of_host()) == ([], [
        f"Docker will be installed from {ADDRESS}: docker-ce 1, containerd.io 1, docker-ce-cli 1, "
        "docker-compose-plugin 1."])
    assert action.executed == [("package_repository", QUESTION)]
    action.answers["package_repository"] = answer(fault={"kind": "key", "detail": "x"})
    [problem], told = gather.ask_repository(action, variables, of_host())
    assert ("The key of" in problem.what, told) == (True, [])
    action.answers["package_repository"] = {"failed": True, "msg": "no Python"}
    with pytest.raises(AnsibleActionFail, match="The repository could not be asked: no Python"):
        gather.ask_repository(action, variables, of_host())


def test_nobody_is_asked_where_nothing_is_installed(host):
    action, variables = host
    assert gather.ask_repository(action, variables, of_host({"source": "none"})) == ([], [])
    assert action.executed == []
