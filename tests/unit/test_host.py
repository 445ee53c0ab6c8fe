# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is measured of a host."""

from __future__ import annotations

import json

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


@pytest.mark.parametrize(("files", "major"), [
    ({}, None),
    ({"PG_VERSION": "17\n"}, "17"),
    ({"data/PG_VERSION": "17\n"}, "17"),
    # The images of 18 and later.
    ({"18/docker/PG_VERSION": "18\n"}, "18"),
    ({"9/docker/PG_VERSION": "9\n", "18/docker/PG_VERSION": "18\n", "PG_VERSION": "17\n"}, "18"),
    ({"PG_VERSION": "\n"}, None),
])
def test_major_of_the_data_of_postgresql(tmp_path, files, major):
    for path, content in files.items():
        (tmp_path / "postgres" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "postgres" / path).write_text(content)
    assert host.data_of(str(tmp_path), str(tmp_path / "project"))["postgres_major"] == major


@pytest.mark.parametrize(("journal", "begun"), [
    (None, None),
    ({"touched": True, "begun": "then", "phases": {}}, "then"),
    ({"touched": True, "begun": "then", "phases": {"postgres": "fetched"}}, "then"),
    # Only the deployment is left, and the upgrade has ended, or has touched nothing.
    ({"touched": True, "begun": "then", "phases": {"postgres": "laid"}}, None),
    ({"touched": True, "begun": "then", "phases": {}, "done": True}, None),
    ({"touched": False, "begun": "then", "phases": {}}, None)])
def test_a_change_of_the_major_that_is_at_work_on_the_data(tmp_path, journal, begun):
    (tmp_path / "backup").mkdir()
    if journal:
        (tmp_path / "backup/upgrade.json").write_text(json.dumps(journal))
    assert host.data_of(str(tmp_path), str(tmp_path / "project"))["postgres_change"] == begun
