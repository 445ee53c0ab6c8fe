# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Writes what can be derived of the documentation. `--check` only tells whether it is current.

- the README of each role, from its argument specification
- docs/variables.md, from meta/variables.yml
- docs/plugins/, from the documentation in the plugins
- docs/sizing-primitives.md, from the docstrings of the formulas
- docs/plans.md and the tables of docs/sizing.md, from the sizing engine
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import os
import pathlib
import pprint
import re
import subprocess
import sys
from functools import reduce
from operator import getitem
from types import ModuleType
from typing import Callable, Iterator

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "collections"))
from ansible_collections.trenova.selfhost.plugins.module_utils import sizing  # noqa: E402  # found by the line above
from ansible_collections.trenova.selfhost.plugins.module_utils.sizing import comparison, tiers  # noqa: E402
from ansible_collections.trenova.selfhost.plugins.module_utils.sizing.deviations import CATALOGUE  # noqa: E402
from ansible_collections.trenova.selfhost.plugins.module_utils.sizing.model import TIERS  # noqa: E402
from ansible_collections.trenova.selfhost.plugins.plugin_utils.plan_table import plan_table  # noqa: E402

COLLECTION = "trenova.selfhost"
PLUGINS = {"module": "modules", "filter": "filter"}
MARKUP = re.compile(r"\b([CVOMBI])\(([^()]*(?:\([^()]*\)[^()]*)*)\)")
#: Part of a page that is made; the rest of it is written by hand.
BLOCK = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
USERS = (25, 50, 100, 200, 350, 500, 1000)
MADE = "_Generated from `{}` by `make docs`._"

SIZING = "plugins/module_utils/sizing"
#: Modules with formulas, in the order in which a plan needs them; then those beside the plan.
FORMULAS = (
    "host", "balance", "container", "golang", "tiers", "disk", "postgres", "pgbouncer", "redis", "rabbitmq", "minio",
    "api", "asynq", "caddy", "backup", "tuners", "load", "storage", "recovery", "quorum")
#: Parameters of functions that carry a plan out instead of calculating a number.
CARRIERS = {"draft", "sheet", "sheets", "capacity"}
NO_FORMULAS = {"tiers.every"}
UNIT = re.compile(
    r"(?:\bin (?:decimal )?|^)(GiB per day|MiB|GiB|kB|GB|MB/s|MB|bit/s|seconds|millicores|Requests per second|Days)\b")
#: Hosts that no tier was made for, with what is wanted of them.
ODD_HOSTS = (
    ("6 cores and 12 GB, shared with other software", {
        "cores": 6, "memory_mb": 11800, "disk_free_gb": 60, "disk_total_gb": 120, "disk_kind": "hdd",
        "architecture": "x86_64"}, {"users": 12, "tier": "minimum", "reserved_memory_mb": 2048}),
    ("64 cores and 512 GB, 800 users", {
        "cores": 64, "memory_mb": 515000, "disk_free_gb": 3800, "disk_total_gb": 3840, "disk_kind": "nvme",
        "architecture": "x86_64"}, {"users": 800, "mode": "balanced"}),
    ("ARM, 8 cores and 16 GB", {
        "cores": 8, "memory_mb": 15800, "disk_free_gb": 150, "disk_total_gb": 160, "disk_kind": "ssd",
        "architecture": "aarch64"}, {"users": 30, "tier": "minimum", "mode": "balanced"}),
)
#: Calls with their results, in the page on formulas.
EXAMPLES = (
    ("tuners", "pgtune", ("4GB", 4, 200, "oltp", "ssd", 17)),
    ("tuners", "pgtune_classic_work_mem_kb", (512 * 1024, 1, 33)),
    ("tuners", "timescaledb_tune", ("8GB", 8)),
    ("tuners", "postgresqltuner_verdict", (512, 128, 4, 100, 64)),
    ("postgres", "work_mem_bound_mb", (512, 100)),
    ("postgres", "work_mem_kb", (4096, 4, 33)),
    ("postgres", "least_memory_mb", (100, 4)),
    ("pgbouncer", "connection_budget", (20, 5, 100)),
    ("redis", "split", (2048,)),
    ("minio", "usable_gb", (16, 1000)),
    ("asynq", "shares", ({"critical": 6, "default": 3, "low": 1},)),
    ("load", "usl_peak", (0.03, 0.0001)),
    ("storage", "runway_days", (100, 50)),
    ("recovery", "copy_seconds", (100, 0.3)),
)


