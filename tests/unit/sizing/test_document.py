# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Every number of the requirements document, where it stands there and where it arrives in a plan."""

from __future__ import annotations

import pathlib
import re

import pytest
from sizing_builders import TIERS, TIGHT_DISK, host_of, plan_of, value_at

from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.server import SUPPORTED_DISTRIBUTIONS
from ansible_collections.trenova.selfhost.plugins.plugin_utils.report import reading
from ansible_collections.trenova.selfhost.plugins.plugin_utils.report.page import plan_page
from ansible_collections.trenova.selfhost.plugins.plugin_utils.report.table import plan_table
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import document, tiers

#: A copy of the document: line numbers in the sources must lead to what they quote.
DOCUMENT = (pathlib.Path(__file__).parent / "requirements.md").read_text(encoding="utf-8").splitlines()


def quotes():
    """Every passage that the engine quotes."""
    found = set()
    for value in [*vars(tiers).values(), *vars(document).values(), *document.PORTS]:
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


#: Lines with a number that is no passage to quote: why, and where it arrives.
ELSEWHERE = {
    **dict.fromkeys((50, 57, 64), ("the tier of so many users", None)),
    80: ("repeats the limit of line 76", None), 402: ("what somebody else offers", None),
    327: ("an example; the port of line 236", ("pgbouncer", "meta/service.yml", r"port: 6432\b")),
    345: ("an example; the port of line 237", ("redis", "meta/service.yml", r"'port': 6379\b")),
    347: ("an example; the port of line 243", ("asynq_dashboard", "meta/service.yml", r"port: 8080\b")),
    351: ("the port of mail, which backups report by", ("backup", "defaults/main.yml", r"backup_smtp_port: 587\b")),
}
#: Quoted lines whose numbers are no figure of the plan: where they arrive.
IN_ROLES = [
    (44, "docker", "defaults/main.yml", r'docker_engine_minimum: "20.10"'),
    (144, "minio", "meta/service.yml", r"'port': 9000\b"),
    (144, "minio", "templates/compose.yaml.j2", r":9001"),
    (156, "rabbitmq", "meta/service.yml", r"amqp: {port: 5672}"),
    (156, "rabbitmq", "meta/service.yml", r"management: {port: 15672}"),
    (199, "asynq_dashboard", "meta/service.yml", r"http: {port: 8080}"),
    (232, "caddy", "defaults/main.yml", r"http_port: 80\n"),
    (232, "caddy", "defaults/main.yml", r"https_port: 443\n"),
    (233, "api", "profiles/v0.7.2.yml", r"port: 3001\b"),
    (234, "client", "meta/service.yml", r"http: {port: 5173}"),
    (235, "postgres", "meta/service.yml", r"'port': 5432\b"),
    (236, "pgbouncer", "meta/service.yml", r"sql: {port: 6432}"),
    (237, "redis", "meta/service.yml", r"'port': 6379\b"),
    (238, "minio", "meta/service.yml", r"'port': 9000\b"),
    (239, "rabbitmq", "meta/service.yml", r"amqp: {port: 5672}"),
    (243, "asynq_dashboard", "meta/service.yml", r"http: {port: 8080}"),
]
ROLES = pathlib.Path(__file__).resolve().parents[3] / "roles"


def numbered_lines():
    """Lines of the document with a number in them that is not the number of a list."""
    for line, text in enumerate(DOCUMENT, 1):
        if re.search(r"\d", re.sub(r"^\s*\d+\. ", "", text)):
            yield line


def test_all_passages_with_numbers_are_quoted():
    quoted = {quote.line for quote in quotes()}
    assert set(numbered_lines()) - quoted == set(ELSEWHERE)
    assert not quoted & set(ELSEWHERE)


@pytest.mark.parametrize(("role", "file", "text"), [
    *(row[1:] for row in IN_ROLES), *(where for _why, where in ELSEWHERE.values() if where)])
def test_number_arrives_in_a_role(role, file, text):
    assert re.search(text, (ROLES / role / file).read_text(encoding="utf-8"))


def test_every_port_and_version_has_a_role():
    assert {row[0] for row in IN_ROLES} == {document.DOCKER_ENGINE.line, *(quote.line for quote in document.PORTS)}


