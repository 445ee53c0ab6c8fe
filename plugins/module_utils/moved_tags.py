# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether a registry has another image under a tag than the one that was pulled by it.

One question for each image, for no more than its headers, and never for long: it is asked beside others.
"""

from __future__ import annotations

import threading

from ansible_collections.trenova.selfhost.plugins.module_utils import engine, host, images
from ansible_collections.trenova.selfhost.plugins.module_utils.docker_logins import DockerLogins
from ansible_collections.trenova.selfhost.plugins.module_utils.image_registry import Fault, Image, Settings, endpoint

SECONDS = 2


def results(references):
    """One result for each image that is another one in its registry, or one for all of them where none is."""
    pulled = {
        reference: images.registry_digests(found) for reference, found in engine.images(*references).items()}
    # What came out of an archive has no digest of a registry.
    asked = sorted(reference for reference, digests in pulled.items() if digests)
    if not asked:
        return []
    found = digests_of(asked, settings())
    moved = [reference for reference in asked if reference in found and found[reference] not in pulled[reference]]
    if moved:
        return [
            _result(reference, False, "the registry has another image under this tag; to take it: "
                    "site.yml -e trenova_images_pull=true") for reference in moved]
    silent = len(asked) - len(found)
    detail = f"{len(found)} are those of their registry" + (f", of {silent} it did not tell" if silent else "")
    return [_result("Images of yours", True, detail)]


def settings():
    """What the Engine knows of registries."""
    configured = host.read_json("/etc/docker/daemon.json") or {}
    return Settings(DockerLogins("", {}).login, insecure=configured.get("insecure-registries") or [])


def digests_of(references, known):
    """{reference: digest of the manifest in its registry}, of those that were told in time."""
    found = {}

    def ask(reference):
        try:
            image = Image(reference)
            digest = endpoint(image.registry, known).digest(image)
        except Fault:
            return
        if digest:
            found[reference] = digest

    threads = [threading.Thread(target=ask, args=[reference], daemon=True) for reference in references]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    return dict(found)


def _result(name, is_ok, detail):
    return {"name": name, "ok": is_ok, "detail": detail, "seconds": 0, "lasting": True}
