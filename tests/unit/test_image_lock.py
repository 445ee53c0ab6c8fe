# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The lock of images: what registries say goes into it, what it says is pulled, and what differs is told."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import re
import subprocess
import types

import pytest
import test_image_registry
import yaml
from hypothesis import given
from hypothesis import strategies as st
from test_bundle import ROOT, action_for, by_plan, in_play
from test_image_registry import INDEX, MANIFEST, serving

from ansible_collections.trenova.selfhost.plugins.action.image_lock import ActionModule
from ansible_collections.trenova.selfhost.plugins.filter.by_digest import by_digest
from ansible_collections.trenova.selfhost.plugins.module_utils import image_registry
from ansible_collections.trenova.selfhost.plugins.module_utils.image_registry import Settings
from ansible_collections.trenova.selfhost.plugins.module_utils.images import is_pinned
from ansible_collections.trenova.selfhost.plugins.plugin_utils import catalogue, image_lock
from ansible_collections.trenova.selfhost.plugins.plugin_utils.project import Project

A, B, C = ("sha256:" + letter * 64 for letter in "abc")
DIGESTS = st.sampled_from((A, B, C))
MANIFESTS = st.dictionaries(st.sampled_from(("amd64", "arm64")), DIGESTS, min_size=1)
REFERENCES = st.sampled_from(("r.test/a:1", "r.test/b:1", "r.test/c:2"))


def index(amd64=A, arm64=B):
    """An index as registries have it, with what nobody here runs beside it."""
    entries = [("linux", "amd64", amd64), ("linux", "arm64", arm64), ("linux", "s390x", C), ("windows", "amd64", C),
               ("unknown", "unknown", C)]
    return INDEX, {"manifests": [
        {"digest": digest, "platform": {"os": system, "architecture": name}} for system, name, digest in entries]}


@pytest.fixture
def registry(monkeypatch):
    """A small registry with `team/app:2`; its content may be changed."""
    monkeypatch.setitem(test_image_registry.CONTENT, "team/app/manifests/2", index())
    monkeypatch.setattr(image_registry, "TIMEOUT_SECONDS", 1)
    with serving() as server:
        server.offers = lambda version, content, path="team/app": monkeypatch.setitem(
            test_image_registry.CONTENT, f"{path}/manifests/{version}", content)
        yield server


def resolve(*references):
    return image_registry.resolve(references, Settings())


def test_the_manifests_of_an_index_are_told_for_the_architectures_that_are_known(registry):
    reference = f"{registry.name}/team/app:2"
    assert resolve(reference) == ({reference: {"amd64": A, "arm64": B}}, [], {})


def test_the_digest_of_a_manifest_is_that_of_its_content(registry):
    reference = f"{registry.name}/team/app:plain"
    body = json.dumps({"config": {"digest": "sha256:c0"}}).encode()
    assert resolve(reference) == ({reference: {"amd64": "sha256:" + hashlib.sha256(body).hexdigest()}}, [], {})


@pytest.mark.parametrize(("version", "content", "kind"), [
    ("3", None, "absent"),
    ("3", (INDEX, {"manifests": [{"digest": C, "platform": {"os": "linux", "architecture": "arm"}}]}), "architecture"),
    ("3", (MANIFEST, {}), "architecture"),
])
def test_what_cannot_be_resolved_is_a_finding(registry, version, content, kind):
    if content:
        registry.offers(version, content)
    references = [f"{registry.name}/team/app:{version}", f"{registry.name}/team/app:2"]
    digests, findings, _newer = resolve(*references)
    assert list(digests) == references[1:]
    assert [(finding["kind"], finding["images"]) for finding in findings] == [(kind, references[:1])]


def test_a_registry_that_is_away_is_one_finding_for_all_its_images():
    with serving() as server:
        references = [f"{server.name}/team/app:{number}" for number in range(3)]
    digests, findings, _newer = resolve(*references)
    assert (digests, [(finding["kind"], finding["images"]) for finding in findings]) == (
        {}, [("unreachable", references)])


@pytest.mark.parametrize(("tag", "offered", "newer"), [
    ("17.11", ["17.10", "17.12", "17.13"], "17.13"),
    ("8.4.7", ["8.4.9", "8.5.0"], "8.4.9"),
    ("4.2.9-management", ["4.2.10", "4.2.10-management"], "4.2.10-management"),
    ("v1.25.2-p0", ["v1.25.3-p0"], "v1.25.3-p0"),
    ("1.5", ["1.5.1", "2.0"], None),
    ("latest", ["1"], None),
    ("trixie-20260918-slim", ["trixie-20260919-slim"], None),
])
def test_a_newer_patch_of_the_same_series_is_told(registry, lock, tag, offered, newer):
    reference = f"{registry.name}/team/app:{tag}"
    for each in [tag, *offered]:
        registry.offers(each, index())
    result = lock.run(reference)
    assert result["newer"] == ({reference: newer} if newer else {})
    assert result["warnings"] == ([f"{reference}: there is a newer patch, {newer}"] if newer else [])
    assert not result.get("failed")


