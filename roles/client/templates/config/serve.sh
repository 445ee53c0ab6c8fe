#!/bin/sh
# Serves the built client. The address of the API is fixed in the files when they are built; where a placeholder
# stands for it, the files are copied to memory with this installation's address in its place.
set -eu
CLIENT_ROOT=/srv/client
if [ -n "$API_PLACEHOLDER" ] && grep -rqF "$API_PLACEHOLDER" /srv/client; then
    CLIENT_ROOT=/srv/www
    cp -R /srv/client/. "$CLIENT_ROOT/"
    pattern=$(printf '%s' "$API_PLACEHOLDER" | sed 's/[.[\*^$/]/\\&/g')
    origin=$(printf '%s' "$API_ORIGIN" | sed 's/[&/\]/\\&/g')
    find "$CLIENT_ROOT" -name '*.map' -exec rm -f {} +
    grep -rlF "$API_PLACEHOLDER" "$CLIENT_ROOT" | while IFS= read -r file; do
        sed "s/$pattern/$origin/g" "$file" >/tmp/replaced && cat /tmp/replaced >"$file"
        # Compressed copies hold the old text.
        rm -f "$file.gz" "$file.br" "$file.zst"
    done
fi
export CLIENT_ROOT
exec caddy run --config /etc/caddy/Caddyfile --adapter caddyfile
