#!/bin/sh
# sessions.sh HOST fill MEBIBYTES | rewrite WRITES_PER_SECOND SECONDS: sessions that expire, with content that does not
# compress. `rewrite` writes on while the append-only file is rewritten; 0 writes a second are as many as there can be.
host=$1 what=$2
value=$(cat /memory/session.txt)
write() {
  redis-benchmark -h "$host" ${REDISCLI_AUTH:+-a "$REDISCLI_AUTH"} -c "$2" -P "$2" -q -r 1000000000 -n "$1" \
    setex session:__rand_int__ 86400 "$value" > /dev/null 2>&1
}
ask() { redis-cli -h "$host" "$@"; }
settled() {
  for _ in $(seq 60); do
    ask info persistence | grep -q 'aof_rewrite_in_progress:0' && return
    sleep 1
  done
}
case $what in
fill)
  write "$(($3 * 512))" 16
  settled
  ask info memory | grep -E '^(used_memory|maxmemory):'
  ;;
rewrite)
  settled
  ask bgrewriteaof > /dev/null
  end=$(($(date +%s) + $4))
  while [ "$(date +%s)" -lt "$end" ]; do
    if [ "$3" -eq 0 ]; then write 200000 16; else write "$3" 1; sleep 0.9; fi
  done
  settled
  ask info persistence | grep -E '^(aof_last_bgrewrite_status|aof_last_cow_size|aof_rewrites):'
  ;;
esac || echo 'Redis does not answer'
