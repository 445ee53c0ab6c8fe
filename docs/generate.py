# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Writes what can be derived of the documentation. `--check` only tells whether it is current.

- the README of each role, from its argument specification
- docs/variables.md, from meta/variables.yml
- docs/descriptions.md, from the schema of descriptions
- docs/plugins/, from the documentation in the plugins
- docs/sizing-primitives.md, from the docstrings of the formulas
- docs/field.md, from the tests of field reports
- docs/images.md, from what the images' own sources say, and the lock of images
- docs/plans.md, docs/sizing-limits.md and the tables of docs/sizing.md, from the sizing engine
"""

from __future__ import annotations

import argparse
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "collections"))
from generator.field import field_page  # noqa: E402 - it and the following are found by the line above
from generator.formulas import formulas_page  # noqa: E402
from generator.images import images_page  # noqa: E402
from generator.plans import limits_page, plans_page, sizing_page  # noqa: E402
from generator.specifications import descriptions_page, plugin_pages, role_page, variables_page  # noqa: E402


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a page is not current")
    check = parser.parse_args().check
    pages = {f"roles/{role.name}/README.md": role_page(role) for role in sorted((ROOT / "roles").iterdir())}
    pages.update(plugin_pages(), **{
        "docs/variables.md": variables_page(), "docs/descriptions.md": descriptions_page(),
        "docs/sizing.md": sizing_page(), "docs/sizing-limits.md": limits_page(), "docs/field.md": field_page(),
        "docs/images.md": images_page(), "docs/sizing-primitives.md": formulas_page(), "docs/plans.md": plans_page()})
    wanted = {ROOT / name: "\n".join(lines) + "\n" for name, lines in pages.items()}
    there = {path: path.read_text() for path in {*wanted, *(ROOT / "docs/plugins").glob("*")} if path.exists()}
    stale = sorted(path for path in {*wanted, *there} if wanted.get(path) != there.get(path))
    for path in stale:
        print(f"{path.relative_to(ROOT)}: {'not current, run: make docs' if check else 'written'}")
        if check:
            continue
        if path in wanted:
            path.parent.mkdir(exist_ok=True)
            path.write_text(wanted[path])
        else:
            path.unlink()
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
