# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Figures of a plan that no file and no container is told, and what they are good for.

All others change what is deployed when they change; a test holds both.
"""

from __future__ import annotations

from collections.abc import Mapping

_VOLUME = ("Docker's directories have no quota: it is what the disk is planned for, and what follows from the volume "
           "(WAL, growth, backups) follows from it")
_PEAK = "what all that is planned for takes at once, held against memory_limit_mb"
_MINUTES = "preflight holds the schedules against it: two that overlap are refused"
_STORAGE = "what to have elsewhere for backups; nobody reserves it"

#: {sheet: {figure: what it is good for}}.
INFORMATION: Mapping[str, Mapping[str, str]] = {
    "postgres": {
        "backends": "the hard cap of PgBouncer and the direct connections make it true; work_mem and R6 follow from it",
        "peak_memory_mb": _PEAK, "volume_gb": _VOLUME},
    "pgbouncer": {"file_descriptors": "what PgBouncer opens at most; nofile follows from it"},
    "redis": {
        "peak_memory_mb": _PEAK, "volume_gb": _VOLUME, "nodes": "the groups of the inventory say it; R10 looks at it"},
    "rabbitmq": {"peak_memory_mb": _PEAK, "volume_gb": _VOLUME},
    "minio": {"nodes": "the groups of the inventory say it; requests_max and R10 follow from it", "volume_gb": _VOLUME},
    "api": {
        "asynq_concurrency": "fixed in the application, as its profile says; the pools follow from it",
        "asynq_memory_mb": "what the document recommends for jobs, within memory_limit_mb"},
    "caddy": {"volume_mb": _VOLUME},
    "backup": {
        "database_storage_gb": _STORAGE, "object_storage_gb": _STORAGE, "storage_need_gb": _STORAGE,
        "usual_minutes": _MINUTES, "drill_minutes": _MINUTES},
}
