#!/bin/sh
# The two servers of an upgrade, each in the image of its major, beside each other: they share a directory, where their
# sockets are and the new one's data, and nobody else reaches either. VERB [ARGUMENT...]
set -u
here=/upgrade old=/old
fail() { echo "$1" >&2; exit 1; }
# Limits of time, of which each version knows some. Who names one that a server does not know is not let in.
limits="statement_timeout lock_timeout idle_in_transaction_session_timeout idle_session_timeout transaction_timeout"
# Statements are not repeated where something fails: passwords stand in them.
quiet="--no-psqlrc --quiet --no-password --set=ON_ERROR_STOP=1 --set=VERBOSITY=terse --set=SHOW_CONTEXT=never"

# NAME DATA PRELOADED READONLY   What was set by SQL may be anything. ALTER SYSTEM loses against the command of the server;
# that command loses against ALTER DATABASE and ALTER ROLE, and these lose against what a client brings (PGOPTIONS).
start() {
    mkdir -p -m 0700 "$here/$1" || exit 1
    echo 'local all all trust' >"$here/hba.conf"
    brings="-c default_transaction_read_only=$4 -c session_preload_libraries= -c log_statement=none \
-c log_min_error_statement=panic -c log_min_duration_statement=-1 -c jit=off"
    known=$(postgres --describe-config | cut -f1)
    for name in $limits; do
        if printf '%s\n' "$known" | grep -q -x "$name"; then brings="$brings -c $name=0"; fi
    done
    echo "$brings" >"$here/$1.options"
    pg_ctl --pgdata="$2" --silent --wait --timeout=3600 --log="$here/$1.log" --options="-c config_file=$here/$1.conf \
-c hba_file=$here/hba.conf -c listen_addresses='' -c unix_socket_directories=$here/$1 -c port=5432 -c ssl=off \
-c shared_preload_libraries='$3' -c logging_collector=off -c archive_mode=off -c autovacuum=off \
-c max_connections=20 -c superuser_reserved_connections=3 -c max_locks_per_transaction=1024" start ||
        fail "$(tail -n 3 "$here/$1.log")"
}

# NAME COMMAND...   A client of one of both servers, with what has to count there.
client() {
    server=$1
    shift
    PGHOST=$here/$server PGUSER=postgres PGOPTIONS=$(cat "$here/$server.options") "$@"
}

case $1 in
    # What an image is: its version, the extensions and the libraries that it has, the locales.
    image)
        version=$(postgres --version 2>/dev/null)
        share=$(pg_config --sharedir 2>/dev/null || echo "/usr/share/postgresql/${PG_MAJOR:-}")
        libraries=$(pg_config --pkglibdir 2>/dev/null || echo "/usr/lib/postgresql/${PG_MAJOR:-}/lib")
        echo "version $version"
        for file in "$share"/extension/*.control; do echo "extension $(basename "$file" .control)"; done
        for file in "$libraries"/*.so; do echo "library $(basename "$file" .so)"; done
        locale -a | sed 's/^/locale /' ;;
    # NAME...   Which of these words pg_dump does not know.
    unknown)
        shift
        # A script of Debian's stands before the program.
        program=$(pg_config --bindir 2>/dev/null || echo "/usr/lib/postgresql/${PG_MAJOR:-}/bin")/pg_dump
        for word in "$@"; do grep -q -a -F "$word" "$program" || echo "$word"; done ;;
    # FILE   Which settings of a file this version does not take. It names all that are wrong at once.
    settings)
        LC_ALL=C postgres -D /tmp -c config_file="$2" -C max_connections 2>&1 | sed -n \
            -e 's/.*unrecognized configuration parameter "\([^"]*\)".*/removed \1/p' \
            -e 's/.*invalid value for parameter "\([^"]*\)".*/refused \1/p'
        exit 0 ;;
    # PRELOADED LEVEL SLOTS SHARED_BUFFERS
    start-old)
        printf '%s\n' "wal_level = $3" "max_replication_slots = $4" "shared_buffers = $5" max_wal_senders=10 \
            >"$here/old.conf"
        start old "$old" "$2" on ;;
    # PRELOADED SHARED_BUFFERS MAINTENANCE   Nothing of it counts before it is whole, so it need not be safe meanwhile.
    start-new)
        printf '%s\n' "shared_buffers = $3" "maintenance_work_mem = $4" 'wal_level = minimal' 'max_wal_senders = 0' \
            'fsync = off' 'full_page_writes = off' 'synchronous_commit = off' 'max_wal_size = 2GB' \
            'checkpoint_timeout = 1h' 'max_parallel_maintenance_workers = 2' 'client_min_messages = warning' \
            >"$here/new.conf"
        start new "$here/data" "$2" off ;;
    # OPTION...
    init)
        shift
        rm -rf "$here/data"
        initdb --pgdata="$here/data" --username=postgres --auth-local=peer --auth-host=scram-sha-256 --data-checksums \
            --no-sync --no-instructions "$@" >/dev/null || exit 1 ;;
    # Roles with their passwords, memberships, settings. The one that made the cluster is there.
    globals)
        rm -f /tmp/passing && mkfifo /tmp/passing || exit 1
        client old pg_dumpall --globals-only >/tmp/passing &
        sed '/^CREATE ROLE postgres;$/d' /tmp/passing | client new psql $quiet --dbname=postgres
        code=$?
        wait $! || exit 1
        exit $code ;;
    # NAME   A database, as it is, with all that belongs to it.
    database)
        rm -f /tmp/passing && mkfifo /tmp/passing || exit 1
        from=postgres replace=''
        case $2 in
            # They are there, and one cannot be replaced by who is in it.
            postgres) from=template1 replace='--clean --if-exists' ;;
            template1) replace='--clean --if-exists' ;;
        esac
        client old env PGDATABASE="$2" pg_dump --create $replace >/tmp/passing &
        client new psql $quiet --dbname="$from" --file=/tmp/passing >/dev/null
        code=$?
        wait $! || exit 1
        exit $code ;;
    # JOBS
    analyze) client new vacuumdb --all --analyze-only --jobs="$2" --quiet ;;
    # SERVER CONNECTION BYTES   What facts.sh tells of a database.
    facts) client "$2" sh /run/trenova/config/facts.sh "$3" "$4" 1 ;;
    # SERVER DATABASE   What there is in it, a line of JSON each.
    contents)
        client "$2" env PGDATABASE="$3" psql $quiet --no-align --tuples-only --file=/run/trenova/config/contents.sql ;;
    # SERVER   What config/asked.sql asks.
    asked) client "$2" psql $quiet --no-align --tuples-only --dbname=postgres --file=/run/trenova/config/asked.sql ;;
    # SERVER
    stop)
        data=$here/data
        [ "$2" = new ] || data=$old
        pg_ctl --pgdata="$data" --silent --wait --timeout=3600 --mode=fast stop || exit 1
        sync -f "$data" ;;
esac