@pytest.mark.parametrize(("tier", "asked", "here"), [
    ("minimum", ["6 cores", "12 GiB", "30 GB", "10 GiB", "6 cores", "10 Mbit/s up and down"],
     "10035 MiB, 205 MiB less; 2253 MiB are kept for the system"),
    ("small", ["12 cores", "24 GiB", "100 GB", "10 GiB", "6 cores", "100 Mbit/s up and down"],
     "21422 MiB; 3154 MiB are kept for the system"),
    ("medium", ["20 cores", "48 GiB", "200 GB", "10 GiB", "6 cores", "100 Mbit/s up and down"],
     "44524 MiB; 4628 MiB are kept for the system"),
    ("large", ["32 cores", "96 GiB", "500 GB", "10 GiB", "6 cores", "1000 Mbit/s up and down"],
     "90726 MiB; 7578 MiB are kept for the system")])
def test_lines_on_the_host_stand_in_the_plan_the_table_and_the_page(tier, asked, here):
    planned = plan_of(tier)
    lines = {line["name"]: line for line in planned["requirements"]["lines"]}
    assert [line["asked"] for line in lines.values()] == asked
    assert [line["is_met"] for line in lines.values()] == [True] * 5 + [None]
    assert lines["memory of Docker"]["here"] == here
    assert "requirements.md:45 (Container Runtime)" in lines["memory of Docker"]["source"]
    text = " ".join("\n".join(plan_table("erp1", planned, {})).split())
    page = plan_page("erp1", planned, {})
    assert f"Memory of Docker: {here}; the requirements: 10 GiB" in text
    assert "Cores of Docker: " in text
    assert here in page
    assert "up and down" in page


def test_a_host_that_is_too_small_is_told_line_by_line():
    capacity = host_of("minimum", cores=4, memory_mb=8192, disk_free_gb=20)
    lines = plan_of("minimum", capacity, reserved_memory_mb=1000)["requirements"]["lines"]
    assert [line["is_met"] for line in lines] == [False, False, False, False, False, None]
    assert lines[3]["here"] == "5349 MiB, 4891 MiB less; 2843 MiB are kept for the system and other software"


@pytest.mark.parametrize(("tier", "gb", "recommended"), [
    ("minimum", 15, 10), ("small", 54, 100), ("medium", 129, 100), ("large", 372, 1000)])
def test_bandwidth_is_told_with_how_long_the_data_travel(tier, gb, recommended):
    planned = plan_of(tier)
    network = planned["requirements"]["network"]
    assert (network["copy_gb"], network["recommended_mbps"]) == (gb, recommended)
    assert [copy["mbps"] for copy in network["copies"]] == [10, 100, 1000]
    for copy in network["copies"]:
        assert copy["seconds"] == pytest.approx(gb * 8000 / copy["mbps"], abs=0.5)
    said = reading.copies(network)
    assert f"({gb} GB)" in said
    assert f"the requirements recommend {recommended} Mbit/s up and down" in said
    assert said in " ".join("\n".join(plan_table("erp1", planned, {})).split())
    assert said in " ".join(plan_page("erp1", planned, {}).split())


@pytest.mark.parametrize(("seconds", "said"), [
    (0, "0 s"), (20.4, "20 s"), (119, "119 s"), (120, "2 min"), (432, "7.2 min"), (4320, "72 min"), (12000, "3.3 h"),
    (43200, "12 h"), (172800, "2 days"), (297600, "3.4 days")])
def test_durations(seconds, said):
    assert reading.duration(seconds) == said


def test_data_that_is_somebody_elses_takes_no_time_here():
    assert plan_of("small", minio_mode="external")["requirements"]["network"]["copy_gb"] == 23
    assert reading.copies(None) == reading.copies({"copy_gb": 0}) == ""


def test_departures_of_what_is_no_figure_are_listed_and_true():
    listed = {entry["id"]: entry for entry in plan_of("small")["deviations"]}
    assert (listed["rabbitmq-ports"]["setting"], listed["rabbitmq-ports"]["planned"]) == (
        "rabbitmq.ports", "5672, 15672")
    assert "5674 (AMQP), 15674 (Management)" in listed["rabbitmq-ports"]["document"]
    distribution = listed["host-distribution"]
    assert distribution["document"] in DOCUMENT[39]
    for name in ("ubuntu", "debian", "rhel", "fedora"):
        assert f"{name} {SUPPORTED_DISTRIBUTIONS[name]}" in distribution["planned"].lower()
    same = {version for name, version in SUPPORTED_DISTRIBUTIONS.items() if name in ("centos", "rocky", "almalinux")}
    assert same == {SUPPORTED_DISTRIBUTIONS["rhel"]}
    elsewhere = plan_of("small", services=["redis"])["deviations"]
    assert [entry["id"] for entry in elsewhere if "." not in entry["id"]][-1] == "host-distribution"
    assert "rabbitmq-ports" not in {entry["id"] for entry in elsewhere}


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
