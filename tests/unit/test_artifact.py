# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The check of the artifact's files finds what it looks for."""

from __future__ import annotations

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "galaxy"))
from artifact import NEEDED, faults  # noqa: E402  # it is a script beside this folder

GOOD = {pattern.replace("*", "x") for pattern in NEEDED}


def test_a_whole_artifact_has_no_faults():
    assert not faults(GOOD | {"MANIFEST.json", "FILES.json"}, GOOD)


@pytest.mark.parametrize("name", [
    "tests/unit/test_s3.py", "molecule/lab/create.yml", ".ci/run", "Makefile", "plugins/modules/__pycache__/x.pyc",
    "inventories/demo/hosts.yml", "inventories/mine/group_vars/trenova/secrets.yml",
    "inventories/mine/host_vars/erp1/secrets.yml", ".cache/x", "docs/generate.py",
    "changelogs/.plugin-cache.yaml"])
def test_what_belongs_to_the_checkout_is_found(name):
    assert any(fault.startswith(name) for fault in faults(GOOD | {name}, GOOD | {name}))


def test_leftovers_of_the_machine_are_found():
    assert faults(GOOD | {"roles/api/notes.txt"}, GOOD) == [
        "roles/api/notes.txt: is not tracked by git, so it is a leftover of this machine"]


@pytest.mark.parametrize("name", sorted(GOOD))
def test_what_is_missing_is_found(name):
    assert [fault for fault in faults(GOOD - {name}, GOOD) if fault.endswith("is missing")]