class Lock:
    """The action, whose question to the registries is asked in this process."""

    def __init__(self, folder):
        self.path = folder / "images.lock.yml"
        self.variables = {"inventory_dir": str(folder)}

    def run(self, *references, check=False, **arguments):
        action = ActionModule.__new__(ActionModule)
        action.__dict__.update(action_for(self.variables).__dict__)
        action._task = types.SimpleNamespace(
            args=dict(arguments, references=list(references)), check_mode=check, async_val=0, diff=False, action="x")
        action._connection = types.SimpleNamespace(_shell=types.SimpleNamespace(tmpdir=None))
        action._execute_module = lambda module_args, **_more: dict(
            zip(("digests", "findings", "newer"), resolve(*module_args["images"]), strict=True))
        return action.run(task_vars=self.variables)

    def entries(self):
        return yaml.safe_load(self.path.read_text())["images"] if self.path.exists() else None


@pytest.fixture
def lock(tmp_path):
    return Lock(tmp_path)


def test_the_lock_is_written_once_and_checked_from_then_on(registry, lock):
    reference = f"{registry.name}/team/app:2"
    result = lock.run(reference)
    assert (result["changed"], result["resolved"], result.get("failed")) == (True, [reference], None)
    entry = lock.entries()[reference]
    assert (entry["amd64"], entry["arm64"]) == (A, B)
    assert re.fullmatch(r"the registry, \d{4}-\d\d-\d\d", entry["from"])
    again = lock.run(reference)
    assert (again["changed"], again["resolved"], again["differing"]) == (False, [], {})


def test_another_image_under_the_tag_is_told_and_the_lock_stays(registry, lock):
    reference = f"{registry.name}/team/app:2"
    lock.run(reference)
    before = lock.path.read_text()
    registry.offers("2", index(arm64=C))
    result = lock.run(reference)
    assert result["failed"] is True
    assert result["msg"].startswith(
        f"The registry has another image under {reference} than the lock says (arm64): a rebuild, or somebody")
    assert "-e trenova_images_renew=true" in result["msg"]
    assert lock.path.read_text() == before
    renewed = lock.run(reference, renew=True)
    assert (renewed["changed"], renewed.get("failed"), lock.entries()[reference]["arm64"]) == (True, None, C)
    assert lock.run(reference).get("failed") is None


def test_an_index_that_changed_for_others_alone_is_no_change(registry, lock):
    reference = f"{registry.name}/team/app:2"
    lock.run(reference)
    kind, document = index()
    document["manifests"][2]["digest"] = A
    registry.offers("2", (kind, document))
    result = lock.run(reference)
    assert (result["changed"], result.get("failed")) == (False, None)


def test_check_mode_compares_and_writes_nothing(registry, lock):
    result = lock.run(f"{registry.name}/team/app:2", check=True)
    assert (result["changed"], lock.entries()) == (True, None)
    assert A in result["diff"][0]["after"]


def test_what_cannot_be_asked_is_told_and_nothing_is_made_up_for_it(registry, lock):
    there, gone = f"{registry.name}/team/app:2", f"{registry.name}/team/app:9"
    result = lock.run(there, gone)
    assert result["msg"] == f"{registry.name}: does not have these ({gone})"
    assert (lock.entries()[gone], lock.entries()[there]["amd64"]) == ({}, A)
    assert f"  {gone}: {{}}  # not resolved yet\n" in lock.path.read_text()
    registry.offers("9", index(amd64=C))
    assert lock.run(there, gone)["resolved"] == [gone]
    assert lock.entries()[gone]["amd64"] == C


def test_what_the_lock_of_the_collection_says_is_checked_and_not_repeated(registry, lock, monkeypatch, tmp_path):
    reference = f"{registry.name}/team/app:2"
    shipped = tmp_path / "shipped.yml"
    shipped.write_text(image_lock.to_text({reference: {"amd64": A, "arm64": B, "from": "x"}}))
    monkeypatch.setattr(image_lock, "SHIPPED", str(shipped))
    result = lock.run(reference)
    assert (result["changed"], result["resolved"], lock.entries()) == (False, [], None)
    registry.offers("2", index(amd64=C))
    assert "another image under" in lock.run(reference)["msg"]
    lock.run(reference, renew=True)
    assert lock.entries()[reference]["amd64"] == C


