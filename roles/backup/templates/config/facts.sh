#!/bin/sh
# Tells what a database holds at a moment at which nobody writes, as JSON: a line for the moment, and one for each table.
# CONNECTION BYTES TRIES   Tables that are more than so many bytes in all, the smallest first, are only counted, and those
# that are more than twenty times as many are only named. After so many tries in vain it is a moment at which somebody
# writes, and the line says so.
set -u
ask() {
    psql --no-psqlrc --quiet --no-align --tuples-only --no-password --set=ON_ERROR_STOP=1 --set=budget="$2" \
        --set=is_last="$3" --dbname="$1" <<'END'
-- What is set for this database or this login would end what takes longer.
SET statement_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
-- What a value looks like must not hang on whose settings these are.
SET search_path = pg_catalog;
-- Only since 17 is a transaction limited.
SELECT count(set_config(name, '0', false)) AS limits FROM pg_settings WHERE name = 'transaction_timeout' \gset
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET intervalstyle = 'postgres';
SET extra_float_digits = 1;
SET bytea_output = 'hex';
SET lock_timeout = '10s';
SELECT pg_current_wal_insert_lsn() AS before \gset
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
-- With nothing written since, and no transaction open that may commit, this position is that of the snapshot.
SELECT pg_current_wal_insert_lsn() AS lsn, to_char(clock_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS at,
    pg_snapshot_xmin(s) = pg_snapshot_xmax(s) AND pg_current_wal_insert_lsn() = :'before' AS is_exact
FROM pg_current_snapshot() AS s \gset
SELECT :'is_exact' OR :'is_last' AS is_told \gset
\if :is_told
SELECT json_build_object('lsn', :'lsn', 'at', :'at', 'is_exact', :'is_exact'::bool,
    'timeline', ('x' || left(pg_walfile_name(:'lsn'), 8))::bit(32)::int);
SELECT format(CASE WHEN before <= :budget::numeric * 20
        THEN 'SELECT json_build_object(''table'', %1$L::text, ''rows'', count(*), ''checksum'', %2$s) FROM ONLY %3$I.%4$I AS "this row"'
        ELSE 'SELECT json_build_object(''table'', %1$L::text, ''rows'', NULL, ''checksum'', NULL)' END,
    nspname || '.' || relname,
    CASE WHEN before <= :budget
         THEN 'coalesce(sum(hashtextextended("this row"::text, 0)::numeric), 0)::text' ELSE 'NULL' END,
    nspname, relname)
FROM (SELECT *, sum(bytes) OVER (ORDER BY bytes, oid) AS before
FROM (SELECT c.oid, nspname, relname, pg_table_size(c.oid) AS bytes
      FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
      -- Others are not in the log.
      WHERE relkind IN ('r', 'm') AND relpersistence = 'p' AND relispopulated
          AND nspname <> 'information_schema' AND nspname !~ '^pg_') AS tables) AS sums
ORDER BY bytes, oid
\gexec
\endif
COMMIT;
END
}
try=1
while :; do
    is_last=false
    [ "$try" -lt "$3" ] || is_last=true
    told=$(ask "$1" "$2" "$is_last") || exit 1
    [ -z "$told" ] || break
    try=$((try + 1))
    sleep 0.2
done
printf '%s\n' "$told"
