#!/bin/sh
# Fetches the write-ahead log up to now, and says up to where: POSITION MOMENT. CONNECTION SLOT DIRECTORY
set -u
ask() {
    psql --no-psqlrc --quiet --no-align --tuples-only --no-password --dbname="$1" --command="$2"
}
# The receiver stops behind a position, and would wait for the next write to be behind the last one.
now=$(ask "$1" "SELECT format('%s %s %s', lsn, lsn - 1, to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'))
    FROM (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_flush_lsn() END AS lsn) AS at") || exit 1
lsn=${now%% *} moment=${now##* } end=${now#* }
end=${end% *}
pg_receivewal --directory="$3" --slot="$2" --endpos="$end" --no-loop --synchronous --no-password --dbname="$1" || exit 1
echo "$lsn $moment"
