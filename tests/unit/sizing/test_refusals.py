# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""When a plan is refused or warned of, in the very words that the operator reads."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from sizing_builders import TIGHT_DISK, host_of, plan_of, value_at
from test_properties import hosts, intents

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import PlanError, plan

CORES = (
    "R1: 4 CPU cores found, 6 needed. This host fits no tier. What helps, cheapest first: "
    "(1) raise the CPU limit of this virtual machine, or of the container it is, to 6 cores; "
    "(2) move to a machine with 6 cores or more. To go on all the same: trenova_accept_undersized_host: true."
)
MEMORY = (
    "R1: 8000 MiB of memory found, 11060 MiB needed (12 GiB less the 10 % that a host may keep back). "
    "This host fits no tier. What helps, cheapest first: "
    "(1) raise the memory limit of this virtual machine, or of the container it is, to 12 GiB; "
    "(2) move to a machine with 12 GiB or more. To go on all the same: trenova_accept_undersized_host: true."
)
DISK = (
    "R1: 20 GB of free disk found, 28.5 GB needed (30 GB less 5 %). This host fits no tier. "
    "What helps, cheapest first: (1) free 8.5 GB on the file system that holds the data "
    "(`docker image prune` removes unused images); (2) put the data on a larger file system: trenova_data_dir; "
    "(3) grow the file system to 30 GB of free space. To go on all the same: trenova_accept_undersized_host: true."
)


def refusals(result):
    return [refusal["text"] for refusal in result["refusals"]]


def warnings(result):
    return [warning["text"] for warning in result["warnings"]]


@pytest.mark.parametrize(("changes", "text"), [
    ({"cores": 4}, CORES), ({"memory_mb": 8000}, MEMORY), ({"disk_free_gb": 20}, DISK),
])
def test_r1_refuses_below_the_minimum(changes, text):
    assert refusals(plan_of("minimum", host_of("minimum", **changes))) == [text]


def test_r1_says_everything_in_fields_too():
    assert plan_of("minimum", host_of("minimum", cores=4))["refusals"] == [{
        "rule": "R1", "dimension": "cores", "found": 4, "required": 6, "fitting_tier": None,
        "remedy": ["raise the CPU limit of this virtual machine, or of the container it is, to 6 cores",
                   "move to a machine with 6 cores or more"],
        "override": "trenova_accept_undersized_host: true", "text": CORES,
    }]


def test_r1_can_be_accepted():
    result = plan_of("minimum", host_of("minimum", cores=4, memory_mb=8000), accept_undersized_host=True)
    assert refusals(result) == []
    assert warnings(result) == [
        "R1: 4 CPU cores found, 6 needed. Accepted by trenova_accept_undersized_host: true.",
        "R1: 8000 MiB of memory found, 11060 MiB needed (12 GiB less the 10 % that a host may keep back). "
        "Accepted by trenova_accept_undersized_host: true.",
        TIGHT_DISK,
        "R12: the CPU quotas add up to 9.5 cores, the host has 4; more than twice as many as there are stall each "
        "other at the peak.",
    ]


@pytest.mark.parametrize(("memory_mb", "refused", "warned"), [
    (11000, 1, 0), (11059, 1, 0), (11060, 0, 1), (11100, 0, 1), (11673, 0, 1), (11674, 0, 0), (11700, 0, 0),
])
@pytest.mark.parametrize("strict", [False, True])
def test_tolerance_for_memory(memory_mb, refused, warned, strict):
    """A machine of 12 GB reports less than 12 GiB; within the tolerance even a strict plan only warns."""
    result = plan_of("minimum", host_of("minimum", memory_mb=memory_mb), strict=strict)
    assert (len(result["refusals"]), len(result["warnings"]) - 1) == (refused, warned)
    assert TIGHT_DISK in warnings(result)


