# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.plugin_utils.reported import reported_settings


def test_postgres_reports_pages_kilobytes_and_megabytes():
    settings = {"shared_buffers_mb": 128, "work_mem_kb": 2750, "wal_buffers_kb": 3932, "max_wal_size_mb": 1907,
                "maintenance_work_mem_mb": 32, "max_connections": 100}
    assert reported_settings(settings, "postgres") == {
        "shared_buffers": "16384", "work_mem": "2750", "wal_buffers": "492", "max_wal_size": "1907",
        "maintenance_work_mem": "32768", "max_connections": "100"}


def test_redis_reports_bytes():
    settings = {"maxmemory_mb": 1536, "maxmemory_policy": "volatile-lru", "maxclients": 10000, "appendonly": "yes"}
    assert reported_settings(settings, "redis")["maxmemory"] == "1610612736"


def test_rabbitmq_reports_bytes():
    settings = {"memory_high_watermark_mb": 307, "disk_free_limit_mb": 1024}
    assert reported_settings(settings, "rabbitmq") == {"mem_limit": 321912832, "disk_free_limit": 1073741824}


def test_service_without_a_plan_reports_nothing():
    assert reported_settings({}, "redis") == {}


def test_lines_of_the_operator_are_not_expected_to_be_the_plans():
    settings = {"memory_high_watermark_mb": 307, "disk_free_limit_mb": 1024}
    own = {"vm_memory_high_watermark.relative": 0.5, "heartbeat": 60}
    assert reported_settings(settings, "rabbitmq", own) == {"disk_free_limit": 1073741824}
    assert reported_settings({"work_mem_kb": 2750, "max_connections": 100}, "postgres", {"work_mem": "4MB"}) == {
        "max_connections": "100"}
