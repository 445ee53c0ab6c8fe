# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is measured of a host."""

from __future__ import annotations

import pytest

from ansible_collections.trenova.selfhost.plugins.module_utils import host


@pytest.mark.parametrize(("path", "existing"), [
    ("/", "/"), ("/usr/bin/env", "/usr/bin/env"), ("/no/such/place", "/"), ("no/such/place", "/"), ("", "/"),
    ("no-slash", "/"),
])
def test_nearest_existing_path(path, existing):
    assert host.nearest_existing(path).rstrip("/") == existing.rstrip("/")


def test_disk_says_on_which_device_it_lies(tmp_path):
    assert host.disk(str(tmp_path))["device"] == host.disk(str(tmp_path / "not" / "there"))["device"]
    assert host.disk("/proc")["device"] != host.disk(str(tmp_path))["device"]
