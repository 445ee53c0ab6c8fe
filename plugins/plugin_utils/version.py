# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The version of this collection."""

from __future__ import annotations

import functools
import json
import os

import yaml

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))


@functools.cache
def collection_version():
    """The version by galaxy.yml in a checkout, by MANIFEST.json once it is installed."""
    manifest = os.path.join(ROOT, "MANIFEST.json")
    if os.path.exists(manifest):
        with open(manifest, encoding="utf-8") as stream:
            return json.load(stream)["collection_info"]["version"]
    with open(os.path.join(ROOT, "galaxy.yml"), encoding="utf-8") as stream:
        return yaml.safe_load(stream)["version"]
