# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A plan as a person reads it, at most 100 columns wide."""

from __future__ import annotations

import textwrap

WIDTH = 100
#: Settings that a reader looks for first, by service.
HIGHLIGHTS = {
    "postgres": ("max_connections", "shared_buffers_mb", "work_mem_kb", "effective_cache_size_mb"),
    "pgbouncer": ("default_pool_size", "reserve_pool_size", "max_client_conn"),
    "redis": ("maxmemory_mb", "maxmemory_policy"),
    "rabbitmq": ("memory_high_watermark_mb", "disk_free_limit_mb"),
    "minio": ("requests_max",),
    "api": ("gomaxprocs", "gomemlimit_mb", "database_pool"),
}


def plan_table(name, plan):
    """Lines of the table for one host."""
    host = plan["host"]
    users = ", {} users".format(plan["users"]) if plan.get("users") else ""
    lines = [
        "Plan of {}: tier {}{}, mode {}".format(name, plan["tier"], users, plan["mode"]),
        "  {} cores, {} MiB, of which {} MiB for containers; {} GB free".format(
            host["cores"], host["memory_mb"], host["allocatable_mb"], host["disk_free_gb"]),
        "",
        "  {:<16} {:>9} {:>9} {:>5}  {}".format("service", "limit MiB", "reserved", "cpus", "settings"),
    ]
    for service, entry in plan["services"].items():
        lines += _service_lines(service, entry)
    totals = plan["totals"]
    lines.append("  {:<16} {:>9} {:>9}        {:.0f} % of what containers may use".format(
        "sum", totals["memory_limit_mb"], totals["memory_reservation_mb"],
        100 * totals["memory_limit_mb"] / max(1, host["allocatable_mb"])))
    for title, entries in (("Warnings", plan["warnings"]), ("Refused", plan["refusals"])):
        if entries:
            lines += ["", f"  {title}"]
            for entry in entries:
                lines += _wrapped(entry["text"])
    if plan["deviations"]:
        lines += ["", "  Deviations from the requirements"]
        for entry in plan["deviations"]:
            lines += _wrapped("{setting} = {planned}".format(**entry))
            lines += _wrapped("The document: {document}".format(**entry), 6)
            lines += _wrapped("Why not: {reason}".format(**entry), 6)
            lines += _wrapped("To restore: {restore}".format(**entry), 6)
    return lines


def _service_lines(service, entry):
    settings = entry.get("settings", {})
    shown = ", ".join(f"{key} {settings[key]}" for key in HIGHLIGHTS.get(service, ()) if key in settings)
    count = entry.get("instances", 1)
    label = service if count == 1 else f"{service} x {count}"
    head = "  {:<16} {:>9} {:>9} {:>5}  ".format(
        label, entry["memory_limit_mb"], entry["memory_reservation_mb"], entry["cpus"])
    return textwrap.wrap(shown, WIDTH, initial_indent=head, subsequent_indent=" " * len(head)) or [head.rstrip()]


def _wrapped(text, indent=4):
    return textwrap.wrap(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * (indent + 2))
