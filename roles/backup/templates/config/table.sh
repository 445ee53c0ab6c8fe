#!/bin/sh
# Writes a table of a recovered database as SQL that makes it beside the live ones and does nothing else: plain columns
# and their values, no defaults, no constraints, no triggers, so that nothing of it is executed. DIRECTORY DATABASE TABLE SCHEMA
# A domain has constraints, too, which call what they name, and may be gone: its columns have the type that it is made of.
set -u
fail() { echo "$1" >&2; exit 1; }
cd "$1" || exit 1
database=$2 table=$3 schema=$4
trap 'pg_ctl --pgdata=data --silent --wait --mode=immediate stop >/dev/null 2>&1' EXIT
pg_ctl --pgdata=data --silent --wait --timeout=3600 --log=table.log --options="-c config_file=$PWD/recover.conf" start ||
    fail "$(tail -n 3 table.log)"
ask() { psql --no-psqlrc --quiet --no-align --tuples-only --host=/tmp --username=postgres --set=ON_ERROR_STOP=1 "$@"; }
ask --dbname=postgres --set=name="$database" <<'END' | grep -q 1 || fail "There was no database $database then."
SELECT 1 FROM pg_database WHERE datname = :'name';
END
found=$(ask --dbname="$database" --set=name="$table" <<'END'
SELECT to_regclass(:'name')::oid;
END
) || fail "$table is no name of a table."
[ -n "$found" ] || fail "There was no table $table in $database then. Write it as schema.table."
{
    ask --dbname="$database" --set=table="$found" --set=schema="$schema" <<'END'
SELECT format('CREATE SCHEMA IF NOT EXISTS %I;', :'schema');
SELECT format('CREATE TABLE %I.%I (%s);', :'schema', relname, (
    SELECT string_agg(format('%I %s', attname, (
        WITH RECURSIVE plain(type, modifier, suffix) AS (
            SELECT atttypid, atttypmod, ''
            UNION ALL
            SELECT CASE WHEN element.oid IS NULL THEN type.typbasetype ELSE element.oid END,
                CASE WHEN element.oid IS NULL THEN type.typtypmod ELSE modifier END,
                CASE WHEN element.oid IS NULL THEN '' ELSE '[]' END || suffix
            FROM plain JOIN pg_type AS type ON type.oid = plain.type
            LEFT JOIN pg_type AS element ON element.typarray = type.oid AND element.typtype = 'd'
            WHERE type.typtype = 'd' OR element.oid IS NOT NULL)
        SELECT format_type(type, modifier) || suffix FROM plain
        WHERE NOT EXISTS (SELECT FROM pg_type AS d WHERE d.typtype = 'd' AND plain.type IN (d.oid, d.typarray))
        )), ', ' ORDER BY attnum)
    FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped))
FROM pg_class c WHERE oid = :table;
SELECT format('COPY %I.%I FROM STDIN;', :'schema', relname) FROM pg_class WHERE oid = :table;
END
    ask --dbname="$database" --set=table="$found" <<'END'
SELECT format('COPY (SELECT %s FROM %s) TO STDOUT', (
    SELECT string_agg(format('%I', attname), ', ' ORDER BY attnum)
    FROM pg_attribute WHERE attrelid = :table AND attnum > 0 AND NOT attisdropped), :table::regclass) \gexec
END
    echo '\.'
    # Whoever may read the live table may look at this one.
    ask --dbname="$database" --set=table="$found" --set=schema="$schema" <<'END'
SELECT format('ALTER SCHEMA %1$I OWNER TO %2$I; ALTER TABLE %1$I.%3$I OWNER TO %2$I;', :'schema', pg_get_userbyid(datdba), (
    SELECT relname FROM pg_class WHERE oid = :table)) FROM pg_database WHERE datname = current_database();
END
} >table.sql || fail "The table cannot be read."
grep -q '^COPY ' table.sql || fail "The table cannot be read."
