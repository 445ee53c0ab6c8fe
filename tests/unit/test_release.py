# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the ecosystem expects: Python packages of the controller, a release that is whole or refused."""

from __future__ import annotations

import ast
import os
import pathlib
import re
import subprocess
import sys

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
#: A release is made of a whole checkout, twice.
LONG = pytest.mark.skipif("PROOF" not in os.environ, reason="takes minutes, with PROOF=1 (make proof-galaxy)")
#: What comes with ansible-core.
WITH_ANSIBLE = {"ansible", "ansible_collections", "cryptography", "jinja2", "yaml"}


def imported():
    """Names of the packages that the controller's code imports, from outside of Python and Ansible."""
    found = set()
    for path in (ROOT / "plugins").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else (
                [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else [])
            found.update(module.split(".")[0] for module in modules)
    return found - set(sys.stdlib_module_names) - WITH_ANSIBLE


def required(path):
    """Names of the packages of a requirements file."""
    lines = (ROOT / path).read_text().splitlines()
    return {re.split("[=<>]", line)[0] for line in lines if line and not line.startswith("#")}


def test_execution_environment_and_requirements_name_what_is_imported():
    environment = yaml.safe_load((ROOT / "meta/execution-environment.yml").read_text())
    assert required(environment["dependencies"]["python"]) == imported()
    assert required("requirements.txt") == {"ansible-core", *imported()}
    assert (ROOT / environment["dependencies"]["system"]).exists()


@pytest.fixture
def checkout(tmp_path):
    """A clone to release from."""
    subprocess.run(["git", "clone", "--quiet", ROOT, tmp_path / "clone"], check=True)
    for name, value in (("user.name", "Tester"), ("user.email", "tester@trucks.co")):
        subprocess.run(["git", "config", name, value], cwd=tmp_path / "clone", check=True)
    return tmp_path / "clone"


def git(checkout, *words):
    """Output of git."""
    return subprocess.run(["git", *words], cwd=checkout, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(("version", "before", "told"), [
    ("", None, "say which version, as in: make release VERSION=0.2.0"),
    ("0.2", None, "say which version"), ("v0.2.0", None, "say which version"),
    ("9.1.0", "git tag 9.1.0", "9.1.0 is released already"), ("9.9.0", "git tag 9.10.0", "9.9.0 is not above 9.10.0"),
    ("9.0.0", "echo >> README.md", "changes that are not committed"),
    ("9.0.0", "git rm -q -r --ignore-unmatch changelogs/fragments; git commit -qm gone --allow-empty",
     "holds nothing that has changed"),
])
def test_release_is_refused_and_nothing_was_done(checkout, version, before, told):
    if before:
        subprocess.run(["sh", "-c", before], cwd=checkout, check=True)
    there = git(checkout, "rev-parse", "HEAD"), git(checkout, "tag"), git(checkout, "status", "--porcelain")
    done = subprocess.run(
        [checkout / "tests/galaxy/release.sh", version], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert (git(checkout, "rev-parse", "HEAD"), git(checkout, "tag"), git(checkout, "status", "--porcelain")) == there


def test_notes_of_changes_are_written_for_a_page():
    """The changelog shows Ansible's markup of documentation as it is written."""
    found = [
        f"{path.name}: {entry}" for path in sorted((ROOT / "changelogs/fragments").glob("*.yml"))
        for entry in re.findall(r"\b[A-Z]\([^)]*\)", path.read_text())]
    assert not found


@pytest.fixture
def judged(checkout):
    """Release from the clone, which has one change to tell of; of the judges only the answer is there."""
    pytest.importorskip("antsibull_changelog")
    (checkout / "changelogs/fragments").mkdir(exist_ok=True)
    (checkout / "changelogs/fragments/9999-told.yml").write_text(
        "minor_changes:\n  - lorries - are told of by ``name``.\n")
    (checkout / "docs/generate.py").write_text("")
    environment = dict(os.environ, PATH=f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}")

    def release(answer, version="9.0.0"):
        (checkout / "tests/galaxy/check.sh").write_text(f"#!/bin/sh\nexit {answer}\n")
        if git(checkout, "status", "--porcelain"):
            git(checkout, "add", "--all")
            git(checkout, "commit", "--quiet", "--message", "Ready")
        return subprocess.run(
            ["tests/galaxy/release.sh", version], cwd=checkout, env=environment, capture_output=True, text=True,
            check=False)

    return release


@LONG
def test_a_release_is_one_commit_with_a_tag_and_nothing_beside(checkout, judged):
    done = judged(0)
    assert done.returncode == 0, done.stdout + done.stderr
    assert git(checkout, "tag", "--points-at", "HEAD") == "9.0.0"
    assert git(checkout, "cat-file", "-t", "9.0.0") == "tag"
    assert git(checkout, "status", "--porcelain") == ""
    added = git(checkout, "diff", "--name-only", "--diff-filter=d", "HEAD~").split()
    assert added == ["CHANGELOG.md", "changelogs/changelog.yaml", "galaxy.yml"]
    assert not [name for name in git(checkout, "ls-files", "changelogs/fragments").split() if name.endswith(".yml")]
    assert "version: 9.0.0\n" in (checkout / "galaxy.yml").read_text()
    assert "lorries \\- are told of by <code>name</code>" in (checkout / "CHANGELOG.md").read_text()
    for version, told in (("9.0.0", "9.0.0 is released already"), ("9.1.0", "holds nothing that has changed")):
        again = judged(0, version)
        assert (again.returncode, again.stdout) == (2, "")
        assert told in again.stderr
        assert len(again.stderr.splitlines()) == 1


@LONG
def test_what_the_judges_refuse_is_not_released(checkout, judged):
    assert judged(0, "0").returncode == 2
    there = git(checkout, "rev-parse", "HEAD"), git(checkout, "tag")
    done = judged(1)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "Nothing was released; the checkout is as it was."
    # The answer was written over before it was given.
    assert (git(checkout, "rev-parse", "HEAD~"), git(checkout, "tag")) == there
    assert git(checkout, "status", "--porcelain") == ""
