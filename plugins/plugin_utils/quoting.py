# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A text as the reader of a file takes it back, letter by letter: what each grammar quotes and escapes.

Templates write texts of the inventory with the filter `quoted`; shells have `quote`, YAML and JSON their own filters.
"""

from __future__ import annotations

import json
import re
import unicodedata

#: What the reader of rclone's file replaces by another value.
INI_REFERENCE = re.compile(r"%\([^)]+\)s")


def has_control(text):
    """Whether a text holds a line break or another character that no line of a file can hold."""
    return any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in text)


def quoted(text, grammar):
    """A text in the notation of a grammar, one of GRAMMARS.

    Raises ValueError, without the text, for one that it cannot hold: a line break, in each of them.
    """
    text = str(text)
    if grammar not in GRAMMARS:
        raise ValueError(f"there is no grammar {grammar}; there is: {', '.join(sorted(GRAMMARS))}")
    if has_control(text):
        raise ValueError(f"a text with a line break or another control character cannot be written for {grammar}")
    return GRAMMARS[grammar](text)


def _escaped(text, *characters):
    for character in characters:
        text = text.replace(character, "\\" + character)
    return text


def _caddyfile(text):
    """Between quotes, a backslash may escape; between backticks, nothing; lines up to a word of one's own hold all."""
    if not set(text) & {'"', "\\"}:
        return f'"{text}"'
    if "`" not in text:
        return f"`{text}`"
    word = "TEXT"
    while word in text:
        word += "X"
    return f"<<{word}\n{text}\n{word}"


def _compose(text):
    """YAML, in which Compose takes a dollar for the beginning of a variable."""
    return json.dumps(text, ensure_ascii=False).replace("$", "$$")


def _ini(text):
    """As it is, where nothing of it would be taken off; or else up to the last backtick of the line."""
    if INI_REFERENCE.search(text):
        raise ValueError("a text with %(...)s cannot be written for ini, whose reader would replace that")
    return text if text == text.strip() and text[:1] not in ('"', "`") else f"`{text}`"


GRAMMARS = {
    "caddyfile": _caddyfile,
    "compose": _compose,
    "ini": _ini,
    # https://www.postgresql.org/docs/current/libpq-pgpass.html
    "pgpass": lambda text: _escaped(text, "\\", ":"),
    # https://www.postgresql.org/docs/current/config-setting.html
    "postgresql": lambda text: "'{}'".format(_escaped(text, "\\").replace("'", "''")),
    "sql": lambda text: "'{}'".format(text.replace("'", "''")),
    # https://www.pgbouncer.org/config.html#authentication-file-format
    "userlist": lambda text: '"{}"'.format(text.replace('"', '""')),
}
