# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What registries answered becomes problems of three lines, and an image that is on the host is asked of nobody."""

from __future__ import annotations

import pytest

from ansible_collections.trenova.selfhost.plugins.module_utils import engine_facts, image_registry
from ansible_collections.trenova.selfhost.plugins.module_utils.images import familiar
from ansible_collections.trenova.selfhost.plugins.plugin_utils import preflight
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight import registries

SERVICES = {
    "api": {"image": "registry.test/trenova/api:0.7.2"}, "client": {"image": "registry.test/trenova/client:0.7.2"},
    "redis": {"image": "registry.test/library/redis:8.4.7"}, "minio": {"image": "docker.io/trenova/minio:1"}}
FACTS = preflight.Facts({}, {"architecture": "aarch64"}, {}, SERVICES)
EVERY = [service["image"] for name, service in SERVICES.items() if name != "minio"]


def problems(kind, *images, registry="registry.test", login=False, detail="the detail"):
    finding = {"registry": registry, "kind": kind, "detail": detail, "login": login, "images": list(images)}
    found = list(preflight.check_registries([finding], FACTS))
    assert all(len(problem.lines()) == 3 and "\n" not in "".join(problem.lines()) for problem in found)
    return found


@pytest.mark.parametrize(("kind", "what", "write"), [
    ("unreachable", "cannot be reached from this host (the detail); 3 images are to come", "load an archive"),
    ("plain", "cannot be used: the detail", "docker_daemon_extra: {insecure-registries: ['registry.test']}"),
    ("certificate", "is not trusted (the detail); 3 images", "docker_registry_ca: {'registry.test': the certificate"),
    ("login_missing", "asks for a login; 3 images", "docker_registry_logins: {'registry.test': {username: ..., pass"),
    ("login_refused", "refuses the login (the detail); 3 images", "docker_registry_logins: {'registry.test'"),
    ("answer", "cannot serve now (the detail); 3 images", "try again"),
])
def test_fault_of_a_registry_is_one_problem_that_counts_its_images(kind, what, write):
    [problem] = problems(kind, *EVERY)
    assert what in problem.what
    assert write in problem.write


def test_every_fault_of_a_registry_has_words():
    assert set(registries.REGISTRY_WIDE) == set(image_registry.OF_REGISTRY)


def test_one_image_is_one_image():
    assert "; 1 image is to come from it" in problems("login_missing", EVERY[0])[0].what


def test_absent_images_are_told_by_what_helps():
    own, other = problems("absent", *EVERY)
    assert own.what == "The registry registry.test does not have trenova/api:0.7.2, trenova/client:0.7.2."
    assert own.where == "api_image, client_image in the inventory, or the registry"
    assert own.write.startswith("build and push: ansible-playbook playbooks/images.yml -i <inventory>; or <role>_image")
    assert other.what == "The registry registry.test does not have library/redis:8.4.7."
    assert other.write == "redis_image: an image that is there"


def test_own_image_is_not_looked_for_at_docker_hub():
    [problem] = problems("denied", SERVICES["minio"]["image"], registry="docker.io")
    assert problem.what == "The registry docker.io has not trenova/minio:1, or not without a login."
    assert problem.write.startswith("trenova_own_registry: a registry of yours; then build and push")


def test_login_that_may_not_pull():
    [problem] = problems("denied", EVERY[2], login=True)
    assert "or not for the login that is used" in problem.what
    assert "docker_registry_logins: a login of registry.test that may pull" in problem.write


def test_other_architecture():
    own, other = problems("architecture", *EVERY[1:], detail="amd64")
    assert own.what == "trenova/client:0.7.2 is made for amd64, not for aarch64 as this host is."
    assert own.write.startswith("build on a machine with aarch64 and push")
    assert other.write == "redis_image: an image that is made for aarch64"


def test_configuration_that_takes_no_login():
    [problem] = preflight.check_registries([{"kind": "config", "detail": "/root/.docker/config.json is broken"}], FACTS)
    assert "/root/.docker/config.json is broken." in problem.what


@pytest.mark.parametrize(("logins", "what"), [
    ({}, None),
    ({"registry.test:5000": {"username": "a", "password": "b"}}, None),
    ({"docker.io": {"username": "a", "password": 12}}, None),
    ("secret", "docker_registry_logins is no dictionary."),
    ({"https://registry.test": {"username": "a", "password": "secret"}}, "names https://registry.test, which is no"),
    ({"registry.test/team": {"username": "a", "password": "secret"}}, "which is no registry"),
    ({"registry.test": "secret"}, "needs username and password"),
    ({"registry.test": {"username": "a"}}, "needs username and password"),
    ({"registry.test": {"username": "a", "password": "secret", "email": "x"}}, "and nothing else"),
    ({"registry.test": {"username": "", "password": "secret"}}, "has an empty username or password"),
    ({"registry.test": {"username": "a:b", "password": "secret"}}, "has a colon in it"),
])
def test_login_is_whole_and_its_password_is_not_repeated(logins, what):
    found = list(registries.check_logins(preflight.Facts({"docker_registry_logins": logins}, {}, {}, {})))
    assert [what in problem.what for problem in found] == ([True] if what else [])
    assert "secret" not in "".join(line for problem in found for line in problem.lines())


def test_images_on_the_host_are_known_by_tag_and_by_digest():
    found = engine_facts.images([
        {"RepoTags": ["postgres:17.11"], "RepoDigests": ["postgres@sha256:aa"], "Id": "sha256:1"},
        {"RepoTags": ["<none>:<none>"], "RepoDigests": ["redis@sha256:bb"], "Id": "sha256:2"},
        {"RepoTags": ["loaded:1"], "RepoDigests": None, "Id": "sha256:3"}])
    references = ["docker.io/library/postgres:17.11", "postgres:17.11@sha256:aa", "redis@sha256:bb", "loaded:1"]
    assert [found.get(familiar(reference)) for reference in references] == [
        "sha256:1", "sha256:1", "sha256:2", "sha256:3"]
    assert not [name for name in found if "<none>" in name]


def test_a_manifest_that_only_the_lock_names_and_no_registry_has_is_told_as_that():
    image = SERVICES["redis"]["image"]
    locked = f"{image}@sha256:{'a' * 64}"
    [problem] = problems("absent", locked)
    assert problem.what == (
        f"The registry registry.test does not have the manifest any more that the lock of images names for {image}.")
    assert "--tags lock -e trenova_images_renew=true; or trenova_images_by_digest: false" in problem.write
    # What else is missing is told beside it, and a fault of the registry names the variables as ever.
    assert len(problems("absent", locked, SERVICES["api"]["image"])) == 2
    assert "redis_image in the inventory" in problems("denied", locked)[0].where
