#!/bin/sh
# What comes over the loopback of the host arrives here from the gateway of the network on which the ports are published.
# Who names the loopback as a proxy means that address, which is known in the container only: the Caddyfile imports it.
set -eu
tables=${1:-/proc/net} place=${2:-/config}

# Bytes of an address stand in the order of the machine, little-endian wherever Caddy runs here.
bytes=$(awk '$2 == "00000000" && $3 != "00000000" { print $3; exit }' "$tables/route" | sed 's/\(..\)\(..\)\(..\)\(..\)/0x\4 0x\3 0x\2 0x\1/')
# shellcheck disable=SC2086  # four words
found=${bytes:+$(printf '%d.%d.%d.%d' $bytes)}
if [ -r "$tables/ipv6_route" ]; then
    none=00000000000000000000000000000000
    found="$found $(awk -v none="$none" '$1 == none && $2 == "00" && $5 != none { print $5; exit }' "$tables/ipv6_route" | sed 's/..../&:/g; s/:$//')"
fi
printf 'trusted_proxies static {args[:]} %s\n' "$found" >"$place/trusted.caddy"
printf 'not remote_ip {args[:]} %s\n' "$found" >"$place/not-from.caddy"
