# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Checks the arguments of the formulas: one sentence says what was understood and what to write instead.

`formula` marks a public function and holds the rule for all of them: what is annotated as a number is one, finite, not
negative unless the function says so, and of a size that a host may have.
"""

from __future__ import annotations

import functools
import inspect
import math
import re

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import values

#: More than this of anything is a number of another unit, and products of two would be infinite at last.
MOST = 10 ** 12
#: Less than this is as good as nothing, and what is divided by it infinite.
_LEAST_ABOVE_ZERO = 1e-9
#: Memory in kB is 1024 times as much.
_MOST_KB = 1024 * MOST
#: Memory as people write it. MB and MiB are both 1024 kB, as PostgreSQL and Docker count.
_MEMORY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:([kmgt])(?:i?b)?)?\s*", re.IGNORECASE | re.ASCII)
_KB = {"k": 1, "m": 1024, "g": 1024 ** 2, "t": 1024 ** 3}


def formula(function=None, /, **bounds):
    """Check what a function is given, by the annotations of its parameters, before it calculates with it.

    An `int` is a whole number, a `float` any, both from 0 on; a `bool` is one; `int | None` lets None pass.
    `bounds` say more of a parameter: its least value, (least, most), the words that it may be, or a function of name
    and value, such as `part`. What is annotated otherwise the function checks itself.
    """
    if function is None:
        return functools.partial(formula, **bounds)
    parameters = inspect.signature(function).parameters
    checks = {name: _check_of(name, parameter, bounds.get(name)) for name, parameter in parameters.items()}
    in_order = list(checks.values())

    @functools.wraps(function)
    def checked(*given, **named):
        if named:
            named = {name: checks.get(name, _anything)(value) for name, value in named.items()}
        # More arguments than there are parameters the function refuses itself.
        values_ = [check(value) for check, value in zip(in_order, given, strict=False)] + list(given[len(in_order):])
        return function(*values_, **named)

    first = in_order[0] if len(in_order) == 1 else None

    @functools.wraps(function)
    def checked_one(*given, **named):
        return function(first(given[0])) if len(given) == 1 and not named else checked(*given, **named)

    return checked_one if first else checked


def _check_of(name, parameter, bound):
    """The check of one parameter, as a function of its value."""
    kind, _bar, optional = str(parameter.annotation).partition(" | ")
    if callable(bound):
        check = functools.partial(bound, name)
    elif isinstance(bound, tuple) and isinstance(bound[0], str):
        check = functools.partial(choice, name, choices=bound)
    elif kind in ("int", "float"):
        least, most = bound if isinstance(bound, tuple) else (bound or 0, None)
        check = _number_check(name, kind, least, most)
    elif kind == "bool":
        check = functools.partial(_converted, name, convert=values.flag)
    else:
        return _anything
    if optional == "None":
        return lambda value: None if value is None else check(value)
    return check


def _number_check(name, kind, least, most):
    """The check of a number; of what is one and within its bounds it only looks at that."""
    slowly, highest = whole if kind == "int" else amount, _most(name, most)
    types = (int,) if kind == "int" else (int, float)

    def check(value):
        return value if type(value) in types and least <= value <= highest else slowly(name, value, least, most)

    return check


def _anything(value):
    return value


def amount(name: str, value, least: float = 0, most: float | None = None):
    """A number within bounds, in the unit that the name says. Raises ValueError for anything else, NaN included."""
    result = value if type(value) in (int, float) else _converted(name, value, values.number)
    if least <= result <= _most(name, most):
        return result
    return _refuse(name, value, "a number", values.number, least, most)


def above_zero(name: str, value):
    """A number above 0. Raises ValueError otherwise."""
    result = amount(name, value)
    if result < _LEAST_ABOVE_ZERO:
        raise ValueError(f"{name}: expected a number above 0, got {values.shown(value)}")
    return result


def whole(name: str, value, least: int = 0, most: int | None = None) -> int:
    """A whole number within bounds. Raises ValueError otherwise."""
    result = value if type(value) in (int, float) else _converted(name, value, values.whole)
    if least <= result <= _most(name, most) and result == int(result):
        return int(result)
    return _refuse(name, value, "a whole number", values.whole, least, most)


def part(name: str, value):
    """A part of one. Raises ValueError otherwise, and says how a percentage is written."""
    result = amount(name, value)
    if result > 1:
        hint = f"; for {result:g} % write {result / 100:g}" if result <= 100 else ""
        raise ValueError(f"{name}: expected a part between 0 and 1, got {values.shown(value)}{hint}")
    return result


def choice(name: str, value, choices) -> str:
    """One of some words. Raises ValueError with all of them otherwise."""
    return _converted(name, value, lambda word: values.choice(word, choices))


def memory_kb(name: str, value) -> int:
    """Memory in whole kB of a number of MiB or of text with a unit ("512MB", "4GB"). Raises ValueError otherwise."""
    match = _MEMORY.fullmatch(value) if isinstance(value, str) else None
    if match:
        result = float(match.group(1)) * _KB[(match.group(2) or "m").lower()]
    elif type(value) in (int, float):
        result = value * 1024
    else:
        result = 0
    if not 1 <= result <= _MOST_KB:
        raise ValueError(
            f'{name}: expected MiB as a number above 0 or text such as "512MB" or "4GB", got {values.shown(value)}')
    return int(result)


def _most(name: str, most: float | None) -> float:
    """The upper bound of an argument: its own, or that of any."""
    if most is not None:
        return most
    return _MOST_KB if name.endswith("_kb") else MOST


def _converted(name, value, convert):
    try:
        return convert(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _refuse(name, value, kind, convert, least, most):
    """Say what is wrong with a number that is not within its bounds, or that is none: NaN, or beyond all numbers."""
    result = value if isinstance(value, float) and math.isfinite(value) else _converted(name, value, convert)
    wanted = f"between {least:g} and {most:g}" if most is not None else (
        f"of at most {_most(name, most):g}" if result > _most(name, most) else f"of at least {least:g}")
    raise ValueError(f"{name}: expected {kind} {wanted}, got {values.shown(value)}")