def plain(text: str | list[str]) -> str:
    """Text of a specification as Markdown: semantic markup becomes code, paragraphs become sentences of one cell."""
    joined = " ".join(text) if isinstance(text, list) else text
    return MARKUP.sub(r"`\2`", " ".join(joined.split())).replace("|", "\\|")


def paragraphs(text: str | list[str]) -> list[str]:
    """Paragraphs of a description, with an empty line after each."""
    return [line for paragraph in ([text] if isinstance(text, str) else text) for line in (plain(paragraph), "")]


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


def table(*columns: str) -> list[str]:
    """Head of a table."""
    return ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]


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
        lines += [f"- `{name}` ({kind})" for name, kind in service["secrets"].items()]
    return [
        *lines, "", "Numbers (memory, connections, …) are not variables of the role: they come from the plan, and",
        "`trenova_plan_overrides` changes them.", "", MADE.format("meta/argument_specs.yml")]


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


def formulas_of(module: ModuleType) -> dict[str, Callable]:
    """The public functions of a module that calculate something from plain arguments, by name."""
    return {
        name: value for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
        and not CARRIERS & set(inspect.signature(value).parameters)
        and f"{module.__name__.rsplit('.', 1)[-1]}.{name}" not in NO_FORMULAS}


def meaning_and_source(function: Callable) -> tuple[str, str]:
    """The two parts of a docstring. One without a source follows from the functions of the same file."""
    meaning, _, source = " ".join((inspect.getdoc(function) or "").split()).partition(" Source: ")
    return meaning, source or "follows from the other functions of the file"


def unit_of(function: Callable, meaning: str) -> str:
    """The unit of what a function returns."""
    if str(function.__annotations__.get("return", "record")).split(" |")[0] not in ("int", "float"):
        return "word" if function.__annotations__.get("return", "").startswith("str") else "record"
    found = UNIT.search(meaning)
    return {"Requests per second": "1/s", "Days": "days", "seconds": "s"}.get(found[1], found[1]) if found else "number"


def call_of(function: Callable) -> str:
    """Name and arguments of a function with their defaults."""
    arguments = [
        name if argument.default is inspect.Parameter.empty and argument.kind != inspect.Parameter.VAR_POSITIONAL
        else f"*{name}" if argument.kind == inspect.Parameter.VAR_POSITIONAL
        else f"{name}={literal(argument.default)}"
        for name, argument in inspect.signature(function).parameters.items()]
    return f"{function.__name__}({', '.join(arguments)})"


def literal(value: object) -> str:
    """A value as it is written in Python, with double quotes."""
    return json.dumps(value) if isinstance(value, (str, dict)) else repr(value)


