#!/usr/bin/env bash
# Deploys a bare server of the lab with the installed collection and nothing of the checkout, twice.
#   deploy.sh [--keep] [artifact]      --keep leaves the server
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/galaxy/lib.sh
checkout=$PWD
keep=
[ "${1:-}" != --keep ] || { keep=1; shift; }
artifact=$(realpath "${1:-$(echo build/trenova-selfhost-*.tar.gz)}")
servers='{"lab_servers": [{"name": "galaxy1", "address": "172.30.60.40", "image": "bare"}]}'
started=$SECONDS
work=$(mktemp -d)

finish() {
    status=$?
    cd "$checkout"
    rm -rf "$work"
    if [ -n "$keep" ] || [ $status -ne 0 ]; then
        echo "galaxy1 stays for a look: ssh -F ~/.local/state/trenova-lab/ssh/config galaxy1"
    else
        ansible-playbook -i localhost, molecule/lab/destroy.yml -e "$servers" >/dev/null
    fi
    exit $status
}

say "The lab: a bare server, a registry with images"
ansible-playbook -i localhost, molecule/lab/destroy.yml -e "$servers" >/dev/null
ansible-playbook -i localhost, molecule/lab/create.yml -e "$servers" >/dev/null
python tests/lab/images/build.py --registry 172.30.60.2:5000 --push
trap finish EXIT

say "A folder with the installed collection and an inventory"
cp -r tests/galaxy/inventory "$work/inventory"
unset ANSIBLE_CONFIG
export ANSIBLE_COLLECTIONS_PATH=$work/collections
ansible-galaxy collection install --offline -p "$work/collections" "$artifact"
cd "$work"

say "trenova.selfhost.secrets, trenova.selfhost.site"
ansible-playbook -i inventory trenova.selfhost.secrets
ansible-playbook -i inventory trenova.selfhost.site
deployed=$((SECONDS - started))

say "trenova.selfhost.site once more: nothing may change"
ansible-playbook -i inventory trenova.selfhost.site | tee again.log
grep -Eq '^galaxy1 .* changed=0 .* unreachable=0 .* failed=0 ' again.log
say "Deployed after $deployed s, again with nothing changed after $((SECONDS - started)) s"
