# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What an operator brings is looked at before an image is made of it. Programs are written here byte by byte."""

from __future__ import annotations

import contextlib
import pathlib
import struct
import sys

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.trenova.selfhost.plugins.plugin_utils import packages, programs

ROOT = pathlib.Path(__file__).resolve().parents[2]
IMAGES = {name: yaml.safe_load((ROOT / f"images/{name}/image.yml").read_text()) for name in ("api", "client")}
LOADER, MUSL = b"/lib64/ld-linux-x86-64.so.2\0", b"/lib/ld-musl-x86_64.so.1\0"


def varint(text):
    """A text as Go writes it."""
    length, head = len(text), b""
    while length >= 0x80:
        head, length = head + bytes([length & 0x7F | 0x80]), length >> 7
    return head + bytes([length]) + text


def go_part(version="1.24.4", module="github.com/emoss08/trenova", **settings):
    """What the Go linker writes of a build."""
    lines = [f"path\t{module}/cmd/api", f"mod\t{module}\t(devel)\t",
             *(f"build\t{key.replace('_', '.')}={value}" for key, value in settings.items())]
    told = bytes(16) + ("\n".join(lines) + "\n").encode() + bytes(16)
    return b"\xff Go buildinf:\x08\x02".ljust(32, b"\0") + varint(b"go" + version.encode()) + varint(told)


def elf(machine=0x3E, loader=LOADER, strings=b"\0libc.so.6\0GLIBC_2.2.5\0GLIBC_2.34\0", rest=b""):
    """A Linux program: header, program headers, loader, names of libraries, and what follows."""
    data = 64 + 3 * 56
    dynamic = struct.pack("<QQQQQQ", 5, data + len(loader), 10, len(strings), 0, 0)
    at = data + len(loader) + len(strings)
    total = at + len(dynamic) + len(rest)
    segments = ((1, 0, total), (3 if loader else 4, data, len(loader)), (2 if strings else 4, at, len(dynamic)))
    heads = b"".join(
        struct.pack("<IIQQQQQQ", kind, 4, offset, offset, offset, size, size, 8) for kind, offset, size in segments)
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack(
        "<HHIQQQIHHHHHH", 2, machine, 1, 0, 64, 0, 0, 64, 56, 3, 0, 0, 0)
    return head + heads + loader + strings + dynamic + rest


def written(folder, content):
    """Path of a file with this content."""
    path = folder / "program"
    path.write_bytes(content)
    return path


def test_program_says_what_it_is(tmp_path):
    build = go_part(vcs_revision="28e5aa61d0123", vcs_time="2025-06-22T10:00:00Z", GOARCH="amd64")
    program = programs.read(written(tmp_path, elf(rest=build)))
    assert (program.architecture, program.glibc, program.is_musl) == ("x86_64", (2, 34), False)
    assert (program.go, program.module) == ("1.24.4", "github.com/emoss08/trenova")
    assert program.settings["vcs.revision"] == "28e5aa61d0123"


def test_static_program_asks_for_no_library(tmp_path):
    # The text is somewhere in the program, and no name of a version that the loader looks at.
    program = programs.read(written(tmp_path, elf(machine=0xB7, loader=b"", strings=b"", rest=b"GLIBC_2.99")))
    assert (program.architecture, program.loader, program.glibc) == ("aarch64", "", (0, 0))


def test_this_python_is_a_program():
    program = programs.read(sys.executable)
    assert program.loader.startswith("/lib")
    assert (2, 2) < program.glibc < (3, 0)


@pytest.mark.parametrize(("content", "told"), [
    (b"", "is empty"), (b"MZ\x90", "is a program for Windows"), (b"\xcf\xfa\xed\xfe\x07", "is a program for macOS"),
    (b"#!/bin/sh\n", "is a script"), (b"PK\x03\x04", "is an archive"), (b"hello", "is no program"),
    (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
    (b"\x7fELF\x01\x01\x01" + bytes(60), "is a program for a machine with another word size"),
    (elf()[:100], "is cut off or damaged"),
])
def test_what_is_no_program_is_told(tmp_path, content, told):
    with pytest.raises(programs.NoProgram, match=told):
        programs.read(written(tmp_path, content))


WHOLE = elf(rest=go_part(vcs_revision="28e5aa61d"))


@given(st.integers(0, len(WHOLE)), st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=8))
def test_damaged_file_is_told_or_read_and_nothing_else(tmp_path_factory, end, at, damage):
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes((WHOLE[:at] + damage + WHOLE[at + len(damage):])[:end])
    with contextlib.suppress(programs.NoProgram):
        programs.read(path)


