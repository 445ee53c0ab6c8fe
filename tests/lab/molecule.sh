#!/usr/bin/env bash
# Runs a Molecule scenario in the lab: registry and images first, with progress, then the scenario.
set -euo pipefail
cd "$(dirname "$0")/../.."
scenario=${1:?name of the scenario}
action=${2:-test}

printf '\n==> The lab: registry and mail sink\n'
ansible-playbook -i localhost, molecule/lab/create.yml -e '{"lab_servers": []}'
printf '\n==> The images\n'
python3 tests/lab/images/build.py --registry 172.30.60.2:5000 --push
printf '\n==> Molecule: %s\n' "$scenario"
export ANSIBLE_FORCE_COLOR=0
molecule "$action" --scenario-name "$scenario"
