# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Says what is in the artifact of the collection and should not be, or the other way round."""

from __future__ import annotations

import fnmatch
import pathlib
import subprocess
import sys
import tarfile

ROOT = pathlib.Path(__file__).resolve().parents[2]

#: Written by the build itself.
GENERATED = {"MANIFEST.json", "FILES.json"}
#: What belongs to the checkout only, by pattern of the path.
UNWANTED = (
    ".*", "tests/*", "molecule/*", "collections/*", "playbooks/collections*",
    "reports/*", "build/*", "changelogs/.*", "inventories/demo/*", "Makefile",
    "ansible.cfg", "pyproject.toml", "requirements-dev.txt", "docs/generate.py", "docs/generator/*", "*.pyc",
    "*__pycache__*", "*.gitignore", "*.tar.gz", "*/group_vars/*secrets.yml", "*/host_vars/*secrets.yml",
    "*.vault-pass", "*/ca-bundle.crt",
)
#: What somebody who installs the collection cannot do without, by pattern of the path.
NEEDED = (
    "README.md", "COPYING", "requirements.txt", "meta/runtime.yml", "playbooks/site.yml", "playbooks/secrets.yml",
    "images/*/Dockerfile", "inventories/prod/hosts.yml",
    "roles/*/defaults/main.yml", "roles/*/meta/service.yml", "roles/*/meta/argument_specs.yml", "docs/decisions/*.md",
    "plugins/modules/service.py", "plugins/plugin_utils/sizing/__init__.py",
    *(f"plugins/plugin_utils/report/{name}" for name in (
        "page.html.j2", "sections.html.j2", "index.html.j2", "parts.html.j2", "page.css")),
)


def faults(names: set[str], tracked: set[str]) -> list[str]:
    """What is wrong with the files of an artifact, given those that git tracks."""
    found = [
        f"{name}: matches {pattern}, which belongs to the checkout only"
        for name in sorted(names) for pattern in UNWANTED if fnmatch.fnmatch(name, pattern)]
    found += [
        f"{name}: is not tracked by git, so it is a leftover of this machine"
        for name in sorted(names - tracked - GENERATED)]
    found += [f"{pattern}: is missing" for pattern in NEEDED if not fnmatch.filter(names, pattern)]
    return found


def main() -> int:
    """Entry point: artifact.py FILE."""
    with tarfile.open(sys.argv[1]) as archive:
        names = {member.name for member in archive if not member.isdir()}
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = faults(names, set(listing.split("\0")))
    print("\n".join(found) or f"{len(names)} files, none that should not be there, none missing")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
