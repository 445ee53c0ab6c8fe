# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""References of images."""

from __future__ import annotations

import hashlib
import json
import re


def split_reference(reference):
    """(repository, tag or None, digest or None) of a reference."""
    name, _separator, digest = reference.partition("@")
    last = name.rsplit("/", 1)[-1]
    repository, tag = name, None
    if ":" in last:
        repository, tag = name.rsplit(":", 1)
    return repository, tag, digest or None


def familiar(reference):
    """The short spelling that `docker images` prints: without docker.io/library/, without a tag beside a digest."""
    for prefix in ("docker.io/library/", "docker.io/"):
        if reference.startswith(prefix):
            reference = reference[len(prefix):]
            break
    repository, tag, digest = split_reference(reference)
    if digest:
        return f"{repository}@{digest}"
    return f"{repository}:{tag}" if tag else f"{repository}:latest"


def is_pinned(reference):
    """Whether a reference names one version: a digest, or a tag other than latest."""
    _repository, tag, digest = split_reference(reference)
    return digest is not None or (tag is not None and tag != "latest")


def image_major(reference):
    """Major version in a tag: 17 for postgres:17.11-trixie, 0 where the tag does not begin with a number."""
    _repository, tag, _digest = split_reference(reference)
    match = re.match(r"v?(\d+)", tag or "")
    return int(match.group(1)) if match else 0


#: What containerd writes beside the manifest of an image that it imports.
IMPORTED = "io.containerd.image.name"
#: A clause of a contract without what it need not say.
EMPTY_CLAUSE = {"programs": [], "command": [], "capabilities": []}
#: Looks for each program up to --, then runs the rest. `command -v` takes one name: dash ignores all others.
LOOK_FOR_PROGRAMS = (
    'while [ "$1" != -- ]; do '
    'command -v "$1" >/dev/null || { echo "the program $1 is missing" >&2; exit 1; }; shift; done; shift; '
    '[ $# = 0 ] || exec "$@"')


def clause_command(clause):
    """Command for a container of the image: fails unless the clause's programs are there and its command succeeds."""
    if not clause["programs"]:
        return clause["command"]
    return ["sh", "-c", LOOK_FOR_PROGRAMS, "sh", *clause["programs"], "--", *clause["command"]]


def proof(image_id, contract, user):
    """What a successful check of an image holds for: this image, this contract, this user."""
    clauses = [dict(EMPTY_CLAUSE, **{key: value for key, value in clause.items() if value}) for clause in contract]
    return hashlib.sha256(json.dumps([image_id, clauses, user], sort_keys=True).encode()).hexdigest()[:32]


def is_made_from(container, image):
    """Whether a container was made from an image, both as the Engine describes them.

    The Engine calls an image by the digest of its configuration. Where containerd keeps the images, it is that of a
    manifest, or of an index that lists one for each platform; the container tells beside it which of these it runs.
    """
    return bool(_digests(image, "Id", "Descriptor") & _digests(container, "Image", "ImageManifestDescriptor"))


def registry_digests(image):
    """Digests by which registries know an image, as the Engine describes it; none of one that no registry has given.

    Where containerd keeps the images, one out of an archive has a digest all the same: that of a manifest that was
    made as it was loaded, with a name that the import has put beside it.
    """
    if IMPORTED in ((image.get("Descriptor") or {}).get("annotations") or {}):
        return []
    return [entry.rpartition("@")[2] for entry in image.get("RepoDigests") or []]


def _digests(known, name, descriptor):
    return {known.get(name), (known.get(descriptor) or {}).get("digest")} - {None, ""}
