# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a program's file says of itself: system, architecture, C library, and how Go built it.

Nothing is run: the file may be for another machine than this one. ELF is read as far as 64-bit Linux programs need it.
"""

from __future__ import annotations

import mmap
import re
import struct
from dataclasses import dataclass, field

ARCHITECTURES = {0x3E: "x86_64", 0xB7: "aarch64", 0x28: "arm", 0x03: "i386", 0xF3: "riscv64"}
#: Beginnings of files that are programs of something else.
OTHERS = (
    (b"MZ", "a program for Windows"), (b"\xcf\xfa\xed\xfe", "a program for macOS"),
    (b"\xca\xfe\xba\xbe", "a program for macOS"), (b"#!", "a script"), (b"PK", "an archive"),
    (b"\x1f\x8b", "a compressed file"), (b"version https://git-lfs", "a pointer of Git LFS, not the file"))
LOAD, DYNAMIC, INTERPRETER = 1, 2, 3
STRINGS, STRINGS_SIZE = 5, 10
GLIBC = re.compile(rb"GLIBC_(\d+)\.(\d+)")
GO_MAGIC, GO_HEADER_BYTES, GO_STRINGS_FOLLOW, GO_SENTINEL_BYTES = b"\xff Go buildinf:", 32, 2, 16


class NoProgram(ValueError):
    """The file is no Linux program; the text says what it is."""


@dataclass(frozen=True)
class Program:
    """A Linux program."""

    architecture: str
    #: Path of the dynamic loader; empty for a static program.
    loader: str = ""
    #: Newest version of glibc that it asks for; (0, 0) without.
    glibc: tuple[int, int] = (0, 0)
    #: Version of Go, "" for another language.
    go: str = ""
    #: Path of its Go module.
    module: str = ""
    #: Settings of the Go build: vcs.revision, vcs.time, GOARCH and so on.
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def is_musl(self) -> bool:
        """Whether it is built for the C library of Alpine."""
        return "musl" in self.loader


def read(path) -> Program:
    """Read a program's file. Raises NoProgram, and OSError as open() does."""
    with open(path, "rb") as stream:
        start = stream.read(64)
        if not start:
            raise NoProgram("is empty")
        if start[:4] != b"\x7fELF":
            what = next((what for beginning, what in OTHERS if start.startswith(beginning)), "no program")
            raise NoProgram(f"is {what}")
        if len(start) < 64 or start[4:6] != b"\x02\x01":
            raise NoProgram("is a program for a machine with another word size or byte order")
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            try:
                return _program(content)
            except (struct.error, IndexError, KeyError, OverflowError, ValueError) as error:
                raise NoProgram("is cut off or damaged") from error


def _program(content) -> Program:
    machine, = struct.unpack_from("<H", content, 18)
    segments = list(_segments(content))
    loader = next((_slice(content, offset, size) for kind, offset, _at, size in segments if kind == INTERPRETER), b"")
    asked = [(int(major), int(minor)) for major, minor in GLIBC.findall(_dynamic_strings(content, segments))]
    go, module, settings = _go(content)
    return Program(
        ARCHITECTURES.get(machine, f"machine {machine:#x}"), loader.rstrip(b"\0").decode(), max(asked, default=(0, 0)),
        go, module, settings)


def _segments(content):
    """(type, offset, address, size in the file) of each entry of the program header table."""
    table, = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    for number in range(count):
        kind, _flags, offset, address, _physical, length = struct.unpack_from("<IIQQQQ", content, table + number * size)
        yield kind, offset, address, length


def _dynamic_strings(content, segments):
    """The names that the loader looks at, versions of libraries among them; empty for a static program."""
    for kind, offset, _address, size in segments:
        if kind == DYNAMIC:
            entries = dict(struct.iter_unpack("<QQ", _slice(content, offset, size - size % 16)))
            wanted = entries.get(STRINGS, 0)
            for loaded, start, address, length in segments:
                if loaded == LOAD and address <= wanted < address + length:
                    return _slice(content, start + wanted - address, entries[STRINGS_SIZE])
    return b""


def _slice(content, offset, size):
    if offset + size > len(content):
        raise ValueError("beyond the end")
    return content[offset:offset + size]


def _go(content):
    """(version of Go, module, settings) as the linker wrote them; Go 1.18 and newer."""
    at = content.find(GO_MAGIC)
    if at < 0 or not content[at + 15] & GO_STRINGS_FOLLOW:
        return ("", "", {}) if at < 0 else ("unknown", "", {})
    version, at = _text(content, at + GO_HEADER_BYTES)
    told, _at = _text(content, at)
    text = told[GO_SENTINEL_BYTES:-GO_SENTINEL_BYTES].decode("utf-8", "replace")
    lines = [line.split("\t") for line in text.splitlines()]
    module = next((line[1] for line in lines if line[0] == "mod"), "")
    settings = dict(line[1].split("=", 1) for line in lines if line[0] == "build" and "=" in line[1])
    return version.decode("ascii", "replace").removeprefix("go"), module, settings


def _text(content, at):
    """(a text with its length before it, where it ends). The length is a varint."""
    length = shift = 0
    while True:
        byte = content[at]
        at += 1
        length |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return _slice(content, at, length), at + length
        shift += 7
