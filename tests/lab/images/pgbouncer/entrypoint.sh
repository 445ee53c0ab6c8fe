#!/bin/sh
# Lab only. As in edoburu/pgbouncer: makes the list of users (AUTH_FILE) if there is none, and does not start where it cannot; writes a
# small configuration from DB_HOST, DB_PORT, DB_NAME, DB_USER, DB_PASSWORD, LISTEN_PORT, POOL_MODE and AUTH_TYPE if there is none; a
# mounted one is left alone.
set -eu

dir=/etc/pgbouncer
users="${AUTH_FILE:-$dir/userlist.txt}"
[ -e "$users" ] || touch "$users"
if [ -n "${DB_USER:-}" ] && [ -n "${DB_PASSWORD:-}" ] && ! grep -qs "^\"$DB_USER\" " "$users"; then
  printf '"%s" "%s"\n' "$DB_USER" "$DB_PASSWORD" >> "$users"
fi
if [ ! -e "$dir/pgbouncer.ini" ]; then
  : "${DB_HOST:?Setup pgbouncer config error! You must set DB_HOST env}"
  cat > "$dir/pgbouncer.ini" <<INI
[databases]
${DB_NAME:-*} = host=$DB_HOST port=${DB_PORT:-5432} auth_user=${DB_USER:-postgres}

[pgbouncer]
listen_addr = ${LISTEN_ADDR:-0.0.0.0}
listen_port = ${LISTEN_PORT:-5432}
unix_socket_dir =
user = postgres
auth_file = $users
auth_type = ${AUTH_TYPE:-md5}
pool_mode = ${POOL_MODE:-transaction}
ignore_startup_parameters = ${IGNORE_STARTUP_PARAMETERS:-extra_float_digits}
admin_users = ${ADMIN_USERS:-postgres}
INI
  cat "$dir/pgbouncer.ini"
fi
exec "$@"
