# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Files as those read them that they are written for: their grammars, as far as our files go."""

from __future__ import annotations

import json
import re
import shlex
from typing import NamedTuple

import yaml


def read(path, text):
    """Content of a file in the form in which its reader has it, lists and dictionaries of texts."""
    for ending, reader in READERS.items():
        if path.endswith(ending):
            return reader(text)
    return text.splitlines()


def with_text(value, mark, text):
    """A value with another text wherever a mark stands."""
    if isinstance(value, dict):
        return {with_text(key, mark, text): with_text(entry, mark, text) for key, entry in value.items()}
    if isinstance(value, list):
        return [with_text(entry, mark, text) for entry in value]
    return value.replace(mark, text) if isinstance(value, str) else value


# -- Caddy -------------------------------------------------------------------------------------------------------------


#: A word of a Caddyfile: in quotes, in backticks, up to a mark, or plain; comments and line ends.
CADDY_WORD = re.compile(
    r'"((?:\\"|[^"])*)"|`([^`]*)`|<<(\S+)\n(.*?)\3|#[^\n]*|([^\s]+)|(\n)|[^\S\n]+', re.DOTALL)


def caddyfile(text):
    """Lines of words. Between quotes, a backslash escapes a quote and nothing else."""
    lines, line = [], []
    for match in CADDY_WORD.finditer(text):
        quoted, raw, _mark, content, plain, end = match.groups()
        if quoted is not None:
            line.append(quoted.replace('\\"', '"'))
        elif content is not None:
            line.append(content.removesuffix("\n"))
        elif raw is not None or plain is not None:
            line.append(raw if plain is None else plain)
        elif end and line:
            lines.append(line)
            line = []
    return lines + ([line] if line else [])


def sites(text):
    """Addresses of the sites of a Caddyfile, a list for each."""
    depth, found = 0, []
    for line in caddyfile(text):
        if depth == 0 and line[-1] == "{" and len(line) > 1 and not line[0].startswith("("):
            found.append([word.rstrip(",") for word in line[:-1]])
        depth += (line[-1] == "{") - (line == ["}"])
    return found


# -- Compose -----------------------------------------------------------------------------------------------------------


class Published(NamedTuple):
    """A published port: address of the host, its port, the container's, and the protocol."""

    address: str | None
    outside: int
    inside: int
    protocol: str


def published(text):
    """A port in Compose's short notation; an IPv6 address stands in brackets."""
    found = re.fullmatch(r"(?:(\[[0-9a-f:]+\]|[0-9.]+):)?(\d+):(\d+)/(tcp|udp)", text)
    return Published(found[1] and found[1].strip("[]"), int(found[2]), int(found[3]), found[4])


def compose(text):
    """A file of Compose, with its own escapes of dollars resolved; digests are left out."""
    def plain(value):
        if isinstance(value, dict):
            return {key: plain(entry) for key, entry in value.items() if key != "trenova.digest"}
        if isinstance(value, list):
            return [plain(entry) for entry in value]
        return interpolated(value) if isinstance(value, str) else value

    return plain(yaml.safe_load(text))


def interpolated(text):
    """A text as Compose hands it on: a dollar begins a variable, two are one."""
    # A variable that nobody has set is nothing.
    return re.sub(r"\$(\$|\{[^}]*\}|[A-Za-z_][A-Za-z0-9_]*)", lambda match: "$" if match[1] == "$" else "", text)


# -- rclone, PostgreSQL, PgBouncer, systemd -------------------------------------------------------------------------


def ini(text):
    """Sections of rclone's file (goconfig): quotes around a value end with the last of their kind in the line."""
    found, section = {}, None
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "[" and line[-1] == "]":
            section = found.setdefault(line[1:-1].strip(), {})
            continue
        key, _separator, value = re.match(r"([^=:]+)([=:])(.*)", line).groups()
        value = value.strip()
        for quote in ("`", '"""', '"'):
            if len(value) >= 2 and value.startswith(quote):
                end = value.rfind(quote, len(quote))
                assert end >= 0, line
                value = value[len(quote):end]
                break
        assert not re.search(r"%\([^)]+\)s", value), line
        section[key.strip()] = value
    return found


def pgpass(text):
    """Fields of the lines of a password file of libpq."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [[re.sub(r"\\(.)", r"\1", field) for field in re.findall(r"((?:\\.|[^:\\])*)(?::|$)", line)[:5]]
            for line in lines]


def postgresql(text):
    """Parameters of postgresql.conf: quotes are doubled, and a backslash escapes."""
    found = {}
    for line in text.splitlines():
        match = re.fullmatch(r"\s*([A-Za-z_.]+)\s*=?\s*(?:'((?:''|\\.|[^'\\])*)'|([^\s'#]+))\s*(?:#.*)?", line)
        if match:
            quoted = re.sub(r"''|\\(.)", lambda part: "'" if part[0] == "''" else part[1], match[2] or "")
            found[match[1]] = match[3] or quoted
        else:
            assert not line.strip() or line.lstrip().startswith("#"), line
    return found


def sql(text):
    """Words and literals of SQL with standard strings; a literal is its content. Comments are left out."""
    pattern = r"--[^\n]*|'((?:''|[^'])*)'|\"((?:\"\"|[^\"])*)\"|(\$[a-z]*\$)|([A-Za-z_][\w.]*|\d+)|(\S)"
    found = []
    for match in re.finditer(pattern, text):
        literal, name, *words = match.groups()
        if match[0].startswith("--"):
            continue
        word = literal.replace("''", "'") if literal is not None else (
            name.replace('""', '"') if name is not None else next(each for each in words if each is not None))
        # A hash of what is secret says nothing, whatever it is made of.
        found.append("(hash)" if word.startswith(("SCRAM-SHA-256$", "$2b$", "$2y$")) else word)
    return found


def userlist(text):
    """Names and passwords of PgBouncer's list."""
    return [[field.replace('""', '"') for field in re.findall(r'"((?:""|[^"])*)"', line)]
            for line in text.splitlines() if line.strip()]


def settings(text):
    """Lines of a name and a value."""
    found = []
    for line in text.splitlines():
        if line.strip() and line.lstrip()[0] not in "#;":
            found.append([part.strip() for part in re.split(r"[=\s]", line.strip(), maxsplit=1)])
    return found


def shell(text):
    """Words of a script of the shell, line by line where that suffices; quotes may go over lines."""
    found, waiting = [], ""
    for line in text.splitlines():
        waiting = f"{waiting}\n{line}" if waiting else line
        try:
            found.append(shlex.split(waiting, comments=True))
            waiting = ""
        except ValueError:
            continue
    assert not waiting, waiting
    return found


def secrets_of_login(text):
    """The login of the dashboards, whose hash says nothing."""
    return [[re.sub(r"^\$2[aby]\$.*", "(hash)", word) for word in line] for line in caddyfile(text)]


READERS = {
    "compose.yaml": compose, ".yaml": yaml.safe_load, ".json": json.loads, "dashboard-login.caddy": secrets_of_login,
    "acme-eab.caddy": caddyfile, "Caddyfile": caddyfile, "rclone.conf": ini, "pgpass": pgpass,
    "userlist.txt": userlist, ".sql": sql, "postgresql.conf": postgresql, "reload.conf": postgresql, ".conf": settings,
    ".ini": settings, ".sh": shell, ".service": settings, ".timer": settings,
}
