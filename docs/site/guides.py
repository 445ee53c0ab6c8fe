# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Lays README, guides and decisions beside the reference, with links that lead where they led in the repository.

    guides.py DIRECTORY
"""

from __future__ import annotations

import pathlib
import re
import shutil
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
REPOSITORY = yaml.safe_load((ROOT / "galaxy.yml").read_text())["repository"]
#: Made for readers of the repository; the site has the same from antsibull-docs.
ELSEWHERE = {"docs/plugins/README.md": "reference.rst"}
LINK = re.compile(r"(!?\[[^\]]*\]\()([^)#\s]+)(#[^)\s]*)?\)")
CONTENTS = """
```{{toctree}}
:hidden:
:maxdepth: 1

{pages}
```
"""


def pages() -> dict[pathlib.Path, pathlib.Path]:
    """{file of the repository: its place in the site}."""
    found = {ROOT / "README.md": pathlib.Path("index.md")}
    for path in sorted((ROOT / "docs").glob("*.md")) + sorted((ROOT / "docs/decisions").glob("*.md")):
        found[path] = path.relative_to(ROOT / "docs")
    return found


def leads(target: str, source: pathlib.Path, places: dict[pathlib.Path, pathlib.Path]) -> str:
    """Where a link of a page leads in the site."""
    if "://" in target:
        return target
    path = (source.parent / target).resolve()
    if not path.exists():
        sys.exit(f"{source.relative_to(ROOT)} leads to {target}, which is not there")
    depth = "../" * (len(places[source].parts) - 1)
    if path in places:
        return depth + str(places[path])
    inside = path.relative_to(ROOT)
    if str(inside) in ELSEWHERE:
        return depth + ELSEWHERE[str(inside)]
    if path.suffix in (".svg", ".png", ".json"):
        return depth + path.name
    # Sources, and folders of them.
    return f"{REPOSITORY}/tree/main/{inside}"


def main() -> None:
    """Entry point."""
    to, places = pathlib.Path(sys.argv[1]), pages()
    for source, place in places.items():
        text = LINK.sub(lambda found, at=source: found[1] + leads(found[2], at, places) + (found[3] or "") + ")",
                        source.read_text())
        if source.name == "README.md":
            names = [str(other) for other in places.values() if other.name != "index.md" and len(other.parts) == 1]
            decisions = [str(other) for other in places.values() if len(other.parts) > 1]
            text += CONTENTS.format(pages="\n".join([*names, "reference", *decisions]))
        (to / place).parent.mkdir(exist_ok=True)
        (to / place).write_text(text)
    for picture in [*(ROOT / "docs/pictures").iterdir(), *(ROOT / "docs").glob("*.json")]:
        shutil.copy(picture, to / picture.name)


if __name__ == "__main__":
    main()
