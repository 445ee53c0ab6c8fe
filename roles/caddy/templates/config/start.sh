#!/bin/sh
# Caddy cleans its storage of expired certificates as it starts, unless that was done within a day. The cleaning removes
# folders that are empty, and so the folder of a certificate that is being made at that moment; the next try is a
# minute later. A start is no time to clean: the day begins with it.
set -eu
mkdir -p "$XDG_DATA_HOME/caddy"
printf '{"tls":{"timestamp":"%s"}}\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >"$XDG_DATA_HOME/caddy/.last_clean"
mv -f "$XDG_DATA_HOME/caddy/.last_clean" "$XDG_DATA_HOME/caddy/last_clean.json"
sh /etc/caddy/gateway.sh
exec caddy run --config /etc/caddy/Caddyfile --adapter caddyfile