def formulas_page() -> list[str]:
    """The formulas behind the plan, to check a number by hand."""
    sys.path.insert(0, str(ROOT / "collections"))
    package = "ansible_collections.trenova.selfhost.plugins.module_utils.sizing"
    modules = {name: importlib.import_module(f"{package}.{name}") for name in FORMULAS}
    lines = [
        "# Formulas of the plan", "",
        "Each number of a plan comes from one of these functions: search for the number's name. They are plain Python",
        "and can be called without Ansible, in a checkout with `PYTHONPATH=collections`:", "", "```pycon",
        f">>> from {package} import (",
        f"...     {', '.join(sorted({module for module, _, _ in EXAMPLES}))})"]
    for module, name, arguments in EXAMPLES:
        result = getattr(modules[module], name)(*arguments)
        lines += [f">>> {module}.{name}({', '.join(map(literal, arguments))})",
                  pprint.pformat(result, width=116, sort_dicts=False)]
    lines += [
        "```", "",
        "MiB, GiB and kB count in 1024, MB and GB in 1000. A bad argument raises `ValueError` with one sentence. The",
        "module `tuners` says what other tools would recommend; the plan departs from them where a container's limit",
        "demands it.", ""]
    for name, module in modules.items():
        lines += [f"## {name}", "", plain(inspect.getdoc(module).split("\n\n")[0]), "",
                  *table("function", "meaning", "unit", "source")]
        for function in formulas_of(module).values():
            meaning, source = meaning_and_source(function)
            cells = (plain(meaning), unit_of(function, meaning), plain(source))
            lines.append(f"| `{plain(call_of(function))}` | " + " | ".join(cells) + " |")
        lines.append("")
    return [*lines, MADE.format(f"{SIZING}/")]


def recommended() -> dict[str, dict]:
    """The host that the requirements recommend for each tier."""
    return {
        tier: comparison.imagined(*(row.value(tier) for row in (
            tiers.HOST_CORES, tiers.HOST_MEMORY_GIB, tiers.HOST_DISK_GB)))
        for tier in TIERS}


def hosts_of_tiers() -> dict[str, dict]:
    """Plan of each tier on the host that is recommended for it."""
    return {tier: sizing.plan(capacity, {"tier": tier}) for tier, capacity in recommended().items()}


