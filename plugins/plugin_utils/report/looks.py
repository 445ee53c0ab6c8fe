# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How a service is shown: its title, its colour, and the settings that a reader looks for first."""

from __future__ import annotations

import re
import zlib
from typing import Any

#: Colours of services that name none: greys with a tint, so that they stand back behind chosen ones.
NEUTRAL = (
    {"light": "#6b7280", "dark": "#8b94a3"}, {"light": "#7d7461", "dark": "#a39a86"},
    {"light": "#5f7a6b", "dark": "#86a393"}, {"light": "#7a6580", "dark": "#a48fab"},
    {"light": "#5c7688", "dark": "#86a1b3"}, {"light": "#85685c", "dark": "#b09184"},
)
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")
#: Contrast that letters need with what they stand on: WCAG's for pictures and large letters.
_LEAST_CONTRAST = 3


def look_of(service, description=None) -> dict[str, Any]:
    """{"title", "colour", "highlights"} of a service, from its description where that says so.

    `colour` is {"light", "dark"}, as #rrggbb. One that is not named is chosen by the service's name, so that it is the
    same each time; the title is then the name, and no setting stands out.
    """
    said = description or {}
    return {
        "title": said.get("title", str(service)),
        "colour": said.get("colour", NEUTRAL[zlib.crc32(str(service).encode("utf-8")) % len(NEUTRAL)]),
        "highlights": said.get("highlights", [])}


def look_faults(description) -> list[str]:
    """What is wrong with the look that a description gives; each as `key: expected ..., got ...`."""
    wanted = {
        "title": (_is_plain, "plain text, no expression"),
        "colour": (_is_colour, '{light: "#rrggbb", dark: "#rrggbb"}'),
        "highlights": (_are_names, "a list of settings"),
    }
    return [
        f"{key}: expected {expected}, got {description[key]!r}"
        for key, (is_right, expected) in wanted.items() if key in description and not is_right(description[key])]


def letters_on(colour) -> str:
    """Colour of letters on a colour (#rrggbb): white where that can be read."""
    return "#ffffff" if 1.05 / (_luminance(colour) + 0.05) >= _LEAST_CONTRAST else "#14202c"


def _luminance(colour):
    """Relative luminance of a colour as WCAG defines it, 0 to 1."""
    channels = (int(colour[place:place + 2], 16) / 255 for place in (1, 3, 5))
    linear = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels)
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _is_plain(value):
    return isinstance(value, str) and bool(value.strip()) and "{{" not in value


def _is_colour(value):
    return isinstance(value, dict) and set(value) == {"light", "dark"} and all(
        isinstance(colour, str) and _COLOUR.fullmatch(colour) for colour in value.values())


def _are_names(value):
    return isinstance(value, list) and all(isinstance(name, str) for name in value)
