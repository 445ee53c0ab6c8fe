# Managed by trenova.selfhost.
"""What a server is to become, and what its image says of itself. Nothing here reads or writes anything."""

from __future__ import annotations

import dataclasses
import re

from trenova_backup.errors import BackupError


@dataclasses.dataclass(frozen=True)
class Next:
    """The server that is wished for. image, digest: its reference, and by what it is pulled ("" for its tag).

    major: what the reference says, 0 where it says nothing. folder, volume: where images of that major have their data,
    below the directory on the host, and where they want that mounted.
    """

    image: str
    major: int
    folder: str = ""
    volume: str = ""
    digest: str = ""


@dataclasses.dataclass(frozen=True)
class Image:
    """What an image has: its major (0 where it is no PostgreSQL), extensions, libraries, locales of the C library."""

    major: int = 0
    extensions: frozenset = frozenset()
    libraries: frozenset = frozenset()
    locales: frozenset = frozenset()

    @classmethod
    def told(cls, lines):
        """From the lines that config/upgrade.sh says of one."""
        found = {}
        for line in lines:
            kind, _space, name = line.partition(" ")
            found.setdefault(kind, []).append(name)
        version = re.search(r"\(PostgreSQL\) (\d+)", " ".join(found.get("version", [])))
        return cls(
            int(version.group(1)) if version else 0, frozenset(found.get("extension", [])),
            frozenset(found.get("library", [])), frozenset(map(plain_locale, found.get("locale", []))))


def plain_locale(name):
    """A locale's name as the C library compares it: en_US.UTF-8 is en_US.utf8."""
    language, _dot, encoding = name.partition(".")
    return language + ("." + re.sub(r"[^a-z0-9]", "", encoding.lower()) if encoding else "")


def need_newer(there, wished, is_back=False):
    """Raises BackupError where a server of the major `there` cannot become what is wished."""
    if not wished.major:
        raise BackupError(
            f"The tag of {wished.image} does not begin with a version of PostgreSQL. Write postgres_image with one, as "
            "docker.io/library/postgres:17.11. Nothing was changed.")
    if is_back:
        return
    if wished.major == there:
        raise BackupError(
            f"The data is of PostgreSQL {there} already, which is what postgres_image names ({wished.image}). Set it "
            f"to an image of a newer major, or run site.yml, which changes to another {there}.x. Nothing was changed.")
    if wished.major < there:
        raise BackupError(
            f"The data is of PostgreSQL {there}, and postgres_image is {wished.image}: no server reads what a newer "
            f"one has written. Set postgres_image to an image of {there} or newer. To go back to what was there "
            "before an upgrade, repeat this with -e trenova_upgrade_back=true. Nothing was changed.")


def need_image(image, wished):
    """Raises BackupError where an image is not what its reference says."""
    if not image.major:
        raise BackupError(f"{wished.image} is no image of PostgreSQL: it has no program postgres that tells its "
                          "version. Nothing was changed.")
    if image.major != wished.major:
        raise BackupError(
            f"{wished.image} holds PostgreSQL {image.major}, not {wished.major} as its tag says. Set postgres_image "
            f"to an image of {wished.major}, or push the right one under that tag. Nothing was changed.")


def need_confirmed(confirm, installation, major):
    """Raises BackupError where what somebody has confirmed is not this installation and this major."""
    wanted = f"{installation}:{major}"
    if confirm != wanted:
        raise BackupError(
            f"{confirm} was confirmed, and this would make {installation} one of PostgreSQL {major}. If that is meant, "
            f"confirm {wanted}. Nothing was changed.")
