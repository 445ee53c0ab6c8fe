#!/bin/sh
# Puts a base backup, its increments and the log since together, and lets the server itself recover up to a moment.
# DIRECTORY TARGET BASE...   DIRECTORY has a folder for each base, and the log in `log`; the result is in `data`. TARGET is a
# moment, or POSITION@TIMELINE for all of the log before a position; with an empty one it is all that the log holds.
set -u
fail() { echo "$1" >&2; exit 1; }
cd "$1" || exit 1
here=$PWD target=$2 timeline=latest
shift 2
echo "putting together $# base backups"
if [ $# = 1 ]; then
    mv "$1" data || exit 1
else
    pg_combinebackup --no-sync --output=data "$@" || exit 1
    rm -rf "$@"
fi
chmod 0700 data
# What was set by SQL holds again afterwards, and not for this start: it may name commands.
mv data/postgresql.auto.conf auto.conf
cat >hba.conf <<'END'
local all all trust
END
case $target in
    *@*)
        timeline=${target#*@}
        setting="recovery_target_lsn = '${target%@*}'
recovery_target_inclusive = off" ;;
    *) setting="recovery_target_time = '$target'" ;;
esac
# SETTING
configure() {
    cat >recover.conf <<END
listen_addresses = ''
unix_socket_directories = '/tmp'
hba_file = '$here/hba.conf'
shared_buffers = 64MB
max_prepared_transactions = 100
hot_standby = off
archive_mode = off
autovacuum = off
# All is written to the disk at the end, or thrown away.
fsync = off
restore_command = 'cp "$here/log/%f" "%p"'
recovery_target_timeline = '$timeline'
recovery_target_action = 'promote'
$1
END
}
ask() { psql --no-psqlrc --quiet --no-align --tuples-only --host=/tmp --username=postgres --dbname=postgres --command="$1"; }
# Connections are accepted when it has recovered, which pg_ctl does not wait for.
start() {
    touch data/recovery.signal
    pg_ctl --pgdata=data --silent --wait --timeout=3600 --log=recover.log \
        --options="-c config_file=$here/recover.conf" start || return 1
    until ask 'SELECT 1' >/dev/null 2>&1; do
        pg_ctl --pgdata=data status >/dev/null 2>&1 || return 1
        sleep 0.2
    done
}
echo "recovering${target:+ up to $target}"
configure "${target:+$setting}"
if ! start; then
    # Nothing was written between the last transaction and the target: then the log ends before it.
    grep -q 'recovery ended before configured recovery target was reached' recover.log || fail "$(tail -n 3 recover.log)"
    configure ''
    start || fail "$(tail -n 3 recover.log)"
fi
state=$(ask "SELECT pg_is_in_recovery()") || fail "It does not answer after the recovery."
[ "$state" = f ] || fail "It is still recovering: $(tail -n 1 recover.log)"
last=$(sed -n 's/.*last completed transaction was at log time //p' recover.log | tail -n 1)
pg_ctl --pgdata=data --silent --wait --timeout=3600 --mode=fast stop || exit 1
mv auto.conf data/postgresql.auto.conf
rm -f data/recovery.signal
sync -f data || exit 1
echo "last transaction: ${last:-before the log begins}"
