#!/usr/bin/env bash
# Lab only. Behaves as the entrypoint of library/rabbitmq:4: as root it hands over to uid 999, and it refuses variables that RabbitMQ 4
# images no longer honour.
set -euo pipefail

if [[ "$1" == rabbitmq* ]] && [[ "$(id -u)" == 0 ]]; then
  if [[ "$1" == rabbitmq-server ]]; then
    find /var/lib/rabbitmq \! -user rabbitmq -exec chown rabbitmq {} +
  fi
  exec setpriv --reuid rabbitmq --regid rabbitmq --init-groups -- "${BASH_SOURCE[0]}" "$@"
fi

obsolete=()
for name in \
  RABBITMQ_DEFAULT_PASS_FILE RABBITMQ_DEFAULT_USER_FILE \
  RABBITMQ_MANAGEMENT_SSL_CACERTFILE RABBITMQ_MANAGEMENT_SSL_CERTFILE RABBITMQ_MANAGEMENT_SSL_DEPTH \
  RABBITMQ_MANAGEMENT_SSL_FAIL_IF_NO_PEER_CERT RABBITMQ_MANAGEMENT_SSL_KEYFILE RABBITMQ_MANAGEMENT_SSL_VERIFY \
  RABBITMQ_SSL_CACERTFILE RABBITMQ_SSL_CERTFILE RABBITMQ_SSL_DEPTH RABBITMQ_SSL_FAIL_IF_NO_PEER_CERT \
  RABBITMQ_SSL_KEYFILE RABBITMQ_SSL_VERIFY RABBITMQ_VM_MEMORY_HIGH_WATERMARK
do
  if [[ -n "${!name:-}" ]]; then obsolete+=("$name"); fi
done
if (( ${#obsolete[@]} )); then
  for name in "${obsolete[@]}"; do echo "error: $name is set but deprecated" >&2; done
  echo 'error: deprecated environment variables detected' >&2
  exit 1
fi

# Long node names when the host name has dots.
if [[ "$(hostname)" != "$(hostname -s)" ]]; then
  export RABBITMQ_USE_LONGNAME="${RABBITMQ_USE_LONGNAME:-true}"
fi

exec "$@"
