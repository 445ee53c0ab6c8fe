# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Pages and tables from the sizing engine."""

from __future__ import annotations

import re
from functools import reduce
from operator import getitem

from ansible_collections.trenova.selfhost.plugins.plugin_utils import catalogue, sizing
from ansible_collections.trenova.selfhost.plugins.plugin_utils.report import reading
from ansible_collections.trenova.selfhost.plugins.plugin_utils.report.table import plan_table
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import comparison, limits, tiers
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.deviations import CATALOGUE
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import TIERS

from .formulas import SIZING
from .markdown import MADE, ROOT, plain, table

#: An installation on several hosts, the host of each, and what runs where.
SEVERAL = {"db1": "small", "app1": "minimum", "app2": "minimum", "app3": "minimum", "rest1": "small"}
_APPS = ["app1", "app2", "app3"]
_GROUPS = {"postgres": ["db1"], "pgbouncer": ["db1"], "api": _APPS, "rabbitmq": _APPS}
PLACES = {service: _GROUPS.get(service, ["rest1"]) for service in sizing.SERVICES}
#: Part of a page that is made; the rest of it is written by hand.
BLOCK = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
USERS = (25, 50, 100, 200, 350, 500, 1000)
#: Hosts that no tier was made for, with what is wanted of them.
ODD_HOSTS = (
    ("6 cores and 12 GB, shared with other software", {
        "cores": 6, "memory_mb": 11800, "disk_free_gb": 60, "disk_total_gb": 120, "disk_kind": "hdd",
        "architecture": "x86_64"}, {"users": 12, "tier": "minimum", "reserved_memory_mb": 2048}),
    ("64 cores and 512 GB, 800 users", {
        "cores": 64, "memory_mb": 515000, "disk_free_gb": 3800, "disk_total_gb": 3840, "disk_kind": "nvme",
        "architecture": "x86_64"}, {"users": 800, "mode": "balanced"}),
    ("ARM, 8 cores and 16 GB", {
        "cores": 8, "memory_mb": 15800, "disk_free_gb": 150, "disk_total_gb": 160, "disk_kind": "ssd",
        "architecture": "aarch64"}, {"users": 30, "tier": "minimum", "mode": "balanced"}),
)


def recommended() -> dict[str, dict]:
    """The host that the requirements recommend for each tier."""
    return {
        tier: comparison.imagined(*(row.value(tier) for row in (
            tiers.HOST_CORES, tiers.HOST_MEMORY_GIB, tiers.HOST_DISK_GB)))
        for tier in TIERS}


def hosts_of_tiers() -> dict[str, dict]:
    """Plan of each tier on the host that is recommended for it."""
    return {tier: sizing.plan(capacity, {"tier": tier}) for tier, capacity in recommended().items()}


