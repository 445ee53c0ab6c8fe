# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A table beside the live ones, by the scripts that bring it there and the real PostgreSQL: rows, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys

import backup_host
import pytest

sys.path.insert(0, str(backup_host.ROOT / "tests/lab"))
from calling import CALLERS, CALLING, TABLE  # noqa: E402  # found by the line above

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("initdb", "pg_ctl", "pg_basebackup"))), reason="PostgreSQL is not here")
#: What of a table can run, and its types.
RUNS = """
SELECT (SELECT count(*) FROM pg_attrdef WHERE adrelid = c.oid),
    (SELECT count(*) FROM pg_constraint WHERE conrelid = c.oid),
    (SELECT count(*) FROM pg_trigger WHERE tgrelid = c.oid), (SELECT count(*) FROM pg_index WHERE indrelid = c.oid),
    (SELECT string_agg(format_type(atttypid, atttypmod), ' ' ORDER BY attnum) FROM pg_attribute
     WHERE attrelid = c.oid AND attnum > 0)
FROM pg_class AS c WHERE oid = 'restored_x."odd Loads"'::regclass
"""


@pytest.fixture
def live():
    """A server of PostgreSQL with such a table, and a base backup of it."""
    made = backup_host.Postgres()
    try:
        made.ask(CALLING)
        assert set(made.ask("SELECT DISTINCT by FROM called").split("\n")) == CALLERS
        made.ask("TRUNCATE called")
        made.back = made.root / "back"
        for path in (made.back, made.back / "log"):
            path.mkdir()
            shutil.chown(path, backup_host.USER)
        made._as_user("pg_basebackup", "--pgdata", made.back / "base0", "--host", made.place, "--username", "postgres",
                      "--checkpoint", "fast", "--wal-method", "fetch")
        yield made
    finally:
        made.end()


def bring(live, table):
    """Bring a table back as the program does: the scripts of the recovering job, and psql in the live server's."""
    for script, words in (("recover.sh", ["", "base0"]), ("table.sh", ["postgres", table, "restored_x"])):
        path = live.root / script
        # Where its container has its socket.
        path.write_text((backup_host.SCRIPTS / script).read_text().replace("/tmp", str(live.back)))  # noqa: S108
        live._as_user("sh", path, live.back, *words)
    with (live.back / "table.sql").open(encoding="utf-8") as source:
        subprocess.run(
            ["psql", "--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", "--dbname", "postgres",
             "--host", live.place, "--username", "postgres"], stdin=source, check=True)


def test_of_a_table_that_comes_back_beside_the_live_one_nothing_is_executed(live):
    rows = live.ask('SELECT * FROM "odd Loads" ORDER BY id')
    assert rows.count("\n") == 1
    live.ask('DELETE FROM "odd Loads" WHERE id = 1')
    bring(live, TABLE)
    assert live.ask('SELECT * FROM restored_x."odd Loads" ORDER BY id') == rows
    assert live.ask("SELECT * FROM called") == ""
    assert live.ask(RUNS) == (
        "0|0|0|0|integer text integer character varying(9) character varying(9)[] numeric(6,2) state")
    # As the guide says: what was lost is taken from there.
    live.ask('INSERT INTO "odd Loads" (id, told, truck, trucks, "It\'s", state) '
             'SELECT id, told, truck, trucks, "It\'s", state FROM restored_x."odd Loads" WHERE id = 1')
    assert live.ask('SELECT * FROM "odd Loads" ORDER BY id') == rows


def test_a_table_comes_back_although_what_it_called_is_gone(live):
    rows = live.ask('SELECT * FROM "odd Loads" ORDER BY id')
    live.ask('DROP TABLE "odd Loads"; DROP DOMAIN own_plate, plate; DROP FUNCTION note, is_good, doubled, noted')
    bring(live, TABLE)
    assert live.ask('SELECT * FROM restored_x."odd Loads" ORDER BY id') == rows
