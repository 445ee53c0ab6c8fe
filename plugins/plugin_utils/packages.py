# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What an operator brings to be packaged, looked at before an image is made of it.

Each package is a directory with the files that `context` of images/<name>/image.yml requires. What is found is told in
one sentence for each program, what is wrong as problems.
"""

from __future__ import annotations

import pathlib
import re
from dataclasses import dataclass, field

from ansible_collections.trenova.selfhost.plugins.plugin_utils import programs
from ansible_collections.trenova.selfhost.plugins.plugin_utils.problem import Problem

#: Docker's names of architectures, by the kernel's.
PLATFORMS = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}
ASSET = re.compile(r"""(?:src|href)=["']/?((?!/|https?:|data:)[^"'?#]+\.(?:js|css))["'?#]""")
SHORT = 9


@dataclass
class Found:
    """What is known of a package: sentences, warnings, problems."""

    says: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def look(name: str, directory: str, image: dict, version: str, placeholder: str = "") -> Found:
    """Look at the directory of a package.

    image: content of images/<name>/image.yml. version: what the image will be called. placeholder: what stands for the
    address of the installation in a client.
    """
    found, root = Found(), pathlib.Path(directory).expanduser()
    variable = f"trenova_package_{name}_dir"
    if not root.is_dir():
        found.problems.append(Problem(
            f"{directory} is no directory.", variable, f"the directory with {' and '.join(_required(image))}"))
        return found
    for path in _required(image):
        if not _is_there(root / path):
            found.problems.append(Problem(
                f"{path} is missing in {directory}, or empty.", variable,
                f"a directory that holds it: images/{name}/README.md"))
    for path in _required(image):
        if path.startswith("bin/") and _is_there(root / path):
            _look_at_program(found, root / path, path, image, variable, version)
    _look_at_client(found, root / "dist", variable, placeholder)
    return found


def _required(image):
    return image["context"]["required"]


def _is_there(path):
    """Whether a file has a content, or a directory a file."""
    if path.is_dir():
        return any(path.iterdir())
    return path.is_file() and path.stat().st_size > 0


def _look_at_program(found, file, path, image, variable, version):
    try:
        program = programs.read(file)
    except programs.NoProgram as error:
        found.problems.append(Problem(
            f"{path} {error}.", variable, "the program as it was built for Linux, 64 bits"))
        return
    platform = PLATFORMS.get(program.architecture, program.architecture)
    if platform not in image["platforms"]:
        found.problems.append(Problem(
            f"{path} is built for {program.architecture}, and the image is made for {', '.join(image['platforms'])}.",
            variable, "a build for that: GOOS=linux GOARCH=" + image["platforms"][0].rpartition("/")[2]))
    if program.is_musl:
        found.problems.append(Problem(
            f"{path} is built for musl, the C library of Alpine.", variable,
            "a build on a distribution with glibc, or a static one (CGO_ENABLED=0)"))
    glibc = tuple(map(int, image["glibc"].split(".")))
    if program.glibc > glibc:
        found.problems.append(Problem(
            f"{path} asks for glibc {_dotted(program.glibc)}, and the image has {image['glibc']}.", variable,
            "a build on a distribution that is not newer, or a later DEBIAN_IMAGE in trenova_build_args"))
    found.says.append(f"{path}: {_described(program)}")
    _look_at_release(found, path, program, _module(file.parents[1] / "app/go.mod"), version, image)


def _look_at_release(found, path, program, module, version, image):
    commit, revision = image.get("commits", {}).get(version, ""), program.settings.get("vcs.revision", "")
    if program.module and module and program.module != module:
        found.warnings.append(
            f"{path} was built from the module {program.module}, and app/go.mod is of {module}: do they fit?")
    if commit and revision and not revision.startswith(commit):
        found.warnings.append(
            f"{path} was built from commit {revision[:SHORT]}; version {version} is {commit}. Another version has "
            "another trenova_package_version and another profile.")
    if program.settings.get("vcs.modified") == "true":
        found.warnings.append(f"{path} was built from a checkout with changes of its own.")


def _module(path):
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    return next((line.split()[1] for line in lines if line.startswith("module ")), "")


def _described(program):
    parts = [f"Linux {program.architecture}"]
    parts.append(f"glibc {_dotted(program.glibc)} or newer" if any(program.glibc) else
                 "musl" if program.is_musl else "static")
    if program.go:
        parts.append(f"Go {program.go}")
    if revision := program.settings.get("vcs.revision"):
        day = program.settings.get("vcs.time", "").partition("T")[0]
        parts.append(f"commit {revision[:SHORT]}" + (f" of {day}" if day else ""))
    return ", ".join(parts)


def _dotted(version):
    return ".".join(map(str, version))


def _look_at_client(found, dist, variable, placeholder):
    page = dist / "index.html"
    if not page.is_file():
        return
    assets = ASSET.findall(page.read_text(encoding="utf-8", errors="replace"))
    missing = [asset for asset in assets if not (dist / asset).is_file()]
    if missing:
        found.problems.append(Problem(
            f"dist/index.html names {missing[0]}, which is not in dist/.", variable, "dist/ of one build, whole"))
    files = [path for path in dist.rglob("*") if path.is_file()]
    found.says.append(f"dist: {len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.1f} MB")
    texts = (path.read_bytes() for path in files if path.suffix in (".js", ".html"))
    if placeholder and not any(placeholder.encode() in text for text in texts):
        found.warnings.append(
            f"dist/ does not hold {placeholder}, in whose place each installation's own address is put: the address is "
            "fixed in this build, or another text stands for it.")