@pytest.mark.parametrize(("free_gb", "ours_gb", "refused"), [(28.4, 0, 1), (28.5, 0, 0), (10, 18.4, 1), (10, 18.5, 0)])
def test_our_own_data_counts_as_free(free_gb, ours_gb, refused):
    host = host_of("minimum", disk_free_gb=free_gb, disk_used_by_trenova_gb=ours_gb)
    assert len(plan_of("minimum", host)["refusals"]) == refused


SMALL_FOR_MEDIUM = [
    "R2: 12 CPU cores found, 20 recommended for tier medium.",
    "R2: 24576 MiB of memory found, 48 GiB recommended for tier medium.",
    "R2: a disk of 100 GB found, 200 GB recommended for tier medium.",
    "R2: 100 GB of free disk found, tier medium plans for growth to 150 GB.",
]


def test_r2_warns_below_the_recommendation():
    result = plan_of("medium", host_of("small"))
    assert warnings(result) == SMALL_FOR_MEDIUM
    assert refusals(result) == []


def test_r2_refuses_where_strict():
    result = plan_of("medium", host_of("small"), strict=True)
    assert warnings(result) == []
    assert refusals(result) == [
        f"{what} This host fits tier small. What helps, cheapest first: (1) plan the tier that fits: trenova_tier: "
        f"small; (2) {remedy}. To go on all the same: trenova_strict: false."
        for what, remedy in zip(SMALL_FOR_MEDIUM, (
            "give the host 20 cores", "give the host 48 GiB", "grow the disk to 200 GB", "free or add 50 GB",
        ), strict=True)
    ]


@pytest.mark.parametrize(("host", "intent", "text"), [
    (host_of("small", disk_kind="hdd"), {"tier": "small"},
     "R2: a rotating disk found, an SSD recommended for tier small. Where it is none (controllers of RAID may say so), "
     "write trenova_capacity: {disk_kind: ssd}."),
    (host_of("small", architecture="aarch64"), {"tier": "small"},
     "R2: architecture aarch64 found, the document names x86_64 only."),
    (host_of("small"), {"tier": "small", "users": 51},
     "R2: tier small planned for 51 users, the document recommends medium."),
    (host_of("minimum", disk_free_gb=90, disk_total_gb=90), {"tier": "minimum", "users": 20},
     "R2: tier minimum planned for 20 users, the document recommends small."),
])
def test_r2_other_dimensions(host, intent, text):
    assert warnings(plan(host, intent)) == [text]


def test_r2_leaves_to_r1_what_r1_refuses():
    result = plan_of("small", host_of("small", cores=4))
    assert [(refusal["rule"], refusal["dimension"]) for refusal in result["refusals"]] == [("R1", "cores")]
    assert warnings(result) == []


OVERCOMMITTED = (
    "R3: the memory limits add up to 17920 MiB, 10035 MiB can be allocated (12288 MiB less the system's 2253). "
    "Largest: postgres 4096, redis 4096, api 4096."
)


def test_r3_refuses_limits_beyond_the_allocatable():
    result = plan_of("large", host_of("large", memory_mb=12288))
    assert refusals(result) == [
        OVERCOMMITTED + " This host fits tier minimum. What helps, cheapest first: (1) plan the tier that fits: "
        "trenova_tier: minimum; (2) lower a limit in trenova_plan_overrides, beginning with postgres; (3) add 8562 MiB "
        "of memory. To go on all the same: trenova_accept_overcommit: true."]


def test_r3_tells_how_much_memory_is_enough():
    assert refusals(plan_of("large", host_of("large", memory_mb=12288 + 8562))) == []
    assert len(refusals(plan_of("large", host_of("large", memory_mb=12288 + 8561)))) == 1


def test_r3_can_be_accepted():
    result = plan_of("large", host_of("large", memory_mb=12288), accept_overcommit=True)
    assert refusals(result) == []
    assert OVERCOMMITTED + " Accepted by trenova_accept_overcommit: true." in warnings(result)


