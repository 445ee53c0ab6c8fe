# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is taken down of databases with a backup, and how a drill compares it. The SQL is asked in molecule/restore."""

from __future__ import annotations

import copy
import json
import os
import pathlib
import shutil
import subprocess
import sys

import backup_host
import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "roles/backup/templates/host/usr/local/lib/trenova"))

from trenova_backup import facts  # noqa: E402

TABLES = st.dictionaries(
    st.text(min_size=1, max_size=5),
    st.fixed_dictionaries({"rows": st.integers(0, 9), "checksum": st.none() | st.integers(-9, 9).map(str)})
    | st.just({"rows": None, "checksum": None}),
    max_size=4)
DATABASES = st.dictionaries(st.sampled_from(["books", "papers"]), st.fixed_dictionaries({
    "lsn": st.just("0/30"), "timeline": st.just(2), "at": st.just("2026-11-23T14:05:00Z"), "is_exact": st.just(True),
    "tables": TABLES}), min_size=1)


def test_tables_can_be_left_out():
    held = {"shop": {"lsn": "0/1", "tables": {"a": {"rows": 1}, "b": {"rows": 2}}}}
    assert facts.without(held, ["b"]) == {"shop": {"lsn": "0/1", "tables": {"a": {"rows": 1}}}}
    assert facts.without(held, ()) == held


def test_what_the_script_says_is_read():
    lines = ['{"lsn": "0/30", "at": "2026-11-23T14:05:00Z", "is_exact": true, "timeline": 1}',
             '{"table": "public.a", "rows": 2, "checksum": "-77"}',
             '{"table": "public.b", "rows": 0, "checksum": null}']
    told = facts.parsed(lines)
    assert told["tables"] == {"public.a": {"rows": 2, "checksum": "-77"}, "public.b": {"rows": 0, "checksum": None}}
    assert facts.target_of({"books": told}) == "0/30@1"


@pytest.mark.parametrize("lines", [[], [""], ["no JSON"], ["[]"], ['{"table": "a"}']])
def test_what_is_something_else_is_refused(lines):
    with pytest.raises(ValueError):
        facts.parsed(lines)


@given(DATABASES)
def test_the_same_is_no_difference(recorded):
    told = facts.compared(recorded, copy.deepcopy(recorded))
    assert (told["differences"], told["uncertain"]) == ([], [])
    assert told["tables"] == sum(len(each["tables"]) for each in recorded.values())
    assert told["rows"] == sum(table["rows"] or 0 for each in recorded.values() for table in each["tables"].values())


@given(DATABASES, st.data())
def test_whatever_is_not_as_it_was_is_told_with_its_name(recorded, data):
    """A table that is gone or new, one row more or less, and as many rows of which one is another."""
    found = copy.deepcopy(recorded)
    database = data.draw(st.sampled_from(sorted(found)))
    tables = found[database]["tables"]
    name = data.draw(st.sampled_from([*sorted(tables), "new"]))
    how = data.draw(st.sampled_from(["gone", "rows", "content"])) if name in tables else "new"
    if how == "gone":
        del tables[name]
    elif how == "new":
        tables[name] = {"rows": 1, "checksum": "1"}
    elif tables[name]["rows"] is None:
        return  # too large to be counted
    elif how == "rows":
        tables[name]["rows"] += data.draw(st.sampled_from([-1, 1]))
    elif tables[name]["checksum"] is None:
        return  # too large to be read: only its rows are counted
    else:
        tables[name]["checksum"] += "1"
    told = facts.compared(recorded, found)
    assert len(told["differences"]) == 1
    assert told["differences"][0].startswith(f"{database}, {name}: ")


def test_a_database_that_is_missing_is_a_difference():
    recorded = {"books": {"lsn": "0/30", "is_exact": True, "tables": {}}}
    assert facts.compared(recorded, {})["differences"] == ["The database books is missing."]


@pytest.mark.parametrize(("second", "key"), [
    ({"is_exact": False, "lsn": "0/30"}, "uncertain"), ({"is_exact": True, "lsn": "0/31"}, "uncertain"),
    ({"is_exact": True, "lsn": "0/30"}, "differences")])
def test_of_a_database_that_was_written_to_a_difference_proves_nothing(second, key):
    """Nor of one that was read at another position than the one up to which the log is read."""
    def tables(rows):
        return {"tables": {"public.a": {"rows": rows, "checksum": None}}}
    recorded = {"books": dict(tables(1), lsn="0/30", is_exact=True), "papers": dict(tables(1), **second)}
    told = facts.compared(recorded, {"books": tables(1), "papers": tables(2)})
    assert told[key] == ["papers, public.a: 2 rows, and then there were 1."]
    assert sum(len(told[other]) for other in ("differences", "uncertain")) == 1


def test_of_many_differences_the_first_are_told_and_how_many_more_there_are():
    text = facts.shortened([f"Sentence {number}." for number in range(13)])
    assert text.endswith("Sentence 9. And 3 more.")


# -- The script -------------------------------------------------------------------------------------------------------

def ask(tmp_path, psql, tries=3):
    """The script, with a stand-in for psql: (what it did, how often psql was called)."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/psql").write_text(f"#!/bin/sh\ncd {tmp_path}; echo x >>times\n{psql}\n")
    (tmp_path / "bin/psql").chmod(0o755)
    (tmp_path / "bin/sleep").symlink_to("/bin/true")
    done = subprocess.run(
        ["sh", ROOT / "roles/backup/templates/config/facts.sh", "host=db", "1000", str(tries)], capture_output=True,
        text=True, check=False, env=dict(os.environ, PATH=f"{tmp_path}/bin:{os.environ['PATH']}"))
    return done, len((tmp_path / "times").read_text().split())


def test_a_moment_without_writers_is_looked_for_again(tmp_path):
    done, times = ask(tmp_path, "[ $(grep -c x times) -lt 2 ] || echo '{\"lsn\": 1}'")
    assert (json.loads(done.stdout), done.returncode, times) == ({"lsn": 1}, 0, 2)


def test_at_last_it_takes_one_with_writers_and_says_so(tmp_path):
    done, times = ask(tmp_path, "case \"$*\" in *is_last=true*) echo '{\"is_exact\": false}' ;; esac")
    assert (done.stdout, times) == ('{"is_exact": false}\n', 3)


def test_what_cannot_be_read_fails(tmp_path):
    done, times = ask(tmp_path, "echo 'permission denied for table a' >&2; exit 3")
    assert (done.returncode, done.stdout, times) == (1, "", 1)
    assert "permission denied" in done.stderr


@pytest.fixture
def server():
    """A server of PostgreSQL."""
    made = backup_host.Postgres()
    yield made
    made.end()


@pytest.mark.skipif(not all(map(shutil.which, ("initdb", "pg_ctl"))), reason="PostgreSQL is not here")
@pytest.mark.parametrize("whose", ["DATABASE postgres", "ROLE postgres", "ROLE postgres IN DATABASE postgres"])
def test_what_takes_longer_than_statements_may_there_is_counted(server, whose):
    server.ask("CREATE TABLE loads AS SELECT i, repeat(md5(i::text), 20) FROM generate_series(1, 100000) AS i")
    server.ask(f"ALTER {whose} SET statement_timeout = '20ms'")
    done = subprocess.run(
        ["sh", ROOT / "roles/backup/templates/config/facts.sh", f"host={server.place} user=postgres dbname=postgres",
         "1000000000", "1"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert facts.parsed(done.stdout.splitlines())["tables"]["public.loads"]["rows"] == 100000
