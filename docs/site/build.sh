#!/usr/bin/env bash
# Builds the documentation site: reference of plugins, filters and roles by antsibull-docs, the guides of docs/ beside it.
# Needs no network but for its own tools. A broken link inside the site is an error.
set -euo pipefail
cd "$(dirname "$0")/../.."
top=$PWD site=$PWD/.cache/site
venv=$site/venv
if ! cmp -s docs/site/requirements.txt "$venv/installed"; then
    echo "==> Installing the tools into .cache/site/venv"
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r docs/site/requirements.txt
    cp docs/site/requirements.txt "$venv/installed"
fi
export PATH=$venv/bin:$PATH ANSIBLE_CONFIG=$top/ansible.cfg ANSIBLE_COLLECTIONS_PATH=$top/collections
rm -rf "$site/source" "$site/html"
mkdir -p "$site/source"
chmod og-w "$site/source"

echo "==> The reference"
antsibull-docs collection --cleanup everything --fail-on-error --use-current --squash-hierarchy \
    --dest-dir "$site/source" trenova.selfhost >/dev/null
mv "$site/source/index.rst" "$site/source/reference.rst"

echo "==> The guides"
python3 docs/site/guides.py "$site/source"

echo "==> The pages"
sphinx-build --quiet --fail-on-warning --keep-going -b html -c docs/site "$site/source" "$site/html"
echo "==> .cache/site/html/index.html: $(find "$site/html" -name '*.html' | wc -l) pages"
