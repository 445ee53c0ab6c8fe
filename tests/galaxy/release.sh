#!/usr/bin/env bash
# Makes a release: changelog from the fragments, version, generated pages, artifact, everything that Galaxy judges, a commit and a tag.
# Publishes nothing; it says what to run for that. When something fails, the checkout is as it was.
#   release.sh 0.2.0
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/galaxy/lib.sh
version=${1:-}
present=$(sed -n 's/^version: //p' galaxy.yml)
refuse() { printf 'Nothing was released: %s\n' "$*" >&2; exit 2; }

[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || refuse "say which version, as in: make release VERSION=0.2.0 (now: $present)"
if git rev-parse --quiet --verify "refs/tags/$version" >/dev/null; then refuse "$version is released already; take a higher version"; fi
# The version in galaxy.yml is released where nothing was before it.
last=$(git tag --list '[0-9]*.[0-9]*.[0-9]*' --sort=-version:refname | head -n 1)
newest=$(printf '%s\n%s\n' "${last:-0.0.0}" "$version" | sort --version-sort | tail -n 1)
[ "$newest" = "$version" ] || refuse "$version is not above $last, which is released"
[ -z "$(git status --porcelain)" ] || refuse "the checkout has changes that are not committed: git status"
compgen -G 'changelogs/fragments/*.yml' >/dev/null || refuse "changelogs/fragments/ holds nothing that has changed"

put_back() {
    git reset --quiet --hard "$before"
    # Nothing that git does not know was there before.
    git clean --quiet -d --force
    echo "Nothing was released; the checkout is as it was." >&2
    exit 1
}
before=$(git rev-parse HEAD)
trap put_back ERR INT TERM

say "Version $version, changelog, generated pages"
sed -i "s/^version: .*/version: $version/" galaxy.yml
# What it remembers of the plugins may be older than they are.
antsibull-changelog release --reload-plugins --version "$version"
python docs/generate.py
git add --all
git commit --quiet --message "Release $version"

say "What is released is judged"
tests/galaxy/check.sh

trap - ERR INT TERM
git tag --annotate "$version" --message "trenova.selfhost $version"
say "Released here: commit and tag $version, build/trenova-selfhost-$version.tar.gz. To publish:"
echo "    git push origin HEAD $version"
echo "    ansible-galaxy collection publish build/trenova-selfhost-$version.tar.gz"
