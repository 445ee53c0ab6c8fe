# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A plan as a person reads it, at most 100 columns wide. What decides stands at the end, where the eye is."""

from __future__ import annotations

import textwrap

from ansible_collections.trenova.selfhost.plugins.plugin_utils.report import reading
from ansible_collections.trenova.selfhost.plugins.plugin_utils.report.looks import look_of
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import plain

WIDTH = 100
#: The last column of a table does not become narrower than this; where it would, it goes under its row.
_LEAST_COLUMN = 24
#: Lines of the requirements on the host that nothing else of the table shows.
_SHOWN_LINES = ("memory of Docker", "cores of Docker")


def plan_table(name, plan, looks, comparison=None, needed=None, changes=None, note=None):
    """Lines of the table for one host, with the comparison of tiers, the host to buy, the changes and a note.

    `looks` is {service: {"title", "colour", "highlights"}}, as the catalogue reads it from the roles.
    """
    lines = _head(name, plan) + (_wrapped(note, 2) if note else []) + [""]
    lines += _services(plan, looks) + [""] + _budgets(plan)
    lines += _deviations(plan["deviations"])
    if comparison:
        lines += ["", "  Tiers on this host (below: it would run, the document recommends more)"]
        lines += _comparison(comparison, plan["tier"])
    if needed:
        lines += ["", f"  To buy for {_wish(needed)}"] + _needed(needed)
    if changes is not None:
        lines += ["", "  Changes against what is applied"] + _changes(changes)
    for title, entries in (("What could be better", plan.get("notes") or []), ("Warnings", plan["warnings"])):
        if entries:
            lines += ["", f"  {title}"]
            for entry in entries:
                lines += _wrapped(reading.found_of(entry))
                for step in reading.steps_of(entry):
                    lines += _wrapped(f"- {step}", 6)
    if plan["refusals"]:
        lines += ["", "  Refused"]
        for entry in plan["refusals"]:
            lines += _wrapped(entry["text"])
    return [*lines, "", *_wrapped(reading.verdict(plan)[1], 2)]


def _head(name, plan):
    host = plan["host"]
    users = ", {}".format(reading.counted(plan["users"], "user")) if plan.get("users") else ""
    return [
        *_wrapped("Plan of {}: tier {}{}, mode {}".format(name, plan["tier"], users, plan["mode"]), 0),
        *_wrapped("{} ({}), {} MiB, of which {} MiB for containers; {} GB free of {} GB ({})".format(
            reading.counted(host["cores"], "core"), host["architecture"], host["memory_mb"], host["allocatable_mb"],
            plain(host["disk_free_gb"]), plain(host["disk_total_gb"]), host["disk_kind"]), 2)]


def _services(plan, looks):
    rows = []
    for service, entry in plan["services"].items():
        limit, reservation, cpus = reading.totals_of(entry)
        rows.append((
            reading.containers(service, entry), str(limit) if entry.get("memory_limit_mb") else "none",
            str(reservation), plain(cpus),
            _highlights(service, entry, plan["explain"], looks.get(service) or look_of(service))))
    totals = plan["totals"]
    jobs = totals["memory_limit_jobs_mb"]
    share = 100 * (totals["memory_limit_mb"] + jobs) / max(1, plan["host"]["allocatable_mb"])
    rows.append((
        "sum", str(totals["memory_limit_mb"] + jobs), str(totals["memory_reservation_mb"]), plain(totals["cpus"]),
        "{:.0f} % of what containers may use{}".format(share, f", {jobs} MiB of it for jobs" if jobs else "")))
    return _table(("service", "limit MiB", "reserved", "cpus", "settings"), rows, right=(1, 2, 3))


def _highlights(service, entry, explain, look):
    settings = entry.get("settings", {})
    units = {key: explain.get(f"{service}.settings.{key}", {}).get("unit", "") for key in settings}
    shown = [
        f"{reading.label(key, units[key])} {reading.amount(settings[key], units[key])}"
        for key in look["highlights"] if key in settings]
    if entry.get("memory_limit_mb") and reading.containers(service, entry) != service:
        shown.insert(0, "{} MiB each".format(entry["memory_limit_mb"]))
    return ", ".join(shown)


