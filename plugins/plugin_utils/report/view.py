# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What stands on the pages of plans, in their words and their order; how it looks is the templates' matter."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, NamedTuple

from ansible_collections.trenova.selfhost.plugins.plugin_utils.report import reading
from ansible_collections.trenova.selfhost.plugins.plugin_utils.report.looks import letters_on, look_of
from ansible_collections.trenova.selfhost.plugins.plugin_utils.report.pictures import (
    Edge,
    Part,
    Picture,
    Rectangle,
    Slope,
    Words,
    stacked,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.disk import FULL_SHARE
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import plain
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.words import singular

#: How each verdict is coloured.
_BADGES = {"fits": "good", "warnings": "warn", "below": "warn", "refused": "bad"}
#: What stands after the number of hosts with a verdict.
_COUNTED = {"fits": "fit", "warnings": "with warnings", "refused": "refused", "not planned": "not planned"}
#: The bounds of a figure as a reader calls them.
_BOUNDS = {
    "min": "at least", "max": "at most", "document_floor": "the document's", "technical_min": "cannot work below",
    "technical_max": "cannot work above", "choices": "one of",
}
_YEARS_SHOWN = 3
#: Who has a colour in the picture of the connections, from the application to the database, as it is drawn.
_ON_THE_WAY = ("api", "pgbouncer", "postgres")
#: Heights in pixels: of a bar with names in it, of a row of growth, of a stage of the funnel.
_BAR, _YEAR, _STAGE = 46, 44, 58
#: What can be a class, an address within a page, and a part of one.
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


class Section(NamedTuple):
    """A part of the page: its address, its title, and what the template of that name shows."""

    key: str
    title: str
    content: Any


class Cast:
    """What the services of a page are called there, and the kinds whose colours they have."""

    def __init__(self, names, looks):
        self._looks = looks
        # A name that cannot be a class gets its place instead.
        self._kinds = {
            name: f"of-{name if _KEY.fullmatch(name) else number}" for number, name in enumerate(dict.fromkeys(names))}

    def title(self, service):
        """The title of a service."""
        return self._look(service)["title"]

    def kind(self, service):
        """The kind of a service, which is unique on the page."""
        return self._kinds[service]

    def shades(self):
        """The colour of each kind, and that of letters on it, for each scheme."""
        return [
            {"kind": kind, **{scheme: {"fill": fill, "letters": letters_on(fill)}
                              for scheme, fill in self._look(name)["colour"].items()}}
            for name, kind in self._kinds.items()]

    def _look(self, service):
        return self._looks.get(service) or look_of(service)


def plan_view(name, plan, looks, comparison=None, needed=None, changes=None, note=None) -> dict[str, Any]:
    """All that the page of one host shows; a section is there where there is something in it."""
    disk = plan.get("disk")
    cast = Cast([*plan["services"], *_ON_THE_WAY, *(item["name"] for item in (disk or {}).get("items", []))], looks)
    sections = [
        Section("refused", "Refused", _refusals(plan["refusals"])),
        Section("warnings", "Warnings", [_advice(warning) for warning in plan["warnings"]]),
        Section("notes", "What could be better", [_advice(note) for note in plan.get("notes") or []]),
        Section("changes", "Changes against what is applied", _changes(changes, cast)),
        Section("memory", "Where the memory goes", _memory(plan, cast)),
        Section("connections", "From clients to PostgreSQL", _connections(plan["totals"]["connections"], cast)),
        Section("disk", "How long the disk lasts", _disk(disk, cast, reading.network_of(plan)) if disk else None),
        Section("tiers", "The tiers on this host", _tiers(comparison or [], plan["tier"])),
        Section("buy", "What to buy", _needed(needed) if needed else None),
        Section("figures", "Every number", _figures(plan, cast)),
        Section("deviations", "Deviations from the requirements", _requirements(plan)),
    ]
    return {
        "name": name, "note": note, "verdict": _verdict(plan), "facts": _facts(plan), "shades": cast.shades(),
        "sections": [section for section in sections if section.content]}


def index_view(entries) -> dict[str, Any]:
    """What the page that lists hosts shows: how many there are of each verdict, and a row for each host."""
    rows = [_index_row(entry) for entry in entries]
    counts = Counter(row["verdict"]["word"] for row in rows)
    return {"rows": rows, "says": "{}: {}.".format(
        reading.counted(len(rows), "host"),
        ", ".join(f"{counts[word]} {meaning}" for word, meaning in _COUNTED.items() if counts[word]))}


def _index_row(entry):
    plan = entry["plan"]
    if plan is None:
        return {"name": entry["name"], "page": None, "note": entry["problem"], "changes": None,
                "verdict": {"word": "not planned", "badge": "bad"}, **dict.fromkeys(("tier", "users", "memory"), "–")}
    totals = plan["totals"]
    planned = totals["memory_limit_mb"] + totals["memory_limit_jobs_mb"]
    return {
        "name": entry["name"], "page": entry["page"], "note": plan.get("note"), "verdict": _verdict(plan),
        "tier": plan["tier"], "users": reading.amount(plan["users"]),
        "memory": "{} of {}".format(reading.size(planned), reading.size(plan["host"]["memory_mb"])),
        "changes": _changed(plan["changes"]) if plan.get("changes") else None}


def _changed(changes):
    """What changes on a host in few words: of the whole, and which services."""
    services = ", ".join(entry["service"] for entry in changes["services"])
    return [*changes["remarks"], services or "nothing"]


def _verdict(plan) -> dict[str, str]:
    """A plan's verdict: its word, the badge that it gets, and a sentence."""
    word, sentence = reading.verdict(plan)
    return {"word": word, "badge": _BADGES[word], "sentence": sentence}


def _prose(text):
    """(text, whether it is a command) of a sentence in which commands stand between backticks."""
    pieces = str(text).split("`")
    return [(piece, bool(number % 2) and number < len(pieces) - 1) for number, piece in enumerate(pieces)]


def _facts(plan):
    host = plan["host"]
    return [
        ("Tier", plan["tier"]), ("Users", reading.amount(plan["users"])), ("Mode", plan["mode"]),
        ("Cores", "{} ({})".format(plain(host["cores"]), host["architecture"])),
        ("Memory", reading.size(host["memory_mb"])),
        ("Disk", "{} GB free of {} ({})".format(
            plain(host["disk_free_gb"]), plain(host["disk_total_gb"]), host["disk_kind"])),
        ("Largest tier that fits", host["fitting_tier"] or "none")]


def _advice(entry):
    """What was found, and what helps as far as that is said."""
    return {"what": _prose(reading.found_of(entry)), "steps": [_prose(step) for step in reading.steps_of(entry)]}


def _refusals(refusals):
    return [dict(_advice(refusal), override=refusal["override"]) for refusal in refusals]


# -- memory ------------------------------------------------------------------------------------------------------------

def _memory(plan, cast):
    host, totals = plan["host"], plan["totals"]
    planned = totals["memory_limit_mb"] + totals["memory_limit_jobs_mb"]
    free = host["allocatable_mb"] - planned
    limits = {service: reading.totals_of(entry)[0] for service, entry in plan["services"].items()}
    parts = [
        Part("System", host["reserve_mb"], "c-system", reading.size(host["reserve_mb"])),
        *(Part(cast.title(service), limit, cast.kind(service), reading.size(limit))
          for service, limit in limits.items() if limit),
        *([Part("Free", free, "c-free", reading.size(free))] if free > 0 else [])]
    says = "{} of {} are given to containers, {:.0f} % of what they may use.".format(
        reading.size(planned), reading.size(host["memory_mb"]), 100 * planned / max(1, host["allocatable_mb"]))
    if free < 0:
        says += f" {reading.size(-free)} more than there is: the line shows where the host ends."
    unlimited = [
        cast.title(service) for service, entry in plan["services"].items() if not entry.get("memory_limit_mb")]
    if unlimited:
        says += " Without a limit: {}.".format(", ".join(unlimited))
    return {
        "says": says, "parts": parts,
        "picture": _bar(
            "memory-host", "Memory of the host by service", says + " " + _listed(parts), parts, host["memory_mb"],
            host["reserve_mb"] + planned),
        "services": _service_bars(plan, cast)}


def _listed(parts):
    return ", ".join(f"{part.name} {part.says}" for part in parts) + "."


def _bar(key, title, description, parts, end, taken):
    """A bar with a legend's parts, and a line where the host ends when they go beyond it."""
    whole = max(end, taken)
    edge = [Edge(100 * end / max(whole, 1e-9), 0, _BAR + 8)] if taken > end else []
    return Picture(key, title, description, _BAR + 8, stacked(parts, whole, 4, _BAR) + edge)


def _service_bars(plan, cast):
    amounts = {service: reading.totals_of(entry) for service, entry in plan["services"].items()}
    largest = max((max(amount[:2]) for amount in amounts.values()), default=0)
    rows = []
    for service, (limit, reservation, cpus) in amounts.items():
        entry, kind = plan["services"][service], cast.kind(service)
        says = "limit {}, reservation {}".format(reading.size(limit) if limit else "none", reading.size(reservation))
        share, kept = (100 * min(part, largest) / max(1, largest) for part in (limit, reservation))
        rows.append({
            "title": cast.title(service), "containers": _containers(entry),
            "picture": Picture(f"memory-{kind}", f"Memory of {cast.title(service)}", says, 20, [
                Rectangle(0, 3, share, 14, f"{kind} faint", says), Rectangle(0, 3, kept, 14, kind, says)]),
            "limit": reading.amount(limit) if limit else "none", "reservation": reading.amount(reservation),
            "peak": reading.amount(entry.get("settings", {}).get("peak_memory_mb")), "cpus": plain(cpus)})
    return rows


def _containers(entry):
    """How many containers a service has, where it is not one."""
    return reading.containers("", entry).strip()


# -- connections -------------------------------------------------------------------------------------------------------

def _connections(budget, cast):
    asked, pooled, used = (cast.kind(service) for service in _ON_THE_WAY)
    spare = budget["max_connections"] - budget["backends"] - budget["superuser_reserved"]
    stages = [
        ("Pools of the application", budget["application"], [("pools", budget["application"], asked)],
         "what all its instances may open together"),
        ("PgBouncer takes: max_client_conn", budget["max_client_conn"],
         [("clients", budget["max_client_conn"], pooled)], "more clients than that are refused"),
        ("PgBouncer opens: max_db_connections", budget["max_db_connections"],
         [("pool", budget["pool"], pooled), ("reserve", budget["reserve"], f"{pooled} faint")],
         "pool {pool} + reserve {reserve}: the hard cap, the others wait".format(**budget)),
        ("Backends of PostgreSQL", budget["backends"],
         [("pooled", budget["backends"] - budget["direct"], used), ("direct", budget["direct"], "c-direct")],
         "{direct} of them go past PgBouncer: migrations, backups, exporter, administrators, jobs".format(**budget)),
        ("PostgreSQL allows: max_connections", budget["max_connections"],
         [("backends", budget["backends"], used), ("superuser", budget["superuser_reserved"], "c-kept"),
          ("spare", max(0, spare), "c-free")],
         "{superuser_reserved} are kept for the superuser, {spare} are spare".format(**budget)),
    ]
    description = "; ".join(f"{title} {amount}" for title, amount, _parts, _says in stages) + "."
    return {
        "picture": Picture("funnel", "Connections from the application to PostgreSQL", description,
                           _STAGE * len(stages), _funnel(stages)),
        "stages": [{"title": title, "amount": amount, "says": says} for title, amount, _parts, says in stages]}


def _funnel(stages):
    widest = max(max(1, amount) for _title, amount, _parts, _says in stages) ** 0.5
    shapes, upper = [], None
    for number, (title, amount, parts, _says) in enumerate(stages):
        width = max(1.0, 100 * max(0, amount) ** 0.5 / widest)
        left, top = 50 - width / 2, _STAGE * number
        if upper:
            shapes.append(Slope(*upper, left, left + width, top - 12, 36))
        shapes += stacked(
            [Part(name, value, kind, str(value)) for name, value, kind in parts],
            sum(value for _name, value, _kind in parts), top + 24, 22, left, width, named=False)
        shapes += [Words(0, top + 16, title), Words(100, top + 16, plain(amount), "end")]
        upper = (left, left + width)
    return shapes


# -- disk --------------------------------------------------------------------------------------------------------------

def _disk(disk, cast, network):
    backups = disk["backup_storage_gb"]
    others = max(0, disk["total_gb"] - disk["available_gb"])
    parts = [Part("Not ours", others, "c-system", reading.amount(round(others, 1), "GB"))] if others else []
    parts += [Part(cast.title(item["name"]), item["gb"], cast.kind(item["name"]), reading.amount(item["gb"], "GB"))
              for item in disk["items"]]
    taken = sum(part.value for part in parts)
    free = disk["total_gb"] - taken
    if free > 0:
        parts.append(Part("Free", free, "c-free", reading.amount(round(free, 1), "GB")))
    return {
        "says": "Planned: {} of {} available, {} on day one. {}.".format(
            *(reading.amount(disk[key], "GB") for key in ("planned_gb", "available_gb", "day_one_gb")),
            _sentence(reading.runway(disk))),
        "parts": parts,
        "picture": _bar("disk-bar", "The disk by what lies on it", _listed(parts), parts, disk["total_gb"], taken),
        "growth": None if disk["growth_gb_per_year"] is None else _growth(disk),
        "rows": [{"name": cast.title(item["name"]), "gb": reading.amount(item["gb"]), "what": item["what"]}
                 for item in disk["items"]],
        "backup_storage": backups if backups is None else reading.amount(backups, "GB"),
        "copies": reading.copies(network)}


def _growth(disk):
    growth, available = disk["growth_gb_per_year"], disk["available_gb"]
    levels = [(f"After {reading.counted(year, 'year')}" if year else "Day one", disk["day_one_gb"] + year * growth)
              for year in range(_YEARS_SHOWN + 1)]
    whole = max(available, *(level for _title, level in levels)) or 1
    shapes, high = [], 100 * FULL_SHARE * available / whole
    for number, (title, level) in enumerate(levels):
        top, within = _YEAR * number, min(level, available)
        shapes += [
            Words(0, top + 14, title), Words(100, top + 14, reading.amount(round(level, 1), "GB"), "end"),
            Rectangle(0, top + 20, 100 * available / whole, 14, "c-free", "available"),
            Rectangle(0, top + 20, 100 * within / whole, 14, "c-level", title),
            Rectangle(100 * within / whole, top + 20, 100 * (level - within) / whole, 14, "c-over", title),
            Edge(high, top + 18, top + 36)]
    description = "; ".join(f"{title}: {plain(round(level, 1))} GB" for title, level in levels)
    return {
        "picture": Picture(
            "disk-growth", f"Growth within {plain(available)} GB", description, _YEAR * len(levels), shapes),
        "says": "{} a year. {}. The line is where {:.0f} % are full.".format(
            reading.amount(growth, "GB"), _sentence(reading.runway(disk)), 100 * FULL_SHARE)}


def _sentence(text):
    """A text that begins like a sentence."""
    return text[:1].upper() + text[1:]


# -- tiers, buying, changes --------------------------------------------------------------------------------------------

def _tiers(comparison, chosen):
    return [
        {"tier": entry["tier"], "is_chosen": entry["tier"] == chosen, "verdict": entry["verdict"],
         "badge": _BADGES[entry["verdict"]], "limits": reading.amount(entry["memory_limit_mb"]),
         "share": f"{entry['memory_percent']:.0f} %", "database": reading.amount(entry["postgres_memory_mb"]),
         "api": reading.amount(entry["api_instances"]), "reasons": entry["reasons"]}
        for entry in comparison]


def _needed(needed):
    wish = "tier {}".format(needed["tier"])
    if needed["users"]:
        wish = "{} ({})".format(reading.counted(needed["users"], "user"), wish)
    cards = []
    for key, unit in (("cores", "cores"), ("memory_gib", "GiB of memory"), ("disk_gb", "GB of disk")):
        value = needed[key]["value"]
        cards.append({"value": value, "unit": unit, "needs": [
            {"reason": need["reason"], "alone": None if need["value"] == value else need["value"]}
            for need in needed[key]["needs"]]})
    return {"wish": wish, "cards": cards, "unmet": needed["unmet"]}


def _changes(changes, cast):
    if changes is None:
        return None
    return {"remarks": changes["remarks"], "rows": [
        {"title": cast.title(entry["service"]), "says": entry["says"], "figures": [
            {"name": reading.label(figure["name"], figure["unit"]),
             "before": reading.amount(figure["before"], figure["unit"]),
             "after": reading.amount(figure["after"], figure["unit"])} for figure in entry["figures"]]}
        for entry in changes["services"]]}


# -- every number ------------------------------------------------------------------------------------------------------

def _figures(plan, cast):
    departures = {entry["setting"]: entry for entry in plan["deviations"]}
    return {"services": [
        {"key": f"figures-{cast.kind(service)}", "title": cast.title(service), "containers": _containers(entry),
         "rows": [_figure(name, value, plan["explain"].get(path), departures.get(path))
                  for path, name, value in reading.figures_of(service, entry)]}
        for service, entry in plan["services"].items()]}


def _figure(name, value, explained, departure):
    if explained is None:
        return {"name": name, "value": reading.amount(value), "unit": "", "rule": "as its role says", "notes": [],
                "source": "", "is_own": False, "own": None, "departure": None, "information": None}
    unit, bounds = explained["unit"], explained["bounds"]
    own = bounds.get("planned") if explained["overridden"] else None
    return {
        "name": reading.label(name, unit), "value": reading.amount(explained["value"]),
        "unit": singular(unit) if explained["value"] == 1 else unit, "information": explained.get("information"),
        "rule": explained["rule"], "notes": list(_notes(explained["inputs"], bounds, unit)),
        "source": explained["source"].replace("**", ""), "is_own": explained["overridden"],
        "own": None if own is None else reading.amount(own, unit), "departure": departure}


def _notes(inputs, bounds, unit):
    """What a figure was made from, its bounds in words, and whether they moved it."""
    given = ", ".join(f"{key} {reading.amount(value)}" for key, value in inputs.items() if value is not None)
    if given:
        yield f"from {given}"
    if "before" in bounds:
        yield f"bound hit: {reading.amount(bounds['before'], unit)} before"
    said = [f"{word} {reading.amount(bounds[key], unit)}" for key, word in _BOUNDS.items() if key in bounds]
    if said:
        yield "bounds: " + ", ".join(said)


#: Whether a line of the requirements is met, as a badge: its word and its kind.
_MET = {True: ("met", "good"), False: ("less", "warn"), None: ("not measured", "info")}


def _requirements(plan):
    """What the requirements ask of the host, and where the plan departs from them; nothing where it does not."""
    if not plan["deviations"]:
        return None
    return {"rows": _deviations(plan["deviations"]), "lines": [
        {"name": line["name"], "asked": line["asked"], "here": line["here"], "met": _MET[line["is_met"]],
         "source": line["source"].replace("**", "")} for line in reading.asked_of_host(plan)]}


def _deviations(deviations):
    return [
        {"id": entry["id"], "setting": reading.set_by(entry["setting"]), "planned": reading.amount(entry["planned"]),
         "document": _prose(entry["document"]), "reason": _prose(entry["reason"]), "restore": entry["restore"]}
        for entry in deviations]
