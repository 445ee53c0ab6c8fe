# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A host for each test."""

from __future__ import annotations

import pytest
from converge_builders import Host


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host without anything but an Engine."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return Host(tmp_path)
