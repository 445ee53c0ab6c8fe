# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A plan as one HTML page with pictures, which needs nothing but itself."""

from __future__ import annotations

from html import escape

from ansible_collections.trenova.selfhost.plugins.plugin_utils.report import pictures, reading
from ansible_collections.trenova.selfhost.plugins.plugin_utils.report.pictures import Part
from ansible_collections.trenova.selfhost.plugins.plugin_utils.report.style import STYLE
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import plain

#: Names of services on paper; any other is shown as it is.
NAMES = {
    "postgres": "PostgreSQL", "pgbouncer": "PgBouncer", "redis": "Redis", "rabbitmq": "RabbitMQ", "minio": "MinIO",
    "api": "API", "client": "Client", "asynq_dashboard": "Asynq dashboard", "caddy": "Caddy", "backup": "Backup jobs",
}
#: What runs for a while only, and the bounds of a figure as a reader calls them.
_BOUNDS = {
    "min": "at least", "max": "at most", "document_floor": "the document's", "technical_min": "cannot work below",
    "technical_max": "cannot work above", "choices": "one of",
}
_BADGES = {"fits": "good", "warnings": "warn", "below": "warn", "refused": "bad"}
_YEARS_SHOWN = 3


def plan_page(name, plan, comparison=None, needed=None, changes=None, note=None):
    """The page of one host, with the comparison of tiers, the host to buy, the changes and a note where given."""
    sections = [
        ("refused", "Refused", _refusals(plan["refusals"])),
        ("warnings", "Warnings", _warnings(plan["warnings"])),
        ("changes", "Changes against what is applied", _changes(changes)),
        ("memory", "Where the memory goes", _memory(plan)),
        ("connections", "From clients to PostgreSQL", _connections(plan)),
        ("disk", "How long the disk lasts", _disk(plan.get("disk"))),
        ("tiers", "The tiers on this host", _comparison(comparison, plan["tier"])),
        ("buy", "What to buy", _needed(needed)),
        ("figures", "Every number", _figures(plan)),
        ("deviations", "Deviations from the requirements", _deviations(plan["deviations"])),
    ]
    shown = [section for section in sections if section[2]]
    links = "".join(f'<li><a href="#{key}">{escape(title)}</a></li>' for key, title, _body in shown)
    body = "".join(
        f'<section id="{key}" aria-labelledby="{key}-h"><h2 id="{key}-h">{escape(title)}</h2>{content}</section>'
        for key, title, content in shown)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>Plan of {escape(str(name))}</title><style>{STYLE}</style></head><body>"
        f'{_head(name, plan, note)}<nav aria-label="Sections"><ul>{links}</ul></nav><main>{body}</main>'
        "<footer>Made by trenova.selfhost (<code>playbooks/plan.yml</code>). Memory in MiB (1024 MiB are a GiB), disks "
        "in decimal GB.</footer></body></html>\n")


# -- building blocks ---------------------------------------------------------------------------------------------------

def _table(titles, rows, caption, right=(), kind=""):
    """A table whose rows become blocks on a narrow screen; cells are HTML already."""
    head = "".join(f'<th scope="col"{_class("number", column in right)}>{escape(title)}</th>'
                   for column, title in enumerate(titles))
    lines = []
    for row in rows:
        cells = "".join(
            f'<td data-title="{escape(titles[column])}"{_class("number", column in right)}>{cell}</td>'
            for column, cell in enumerate(row) if column)
        lines.append(f'<tr><th scope="row">{row[0]}</th>{cells}</tr>')
    return (f'<table{_class(kind, kind)}><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>'
            f'<tbody>{"".join(lines)}</tbody></table>')


def _class(name, wanted):
    return f' class="{escape(name)}"' if wanted else ""


def _badge(word, kind):
    return f'<span class="badge {kind}">{escape(word)}</span>'


def _list(entries, kind=""):
    return f'<ul{_class(kind, kind)}>{"".join(f"<li>{entry}</li>" for entry in entries)}</ul>' if entries else ""


def _figure(drawn, *below):
    return f'<figure>{drawn}{"".join(below)}</figure>'


def _legend(parts):
    return _list([
        f'<span class="swatch {escape(part.kind)}"></span>{escape(part.name)} <b>{escape(part.says)}</b>'
        for part in parts], "legend")


