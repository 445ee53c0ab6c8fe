# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Writes the README of each role from its argument specification. `--check` only tells whether they are current."""

from __future__ import annotations

import argparse
import json
import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[1]
MARKUP = re.compile(r"\b([CVOMBI])\(([^()]*(?:\([^()]*\)[^()]*)*)\)")


def plain(text: str | list[str]) -> str:
    """Text of a specification as Markdown: semantic markup becomes code, paragraphs become sentences of one cell."""
    joined = " ".join(text) if isinstance(text, list) else text
    return MARKUP.sub(r"`\2`", " ".join(joined.split())).replace("|", "\\|")


def default_of(option: dict) -> str:
    """The default as it would be written in an inventory; a long one only by its kind."""
    if "default" not in option:
        return "required" if option.get("required") else ""
    text = json.dumps(option["default"], ensure_ascii=False)
    return f"`{text}`" if len(text) <= 60 else f"see `defaults/main.yml` ({option.get('type', 'str')})"


def type_of(option: dict) -> str:
    """Type with the type of its elements."""
    kind = option.get("type", "str")
    return f"{kind} of {option['elements']}" if "elements" in option else kind


def meaning_of(option: dict) -> str:
    """Description with the choices and the parts of a structured value."""
    text = plain(option["description"])
    if "choices" in option:
        text += " One of: " + ", ".join(f"`{choice}`" for choice in option["choices"]) + "."
    for name, part in option.get("options", {}).items():
        text += f"<br>`{name}` ({type_of(part)}): {plain(part['description'])}"
    return text


def readme(role: pathlib.Path) -> str:
    """README of one role."""
    spec = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]
    service = yaml.safe_load((role / "meta/service.yml").read_text())
    lines = [
        f"# trenova.selfhost.{role.name}", "", plain(spec["short_description"]) + ".", "",
        *(plain(paragraph) for paragraph in spec["description"]), "",
        "## Use", "", "```yaml", "- hosts: trenova", "  gather_facts: false", "  roles:",
        f"    - trenova.selfhost.{role.name}", "```", "",
        "## Variables", "", "| variable | type | default | meaning |", "|---|---|---|---|"]
    for name, option in spec.get("options", {}).items():
        lines.append(f"| `{name}` | {type_of(option)} | {default_of(option)} | {meaning_of(option)} |")
    if service.get("secrets"):
        lines += ["", "## Secrets", "", "`playbooks/secrets.yml` writes the missing ones.", ""]
        lines += [f"- `{name}` ({kind})" for name, kind in service["secrets"].items()]
    lines += [
        "", "Numbers (memory, connections, …) are not variables of the role: they come from the plan, and",
        "`trenova_plan_overrides` changes them.", "", "_Generated from `meta/argument_specs.yml` by `make docs`._", ""]
    return "\n".join(lines)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a README is not current")
    check = parser.parse_args().check
    stale = []
    for role in sorted((ROOT / "roles").iterdir()):
        path, wanted = role / "README.md", readme(role)
        if not path.exists() or path.read_text() != wanted:
            stale.append(path.relative_to(ROOT))
            if not check:
                path.write_text(wanted)
    for path in stale:
        print(f"{path}: {'not current, run: make docs' if check else 'written'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
