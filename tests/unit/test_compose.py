# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import pytest

from ansible_collections.trenova.selfhost.plugins.plugin_utils import compose

CAPACITY = {"docker": {"version": "26.1.5"}}
PLAN = {
    "memory_limit_mb": 512, "memory_reservation_mb": 256, "cpus": 1.0, "pids_limit": 200, "nofile": 65536,
    "oom_score_adj": -300, "shm_size_mb": 128,
}


@pytest.mark.parametrize(("text", "expected"), [
    ("26.1.5+dfsg1", (26, 1, 5)), ("v2.26.1", (2, 26, 1)), ("20.10.24-ce", (20, 10, 24)), (None, (0,)), ("dev", (0,)),
])
def test_version_tuple(text, expected):
    assert compose.version_tuple(text) == expected


def test_every_container_is_restricted_and_limited():
    service = compose.hardened({"image": "i"}, PLAN, "postgres", CAPACITY)
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert (service["mem_limit"], service["memswap_limit"], service["shm_size"]) == ("512m", "512m", "128m")
    assert service["pids_limit"] == 200
    assert service["logging"]["options"]["max-size"]


def test_fragment_wins_over_the_common_part():
    fragment = {"image": "i", "cap_add": ["NET_BIND_SERVICE"], "read_only": False}
    service = compose.hardened(fragment, PLAN, "x", CAPACITY)
    assert service["read_only"] is False
    assert service["cap_add"] == ["NET_BIND_SERVICE"]


def test_nothing_is_asked_that_a_host_inside_a_container_cannot_give():
    inside = dict(CAPACITY, process_limits={"can_lower_oom_score": False, "open_files": 20000})
    free, bound = (compose.hardened({}, PLAN, "x", capacity) for capacity in (CAPACITY, inside))
    assert (free["oom_score_adj"], free["ulimits"]["nofile"]["hard"]) == (-300, 65536)
    assert (bound["oom_score_adj"], bound["ulimits"]["nofile"]["hard"]) == (0, 20000)


def test_job_is_never_started_by_up():
    job = compose.job({"image": "i"}, PLAN, "api", CAPACITY)
    assert (job["restart"], job["profiles"]) == ("no", ["jobs"])


def test_old_engines_probe_often_because_they_know_no_start_interval():
    check = {"test": ["CMD", "true"]}
    assert compose.health_check(check, "26.1")["start_interval"] == "1s"
    old = compose.health_check(check, "20.10.24")
    assert "start_interval" not in old
    assert old["interval"] == "5s"


def test_digest_changes_with_definition_and_files_and_with_nothing_else():
    first = compose.digest({"image": "i", "cpus": 1}, {"/a": "x"})
    assert compose.digest({"cpus": 1, "image": "i"}, {"/a": "x"}) == first
    assert compose.digest({"image": "j", "cpus": 1}, {"/a": "x"}) != first
    assert compose.digest({"image": "i", "cpus": 1}, {"/a": "y"}) != first


@pytest.mark.parametrize("key", sorted(compose.LIVE_KEYS))
def test_limits_that_are_set_while_a_container_runs_are_no_part_of_its_digest(key):
    assert compose.digest({"image": "i", key: 1}, {}) == compose.digest({"image": "i", key: 2}, {})


def test_variables_that_wait_for_the_next_start_are_no_part_of_a_digest():
    first, second = ({"image": "i", "environment": {"GOMEMLIMIT": limit, "HOME": "/h"}} for limit in ("1MiB", "2MiB"))
    assert compose.digest(first, {}, ["GOMEMLIMIT"]) == compose.digest(second, {}, ["GOMEMLIMIT"])
    assert compose.digest(first, {}, ["HOME"]) != compose.digest(second, {}, ["HOME"])


def test_keys_that_wait_for_the_next_start_are_no_part_of_a_digest_of_either_edition():
    before = {"image": "i", "environment": {"HOME": "/h"}, "labels": {}}
    after = dict(before, sysctls={"net.ipv4.tcp_migrate_req": "1"})
    for digest in (compose.digest, compose.digests_of_first_edition):
        assert digest(after, {}, ["sysctls"]) == digest(before, {}, ["sysctls"]) == digest(before, {})
        assert digest(after, {}) != digest(before, {})


@pytest.mark.parametrize("form", [dict, lambda variables: [f"{name}={value}" for name, value in variables.items()]])
def test_variables_that_wait_for_the_next_start_may_have_been_there_in_the_first_edition(form):
    with_limit = {"image": "i", "environment": form({"HOME": "/h", "GOMEMLIMIT": "1MiB"}), "labels": {}}
    without = dict(with_limit, environment=form({"HOME": "/h"}))
    assert compose.digest(with_limit, {}, ["GOMEMLIMIT"]) == compose.digest(without, {}, ["GOMEMLIMIT"])
    assert compose.digests_of_first_edition(with_limit, {}, ["GOMEMLIMIT"]) == [
        *compose.digests_of_first_edition(with_limit, {}), *compose.digests_of_first_edition(without, {})]


@pytest.mark.parametrize(("text", "size"), [
    ("512m", 512 * 1048576), ("1.5g", 1536 * 1048576), ("2GB", 2 * 1024 ** 3), ("4096", 4096), (4096, 4096),
    ("1k", 1024), (None, None), ("", None), ("much", None), ("1x", None),
])
def test_sizes_are_read_as_compose_writes_them(text, size):
    assert compose.size_bytes(text) == size


def test_live_limits_are_in_the_units_of_the_engine():
    limits = compose.live_limits({
        "mem_limit": "512m", "memswap_limit": "1g", "mem_reservation": "128m", "cpus": 0.29, "pids_limit": 64})
    assert limits == {
        "memory": 512 * 1048576, "memory_swap": 1024 ** 3, "memory_reservation": 128 * 1048576, "nano_cpus": 290000000,
        "cpu_shares": None, "pids_limit": 64}


def test_merge_appends_lists_and_replaces_values():
    assert compose.merge({"a": {"b": [1], "c": 2}}, {"a": {"b": [1, 3], "c": 4}}) == {"a": {"b": [1, 3], "c": 4}}


def test_the_plan_says_how_long_a_container_may_take_and_its_template_may_say_otherwise():
    limits = dict(PLAN, memory_swap_limit_mb=700, stop_grace_seconds=90, start_grace_seconds=120,
                  health_interval_seconds=30)
    check = {"test": ["CMD", "true"]}
    service = compose.hardened({"healthcheck": check}, limits, "postgres", CAPACITY)
    assert (service["stop_grace_period"], service["memswap_limit"]) == ("90s", "700m")
    assert (service["healthcheck"]["start_period"], service["healthcheck"]["interval"]) == ("120s", "30s")
    own = {"stop_grace_period": "5s", "healthcheck": dict(check, start_period="1s", interval="2s")}
    service = compose.hardened(own, limits, "postgres", CAPACITY)
    assert service["stop_grace_period"] == "5s"
    assert (service["healthcheck"]["start_period"], service["healthcheck"]["interval"]) == ("1s", "2s")
    assert "stop_grace_period" not in compose.job({"image": "i"}, limits, "api", CAPACITY)
    # A role that the plan does not know says it itself, or leaves it to the Engine.
    assert "stop_grace_period" not in compose.hardened({}, PLAN, "greeter", CAPACITY)
    assert compose.health_check(check, "26.1")["start_period"] == "60s"
