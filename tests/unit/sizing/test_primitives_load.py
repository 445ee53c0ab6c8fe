# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Load, storage and recovery, against values that were worked out by hand."""

from __future__ import annotations

import math

import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import (
    api,
    backup,
    disk,
    host,
    load,
    postgres,
    recovery,
    storage,
    tiers,
)

# -- load --------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("users", "average", "peak"), [
    (25, 9.8, 24.5), (50, 19.6, 49.0), (200, 78.4, 196.1), (500, 196.1, 490.2), (1000, 392.2, 980.4), (0, 0, 0),
])
def test_interactive_law(users, average, peak):
    found = load.requests_per_second(users)
    assert found == pytest.approx(average, abs=0.05)
    assert load.peak_requests_per_second(found) == pytest.approx(peak, abs=0.05)


def test_interactive_law_with_other_people():
    assert load.requests_per_second(100, calls_per_action=6, think_seconds=29, response_seconds=1) == 20
    assert load.peak_requests_per_second(20, peak_factor=4) == 80


@pytest.mark.parametrize(("users", "cpus", "count"), [
    (50, 1, 1), (200, 1, 2), (300, 1, 3), (500, 1, 5), (1000, 1, 9), (500, 2, 3),
])
def test_instances(users, cpus, count):
    peak = api.peak_requests_per_second(users)
    assert load.instances(peak, cpus) == count
    assert load.instances(peak, cpus, highly_available=True) == count + 1


def test_instances_with_measured_figures():
    assert load.instances(1000, 2, requests_per_core=500, busy_share=0.5) == 2


@pytest.mark.parametrize(("count", "capacity"), [(1, 1), (8, 6.58), (16, 10.85), (32, 15.77)])
def test_universal_scalability_law(count, capacity):
    assert oracles.usl_capacity(count, 0.03, 0.0001) == pytest.approx(capacity, abs=0.005)
    assert oracles.usl_capacity(count, 0.03, 0.0001, capacity_of_one=200) == pytest.approx(200 * capacity, abs=1)


def test_peak_of_the_universal_scalability_law():
    assert oracles.usl_peak(0.03, 0.0001) == pytest.approx(98.5, abs=0.05)
    assert oracles.usl_peak(0.03, 0) == math.inf
    assert oracles.usl_peak(1, 0.1) == 0


@given(st.floats(0, 0.5), st.floats(0.000001, 0.01))
def test_nothing_is_gained_beyond_the_peak(contention, coherency):
    peak = oracles.usl_peak(contention, coherency)
    at_peak, beyond = (oracles.usl_capacity(count, contention, coherency) for count in (peak, peak * 2))
    assert beyond <= at_peak * (1 + 1e-9)


@given(st.integers(0, 10**6), st.integers(1, 1000), st.floats(0.1, 64))
def test_more_users_need_no_fewer_instances(users, more, cpus):
    few, many = (load.instances(api.peak_requests_per_second(count), cpus) for count in (users, users + more))
    assert few <= many


@pytest.mark.parametrize(("call", "message"), [
    (lambda: load.requests_per_second(-1), "users: expected a number of at least 0, got -1"),
    (lambda: load.requests_per_second(math.nan), "users: expected a number, got nan"),
    (lambda: load.requests_per_second(1, 1, 0, 0), r"think_seconds \+ response_seconds: expected a number above 0"),
    (lambda: load.peak_requests_per_second(1, 0.5), "peak_factor: expected a number of at least 1, got 0.5"),
    (lambda: load.instances(10, 0), "cpus: expected a number above 0, got 0"),
    (lambda: load.instances(10, 1, busy_share=60),
     "busy_share: expected a part between 0 and 1, got 60; for 60 % write 0.6"),
    (lambda: oracles.usl_capacity(0, 0.1, 0.1), "instances: expected a number above 0, got 0"),
    (lambda: oracles.usl_peak(3, 0.1), "contention: expected a part between 0 and 1, got 3"),
    (lambda: api.requests_per_second(-5), "users: expected a whole number of at least 0, got -5"),
])
def test_load_says_what_it_did_not_understand(call, message):
    with pytest.raises(ValueError, match="^" + message):
        call()


# -- storage -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("users", "gb"), [(50, 62.5), (200, 175), (500, 400)])
def test_need_is_base_and_growth(users, gb):
    assert storage.need_gb(users) == gb
    assert storage.need_gb(users, 2) - storage.need_gb(users) == pytest.approx(gb - tiers.BASE_GB)


@pytest.mark.parametrize(("size", "users", "share", "years"), [
    (30, 10, 1, 8 / 12), (100, 50, 0.8, 1.47), (200, 200, 0.8, 0.9), (500, 500, 0.8, 1), (30, 10, 0.8, 0),
])
def test_runway(size, users, share, years):
    assert storage.runway_days(size, users, share) / 365 == pytest.approx(years, abs=0.005)


def test_runway_ends_where_the_need_does():
    assert storage.runway_days(storage.need_gb(70) / 0.8, 70) == pytest.approx(365)


@given(st.floats(0, 10**5), st.integers(1, 10**5), st.integers(1, 1000))
def test_more_users_fill_a_disk_no_later(size, users, more):
    assert storage.runway_days(size, users) >= storage.runway_days(size, users + more)


def test_nightly_copies_over_a_thin_line():
    assert storage.transfer_seconds(25, 10) / 3600 == pytest.approx(5.6, abs=0.05)


