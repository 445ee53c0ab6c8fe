# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The page on the formulas, from their docstrings."""

from __future__ import annotations

import importlib
import inspect
import json
import pprint
import re
from collections.abc import Callable
from types import ModuleType

from .markdown import MADE, plain, table

SIZING = "plugins/plugin_utils/sizing"
#: Modules with formulas, in the order in which a plan needs them; then those beside the plan.
FORMULAS = (
    "host", "balance", "container", "golang", "tiers", "disk", "load", "demand", "postgres", "pgbouncer", "redis",
    "rabbitmq", "minio", "api", "backup", "tuners", "storage", "recovery", "quorum")
#: Parameters of functions that carry a plan out instead of calculating a number.
CARRIERS = {"draft", "sheet", "sheets", "capacity"}
NO_FORMULAS = {"tiers.every"}
UNIT = re.compile(
    r"(?:\bin (?:decimal )?|^)(GiB per day|MiB|GiB|kB|GB|MB/s|MB|bit/s|seconds|millicores|Requests per second|Days)\b")
#: Calls with their results, in the page on formulas.
EXAMPLES = (
    ("tuners", "pgtune", ("4GB", 4, 200, "oltp", "ssd", 17)),
    ("tuners", "pgtune_classic_work_mem_kb", (512 * 1024, 1, 33)),
    ("postgres", "work_mem_bound_mb", (512, 100)),
    ("postgres", "work_mem_kb", (4096, 4, 33)),
    ("postgres", "memory", (512, 1, 33)),
    ("golang", "limits", (512, 1)),
    ("pgbouncer", "pool", (8,)),
    ("redis", "maxmemory_for_mb", (2048, "aof")),
    ("minio", "usable_gb", (16, 1000)),
    ("storage", "runway_days", (100, 50)),
    ("recovery", "copy_seconds", (100, 0.3)),
)


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
    package = "ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing"
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
        "MiB, GiB and kB count in 1024, MB and GB in 1000. A bad argument raises `ValueError` with one sentence.", ""]
    for name, module in modules.items():
        lines += [f"## {name}", "", plain(inspect.getdoc(module).split("\n\n")[0]), "",
                  *table("function", "meaning", "unit", "source")]
        for function in formulas_of(module).values():
            meaning, source = meaning_and_source(function)
            cells = (plain(meaning), unit_of(function, meaning), plain(source))
            lines.append(f"| `{plain(call_of(function))}` | " + " | ".join(cells) + " |")
        lines.append("")
    return [*lines, MADE.format(f"{SIZING}/")]
