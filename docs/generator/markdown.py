# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the pages are made of."""

from __future__ import annotations

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
MARKUP = re.compile(r"\b([CVOMBI])\(([^()]*(?:\([^()]*\)[^()]*)*)\)")
MADE = "_Generated from `{}` by `make docs`._"


def plain(text: str | list[str]) -> str:
    """Text of a specification as Markdown: semantic markup becomes code, paragraphs become sentences of one cell."""
    joined = " ".join(text) if isinstance(text, list) else text
    return MARKUP.sub(r"`\2`", " ".join(joined.split())).replace("|", "\\|")


def paragraphs(text: str | list[str]) -> list[str]:
    """Paragraphs of a description, with an empty line after each."""
    return [line for paragraph in ([text] if isinstance(text, str) else text) for line in (plain(paragraph), "")]


def table(*columns: str) -> list[str]:
    """Head of a table."""
    return ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