def test_own_images_and_named_digests_are_not_asked_for(registry, lock):
    result = lock.run("docker.io/trenova/minio:1", f"{registry.name}/team/app@{A}", f"{registry.name}/team/app:1@{A}")
    assert (result["changed"], result["unresolved"], registry.requests) == (False, [], [])


def test_base_images_of_a_folder_are_asked_for_as_well(registry, lock, tmp_path):
    (tmp_path / "images/one").mkdir(parents=True)
    reference = f"{registry.name}/team/app:2"
    description = {"build_args": {"BASE_IMAGE": reference, "OTHER": "x"}}
    (tmp_path / "images/one/image.yml").write_text(yaml.safe_dump(description))
    assert lock.run(folder=str(tmp_path / "images"))["resolved"] == [reference]


@given(st.dictionaries(REFERENCES, MANIFESTS), st.dictionaries(REFERENCES, MANIFESTS), st.booleans())
def test_what_is_known_changes_only_where_it_is_to_be_renewed(known, found, renew):
    entries, differing = image_lock.updated(known, found, "today", renew)
    for reference, manifests in found.items():
        before = known.get(reference, {})
        others = {name for name in before if name in manifests and before[name] != manifests[name]}
        assert set(differing.get(reference, ())) == others
        for name, digest in manifests.items():
            assert entries[reference][name] == (digest if renew or name not in before else before[name])
    assert {name: entries[name] for name in set(known) - set(found)} == {
        name: known[name] for name in set(known) - set(found)}
    # What was just taken does not differ.
    again, _differing = image_lock.updated(entries, found, "tomorrow", renew)
    assert again == entries


@given(st.dictionaries(REFERENCES, MANIFESTS | st.just({})))
def test_what_is_written_is_read_again(tmp_path_factory, entries):
    path = tmp_path_factory.mktemp("lock") / "lock.yml"
    path.write_text(image_lock.to_text(entries))
    image_lock._parsed.cache_clear()
    assert image_lock.read(str(path)) == entries


@pytest.mark.parametrize(("text", "says"), [
    ("images: {r.test/a:1: {amd64: sha256:12}}", "r.test/a:1: amd64: sha256:12 is no digest; write sha256: and 64"),
    (f"images: {{r.test/a:1: {{sparc: '{A}'}}}}", "for amd64 or arm64"),
    ("images: [", "is no lock of images"),
    ("- a", "is no lock of images"),
])
def test_a_lock_that_cannot_be_read_is_told_with_its_place(tmp_path, text, says):
    (tmp_path / "images.lock.yml").write_text(text)
    with pytest.raises(image_lock.LockInvalid, match=re.escape(str(tmp_path))) as caught:
        image_lock.lock_of(action_for({}), {"inventory_dir": str(tmp_path)})
    assert says in str(caught.value)


# -- What is pulled ---------------------------------------------------------------------------------------------------


def pulled(role="postgres", **variables):
    """(reference, digest) of the image of a role."""
    [image] = by_plan(role, *in_play(json.dumps(variables)))["images"]
    return image["reference"], image.get("digest")


SHIPPED = image_lock.read(image_lock.SHIPPED)
POSTGRES = next(reference for reference in SHIPPED if "/postgres:" in reference)


def test_published_images_are_pulled_by_the_digest_of_the_collections_lock():
    assert pulled() == (POSTGRES, SHIPPED[POSTGRES]["amd64"])
    machine = {"trenova_capacity": dict(in_play()[0]["trenova_capacity"], architecture="aarch64")}
    assert pulled(**machine) == (POSTGRES, SHIPPED[POSTGRES]["arm64"])


@pytest.mark.parametrize("variables", [
    {"trenova_images_by_digest": False}, {"trenova_images_by_digest": "no"},
    {"trenova_image_registry": "mirror.test:5000"}, {"postgres_image": "docker.io/library/postgres:17.10"},
])
def test_without_an_entry_or_without_being_wanted_the_tag_decides(variables):
    assert pulled(**variables)[1] is None
    # Nothing differs for who has no lock: an installation is as it was.
    assert "digest" not in by_plan("postgres", *in_play(json.dumps(variables)))["images"][0]


def test_the_lock_of_the_inventory_is_for_its_mirror_and_comes_first(tmp_path):
    mirrored = "mirror.test:5000/library/" + POSTGRES.rpartition("/")[2]
    (tmp_path / "images.lock.yml").write_text(image_lock.to_text({mirrored: {"amd64": A}, POSTGRES: {"amd64": B}}))
    assert pulled(inventory_dir=str(tmp_path), trenova_image_registry="mirror.test:5000") == (mirrored, A)
    assert pulled(inventory_dir=str(tmp_path)) == (POSTGRES, B)
    (tmp_path / "other.yml").write_text(image_lock.to_text({POSTGRES: {"amd64": C}}))
    assert pulled(inventory_dir=str(tmp_path), trenova_images_lock=str(tmp_path / "other.yml")) == (POSTGRES, C)


