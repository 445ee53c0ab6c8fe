#!/bin/sh
# sessions.sh MEBIBYTES: fills Redis with sessions that expire, then writes on while it rewrites its append-only file.
value=$(head -c 2048 /dev/zero | tr '\0' x)
write() {
  redis-benchmark -h tren-redis -a "$REDISCLI_AUTH" -c 16 -P 16 -q -r 1000000000 -n "$1" \
    setex session:__rand_int__ 86400 "$value" > /dev/null 2>&1
}
write "$(($1 * 512))"
redis-cli -h tren-redis bgrewriteaof
write "$(($1 * 64))"
redis-cli -h tren-redis info memory | grep -E '^(used_memory|used_memory_rss|maxmemory):' || echo 'Redis does not answer'