def _prose(text):
    """A sentence in which commands stand between backticks."""
    pieces = str(text).split("`")
    return "".join(
        f"<code>{escape(piece)}</code>" if number % 2 and number < len(pieces) - 1 else escape(piece)
        for number, piece in enumerate(pieces))


def _named(service):
    return NAMES.get(service, str(service))


def _kind(service):
    return f"c-{service}" if service in NAMES else "c-other"


# -- head and verdict --------------------------------------------------------------------------------------------------

def _head(name, plan, note):
    host, (word, sentence) = plan["host"], reading.verdict(plan)
    facts = [
        ("Tier", plan["tier"]), ("Users", reading.amount(plan["users"])), ("Mode", plan["mode"]),
        ("Cores", "{} ({})".format(plain(host["cores"]), host["architecture"])),
        ("Memory", reading.size(host["memory_mb"])),
        ("Disk", "{} GB free of {} ({})".format(
            plain(host["disk_free_gb"]), plain(host["disk_total_gb"]), host["disk_kind"])),
        ("Largest tier that fits", host["fitting_tier"] or "none")]
    shown = "".join(f"<div><dt>{escape(title)}</dt><dd>{escape(str(value))}</dd></div>" for title, value in facts)
    return (f'<header><p class="kicker">Plan of</p><h1>{escape(str(name))}</h1>'
            f'<p class="verdict {_BADGES[word]}">{_badge(word, _BADGES[word])} {escape(sentence)}</p>'
            + (f"<p>{escape(note)}</p>" if note else "") + f'<dl class="facts">{shown}</dl></header>')


def _refusals(refusals):
    cards = []
    for refusal in refusals:
        what, _separator, _rest = refusal["text"].partition(" This host fits ")
        steps = "".join(f"<li>{_prose(step)}</li>" for step in refusal["remedy"])
        override = refusal["override"]
        go_on = (f"<p>To go on all the same, at your own risk: <code>{escape(override)}</code></p>" if override
                 else "<p>This rule has no override.</p>")
        cards.append(
            f'<article class="card bad"><h3>{_prose(what)}</h3><p>What helps, cheapest first:</p><ol>{steps}</ol>'
            f"{go_on}</article>")
    return "".join(cards)


def _warnings(warnings):
    return _list([_prose(warning["text"]) for warning in warnings], "warnings")


# -- memory ------------------------------------------------------------------------------------------------------------

def _memory(plan):
    host, totals = plan["host"], plan["totals"]
    planned = totals["memory_limit_mb"] + totals["memory_limit_jobs_mb"]
    free = host["allocatable_mb"] - planned
    parts = [Part("System", host["reserve_mb"], "c-system", reading.size(host["reserve_mb"]))]
    for service, entry in plan["services"].items():
        limit = reading.totals_of(entry)[0]
        if limit:
            parts.append(Part(_named(service), limit, _kind(service), reading.size(limit)))
    if free > 0:
        parts.append(Part("Free", free, "c-free", reading.size(free)))
    whole = max(host["memory_mb"], host["reserve_mb"] + planned)
    drawn = [pictures.stacked(parts, whole, 4, 46)]
    says = "{} of {} are given to containers, {:.0f} % of what they may use.".format(
        reading.size(planned), reading.size(host["memory_mb"]), 100 * planned / max(1, host["allocatable_mb"]))
    if free < 0:
        drawn.append(pictures.rule(100 * host["memory_mb"] / whole, 0, 54, "edge"))
        says += f" {reading.size(-free)} more than there is: the line shows where the host ends."
    unlimited = [_named(service) for service, entry in plan["services"].items() if not entry["memory_limit_mb"]]
    if unlimited:
        says += " Without a limit: {}.".format(", ".join(unlimited))
    description = says + " " + ", ".join(f"{part.name} {part.says}" for part in parts) + "."
    drawing = pictures.picture("memory-host", "Memory of the host by service", description, 54, drawn)
    return (f"<p>{escape(says)}</p>" + _figure(drawing, _legend(parts)) + _service_bars(plan) +
            "<p class=\"quiet\">The limit is where the kernel ends a container, the reservation what it keeps when "
            "memory is short, the peak what it takes when all that is planned for it happens at once. Jobs run for a "
            "while only.</p>")