@pytest.fixture
def api(tmp_path):
    """A package of the API with nothing wrong."""
    for name in ("bin", "app/web/report-templates"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("trenova-api", "trenova-db"):
        (tmp_path / "bin" / name).write_bytes(elf(rest=go_part(vcs_revision="28e5aa61dffff", vcs_time="2025-06-22T1")))
    (tmp_path / "app/go.mod").write_text("module github.com/emoss08/trenova\n")
    (tmp_path / "app/web/report-templates/page.html").write_text("page")
    return tmp_path


def look(folder, name="api", version="0.7.2", placeholder=""):
    """(sentences, warnings, what is wrong)."""
    found = packages.look(name, str(folder), IMAGES[name], version, placeholder)
    assert all(problem.where == f"trenova_package_{name}_dir" and problem.write for problem in found.problems)
    return found.says, found.warnings, [problem.what for problem in found.problems]


def test_good_package_is_told_in_a_sentence_for_each_program(api):
    says, warnings, problems = look(api)
    assert (warnings, problems) == ([], [])
    assert says[0] == (
        "bin/trenova-api: Linux x86_64, glibc 2.34 or newer, Go 1.24.4, commit 28e5aa61d of 2025-06-22")


@pytest.mark.parametrize(("content", "told"), [
    (elf(machine=0xB7), "bin/trenova-api is built for aarch64, and the image is made for linux/amd64."),
    (elf(loader=MUSL, strings=b"\0libc.musl\0"), "bin/trenova-api is built for musl, the C library of Alpine."),
    (elf(strings=b"\0GLIBC_2.99\0"), "bin/trenova-api asks for glibc 2.99, and the image has 2.41."),
    (b"MZ", "bin/trenova-api is a program for Windows."),
    (b"", "bin/trenova-api is missing in {}, or empty."),
])
def test_program_that_would_not_start_is_a_problem(api, content, told):
    (api / "bin/trenova-api").write_bytes(content)
    assert look(api)[2] == [told.format(api)]


def test_missing_pieces_are_told_at_once(api):
    (api / "app/go.mod").unlink()
    (api / "app/web/report-templates/page.html").unlink()
    assert look(api)[2] == [
        f"{name} is missing in {api}, or empty." for name in ("app/go.mod", "app/web/report-templates/")]
    assert look(api / "nowhere")[2] == [f"{api}/nowhere is no directory."]


def test_other_commit_module_and_changes_are_warnings(api):
    (api / "bin/trenova-api").write_bytes(elf(rest=go_part(
        module="example.org/fork", vcs_revision="0123456789abcdef", vcs_modified="true")))
    _says, warnings, problems = look(api)
    assert problems == []
    assert [warning.split(" was built from ")[1][:17] for warning in warnings] == [
        "the module exampl", "commit 012345678;", "a checkout with c"]
    # Nothing is known of what another version was built from.
    assert len(look(api, version="0.7.3")[1]) == 2


def test_client_is_whole_and_can_be_given_an_address(tmp_path):
    dist = tmp_path / "dist"
    (dist / "assets").mkdir(parents=True)
    (dist / "index.html").write_text(
        '<link href="https://fonts.example.org/a.css"><script type="module" src="/assets/index-1.js"></script>')
    assert look(tmp_path, "client")[2] == ["dist/index.html names assets/index-1.js, which is not in dist/."]
    (dist / "assets/index-1.js").write_text('fetch("https://trenova.invalid/api/v1")')
    assert look(tmp_path, "client", placeholder="https://trenova.invalid") == (["dist: 2 files, 0.0 MB"], [], [])
    assert "the address is fixed in this build" in look(tmp_path, "client", placeholder="https://other.invalid")[1][0]
