# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Every documented function, and every way into the engine, tells of a bad argument in one sentence."""

from __future__ import annotations

import importlib
import inspect
import math
import pathlib
import re
import sys
import time

import pytest
from sizing_builders import host_of

from ansible_collections.trenova.selfhost.plugins.plugin_utils import sizing
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import PlanError, plan, plan_hosts, values
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.arguments import formula, part
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.comparison import compare_tiers, needed_host
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.plan_file import read_plan

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "docs"))
from generator.formulas import FORMULAS, formulas_of  # noqa: E402  # found by the line above

#: What nobody means as a number, whatever the parameter is.
NONSENSE = {
    "nan": math.nan, "inf": math.inf, "-inf": -math.inf, "text": "many", "true": True, "none": None, "list": [1],
    "beyond": 10**400, "beyond floats": 1e308, "thousands of digits": 10**5000, "full width": "１２", "arabic": "٣",
    "underscore": "1_000", "exponent": "1e3", "two lines": "4\n5", "mapping": {"a": 1},
}
#: What is a number and never makes sense below its least.
NEGATIVE = {"negative": -1, "negative text": "-3"}
#: Values that each function can work with, by parameter, where a small number is none of them.
GOOD = {
    "tier": "small", "service": "postgres", "workload": "web", "storage": "ssd", "dbsize": "mid_ram",
    "persistence": "rdb", "pg_version": 17, "volume_gb": 10, "max_wal_size": 1024, "nodes": 3, "parity": 1,
    "highly_available": False, "ram": "4GB", "drives": 4, "drives_per_set": 4,
}
#: Parts of one.
SHARES = ("share", "compression")


def functions():
    """(module.name, function) of everything on the page of formulas."""
    for name in FORMULAS:
        module = importlib.import_module(f"{sizing.__name__}.{name}")
        for function in formulas_of(module).values():
            yield f"{name}.{function.__name__}", function


FUNCTIONS = dict(functions())


def good(parameter):
    """A value that a parameter takes."""
    if parameter.name in GOOD:
        return GOOD[parameter.name]
    return 0.5 if parameter.name.endswith(SHARES) else 8


def takes(parameter, kind):
    """Whether a kind of nonsense is none for a parameter."""
    annotation = str(parameter.annotation)
    return (kind == "none" and (annotation.endswith("None") or parameter.default is None)
            or kind == "true" and annotation == "bool")


def cases():
    """(function, parameter, kind of nonsense) of all that must be refused."""
    for name, function in FUNCTIONS.items():
        for parameter in inspect.signature(function).parameters.values():
            for kind in (*NONSENSE, *NEGATIVE):
                if not takes(parameter, kind):
                    yield name, parameter.name, kind


def call(name, parameter=None, value=None):
    """What a function answers, one of its arguments exchanged."""
    function = FUNCTIONS[name]
    arguments = {other.name: good(other) for other in inspect.signature(function).parameters.values()
                 if other.kind != other.VAR_POSITIONAL}
    if parameter and parameter not in arguments:
        return function(value)
    return function(**(dict(arguments, **{parameter: value}) if parameter else arguments))


def is_finite(result):
    """Whether no number of a result is infinite or none at all."""
    if isinstance(result, dict):
        result = tuple(result.values())
    if isinstance(result, tuple):
        return all(is_finite(part_) for part_ in result)
    return not isinstance(result, float) or math.isfinite(result)


def test_there_are_as_many_functions_as_the_page_says():
    assert len(FUNCTIONS) > 120


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "recovery.system_rpo_seconds"])
def test_a_good_argument_gets_an_answer(name):
    assert is_finite(call(name))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_bad_argument_is_told_in_one_sentence(name):
    wrong = []
    for function, parameter, kind in cases():
        if function != name:
            continue
        try:
            wrong.append((parameter, kind, call(name, parameter, {**NONSENSE, **NEGATIVE}[kind])))
        except ValueError as error:
            sentence = str(error)
            if "\n" in sentence or not sentence.partition(":")[0].replace(" + ", "").isidentifier():
                wrong.append((parameter, kind, sentence))
    assert wrong == []


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("huge", [10**6, 10**9, 10**12, 1e12, 1e-300])
def test_a_huge_argument_gets_an_answer_or_a_sentence_at_once(name, huge):
    started = time.process_time()
    for parameter in inspect.signature(FUNCTIONS[name]).parameters:
        try:
            assert is_finite(call(name, parameter, huge)), parameter
        except ValueError as error:
            assert "\n" not in str(error)
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_on_the_page_is_held_to_the_rule(name):
    function = FUNCTIONS[name]
    own = ("recovery.system_rpo_seconds", "tuners.pgtune", "tuners.pgtune_random_page_cost",
           "tuners.pgtune_io_concurrency")
    assert hasattr(function, "__wrapped__") or name in own


def test_numbers_are_taken_as_numbers_and_as_their_plain_text():
    for given, number in (("12", 12), (" 12 ", 12), ("0.5", 0.5), (".5", 0.5), ("+3", 3), ("012", 12), (2.0, 2)):
        assert values.number(given) == number


@pytest.mark.parametrize("text", ["", " ", "1e3", "1E3", "1_000", "１２", "٣", "0x10", "1,000", "1:30", "nan",
                                  "inf", "--1", "1.2.3", "12 GB", "½"])
