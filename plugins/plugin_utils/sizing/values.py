# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Reads single values as people and inventories write them: one sentence says what was expected and what was found."""

from __future__ import annotations

import difflib
import json
import math
import re

#: Beyond this no host exists, and floats stop being exact.
LARGEST_NUMBER = 10**15
#: A number as INI files and the command line hand it over, in the digits that YAML has for numbers: to YAML, 1e3 is
#: text, and 1_000 is a thousand in one version of it and text in the next.
_PLAIN = re.compile(r"\s*[-+]?(?:\d+\.?\d*|\.\d+)\s*", re.ASCII)
#: An amount with its unit, as people write it: 12GB, 12 GiB, 512m.
_WITH_UNIT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt])i?b?\s*", re.IGNORECASE | re.ASCII)
#: Units of figures: the base and the power that an amount with a unit of its own is converted by.
UNITS = {"kB": (1024, 1), "MiB": (1024, 2), "GB": (1000, 3)}
_POWERS = {"k": 1, "m": 2, "g": 3, "t": 4}

#: The words of YAML and INI for a boolean.
TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def number(value):
    """An int or float from a number or its text (`-e users=50` hands over text).

    Raises ValueError for anything else: booleans, NaN, infinities and numbers that no host has.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)) or (
            isinstance(value, str) and not _PLAIN.fullmatch(value)):
        raise ValueError(f"expected a number, got {shown(value)}")
    try:
        result = float(value)
    except (ValueError, OverflowError):
        raise ValueError(f"expected a number, got {shown(value)}") from None
    if math.isnan(result) or abs(result) > LARGEST_NUMBER:
        raise ValueError(f"expected a number, got {shown(value)}")
    return int(result) if result.is_integer() else result


def whole(value):
    """A whole number. Raises ValueError otherwise."""
    try:
        result = number(value)
    except ValueError:
        result = None
    if not isinstance(result, int):
        raise ValueError(f"expected a whole number, got {shown(value)}")
    return result


def flag(value):
    """A boolean, or the words an INI inventory leaves as text. Raises ValueError otherwise."""
    truth = value if isinstance(value, bool) else TRUTH.get(value.lower()) if isinstance(value, str) else None
    if truth is None:
        raise ValueError(f"expected true or false, got {shown(value)}")
    return truth


def choice(value, choices):
    """One of some words. Raises ValueError with the nearest of them otherwise."""
    if not isinstance(value, str) or value not in choices:
        message = "expected one of {}; got {}".format(", ".join(choices), shown(value))
        raise ValueError(message + did_you_mean(value, choices))
    return str(value)


def shown(value):
    """A value in a message, cut to a readable length."""
    try:
        text = json.dumps(str(value), ensure_ascii=False) if isinstance(value, str) else " ".join(repr(value).split())
    except ValueError:  # a number of thousands of digits
        text = "a number of thousands of digits"
    return text if len(text) <= 60 else text[:57] + "..."


def did_you_mean(name, known):
    """`. Did you mean x?` for a name that is close to a known one, else nothing."""
    close = difflib.get_close_matches(name[:100], list(known), n=1, cutoff=0.65) if isinstance(name, str) else []
    return f". Did you mean {close[0]}?" if close else ""


def without_unit(value, unit):
    """A value that stands for an amount in a unit, as it is. Raises ValueError, with what to write, for text that has
    a unit of its own: memory is sold in powers of 1024, disks in those of 1000, whatever the letters say."""
    base, power = UNITS[unit]
    match = _WITH_UNIT.fullmatch(value) if isinstance(value, str) else None
    if match:
        meant = float(match.group(1)) * base ** (_POWERS[match.group(2).lower()] - power)
        raise ValueError(f"expected {unit} as a plain number, got {shown(value)}; write {meant:.10g}")
    return value
