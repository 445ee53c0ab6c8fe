#!/usr/bin/env bash
# Unit tests and `ansible-test sanity` with the oldest and the newest ansible-core, on each Python that these support. A Python that
# the machine lacks comes from a container with a Debian that has it.
#   matrix.sh                    all combinations
#   matrix.sh 2.19.14 3.13 ...   these
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/galaxy/lib.sh
oldest=$(sed -n 's/^ansible-core==//p' requirements.txt)
newest=2.21.5
declare -A debian=([3.11]=bookworm [3.13]=trixie [3.14]=forky)
cache=$PWD/.cache/matrix
combinations=("$oldest 3.11" "$oldest 3.12" "$oldest 3.13" "$newest 3.12" "$newest 3.13" "$newest 3.14")

# One combination, with the Python that is given: matrix.sh run CORE PYTHON
run() {
    local core=$1 python=$2 version venv work
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    venv=$cache/core$core-python$version
    if [ ! "$venv/.installed" -nt requirements-dev.txt ] || [ ! "$venv/.installed" -nt requirements.txt ]; then
        "$python" -m venv --clear "$venv"
        # The same versions as everywhere, but for the one that varies.
        grep -hE '^(bcrypt|hypothesis|pytest)==' requirements*.txt > "$venv/requirements.txt"
        "$venv/bin/pip" install --quiet --disable-pip-version-check "ansible-core==$core" -r "$venv/requirements.txt"
        touch "$venv/.installed"
    fi
    export PATH=$venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1
    pytest -q -p no:cacheprovider
    work=$(mktemp -d)
    # shellcheck disable=SC2064  # the folder of now
    trap "rm -rf '$work'" EXIT
    unset ANSIBLE_CONFIG
    export ANSIBLE_COLLECTIONS_PATH=$work/collections
    ansible-galaxy collection build --output-path "$work" >/dev/null
    ansible-galaxy collection install --offline -p "$work/collections" "$work"/trenova-selfhost-*.tar.gz >/dev/null
    tests/galaxy/sanity.sh "$work/collections/ansible_collections/trenova/selfhost" --python "$version"
}

# The same with the Debian that has this Python, made from packages: matrix.sh contain CORE VERSION
contain() {
    local core=$1 version=$2 suite=${debian[$2]} image archive
    image=trenova-lab/python:$suite
    if ! { command -v docker && command -v mmdebstrap; } >/dev/null; then
        echo "Python $version needs docker and mmdebstrap; make demo installs and starts them." >&2
        return 1
    fi
    if ! docker image inspect "$image" >/dev/null 2>&1; then
        archive=$(mktemp --suffix .tar)
        # A mirror may be a frozen one; the signatures are checked all the same.
        mmdebstrap --quiet --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' \
            --include=ca-certificates,python3,python3-venv,shellcheck "$suite" "$archive"
        docker import --change 'LABEL trenova.lab.image=1' "$archive" "$image" >/dev/null
        rm "$archive"
    fi
    mkdir -p "$cache/home-$suite"
    docker run --rm --network host --user "$(id -u):$(id -g)" --workdir "$PWD" --volume "$PWD:$PWD" \
        --volume /etc/ssl/certs:/etc/ssl/certs:ro --env HOME="$cache/home-$suite" --env LC_ALL=C.UTF-8 \
        --env PIP_CERT --env PIP_INDEX_URL --env http_proxy --env https_proxy --env no_proxy \
        "$image" tests/galaxy/matrix.sh run "$core" "python$version"
}

case ${1:-} in
    run | contain)
        "$@"
        exit
        ;;
esac
mkdir -p "$cache"
rows=()
failed=0
while [ $# -ge 2 ]; do
    chosen+=("$1 $2")
    shift 2
done
for combination in "${chosen[@]-${combinations[@]}}"; do
    read -r core version <<< "$combination"
    log=$cache/core$core-python$version.log
    started=$SECONDS
    say "ansible-core $core on Python $version"
    if python=$(interpreter "$version"); then
        where=machine
        command=(tests/galaxy/matrix.sh run "$core" "$python")
    elif [ -n "${debian[$version]:-}" ]; then
        where="Debian ${debian[$version]}"
        command=(tests/galaxy/matrix.sh contain "$core" "$version")
    else
        rows+=("$core|$version|-|not to be had here|-")
        continue
    fi
    if "${command[@]}" > "$log" 2>&1; then
        result="passed, $(grep -oE '[0-9]+ passed' "$log" | head -1)"
    else
        result="FAILED, see ${log#"$PWD"/}"
        failed=1
    fi
    rows+=("$core|$version|$where|$result|$((SECONDS - started)) s")
    echo "$result"
done
say "The matrix"
printf '%s\n' "core|Python|where|result|time" "${rows[@]}" | column -t -s '|'
exit $failed
