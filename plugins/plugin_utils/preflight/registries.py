# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can be wrong with the registries that images come from, and with the logins to them."""

from __future__ import annotations

import re

from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.model import INVENTORY, Problem

REGISTRY_NAME = re.compile(r"([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?")
#: What playbooks/images.yml builds.
OWN_IMAGE = re.compile(r"/trenova/[^/]+$")
#: Fault of a registry -> what, where, write.
REGISTRY_WIDE = {
    "unreachable": (
        "The registry {registry} cannot be reached from this host ({detail}); {count} to come from it.",
        "the registry, or the network between it and this host",
        "trenova_image_registry, trenova_own_registry: one that answers; or load an archive: playbooks/images.yml"),
    "plain": (
        "The registry {registry} cannot be used: {detail}; {count} to come from it.",
        "the registry, or docker_daemon_extra in the inventory",
        "give it a certificate; or docker_daemon_extra: {{insecure-registries: ['{registry}']}}"),
    "certificate": (
        "The certificate of the registry {registry} is not trusted ({detail}); {count} to come from it.",
        "docker_registry_ca in the inventory, or the registry",
        "docker_registry_ca: {{'{registry}': the certificate (PEM) of the authority that signed it}}; "
        "or, where it has expired or names another host, a new one there"),
    "login_missing": (
        "The registry {registry} asks for a login; {count} to come from it.",
        "docker_registry_logins in the inventory",
        "docker_registry_logins: {{'{registry}': {{username: ..., password: ...}}}}"),
    "login_refused": (
        "The registry {registry} refuses the login ({detail}); {count} to come from it.",
        "docker_registry_logins in the inventory, or root's .docker/config.json on the host",
        "docker_registry_logins: {{'{registry}': {{username: ..., password: ...}}}} as the registry knows them"),
    "answer": (
        "The registry {registry} cannot serve now ({detail}); {count} to come from it.",
        "the registry", "try again when it is well (429: too many requests; a login of yours allows more)"),
}


def check_logins(facts):
    """Every login of a registry is whole, and called as images call the registry."""
    logins = facts.variables.get("docker_registry_logins") or {}
    if not isinstance(logins, dict):
        yield Problem(
            "docker_registry_logins is no dictionary.", INVENTORY,
            "docker_registry_logins: {registry.your-company.com: {username: ..., password: ...}}")
        return
    for name, login in sorted(logins.items()):
        form = f"docker_registry_logins: {{{name}: {{username: ..., password: ...}}}}"
        if not REGISTRY_NAME.fullmatch(str(name)):
            yield Problem(
                f"docker_registry_logins names {name}, which is no registry.", INVENTORY,
                "docker_registry_logins: host or host:port as in the images' references, without https:// and path")
        elif not isinstance(login, dict) or set(login) != {"username", "password"}:
            yield Problem(f"The login of {name} needs username and password, and nothing else.", INVENTORY, form)
        elif not all(str(login[part] or "") for part in ("username", "password")):
            yield Problem(f"The login of {name} has an empty username or password.", INVENTORY, form)
        elif ":" in str(login["username"]):
            yield Problem(f"The username for {name} has a colon in it, which no registry can read.", INVENTORY, form)


def check_registries(findings, facts):
    """What registries answered when the host asked them for the images that it lacks."""
    for finding in findings:
        if finding["kind"] == "config":
            yield Problem(
                "The logins of registries cannot be kept: {detail}.".format(**finding), "this host",
                "remove that setting there; or log in there by hand, and remove docker_registry_logins")
            continue
        images = {reference: _variables_of(reference, facts) for reference in finding["images"]}
        if finding["kind"] in REGISTRY_WIDE:
            what, where, write = REGISTRY_WIDE[finding["kind"]]
            count = len(images)
            words = dict(finding, count="1 image is" if count == 1 else f"{count} images are")
            yield Problem(what.format(**words), where.format(**words), write.format(**words))
            continue
        locked = [reference for reference in images if _is_locked(reference, facts)]
        if locked and finding["kind"] == "absent":
            yield _lock_problem(finding["registry"], locked)
            images = {reference: names for reference, names in images.items() if reference not in locked}
        own = {reference: names for reference, names in images.items() if OWN_IMAGE.search(reference)}
        others = {reference: names for reference, names in images.items() if reference not in own}
        for part, is_own in ((own, True), (others, False)):
            if part:
                yield _image_problem(finding, part, is_own, facts.capacity["architecture"])


def _variables_of(reference, facts):
    return ", ".join(f"{name}_image" for name, service in sorted(facts.services.items())
                     if service.get("image") in (reference, reference.partition("@")[0]))


def _is_locked(reference, facts):
    """Whether the lock of images has named the digest, and not the inventory."""
    named = {service.get("image") for service in facts.services.values()}
    return reference not in named and reference.partition("@")[0] in named


def _lock_problem(registry, references):
    listed = ", ".join(reference.partition("@")[0] for reference in references)
    return Problem(
        f"The registry {registry} does not have the manifest any more that the lock of images names for {listed}.",
        "images.lock.yml beside the inventory, or images/lock.yml of the collection",
        "make the lock anew: ansible-playbook playbooks/images.yml -i <inventory> --tags lock "
        "-e trenova_images_renew=true; or trenova_images_by_digest: false")


def _image_problem(finding, images, is_own, architecture):
    """The problem of images that a registry does not have as they are needed: ours, or somebody else's."""
    registry, variables = finding["registry"], ", ".join(images.values())
    one = len(images) == 1
    listed = ", ".join(reference[len(registry) + 1:] if reference.startswith(registry + "/") else reference
                       for reference in images)
    remedy = "{}: an image that is there".format("<role>_image" if not one else variables)
    build = "build and push: ansible-playbook playbooks/images.yml -i <inventory>"
    if is_own and registry == "docker.io":
        build = "trenova_own_registry: a registry of yours; then " + build
    if finding["kind"] == "absent":
        what = f"The registry {registry} does not have {listed}."
    elif finding["kind"] == "architecture":
        what = "{} {} made for {}, not for {} as this host is.".format(
            listed, "is" if one else "are", finding["detail"], architecture)
        build = f"build on a machine with {architecture} and push: ansible-playbook playbooks/images.yml -i <inventory>"
        remedy = remedy.replace("is there", f"is made for {architecture}")
    elif finding["login"]:
        what = f"The registry {registry} has not {listed}, or not for the login that is used."
        remedy += f"; or docker_registry_logins: a login of {registry} that may pull"
    else:
        what = f"The registry {registry} has not {listed}, or not without a login."
        remedy += f"; or docker_registry_logins: {{{registry}: {{username: ..., password: ...}}}}"
    where = f"{variables} in the inventory, or the registry"
    return Problem(what, where, f"{build}; or {remedy}" if is_own else remedy)
