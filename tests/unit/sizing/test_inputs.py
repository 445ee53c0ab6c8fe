# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Input that cannot be used: every problem at once, each with the name that the operator knows."""

from __future__ import annotations

import pytest
from sizing_builders import host_of, plan_of, value_at

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import PlanError, plan


def problems(capacity=None, intent=None):
    """The problems of an input."""
    with pytest.raises(PlanError) as caught:
        plan(host_of("small", **(capacity or {})), {"tier": "small"} if intent is None else intent)
    return caught.value.problems


@pytest.mark.parametrize(("capacity", "problem"), [
    ({"cores": None}, "capacity.cores: is missing"),
    ({"cores": "many"}, 'capacity.cores: expected a number, got "many"'),
    ({"cores": True}, "capacity.cores: expected a number, got True"),
    ({"cores": 0}, "capacity.cores: expected 0.1 to 4096 cores, got 0"),
    ({"memory_mb": float("nan")}, "capacity.memory_mb: expected a number, got nan"),
    ({"memory_mb": float("inf")}, "capacity.memory_mb: expected a number, got inf"),
    ({"memory_mb": 10**400}, "capacity.memory_mb: expected a number, got 1" + "0" * 56 + "..."),
    ({"memory_mb": -1}, "capacity.memory_mb: expected a number of at least 0, got -1"),
    ({"memory_mb": 12}, "capacity.memory_mb: 12 MiB is less than any host has; for 12 GiB write 12288"),
    ({"memory_mb": 1}, "capacity.memory_mb: 1 MiB is less than any host has; for 1 GiB write 1024"),
    ({"memory_mb": "12GB"}, 'capacity.memory_mb: expected MiB as a plain number, got "12GB"; write 12288'),
    ({"memory_mb": "12 GiB"}, 'capacity.memory_mb: expected MiB as a plain number, got "12 GiB"; write 12288'),
    ({"memory_mb": "512m"}, 'capacity.memory_mb: expected MiB as a plain number, got "512m"; write 512'),
    ({"memory_mb": 12884901888},
     "capacity.memory_mb: 12884901888 MiB is more than any host has; if that is in bytes, write 12288"),
    ({"memory_mb": 549755813888},
     "capacity.memory_mb: 549755813888 MiB is more than any host has; if that is in bytes, write 524288"),
    ({"memory_mb": 127.5}, "capacity.memory_mb: 127.5 MiB is less than any host has; for 127.5 GiB write 130560"),
    ({"disk_total_gb": "2 TB"}, 'capacity.disk_total_gb: expected GB as a plain number, got "2 TB"; write 2000'),
    ({"disk_free_gb": 10**11},
     "capacity.disk_free_gb: 100000000000 GB is more than any host has; if that is in bytes, write 100"),
    ({"disk_total_gb": 40 * 10**12},
     "capacity.disk_total_gb: 40000000000000 GB is more than any host has; if that is in bytes, write 40000"),
    ({"cores": 100000}, "capacity.cores: expected 0.1 to 4096 cores, got 100000"),
    ({"disk_free_gb": -0.5}, "capacity.disk_free_gb: expected a number of at least 0, got -0.5"),
    ({"disk_total_gb": []}, "capacity.disk_total_gb: expected a number, got []"),
    ({"disk_kind": "sdd"},
     'capacity.disk_kind: expected one of ssd, nvme, hdd, unknown; got "sdd". Did you mean ssd?'),
])
def test_capacity(capacity, problem):
    assert problems(capacity) == [problem]


