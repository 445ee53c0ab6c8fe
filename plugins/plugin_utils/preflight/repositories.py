# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can be wrong with the repository that packages of Docker are to come from, and what they will be."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.module_utils.package_facts import without_login
from ansible_collections.trenova.selfhost.plugins.plugin_utils.docker_packages import APT_COMPONENT, Packages
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.model import Problem

WHERE = "docker_repository_url in the inventory, or that repository and what lies between"
BY_HAND = "docker_source: none, and install them yourself"
AGAIN = f"docker_repository_url: a repository that answers this host; or {BY_HAND}"
#: Fault of a repository -> what, write.
FAULTS = {
    "key": ("The key of Docker's repository cannot be had from {key} ({detail}).", AGAIN),
    "unreachable": ("Docker's repository {address} cannot be used from this host ({detail}).", AGAIN),
    "signature": (
        "Docker's repository {address} is not signed by the key that lies beside it, {key} ({detail}).",
        "a mirror whose files are all of one time; or docker_repository_url: another repository"),
}


def wanted(facts):
    """Arguments of the question to the repository that an entry of ours is to be written for; None without one."""
    settings = (facts.services.get("docker") or {}).get("exports", {}).get("packages")
    if not settings or facts.capacity.get("measured") is False:
        return None
    packages = Packages(facts.capacity, settings)
    repository = packages.repository
    if not repository or not repository["writes"] or packages.manager is None:
        return None
    return {
        "manager": packages.manager, "address": repository["address"], "suite": repository["suite"],
        "component": APT_COMPONENT, "key": repository["key"], "packages": [*packages.added, *packages.upgraded]}


def check_repository(question, answer):
    """What the package manager said of the repository, as problems."""
    names = {name: without_login(question[name]) for name in ("address", "key")}
    if answer["fault"]:
        what, write = FAULTS[answer["fault"]["kind"]]
        yield Problem(what.format(detail=answer["fault"]["detail"], **names), WHERE, write)
        return
    missing = [name for name, version in answer["versions"].items() if not version]
    if missing:
        yield Problem(
            "Docker's repository {} has no {} for this release and architecture.".format(
                names["address"], ", ".join(missing)),
            WHERE, f"docker_repository_url: a repository that has them; or {BY_HAND}")


def announcement(question, answer):
    """Sentence on what will be installed, and from where."""
    return "Docker will be installed from {}: {}.".format(without_login(question["address"]), ", ".join(
        f"{name} {answer['versions'].get(name) or ''}".strip() for name in question["packages"]))
