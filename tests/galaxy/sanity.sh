#!/usr/bin/env bash
# sanity.sh DIRECTORY [OPTION...]: `ansible-test sanity` of the collection in DIRECTORY (.../ansible_collections/trenova/selfhost).
set -euo pipefail
# shellcheck source=tests/galaxy/lib.sh
. "$(dirname "$0")/lib.sh"
directory=$1
shift

# ansible-test makes an environment for each of its tools, with a pip that it fetches from a host of its own. Not everybody
# reaches that host; what it fetches may lie in its cache instead, so we put pip from the package index there.
version=$(python - <<'END'
import sys, types
from ansible_test._internal.python_requirements import get_venv_packages
print(get_venv_packages(types.SimpleNamespace(version="%d.%d" % sys.version_info[:2]))["pip"])
END
)
cache=~/.ansible/test/cache
bootstrap=$cache/get_pip_${version//./_}.py
if [ ! -e "$bootstrap" ]; then
    mkdir -p "$cache"
    python -m pip download --quiet --disable-pip-version-check --no-deps --dest "$cache" "pip==$version"
    cat > "$bootstrap" <<END
import os, runpy, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "pip-$version-py3-none-any.whl"))
sys.argv[1:] = ["install", *(word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel"))]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
END
fi

pythons=$(mktemp -d)
trap 'rm -rf "$pythons"' EXIT
collect_interpreters "$pythons"
PATH=$(dirname "$(command -v ansible-test)"):$pythons:$(tr : '\n' <<< "$PATH" | grep -v '/shims$' | paste -sd :)

cd "$directory"
log=$pythons/log
ansible-test sanity --color no "$@" 2>&1 | tee "$log" | grep -vE '^(Collecting|  Downloading|Installing|Successfully|Using cached) '
if grep -q 'All targets skipped' "$log"; then
    echo "ansible-test has looked at nothing." >&2
    exit 1
fi
