# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Pages from what roles and plugins say of themselves."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import yaml

from .markdown import MADE, ROOT, paragraphs, plain, table

COLLECTION = "trenova.selfhost"
PLUGINS = {"module": "modules", "filter": "filter"}


#: What a change of a secret means.
CHANGES = {
    "overlap": "when it changes, old and new are taken for a while",
    "restart": "when it changes, whoever uses it is started anew",
    "never": "must not change: what was made with it would be lost",
}


def default_of(option: dict) -> str:
    """The default as it would be written in an inventory; a long one only by its kind."""
    if option.get("default") is None:
        return "required" if option.get("required") else ""
    text = json.dumps(option["default"], ensure_ascii=False).replace("|", "\\|")
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
    return text + "".join(parts_of(option))


def parts_of(option: dict, prefix: str = "") -> Iterator[str]:
    """The parts of a structured value, and their parts."""
    for name, part in (option.get("options") or option.get("suboptions") or option.get("contains") or {}).items():
        yield f"<br>`{prefix}{name}` ({type_of(part)}): {plain(part['description'])}"
        yield from parts_of(part, f"{prefix}{name}.")


def option_table(title: str, options: dict) -> list[str]:
    """Table of variables or options."""
    return table(title, "type", "default", "meaning") + [
        f"| `{name}` | {type_of(option)} | {default_of(option)} | {meaning_of(option)} |"
        for name, option in options.items()]


def role_page(role: pathlib.Path) -> list[str]:
    """README of one role."""
    spec = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]
    service = yaml.safe_load((role / "meta/service.yml").read_text())
    lines = [
        f"# {COLLECTION}.{role.name}", "", plain(spec["short_description"]) + ".", "", *paragraphs(spec["description"]),
        "## Use", "", "```yaml", "- hosts: trenova", "  gather_facts: false", "  roles:",
        f"    - {COLLECTION}.{role.name}", "```", "",
        "## Variables", "", *option_table("variable", spec.get("options", {}))]
    if service.get("secrets"):
        lines += ["", "## Secrets", "", "`playbooks/secrets.yml` writes the missing ones.", ""]
        lines += [
            f"- `{name}` ({secret['kind']}): {CHANGES[secret.get('rotate', 'restart')]}"
            for name, secret in service["secrets"].items()]
    return [
        *lines, "", "Numbers (memory, connections, …) are not variables of the role: they come from the plan, and",
        "`trenova_plan_overrides` changes them.", "", MADE.format("meta/argument_specs.yml")]


def descriptions_page() -> list[str]:
    """What a role may say of its service, from the schema that checks it."""
    schema = json.loads((ROOT / "plugins/plugin_utils/schemas/service.json").read_text())
    lines = [
        "# Descriptions of services", "",
        "A role describes its service in `meta/service.yml`. " + schema["description"], "",
        *table("key", "type", "meaning")]
    lines += _keys(schema, schema)
    return [*lines, "", MADE.format("plugins/plugin_utils/schemas/service.json")]


def _keys(part: dict, schema: dict, prefix: str = "") -> Iterator[str]:
    """Rows for the keys of a part of the schema, and for theirs."""
    for name, named in part.get("properties", {}).items():
        rule = {**schema["$defs"][named["$ref"].rsplit("/", 1)[-1]], **named} if "$ref" in named else named
        inner = rule.get("items", {}) if rule.get("type") == "array" else rule.get("additionalProperties") or rule
        kind = " or ".join(map(str, rule["enum"])) if "enum" in rule else rule.get("type", "")
        if kind == "array":
            kind = f"list of {inner.get('type', 'string')}"
        yield f"| `{prefix}{name}` | {kind} | {rule.get('description', '').replace('|', chr(92) + '|')} |"
        if isinstance(inner, dict):
            between = "[]." if rule.get("type") == "array" else ".<key>." if inner is not rule else "."
            yield from _keys(inner, schema, f"{prefix}{name}{between}")


def variables_page() -> list[str]:
    """What crosses roles."""
    known = yaml.safe_load((ROOT / "meta/variables.yml").read_text())
    lines = [
        "# Variables", "",
        "Those that no role owns. The variables of a role begin with its name and are in the role's README.", ""]
    for section in known["sections"]:
        lines += [f"## {section['title']}", "", *paragraphs(section.get("description", []))]
        lines += [*option_table("variable", section["options"]), ""]
    lines += ["## In templates", "", *table("variable", "meaning")]
    lines += [f"| `{name}` | {plain(meaning)} |" for name, meaning in known["context"].items()]
    return [*lines, "", MADE.format("meta/variables.yml")]


def plugin_page(kind: str, name: str, entry: dict) -> list[str]:
    """Page of one plugin."""
    doc = entry["doc"]
    lines = [f"# {name} ({kind})", "", plain(doc["short_description"]) + ".", "", *paragraphs(doc["description"])]
    if doc.get("options"):
        lines += ["## Options", "", *option_table("option", doc["options"]), ""]
    if doc.get("attributes"):
        lines += ["## Attributes", "", *table("attribute", "support", "meaning")]
        for attribute, what in doc["attributes"].items():
            meaning = plain(what["description"]) + (" " + plain(what["details"]) if what.get("details") else "")
            lines.append(f"| `{attribute}` | {what['support']} | {meaning} |")
        lines.append("")
    lines += ["## Examples", "", "```yaml", entry["examples"].strip(), "```", ""]
    if entry.get("return"):
        lines += ["## Return values", "", *table("value", "type", "returned", "meaning")]
        lines += [
            f"| `{value}` | {type_of(what)} | {plain(what.get('returned', 'always'))} | {meaning_of(what)} |"
            for value, what in entry["return"].items()]
        lines.append("")
    return [*lines, MADE.format(f"plugins/{PLUGINS[kind]}/{name.rsplit('.', 1)[-1]}.py")]


def plugin_pages() -> dict[str, list[str]]:
    """Pages of all plugins, and the page that lists them."""
    pages, index = {}, ["# Plugins", ""]
    for kind, folder in PLUGINS.items():
        names = [f"{COLLECTION}.{path.stem}" for path in sorted((ROOT / "plugins" / folder).glob("[!_]*.py"))]
        command = [sys.executable, "-m", "ansible", "doc", "--json", "--type", kind, *names]
        environment = dict(os.environ, ANSIBLE_COLLECTIONS_PATH=str(ROOT / "collections"))
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
        index += [*table(kind, "what it does")]
        for name in names:
            page = f"{name.rsplit('.', 1)[-1]}_{kind}.md"
            pages[f"docs/plugins/{page}"] = plugin_page(kind, name, found[name])
            index.append(f"| [{name}]({page}) | {plain(found[name]['doc']['short_description'])} |")
        index.append("")
    return {"docs/plugins/README.md": [*index, MADE.format("plugins/")], **pages}
