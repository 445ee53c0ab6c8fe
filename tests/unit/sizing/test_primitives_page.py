# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The page on formulas names every one of them, with its source."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pathlib
import pkgutil

import pytest

from ansible_collections.trenova.selfhost.plugins.plugin_utils import sizing

PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs/sizing-primitives.md"
MODULES = [
    importlib.import_module(f"{sizing.__name__}.{found.name}") for found in pkgutil.iter_modules(sizing.__path__)]
#: Of these, the file says in other functions where they come from.
WITHOUT_SOURCE = {"host.allocatable_mb", "tiers.storage_gb"}


def rows():
    """(module, name, cells) of each function on the page."""
    module = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            module = line[3:]
        elif line.startswith("| `"):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            yield module, cells[0].strip("`").partition("(")[0], cells


def test_every_function_with_a_source_is_on_the_page():
    known = {(module, name) for module, name, _ in rows()}
    formulas = {
        (module.__name__.rsplit(".", 1)[-1], name) for module in MODULES for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
        and "Source:" in (value.__doc__ or "")}
    assert formulas - known == set(), "add the module to FORMULAS in docs/generator/formulas.py"


def test_every_function_of_the_page_has_meaning_unit_and_source():
    found = list(rows())
    assert len(found) > 100
    for module, name, cells in found:
        assert len(cells) == 4, name
        assert all(cells), name
        without = cells[3] == "follows from the other functions of the file"
        assert not without or f"{module}.{name}" in WITHOUT_SOURCE, f"{module}.{name}"


@pytest.mark.parametrize(("module", "name", "unit"), [
    ("postgres", "shared_buffers_mb", "MiB"), ("tuners", "pgtune_wal_buffers_kb", "kB"), ("tuners", "pgtune", "record"),
    ("storage", "runway_days", "days"), ("recovery", "rto_seconds", "s"), ("load", "requests_per_second", "1/s"),
    ("postgres", "wal_gib_per_day", "GiB per day"), ("minio", "usable_gb", "GB"), ("quorum", "majority", "number"),
    ("host", "memory_acceptance", "word"),
])
def test_units(module, name, unit):
    assert next(cells[2] for where, what, cells in rows() if (where, what) == (module, name)) == unit


def test_examples_give_what_the_page_shows():
    text = PAGE.read_text(encoding="utf-8").partition("```pycon")[2].partition("```")[0]
    assert text.count(">>>") > 10
    examples = doctest.DocTestParser().get_doctest(text, {}, "page", str(PAGE), 0)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    assert runner.run(examples).failed == 0
