#!/bin/sh
# redis-cli with the password of a store. HOST PORT STORE [ARGUMENT...]
set -u
host=$1 port=$2 store=$3; shift 3
REDISCLI_AUTH=$(awk -v store="$store" '$1 == store { sub(/^[^ ]+ /, ""); print }' /run/trenova/secrets/stores/redis-passwords)
export REDISCLI_AUTH
exec redis-cli -h "$host" -p "$port" "$@"
