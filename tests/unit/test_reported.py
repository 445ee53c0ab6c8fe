# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The figures of a plan as servers say them, by what their roles tell of that."""

from __future__ import annotations

import math
import pathlib
import types

import pytest
import test_bundle
import yaml
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.trenova.selfhost.plugins.filter.reported_settings import FilterModule
from ansible_collections.trenova.selfhost.plugins.plugin_utils import description, reported

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILES = {path.parts[-3]: path for path in sorted(ROOT.glob("roles/*/meta/reported.yml"))}


def reported_settings(settings, role, own=()):
    return reported.reported_settings(settings, str(ROOT / "roles" / role), own)


def test_postgres_reports_pages_kilobytes_and_megabytes():
    settings = {"shared_buffers_mb": 128, "work_mem_kb": 2750, "wal_buffers_kb": 3932, "max_wal_size_mb": 1907,
                "maintenance_work_mem_mb": 32, "max_connections": 100}
    assert reported_settings(settings, "postgres") == {
        "shared_buffers": "16384", "work_mem": "2750", "wal_buffers": "492", "max_wal_size": "1907",
        "maintenance_work_mem": "32768", "max_connections": "100"}


def test_redis_reports_bytes():
    settings = {"maxmemory_mb": 1536, "maxmemory_policy": "volatile-lru", "maxclients": 10000, "appendonly": "yes"}
    assert reported_settings(settings, "redis") == {
        "maxmemory": "1610612736", "maxmemory-policy": "volatile-lru", "maxclients": "10000", "appendonly": "yes"}


def test_pgbouncer_reports_numbers_as_they_are():
    settings = {"default_pool_size": 20, "reserve_pool_size": 5, "max_db_connections": 90, "max_client_conn": 1000}
    assert reported_settings(settings, "pgbouncer") == {name: str(value) for name, value in settings.items()}


def test_rabbitmq_reports_bytes():
    settings = {"memory_high_watermark_mb": 307, "disk_free_limit_mb": 1024}
    assert reported_settings(settings, "rabbitmq") == {"mem_limit": 321912832, "disk_free_limit": 1073741824}


@pytest.mark.parametrize("role", FILES)
def test_service_without_a_plan_reports_nothing(role):
    assert reported_settings({}, role) == {}


def test_lines_of_the_operator_are_not_expected_to_be_the_plans():
    settings = {"memory_high_watermark_mb": 307, "disk_free_limit_mb": 1024}
    own = {"vm_memory_high_watermark.relative": 0.5, "heartbeat": 60}
    assert reported_settings(settings, "rabbitmq", own) == {"disk_free_limit": 1073741824}
    assert reported_settings({"work_mem_kb": 2750, "max_connections": 100}, "postgres", {"work_mem": "4MB"}) == {
        "max_connections": "100"}


@given(st.integers(0, 2**40), st.sampled_from([1, 1024, 8192, 1048576]))
def test_an_amount_is_rounded_to_the_nearest_unit_and_never_further(kilobytes, unit):
    entry = {"figure": "buffer_kb", "unit_bytes": unit}
    told = reported._value(kilobytes, entry, "number")
    assert math.isclose(told * unit, kilobytes * 1024, rel_tol=1e-12, abs_tol=unit / 2)
    assert reported._value(kilobytes, entry, "text") == str(told)


@pytest.mark.parametrize("role", FILES)
def test_what_our_roles_report_keeps_to_the_schema(role):
    assert description.faults(yaml.safe_load(FILES[role].read_text()), "reported") == []


@pytest.mark.parametrize("role", FILES)
def test_every_reported_figure_is_one_of_the_plan(role):
    _variables, known = test_bundle.in_play()
    figures = [entry["figure"] for entry in yaml.safe_load(FILES[role].read_text())["settings"].values()]
    assert set(figures) <= set(known.plan["services"][role]["settings"])
    assert len(figures) == len(set(figures))


def test_the_roles_with_such_a_file_are_those_that_are_asked_for_it():
    asked = [path.parts[-3] for path in sorted(ROOT.glob("roles/*/meta/service.yml"))
             if "reported_settings(role_path, " in path.read_text()]
    assert list(FILES) == asked != []


@pytest.mark.parametrize(("told", "what"), [
    ({"settings": {"a": {"figure": "a"}}}, "needed: values, settings"),
    ({"values": "text", "settings": {}}, "settings"),
    ({"values": "text", "settings": {"a": {"figure": "buffers_mb"}}}, "settings.a.figure"),
    ({"values": "text", "settings": {"a": {"figure": "workers", "unit_bytes": 8192}}}, "settings.a.figure"),
    ({"values": "text", "settings": {"a": {"figure": "a", "by": 2}}}, "known keys: decided_by, figure, unit_bytes"),
])
def test_a_file_that_cannot_be_read_is_told_with_its_place(tmp_path, told, what):
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta/reported.yml").write_text(yaml.safe_dump(told))
    with pytest.raises(AnsibleFilterError, match="meta/reported.yml cannot be read") as caught:
        FilterModule().filters()["reported_settings"]({}, str(tmp_path))
    assert what in str(caught.value)


@pytest.mark.parametrize(("text", "what"), [(None, "there is no file"), ("{", "is no YAML")])
def test_a_file_that_is_not_there_or_no_yaml(tmp_path, text, what):
    if text:
        (tmp_path / "meta").mkdir()
        (tmp_path / "meta/reported.yml").write_text(text)
    with pytest.raises(AnsibleFilterError, match=what):
        FilterModule().filters()["reported_settings"]({}, str(tmp_path))


def test_a_file_is_parsed_once(monkeypatch):
    reported_settings({}, "redis")
    monkeypatch.setattr(reported, "yaml", types.SimpleNamespace())
    assert reported_settings({"maxclients": 10}, "redis") == {"maxclients": "10"}


@pytest.mark.parametrize(("unit", "expected"), [(1, "120000"), (1000, "120"), (60000, "2")])
def test_a_time_is_told_in_the_unit_of_the_server(unit, expected):
    entry = {"figure": "timeout_seconds", "unit_milliseconds": unit}
    assert reported._value(120, entry, "text") == expected
    told = {"values": "text", "settings": {"a": entry}}
    assert description.faults(told, "reported") == []
    assert description.faults({"values": "text", "settings": {"a": dict(entry, figure="timeout")}}, "reported")
    assert description.faults({"values": "text", "settings": {"a": dict(entry, unit_bytes=1)}}, "reported")


def test_postgres_reports_times_in_milliseconds():
    settings = {"idle_in_transaction_session_timeout_seconds": 120}
    assert reported_settings(settings, "postgres") == {"idle_in_transaction_session_timeout": "120000"}
