# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A server on which the last commit of the first edition has deployed everything, and people have worked."""

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest
from work import STATE_FILES, WORK

ROOT = pathlib.Path(__file__).resolve().parents[3]
#: The last commit of the first edition.
FIRST_EDITION = "09d8a07"


@pytest.fixture(scope="session")
def server(server, tmp_path_factory):
    """The server with the first edition, before this one has seen it."""
    edition = tmp_path_factory.mktemp("first-edition")
    archive = subprocess.run(["git", "archive", FIRST_EDITION], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        pytest.skip(f"the history of this checkout lacks {FIRST_EDITION}: git fetch --unshallow")
    subprocess.run(["tar", "--extract", "--directory", edition], input=archive.stdout, check=True)
    done = subprocess.run(
        ["ansible-playbook", "site.yml", "-i", server.inventory], cwd=edition, capture_output=True, text=True,
        check=False, env=dict(os.environ, ANSIBLE_CONFIG=str(edition / "ansible.cfg")))
    assert done.returncode == 0, done.stdout + done.stderr
    for command in WORK:
        server.shell.check_output(command)
    server.before = server.started()
    server.files_before = server.shell.check_output(STATE_FILES)
    return server