def test_text_that_is_no_plain_number(text):
    with pytest.raises(ValueError, match="^expected a number, got "):
        values.number(text)


def test_the_rule_itself():
    @formula(count=(1, 5), share=part, word=("a", "b"))
    def sample(count: int, share: float = 0.5, word: str = "a", often: int | None = None, fast: bool = False):
        return count, share, word, often, fast

    assert sample("3") == (3, 0.5, "a", None, False)
    assert sample(2.0, share="0.25", often="7", fast="yes") == (2, 0.25, "a", 7, True)
    for bad, says in (
        ({"count": 6}, "count: expected a whole number between 1 and 5, got 6"),
        ({"count": 1.5}, "count: expected a whole number between 1 and 5, got 1.5"),
        ({"count": 1, "share": 30}, "share: expected a part between 0 and 1, got 30; for 30 % write 0.3"),
        ({"count": 1, "word": "c"}, 'word: expected one of a, b; got "c"'),
        ({"count": 1, "often": -1}, "often: expected a whole number of at least 0, got -1"),
        ({"count": 1, "often": 10**13}, "often: expected a whole number of at most 1e+12, got 10000000000000"),
        ({"count": 1, "fast": 1}, "fast: expected true or false, got 1"),
    ):
        with pytest.raises(ValueError, match=f"^{re.escape(says)}$"):
            sample(**bad)
    with pytest.raises(TypeError):
        sample(1, 0.5, "a", 1, True, 9)
    with pytest.raises(TypeError):
        sample(1, colour="red")


# -- the ways in -------------------------------------------------------------------------------------------------------

SMALL, WISH = host_of("small"), {"tier": "small"}
NO_MAPPINGS = [None, [], "x", 3, math.nan, True, b"x"]


@pytest.mark.parametrize("bad", NO_MAPPINGS, ids=repr)
def test_what_is_no_mapping_is_one_sentence_for_each_way_in(bad):
    for way in (lambda: plan(bad, WISH), lambda: plan(SMALL, bad), lambda: compare_tiers(SMALL, bad),
                lambda: needed_host(bad), lambda: plan_hosts(bad, {}, WISH),
                lambda: plan_hosts({"a": SMALL}, bad, WISH), lambda: plan_hosts({"a": SMALL}, {"api": bad}, WISH)
                if bad != [] else plan(bad, WISH)):
        with pytest.raises(PlanError) as refused:
            way()
        assert all("\n" not in problem for problem in refused.value.problems)


@pytest.mark.parametrize("bad", [None, 3, b"\xff", "", "{", [], "[1]"], ids=repr)
def test_what_is_no_file_of_a_plan(bad):
    with pytest.raises(ValueError, match=r"\.$") as refused:
        read_plan(bad)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("groups", [{"api": "a"}, {"api": [1]}, {"api": ["a", "a"]}, {"api": [["a"]]}])
def test_groups_are_lists_of_names(groups):
    with pytest.raises(PlanError, match="^groups: "):
        plan_hosts({"a": SMALL}, groups, WISH)


@pytest.mark.parametrize("key", ["cores", "memory_mb", "disk_free_gb", "disk_total_gb", "disk_used_by_trenova_gb"])
@pytest.mark.parametrize("kind", [kind for kind in NONSENSE if kind != "none"])
def test_nonsense_of_a_capacity(key, kind):
    with pytest.raises(PlanError) as refused:
        plan(dict(SMALL, **{key: NONSENSE[kind]}), WISH)
    assert [problem for problem in refused.value.problems if problem.startswith(f"capacity.{key}: ")]
    assert not any("\n" in problem for problem in refused.value.problems)


@pytest.mark.parametrize(("changes", "says"), [
    ({"disk_free_gb": 100, "disk_total_gb": 0},
     ["capacity.disk_free_gb: 100 GB are more than the disk has (disk_total_gb 0)"]),
    ({"disk_used_by_trenova_gb": 500},
     ["capacity.disk_used_by_trenova_gb: 500 GB are more than the disk has (disk_total_gb 100)"]),
    ({"architecture": 5}, ['capacity.architecture: expected a name as "uname -m" prints it, got 5']),
    ({"architecture": "x86 64"}, ['capacity.architecture: expected a name as "uname -m" prints it, got "x86 64"']),
])
def test_a_capacity_that_no_host_has(changes, says):
    with pytest.raises(PlanError) as refused:
        plan(dict(SMALL, **changes), WISH)
    assert refused.value.problems == says


def test_what_is_ours_and_what_is_free_are_no_more_than_the_disk():
    """A disk that was made smaller, or files that share their blocks."""
    assert plan(host_of("small", disk_free_gb=80, disk_used_by_trenova_gb=60), WISH)["host"]["disk_available_gb"] == 100


@pytest.mark.parametrize(("profile", "says"), [
    ({"job_concurency": 10}, 'application profile: "job_concurency" is unknown. Did you mean job_concurrency?'),
    ({"version": "v0.7.2"}, 'application profile: "version" is unknown'),
    ({3: 4}, "application profile: 3 is unknown"),
])
def test_a_profile_has_no_unknown_entries(profile, says):
    with pytest.raises(PlanError) as refused:
        plan(SMALL, dict(WISH, profile=profile))
    assert refused.value.problems == [says]