def test_r3_counts_overrides_and_instances():
    result = plan_of("small", overrides={"api": {"instances": 40}})
    assert result["refusals"][0]["found"] == 5248 + 512 + 39 * 512


def test_r4_refuses_promises_beyond_four_fifths():
    result = plan_of("minimum", overrides={"postgres": {"memory_limit_mb": 5000, "memory_reservation_mb": 5000},
                                           "redis": {"memory_limit_mb": 2048, "memory_reservation_mb": 2048},
                                           "api": {"memory_reservation_mb": 512}})
    assert refusals(result) == [
        "R4: the memory reservations add up to 8392 MiB, 8028 MiB can be promised (80 % of the 10035 MiB that can be "
        "allocated). This host fits tier minimum. What helps, cheapest first: (1) lower a memory_reservation_mb in "
        "trenova_plan_overrides, beginning with postgres; (2) add 505 MiB of memory. To go on all the same: "
        "trenova_accept_overcommit: true."]


def test_r4_leaves_to_r3_what_r3_refuses():
    overrides = {"postgres": {"memory_limit_mb": 11000, "memory_reservation_mb": 11000}}
    assert [entry["rule"] for entry in plan_of("minimum", overrides=overrides)["refusals"]] == ["R3"]
    accepted = plan_of("minimum", overrides=overrides, accept_overcommit=True)
    assert accepted["refusals"] == []
    assert {"R3", "R4"} <= {entry["rule"] for entry in accepted["warnings"]}


def test_r7_refuses_volumes_that_the_disk_does_not_hold():
    result = plan_of("small", overrides={"postgres": {"volume_gb": 90}})
    assert refusals(result) == [
        "R7: volumes, images and logs take 105 GB from the first day on, 100 GB can be had (95 % of it may be filled). "
        "This host fits tier small. What helps, cheapest first: (1) lower postgres.volume_gb in "
        "trenova_plan_overrides; (2) put the data on a larger file system: trenova_data_dir; (3) grow the file system "
        "to 110.5 GB of free space. To go on all the same: trenova_accept_undersized_host: true."]
    assert refusals(plan_of("small", overrides={"postgres": {"volume_gb": 80}})) == []


@pytest.mark.parametrize(("disk_gb", "users", "days"), [(100, 50, 535), (200, 200, 328), (500, 500, 365)])
def test_runway(disk_gb, users, days):
    host = host_of("large", disk_free_gb=disk_gb, disk_total_gb=disk_gb)
    result = plan(host, {"users": users})
    assert result["disk"]["runway_days"] == days
    assert result["disk"]["growth_gb_per_year"] == 0.75 * users


def test_r7_warns_of_a_short_runway():
    result = plan_of("small", users=200)
    assert ("R7: with 200 users the disk is 80 % full after about 133 days (grows by 150 GB a year)."
            in warnings(result))
    assert plan_of("small")["disk"]["runway_days"] is None


def test_r8_refuses_backups_beside_the_data():
    host = host_of("small", backup_on_data_disk=True)
    assert refusals(plan_of("small", host)) == [
        "R8: the backups would go to the disk that holds the data, and be lost with it. This host fits tier small. "
        "What helps, cheapest first: (1) mount another disk, or a share of another machine, and set backup_directory "
        "to it; (2) add a target elsewhere to backup_targets. To go on all the same: "
        "trenova_accept_backup_on_data_disk: true."]
    accepted = plan_of("small", host, accept_backup_on_data_disk=True)
    assert refusals(accepted) == []
    assert [entry["rule"] for entry in accepted["warnings"]] == ["R8"]
    assert refusals(plan_of("small", host, services=["postgres"])) == []


def test_memory_of_other_software_counts_as_missing():
    result = plan_of("minimum", reserved_memory_mb=4096)
    assert refusals(result)[0].startswith(
        "R1: 8192 MiB of memory beside 4096 MiB for other software found, 11060 MiB needed")
    assert refusals(plan_of("small", reserved_memory_mb=4096)) == []