@pytest.mark.parametrize(("intent", "problem"), [
    ({}, "set trenova_tier or trenova_users"),
    ({"tier": None, "users": None}, "set trenova_tier or trenova_users"),
    ({"tier": "larg"},
     'trenova_tier: expected one of minimum, small, medium, large; got "larg". Did you mean large?'),
    ({"users": 0}, "trenova_users: expected a whole number of at least 1, got 0"),
    ({"users": 1.5}, "trenova_users: expected a whole number, got 1.5"),
    ({"users": "few"}, 'trenova_users: expected a whole number, got "few"'),
    ({"users": 10**9},
     "trenova_users: expected at most 100000 users who work at the same time, got 1000000000; "
     "more of them need several installations"),
    ({"tier": "small", "reserved_memory_mb": "4GiB"},
     'trenova_reserved_memory_mb: expected MiB as a plain number, got "4GiB"; write 4096'),
    ({"tier": "small", "reserved_memory_mb": 30000},
     "trenova_reserved_memory_mb: 30000 MiB are all that the host has (24576 MiB)"),
    ({"tier": "small", "hosts": {"rabbitmq": 3}}, "intent.hosts: is unknown"),
    ({"tier": "small", "mode": "x"}, 'trenova_mode: expected one of document, balanced; got "x"'),
    ({"tier": "small", "strict": "maybe"}, 'trenova_strict: expected true or false, got "maybe"'),
    ({"tier": "small", "minio_mode": "extern"},
     'minio_mode: expected one of managed, external; got "extern". Did you mean external?'),
    ({"tier": "small", "acept_overcommit": True},
     "intent.acept_overcommit: is unknown. Did you mean accept_overcommit?"),
    ({"tier": "small", "overrides": [1]}, "trenova_plan_overrides: expected a mapping of services, got [1]"),
    ({"tier": "small", "overrides": {"postgress": {}}},
     'trenova_plan_overrides: no service is called "postgress". Did you mean postgres?'),
    ({"tier": "small", "overrides": {"redis": 1}},
     "trenova_plan_overrides: redis: expected a mapping of settings, got 1"),
    ({"tier": "small", "overrides": {"postgres": {"work_mem": 1}}},
     'trenova_plan_overrides.postgres: no setting is called "work_mem". Did you mean work_mem_kb?'),
    ({"tier": "small", "overrides": {"postgres": {"max_connections": "many"}}},
     'trenova_plan_overrides.postgres.max_connections: expected a whole number, got "many"'),
    ({"tier": "small", "overrides": {"postgres": {"work_mem_kb": "4MB"}}},
     'trenova_plan_overrides.postgres.work_mem_kb: expected kB as a plain number, got "4MB"; write 4096'),
    ({"tier": "small", "overrides": {"minio": {"volume_gb": "2 TB"}}},
     'trenova_plan_overrides.minio.volume_gb: expected GB as a plain number, got "2 TB"; write 2000'),
    ({"tier": "small", "overrides": {"postgres": {"shared_buffers_mb": -1}}},
     "trenova_plan_overrides.postgres.shared_buffers_mb: expected a number of at least 0, got -1"),
    ({"tier": "small", "overrides": {"postgres": {"backends": 3}}},
     "trenova_plan_overrides.postgres.backends: cannot be set, it follows from other figures"),
    ({"tier": "small", "overrides": {"redis": {"appendfsync": "never"}}},
     'trenova_plan_overrides.redis.appendfsync: expected one of always, everysec, no; got "never"'),
    ({"tier": "small", "minio_mode": "external", "overrides": {"minio": {"cpus": 1}}},
     "trenova_plan_overrides.minio: nothing is planned for it on this host"),
    ({"tier": "small", "restore_document": "redis-policy"},
     'trenova_restore_document: expected a list of deviations, got "redis-policy"'),
    ({"tier": "small", "restore_document": ["redis-polcy"]},
     'trenova_restore_document: no deviation is called "redis-polcy". Did you mean redis-policy?'),
    ({"tier": "small", "restore_document": ["minio-single-node"]},
     "trenova_restore_document: minio-single-node is not undone by name; "
     "set minio_mode: external, with the address of a distributed store"),
    ({"tier": "small", "profile": {"job_concurrency": 0}},
     "application profile: job_concurrency: expected at least 1, got 0"),
    ({"tier": "small", "profile": {"job_concurrency": "ten"}},
     'application profile: job_concurrency: expected a whole number, got "ten"'),
    ({"tier": "small", "profile": {"worker_only": "perhaps"}},
     'application profile: worker_only: expected true or false, got "perhaps"'),
    ({"tier": "small", "profile": "v0.7.2"}, 'application profile: expected a mapping, got "v0.7.2"'),
])
def test_intent(intent, problem):
    assert problems(intent=intent) == [problem]


