# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The page of field reports, from the tests that hold them.

A report's number is in the names of its tests; the docstring of the first has two paragraphs: the symptom, and what
happens here.
"""

from __future__ import annotations

import ast
import pathlib
import re
from collections.abc import Iterator
from typing import NamedTuple

from .markdown import MADE, ROOT, plain, table

#: Title of each kind, with the numbers of its reports.
KINDS = {
    "What the host already is": (5, 6, 20, 21, 22, 23, 24, 25, 28, 29, 42, 44, 46, 48),
    "The form in which a value arrives": (3, 4, 8, 9, 10, 12, 13, 18, 30, 31, 37, 53),
    "What life does to an installation": (7, 14, 15, 16, 19, 32, 34, 35, 36, 39, 51),
    "The way of a request": (1, 2, 17, 38, 43, 50),
}
NAME = re.compile(r"test_report_(\d\d)_\w+")
INTRODUCTION = [
    "# Reports from the field", "",
    "Those who deploy such stacks meet hosts, inventories and days that no laboratory has. Each report of theirs is a",
    "test here. A test of a `server` runs on one of the lab; a `unit` test imagines the host, or reads what a real one",
    "said of itself.", ""]


class Case(NamedTuple):
    """A test of a report."""

    number: int
    place: str
    name: str
    #: Paragraphs of its docstring.
    told: list[str]


def cases_of(path: pathlib.Path) -> Iterator[Case]:
    """Tests of reports in a file, in their order."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef) and (found := NAME.fullmatch(node.name)):
            told = (ast.get_docstring(node) or "").split("\n\n")
            yield Case(int(found[1]), str(path.relative_to(ROOT)), node.name, [part for part in told if part])


def reports() -> dict[int, list[Case]]:
    """The tests of each report, the one that tells of it first."""
    found: dict[int, list[Case]] = {}
    paths = [*sorted((ROOT / "tests/unit").rglob("test_*.py")), *sorted(ROOT.glob("molecule/*/tests/test_*.py"))]
    for case in (case for path in paths for case in cases_of(path)):
        found.setdefault(case.number, []).append(case)
    return {number: sorted(cases, key=lambda case: len(case.told) != 2) for number, cases in found.items()}


def field_page() -> list[str]:
    """Lines of docs/field.md."""
    lines, found = [*INTRODUCTION], reports()
    for title, numbers in KINDS.items():
        rows = [_row(number, found[number]) for number in sorted(numbers) if number in found]
        lines += [f"## {title}", "", *table("", "symptom", "here", "tests"), *rows, ""]
    return [*lines, MADE.format("tests/unit/field/` and `molecule/*/tests/")]


def _row(number: int, cases: list[Case]) -> str:
    symptom, here = [*map(plain, cases[0].told), "", ""][:2]
    names = "<br>".join(f"`{case.name}` ({_where(case.place)})" for case in cases)
    return f"| {number} | {symptom} | {here} | {names} |"


def _where(place: str) -> str:
    scenario = re.match(r"molecule/(\w+)/", place)
    return f"server, {scenario[1]}" if scenario else "unit"