def test_r5_refuses_an_unsafe_work_mem():
    result = plan_of("small", overrides={"postgres": {"work_mem_kb": 8192}})
    assert refusals(result) == [
        "R5: PostgreSQL with 33 backends and work_mem 8192 kB can need 724 MiB, 461 MiB are safe (90 % of 512); "
        "a limit of 1168 MiB would do. This host fits tier small. What helps, cheapest first: "
        "(1) take postgres.work_mem_kb out of trenova_plan_overrides; "
        "(2) set postgres.memory_limit_mb to 1168 in trenova_plan_overrides. This rule has no override."]


def test_r5_lowers_work_mem_to_a_mebibyte_before_it_refuses():
    overrides = {"pgbouncer": {"default_pool_size": 45}, "postgres": {}}
    assert value_at(plan_of("small", overrides=overrides), "postgres.settings.work_mem_kb") == 1024
    assert [refusal["rule"] for refusal in plan_of("small", overrides=overrides)["refusals"]] == ["R5"]


@pytest.mark.parametrize("overrides", [
    {"postgres": {"work_mem_kb": 8192}},
    {"postgres": {"shared_buffers_mb": 500}},
    {"postgres": {"maintenance_work_mem_mb": 512, "autovacuum_max_workers": 5}},
    {"pgbouncer": {"default_pool_size": 300}, "postgres": {"max_connections": 500}},
    {"pgbouncer": {"max_db_connections": 25, "default_pool_size": 20}, "postgres": {"memory_limit_mb": 300}},
])
def test_r5_names_a_limit_that_does(overrides):
    refused = plan_of("small", overrides=overrides)["refusals"]
    needed = next(refusal for refusal in refused if refusal["rule"] == "R5")["required"]

    def rules_at(limit):
        postgres = dict(overrides.get("postgres", {}), memory_limit_mb=limit)
        result = plan_of("small", overrides=dict(overrides, postgres=postgres))
        return [refusal["rule"] for refusal in result["refusals"]]

    assert "R5" not in rules_at(needed)
    assert "R5" in rules_at(needed - 16)


@pytest.mark.parametrize(("overrides", "text"), [
    ({"postgres": {"max_connections": 30}},
     "R6: connection budget: 25 connections through PgBouncer, 8 direct and 3 reserved ones exceed "
     "max_connections 30."),
    ({"pgbouncer": {"max_db_connections": 20}},
     "R6: connection budget: pool 20 and reserve 5 exceed max_db_connections 20."),
    ({"pgbouncer": {"max_client_conn": 39}},
     "R6: connection budget: the application's pools of 40 exceed max_client_conn 39."),
])
def test_r6_refuses_an_open_budget(overrides, text):
    assert any(refusal.startswith(text) for refusal in refusals(plan_of("small", overrides=overrides)))


def test_r6_says_what_would_do():
    refusal = plan_of("small", overrides={"postgres": {"max_connections": 35}})["refusals"][0]
    assert (refusal["dimension"], refusal["found"], refusal["required"]) == ("postgres.max_connections", 35, 36)
    assert refusal["remedy"] == ["take the connection settings out of trenova_plan_overrides",
                                 "set postgres.max_connections to 36 or more in trenova_plan_overrides"]
    assert refusal["override"] is None


@pytest.mark.parametrize(("overrides", "text"), [
    ({"redis": {"memory_limit_mb": 1024}},
     "R9: redis.memory_limit_mb is set to 1024 MiB, below the document's 2048 MiB."),
    ({"postgres": {"max_connections": 90}},
     "R9: postgres.settings.max_connections is set to 90, below the document's 100."),
    ({"client": {"cpus": 0.25}}, "R9: client.cpus is set to 0.25 cores, below the document's 0.5 cores."),
    ({"api": {"cpus": 99}}, "R9: api.cpus is set to 99 cores, the host has 12 cores; planned: 12 cores."),
])
def test_r9_warns_of_odd_overrides(overrides, text):
    result = plan_of("small", overrides=overrides)
    assert warnings(result) == [text]
    assert refusals(result) == []


