# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The lock of images: which manifest stands behind the tag of a reference, for each architecture.

One comes with the collection, for the images that the roles name by default; an inventory may have its own beside it,
for a mirror or for other versions. What neither knows is pulled by its tag.
"""

from __future__ import annotations

import functools
import glob
import os
import re

import yaml
from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.trenova.selfhost.plugins.module_utils.image_registry import ARCHITECTURES
from ansible_collections.trenova.selfhost.plugins.module_utils.images import split_reference
from ansible_collections.trenova.selfhost.plugins.plugin_utils.description import ROLES_DIRECTORY
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.registries import OWN_IMAGE
from ansible_collections.trenova.selfhost.plugins.plugin_utils.variables import templated

#: The lock that comes with the collection.
SHIPPED = os.path.realpath(os.path.join(ROLES_DIRECTORY, "..", "images", "lock.yml"))
#: The lock of an inventory, beside it.
OWN = "images.lock.yml"
ANEW = "make it anew: playbooks/images.yml --tags lock"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
#: Kind of a finding -> what it means for the lock.
CANNOT = {
    "unreachable": "cannot be reached from here, so these are not resolved",
    "plain": "speaks no TLS; docker_daemon_extra: {insecure-registries: [...]} allows that",
    "certificate": "its certificate is not trusted; docker_registry_ca may name its authority",
    "login_missing": "asks for a login; write docker_registry_logins",
    "login_refused": "refuses the login of docker_registry_logins",
    "denied": "has not these, or not for us",
    "absent": "does not have these",
    "architecture": "has these for no architecture that is known here",
    "answer": "cannot serve now, so these are not resolved",
}
HEADER = """\
---
# The manifests behind the tags of images, by architecture. Images are pulled by them: docs/decisions/0017-digests.md.
# Written by: ansible-playbook playbooks/images.yml -i <inventory> --tags lock
images:
"""


class LockInvalid(AnsibleActionFail):
    """A lock cannot be read: the text names the file, what is wrong and what to write."""


def lock_of(action, task_vars):
    """{reference: {architecture: digest}} that holds for a host; empty where images are pulled by their tags."""
    if not boolean(templated(action, task_vars, "trenova_images_by_digest", True)):
        return {}
    return {**digests(read(SHIPPED)), **digests(read(path_of(action, task_vars)))}


def path_of(action, task_vars):
    """Path of the inventory's own lock; None where no inventory is known."""
    folder = task_vars.get("inventory_dir")
    return templated(action, task_vars, "trenova_images_lock", os.path.join(folder, OWN) if folder else None)


def digest_for(lock, reference, machine):
    """Digest by which an image is pulled on a machine, as the kernel calls it; "" where its tag decides."""
    return lock.get(reference, {}).get(ARCHITECTURES.get(machine, machine), "")


def digests(entries):
    """{reference: {architecture: digest}} of the entries of a lock."""
    return {
        reference: {name: entry[name] for name in ARCHITECTURES.values() if name in entry}
        for reference, entry in entries.items()}


def read(path):
    """{reference: entry} of a lock; empty where there is no such file. Nobody may change what it returns."""
    try:
        return _parsed(path, os.stat(path).st_mtime_ns) if path else {}
    except FileNotFoundError:
        return {}


@functools.lru_cache(maxsize=16)
def _parsed(path, _changed):
    with open(path, encoding="utf-8") as stream:
        try:
            entries = (yaml.safe_load(stream) or {}).get("images") or {}
        except (yaml.YAMLError, AttributeError) as error:
            raise LockInvalid(f"{path} is no lock of images ({error}); {ANEW}") from error
    for reference, entry in entries.items():
        for name, value in (entry or {}).items():
            if name != "from" and (name not in ARCHITECTURES.values() or not DIGEST.fullmatch(str(value))):
                known = " or ".join(ARCHITECTURES.values())
                raise LockInvalid(
                    f"{path}: {reference}: {name}: {value} is no digest; write sha256: and 64 digits for {known}, "
                    f"or {ANEW}")
    return {reference: entry or {} for reference, entry in entries.items()}


def lockable(references):
    """Those references whose tag somebody else may move: neither named by a digest already, nor built by us."""
    return sorted({
        reference for reference in references
        if not split_reference(reference)[2] and not OWN_IMAGE.search(split_reference(reference)[0])})


def bases(folder):
    """References of the images that others are built on: what an `image.yml` of a folder calls ..._IMAGE."""
    found = set()
    for source in sorted(glob.glob(os.path.join(glob.escape(folder), "*", "image.yml"))) if folder else []:
        with open(source, encoding="utf-8") as stream:
            arguments = yaml.safe_load(stream).get("build_args") or {}
        found.update(value for name, value in arguments.items() if name.endswith("_IMAGE"))
    return sorted(found)


def faults(differing, unresolved, findings, path):
    """What is wrong, a line each: images that are others now, and images that could not be asked for."""
    lines = [
        f"The registry has another image under {reference} than the lock says ({', '.join(names)}): a rebuild, or "
        f"somebody moved the tag. To take it: -e trenova_images_renew=true; else {path} stays as it is."
        for reference, names in sorted(differing.items())]
    told = set()
    for finding in findings:
        told.update(finding["images"])
        lines.append("{}: {} ({}{})".format(
            finding["registry"], CANNOT.get(finding["kind"], CANNOT["answer"]), ", ".join(finding["images"]),
            f"; {finding['detail']}" if finding["detail"] else ""))
    lines += [
        f"{reference}: a program keeps the login of its registry, which only Docker's own client can ask"
        for reference in unresolved if reference not in told]
    return lines


def updated(entries, found, origin, renew=False):
    """(entries with what registries have found, {reference: architectures whose manifest is another one now}).

    What is known stays as it is, unless it is to be renewed. found: {reference: {architecture: digest}}; origin: where
    that comes from, in words.
    """
    result, differing = dict(entries), {}
    for reference, manifests in found.items():
        known = {name: entry for name, entry in entries.get(reference, {}).items() if name != "from"}
        others = sorted(name for name in known if name in manifests and manifests[name] != known[name])
        if others:
            differing[reference] = others
        if renew and others or not set(manifests) <= set(known):
            result[reference] = {**manifests, **({} if renew else known), "from": origin}
    return result, differing


def to_text(entries):
    """A lock as it is written: sorted, and what is not resolved said so."""
    lines = []
    for reference, entry in sorted(entries.items()):
        if not entry:
            lines.append(f"  {reference}: {{}}  # not resolved yet")
            continue
        lines.append(f"  {reference}:")
        lines += [f"    {key}: {entry[key]}" for key in sorted(entry, key=lambda key: (key == "from", key))]
    return HEADER + "\n".join(lines or ["  {}"]) + "\n"
