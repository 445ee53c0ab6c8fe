#!/usr/bin/env bash
# The demo: a bare server becomes a running Trenova, in containers on this machine. `demo.sh down` removes it.
set -euo pipefail
cd "$(dirname "$0")/../.."

servers='{"lab_servers": [{"name": "demo1", "address": "172.30.60.10", "image": "bare"}]}'
registry=172.30.60.2:5000
secrets=inventories/demo/group_vars/trenova/secrets.yml
say() { printf '\n==> %s\n' "$*"; }
started=$SECONDS

if [ "${1:-up}" = down ]; then
    ansible-playbook -i localhost, molecule/lab/destroy.yml -e "$servers" -e lab_purge=true
    rm -rf "$secrets" reports/demo
    echo "Removed. What stays: installed packages, .venv, and the build cache of Docker (docker image prune)."
    exit
fi

say "The lab: a bare server, a registry, a mail sink (a first time about 3 minutes: Debian's packages are downloaded)"
ansible-playbook -i localhost, molecule/lab/create.yml -e "$servers"

say "The images (a first time about 10 minutes: there is no registry to get them from, so five programs are compiled)"
python3 tests/lab/images/build.py --registry "$registry" --push --no-tests

say "The secrets"
ansible-playbook playbooks/secrets.yml -i inventories/demo

say "Trenova (about 40 s)"
ansible-playbook site.yml -i inventories/demo

say "The plan"
ansible-playbook playbooks/plan.yml -i inventories/demo | sed -n '/^Plan of/,/^ok:/{/^ok:/!p}'

cat <<END

==> Running after $((SECONDS - started)) s
  Application   https://trenova.test       admin@trenova.test, password trenova_admin_password
  Job queues    https://jobs.trenova.test  operator, password trenova_dashboard_password
  Passwords     $secrets
  Report        reports/demo/verify-demo1.json
  In a browser  chromium --host-resolver-rules='MAP *.test 172.30.60.10' https://trenova.test

  What to try next
    . .venv/bin/activate
    ansible-playbook site.yml -i inventories/demo            again: nothing changes
    ansible-playbook site.yml -i inventories/demo -e trenova_tier=small --check --diff
    ssh -F ~/.local/state/trenova-lab/ssh/config demo1 'cd /opt/trenova && docker compose ps'
    make demo-down
END