@pytest.mark.parametrize(("overrides", "text"), [
    ({"redis": {"memory_limit_mb": 63}}, "R9: redis.memory_limit_mb is set to 63 MiB, it cannot work below 64 MiB."),
    ({"rabbitmq": {"memory_limit_mb": 255}},
     "R9: rabbitmq.memory_limit_mb is set to 255 MiB, it cannot work below 256 MiB."),
    ({"postgres": {"memory_limit_mb": 255}},
     "R9: postgres.memory_limit_mb is set to 255 MiB, it cannot work below 256 MiB."),
    ({"redis": {"maxmemory_mb": 1800}},
     "R9: redis.settings.maxmemory_mb is set to 1800 MiB, it cannot work above 1740 MiB."),
    ({"caddy": {"memory_reservation_mb": 129}},
     "R9: caddy.memory_reservation_mb is set to 129 MiB, it cannot work above 128 MiB."),
    ({"api": {"gomemlimit_mb": 513}},
     "R9: api.settings.gomemlimit_mb is set to 513 MiB, it cannot work above 512 MiB."),
])
def test_r9_refuses_what_cannot_work(overrides, text):
    result = plan_of("small", overrides=overrides)
    assert text in " ".join(refusals(result))


@pytest.mark.parametrize(("service", "least"), [("redis", 64), ("rabbitmq", 256)])
def test_r9_accepts_the_technical_floor(service, least):
    assert refusals(plan_of("small", overrides={service: {"memory_limit_mb": least}})) == []


def test_r6_speaks_of_the_operators_settings_only_where_there_are_any():
    """100000 users, and not a line in trenova_plan_overrides."""
    result = plan(host_of("large", cores=2000, memory_mb=2 * 1024**2, disk_free_gb=10**5, disk_total_gb=10**5),
                  {"users": 100000})
    refusal = next(entry for entry in result["refusals"] if entry["rule"] == "R6")
    assert refusal["remedy"] == [
        "set pgbouncer.memory_limit_mb to 160 and pgbouncer.max_client_conn to 8190 in trenova_plan_overrides",
        "divide the users among several installations"]
    own = plan(host_of("large"), {"users": 300, "overrides": {"pgbouncer": {"max_client_conn": 10}}})
    assert own["refusals"][0]["remedy"][0] == "take the connection settings out of trenova_plan_overrides"


@settings(max_examples=100, deadline=None)
@given(hosts, intents)
def test_what_is_to_be_taken_out_is_there(capacity, intent):
    """No remedy names a line of the inventory that is not in it."""
    result = plan(capacity, intent)
    for entry in (*result["refusals"], *result["warnings"]):
        for step in entry["remedy"]:
            if step.startswith("take ") and step.endswith("out of trenova_plan_overrides"):
                assert intent.get("overrides")
            elif step.startswith("take "):
                assert step.split()[1] in intent["restore_document"]


@pytest.mark.parametrize(("overrides", "text"), [
    ({"postgres": {"hash_mem_multiplier": 4, "work_mem_kb": 12787}},
     "R5: PostgreSQL with 33 backends, 2 parallel workers and work_mem 12787 kB (4 times as much for a hash) can need "
     "3674 MiB, 1843 MiB are safe (90 % of 2048); a limit of 6016 MiB would do."),
    ({"postgres": {"hash_mem_multiplier": 1000}},
     "R5: PostgreSQL with 33 backends, 2 parallel workers and work_mem 1024 kB (1000 times as much for a hash) can "
     "need 53552 MiB, 1843 MiB are safe (90 % of 2048); a limit of 90464 MiB would do."),
    ({"postgres": {"max_worker_processes": 1000, "max_parallel_workers": 1000}},
     "R5: PostgreSQL with 33 backends, 1000 parallel workers and work_mem 1024 kB can need 6594 MiB"),
])
def test_r5_counts_hashes_and_parallel_workers(overrides, text):
    assert any(refusal.startswith(text) for refusal in refusals(plan_of("medium", overrides=overrides)))


