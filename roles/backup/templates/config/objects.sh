#!/bin/sh
# A command with the key of the objects in its environment: rclone wants it in a form of its own.
set -u
key=/run/trenova/secrets/targets/key
RCLONE_CRYPT_PASSWORD=$(rclone obscure - <"$key") || exit 1
# The salt of the file names follows from the key, so that the key alone is enough.
RCLONE_CRYPT_PASSWORD2=$( (cat "$key"; echo objects) | sha256sum | cut -d ' ' -f 1 | rclone obscure -) || exit 1
export RCLONE_CRYPT_PASSWORD RCLONE_CRYPT_PASSWORD2
exec "$@"
