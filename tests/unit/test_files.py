# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import os
import stat

import pytest

from ansible_collections.trenova.selfhost.plugins.module_utils.files import ManagedFile


@pytest.fixture
def path(tmp_path):
    """Path of a file that is not there yet."""
    return tmp_path / "made" / "settings.conf"


def managed(path, content, **options):
    return ManagedFile(str(path), content, options.pop("mode", "0640"), os.getuid(), os.getgid(), **options)


def test_absent_file_is_written_with_its_mode(path):
    wanted = managed(path, "a = 1\n")
    assert wanted.differs()
    wanted.write()
    assert path.read_text() == "a = 1\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert not managed(path, "a = 1\n").differs()
    assert [entry.name for entry in path.parent.iterdir()] == ["settings.conf"]


def test_other_mode_alone_is_a_difference(path):
    managed(path, "a = 1\n").write()
    assert managed(path, "a = 1\n", mode="0600").differs()


def test_restore_puts_back_what_was_there(path):
    managed(path, "old\n").write()
    changed = managed(path, "new\n")
    changed.write()
    changed.restore()
    assert path.read_text() == "old\n"


def test_restore_removes_what_was_not_there(path):
    made = managed(path, "new\n")
    made.write()
    made.restore()
    assert not path.exists()


def test_diff_of_a_secret_does_not_show_it(path):
    managed(path, "hunter2-before").write()
    diff = managed(path, "hunter2-after", secret=True).diff()
    assert "hunter2" not in str(diff)
    assert diff["before"] != diff["after"]