def tiers_table() -> list[str]:
    """What the tiers give to whom."""
    rows: dict[str, list] = {}
    for plan in hosts_of_tiers().values():
        services, totals, host = plan["services"], plan["totals"], plan["host"]
        database, api = services["postgres"], services["api"]
        connections, network = totals["connections"], reading.network_of(plan)
        for title, cell in (
            ("host", "{} cores, {} GiB, {} GB".format(
                host["cores"], host["memory_mb"] // 1024, host["disk_total_gb"])),
            ("left for containers, MiB", host["allocatable_mb"]),
            ("all limits, backup jobs included, MiB", totals["memory_limit_mb"] + totals["memory_limit_jobs_mb"]),
            ("PostgreSQL, MiB", database["memory_limit_mb"]),
            ("`shared_buffers`, MiB", database["settings"]["shared_buffers_mb"]),
            ("`work_mem`, kB", database["settings"]["work_mem_kb"]),
            ("backends of `max_connections`", "{backends} of {max_connections}".format(**connections)),
            ("connections of the application", connections["application"]),
            ("Redis, MiB", services["redis"]["memory_limit_mb"]),
            ("RabbitMQ, MiB", services["rabbitmq"]["memory_limit_mb"]),
            ("MinIO, MiB", services["minio"]["memory_limit_mb"]),
            ("API", "{} x {} MiB".format(api["instances"], api["memory_limit_mb"])),
            ("workers", api["containers"]["worker"]["count"] or "none"),
            ("backup storage elsewhere, GB", services["backup"]["settings"]["storage_need_gb"]),
            ("bandwidth that the requirements recommend, Mbit/s", network["recommended_mbps"]),
            ("a copy of all planned data at 10, 100 and 1000 Mbit/s", ", ".join(
                reading.duration(copy["seconds"]) for copy in network["copies"])),
        ):
            rows.setdefault(title, []).append(str(cell))
    return table("", *TIERS) + [f"| {title} | {' | '.join(cells)} |" for title, cells in rows.items()]


def balanced_table() -> list[str]:
    """What mode balanced gives on the hosts that the requirements recommend, beside mode document."""
    lines = table("on the recommended host of", *TIERS)
    modes = {mode: [sizing.plan(plan_host, {"tier": tier, "mode": mode}) for tier, plan_host in recommended().items()]
             for mode in ("document", "balanced")}
    for title, path in (
        ("PostgreSQL, MiB", ("services", "postgres", "memory_limit_mb")),
        ("PostgreSQL, cores", ("services", "postgres", "cpus")),
        ("`work_mem`, kB", ("services", "postgres", "settings", "work_mem_kb")),
        ("an API instance, MiB", ("services", "api", "memory_limit_mb")),
        ("Redis, MiB", ("services", "redis", "memory_limit_mb")),
        ("all limits, MiB", ("totals", "memory_limit_mb")),
    ):
        before, after = ([reduce(getitem, path, plan) for plan in modes[mode]] for mode in ("document", "balanced"))
        cells = [f"{document:g} → {balanced:g}" for document, balanced in zip(before, after, strict=True)]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return lines


def users_table() -> list[str]:
    """What to buy for how many users."""
    lines = table("users", "tier", "cores", "memory, GiB", "disk, GB", "API instances")
    for users in USERS:
        needed = comparison.needed_host({"users": users})
        sizes = [str(needed[key]["value"]) for key in ("cores", "memory_gib", "disk_gb")]
        lines.append(f"| {users} | {needed['tier']} | {' | '.join(sizes)} | {needed['api_instances']} |")
    return lines


def deviations_table() -> list[str]:
    """All departures from the requirements, with what is planned in the tiers."""
    found = [(tier, entry) for tier, plan in hosts_of_tiers().items() for entry in plan["deviations"]]
    lines = table("id", "the requirements", "planned", "why", "how to restore")
    for name, deviation in CATALOGUE.items():
        planned: dict[str, list[str]] = {}
        for tier, entry in found:
            if entry["id"] == name:
                setting = entry["setting"].replace(".settings.", ".").replace(".containers.", ".")
                planned.setdefault(f"`{setting}` {entry['planned']}", []).append(tier)
        cells = [
            text if len(where) == len(TIERS) else f"{text} ({', '.join(where)})" for text, where in planned.items()]
        shown = "<br>".join(cells) or "only with many backends"
        restore = plain(deviation.entry("", "")["restore"])
        lines.append("| `{}` | {} | {} | {} | {} |".format(
            name, plain(deviation.document), plain(shown), plain(deviation.reason),
            restore if deviation.restore else f"`{restore}`"))
    return lines


#: What was planned for them before the load of the users was held against every service, in the order of the rows.
BEFORE = {
    "minimum": (512, 1, "2750 kB x 1", "8, 2", 525, "20 + 5", 40, 2048, 128, 1),
    "small": (512, 1, "2750 kB x 1", "8, 2", 525, "20 + 5", 40, 2048, 128, 1),
    "medium": (2048, 2, "12787 kB x 2", "8, 2", 2612, "20 + 5", 50, 2048, 256, 2),
    "large": (4096, 4, "28339 kB x 2", "4, 2", 5028, "20 + 5", 80, 4096, 256, 3),
    "large, 500 users": (4096, 4, "28339 kB x 2", "4, 2", 5028, "20 + 5", 120, 4096, 256, 5),
    "5000 users": (4096, 4, "28339 kB x 2", "4, 2", 5028, "20 + 5", 840, 4096, 256, 41),
}


def before_table() -> list[str]:
    """The plans of the document's hosts, and of 500 and 5000 users, as they were and as they are."""
    now = [*hosts_of_tiers().values(), sizing.plan(recommended()["large"], {"users": 500}),
           sizing.plan(comparison.needed_host({"users": 5000})["capacity"], {"users": 5000})]
    rows = []
    for plan in now:
        services = plan["services"]
        database, settings, connections = (
            services["postgres"], services["postgres"]["settings"], plan["totals"]["connections"])
        rows.append((
            database["memory_limit_mb"], f"{database['cpus']:g}",
            f"{settings['work_mem_kb']} kB x {settings['hash_mem_multiplier']:g}",
            f"{settings['max_parallel_workers']}, {settings['max_parallel_workers_per_gather']}",
            settings["peak_memory_mb"], f"{connections['pool']} + {connections['reserve']}", connections["application"],
            services["redis"]["memory_limit_mb"], services["caddy"]["memory_limit_mb"], services["api"]["instances"]))
    lines = table("", *BEFORE)
    for place, title in enumerate((
            "PostgreSQL, MiB", "PostgreSQL, cores", "`work_mem` x `hash_mem_multiplier`",
            "parallel workers, per gather", "worst case of PostgreSQL, all counted, MiB", "pool and reserve",
            "connections of the application", "Redis, MiB", "Caddy, MiB", "API instances")):
        cells = [str(after[place]) if str(before[place]) == str(after[place]) else f"{before[place]} → {after[place]}"
                 for before, after in zip(BEFORE.values(), rows, strict=True)]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return lines


def limits_page() -> list[str]:
    """What each figure that can be set may be at least and at most."""
    found: dict[tuple[str, str], str] = {}
    for plan in (*hosts_of_tiers().values(),):
        for path, explained in plan["explain"].items():
            if not explained["derived"] and not isinstance(explained["value"], str):
                sheet, _, name = path.replace(".settings.", ".").replace(".containers.", ".").rpartition(".")
                found.setdefault((sheet, name), explained["unit"])
    lines = [
        "# Bounds of the figures", "",
        "What a figure below `trenova_plan_overrides` may be at least and at most, by the software that reads it.",
        "Beyond its bounds a plan is refused (R9), and says what is allowed. Bounds that hang on the host or on other",
        "figures of the plan are in the last column. Words are checked against those that the software knows.", ""]
    rows = {}
    for (sheet, name), unit in found.items():
        key = f"{sheet}.{name}" if f"{sheet}.{name}" in limits.LIMITS else f"*.{name}"
        rows[key] = (limits.limit_of(sheet, name), unit)
    lines += table("figure", "least", "most", "unit", "source", "and besides")
    for key, (limit, unit) in sorted(rows.items(), key=lambda row: (not row[0].startswith("*"), row[0])):
        lines.append(f"| `{key}` | {limit.least:g} | {limit.most} | {unit} | {plain(limit.source)} | {limit.within} |")
    return [*lines, "", "`*` is every service and every kind of its containers.", "", MADE.format(f"{SIZING}/")]


def refusal_example() -> list[str]:
    """What a host with too little memory is told."""
    plan = sizing.plan(comparison.imagined(8, 8, 100), {"tier": "small"})
    return [line for refusal in plan["refusals"] for line in (f"> {refusal['text']}", "")][:-1]


def plans_page() -> list[str]:
    """Whole plans: of each tier on its recommended host, and of hosts that fit none."""
    lines = [
        "# Plans", "",
        "What `playbooks/plan.yml` prints for the hosts that the requirements recommend, and for three odd ones.", ""]
    looks = catalogue.looks({role: str(ROOT / "roles" / role) for role in catalogue.own_roles()})
    hosts = [(f"Tier {tier}", capacity, {"tier": tier}) for tier, capacity in recommended().items()]
    for title, capacity, intent in [*hosts, *ODD_HOSTS]:
        shown = {"comparison": comparison.compare_tiers(capacity, intent), "needed": comparison.needed_host(intent)}
        table_lines = plan_table("erp1", sizing.plan(capacity, intent), looks, **shown)
        lines += [f"## {title}", "", "```text", *table_lines, "```", ""]
    capacities = {name: recommended()[tier] for name, tier in SEVERAL.items()}
    lines += ["## Several hosts, 300 users", "", "app2 and app3 are as app1.", ""]
    for name, plan in sizing.plan_hosts(capacities, PLACES, {"users": 300}).items():
        if name not in _APPS[1:]:
            lines += ["```text", *plan_table(name, plan, looks), "```", ""]
    return [*lines, MADE.format(f"{SIZING}/")]


def sizing_page() -> list[str]:
    """docs/sizing.md with its tables made anew."""
    made = {
        "users": users_table, "tiers": tiers_table, "balanced": balanced_table, "deviations": deviations_table,
        "refusal": refusal_example, "before": before_table}

    def block(found: re.Match) -> str:
        return found.group(1) + "\n".join(made[found.group(2)]()) + "\n" + found.group(3)

    return BLOCK.sub(block, (ROOT / "docs/sizing.md").read_text()).splitlines()
