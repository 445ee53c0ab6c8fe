#!/bin/sh
# Restores a dump into a database, as a whole or not at all. CONNECTION FILE
set -u
# Extensions are the server's own, and not ours to drop.
pg_restore --list "$2" | grep -v -e ' EXTENSION ' -e '^;' >/tmp/contents || exit 1
exec pg_restore --clean --if-exists --no-owner --no-privileges --single-transaction --exit-on-error --no-password \
    --use-list=/tmp/contents --dbname="$1" "$2"
