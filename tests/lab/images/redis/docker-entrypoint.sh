#!/usr/bin/env bash
# Lab only. What roles may rely on from the entrypoint of library/redis:8: as root it hands over to uid 999 if it has the capabilities
# for it, umask 0077, and every module in the modules directory is loaded - only when the first word is `redis-server`, and never for
# Sentinel (stricter than the published script, which also accepts an option or a configuration file as first word).
set -e

modules=no
if [ "$1" = redis-server ]; then
  modules=yes
  for word in "$@"; do
    if [ "$word" = --sentinel ]; then modules=no; fi
  done
elif [ "${1#-}" != "$1" ] || [ "${1%.conf}" != "$1" ]; then
  set -- redis-server "$@"
fi

may() { setpriv --dump | grep -q "Capability bounding set:.*\b$1\b"; }

case "${1##*/}" in
  redis-server|redis-sentinel)
    if [ "$(id -u)" = 0 ] && [ -z "${SKIP_DROP_PRIVS:-}" ] && may setuid && may setgid; then
      if [ -z "${SKIP_FIX_PERMS:-}" ]; then
        find . \! -user redis -exec chown redis {} + || echo 'Warning: cannot change the owner of the data directory'
      fi
      exec setpriv --reuid redis --regid redis --clear-groups --nnp --inh-caps=-all --ambient-caps=-all --bounding-set=-all \
        -- "$0" "$@"
    fi ;;
esac

if [ "$(umask)" = 0022 ]; then umask 0077; fi

if [ "$modules" = yes ]; then
  # The published server is compiled without protected mode.
  if ! printf '%s\n' "$@" | grep -q -- --protected-mode && ! { [ -r "${2:-}" ] && grep -qi '^ *protected-mode' "$2"; }; then
    set -- "$@" --protected-mode no
  fi
  for module in /usr/local/lib/redis/modules/*.so; do
    if [ -s "$module" ]; then set -- "$@" --loadmodule "$module"; fi
  done
fi

exec "$@"
