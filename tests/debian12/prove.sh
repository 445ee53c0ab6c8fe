#!/usr/bin/env bash
# Deploys a bare Debian 12 with Docker from a repository of the layout of Docker's own: each way in which that can fail, then the
# whole stack, again without a change; an image that was pushed anew under its tag, and images out of an archive, with the image
# store of Docker 29.
#   prove.sh [--keep]      --keep leaves the server and its inventory
set -euo pipefail
cd "$(dirname "$0")/../.."
servers='{"lab_servers": [{"name": "bookworm1", "address": "172.30.60.43", "image": "bare", "debian": "12"}]}'
registry=172.30.60.2:5000
packages=trenova-lab-docker-packages
image=$registry/debian12/trenova/asynqmon:0.7.2
work=$(mktemp -d)
inventory=$work/inventory
archive=$work/images.tar
say() { printf '\n==> %s\n' "$*"; }
server() { ssh -F ~/.local/state/trenova-lab/ssh/config bookworm1 "$@"; }

finish() {
    status=$?
    rm -f "$archive"
    if [ "${1:-}" = --keep ] || [ $status -ne 0 ]; then
        echo "bookworm1 and $inventory stay for a look: ssh -F ~/.local/state/trenova-lab/ssh/config bookworm1"
    else
        rm -rf "$work"
        ansible-playbook -i localhost, molecule/lab/destroy.yml -e "$servers" >/dev/null
    fi
    exit $status
}

# Whatever happens there is one sentence, and apt is as it was.
refused() { # what it is, the sentence, where it is set
    say "$1"
    ! ansible-playbook playbooks/preflight.yml -i "$inventory" -e "docker_repository_url=$3" > "$work/preflight.log" 2>&1
    grep -m 1 '^ *1\. ' "$work/preflight.log"
    grep -qF "$2" "$work/preflight.log"
    grep -q '1 problem was found; nothing was changed' "$work/preflight.log"
    [ "$(server 'ls /etc/apt/sources.list.d /etc/apt/keyrings 2>/dev/null')" = "$sources" ]
    server apt-get update --quiet=2
}

# A run, with how long it took in $took.
deploy() {
    local began=$SECONDS
    ansible-playbook site.yml -i "$inventory" "$@" > "$work/run.log" 2>&1 || { tail -40 "$work/run.log"; return 1; }
    took=$((SECONDS - began))
}
unchanged() { grep -Eq '^bookworm1 .* changed=0 .* unreachable=0 .* failed=0 ' "$work/run.log"; }

# One of the lab's images under a tag that is this proof's alone; a label makes another image of it.
push() {
    printf 'FROM trenova-lab/trenova/asynqmon:0.7.2\nLABEL edition=%s\n' "$1" |
        DOCKER_BUILDKIT=0 docker build --quiet --tag $image --label trenova.lab.image=1 - >/dev/null 2>&1
    docker push --quiet $image >/dev/null
}
runs() { server docker inspect --format '{{.Image}}' tren-asynq-dashboard; }

say "The lab: a bare Debian 12; the images, on this machine"
ansible-playbook -i localhost, molecule/lab/destroy.yml -e "$servers" >/dev/null
ansible-playbook -i localhost, molecule/lab/create.yml -e "$servers" >/dev/null
trap 'finish "${1:-}"' EXIT
python tests/lab/images/build.py --registry $registry --push >/dev/null
push first

say "Docker's packages, from the projects' Go modules (a first time about 15 minutes), and their repository on the lab's network"
python tests/lab/images/build.py --only docker-packages
docker run --detach --name $packages --network trenova-lab --ip 172.30.60.5 \
    --label trenova.lab=trenova-lab --label trenova.lab.server=bookworm1 trenova-lab/trenova/docker-packages:1 >/dev/null
cp -r tests/debian12/inventory "$inventory"
ansible-playbook playbooks/secrets.yml -i "$inventory" >/dev/null 2>&1
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
    "Docker's repository http://172.30.60.5/linux/no-compose/debian has no docker-compose-plugin for this release" \
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

say "Another image is pushed under the tag of one that runs: a run changes nothing and tells it, one takes it, and one more changes nothing"
before=$(runs)
push second
! deploy > "$work/refused.log"
grep -m 1 "$image: the registry has another image under this tag" "$work/run.log"
grep -Eq '^bookworm1 .* changed=0 .* unreachable=0 ' "$work/run.log"
[ "$(runs)" = "$before" ]
deploy -e trenova_images_pull=true
[ "$(runs)" != "$before" ]
deploy
unchanged

say "The same images out of an archive, which this image store calls by other digests: replaced once, then nothing changes"
ansible-playbook playbooks/images.yml -i "$inventory" -e trenova_images_archive="$archive" -e '{"trenova_images": []}' >/dev/null 2>&1
ansible-playbook playbooks/images.yml -i "$inventory" -e trenova_images_archive="$archive" --tags load >/dev/null 2>&1
deploy
deploy
unchanged

say "Compose is gone, and somebody has an entry of his own with another key file: it is used, and ours goes (field report 24)"
server 'apt-get remove --quiet=2 --assume-yes docker-compose-plugin >/dev/null
    cp /etc/apt/keyrings/docker.asc /etc/apt/keyrings/his.asc
    echo "deb [signed-by=/etc/apt/keyrings/his.asc] http://172.30.60.5/linux/debian bookworm stable" > /etc/apt/sources.list.d/docker.list'
deploy
grep '^bookworm1 ' "$work/run.log"
server 'test ! -e /etc/apt/sources.list.d/docker.sources && apt-get update --quiet=2 && docker compose version'
deploy
unchanged

say "Debian 12 with Docker from a repository of the layout of Docker's own, after $SECONDS s"
server 'dpkg-query --show docker-ce docker-ce-cli containerd.io docker-compose-plugin
    docker version --format "Engine {{.Server.Version}}, API {{.Server.APIVersion}}, client {{.Client.Version}}"
    docker compose version
    docker info --format "image store {{.Driver}} {{json .DriverStatus}}, live-restore {{.LiveRestoreEnabled}}, log driver {{.LoggingDriver}}"
    containerd --version; runc --version | head -1'
printf 'first run %s s, again %s s\n' "$first" "$again"