def tiers_table() -> list[str]:
    """What the tiers give to whom."""
    rows: dict[str, list] = {}
    for plan in hosts_of_tiers().values():
        services, totals, host = plan["services"], plan["totals"], plan["host"]
        database, api = services["postgres"], services["api"]
        connections = totals["connections"]
        for title, cell in (
            ("host", "{} cores, {} GiB, {} GB".format(
                host["cores"], host["memory_mb"] // 1024, host["disk_total_gb"])),
            ("left for containers, MiB", host["allocatable_mb"]),
            ("all limits, backup jobs included, MiB", totals["memory_limit_mb"] + totals["memory_limit_jobs_mb"]),
            ("PostgreSQL, MiB", database["memory_limit_mb"]),
            ("`shared_buffers`, MiB", database["settings"]["shared_buffers_mb"]),
            ("`work_mem`, kB", database["settings"]["work_mem_kb"]),
            ("backends of `max_connections`", "{backends} of {max_connections}".format(**connections)),
            ("connections of the application", connections["application"]),
            ("Redis, MiB", services["redis"]["memory_limit_mb"]),
            ("RabbitMQ, MiB", services["rabbitmq"]["memory_limit_mb"]),
            ("MinIO, MiB", services["minio"]["memory_limit_mb"]),
            ("API", "{} x {} MiB".format(api["instances"], api["memory_limit_mb"])),
            ("workers", api["settings"]["workers"] or "none"),
            ("backup storage elsewhere, GB", services["backup"]["settings"]["storage_need_gb"]),
        ):
            rows.setdefault(title, []).append(str(cell))
    return table("", *TIERS) + [f"| {title} | {' | '.join(cells)} |" for title, cells in rows.items()]


def balanced_table() -> list[str]:
    """What mode balanced gives on the hosts that the requirements recommend, beside mode document."""
    lines = table("on the recommended host of", *TIERS)
    modes = {mode: [sizing.plan(plan_host, {"tier": tier, "mode": mode}) for tier, plan_host in recommended().items()]
             for mode in ("document", "balanced")}
    for title, path in (
        ("PostgreSQL, MiB", ("services", "postgres", "memory_limit_mb")),
        ("PostgreSQL, cores", ("services", "postgres", "cpus")),
        ("`work_mem`, kB", ("services", "postgres", "settings", "work_mem_kb")),
        ("an API instance, MiB", ("services", "api", "memory_limit_mb")),
        ("Redis, MiB", ("services", "redis", "memory_limit_mb")),
        ("all limits, MiB", ("totals", "memory_limit_mb")),
    ):
        before, after = ([reduce(getitem, path, plan) for plan in modes[mode]] for mode in ("document", "balanced"))
        cells = [f"{document:g} → {balanced:g}" for document, balanced in zip(before, after, strict=True)]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return lines


def users_table() -> list[str]:
    """What to buy for how many users."""
    lines = table("users", "tier", "cores", "memory, GiB", "disk, GB", "API instances")
    for users in USERS:
        needed = comparison.needed_host({"users": users})
        sizes = [str(needed[key]["value"]) for key in ("cores", "memory_gib", "disk_gb")]
        lines.append(f"| {users} | {needed['tier']} | {' | '.join(sizes)} | {needed['api_instances']} |")
    return lines


def deviations_table() -> list[str]:
    """All departures from the requirements, with what is planned in the tiers."""
    found = [(tier, entry) for tier, plan in hosts_of_tiers().items() for entry in plan["deviations"]]
    lines = table("id", "the requirements", "planned", "why", "how to restore")
    for name, deviation in CATALOGUE.items():
        planned: dict[str, list[str]] = {}
        for tier, entry in found:
            if entry["id"] == name:
                setting = entry["setting"].replace(".settings.", ".")
                planned.setdefault(f"`{setting}` {entry['planned']}", []).append(tier)
        cells = [
            text if len(where) == len(TIERS) else f"{text} ({', '.join(where)})" for text, where in planned.items()]
        shown = "<br>".join(cells) or "only with many backends"
        restore = plain(deviation.entry("", "")["restore"])
        lines.append("| `{}` | {} | {} | {} | {} |".format(
            name, plain(deviation.document), plain(shown), plain(deviation.reason),
            restore if deviation.restore else f"`{restore}`"))
    return lines


def refusal_example() -> list[str]:
    """What a host with too little memory is told."""
    plan = sizing.plan(comparison.imagined(8, 8, 100), {"tier": "small"})
    return [line for refusal in plan["refusals"] for line in (f"> {refusal['text']}", "")][:-1]


def plans_page() -> list[str]:
    """Whole plans: of each tier on its recommended host, and of hosts that fit none."""
    lines = [
        "# Plans", "",
        "What `playbooks/plan.yml` prints for the hosts that the requirements recommend, and for three odd ones.", ""]
    hosts = [(f"Tier {tier}", capacity, {"tier": tier}) for tier, capacity in recommended().items()]
    for title, capacity, intent in [*hosts, *ODD_HOSTS]:
        shown = {"comparison": comparison.compare_tiers(capacity, intent), "needed": comparison.needed_host(intent)}
        lines += [f"## {title}", "", "```text", *plan_table("erp1", sizing.plan(capacity, intent), **shown), "```", ""]
    return [*lines, MADE.format(f"{SIZING}/")]


def sizing_page() -> list[str]:
    """docs/sizing.md with its tables made anew."""
    made = {
        "users": users_table, "tiers": tiers_table, "balanced": balanced_table, "deviations": deviations_table,
        "refusal": refusal_example}

    def block(found: re.Match) -> str:
        return found.group(1) + "\n".join(made[found.group(2)]()) + "\n" + found.group(3)

    return BLOCK.sub(block, (ROOT / "docs/sizing.md").read_text()).splitlines()


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a page is not current")
    check = parser.parse_args().check
    pages = {f"roles/{role.name}/README.md": role_page(role) for role in sorted((ROOT / "roles").iterdir())}
    pages.update(plugin_pages(), **{
        "docs/variables.md": variables_page(), "docs/sizing.md": sizing_page(),
        "docs/sizing-primitives.md": formulas_page(), "docs/plans.md": plans_page()})
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
