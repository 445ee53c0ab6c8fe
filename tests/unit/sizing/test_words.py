# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One of something is no plural, in no text of a plan, its table and its page."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from sizing_builders import TIERS, host_of
from test_properties import hosts

from ansible_collections.trenova.selfhost.plugins.plugin_utils.report.page import plan_page
from ansible_collections.trenova.selfhost.plugins.plugin_utils.report.table import plan_table
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import plan, plan_hosts, words
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.comparison import compare_tiers, needed_host
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.services import SERVICES

#: Words with an s at their end that are no plural.
NO_PLURAL = {"is", "as", "has", "less", "was", "this", "its", "process", "gbps"}
ONE = re.compile(r"(?<![\w.,:/+-])1 (?:(?:API|CPU|direct|server|whole|free) )?([A-Za-z]+s)\b(?!/)")


def plurals_of_one(text):
    """Where a text counts one of something and writes a plural."""
    return [found.group() for found in ONE.finditer(text) if found.group(1).lower() not in {*NO_PLURAL, "s", "ms"}]


@pytest.mark.parametrize(("number", "noun", "said"), [
    (0, "user", "0 users"), (1, "user", "1 user"), (1.0, "CPU core", "1 CPU core"), (0.5, "CPU core", "0.5 CPU cores"),
    (2, "process", "2 processes"), (1, "process", "1 process"), (3, "API instance", "3 API instances"),
    (2, "day", "2 days"), (2, "replica", "2 replicas"), (2, "box", "2 boxes"), (2, "switch", "2 switches"),
])
def test_counted(number, noun, said):
    assert words.counted(number, noun) == said


@pytest.mark.parametrize(("value", "unit", "said"), [
    (1, "cores", "1 core"), (1.0, "cores", "1 core"), (1, "processes", "1 process"), (2, "threads", "2 threads"),
    (1, "MiB", "1 MiB"), (1, "s", "1 s"), (1, "ms", "1 ms"), (1, "", "1"), ("yes", "", "yes"),
    (True, "nodes", "True nodes"), (1, "replicas", "1 replica"), (1, "writes", "1 write"), (0.5, "cores", "0.5 cores"),
])
def test_amount(value, unit, said):
    assert words.amount(value, unit) == said


@given(st.sampled_from(["user", "core", "process", "node", "instance", "box", "switch", "day", "write"]))
def test_a_plural_has_a_singular(noun):
    assert words.singular(words.plural(noun)) == noun


@pytest.mark.parametrize(("text", "found"), [
    ("1 users", ["1 users"]), ("of 1 API instances with 1 CPU cores", ["1 API instances", "1 CPU cores"]),
    ("1 user, 11 users, 0.1 cores", []), ("R1 says", []), ("1 is", []), ("x 1 nodes", ["1 nodes"]), ("1 s", []),
])
def test_the_reader_finds_plurals_of_one(text, found):
    assert plurals_of_one(text) == found


#: An operator's own figures of one.
ones = st.fixed_dictionaries({}, optional={
    service: st.fixed_dictionaries({}, optional=dict.fromkeys(names, st.just(1)))
    for service, names in {
        "postgres": ("cpus", "max_connections", "max_parallel_workers", "io_workers", "volume_gb"),
        "pgbouncer": ("default_pool_size", "reserve_pool_size", "max_db_connections", "max_client_conn"),
        "api": ("instances", "cpus", "database_pool"), "minio": ("requests_max", "cpus")}.items()})
few = st.builds(lambda host, disk: dict(host, disk_free_gb=disk[0], disk_total_gb=disk[1]), st.fixed_dictionaries({
    "cores": st.sampled_from([1, 1.0, 2, 3, 8]), "memory_mb": st.sampled_from([1024, 8192, 65536]),
    "disk_kind": st.sampled_from(["ssd", "hdd"])}), st.sampled_from([(1, 1), (1, 30), (2, 30), (26, 30), (100, 101)]))


@settings(max_examples=60, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(few | hosts, st.sampled_from(TIERS), st.none() | st.sampled_from([1, 2, 51, 500]), ones, st.booleans())
@example(host_of("small", cores=1), "small", 1, {}, False)
@example(host_of("medium", cores=4), "medium", 500, {"api": {"cpus": 1, "instances": 1}}, True)
def test_no_text_of_a_plan_counts_one_as_several(capacity, tier, users, overrides, strict):
    intent = {"tier": tier, "overrides": overrides, "strict": strict, **({"users": users} if users else {})}
    planned = plan(capacity, intent)
    shown = {"comparison": compare_tiers(capacity, intent), "needed": needed_host(intent)}
    page = re.sub(r"</?(b|code)>", "", plan_page("erp1", planned, {}, **shown))
    texts = [json.dumps([planned["refusals"], planned["warnings"], planned["deviations"], *shown.values()]),
             "\n".join(plan_table("erp1", planned, {}, **shown)), re.sub(r"<[^>]+>", " | ", page)]
    assert [plurals_of_one(text) for text in texts] == [[], [], []]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_no_text_of_several_hosts_counts_one_as_several(count):
    names = [f"h{number}" for number in range(count)]
    groups = dict.fromkeys(SERVICES, names)
    for planned in plan_hosts({name: host_of("small") for name in names}, groups, {"users": 1}).values():
        assert plurals_of_one(json.dumps([planned["refusals"], planned["warnings"]])) == []
        assert plurals_of_one("\n".join(plan_table("h0", planned, {}))) == []
