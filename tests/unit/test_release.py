# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the ecosystem expects: Python packages of the controller, a release that is whole or refused."""

from __future__ import annotations

import ast
import pathlib
import re
import subprocess
import sys

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
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
    ("9.0.0", "git rm -q changelogs/fragments/*; git commit -qm gone", "holds nothing that has changed"),
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