@pytest.mark.parametrize(("timeout", "writes", "gib"), [
    (60, 0, 22.5), (300, 0, 4.5), (0, 0, 0), (300, 100, 65.918), (60, 1, 22.5),
])
def test_wal_per_day(timeout, writes, gib):
    assert postgres.wal_gib_per_day(timeout, writes) == pytest.approx(gib, abs=0.001)


def test_budget_of_logs():
    assert disk.logs_gb(12, 5, 20) == 1.2
    assert disk.logs_gb(12) == 0.36


@pytest.mark.parametrize(("memory", "pods", "reserve"), [(12288, 20, 529.15), (400, 100, 200), (12288, 0, 147.68)])
def test_reserve_of_a_kubelet(memory, pods, reserve):
    assert oracles.kubelet_reserve_memory_mb(memory, pods) == pytest.approx(reserve, abs=0.01)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: storage.runway_days(100, 0), "users: expected a whole number of at least 1, got 0"),
    (lambda: storage.runway_days(-1, 5), "disk_gb: expected a number of at least 0, got -1"),
    (lambda: storage.runway_days(100, 5, 80), "full_share: .* for 80 % write 0.8"),
    (lambda: storage.transfer_seconds(25, 0), "megabits_per_second: expected a number above 0, got 0"),
    (lambda: postgres.wal_gib_per_day(-60), "archive_timeout_seconds: expected a number of at least 0"),
    (lambda: host.reserve_memory_mb(-1), "memory_mb: expected a number of at least 0, got -1"),
    (lambda: host.reserve_cpu_millicores(math.nan), "cores: expected a number, got nan"),
])
def test_storage_says_what_it_did_not_understand(call, message):
    with pytest.raises(ValueError, match="^" + message):
        call()


# -- backup and recovery -----------------------------------------------------------------------------------------------

def test_both_ways_to_count_backups_agree():
    assert backup.gfs_full_copies() == 10
    assert backup.gfs_storage_gb(10) == pytest.approx(30)
    assert backup.gfs_storage_gb(10) + backup.objects_storage_gb(5) == pytest.approx(3 * 10 + 2 * 5)


def test_backups_with_increments_and_wal():
    assert backup.gfs_storage_gb(100, 10, 6, 0.1) == pytest.approx(318)
    assert backup.gfs_storage_gb(100, 10, 6, 0.1, 0.25, wal_gb_per_day=24, wal_days=7, wal_compressed_share=0.5) == (
        pytest.approx(265 + 84))


@pytest.mark.parametrize(("deleted", "gb"), [(0, 11), (0.05, 11), (0.5, 15), (1, 20)])
def test_backup_of_objects(deleted, gb):
    assert backup.objects_storage_gb(10, deleted) == pytest.approx(gb)


@given(st.floats(0, 10**5), st.integers(0, 100), st.integers(0, 100), st.floats(0, 1), st.floats(0, 1))
def test_more_copies_never_need_less(size, full, increments, changed, left):
    assert backup.gfs_storage_gb(size, full + 1, increments, changed, left) >= backup.gfs_storage_gb(
        size, full, increments, changed, left)


def test_writes_that_are_lost():
    archived, dumped = recovery.archive_rpo_seconds(60, 5), recovery.dump_rpo_seconds(86400, 1200)
    assert (archived, dumped) == (65, 87600)
    assert recovery.system_rpo_seconds(archived, recovery.QUEUE_RPO_SECONDS, dumped) == dumped


# 100 GB, 0.3, 1 Gbit/s, 300 MB/s: 273 s over the network, 333 s onto the disk
def test_time_to_copy_a_base_backup():
    assert recovery.copy_seconds(100, 0.3) == pytest.approx(333, abs=0.5)
    assert recovery.copy_seconds(100, 0.3, disk_mb_per_second=10**6) == pytest.approx(273, abs=0.5)
    assert recovery.copy_seconds(100, 0.3, network_mb_per_second=50) == pytest.approx(600)
    assert recovery.line_mb_per_second(1000) == pytest.approx(110)


def test_time_until_it_serves_again():
    assert recovery.replay_seconds(5) == 100
    assert recovery.dump_restore_seconds(100) == 5000
    assert recovery.rto_seconds(333, 100, detect_seconds=300, provision_seconds=600, verify_seconds=60) == 1393


@pytest.mark.parametrize(("call", "message"), [
    (lambda: backup.gfs_storage_gb(-1), "database_gb: expected a number of at least 0, got -1"),
    (lambda: backup.gfs_storage_gb(1, compressed_share=30), "compressed_share: .* for 30 % write 0.3"),
    (recovery.system_rpo_seconds, "store_rpo_seconds: expected the seconds of at least one store"),
    (lambda: recovery.copy_seconds(100, 0.3, 0), "network_mb_per_second: expected a number above 0, got 0"),
    (lambda: recovery.copy_seconds(100, 4), "compression: expected a part between 0 and 1, got 4"),
    (lambda: recovery.replay_seconds(1, 0), "replay_mb_per_second: expected a number above 0"),
    (lambda: recovery.rto_seconds(math.nan), "restore_seconds: expected a number, got nan"),
])
def test_recovery_says_what_it_did_not_understand(call, message):
    with pytest.raises(ValueError, match="^" + message):
        call()


@pytest.mark.parametrize(("read_gb", "speed", "minutes"), [
    (0, 60, 10), (3.6, 60, 11), (3.601, 60, 12), (36, 60, 20), (36, 30, 30), (266, 60, 84)])
def test_a_run_takes_ten_minutes_and_what_copying_takes(read_gb, speed, minutes):
    assert backup.usual_minutes(read_gb, speed) == minutes
