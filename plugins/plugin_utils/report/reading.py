# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a table and a page say alike of a plan."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import words
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.disk import FULL_SHARE, GROWTH_SHARES
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import plain
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.services import containers_of
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.words import counted

#: Endings of names that repeat the unit.
_UNIT_ENDINGS = {"MiB": "_mb", "kB": "_kb", "GB": "_gb", "MB": "_mb", "s": "_seconds", "ms": "_ms"}


def verdict(plan):
    """(word, sentence): what a plan says of carrying it out."""
    warnings, refusals = len(plan["warnings"]), len(plan["refusals"])
    if refusals:
        return "refused", f"Refused for {counted(refusals, 'reason')}; nothing is deployed before they are settled."
    if warnings:
        return "warnings", f"It can be carried out, with {counted(warnings, 'warning')}."
    return "fits", "It fits, without a warning."


def label(name, unit):
    """Name of a figure without the unit that stands beside its value."""
    ending = _UNIT_ENDINGS.get(unit)
    return name[:-len(ending)] if ending and name.endswith(ending) else name


def amount(value, unit=""):
    """A value with its unit, as `512 MiB`, `1 thread`; nothing is a dash."""
    if value is None:
        return "–"
    if isinstance(value, (list, tuple)):
        return ", ".join(amount(entry) for entry in value) or "–"
    return words.amount(value, unit)


def found_of(entry):
    """What a refusal, a warning or a note found, without what helps, which stands beside it."""
    return entry["text"].partition(" This host fits ")[0].partition(" What helps, cheapest first: ")[0]


def steps_of(entry):
    """What helps against a refusal or a warning, cheapest first; nothing where that is not said."""
    return list(entry.get("remedy") or [])


def asked_of_host(plan):
    """The lines of the requirements on the host, as the plan holds them beside what is here; none in an older plan."""
    return (plan.get("requirements") or {}).get("lines", [])


def network_of(plan):
    """What the plan says of the line to the world; None in an older plan."""
    return (plan.get("requirements") or {}).get("network")


def duration(seconds):
    """A time as a person says it: `20 s`, `34 min`, `5.6 h`, `2.3 days`."""
    for unit, length in (("days", 2 * 86400), ("h", 2 * 3600), ("min", 2 * 60)):
        if seconds >= length:
            number = seconds / {"days": 86400, "h": 3600, "min": 60}[unit]
            return f"{plain(round(number, 1 if number < 10 else None))} {unit}"
    return f"{plain(round(seconds))} s"


def copies(network):
    """How long all data travel over the lines that the requirements name, in words; nothing where there are none."""
    if not network or not network["copy_gb"]:
        return ""
    times = ", ".join("{} at {} Mbit/s".format(duration(copy["seconds"]), copy["mbps"]) for copy in network["copies"])
    return (f"A copy of all data that is planned for ({amount(network['copy_gb'], 'GB')}) takes {times}; "
            f"the requirements recommend {network['recommended_mbps']} Mbit/s up and down")


def size(memory_mb):
    """An amount of memory as a person says it: MiB up to 10 GiB, then GiB."""
    if memory_mb < 10 * 1024:
        return f"{plain(memory_mb)} MiB"
    return f"{plain(round(memory_mb / 1024, 1))} GiB"


def totals_of(entry):
    """(memory limit, reservation in MiB, CPU cores) of all containers of a service."""
    return tuple(
        sum(figures["count"] * (figures.get(name) or 0) for figures in containers_of(entry).values())
        for name in ("memory_limit_mb", "memory_reservation_mb", "cpus"))


def containers(service, entry):
    """`api x 3 + 2 workers`: a service with the number of its containers, where it is not one."""
    counts = {kind: figures["count"] for kind, figures in containers_of(entry).items()}
    main = counts.pop("main")
    others = [counted(count, kind) for kind, count in counts.items() if count]
    return " + ".join([service if main == 1 else f"{service} x {main}", *others])


def runway(disk):
    """How long the disk lasts, in words: until so much of it is full that somebody must act, and until it is full."""
    days = disk.get("runway_days")
    if days is None:
        grows = GROWTH_SHARES.keys() & {item["name"] for item in disk["items"]}
        return "no growth is known: set trenova_users" if grows else "nothing on it grows with the users"
    if days > 10 * 365:
        return "the disk lasts more than ten years"
    told = f"{FULL_SHARE * 100:.0f} % full {_after(days)}"
    full = disk.get("full_days")
    return told if full is None else f"{told}, full {_after(full)}"


def _after(days):
    """`in 110 days`, `in 730 days (2.0 years)`, `from the first day on`."""
    if days < 1:
        return "from the first day on"
    return f"in {counted(int(days), 'day')}" + (f" ({days / 365:.1f} years)" if days >= 365 else "")


def figure_path(service, name, is_setting):
    """Where the explanation of a figure stands."""
    return f"{service}.settings.{name}" if is_setting else f"{service}.{name}"


def set_by(path):
    """The name below `trenova_plan_overrides` of a figure by its path in the plan."""
    return path.replace(".settings.", ".").replace(".containers.", ".")


def figures_of(service, entry):
    """(path, name, value) of each figure of a service, as a plan or an applied part holds it.

    The name is the one by which an operator sets it below the service: `memory_limit_mb`, `worker.memory_limit_mb`.
    """
    for name, value in entry.items():
        if name not in ("settings", "containers"):
            yield figure_path(service, name, False), name, value
    for name, value in (entry.get("settings") or {}).items():
        yield figure_path(service, name, True), name, value
    for kind, figures in (entry.get("containers") or {}).items():
        for path, name, value in figures_of(f"{service}.containers.{kind}", figures):
            yield path, f"{kind}.{name}", value
