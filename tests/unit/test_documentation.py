# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The documentation says what the code does."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())


def test_readmes_of_roles_are_current():
    command = [sys.executable, ROOT / "docs/generate.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("role", ROLES)
def test_every_default_has_a_specification_and_every_option_the_name_of_its_role(role):
    defaults = yaml.safe_load((ROOT / "roles" / role / "defaults/main.yml").read_text())
    specification = yaml.safe_load((ROOT / "roles" / role / "meta/argument_specs.yml").read_text())
    options = specification["argument_specs"]["main"]["options"]
    assert set(defaults) == set(options)
    assert all(name.startswith(f"{role}_") for name in options)


@pytest.mark.parametrize("role", ROLES)
def test_skeleton_of_the_role_is_whole(role):
    for part in ("defaults/main.yml", "meta/argument_specs.yml", "meta/service.yml", "tasks/main.yml", "README.md"):
        assert (ROOT / "roles" / role / part).is_file(), part
