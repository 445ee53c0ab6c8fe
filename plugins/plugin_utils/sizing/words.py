# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Numbers with what is counted, as a person writes them: one of something is no plural."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import plain

#: After these a plural has two letters more.
_HISSING = ("s", "x", "ch", "sh")


def counted(number, noun: str) -> str:
    """`1 user`, `2 users`, `0.5 CPU cores`, `3 processes`."""
    return f"{plain(number)} {noun if number == 1 else plural(noun)}"


def plural(noun: str) -> str:
    """More than one of a noun."""
    return noun + ("es" if noun.endswith(_HISSING) else "s")


def singular(unit: str) -> str:
    """One of what a unit of the plan counts: `cores` is `core`; `MiB`, `s` and `ms` are what they are."""
    if unit.endswith(tuple(ending + "es" for ending in ("ss", "x", "ch", "sh"))):
        return unit[:-2]
    return unit[:-1] if len(unit) > 2 and unit.endswith("s") else unit


def amount(value, unit: str = "") -> str:
    """A value with its unit: `512 MiB`, `1 thread`, `2 threads`."""
    one = value == 1 and not isinstance(value, bool)
    return f"{plain(value)} {singular(unit) if one else unit}".strip()