def _budgets(plan):
    lines = _wrapped(
        "Connections: {application} of the application into {max_client_conn} of PgBouncer, of which {pool} + {reserve}"
        " reach PostgreSQL; with {direct} direct ones {backends} backends of {max_connections}, {spare} spare".format(
            **plan["totals"]["connections"]), 2)
    disk = plan.get("disk")
    if disk:
        grown, backups = disk.get("growth_gb_per_year"), disk["backup_storage_gb"]
        lines += _wrapped("Disk: {} on day one, {} planned, of {} available; {}{}{}".format(
            *(reading.amount(disk[key], "GB") for key in ("day_one_gb", "planned_gb", "available_gb")),
            "" if grown is None else f"{plain(grown)} GB a year, ", reading.runway(disk),
            "" if backups is None else f"; backups {reading.amount(backups, 'GB')} elsewhere"), 2)
    for line in reading.asked_of_host(plan):
        if line["name"] in _SHOWN_LINES:
            lines += _wrapped("{}: {}; the requirements: {}".format(
                line["name"][:1].upper() + line["name"][1:], line["here"], line["asked"]), 2)
    return lines + _wrapped(reading.copies(reading.network_of(plan)), 2)


def _deviations(entries):
    if not entries:
        return []
    rows = [
        ("[{id}]".format(**entry), "{} = {}".format(entry["setting"], reading.amount(entry["planned"])),
         "document: {document}".format(**entry)) for entry in entries]
    return ["", "  Deviations from the requirements (why, and the way back: the page, docs/sizing.md)",
            *_table(("", "", ""), rows, indent=4)[1:]]


def _comparison(comparison, chosen):
    rows = [
        (entry["tier"] + (" *" if entry["tier"] == chosen else ""), entry["verdict"],
         str(entry["memory_limit_mb"]), reading.amount(entry["postgres_memory_mb"]),
         reading.amount(entry["api_instances"]), " ".join(entry["reasons"]))
        for entry in comparison]
    return _table(("tier", "verdict", "limits MiB", "postgres", "api", "why"), rows, right=(2, 3, 4), indent=4)


def _wish(needed):
    tier = "tier {}".format(needed["tier"])
    return "{} ({})".format(reading.counted(needed["users"], "user"), tier) if needed["users"] else tier


def _needed(needed):
    rows = []
    for key, unit in (("cores", "cores"), ("memory_gib", "GiB of memory"), ("disk_gb", "GB of disk")):
        reasons = "; ".join(
            need["reason"] if need["value"] == needed[key]["value"] else "{} for this alone: {}".format(
                need["value"], need["reason"]) for need in needed[key]["needs"])
        rows.append((str(needed[key]["value"]), unit, reasons))
    lines = _table(("", "", ""), rows, right=(0,), indent=4)[1:]
    for text in needed["unmet"]:
        lines += _wrapped(f"No single host does: {text}")
    return lines


def _changes(changes):
    lines = []
    for remark in changes["remarks"]:
        lines += _wrapped(remark)
    for entry in changes["services"]:
        lines += _wrapped("{}: {}".format(entry["service"], "; ".join(entry["says"])))
        rows = [(reading.label(figure["name"], figure["unit"]), reading.amount(figure["before"], figure["unit"]), "->",
                 reading.amount(figure["after"], figure["unit"])) for figure in entry["figures"]]
        lines += _table(("", "", "", ""), rows, indent=6)[1:] if rows else []
    if not changes["services"]:
        lines += _wrapped("Nothing would change.")
    return lines


def _table(titles, rows, right=(), indent=2):
    """Rows under their titles; the last column is wrapped."""
    cells = [titles, *rows]
    last = len(titles) - 1
    widths = [max(len(row[column]) for row in cells) for column in range(last)]
    left = indent + sum(width + 2 for width in widths)
    under = left > WIDTH - _LEAST_COLUMN
    lines = []
    for row in cells:
        head = " " * indent + "".join(
            (cell.rjust(width) if column in right else cell.ljust(width)) + "  "
            for column, (cell, width) in enumerate(zip(row, widths, strict=False)))
        if under or not row[last]:
            lines += _wrapped(head.rstrip(), indent, "  ") if len(head.rstrip()) > WIDTH else [head.rstrip()]
            lines += _wrapped(row[last], indent + 4)
        else:
            lines += textwrap.wrap(row[last], WIDTH, initial_indent=head, subsequent_indent=" " * left)
    return lines


def _wrapped(text, indent=4, further="  "):
    return textwrap.wrap(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * indent + further)
