#!/usr/bin/env bash
# Deploys a bare server that reaches no registry: the images come as an archive, the Engine from the distribution.
#   prove.sh [--keep]      --keep leaves the server
set -euo pipefail
cd "$(dirname "$0")/../.."
servers='{"lab_servers": [{"name": "airgap1", "address": "172.30.60.41", "image": "bare"}]}'
work=$(mktemp -d)
inventory=$work/inventory
archive=$work/images.tar
say() { printf '\n==> %s\n' "$*"; }
server() { ssh -F ~/.local/state/trenova-lab/ssh/config airgap1 "$@"; }

finish() {
    status=$?
    rm -rf "$work"
    if [ "${1:-}" = --keep ] || [ $status -ne 0 ]; then
        echo "airgap1 stays for a look: ssh -F ~/.local/state/trenova-lab/ssh/config airgap1"
    else
        ansible-playbook -i localhost, molecule/lab/destroy.yml -e "$servers" >/dev/null
    fi
    exit $status
}

say "The lab: a bare server; the images, on this machine"
ansible-playbook -i localhost, molecule/lab/destroy.yml -e "$servers" >/dev/null
ansible-playbook -i localhost, molecule/lab/create.yml -e "$servers" >/dev/null
python tests/lab/images/build.py --registry 172.30.60.2:5000 --push >/dev/null
trap 'finish "${1:-}"' EXIT

cp -r tests/airgap/inventory "$inventory"

say "One archive with all images that the host will run"
# The lab's images stand in for what would be built and pulled.
ansible-playbook playbooks/images.yml -i "$inventory" -e trenova_images_archive="$archive" -e '{"trenova_images": []}'
ls -lh "$archive"

say "The server loses its way to the registry"
server ip route add blackhole 172.30.60.2/32
! server timeout 5 bash -c '"</dev/tcp/172.30.60.2/5000"' 2>/dev/null

say "Without the archive preflight says what is missing, and changes nothing"
ansible-playbook playbooks/secrets.yml -i "$inventory"
! ansible-playbook playbooks/preflight.yml -i "$inventory" | tee "$work/preflight.log"
grep -q 'The registry 172.30.60.2:5000 cannot be reached from this host' "$work/preflight.log"

say "The archive is loaded, Trenova deployed"
ansible-playbook playbooks/images.yml -i "$inventory" -e trenova_images_archive="$archive" --tags load
ansible-playbook site.yml -i "$inventory"

say "Once more: nothing may change"
ansible-playbook site.yml -i "$inventory" | tee "$work/again.log"
grep -Eq '^airgap1 .* changed=0 .* unreachable=0 .* failed=0 ' "$work/again.log"
say "An air-gapped server runs Trenova after $SECONDS s"
