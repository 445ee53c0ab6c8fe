# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Where the shapes of bars and funnels stand; the templates draw them as inline SVG.

Widths are percentages of the place that a picture gets, heights and letters are pixels: on a narrow screen the bars
become shorter and the letters stay readable. Colours are kinds, which the page defines for light, dark and paper.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

#: From this share of a bar on, in percent, there is room for a name in it on a wide and on a narrow screen, and for
#: each letter of it.
_NAMED_WIDE, _NAMED_NARROW = 7, 22
_LETTER_WIDE, _LETTER_NARROW = 0.8, 2


class Part(NamedTuple):
    """A part of a bar: what it is called, how large it is, its kind, and its amount in words."""

    name: str
    value: float
    kind: str
    says: str


@dataclass(frozen=True)
class Rectangle:
    """Left and width in percent, the rest in pixels."""

    form: ClassVar[str] = "rectangle"
    left: float
    top: float
    width: float
    height: float
    kind: str
    tip: str = ""


@dataclass(frozen=True)
class Name:
    """A name in the middle of a part of a bar, cut off where it does not fit; `is_wide` needs a wide screen."""

    form: ClassVar[str] = "name"
    left: float
    top: float
    width: float
    height: float
    kind: str
    text: str
    is_wide: bool


@dataclass(frozen=True)
class Words:
    """A line of text that begins, or ends, at so many percent."""

    form: ClassVar[str] = "words"
    left: float
    baseline: float
    text: str
    anchor: str = "start"


@dataclass(frozen=True)
class Edge:
    """A vertical line where something ends."""

    form: ClassVar[str] = "edge"
    left: float
    top: float
    bottom: float


@dataclass(frozen=True)
class Slope:
    """What leads from one width to another below it; all but top and height in percent."""

    form: ClassVar[str] = "slope"
    left: float
    right: float
    below_left: float
    below_right: float
    top: float
    height: float


@dataclass(frozen=True)
class Picture:
    """Shapes, with a name that is unique on the page, and a title and a description that a screen reader reads."""

    key: str
    title: str
    description: str
    height: float
    shapes: list


def percent(value):
    """A coordinate in percent, with as many places as can be seen."""
    return f"{round(value, 3):g}%"


def stacked(parts, whole, top, height, left=0.0, width=100.0, named=True):
    """Shapes of parts beside each other, as shares of a whole that fills the width."""
    shapes, position = [], left
    for part in parts:
        share = width * part.value / whole if whole else 0
        shapes.append(Rectangle(position, top, share, height, part.kind, f"{part.name}: {part.says}"))
        wide, narrow = (max(least, letter * len(part.name)) for least, letter in (
            (_NAMED_WIDE, _LETTER_WIDE), (_NAMED_NARROW, _LETTER_NARROW)))
        if named and share >= wide:
            shapes.append(Name(position, top, share, height, part.kind, part.name, share < narrow))
        position += share
    return shapes
