#!/bin/bash
# The same as the backups with PostgreSQL's programs and rclone alone: no limits, no encryption, no checks of ours. Each verb
# tells its parts: NAME SECONDS [BYTES].
#   full, incremental               base backup, objects and the small stores, into a directory beside the targets
#   restore CONTAINER...            stops these in this order, and brings back what was saved, each store in its place; RabbitMQ
#                                   is stopped when it was written
#   dump, undump                    the same database as SQL, out and into an empty database
#   rclone DIRECTORY WORD...        rclone with the keys of the objects; it sees the directory as /here
set -euo pipefail
raw=/var/backups/bench-raw live=/var/lib/trenova/postgres new=/var/lib/trenova/.bench-raw
login="host=tren-db user=trenova_backup dbname=postgres"
image_of() { docker inspect --format '{{.Config.Image}}' "$1"; }
postgres=$(image_of tren-db)
backup=$(cd /opt/trenova && docker compose --profile jobs config --images backup-keep)
# Programs of the server's own image, as root, so that they may write where they are told to.
client() {
    docker run --rm --user 0 --network trenova_data --volume /opt/trenova/backup/secrets/stores/pgpass:/pgpass.host:ro \
        --volume "$raw:$raw" --entrypoint sh "$postgres" -c '
            install -m 0600 /pgpass.host /tmp/pgpass; export PGPASSFILE=/tmp/pgpass; exec "$@"' sh "$@"
}
objects() {
    local here=$1; shift
    docker run --rm --user 0 --network trenova_data --volume "$here:/here" --entrypoint rclone \
        --volume /opt/trenova/backup/secrets/objects/rclone.conf:/rclone.conf:ro "$backup" \
        --config /rclone.conf --quiet "$@"
}
healthy() {
    docker start "$1" >/dev/null
    until [ "$(docker inspect --format '{{.State.Health.Status}}' "$1")" = healthy ]; do sleep 0.2; done
}
# NAME BYTES-OF COMMAND...
timed() {
    local name=$1 of=$2 begin; shift 2
    begin=$(date +%s%N)
    "$@" >&2
    echo "$name $((($(date +%s%N) - begin) / 1000000))" "$([ -z "$of" ] || du -sb "$of" | cut -f 1)" |
        awk '{ printf "%s %.2f %s\n", $1, $2 / 1000, $3 }'
}
base() {
    client pg_basebackup --pgdata="$raw/$1" --format=tar --wal-method=stream --checkpoint=fast --no-password \
        --dbname="$login" "${@:2}"
}
unpack() {
    local name
    rm -rf "$new"
    mkdir -p "$new/base" "$new/increment"
    for name in base increment; do
        tar -xf "$raw/$name/base.tar" -C "$new/$name"
        cp "$raw/$name/backup_manifest" "$new/$name"
    done
    docker run --rm --network none --user 0 --volume "$new:$new" --entrypoint pg_combinebackup "$postgres" \
        --output="$new/data" "$new/base" "$new/increment"
    tar -xf "$raw/increment/pg_wal.tar" -C "$new/data/pg_wal"
    chown -R "$(stat -c %u:%g "$live")" "$new"
    chmod 0700 "$new/data"
    rm -rf "$new/base" "$new/increment"
}
recover() {
    echo "local all all trust" >"$new/hba.conf"
    cat >"$new/raw.conf" <<'END'
listen_addresses = ''
unix_socket_directories = '/tmp'
hba_file = '/new/hba.conf'
max_prepared_transactions = 100
END
    docker run --rm --network none --user "$(stat -c %u:%g "$live")" --volume "$new:/new" --tmpfs /tmp:mode=1777 \
        --entrypoint sh "$postgres" -c '
            cd /new
            pg_ctl -D data -s -w -t 3600 -l raw.log -o "-c config_file=/new/raw.conf" start || { cat raw.log; exit 1; }
            pg_ctl -D data -s -w -m fast stop'
}
lay() {
    mv "$live" "$new/replaced"
    mv "$new/data" "$live"
    sync -f "$live"
}
# What is small: Redis as a snapshot, Caddy's directory, RabbitMQ's definitions.
redis=/var/lib/trenova/redis caddy=/var/lib/trenova/caddy/data
ask_redis() { docker exec -e REDISCLI_AUTH="$(cat /opt/trenova/redis/secrets/password)" tren-redis redis-cli "$@" >/dev/null; }
small() {
    mkdir -p "$raw/small"
    ask_redis SAVE
    cp "$redis/dump.rdb" "$raw/small"
    tar -C "$caddy" -cf "$raw/small/caddy.tar" .
    docker exec tren-rabbitmq sh -c 'rabbitmqctl -q export_definitions /tmp/raw.json && cat /tmp/raw.json' \
        >"$raw/small/definitions.json"
}
bring_small() {
    local owner
    owner=$(stat -c %u:%g "$redis")
    rm -rf "$redis/appendonlydir" "${caddy:?}"/*
    mkdir "$redis/appendonlydir"
    cp "$raw/small/dump.rdb" "$redis/appendonlydir/appendonly.aof.1.base.rdb"
    echo 'file appendonly.aof.1.base.rdb seq 1 type b' >"$redis/appendonlydir/appendonly.aof.manifest"
    chown -R "$owner" "$redis"
    tar -C "$caddy" --numeric-owner -xf "$raw/small/caddy.tar"
    docker exec -i tren-rabbitmq sh -c 'cat >/tmp/raw.json && rabbitmqctl -q import_definitions /tmp/raw.json' \
        <"$raw/small/definitions.json"
    docker stop tren-rabbitmq >/dev/null
}
bring_objects() {
    healthy tren-minio
    objects "$raw" copy /here/objects store-objects:
}
stop_all() { for container; do docker stop "$container" >/dev/null; done; }

verb=$1; shift
mkdir -p "$raw"
case $verb in
    full)
        rm -rf "${raw:?}"/*
        timed base "$raw/base" base base
        timed objects "$raw/objects" objects "$raw" copy store-objects: /here/objects
        timed small "$raw/small" small ;;
    incremental)
        rm -rf "$raw/increment"
        timed increment "$raw/increment" base increment --incremental="$raw/base/backup_manifest"
        timed objects "" objects "$raw" copy store-objects: /here/objects
        timed small "" small ;;
    restore)
        timed stop "" stop_all "$@"
        timed unpack "" unpack
        timed recover "" recover
        timed lay "" lay
        timed objects "" bring_objects
        timed small "" bring_small
        rm -rf "$new" ;;
    dump)
        timed dump "$raw/dump" client pg_dump --format=custom --compress=0 --no-password --file="$raw/dump" \
            --dbname="${login/dbname=postgres/dbname=trenova_go_db}" ;;
    undump)
        docker exec tren-db psql -qAt -d postgres -c 'CREATE DATABASE bench_undump'
        trap 'docker exec tren-db psql -qAt -d postgres -c "DROP DATABASE bench_undump"' EXIT
        timed undump "" sh -c 'docker exec -i tren-db pg_restore --no-owner --no-privileges --exit-on-error \
            --dbname=bench_undump <'"$raw/dump" ;;
    rclone)
        objects "$@" ;;
esac
