#!/usr/bin/env bash
# Builds the collection as Galaxy gets it, installs it into an empty folder, and has it judged there.
#   check.sh          all of it
#   check.sh short    the parts of less than a minute each, for every change
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/galaxy/lib.sh
started=$SECONDS
# Outside of the checkout: ansible-test passes over what a git work tree ignores.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
installed=$work/collections/ansible_collections/trenova/selfhost
# The settings of the checkout, which name its own folders, are none of those who install the collection.
unset ANSIBLE_CONFIG
export ANSIBLE_COLLECTIONS_PATH=$work/collections

say "Build"
rm -rf build
ansible-galaxy collection build --output-path build
artifact=$(realpath build/trenova-selfhost-*.tar.gz)
python tests/galaxy/artifact.py "$artifact"

say "Install into an empty folder"
ansible-galaxy collection install --offline -p "$work/collections" "$artifact"

say "Documentation and changelog"
antsibull-docs lint-collection-docs --plugin-docs --disallow-unknown-collection-refs --validate-collection-refs self "$installed"
antsibull-changelog lint

say "Importer of Galaxy"
[ "${1:-}" != short ] || export GALAXY_IMPORTER_RUN_ANSIBLE_LINT=false
(cd "$work" && python -m galaxy_importer.main "$artifact") | tee "$work/importer.log" | grep -v '^Loading '
if grep -E '^(WARNING|ERROR|CRITICAL)' "$work/importer.log"; then
    echo "The importer is not content: see the lines above." >&2
    exit 1
fi

say "ansible-test sanity"
if [ "${1:-}" = short ]; then
    tests/galaxy/sanity.sh "$installed" --test pep8 --test pylint --test validate-modules --test ansible-doc \
        --test action-plugin-docs --test shebang --test no-smart-quotes --test runtime-metadata --test symlinks
else
    if ! command -v shellcheck >/dev/null; then
        echo "Installing shellcheck"
        apt-get update -qq && apt-get install -y -qq shellcheck >/dev/null
    fi
    tests/galaxy/sanity.sh "$installed"
fi
say "All of it is clean, after $((SECONDS - started)) s; the artifact: build/$(basename "$artifact")"
