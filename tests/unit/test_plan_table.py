# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import pathlib
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.trenova.selfhost.plugins.plugin_utils import catalogue
from ansible_collections.trenova.selfhost.plugins.plugin_utils.report import reading
from ansible_collections.trenova.selfhost.plugins.plugin_utils.report.table import WIDTH, plan_table
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import plan
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.comparison import compare_tiers, needed_host

sys.path.insert(0, str(pathlib.Path(__file__).parent / "sizing"))
from test_properties import hosts, intents  # noqa: E402  # a folder without a package, for its builders

ROLES = pathlib.Path(__file__).resolve().parents[2] / "roles"
LOOKS = catalogue.looks({name: str(ROLES / name) for name in catalogue.own_roles()})
HOST = {"cores": 32, "memory_mb": 98304, "disk_free_gb": 500, "disk_total_gb": 500, "disk_kind": "ssd",
        "architecture": "x86_64"}
DISK = {"total_gb": 500, "available_gb": 480, "items": [], "day_one_gb": 12.5, "planned_gb": 75,
        "growth_gb_per_year": 37.5, "runway_days": 4550, "backup_storage_gb": 150}
CHANGES = {
    "remarks": ["tier: small -> large"],
    "services": [{"service": "postgres", "says": ["replaces tren-db", "reloads nothing"], "figures": [
        {"name": "memory_limit_mb", "unit": "MiB", "before": 512, "after": 4096},
        {"name": "shm_size_mb", "unit": "MiB", "before": None, "after": 1024}]}]}


def table_of(**more):
    return "\n".join(plan_table("erp1", plan(HOST, {"tier": "large", "users": 350}), LOOKS, **more))


@pytest.mark.parametrize("tier", ["minimum", "small", "medium", "large"])
def test_table_fits_the_width_and_names_every_service_and_deviation(tier):
    planned = plan(HOST, {"tier": tier})
    lines = plan_table("erp1", planned, LOOKS)
    text = "\n".join(lines)
    assert max(map(len, lines)) <= WIDTH == 100
    assert all(f"\n  {service}" in text for service in planned["services"])
    assert all(entry["setting"] in text for entry in planned["deviations"])


def test_numbers_have_units_and_the_rows_add_up_to_the_sum():
    text = table_of()
    assert "\n  postgres                  4096      2048     4  max_connections 200, shared_buffers 1024 MiB," in text
    assert "\n  api x 3 + 2 workers       4096      2048     5  1024 MiB each, gomaxprocs 2 threads" in text
    assert "\n  sum                      17920      8704    21  20 % of what containers may use, 512 MiB of it" in text
    assert ("\n  Connections: 80 of the application into 200 of PgBouncer, of which 20 + 5 reach PostgreSQL; with 8\n"
            "    direct ones 33 backends of 200, 164 spare") in text


def test_a_service_of_somebody_elses_has_a_row_with_its_highlights():
    planned = plan(HOST, {"tier": "small"})
    planned["services"]["greeter"] = {"memory_reservation_mb": 16, "cpus": 0.25, "settings": {"depth": 7, "width": 8}}
    lines = plan_table("erp1", planned, dict(LOOKS, greeter={"highlights": ["depth"]}))
    assert [line.split() for line in lines if "greeter" in line] == [["greeter", "none", "16", "0.25", "depth", "7"]]
    lines = plan_table("erp1", planned, LOOKS)
    assert [line.split() for line in lines if "greeter" in line] == [["greeter", "none", "16", "0.25"]]


def test_a_service_without_a_limit_says_so():
    lines = plan_table("erp1", plan(HOST, {"tier": "small", "restore_document": ["rabbitmq-limit"]}), LOOKS)
    assert any(line.startswith("  rabbitmq              none") for line in lines)


def test_deviations_are_listed_where_there_are_any():
    for services, listed in (([], False), (["redis"], True)):
        lines = plan_table("erp1", plan(HOST, {"tier": "small", "services": services}), LOOKS)
        assert any("Deviations from the requirements" in line for line in lines) == listed


def test_disk_line_is_there_when_the_plan_has_one():
    without = {key: value for key, value in plan(HOST, {"tier": "small"}).items() if key != "disk"}
    assert "Disk:" not in "\n".join(plan_table("erp1", without, LOOKS))
    planned = dict(plan(HOST, {"tier": "small"}), disk=DISK)
    text = " ".join("\n".join(plan_table("erp1", planned, LOOKS)).split())
    assert "Disk: 12.5 GB on day one, 75 GB planned, of 480 GB available; 37.5 GB a year, " in text
    assert "the disk lasts more than ten years; backups 150 GB elsewhere" in text


@pytest.mark.parametrize(("days", "says"), [
    (None, "no growth is known: set trenova_users"), (0, "80 % full from the first day on"), (1, "80 % full in 1 day"),
    (110.7, "80 % full in 110 days"), (730, "80 % full in 730 days (2.0 years)"),
    (9999, "the disk lasts more than ten years"),
])
def test_runway(days, says):
    assert reading.runway({"runway_days": days, "items": [{"name": "postgres"}]}) == says