def _service_bars(plan):
    amounts = {service: reading.totals_of(entry) for service, entry in plan["services"].items()}
    largest = max([max(entry[:2]) for entry in amounts.values()], default=0)
    rows = []
    for service, (limit, reservation, cpus) in amounts.items():
        entry = plan["services"][service]
        says = "limit {}, reservation {}".format(reading.size(limit) if limit else "none", reading.size(reservation))
        share, kept = (100 * min(part, largest) / max(1, largest) for part in (limit, reservation))
        drawing = pictures.picture(
            f"memory-{service}", f"Memory of {_named(service)}", says, 20,
            [pictures.rectangle(0, 3, share, 14, f"{_kind(service)} faint", says),
             pictures.rectangle(0, 3, kept, 14, _kind(service), says)])
        rows.append((
            escape(_named(service)) + _instances(entry), drawing,
            escape(reading.amount(limit)) if limit else "none", escape(reading.amount(reservation)),
            escape(reading.amount(entry.get("settings", {}).get("peak_memory_mb"))), escape(plain(cpus))))
    return _table(
        ("Service", "Reservation (full colour) within the limit", "Limit, MiB", "Reserved, MiB", "Peak, MiB", "Cores"),
        rows, "Limit and reservation by service, all its containers together", right=(2, 3, 4, 5), kind="bars")


def _instances(entry):
    text = reading.containers("", entry).strip()
    return f' <span class="quiet">{escape(text)}</span>' if text else ""


# -- connections -------------------------------------------------------------------------------------------------------

def _connections(plan):
    budget = plan["totals"]["connections"]
    rest = budget["max_connections"] - budget["backends"] - budget["superuser_reserved"]
    stages = [
        ("Pools of the application", budget["application"], [("pools", budget["application"], "c-api")],
         "what all its instances may open together"),
        ("PgBouncer takes: max_client_conn", budget["max_client_conn"],
         [("clients", budget["max_client_conn"], "c-pgbouncer")], "more clients than that are refused"),
        ("PgBouncer opens: max_db_connections", budget["max_db_connections"],
         [("pool", budget["pool"], "c-pgbouncer"), ("reserve", budget["reserve"], "c-pgbouncer faint")],
         "pool {pool} + reserve {reserve}: the hard cap, the others wait".format(**budget)),
        ("Backends of PostgreSQL", budget["backends"],
         [("pooled", budget["max_db_connections"], "c-postgres"), ("direct", budget["direct"], "c-redis")],
         "{direct} of them go past PgBouncer: migrations, backups, exporter, administrators, jobs".format(**budget)),
        ("PostgreSQL allows: max_connections", budget["max_connections"],
         [("backends", budget["backends"], "c-postgres"), ("superuser", budget["superuser_reserved"], "c-caddy"),
          ("spare", max(0, rest), "c-free")],
         "{superuser_reserved} are kept for the superuser, {spare} are spare".format(**budget)),
    ]
    drawn = pictures.picture(
        "funnel", "Connections from the application to PostgreSQL",
        "; ".join(f"{title} {amount}" for title, amount, _parts, _says in stages) + ".", 58 * len(stages),
        _funnel(stages))
    rows = [(escape(title), escape(str(amount)), escape(says)) for title, amount, _parts, says in stages]
    caption = '<figcaption class="quiet">The width is the square root of the number.</figcaption>'
    return _figure(drawn, caption) + _table(
        ("Where", "Connections", "What it means"), rows, "The connection budget", right=(1,))


def _funnel(stages):
    widest = max([max(1, amount) for _title, amount, _parts, _says in stages]) ** 0.5
    drawn, upper = [], None
    for number, (title, amount, parts, _says) in enumerate(stages):
        width = max(1.0, 100 * max(0, amount) ** 0.5 / widest)
        left, top = 50 - width / 2, 58 * number
        if upper:
            drawn.append(pictures.slope(*upper, top - 12, left, left + width, 36, "stream"))
        drawn.append(pictures.stacked(
            [Part(name, value, kind, str(value)) for name, value, kind in parts],
            sum(value for _name, value, _kind in parts), top + 24, 22, left, width, named=False))
        drawn.append(pictures.words(0, top + 16, title, "strong"))
        drawn.append(pictures.words(100, top + 16, plain(amount), "strong", "end"))
        upper = (left, left + width)
    return drawn


# -- disk --------------------------------------------------------------------------------------------------------------

