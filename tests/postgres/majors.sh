#!/usr/bin/env bash
# Upgrades PostgreSQL between majors with the real servers and without an Engine: their programs are unpacked from
# Debian's packages below .cache/postgres, and tests/unit/test_backup_upgrade_servers.py does the rest. Needs root; it
# installs mmdebstrap and patchelf.
#   majors.sh ["OLD NEW" ...]    of 15 (Debian 12), 17 (13), 17.11 (13, as of August 2026), 18 (the next Debian)
set -euo pipefail
shopt -s nullglob
cd "$(dirname "$0")/../.."
place=$PWD/.cache/postgres/majors
declare -A suites=([15]=bookworm [17]=trixie [17.11]=trixie [18]=forky)
for command in mmdebstrap patchelf; do
    command -v $command >/dev/null || {
        echo "==> Installing $command"; apt-get update -qq && apt-get install -y -qq $command >/dev/null; }
done

# A release's packages, unpacked and not installed. The lists of one that is not released expire after a week.
unpack() {
    mmdebstrap --quiet --variant=extract --include="postgresql-$1,postgresql-client-$1" --aptopt='APT::Install-Recommends "false"' \
        --aptopt='Acquire::Check-Valid-Until "false"' --dpkgopt='path-exclude=/usr/share/doc/*' "$2" "$3"
}

# The minor that the lab's image postgres-17-trixie has, over the newest.
lay_older() {
    local mirror package
    mirror=$(sed -n 's/^deb \([^ ]*\) .* main$/\1/p' "$1/etc/apt/sources.list" | head -n 1)
    for package in $(python - <<'END'
import yaml
images = yaml.safe_load(open("tests/lab/images/lab-images.yml"))["lab_images"]
print(next(image for image in images if image["name"] == "postgres-17-trixie")["args"]["POSTGRES_PACKAGES"])
END
    ); do
        /usr/lib/apt/apt-helper download-file "$mirror/pool/main/p/postgresql-17/${package%=*}" "$1/${package%=*}" \
            "SHA256:${package#*=}" >/dev/null
        dpkg -x "$1/${package%=*}" "$1"
    done
}

# The folder of a version's programs, which find their release's libraries wherever they are called.
programs() {
    local tree=$place/$1 major=${1%%.*} loader file
    local -a libraries
    if [ ! -e "$tree.ready" ]; then
        rm -rf "$tree"
        mkdir -p "$place"
        unpack "$major" "${suites[$1]}" "$tree" >&2
        [ "$1" = "$major" ] || lay_older "$tree" >&2
        # Those of Debian 12 lie in two places.
        libraries=("$tree"/usr/lib/*-linux-gnu "$tree"/lib/*-linux-gnu)
        loader=$(find "${libraries[@]}" -name 'ld-linux-*.so.*' -print -quit)
        for file in "$tree/usr/lib/postgresql/$major/bin"/*; do
            [ "$(head -c 4 "$file" | tr -d '\0')" != $'\x7fELF' ] || patchelf --force-rpath \
                --set-interpreter "$loader" --set-rpath "$(IFS=:; echo "${libraries[*]}")" "$file"
        done
        touch "$tree.ready"
    fi
    echo "$tree/usr/lib/postgresql/$major/bin"
}

[ $# -gt 0 ] || set -- "15 17" "17.11 18"
for pair in "$@"; do
    read -r old new <<< "$pair"
    OLD_POSTGRES=$(programs "$old")
    NEW_POSTGRES=$(programs "$new")
    export OLD_POSTGRES NEW_POSTGRES
    told=$("$OLD_POSTGRES/postgres" --version && "$NEW_POSTGRES/postgres" --version)
    printf '\n==> %s\n' "${told//$'\n'/ to }"
    said=$(pytest -q -rs -p no:cacheprovider tests/unit/test_backup_upgrade_servers.py) || { echo "$said"; exit 1; }
    echo "$said"
    # One that is refused proves nothing.
    if grep -q skipped <<< "$said"; then exit 1; fi
done