def test_full_means_full_and_four_fifths_are_said_as_such():
    """The document's minimum host with 10 users: 25 of 30 GB on the first day, 7.5 GB a year."""
    planned = plan(dict(HOST, cores=6, memory_mb=12288, disk_free_gb=30, disk_total_gb=30),
                   {"tier": "minimum", "users": 10})
    assert (planned["disk"]["runway_days"], planned["disk"]["full_days"]) == (0, 243)
    assert reading.runway(planned["disk"]) == "80 % full from the first day on, full in 243 days"
    assert "80 % full from the first day on, full in 243 days" in " ".join(
        "\n".join(plan_table("erp1", planned, LOOKS)).split())


@settings(max_examples=60, deadline=None)
@given(hosts, st.integers(1, 100000))
def test_a_disk_is_full_when_nothing_is_left(capacity, users):
    disk = plan(capacity, {"tier": "small", "users": users})["disk"]
    level = disk["day_one_gb"] + disk["growth_gb_per_year"] * disk["full_days"] / 365
    after = level + disk["growth_gb_per_year"] / 365
    assert level <= disk["available_gb"] + 1e-6 or disk["full_days"] == 0
    assert after >= disk["available_gb"] - 1e-6
    assert disk["runway_days"] <= disk["full_days"]
    said = reading.runway(disk)
    assert "full in" not in said.replace("80 % full in", "").replace(", full in", "")


def test_runway_of_a_host_without_data():
    assert reading.runway({"runway_days": None, "items": [{"name": "redis"}]}) == "nothing on it grows with the users"


def test_tiers_what_to_buy_and_changes_are_tables():
    intent = {"tier": "large", "users": 350}
    text = table_of(comparison=compare_tiers(dict(HOST, cores=8), intent), needed=needed_host(intent), changes=CHANGES,
                    note="Nobody was contacted.")
    assert "\n    small    below          6784       512    3  R2: 8 CPU cores found, 12 recommended for tier" in text
    assert "\n    large *  below         17920      4096    3  R2: 8 CPU cores found, 32 recommended for tier" in text
    assert "\n     96  GiB of memory  the document recommends 96 GiB for tier large; 24 for this alone: " in text
    assert "\n    tier: small -> large\n    postgres: replaces tren-db; reloads nothing\n" in text
    assert "\n      memory_limit  512 MiB  ->  4096 MiB\n      shm_size      –        ->  1024 MiB\n" in text
    assert "\n  Nobody was contacted.\n" in text


def test_an_applied_plan_that_is_the_same_says_so():
    assert "Nothing would change." in table_of(changes={"remarks": [], "services": []})
    assert "Changes against" not in table_of()


def test_what_helps_stands_under_what_is_warned_of_and_nowhere_twice():
    planned = plan(dict(HOST, cores=8), {"tier": "small"})
    planned["warnings"] = [{"rule": "R2", "text": "R2: too few cores.", "remedy": ["give the host 12", "wait"]},
                           {"rule": "R7", "text": "R7: a full disk."}]
    planned["notes"] = [{"text": "the host is mostly idle.", "remedy": ["trenova_mode: balanced"]}]
    lines = plan_table("erp1", planned, LOOKS)
    told = lines[lines.index("  What could be better"):lines.index("  Warnings") + 5]
    assert told == ["  What could be better", "    the host is mostly idle.", "      - trenova_mode: balanced", "",
                    "  Warnings", "    R2: too few cores.", "      - give the host 12", "      - wait",
                    "    R7: a full disk."]


@pytest.mark.parametrize(("changes", "last"), [
    ({}, "  It fits, without a warning."), ({"cores": 8}, "  It can be carried out, with 1 warning."),
    ({"cores": 2, "memory_mb": 1000}, "  Refused for 3 reasons; nothing is deployed before they are settled."),
])
def test_the_verdict_is_the_last_line(changes, last):
    assert plan_table("erp1", plan(dict(HOST, **changes), {"tier": "small"}), LOOKS)[-1] == last


@settings(max_examples=80, deadline=None)
@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=260), hosts, intents,
       st.floats(0, 10**12))
def test_any_plan_fits_the_width(name, capacity, intent, amount):
    planned = dict(plan(capacity, intent), disk=dict(DISK, day_one_gb=amount, runway_days=amount))
    figures = [{"name": "n" * 70, "unit": "MiB", "before": amount, "after": amount * 3}]
    changes = {"remarks": [name], "services": [{"service": name, "says": [f"writes /{name}"], "figures": figures}]}
    lines = plan_table(name, planned, LOOKS, compare_tiers(capacity, intent), needed_host(intent), changes, note=name)
    assert max(map(len, lines)) <= WIDTH