def test_hashes_of_the_operators_own_size_make_work_mem_smaller():
    services = plan_of("medium", overrides={"postgres": {"hash_mem_multiplier": 2}})["services"]
    chosen = services["postgres"]["settings"]
    assert (chosen["hash_mem_multiplier"], chosen["work_mem_kb"]) == (2.0, 7716)
    assert chosen["peak_memory_mb"] <= 0.9 * 2048


@pytest.mark.parametrize(("overrides", "planned_gb"), [
    ({"max_wal_size_mb": 9000}, 78.8), ({"max_wal_size_mb": 4096}, 74), ({"max_slot_wal_keep_size_mb": 9000}, 78.5),
    ({"max_slot_wal_keep_size_mb": -1}, 74),
])
def test_wal_beyond_its_part_of_the_volume_counts_on_the_disk(overrides, planned_gb):
    disk = plan_of("small", overrides={"postgres": overrides})["disk"]
    assert disk["planned_gb"] == planned_gb
    assert disk["day_one_gb"] == pytest.approx(25 + planned_gb - 74)


def test_r7_counts_the_wal():
    result = plan_of("small", overrides={"postgres": {"max_wal_size_mb": 47000, "max_slot_wal_keep_size_mb": 40000}})
    assert refusals(result)[0].startswith(
        "R7: volumes, images and logs take 107 GB from the first day on, 100 GB can be had")
    assert result["refusals"][0]["remedy"][0] == (
        "lower postgres.max_wal_size_mb, postgres.max_slot_wal_keep_size_mb in trenova_plan_overrides")


def test_r7_warns_of_logs_that_take_more_than_a_twentieth_of_the_disk():
    foreign = {"greeter": {"main": {"count": 200, "memory_limit_mb": 6, "memory_reservation_mb": 0, "cpus": 0.01,
                                    "pids_limit": 8, "nofile": 64, "oom_score_adj": 0}}}
    result = plan_of("small", foreign=foreign)
    assert "R7: the logs of all containers can take 6.3 GB, more than 5 % of the disk of 100 GB." in warnings(result)
    assert result["disk"]["items"][0]["gb"] == 13.2
    assert plan_of("small")["disk"]["items"][0]["gb"] == 7.9


def test_every_warning_says_what_ends_it():
    result = plan_of("medium", host_of("small"))
    assert [entry["remedy"] for entry in result["warnings"]] == [
        ["plan the tier that fits: trenova_tier: small", remedy] for remedy in (
            "give the host 20 cores", "give the host 48 GiB", "grow the disk to 200 GB", "free or add 50 GB")]
    restored = plan_of("small", restore_document=["redis-volume"])
    assert [entry["remedy"] for entry in restored["warnings"]] == [
        ["take redis-volume out of trenova_restore_document"]]


def test_restoring_nothing_is_said():
    assert warnings(plan_of("small", restore_document=["postgres-wal-size"])) == [
        "restored: postgres-wal-size is not undone: the plan follows the document there already, "
        "or trenova_plan_overrides sets the value."]


def test_override_wins_over_restored_document():
    overrides = {"redis": {"volume_gb": 4}}
    result = plan_of("small", restore_document=["redis-volume"], overrides=overrides)
    assert value_at(result, "redis.settings.volume_gb") == 4
    assert len(result["warnings"]) == 1


@pytest.mark.parametrize("intent", [
    {"restore_document": ["redis-policy"]},
    {"overrides": {"redis": {"maxmemory_policy": "allkeys-lru"}}},
])
def test_redis_that_holds_jobs_never_evicts_them(intent):
    with pytest.raises(PlanError, match="volatile-"):
        plan_of("small", **intent)
