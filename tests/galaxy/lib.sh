# Shared by the scripts of this folder.
# shellcheck shell=bash

say() { printf '\n==> %s\n' "$*"; }

# interpreter 3.13: path of such a Python, of the machine or of pyenv. A launcher that only says that it has none does not count.
interpreter() {
    local candidate
    for candidate in $(type -ap "python$1" || true) ~/.pyenv/versions/"$1".*/bin/python"$1"; do
        if [ "$("$candidate" -c 'import sys, venv; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$1" ]; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

# A folder of the Pythons that really run, to put first on the PATH of ansible-test, which takes each python3.x that it sees there.
collect_interpreters() {
    local version found
    mkdir -p "$1"
    for version in 3.8 3.9 3.10 3.11 3.12 3.13 3.14; do
        if found=$(interpreter "$version"); then ln -sfn "$found" "$1/python$version"; fi
    done
}