def _disk(disk):
    if not disk:
        return ""
    others = max(0, disk["total_gb"] - disk["available_gb"])
    kinds = ("c-postgres", "c-minio", "c-redis", "c-rabbitmq", "c-caddy", "c-api", "c-client", "c-backup", "c-other")
    parts = [Part("Not ours", others, "c-system", reading.amount(round(others, 1), "GB"))] if others else []
    parts += [Part(item["name"], item["gb"], kinds[number % len(kinds)], reading.amount(item["gb"], "GB"))
              for number, item in enumerate(disk["items"])]
    free = disk["total_gb"] - sum(part.value for part in parts)
    if free > 0:
        parts.append(Part("Free", free, "c-free", reading.amount(round(free, 1), "GB")))
    whole = max(disk["total_gb"], sum(part.value for part in parts))
    drawn = [pictures.stacked(parts, whole, 4, 46)]
    if free < 0:
        drawn.append(pictures.rule(100 * disk["total_gb"] / max(whole, 1e-9), 0, 54, "edge"))
    says = "Planned: {} of {} available, {} on day one. {}.".format(
        *(reading.amount(disk[key], "GB") for key in ("planned_gb", "available_gb", "day_one_gb")),
        reading.runway(disk).capitalize())
    drawing = pictures.picture(
        "disk-bar", "The disk by what lies on it",
        ", ".join(f"{part.name} {part.says}" for part in parts) + ".", 54, drawn)
    items = _table(
        ("What", "GB", "Why"),
        [(escape(str(item["name"])), escape(reading.amount(item["gb"])), escape(str(item["what"])))
         for item in disk["items"]], "What the disk is planned for", right=(1,))
    return (f"<p>{escape(says)}</p>" + _figure(drawing, _legend(parts)) + _growth(disk) + items +
            f'<p class="quiet">Backups need {escape(reading.amount(disk["backup_storage_gb"], "GB"))} elsewhere.</p>')


def _growth(disk):
    growth = disk["growth_gb_per_year"]
    if growth is None:
        return ""
    available = disk["available_gb"]
    levels = [(f"After {reading.counted(year, 'year')}" if year else "Day one", disk["day_one_gb"] + year * growth)
              for year in range(_YEARS_SHOWN + 1)]
    whole = max([available, *(level for _title, level in levels)]) or 1
    drawn = []
    for number, (title, level) in enumerate(levels):
        top, within = 44 * number, min(level, available)
        drawn.append(pictures.words(0, top + 14, title, "strong"))
        drawn.append(pictures.words(100, top + 14, reading.amount(round(level, 1), "GB"), "strong", "end"))
        drawn.append(pictures.rectangle(0, top + 20, 100 * available / whole, 14, "c-free", "available"))
        for left, width, kind in ((0, within, "c-postgres"), (within, level - within, "c-over")):
            drawn.append(pictures.rectangle(left * 100 / whole, top + 20, width * 100 / whole, 14, kind, title))
    description = "; ".join(f"{title}: {plain(round(level, 1))} GB" for title, level in levels)
    return _figure(pictures.picture(
        "disk-growth", f"Growth within {plain(available)} GB", description, 44 * len(levels), drawn),
        '<figcaption class="quiet">{} a year. {}.</figcaption>'.format(
            escape(reading.amount(growth, "GB")), escape(reading.runway(disk).capitalize())))


# -- tiers, buying, changes --------------------------------------------------------------------------------------------

def _comparison(comparison, chosen):
    if not comparison:
        return ""
    rows = [
        (escape(entry["tier"]) + (' <span class="quiet">this plan</span>' if entry["tier"] == chosen else ""),
         _badge(entry["verdict"], _BADGES[entry["verdict"]]), escape(reading.amount(entry["memory_limit_mb"])),
         escape(f"{entry['memory_percent']:.0f} %"), escape(reading.amount(entry["postgres_memory_mb"])),
         escape(reading.amount(entry["api_instances"])),
         _list([escape(reason) for reason in entry["reasons"]]) or "all that the document recommends is there")
        for entry in comparison]
    return _table(
        ("Tier", "Verdict", "Limits, MiB", "Of what may be used", "PostgreSQL, MiB", "API instances", "Why"), rows,
        "fits: all that the document recommends is there. below: it would run, the document recommends more. "
        "refused: it is not carried out.", right=(2, 3, 4, 5), kind="tiers")


