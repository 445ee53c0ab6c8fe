# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the tests of the whole stack share besides."""

from __future__ import annotations

import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def playbook(server, first_run):
    """Function that runs a playbook of the repository against the server."""
    def run(name, *arguments):
        return server.run(*arguments, playbook=ROOT / name, expect=None)
    return run
