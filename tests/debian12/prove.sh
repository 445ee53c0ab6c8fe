#!/usr/bin/env bash
# Deploys a bare Debian 12 with Docker from a repository of the layout of Docker's own: each way in which that can fail, then the
# whole stack, again without a change, and an image that was pushed anew under its tag, with the image store of Docker 29.
#   prove.sh [--keep]      --keep leaves the server
set -euo pipefail
cd "$(dirname "$0")/../.."
servers='{"lab_servers": [{"name": "bookworm1", "address": "172.30.60.43", "image": "bare", "debian": "12"}]}'
registry=172.30.60.2:5000
packages=trenova-lab-docker-packages
redis=debian12/redis:8.4.7
work=$(mktemp -d)
inventory=$work/inventory
say() { printf '\n==> %s\n' "$*"; }
server() { ssh -F ~/.local/state/trenova-lab/ssh/config bookworm1 "$@"; }

finish() {
    status=$?
    rm -rf "$work"
    if [ "${1:-}" = --keep ] || [ $status -ne 0 ]; then
        echo "bookworm1 stays for a look: ssh -F ~/.local/state/trenova-lab/ssh/config bookworm1"
    else
        ansible-playbook -i localhost, molecule/lab/destroy.yml -e "$servers" >/dev/null
    fi
    exit $status
}

# Whatever happens there is one sentence, and apt is as it was.
refused() { # what it is, the sentence, where it is set
    say "$1"
    ! ansible-playbook playbooks/preflight.yml -i "$inventory" -e "docker_repository_url=$3" > "$work/preflight.log"
    sed -n 's/^fatal: .*"msg": "\(.*\)"}$/\1/p' "$work/preflight.log"
    grep -qF "$2" "$work/preflight.log"
    grep -q '1 problem was found; nothing was changed' "$work/preflight.log"
    [ "$(server 'ls /etc/apt/sources.list.d /etc/apt/keyrings 2>/dev/null')" = "$sources" ]
    server apt-get update --quiet=2
}

# A run, with how long it took in $took.
deploy() {
    local began=$SECONDS
    ansible-playbook site.yml -i "$inventory" "$@" > "$work/run.log" || { tail -40 "$work/run.log"; return 1; }
    took=$((SECONDS - began))
}
unchanged() { grep -Eq '^bookworm1 .* changed=0 .* unreachable=0 .* failed=0 ' "$work/run.log"; }

# The lab's image of Redis under a tag that is this proof's alone; a label makes another image of it.
push_redis() {
    printf 'FROM trenova-lab/library/redis:8.4.7\nLABEL edition=%s\n' "$1" |
        DOCKER_BUILDKIT=0 docker build --quiet --tag "$registry/$redis" --label trenova.lab.image=1 - >/dev/null
    docker push --quiet "$registry/$redis" >/dev/null
}

say "The lab: a bare Debian 12; the images, on this machine"
ansible-playbook -i localhost, molecule/lab/destroy.yml -e "$servers" >/dev/null
ansible-playbook -i localhost, molecule/lab/create.yml -e "$servers" >/dev/null
trap 'finish "${1:-}"' EXIT
python tests/lab/images/build.py --registry $registry --push >/dev/null
push_redis first

say "Docker's packages, from the projects' Go modules (a first time about 15 minutes), and their repository on the lab's network"
python tests/lab/images/build.py --only docker-packages
docker run --detach --name $packages --network trenova-lab --ip 172.30.60.5 \
    --label trenova.lab=trenova-lab --label trenova.lab.server=bookworm1 trenova-lab/trenova/docker-packages:1 >/dev/null
cp -r tests/debian12/inventory "$inventory"
ansible-playbook playbooks/secrets.yml -i "$inventory" >/dev/null
sources=$(server 'ls /etc/apt/sources.list.d /etc/apt/keyrings 2>/dev/null')

refused "Nobody answers at the repository's address" \
    "The key of Docker's repository cannot be had from http://172.30.60.6/linux/debian/gpg" http://172.30.60.6/linux
refused "Its signature is of another key" \
    "Docker's repository http://172.30.60.5/linux/other-key/debian is not signed by the key that lies beside it" \
    http://172.30.60.5/linux/other-key
refused "It is not for this release" \
    "Docker's repository http://172.30.60.5/linux/other-release/debian cannot be used from this host" \
    http://172.30.60.5/linux/other-release
refused "It has no Compose" \
    "Docker's repository http://172.30.60.5/linux/no-compose/debian has no docker-compose-plugin for bookworm" \
    http://172.30.60.5/linux/no-compose

say "Preflight says what will be installed, and from where"
ansible-playbook playbooks/preflight.yml -i "$inventory" > "$work/preflight.log" 2>&1
tr -s ' \n' ' ' < "$work/preflight.log" | grep -o "Docker will be installed from http://172.30.60.5/linux/debian: [^[]*plugin [^ ]*"
[ "$(server 'ls /etc/apt/sources.list.d /etc/apt/keyrings 2>/dev/null')" = "$sources" ]

say "From a bare server to a running Trenova"
deploy
first=$took
grep '^bookworm1 ' "$work/run.log"
server apt-get update --quiet=2

say "Once more: nothing may change"
deploy
again=$took
grep '^bookworm1 ' "$work/run.log"
unchanged

say "Another image is pushed under the tag of one that runs: verify tells it, a run takes it, and one more changes nothing"
push_redis second
ansible-playbook playbooks/verify.yml -i "$inventory" > "$work/verify.log" 2>&1 || true
grep -F "the registry has another image under this tag" "$work/verify.log"
before=$(server docker inspect --format '{{.Image}}' tren-redis)
deploy
unchanged
deploy -e trenova_images_pull=true
[ "$(server docker inspect --format '{{.Image}}' tren-redis)" != "$before" ]
deploy
unchanged

say "Debian 12 with Docker from a repository of the layout of Docker's own, after $SECONDS s"
server 'dpkg-query --show docker-ce docker-ce-cli containerd.io docker-compose-plugin
    docker version --format "Engine {{.Server.Version}}, API {{.Server.APIVersion}}, client {{.Client.Version}}"
    docker compose version
    docker info --format "image store {{.Driver}} {{json .DriverStatus}}, live-restore {{.LiveRestoreEnabled}}, log driver {{.LoggingDriver}}"
    containerd --version; runc --version | head -1'
printf 'first run %s s, again %s s\n' "$first" "$again"
