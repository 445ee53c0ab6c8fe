# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can be restored, by what lies in a target; and how that is told."""

from __future__ import annotations

import pathlib
import sys
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Byte code among the templates would travel to the hosts.
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "roles/backup/templates/host/usr/local/lib/trenova"))

from trenova_backup import listing, points  # noqa: E402
from trenova_backup.files import moment, seconds_of, stamp_of  # noqa: E402
from trenova_backup.repository import Snapshot  # noqa: E402

NOW = seconds_of("20261130T120000Z")
MINUTE, HOUR, DAY = 60, 3600, 86400
STORES = [
    {"store": "db", "kind": "postgres", "title": "Database", "physical": True, "databases": ["app"]},
    {"store": "files", "kind": "objects", "title": "Objects"},
    {"store": "cache", "kind": "redis", "title": "Cache"},
    {"store": "papers", "kind": "directory", "title": "Papers"},
    {"store": "rules", "kind": "command", "title": "Rules"}]


def snapshot(when, part, store="db", size=1000, **pairs):
    tags = [f"run={stamp_of(when)}", f"store={store}", f"part={part}"]
    tags += [f"{key}={value}" for key, value in pairs.items()]
    return Snapshot({"id": f"{when}{part}{store}{sorted(pairs.items())}", "tags": tags, "paths": ["/" + part],
                     "summary": {"total_bytes_processed": size, "data_added_packed": size // 10}})


def base(when, after=None, system="1"):
    if after is None:
        return snapshot(when, "base", level="full", system=system)
    return snapshot(when, "base", level="incremental", after=stamp_of(after), system=system)


def log(when, of, until, lsn="0/1000000", system="1"):
    return snapshot(when, "wal", base=stamp_of(of), until=moment(until), lsn=lsn, system=system)


def night(when, after=None):
    """All that a run of a night keeps, which takes ten minutes; objects have no snapshots."""
    return [base(when, after), log(when, when, when + 10 * MINUTE), snapshot(when, "snapshot", "cache"),
            snapshot(when, "archive", "papers"), snapshot(when, "output", "rules")]


def reach(found):
    return points.intervals(points.windows(found, "db"))


# -- Windows ----------------------------------------------------------------------------------------------------------


def test_a_base_leads_from_its_end_up_to_the_last_of_its_log():
    found = [base(NOW), log(NOW, NOW, NOW + 300), log(NOW + HOUR, NOW, NOW + HOUR, "0/2000000")]
    [window] = points.windows(found, "db")
    assert (window.begin, window.end, window.wal.id) == (NOW + 300, NOW + HOUR, found[2].id)
    assert [each.id for each in window.bases] == [found[0].id]


def test_nights_that_follow_each_other_leave_no_gap():
    """The log of a base is completed behind the end of the next one."""
    later = NOW + DAY
    found = [base(NOW), log(NOW, NOW, NOW + 300), base(later, NOW), log(later, NOW, later + 300, "0/3000000"),
             log(later, later, later + 300, "0/3000000"), log(later + HOUR, later, later + HOUR, "0/4000000")]
    assert reach(found) == [(NOW + 300, later + HOUR)]
    assert [len(window.bases) for window in points.windows(found, "db")] == [1, 2]
    at = points.window_at(points.windows(found, "db"), later + 300)
    assert at.bases[-1].run == stamp_of(later), "the newest base has least of log to read"
    assert points.window_at(points.windows(found, "db"), later + HOUR + 1) is None


def test_what_retention_let_go_is_a_gap():
    later = NOW + DAY
    found = [base(NOW), log(NOW, NOW, NOW + 300), base(later), log(later, later, later + 300)]
    assert reach(found) == [(NOW + 300, NOW + 300), (later + 300, later + 300)]


@pytest.mark.parametrize("found", [
    [base(NOW)], [log(NOW, NOW, NOW + 300)], [base(NOW, NOW - DAY), log(NOW, NOW, NOW + 300)],
    [base(NOW), log(NOW, NOW, NOW + 300, system="2")],
    [base(NOW - DAY, system="2"), base(NOW, NOW - DAY), log(NOW, NOW, NOW + 300)],
    [base(NOW, NOW), log(NOW, NOW, NOW + 300)],
    [base(NOW), snapshot(NOW, "wal", base=stamp_of(NOW), until="soon")]])
def test_half_of_what_is_needed_brings_nothing_back(found):
    """No log, no base, no full one below it, the log or the base of another cluster, a circle, no moment."""
    assert points.windows(found, "db") == []


EVENTS = st.lists(st.sampled_from(["full", "increment", "cut", "new cluster"]), min_size=1, max_size=25)


def history(events):
    """Snapshots as the program keeps them: [(snapshot, moment at which it was kept)]."""
    found, now, current, system = [], NOW, None, 1
    for number, event in enumerate(events):
        now += HOUR
        position = f"0/{number + 1:X}000000"
        if event == "new cluster":
            system, current = system + 1, None
        elif event == "cut" and current is not None:
            found.append(log(now, current, now, position, str(system)))
        elif event in ("full", "increment"):
            found.append(base(now, current if event == "increment" else None, str(system)))
            if current is not None:
                found.append(log(now, current, now + MINUTE, position, str(system)))
            current = now
            found.append(log(now, now, now + MINUTE, position, str(system)))
    return found


@given(EVENTS, st.randoms(use_true_random=False))
def test_the_order_of_snapshots_says_nothing(events, random):
    found = history(events)
    mixed = random.sample(found, len(found))
    assert reach(mixed) == reach(found)
    assert points.points(mixed, STORES) == points.points(found, STORES)


@given(EVENTS, st.data())
def test_with_less_in_a_target_no_more_can_be_restored(events, data):
    found = history(events)
    left = data.draw(st.lists(st.sampled_from(found), unique_by=lambda each: each.id)) if found else []
    whole = {window.bases[-1].run: window for window in points.windows(found, "db")}
    for window in points.windows(left, "db"):
        of_all = whole[window.bases[-1].run]
        assert of_all.begin <= window.begin <= window.end <= of_all.end


@given(EVENTS)
def test_every_moment_that_is_told_has_a_base_and_a_log(events):
    found = history(events)
    windows = points.windows(found, "db")
    for begin, end in reach(found):
        for when in (begin, (begin + end) // 2, end):
            window = points.window_at(windows, when)
            assert window.begin <= when <= window.end
            assert window.bases[0].level == "full"
            assert all(one.run == other.after for one, other in zip(window.bases, window.bases[1:], strict=False))
            assert window.wal.pairs["base"] == window.bases[-1].run
            assert {each.pairs["system"] for each in [*window.bases, window.wal]} == {window.wal.pairs["system"]}
    merged = reach(found)
    assert all(one[1] < other[0] for one, other in zip(merged, merged[1:], strict=False))


@given(EVENTS)
def test_the_newest_log_of_a_whole_chain_is_within_reach(events):
    found = history(events)
    if "new cluster" not in events and found:
        assert reach(found)[-1][1] == max(points.seconds_of_moment(each.pairs["until"]) for each in found
                                          if each.part == "wal")


# -- Points -----------------------------------------------------------------------------------------------------------


def test_a_point_tells_what_its_run_holds():
    later = NOW + DAY
    found = [*night(NOW), *night(later, NOW), snapshot(NOW + HOUR, "snapshot", "cache", cut="yes")]
    first, small, second = points.points(found, STORES, {"files": [stamp_of(NOW)]})
    assert (first.run, first.level, first.is_complete) == (stamp_of(NOW), "full", True)
    assert first.stores == ("db", "files", "cache", "papers", "rules")
    assert (first.bytes, first.added) == (5000, 500)
    assert first.window == {"db": (NOW + 10 * MINUTE, NOW + 10 * MINUTE)}
    assert (small.level, small.stores, small.is_complete) == ("cut", ("cache",), False)
    assert (second.level, second.is_complete) == ("incremental", True)


def test_a_store_that_failed_or_was_not_there_yet_makes_a_point_incomplete():
    later = NOW + DAY
    first, second = points.points([
        *night(NOW)[:3], *[each for each in night(later, NOW) if each.part != "snapshot"]], STORES)
    assert (first.missing, first.is_complete) == (("files", "papers", "rules"), False)
    assert (second.missing, second.is_complete) == (("files", "cache"), False)
    assert points.never([first, second], STORES) == ["files"]


def test_a_run_whose_base_failed_is_unfinished():
    [point] = points.points([each for each in night(NOW) if each.part not in ("base", "wal")], STORES)
    assert (point.level, point.is_complete) == ("", False)


def test_a_database_that_is_only_dumped_needs_all_of_them():
    stores = [{"store": "db", "kind": "postgres", "title": "Database", "physical": False, "databases": ["a", "b"]}]
    dumps = [snapshot(NOW, "dump", database=name) for name in "ab"]
    whole = [*dumps, snapshot(NOW, "globals")]
    assert [(point.level, point.stores) for point in points.points(whole, stores)] == [("full", ("db",))]
    for left in range(3):
        part = whole[:left] + whole[left + 1:]
        assert points.points(part, stores)[0].stores == ()


def test_states_of_objects_are_points_where_no_snapshot_is():
    found = points.points([], STORES, {"files": [stamp_of(NOW)]})
    assert [(point.run, point.level, point.stores) for point in found] == [(stamp_of(NOW), "cut", ("files",))]


def test_a_host_that_knows_nothing_reads_it_from_the_target():
    [point] = points.points(night(NOW), [], {"files": [stamp_of(NOW)]})
    assert set(point.stores) == {"db", "files", "cache", "papers", "rules"}
    assert point.window == {"db": (NOW + 10 * MINUTE, NOW + 10 * MINUTE)}


def test_records_are_no_store():
    assert points.points([snapshot(NOW, "record", "records")], []) == []


# -- Told -------------------------------------------------------------------------------------------------------------


def target(snapshots, because="", objects=None, **more):
    return types.SimpleNamespace(**{
        "name": "local", "kind": "directory", "directory": "/srv", "because": because, "is_good": not because,
        "snapshots": snapshots, "objects": objects or {}, "free": 2_000_000_000, **more})


class Settings(dict):
    """As much of the settings as a list reads."""

    stores = STORES


def told(*targets, records=(), now=NOW + DAY + 2 * HOUR):
    settings = Settings(installation="trenova", host="erp1")
    facts = listing.facts(settings, targets, list(records), now)
    return facts, listing.lines(settings, facts, now)


def test_people_read_what_there_is_and_how_old():
    later = NOW + DAY
    snapshots = [*night(NOW), *[each for each in night(later, NOW) if each.part != "archive"],
                 log(later + HOUR, later, later + HOUR, "0/2000000")]
    facts, lines = told(target(snapshots, objects={"files": [stamp_of(NOW), stamp_of(later)]}), target(
        [], "Target offsite: it does not answer.", name="offsite", kind="s3", directory=None))
    assert lines == [
        "Backups of trenova on erp1, at 2026-12-01T14:00:00Z",
        "",
        "  local (/srv, 2.0 GB free): 2 backups, 1 small one",
        "    backup               age  level          size    new  holds",
        "    20261201T120000Z   2.0 h  incremental  4.0 kB  400 B  all but Papers",
        "    20261130T120000Z  26.0 h  full         5.0 kB  500 B  everything",
        "    1 small one between them, the newest of 60 min ago: 20261201T130000Z",
        "",
        "    store     newest  can be brought back to",
        "    Database  60 min  any moment 2026-12-01T12:10:00Z - 2026-12-01T13:00:00Z",
        "                      and 2026-11-30T12:10:00Z",
        "    Objects   2.0 h   2 states 20261130T120000Z - 20261201T120000Z",
        "    Cache     2.0 h   2 backups 20261130T120000Z - 20261201T120000Z",
        "    Papers    26.0 h  20261130T120000Z",
        "    Rules     2.0 h   2 backups 20261130T120000Z - 20261201T120000Z",
        "",
        "  offsite (s3) cannot be read: it does not answer.",
        "",
        "  No drill has tried a backup yet: systemctl start trenova-drill",
        "  No run is known to have failed."]
    assert facts["targets"][0]["points"][1]["missing"] == ["papers"]
    assert facts["targets"][0]["windows"] == {"db": [
        ["2026-11-30T12:10:00Z", "2026-11-30T12:10:00Z"], ["2026-12-01T12:10:00Z", "2026-12-01T13:00:00Z"]]}
    assert facts["targets"][1]["points"] == []


def record(when, state, verb="backup", because=""):
    return {"stamp": stamp_of(when), "verb": verb, "state": state, "because": because, "finished": moment(when + 60)}


def test_the_last_failure_is_told_and_whether_it_is_over():
    bad = record(NOW, "failed", because="Cache cannot be read: no route to host.")
    _facts, lines = told(target([]), records=[record(NOW - DAY, "ok"), bad, record(NOW + HOUR, "ok", "cut")])
    assert " ".join(line.strip() for line in lines[-2:]).startswith(
        "The last backup that did not go well failed, 26.0 h ago (20261130T120000Z): Cache cannot be read: no route to "
        "host. None has gone well since.")
    _facts, lines = told(target([]), records=[bad, record(NOW + HOUR, "ok"), record(NOW + HOUR, "skipped", "cut")])
    assert "It went well again at 2026-11-30T13:01:00Z." in " ".join(line.strip() for line in lines)


def test_what_was_saved_by_a_clock_that_was_ahead_is_listed_last_and_is_not_the_newest():
    later = NOW + 30 * DAY
    snapshots = [*night(NOW), *night(later), log(later + HOUR, later, later + HOUR, "0/2000000"),
                 log(NOW + HOUR, NOW, NOW + HOUR, "0/2000000")]
    _facts, lines = told(target(snapshots, objects={"files": [stamp_of(NOW), stamp_of(later)]}), now=NOW + 2 * HOUR)
    assert [line.split()[:2] for line in lines[4:6]] == [["20261130T120000Z", "2.0"], ["20261230T120000Z", "ahead"]]
    assert " ".join(" ".join(lines[6:8]).split()) == (
        "2 small ones between them, the newest of 60 min ago: 20261130T130000Z, 20261230T130000Z by a clock that was "
        "ahead")
    text = " ".join(" ".join(lines).split())
    assert "Database 60 min any moment 2026-11-30T12:10:00Z - 2026-11-30T13:00:00Z and any moment 2026-12-30" in text
    for title, what in (("Objects", "states"), ("Cache", "backups"), ("Rules", "backups")):
        assert (f"{title} 2.0 h 2 {what} 20261130T120000Z, 20261230T120000Z by a clock that was ahead") in text


def test_no_line_is_longer_than_a_terminal():
    long = "x" * 30 + " y" * 200
    failed = record(NOW, "failed", because=long)
    facts, lines = told(target(night(NOW)), target([], long, name="away"), records=[failed])
    assert max(map(len, lines)) <= listing.WIDTH
    assert facts["failure"]["because"] == long


def test_a_run_tells_what_it_has_saved():
    lines = listing.saved({
        "verb": "backup", "level": "full", "stamp": "20261130T120000Z", "state": "failed", "seconds": 75, "steps": [
            {"service": "db", "name": "full base", "state": "ok", "seconds": 60, "bytes": 3_000_000, "added": 1_000_000,
             "target": "local"},
            {"service": "cache", "name": "Cache", "state": "failed", "seconds": 0, "because": "It is down."}],
        "stores": [{"name": "db", "title": "Database"}, {"name": "cache", "title": "Cache"}],
        "targets": [{"name": "local", "state": "ok", "because": ""},
                    {"name": "away", "state": "failed", "because": "Target away: no."}],
        "restorable": {"db": {"to": "2026-11-30T12:01:00Z"}, "other": {
            "from": "2026-11-23T12:00:00Z", "to": "2026-11-30T12:02:00Z"}}, "warnings": ["Log was lost."]})
    assert lines == [
        "Full backup of 20261130T120000Z: failed in 75 s",
        "  store     what       time    size     new  in",
        "  Database  full base  60 s  3.0 MB  1.0 MB  local",
        "  Cache     Cache       0 s                  It is down.",
        "  local: holds it",
        "  away: Target away: no.",
        "  Database can be brought back to any moment up to 2026-11-30T12:01:00Z",
        "  other can be brought back to any moment 2026-11-23T12:00:00Z - 2026-11-30T12:02:00Z",
        "  WARNING: Log was lost."]
