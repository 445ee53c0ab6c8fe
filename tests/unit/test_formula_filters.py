# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The sizing math as filters: what their documentation says, they do."""

from __future__ import annotations

import importlib
import inspect
import pathlib
import re

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import plan, postgres

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMES = ("plan", "pgtune", "postgres_memory", "pgbouncer_pool", "redis_maxmemory", "rabbitmq_watermark", "go_limits",
         "disk_runway")
#: An example and the result that it states, which may go over several lines.
EXAMPLE = re.compile(r'^(\w+): ".*"\n# => (.*(?:\n#    .*)*)', re.MULTILINE)
HOST = {"cores": 12, "memory_mb": 24576, "disk_free_gb": 100, "disk_total_gb": 100}


def module(name):
    return importlib.import_module(f"ansible_collections.trenova.selfhost.plugins.filter.{name}")


def answer(name, *arguments, **options):
    return module(name).FilterModule().filters()[name](*arguments, **options)


def evaluated(expression, **variables):
    return Templar(DataLoader(), variables=variables).template(trust_as_template(expression))


def examples():
    """(name, expression, variables, result) of every example that states its result."""
    for path in sorted((ROOT / "plugins/filter").glob("*.py")):
        variables = yaml.safe_load(module(path.stem).EXAMPLES)
        for name, result in EXAMPLE.findall(module(path.stem).EXAMPLES):
            yield path.stem, variables[name], variables, yaml.safe_load(result.replace("\n#", "\n"))


@pytest.mark.parametrize(("name", "expression", "variables", "result"), list(examples()))
def test_every_example_gives_the_result_that_it_states(name, expression, variables, result):
    assert f"trenova.selfhost.{name}" in expression
    assert evaluated(expression, **variables) == result


def test_every_formula_has_an_example_and_every_example_a_result():
    assert {name for name, *_rest in examples()} >= set(NAMES)
    for name in NAMES:
        assert module(name).EXAMPLES.count("{{") == len(EXAMPLE.findall(module(name).EXAMPLES)), name


@pytest.mark.parametrize(("name", "arguments", "options", "says"), [
    ("plan", ({}, {"tier": "small"}), {}, "plan: capacity.cores: is missing; capacity.memory_mb: is missing; "),
    ("plan", (HOST, {"tier": "smal"}), {}, "expected one of minimum, small, medium, large; got \"smal\". Did you mean"),
    ("plan", (HOST,), {}, "plan: missing a required argument: 'intent'"),
    ("pgtune", ("4 XB",), {}, 'pgtune: ram: expected MiB as a number above 0 or text such as "512MB" or "4GB"'),
    ("pgtune", (512,), {"workload": "olpt"}, "got \"olpt\". Did you mean oltp?"),
    ("pgtune", (512,), {"cores": 4}, "pgtune: got an unexpected keyword argument 'cores'"),
    ("postgres_memory", (0, 1, 33), {}, "memory_limit_mb: expected a whole number of at least 1, got 0"),
    ("postgres_memory", (512, 1, "many"), {}, 'backends: expected a whole number, got "many"'),
    ("pgbouncer_pool", (0,), {}, "pgbouncer_pool: cpus: expected a whole number of at least 1, got 0"),
    ("pgbouncer_pool", (2,), {"bouncers": 0}, "bouncers: expected a whole number of at least 1, got 0"),
    ("redis_maxmemory", (2048,), {"persistence": "yes"}, "persistence: expected one of none, rdb, aof; got \"yes\""),
    ("rabbitmq_watermark", ("1GB",), {}, 'memory_limit_mb: expected a whole number, got "1GB"'),
    ("go_limits", (512, -1), {}, "cpus: expected a number of at least 0, got -1"),
    ("go_limits", (512, 1, 0), {}, "host_cores: expected a whole number of at least 1, got 0"),
    ("disk_runway", (100, 50, 80), {}, "full_share: expected a part between 0 and 1, got 80; for 80 % write 0.8"),
    ("disk_runway", (100, 0), {}, "users: expected a whole number of at least 1, got 0"),
])
def test_a_bad_argument_is_told_in_one_sentence_of_the_engine(name, arguments, options, says):
    with pytest.raises(AnsibleFilterError) as refused:
        answer(name, *arguments, **options)
    assert says in str(refused.value)
    assert str(refused.value).startswith(f"{name}: ")


@pytest.mark.parametrize("name", NAMES)
def test_options_are_those_of_the_function_with_its_defaults(name):
    documented = yaml.safe_load(module(name).DOCUMENTATION)
    function = module(name).FilterModule().filters()[name].__wrapped__
    first, *others = inspect.signature(function).parameters.values()
    options = documented["options"]
    assert list(options) == ["_input", *(parameter.name for parameter in others)], first
    assert [option.get("default") for option in list(options.values())[1:]] == [
        None if parameter.default is parameter.empty else parameter.default for parameter in others]
    assert documented.get("positional", "").split(", ") == ([parameter.name for parameter in others] or [""])


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(("minimum", "small", "medium", "large")), st.sampled_from(("document", "balanced")),
       st.integers(6, 128), st.integers(12, 512))
def test_the_filters_give_what_a_plan_gives(tier, mode, cores, memory_gib):
    host = {"cores": cores, "memory_mb": memory_gib * 1024, "disk_free_gb": 1000, "disk_total_gb": 1000}
    services = plan(host, {"tier": tier, "mode": mode})["services"]
    database, bouncer, redis, rabbitmq, api = (
        services[name] for name in ("postgres", "pgbouncer", "redis", "rabbitmq", "api"))
    backends = database["settings"]["backends"]
    memory = postgres.memory(database["memory_limit_mb"], int(database["cpus"]), backends)
    planned = dict(database["settings"], shm_size_mb=database["shm_size_mb"], safe=True)
    assert memory == {name: planned[name] for name in memory}
    pool = answer("pgbouncer_pool", int(database["cpus"]))
    assert pool.pop("backends") == backends
    assert pool == {name: bouncer["settings"][name] for name in pool}
    assert answer("redis_maxmemory", redis["memory_limit_mb"]) == redis["settings"]["maxmemory_mb"]
    watermark = answer("rabbitmq_watermark", rabbitmq["memory_limit_mb"])
    assert watermark == rabbitmq["settings"]["memory_high_watermark_mb"]
    limits = answer("go_limits", api["memory_limit_mb"], api["cpus"], cores)
    assert limits == {name: api["settings"][name] for name in limits}
