#!/usr/bin/env bash
# Lab only. Behaves towards its environment as the entrypoint of library/postgres:17 does, as far as roles rely on it:
# POSTGRES_{PASSWORD,USER,DB,INITDB_ARGS}[_FILE], POSTGRES_HOST_AUTH_METHOD, POSTGRES_INITDB_WALDIR, /docker-entrypoint-initdb.d,
# any uid by `user:`, server options in the command. Called as docker-ensure-initdb.sh it ends after the initialisation.
set -Eeuo pipefail

fail() { printf 'Error: %s\n' "$*" >&2; exit 1; }

# from_file NAME [default]: NAME or the content of the file named by NAME_FILE, never both.
from_file() {
  local name="$1" file_name="${1}_FILE" value="${2:-}"
  if [[ -n "${!name:-}" && -n "${!file_name:-}" ]]; then
    fail "both $name and $file_name are set (but are exclusive)"
  elif [[ -n "${!name:-}" ]]; then
    value="${!name}"
  elif [[ -n "${!file_name:-}" ]]; then
    [[ -r "${!file_name}" ]] || fail "$file_name names ${!file_name}, which cannot be read"
    value="$(< "${!file_name}")"
  fi
  export "$name"="$value"
  unset "$file_name"
}

wants_server() {
  local word
  [[ "${1:-}" == postgres ]] || return 1
  for word in "$@"; do
    case "$word" in -\?|--help|--describe-config|-V|--version) return 1 ;; esac
  done
}

as_postgres_if_root() {
  [[ "$(id -u)" == 0 ]] || return 0
  mkdir -p "$PGDATA" /var/run/postgresql
  chmod 0700 "$PGDATA" || :
  chmod 3775 /var/run/postgresql || :
  find "$PGDATA" /var/run/postgresql \! -user postgres -exec chown postgres {} +
  if [[ -n "${POSTGRES_INITDB_WALDIR:-}" ]]; then
    mkdir -p "$POSTGRES_INITDB_WALDIR"
    chmod 0700 "$POSTGRES_INITDB_WALDIR"
    find "$POSTGRES_INITDB_WALDIR" \! -user postgres -exec chown postgres {} +
  fi
  exec setpriv --reuid postgres --regid postgres --init-groups -- "$0" "$@"
}

run_initdb() {
  local -a extra=()
  local wrapper
  # initdb wants a name for its uid; an arbitrary `user:` has none.
  if ! getent passwd "$(id -u)" > /dev/null; then
    for wrapper in /usr/lib/*/libnss_wrapper.so; do
      NSS_WRAPPER_PASSWD="$(mktemp)"
      NSS_WRAPPER_GROUP="$(mktemp)"
      export LD_PRELOAD="$wrapper" NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
      printf 'postgres:x:%s:%s:PostgreSQL:%s:/bin/false\n' "$(id -u)" "$(id -g)" "$PGDATA" > "$NSS_WRAPPER_PASSWD"
      printf 'postgres:x:%s:\n' "$(id -g)" > "$NSS_WRAPPER_GROUP"
    done
  fi
  [[ -z "${POSTGRES_INITDB_WALDIR:-}" ]] || extra+=(--waldir "$POSTGRES_INITDB_WALDIR")
  # POSTGRES_INITDB_ARGS is shell words by contract.
  eval 'initdb --username="$POSTGRES_USER" --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD") "${extra[@]}" '"${POSTGRES_INITDB_ARGS}"
  if [[ -n "${NSS_WRAPPER_PASSWD:-}" ]]; then
    rm -f "$NSS_WRAPPER_PASSWD" "$NSS_WRAPPER_GROUP"
    unset LD_PRELOAD NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
  fi
}

sql() { psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER" --no-password "$@"; }

run_init_files() {
  local file
  for file in /docker-entrypoint-initdb.d/*; do
    case "$file" in
      *.sh)
        printf '%s: running %s\n' "$0" "$file"
        # shellcheck disable=SC1090
        if [[ -x "$file" ]]; then "$file"; else . "$file"; fi ;;
      *.sql) printf '%s: running %s\n' "$0" "$file"; sql --dbname "$POSTGRES_DB" -f "$file" ;;
      *.sql.gz) gunzip -c "$file" | sql --dbname "$POSTGRES_DB" ;;
      *.sql.xz) xzcat "$file" | sql --dbname "$POSTGRES_DB" ;;
      *.sql.zst) zstd -dc "$file" | sql --dbname "$POSTGRES_DB" ;;
      */\*) ;;
      *) printf '%s: ignoring %s\n' "$0" "$file" ;;
    esac
  done
}

init_cluster() {
  local method
  if [[ -z "$POSTGRES_PASSWORD" && "${POSTGRES_HOST_AUTH_METHOD:-}" != trust ]]; then
    fail "Database is uninitialized and superuser password is not specified: set POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE"
  fi
  mkdir -p "$PGDATA"
  chmod 0700 "$PGDATA" || :
  ls /docker-entrypoint-initdb.d/ > /dev/null
  run_initdb

  method="${POSTGRES_HOST_AUTH_METHOD:-$(postgres -C password_encryption "$@")}"
  printf '\nhost all all all %s\n' "$method" >> "$PGDATA/pg_hba.conf"

  # Not reachable over TCP until everything is in place.
  export PGPASSWORD="$POSTGRES_PASSWORD"
  PGUSER="$POSTGRES_USER" pg_ctl -D "$PGDATA" -w -o "$(printf '%q ' "$@" -c listen_addresses='' -p "${PGPORT:-5432}")" start
  if [[ "$POSTGRES_DB" != postgres ]]; then
    PGHOST='' PGHOSTADDR='' sql --dbname postgres -v db="$POSTGRES_DB" <<< 'CREATE DATABASE :"db";'
  fi
  run_init_files
  PGUSER="$POSTGRES_USER" pg_ctl -D "$PGDATA" -m fast -w stop
  unset PGPASSWORD
  printf '\nPostgreSQL init process complete; ready for start up.\n\n'
}

if [[ "${1:-}" == -* ]]; then
  set -- postgres "$@"
fi
only_init=no
if [[ "${0##*/}" == docker-ensure-initdb.sh ]]; then
  only_init=yes
  [[ $# -gt 0 ]] || set -- postgres
fi

if wants_server "$@"; then
  as_postgres_if_root "$@"
  from_file POSTGRES_PASSWORD
  from_file POSTGRES_USER postgres
  from_file POSTGRES_DB "$POSTGRES_USER"
  from_file POSTGRES_INITDB_ARGS
  if [[ -s "$PGDATA/PG_VERSION" ]]; then
    printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
  else
    init_cluster "${@:2}"
  fi
fi

[[ "$only_init" == no ]] || exit 0
exec "$@"
