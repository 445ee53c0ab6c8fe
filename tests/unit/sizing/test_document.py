# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Every number of the requirements document, where it stands there and where it arrives in a plan."""

from __future__ import annotations

import pathlib

import pytest
from sizing_builders import TIERS, TIGHT_DISK, host_of, plan_of, value_at

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import tiers

#: A copy of the document: line numbers in the sources must lead to what they quote.
DOCUMENT = (pathlib.Path(__file__).parent / "requirements.md").read_text(encoding="utf-8").splitlines()


def quotes():
    """Every passage that the engine quotes."""
    found = set()
    for value in vars(tiers).values():
        if isinstance(value, tiers.Quote):
            found.add(value)
        elif isinstance(value, tiers.Row):
            found.update(source for source in value.sources if isinstance(source, tiers.Quote))
    return sorted(found)


def heading_above(line):
    """The nearest heading above a line."""
    return next(text.lstrip("# ") for text in reversed(DOCUMENT[:line]) if text.startswith("#"))


@pytest.mark.parametrize("quote", quotes(), ids=lambda quote: str(quote.line))
def test_quote_stands_where_it_says(quote):
    assert quote.text in DOCUMENT[quote.line - 1]
    assert heading_above(quote.line) == quote.heading


def test_all_passages_with_numbers_for_sizing_are_quoted():
    sections = [(34, 38), (50, 54), (57, 61), (64, 68), (74, 89), (91, 101), (104, 107), (115, 125), (129, 132),
                (140, 142), (152, 154), (163, 166), (171, 173), (193, 196), (210, 224), (307, 310)]
    quoted = {quote.line for quote in quotes()}
    # Not sizing: "optimized for" (80) repeats the limit of line 76.
    unquoted = {80}
    numbered = {
        line for first, last in sections for line in range(first, last + 1)
        if DOCUMENT[line - 1].lstrip().startswith("-") and any(character.isdigit() for character in DOCUMENT[line - 1])
    }
    assert numbered - quoted == unquoted


# heading, path in the plan, value for minimum, small, medium, large
PLANNED = [
    ("PostgreSQL Database (tren-db)", "postgres.memory_limit_mb", 512, 512, 2048, 4096),
    ("PostgreSQL Database (tren-db)", "postgres.memory_reservation_mb", 256, 256, 1024, 2048),
    ("PostgreSQL Database (tren-db)", "postgres.cpus", 1, 1, 2, 4),
    ("PostgreSQL Database (tren-db)", "postgres.settings.shared_buffers_mb", 128, 128, 512, 1024),
    ("PostgreSQL Database (tren-db)", "postgres.settings.effective_cache_size_mb", 384, 384, 1536, 3072),
    ("PostgreSQL Database (tren-db)", "postgres.settings.max_connections", 100, 100, 200, 200),
    ("Redis Cache (tren-redis)", "redis.memory_limit_mb", 2048, 2048, 2048, 4096),
    ("Redis Cache (tren-redis)", "redis.memory_reservation_mb", 1024, 1024, 1024, 2048),
    ("Redis Cache (tren-redis)", "redis.cpus", 1, 1, 1, 1),
    ("Redis Cache (tren-redis)", "redis.settings.maxmemory_mb", 1536, 1536, 1536, 3072),
    ("PGBouncer (tren-pgbouncer)", "pgbouncer.memory_limit_mb", 128, 128, 128, 128),
    ("PGBouncer (tren-pgbouncer)", "pgbouncer.memory_reservation_mb", 64, 64, 64, 64),
    ("Trenova API (tren-api)", "api.memory_limit_mb", 512, 512, 1024, 1024),
    ("Trenova API (tren-api)", "api.cpus", 1, 1, 1, 1),
    ("Trenova API (tren-api)", "api.instances", 1, 1, 2, 3),
    ("Horizontal Scaling Options", "api.containers.worker.count", 0, 0, 0, 2),
    ("Asynq Job Queue System", "api.settings.asynq_memory_mb", 256, 256, 512, 512),
    ("Trenova Client (tren-client)", "client.memory_limit_mb", 256, 256, 256, 256),
    ("Trenova Client (tren-client)", "client.cpus", 0.5, 0.5, 0.5, 0.5),
    ("Trenova Client (tren-client)", "client.instances", 1, 1, 1, 2),
    ("MinIO Object Storage (tren-minio)", "minio.memory_limit_mb", 512, 512, 1024, 2048),
    ("Caddy Reverse Proxy (tren-caddy)", "caddy.memory_limit_mb", 128, 128, 256, 256),
    ("Caddy Reverse Proxy (tren-caddy)", "caddy.cpus", 0.5, 0.5, 0.5, 0.5),
    ("Asynq Dashboard", "asynq_dashboard.memory_limit_mb", 128, 128, 128, 128),
    ("Asynq Dashboard", "asynq_dashboard.cpus", 0.5, 0.5, 0.5, 0.5),
    ("Persistent Volumes", "postgres.settings.volume_gb", 10, 23, 48, 129),
    ("Persistent Volumes", "minio.settings.volume_gb", 5, 31, 81, 243),
    ("Persistent Volumes", "caddy.settings.volume_mb", 100, 100, 100, 100),
    ("Data Backup Storage", "backup.settings.storage_need_gb", 40, 131, 306, 873),
    # Where the document names no figure, or one that cannot work.
    ("RabbitMQ (tren-rabbitmq)", "rabbitmq.memory_limit_mb", 512, 1024, 1024, 2048),
    ("Persistent Volumes", "redis.settings.volume_gb", 9, 9, 9, 17),
    ("Persistent Volumes", "rabbitmq.settings.volume_gb", 3, 3, 3, 3),
]


@pytest.mark.parametrize("row", PLANNED, ids=lambda row: row[1])
def test_number_arrives_in_the_plan(row):
    _heading, path, *expected = row
    assert [value_at(plan_of(tier), path) for tier in TIERS] == expected


@pytest.mark.parametrize("row", PLANNED, ids=lambda row: row[1])
def test_number_of_the_document_names_its_heading(row):
    heading, path, *_values = row
    chosen = ("rabbitmq.memory_limit_mb", "redis.memory_reservation_mb")
    if path in chosen:
        return
    for tier in TIERS:
        source = plan_of(tier)["explain"][path]["source"]
        assert heading in source or source.startswith("chosen: ")


@pytest.mark.parametrize(("row", "expected"), [
    (tiers.HOST_CORES, (6, 12, 20, 32)),
    (tiers.HOST_MEMORY_GIB, (12, 24, 48, 96)),
    (tiers.HOST_DISK_GB, (30, 100, 200, 500)),
    (tiers.HOST_GROWTH_GB, (25, 75, 150, 400)),
])
def test_hosts_of_the_document(row, expected):
    assert row.values == expected


@pytest.mark.parametrize("tier", TIERS)
def test_recommended_host_of_a_tier_is_not_complained_about(tier):
    plan = plan_of(tier, host_of(tier))
    # The document's 30 GB do not hold what Redis and RabbitMQ need to be safe.
    assert [warning["text"] for warning in plan["warnings"]] == ([TIGHT_DISK] if tier == "minimum" else [])
    assert plan["refusals"] == []
