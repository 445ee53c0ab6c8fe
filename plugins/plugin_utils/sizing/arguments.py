# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Checks the arguments of the formulas: one sentence says what was understood and what to write instead."""

from __future__ import annotations

import math
import re

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import inputs

#: Memory as people write it. MB and MiB are both 1024 kB, as PostgreSQL and Docker count.
_MEMORY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:([kmgt])(?:i?b)?)?\s*", re.IGNORECASE)
_KB = {"k": 1, "m": 1024, "g": 1024 ** 2, "t": 1024 ** 3}


def amount(name: str, value, least: float = 0, most: float | None = None):
    """A number within bounds, in the unit that the name says. Raises ValueError for anything else, NaN included."""
    result = value if _is_number(value) else _converted(name, value, inputs.number)
    if result < least or most is not None and result > most:
        raise ValueError(f"{name}: expected {_wanted('a number', least, most)}, got {inputs.shown(value)}")
    return result


def above_zero(name: str, value):
    """A number above 0. Raises ValueError otherwise."""
    result = amount(name, value)
    if not result:
        raise ValueError(f"{name}: expected a number above 0, got {inputs.shown(value)}")
    return result


def whole(name: str, value, least: int = 0, most: int | None = None) -> int:
    """A whole number within bounds. Raises ValueError otherwise."""
    result = value if _is_number(value) else _converted(name, value, inputs.whole)
    if result != int(result) or result < least or most is not None and result > most:
        raise ValueError(f"{name}: expected {_wanted('a whole number', least, most)}, got {inputs.shown(value)}")
    return int(result)


def part(name: str, value):
    """A part of one. Raises ValueError otherwise, and says how a percentage is written."""
    result = amount(name, value)
    if result > 1:
        hint = f"; for {result:g} % write {result / 100:g}" if result <= 100 else ""
        raise ValueError(f"{name}: expected a part between 0 and 1, got {inputs.shown(value)}{hint}")
    return result


def choice(name: str, value, choices) -> str:
    """One of some words. Raises ValueError with all of them otherwise."""
    return _converted(name, value, lambda word: inputs.choice(word, choices))


def memory_kb(name: str, value) -> int:
    """Memory in whole kB of a number of MiB or of text with a unit ("512MB", "4GB"). Raises ValueError otherwise."""
    match = _MEMORY.fullmatch(value) if isinstance(value, str) else None
    if match:
        result = float(match.group(1)) * _KB[(match.group(2) or "m").lower()]
    elif _is_number(value):
        result = value * 1024
    else:
        result = 0
    if result < 1:
        raise ValueError(
            f'{name}: expected MiB as a number above 0 or text such as "512MB" or "4GB", got {inputs.shown(value)}')
    return int(result)


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _converted(name, value, convert):
    try:
        return convert(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _wanted(kind, least, most) -> str:
    return f"{kind} of at least {least:g}" if most is None else f"{kind} between {least:g} and {most:g}"
