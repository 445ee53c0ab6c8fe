#!/bin/bash
# STOP or CONT: all that a backup itself runs stands still where it is, or goes on. The program first, so that it begins nothing
# in a container meanwhile.
set -uo pipefail
each() { for container in $(docker ps -q --filter label=com.docker.compose.oneoff=True); do docker top "$container" -eo pid; done; }
pids="$(pgrep -f '/usr/local/lib/trenova/backup.py backup') $(each 2>/dev/null | grep -v PID)"
# What has just ended needs no signal.
kill "-$1" $pids 2>/dev/null
exit 0
