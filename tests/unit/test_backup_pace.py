# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What jobs of a backup may take: little while others work, more while the host is idle."""

from __future__ import annotations

import itertools
import pathlib
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "roles/backup/templates/host/usr/local/lib/trenova"))
from trenova_backup import engine, pace  # noqa: E402  # found by the line above
from trenova_backup.settings import Settings  # noqa: E402

BUSY, IDLE, BETWEEN = (5, 100), (60, 100), (30, 100)


def paced(*looks):
    """What a pace lets after each of these looks, of (idle, all) ticks."""
    told = []
    kept = pace.Pace(told.append, 0.4, 1)
    for look in looks:
        kept.look(*look)
    return told


@pytest.mark.parametrize(("looks", "told"), [
    ([BUSY], []), ([BETWEEN], []), ([IDLE], [1]), ([IDLE, IDLE], [1]),
    # What it takes itself is no reason to take less.
    ([IDLE, BETWEEN, BETWEEN], [1]), ([IDLE, BUSY], [1, 0.4]), ([IDLE, BUSY, BETWEEN, IDLE], [1, 0.4, 1]),
    # Nothing has passed since the last look.
    ([(0, 0)], [])])
def test_more_is_taken_of_an_idle_host_and_given_back_to_a_busy_one(looks, told):
    assert paced(*looks) == told


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 400))))
def test_it_tells_only_what_changes_and_ends_low_where_the_host_is_busy(looks):
    told = paced(*((min(idle, total), total) for idle, total in looks), BUSY)
    assert all(one != other for one, other in itertools.pairwise([0.4, *told]))
    assert ([0.4, *told])[-1] == 0.4


def test_what_would_end_too_late_takes_more_however_busy_the_host_is(monkeypatch):
    told, now = [], [1000.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    kept = pace.Pace(told.append, 0.4, 1, patience=60)
    kept.look(*BUSY)
    now[0] += 61
    for _number in range(2):
        kept.look(*BUSY)
    assert told == [1]


def test_the_times_are_those_of_all_processors_and_waiting_for_a_disk_is_not_idle(tmp_path):
    (tmp_path / "stat").write_text("cpu  10 2 3 70 9 1 2 3 50 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n")
    assert pace.times(tmp_path / "stat") == (70, 100)
    idle, total = pace.times()
    assert 0 < idle < total


def test_an_engine_lets_what_runs_and_what_is_started_later(tmp_path, monkeypatch):
    """Until its jobs are removed; and where no more is to be had nobody looks."""
    monkeypatch.setattr(pace, "SECONDS_BETWEEN_LOOKS", 0.01)
    monkeypatch.setattr(pace, "times", iter([(0, 0), *((number, number) for number in range(1, 10 ** 6))]).__next__)
    there = engine.Engine(Settings({
        "project": "trenova", "project_dir": str(tmp_path), "data_dir": str(tmp_path), "jobs": [], "stores": [],
        "targets": []}))
    asked = []
    monkeypatch.setattr(there, "_ask", lambda *words: asked.append(words))
    monkeypatch.setattr(there, "_begin", "container-of-{}".format)
    monkeypatch.setattr(there, "remove", lambda _containers: None)
    there.prepare("backup-keep")
    there._begun["backup-keep"].result()
    there.keep_pace({"cpus": 0.4, "idle_cpus": 1})
    deadline = time.monotonic() + 10
    while not asked and time.monotonic() < deadline:
        time.sleep(0.01)
    assert asked == [("update", "--cpus=1", "container-of-backup-keep")]
    assert there.cpus == 1
    there.close()
    assert (there._pace, there.cpus) == (None, 0)
    for figures in ({"cpus": 1, "idle_cpus": 1}, {}):
        there.keep_pace(figures)
        assert there._pace is None
