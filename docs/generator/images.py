# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The page of images: what their own sources say of them, with a link to each line, and which manifests are pulled."""

from __future__ import annotations

import re
from typing import Any

import yaml

from .markdown import MADE, ROOT, plain, table

INTRODUCTION = [
    "# The images, by their own sources", "",
    "What the roles rely on of an image that others publish, each fact with the line of the source that says so. It",
    "was read there, not tried: no registry of images can be reached where this is developed. The lab holds its images",
    "against the same facts by `tests/lab/images/check.py`; what the roles do with an image is held against them by",
    "`tests/unit/test_published_images.py`. On a host, each image proves its role's `image_contract` before it is",
    "started.", ""]
FACTS = {
    "user": "user", "starts_as": "begins as", "any_user": "works as any user", "entrypoint": "entrypoint",
    "command": "command", "first_words": "does its work for the first words", "stop_signals": "ends in order on",
    "ports": "ports", "volumes": "volumes", "environment": "environment", "writes": "writes to",
    "must_exist": "must be there", "programs": "programs beside those of its base",
    "file_capabilities": "capabilities of files", "lacks": "has no"}
MANIFESTS = [
    "## Manifests", "",
    "`images/lock.yml` names the manifest of each architecture; an image is pulled by it, and called by its tag. How,",
    "and what a mirror changes: [the decision](decisions/0017-digests.md).", ""]
COMMAND = "`ansible-playbook playbooks/images.yml -i <inventory> --tags lock`"


def images_page() -> list[str]:
    """Lines of docs/images.md."""
    lines, told = [*INTRODUCTION], {}
    for path in sorted(ROOT.glob("roles/*/meta/image.yml")):
        told[path.parts[-3]] = yaml.safe_load(path.read_text())
    for role, facts in told.items():
        lines += _of_role(_title(role), facts)
    lines += [*_bases(), *_manifests()]
    return [*lines, MADE.format("roles/*/meta/image.yml`, `images/bases.yml` and `images/lock.yml")]


def _title(role: str) -> str:
    return str(yaml.safe_load((ROOT / "roles" / role / "meta/service.yml").read_text())["title"])


def _of_role(title: str, told: dict[str, Any]) -> list[str]:
    """The chapter of a role."""
    if "image" in told:
        lines = [f"## {title}", "", f"`{told['image']}:{told['version']}`, made from {told['base']}.", ""]
    else:
        lines = [f"## {title}", "", "The image is built here; what it has is told in `images/`.", ""]
    if "newer" in told:
        lines += [f"Newer: {plain(told['newer'])}", ""]
    for major, facts in {"": told.get("facts", {}), **told.get("majors", {})}.items():
        if facts:
            lines += [*([f"In {major}:", ""] if major else []), *table("fact", "what it is", "source")]
            lines += [_fact(name, fact, told["sources"]) for name, fact in facts.items()] + [""]
    lines += [f"- {_sentence(each['says'])} ({link(each['at'], told['sources'])})" for each in told["behaviour"]]
    notes = [f"{name}: {source['note']}" for name, source in told["sources"].items() if "note" in source]
    if notes:
        lines += ["", f"Sources that are not of this very version: {plain('; '.join(notes))}."]
    return [*lines, ""]


def _fact(name: str, fact: dict[str, Any], sources: dict[str, Any]) -> str:
    says = f"; {plain(fact['says'])}" if "says" in fact else ""
    return f"| {FACTS[name]} | {_value(fact['is'])}{says} | {link(fact['at'], sources)} |"


def _value(value: Any) -> str:
    """A fact in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_value(each)}" for name, each in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(_value, value)) or "none"
    return f"`{value}`"


def _sentence(text: str) -> str:
    return plain(text[:1].upper() + text[1:])


def link(place: str, sources: dict[str, Any]) -> str:
    """A place like `dockerfile:11-13` as a link to the lines of that file."""
    name, _colon, lines = place.partition(":")
    source = sources[name]
    anchor = "-".join(f"L{number}" for number in lines.split("-"))
    return (f"[{name} {lines}](https://github.com/{source['repository']}/blob/{source['commit']}/{source['path']}"
            f"#{anchor})")


def _bases() -> list[str]:
    known = yaml.safe_load((ROOT / "images/bases.yml").read_text())
    lines = [
        "## Bases", "", "Programs of the bases, as far as roles call any.", "",
        *table("base", "package", "programs", "source")]
    for base, told in known["bases"].items():
        lines += [f"| {base} | {package} | {', '.join(each['programs'])} | {link(each['at'], known['sources'])} |"
                  for package, each in told["packages"].items()]
        lines.append(f"| {base} | | no {', '.join(told['lacks'])} | |")
    return [*lines, ""]


def _manifests() -> list[str]:
    lines = [*MANIFESTS, *table("image", "architectures", "read of")]
    for reference, entry in yaml.safe_load((ROOT / "images/lock.yml").read_text())["images"].items():
        source = re.sub(r"^(\S+) ([0-9a-f]{40})\b", r"[\1](https://github.com/\1/tree/\2)", entry.get("from", ""))
        architectures = ", ".join(sorted(set(entry) - {"from"}))
        lines.append(f"| `{reference}` | {architectures or 'not resolved yet'} | {source or f'run {COMMAND}'} |")
    return [*lines, ""]
