# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What people leave behind on a server, and how to look at it."""

from __future__ import annotations

import shlex


def psql(statement):
    """Command that runs a statement in the application's database."""
    return "docker exec tren-db psql --no-psqlrc -qAt -d trenova_go_db -c " + shlex.quote(statement)


def redis(command):
    """Command that runs a command of Redis."""
    return f"docker exec tren-redis sh -c 'REDISCLI_AUTH=$(cat /run/trenova/password) redis-cli {command}'"


#: Rows, jobs, objects, a backup.
WORK = (
    psql("CREATE TABLE public.kept (what text)"),
    psql("INSERT INTO public.kept VALUES ('a row')"),
    redis("LPUSH kept:jobs one two three"),
    "docker exec tren-minio sh -c 'mkdir -p /data/kept && echo an object >/data/kept/object'",
    "systemctl start trenova-backup.service",
)
#: Kinds of state files of the first edition.
STATE_FILES = (
    "cd /opt/trenova && find . -name service.json -o -name plan.json -o -name .converged.json -o -name images.json"
    " -o -name host.json -o -name .reload-pending -o -name registry-logins.json | sort")
