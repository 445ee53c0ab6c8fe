# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Images: pull what is missing, and prove that an image is what its role needs.

An image has a contract, clauses that are checked in a container without network or capabilities. What was proven is
remembered by the image's id.
"""

from __future__ import annotations

import os

from ansible_collections.trenova.selfhost.plugins.module_utils.converge.errors import ConvergeError
from ansible_collections.trenova.selfhost.plugins.module_utils.engine import EngineError
from ansible_collections.trenova.selfhost.plugins.module_utils.images import clause_command, proof, split_reference

PULL_SECONDS = 1800
CONTRACT_SECONDS = 90
#: More pulls at a time only share the same line and disk.
PULLS_AT_A_TIME = 2


def pull(engine, reference, digest=""):
    """Pull one image, by its digest where that is known; None on success, else what went wrong.

    It is called by its reference afterwards, which is what everybody else knows: Compose, an archive, an administrator.
    """
    source = f"{split_reference(reference)[0]}@{digest}" if digest else reference
    try:
        engine.docker("pull", "--quiet", source, seconds=PULL_SECONDS)
        if digest:
            engine.docker("tag", source, reference)
    except EngineError as error:
        return str(error)
    return None


def pull_again(service, engine):
    """Pull the images of a service that are there, whatever stands behind their tags now; references of new ones.

    Raises ConvergeError where one cannot be had.
    """
    # What a digest names is no other one later.
    references = sorted({image["reference"] for image in service["images"] if not image.get("digest")})
    before = engine.images(*references)
    for reference in before:
        fault = pull(engine, reference)
        if fault:
            raise ConvergeError(
                f"the image {reference} cannot be pulled again: {fault}; nothing was changed. Without "
                "trenova_images_pull what is there is used")
    after = engine.images(*before)
    return [reference for reference in before if after.get(reference, {}).get("Id") != before[reference]["Id"]]


def contract_fault(engine, image):
    """The first clause of its contract that an image does not keep, in words; None when it keeps all."""
    for clause in image["contract"]:
        command = [
            "run", "--rm", "--network", "none", "--read-only",
            "--tmpfs", "/tmp:mode=1777",  # noqa: S108  # inside the container
            "--user", image["user"], "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true",
            "--memory", "512m", "--pids-limit", "256"]
        for capability in clause["capabilities"]:
            command += ["--cap-add", capability]
        if clause.get("state") and os.path.isdir(clause["state"]):
            # Where SELinux confines containers this one may read what no other container has labelled yet.
            command += ["--mount", "type=bind,source={},target=/state,readonly".format(clause["state"]),
                        "--security-opt", "label=disable"]
        program, *words = clause_command(clause)
        command += ["--entrypoint", program, image["reference"], *words]
        done = engine.docker(*command, seconds=CONTRACT_SECONDS, check=False)
        if done.returncode != 0:
            last = (done.stdout + done.stderr).strip().splitlines()[-3:]
            return "{role}_image {reference} is not {says}".format(says=clause["says"], **image) + (
                " (it said: {})".format(" / ".join(last)) if last else "")
    return None


def missing(service, present, pulled=None):
    """References of a service that have to be pulled: those that are not on the host, and those of another manifest.

    pulled: {reference: {"digest", "id"}} of what was pulled by a digest before. What came from elsewhere since, out of
    an archive for instance, is another image than that, and is left alone.
    """
    wanted = {image["reference"]: image.get("digest") for image in service["images"]}
    return sorted(
        reference for reference, digest in wanted.items()
        if reference not in present
        or digest and _is_of_another(digest, present[reference], (pulled or {}).get(reference)))


def _is_of_another(digest, known, before):
    return before is not None and before["id"] == known["Id"] and before["digest"] != digest


def unproven(service, present, proofs):
    """{key of its proof: image} of a service's images that are on the host and not proven yet."""
    found = {}
    for number, image in enumerate(service["images"]):
        known = present.get(image["reference"])
        key = proof_key(service["name"], number)
        if known is not None and proofs.get(key) != proof(known["Id"], image["contract"], image["user"]):
            found[key] = dict(image, role=service["name"])
    return found


def proof_key(role, number):
    """Key of the proof of the n-th image of a role; that of the first is the role's name."""
    return f"{role}-{number + 1}" if number else role


def fetch(service, proofs, engine, pulled_before=None):
    """Pull what is missing, and prove what is not proven.

    Returns the references that were pulled, the new proofs, and {reference: {"digest", "id"}} of what a digest named.
    Raises ConvergeError where an image cannot be had, or is not what the role needs.
    """
    digests = {image["reference"]: image.get("digest", "") for image in service["images"]}
    references = list(digests)
    pulled = missing(service, engine.images(*references), pulled_before)
    for reference in pulled:
        fault = pull(engine, reference, digests[reference])
        if fault:
            raise ConvergeError(_cannot_be_pulled(reference, digests[reference], fault))
    present = engine.images(*references)
    due = unproven(service, present, proofs)
    for image in due.values():
        fault = contract_fault(engine, image)
        if fault:
            raise ConvergeError(f"{fault}; nothing was started with it")
    by_digest = {
        reference: {"digest": digests[reference], "id": present[reference]["Id"]}
        for reference in pulled if digests[reference]}
    return pulled, {
        key: proof(present[image["reference"]]["Id"], image["contract"], image["user"])
        for key, image in due.items()}, by_digest


def _cannot_be_pulled(reference, digest, fault):
    if digest:
        return (
            f"the image {reference} cannot be pulled by the digest that the lock of images names, {digest}: {fault}. "
            "Make the lock anew (playbooks/images.yml --tags lock), load the image from an archive, or set "
            "trenova_images_by_digest: false; nothing was changed")
    return (
        f"the image {reference} cannot be pulled: {fault}. Push it to the registry (playbooks/images.yml), or load it "
        "from an archive; nothing was changed")
