# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Makes the collection importable by its full name, through the link in collections/."""

from __future__ import annotations

import pathlib

import hypothesis
import pytest
from ansible.plugins.loader import init_plugin_loader

# As a run of Ansible does, so that roles and filters of the collection are found, too.
init_plugin_loader([str(pathlib.Path(__file__).resolve().parents[2] / "collections")])
# How long an example takes says something of the machine and nothing of the code.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


def pytest_collection_modifyitems(items):
    """Properties are tried without measuring coverage, which doubles their time: what they run, examples cover."""
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker(pytest.mark.no_cover)