def test_a_digest_is_part_of_what_is_wanted():
    by_digest_, by_tag = (
        by_plan("postgres", *in_play(json.dumps({"trenova_images_by_digest": wanted}))) for wanted in (True, False))
    assert by_digest_["wish"] != by_tag["wish"]
    assert [each["digest"] for each in by_digest_["containers"]] == [each["digest"] for each in by_tag["containers"]]


@pytest.mark.parametrize(("reference", "architecture", "pulled_by"), [
    ("r.test/team/app:1", "x86_64", f"r.test/team/app@{A}"), ("r.test/team/app:1", "amd64", f"r.test/team/app@{A}"),
    ("r.test/team/app:1", "aarch64", "r.test/team/app:1"), ("r.test/team/app:2", "amd64", "r.test/team/app:2"),
])
def test_what_an_image_is_pulled_by(reference, architecture, pulled_by):
    assert by_digest(reference, {"r.test/team/app:1": {"amd64": A}}, architecture) == pulled_by


# -- What comes with the collection -----------------------------------------------------------------------------------


def default_references():
    """References of the published images that roles name by default, and of those that ours are built on."""
    named = catalogue.Catalogue(action_for({}), {}, Project(), catalogue.own_roles()).images()
    return image_lock.lockable([*named, *image_lock.bases(str(ROOT / "images"))])


def test_the_collections_lock_is_of_the_images_that_are_named():
    assert sorted(SHIPPED) == default_references()
    assert pathlib.Path(image_lock.SHIPPED).read_text() == image_lock.to_text(SHIPPED)


@pytest.mark.parametrize("reference", SHIPPED)
def test_an_entry_is_whole_or_says_that_it_is_not_resolved(reference):
    assert set(SHIPPED[reference]) in (set(), {"amd64", "arm64", "from"})


def test_every_dockerfile_is_built_on_what_its_description_says():
    for description in sorted((ROOT / "images").glob("*/image.yml")):
        arguments = yaml.safe_load(description.read_text())["build_args"]
        said = {name: value for name, value in arguments.items() if name.endswith("_IMAGE")}
        text = (description.parent / "Dockerfile").read_text()
        assert dict(re.findall(r"^ARG (\w+_IMAGE)=(\S+)$", text, re.MULTILINE)) == said != {}
        assert all(is_pinned(value) for value in said.values())
        assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) <= {f"${{{name}}}" for name in said} | {"runtime"}


def test_the_lab_stands_for_the_versions_that_the_roles_name():
    images = yaml.safe_load((ROOT / "tests/lab/images/lab-images.yml").read_text())["lab_images"]
    stands_for = {image["for"] for image in images if "/" in image["for"]}
    named = set(default_references()) - set(image_lock.bases(str(ROOT / "images")))
    assert named <= stands_for
    for image in images:
        if "/" in image["for"]:
            assert image["for"] == f"docker.io/{image['path']}:{image['tag']}"


def test_the_playbook_writes_the_lock_of_an_inventory(registry, tmp_path):
    """From end to end, with Ansible and a registry in this process. Docker Hub, of the base images, is out of reach."""
    for reference in default_references():
        path, _colon, tag = reference.partition("/")[2].rpartition(":")
        registry.offers(tag, index(), path)
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"trenova": {
        "hosts": {"erp1": {"ansible_host": "192.0.2.7"}},
        "vars": {"trenova_domain": "erp.example.test", "trenova_image_registry": registry.name}}}))
    done = subprocess.run(
        ["ansible-playbook", str(ROOT / "playbooks/images.yml"), "-i", str(tmp_path / "hosts.yml"), "--tags", "lock"],
        capture_output=True, text=True, check=False,
        env=dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), HTTPS_PROXY="http://127.0.0.1:9"))
    found = yaml.safe_load((tmp_path / "images.lock.yml").read_text())["images"]
    bases = image_lock.bases(str(ROOT / "images"))
    mirrored = {registry.name + reference[len("docker.io"):] for reference in set(default_references()) - set(bases)}
    assert {reference for reference, entry in found.items() if entry} == mirrored | {
        registry.name + "/library/" + reference.rpartition("/")[2] for reference in bases if "caddy" in reference}
    assert "docker.io: cannot be reached from here, so these are not resolved" in done.stdout
