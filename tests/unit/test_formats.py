# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Formats accept what the software accepts, and say what is wrong with the rest."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from ansible_collections.trenova.selfhost.plugins.plugin_utils import formats

GOOD_CALENDARS = [
    "*-*-* 01:30:00", "daily", "Sun 03:00", "Mon..Fri *-*-* 22:00", "Mon,Thu 01:30", "*-*-01 04:00:00", "03:15",
    "*-*-* 00/6:00:00", "*:0/15", "2026-12-24 18:00", "Sun 03:00 Europe/Berlin", "*-*-* 02:00:00 UTC", "12-24 18:00",
    "*-*~01 03:00"]
BAD_CALENDARS = [
    "30 1 * * *", "@daily", "tomorrow", "25:00", "*-*-* 01:61:00", "*-13-* 01:00", "at night", "*-*-* 01:00 02:00",
    "Sun 03:00 Europe/Berln", "*-*-32 01:00", ""]


@pytest.mark.parametrize("text", GOOD_CALENDARS)
def test_good_calendar_expressions(text):
    assert formats.fault("calendar", text) is None


@pytest.mark.parametrize("text", [text for text in BAD_CALENDARS if text])
def test_bad_calendar_expressions(text):
    what, _write = formats.fault("calendar", text)
    assert text in what


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd to ask")
@pytest.mark.parametrize("text", GOOD_CALENDARS + BAD_CALENDARS)
def test_systemd_agrees(text):
    accepts = subprocess.run(["systemd-analyze", "calendar", text], capture_output=True, check=False).returncode == 0
    assert accepts == (text in GOOD_CALENDARS)


@pytest.mark.parametrize(("name", "good", "bad"), [
    ("1..65535", [1, 65535, "443"], [0, 70000, "eighty", -1]),
    ("mail", ["ops@trucks.co"], ["ops", "ops@trucks", "a b@trucks.co", "@trucks.co"]),
    ("host", ["db", "db.trucks.co", "10.0.0.5", "fd00::1"], ["https://db", "db:5432", "-db", "a b"]),
    ("endpoint", ["s3.trucks.co", "10.0.0.5:9000"], ["https://s3.trucks.co", "s3:port"]),
    ("address", ["10.0.0.5", "fd00::1"], ["eth0", "10.0.0.0/8"]),
    ("networks", [["10.0.0.5", "10.0.0.0/8"], [{"base": "10.201.0.0/16", "size": 24}]], [["10.0.0.5/8"], ["proxy"]]),
    ("url", ["https://s3.trucks.co", "http://10.0.0.5:9000"], ["s3.trucks.co", "ftp://x"]),
    ("directory", ["/srv/trenova"], ["srv", "/srv/../etc"]),
    ("size", ["10m", "1g"], ["10", "10 MB", "0m"]),
])
def test_formats(name, good, bad):
    assert [value for value in good if formats.fault(name, value)] == []
    assert [value for value in bad if not formats.fault(name, value)] == []


def test_empty_is_not_set():
    assert [name for name in formats.FORMATS if formats.fault(name, "")] == []


def test_file(tmp_path):
    assert formats.fault("file", str(tmp_path / "absent"))[0].startswith("names a file that is not there")
    (tmp_path / "there").write_text("")
    assert formats.fault("file", str(tmp_path / "there")) is None
