# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Bars and funnels as inline SVG.

Widths are percentages of the place that a picture gets, heights and letters are pixels: on a narrow screen the bars
become shorter and the letters stay readable. Colours are classes, which the page defines for light, dark and paper.
"""

from __future__ import annotations

from html import escape
from typing import NamedTuple

#: From this share of a bar on, in percent, there is room for a name in it on a wide and on a narrow screen.
_NAMED_WIDE, _NAMED_NARROW = 7, 22


class Part(NamedTuple):
    """A part of a bar: what it is called, how large it is, its class, and its amount in words."""

    name: str
    value: float
    kind: str
    says: str


def picture(identity, title, description, height, parts):
    """An SVG with a title and a description that a screen reader reads."""
    return (
        f'<svg role="img" aria-labelledby="{identity}-t {identity}-d" width="100%" height="{height}">'
        f'<title id="{identity}-t">{escape(title)}</title><desc id="{identity}-d">{escape(description)}</desc>'
        + "".join(parts) + "</svg>")


def percent(value):
    """A coordinate in percent, with as many places as can be seen."""
    return f"{round(value, 3):g}%"


def rectangle(left, top, width, height, kind, tip=""):
    """A rectangle; left and width in percent, the rest in pixels."""
    inner = f"<title>{escape(tip)}</title>" if tip else ""
    return (f'<rect x="{percent(left)}" y="{top}" width="{percent(width)}" height="{height}" '
            f'class="{escape(kind)}">{inner}</rect>')


def words(left, baseline, text, kind="", anchor="start"):
    """A line of text that begins, or ends, at so many percent."""
    return (f'<text x="{percent(left)}" y="{baseline}" class="{escape(kind)}" text-anchor="{anchor}">'
            f"{escape(text)}</text>")


def rule(left, top, bottom, kind):
    """A vertical line."""
    return f'<line x1="{percent(left)}" x2="{percent(left)}" y1="{top}" y2="{bottom}" class="{escape(kind)}"/>'


def slope(left, right, top, below_left, below_right, height, kind):
    """What leads from one width to another below it; all but heights in percent."""
    points = f"{left:g},0 {right:g},0 {below_right:g},1 {below_left:g},1"
    return (f'<svg x="0" y="{top}" width="100%" height="{height}" viewBox="0 0 100 1" preserveAspectRatio="none">'
            f'<polygon points="{points}" class="{escape(kind)}"/></svg>')


def stacked(parts, whole, top, height, left=0.0, width=100.0, named=True):
    """Parts beside each other, as shares of a whole that fills the width."""
    drawn, position = [], left
    for part in parts:
        share = width * part.value / whole if whole else 0
        drawn.append(rectangle(position, top, share, height, part.kind, f"{part.name}: {part.says}"))
        if named and share >= _NAMED_WIDE:
            room = "name" if share >= _NAMED_NARROW else "name wide"
            # A nested SVG cuts off what does not fit.
            drawn.append(
                f'<svg x="{percent(position)}" y="{top}" width="{percent(share)}" height="{height}" class="{room}">'
                + words(50, height // 2 + 5, part.name, f"on-{part.kind}", "middle") + "</svg>")
        position += share
    return "".join(drawn)