def test_all_problems_come_at_once():
    assert problems({"cores": "x", "memory_mb": 0}, {"tier": "tiny", "users": -3}) == [
        'capacity.cores: expected a number, got "x"',
        "capacity.memory_mb: expected a number above 0, got 0",
        'trenova_tier: expected one of minimum, small, medium, large; got "tiny"',
        "trenova_users: expected a whole number of at least 1, got -3",
    ]


def test_what_is_no_mapping():
    with pytest.raises(PlanError) as caught:
        plan(None, 3)
    assert caught.value.problems[0] == "capacity: expected a mapping, got None"
    assert "intent: expected a mapping, got 3" in caught.value.problems
    assert str(caught.value).startswith("capacity: expected a mapping, got None; ")


def test_text_of_the_command_line_is_understood():
    result = plan(host_of("small", cores="12"), {
        "users": "120", "strict": "no", "accept_overcommit": "True",
        "overrides": {"postgres": {"memory_limit_mb": "768"}}})
    assert (result["users"], result["tier"]) == (120, "medium")
    assert value_at(result, "postgres.memory_limit_mb") == 768


def test_words_that_yaml_reads_as_booleans_are_understood():
    overrides = {"postgres": {"jit": True, "huge_pages": False}, "redis": {"appendonly": False}}
    result = plan_of("small", overrides=overrides)
    assert value_at(result, "postgres.settings.jit") == "on"
    assert value_at(result, "postgres.settings.huge_pages") == "off"
    assert value_at(result, "redis.settings.appendonly") == "no"


def test_extra_entries_of_a_measurement_are_ignored():
    assert plan_of("small", host_of("small", swap_mb=0, listeners=[])) == plan_of("small")


# -- figures of containers ---------------------------------------------------------------------------------------------

#: Names of the first edition, which operators may still have in their inventories.
EARLIER_NAMES = [
    ("workers", "count", 3), ("worker_memory_limit_mb", "memory_limit_mb", 777),
    ("worker_memory_reservation_mb", "memory_reservation_mb", 99), ("worker_cpus", "cpus", 0.5),
    ("worker_gomaxprocs", "gomaxprocs", 5), ("worker_gomemlimit_mb", "gomemlimit_mb", 111),
    ("worker_database_pool", "database_pool", 12),
]


@pytest.mark.parametrize(("earlier", "name", "value"), EARLIER_NAMES)
def test_a_figure_of_the_workers_is_set_by_its_name_and_by_the_one_that_it_had(earlier, name, value):
    nested = plan_of("large", overrides={"api": {"worker": {name: value}}})
    flat = plan_of("large", overrides={"api": {earlier: value}})
    worker = nested["services"]["api"]["containers"]["worker"]
    assert {**worker, **worker["settings"]}[name] == value
    assert nested == flat


@pytest.mark.parametrize(("settings", "says"), [
    ({"worker": 2}, "api.worker: expected a mapping of settings, got 2"),
    ({"worker": {"memory": 1}}, 'api.worker: no setting is called "memory"'),
    ({"worker": {"cpu": 1}}, 'api.worker: no setting is called "cpu". Did you mean cpus?'),
    ({"wrker": {"cpus": 1}}, 'api: no setting is called "wrker". Did you mean worker?'),
    ({"worker": {"memory_limit_mb": "1GB"}}, 'api.worker.memory_limit_mb: expected MiB as a plain number, got "1GB"'),
    ({"worker_cpus": "many"}, 'api.worker_cpus: expected a number, got "many"'),
    ({"workers": 1, "worker": {"count": 2}},
     "api.workers is the earlier name of api.worker.count, and both are set; take one of them out"),
])
def test_a_figure_of_the_workers_that_cannot_be_used_is_named_as_it_was_written(settings, says):
    with pytest.raises(PlanError) as refused:
        plan_of("large", overrides={"api": settings})
    problem, = refused.value.problems
    assert problem.startswith("trenova_plan_overrides")
    assert says in problem