def _needed(needed):
    if not needed:
        return ""
    cards = []
    for key, unit in (("cores", "cores"), ("memory_gib", "GiB of memory"), ("disk_gb", "GB of disk")):
        value = needed[key]["value"]
        reasons = _list([
            escape(need["reason"]) if need["value"] == value else
            f'<span class="quiet">{need["value"]} would do: {escape(need["reason"])}</span>'
            for need in needed[key]["needs"]])
        cards.append(f'<div class="card"><p class="big">{value} <span>{unit}</span></p>{reasons}</div>')
    wish = "tier {}".format(needed["tier"])
    if needed["users"]:
        wish = "{} ({})".format(reading.counted(needed["users"], "user"), wish)
    unmet = _list([f"No single host does: {escape(text)}" for text in needed["unmet"]], "warnings")
    return (f"<p>For {escape(wish)}, a new host with nothing else on it, SSD, x86_64:</p>"
            f'<div class="cards">{"".join(cards)}</div>{unmet}')


def _changes(changes):
    if changes is None:
        return ""
    found = _list([escape(remark) for remark in changes["remarks"]], "warnings")
    if not changes["services"]:
        return found + "<p>Nothing would change.</p>"
    rows = []
    for entry in changes["services"]:
        figures = _list([
            "{} <b>{}</b> → <b>{}</b>".format(*(escape(text) for text in (
                reading.label(figure["name"], figure["unit"]), reading.amount(figure["before"], figure["unit"]),
                reading.amount(figure["after"], figure["unit"])))) for figure in entry["figures"]])
        rows.append((escape(_named(entry["service"])), _list([escape(text) for text in entry["says"]]), figures or "–"))
    return found + _table(("Service", "What happens", "Figures"), rows, "What the next deployment does, by service")


# -- every number ------------------------------------------------------------------------------------------------------

def _figures(plan):
    departures = {entry["setting"]: entry for entry in plan["deviations"]}
    tables = []
    for service, entry in plan["services"].items():
        rows = [
            _figure_row(reading.label(name, plan["explain"][path]["unit"]), plan["explain"][path], departures.get(path))
            for path, name, _value in reading.figures_of(service, entry) if path in plan["explain"]]
        tables.append(f'<h3 id="n-{escape(service)}">{escape(_named(service))}{_instances(entry)}</h3>' + _table(
            ("Figure", "Value", "How it came about", "Marks"), rows, f"Figures of {_named(service)}", right=(1,),
            kind="figures"))
    links = " ".join(f'<a href="#n-{escape(service)}">{escape(_named(service))}</a>' for service in plan["services"])
    return f'<p class="jump">{links}</p>' + "".join(tables)


def _figure_row(name, figure, departure):
    inputs = ", ".join(
        f"{key} {reading.amount(value)}" for key, value in figure["inputs"].items() if value is not None)
    how = [escape(figure["rule"])]
    if inputs:
        how.append(f'<span class="quiet">from {escape(inputs)}</span>')
    how += [f'<span class="quiet">{escape(text)}</span>' for text in _bounds(figure["bounds"], figure["unit"])]
    how.append(f'<span class="quiet source">{escape(figure["source"].replace("**", ""))}</span>')
    marks = []
    if figure["overridden"]:
        own = figure["bounds"].get("planned")
        marks.append(_badge("yours", "own") + (
            f" the plan's own: {escape(reading.amount(own, figure['unit']))}" if own is not None else ""))
    if departure:
        marks.append(
            _badge("deviates", "warn") + f" the document: {escape(departure['document'])}. Why not: "
            f"{escape(departure['reason'])} To restore: <code>{escape(departure['restore'])}</code>")
    return (escape(name), f'<b>{escape(reading.amount(figure["value"]))}</b> {escape(figure["unit"])}',
            "<br>".join(how), "<br>".join(marks))


def _bounds(bounds, unit):
    """The bounds of a figure in words, and whether they moved it."""
    if "before" in bounds:
        yield f"bound hit: {reading.amount(bounds['before'], unit)} before"
    said = [f"{word} {reading.amount(bounds[key], unit)}" for key, word in _BOUNDS.items() if key in bounds]
    if said:
        yield "bounds: " + ", ".join(said)


def _deviations(deviations):
    rows = [
        (f"<code>{escape(entry['id'])}</code>", f"<code>{escape(entry['setting'])}</code>",
         escape(reading.amount(entry["planned"])), _prose(entry["document"]), _prose(entry["reason"]),
         f"<code>{escape(entry['restore'])}</code>") for entry in deviations]
    return _table(("Id", "Setting", "Planned", "The document", "Why not", "To restore"), rows,
                  "Where the document's own number loses data or cannot work", kind="deviations") if rows else ""
