# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Images: pulled where they are missing, proven once, and before anything that ran is replaced."""

from __future__ import annotations

import threading

import pytest

from ansible_collections.trenova.selfhost.plugins.module_utils.converge import images
from ansible_collections.trenova.selfhost.plugins.module_utils.images import proof

CONTRACT = [{"says": "an image of ours", "programs": ["sh"], "command": ["true"], "capabilities": ["CHOWN"]}]


def with_contract(service, user="5:5", contract=None):
    """A service whose image has a contract."""
    return dict(service, images=[dict(image, user=user, contract=contract or CONTRACT) for image in service["images"]])


def checks(host):
    """Contracts that were checked, by image."""
    return [call for call in host.engine.calls if call.startswith("run ")]


def test_a_missing_image_is_pulled_and_proven_once(host):
    redis = with_contract(host.service("redis"))
    assert host.converge(redis, check=True)["services"]["redis"]["says"][0] == "pulled redis:1"
    assert checks(host) == []
    host.converge(redis)
    assert host.engine.calls[:2] == [
        "pull --quiet redis:1",
        "run --rm --network none --read-only --tmpfs /tmp:mode=1777 --user 5:5 --cap-drop ALL "
        "--security-opt no-new-privileges:true --memory 512m --pids-limit 256 --cap-add CHOWN "
        "--entrypoint sh redis:1 -c "
        f"{images.clause_command(CONTRACT[0])[2]} sh sh -- true"]
    clauses = [dict(CONTRACT[0])]
    assert host.state("host")["images"] == {"redis": proof("sha256:redis:1", clauses, "5:5")}
    host.forget_calls()
    assert host.converge(redis)["changed"] is False
    assert host.engine.calls == []


@pytest.mark.parametrize("change", [{"user": "6:6"}, {"contract": [dict(CONTRACT[0], says="another one")]}])
def test_a_proof_holds_for_a_contract_and_a_user_and_proving_is_no_change(host, change):
    host.converge(with_contract(host.service("redis")))
    host.forget_calls()
    result = host.converge(with_contract(host.service("redis"), **change))
    assert len(checks(host)) == 1
    assert (result["changed"], result["services"]["redis"]["state"]) == (False, "unchanged")


def test_an_image_behind_a_service_without_containers_is_pulled_too(host):
    backup = host.without_containers("backup", files={"config/backup.sh": "1"})
    host.converge(backup)
    host.engine.local.clear()
    result = host.converge(backup)
    assert result["services"]["backup"] | {"seconds": 0} == result["services"]["backup"] | {
        "seconds": 0, "state": "written", "says": ["pulled backup:1"]}
    assert result["changed"] is True


def test_each_image_of_a_service_has_a_proof_of_its_own(host):
    redis = host.service("redis")
    host.engine.registry["exporter:1"] = "sha256:exporter"
    two = with_contract(dict(redis, images=[*redis["images"], {"reference": "exporter:1"}]))
    host.converge(two)
    assert set(host.state("host")["images"]) == {"redis", "redis-2"}
    assert len(checks(host)) == 2


@pytest.mark.parametrize(("failing", "says"), [
    ({"pull": "no route to the registry"}, "the image redis:2 cannot be pulled: no route to the registry. Push it"),
    ({"run --rm": "no memory"}, "no memory"),
])
def test_what_cannot_be_had_or_proven_is_told_before_anything_is_changed(host, failing, says):
    host.converge(host.service("redis"))
    before = host.files()
    host.engine.failing.update(failing)
    host.forget_calls()
    run = host.run(with_contract(host.service("redis", image="redis:2")))
    assert f"redis: {says}" in run.failure()
    assert host.files() == before
    assert not [call for call in host.engine.calls if "compose" in call]


def test_an_image_that_no_registry_has_is_told_in_the_words_of_the_registry(host):
    redis = host.service("redis")
    host.engine.registry.clear()
    assert "cannot be pulled: manifest of redis:1 unknown. Push it" in host.run(redis).failure()


def test_an_image_that_does_not_keep_its_contract_is_told_with_what_it_said(host):
    host.engine.run_results = (1, "sh: not found\n")
    run = host.run(with_contract(host.service("redis")))
    assert run.failure() == (
        "redis: redis_image redis:1 is not an image of ours (it said: sh: not found); nothing was started with it")
    host.engine.run_results = (1, "")
    assert "is not an image of ours; nothing" in host.run(with_contract(host.service("redis"))).failure()


def test_nothing_that_ran_is_replaced_while_an_image_of_another_one_cannot_be_had(host):
    host.converge(host.service("redis"), host.service("minio"), host.service("caddy"))
    before = host.engine.state()["containers"]
    host.engine.failing["minio:2"] = "no route to the registry"
    run = host.run(
        host.service("redis", image="redis:2"), host.service("minio", image="minio:2"), host.service("caddy"),
        host.service("client"))
    found = run.result()["services"]
    states = {name: each["state"] for name, each in found.items()}
    assert states == {"redis": "waited", "minio": "failed", "caddy": "unchanged", "client": "started"}
    assert found["redis"]["says"] == ["waited for minio"]
    assert {name: found for name, found in host.engine.state()["containers"].items() if name in before} == before
    assert "Not begun because of that: redis.\nIn their wanted state: caddy, client." in run.failure()


def test_all_images_of_what_ran_are_pulled_before_the_first_replacement(host):
    host.converge(host.service("redis"), host.service("minio"))
    host.forget_calls()
    host.converge(host.service("redis", image="redis:2"), host.service("minio", image="minio:2"))
    assert sorted(host.engine.calls[:2]) == ["pull --quiet minio:2", "pull --quiet redis:2"]


def test_two_images_are_pulled_at_a_time(host):
    at_work, most, lock, third = [], [], threading.Lock(), threading.Event()
    docker = host.engine.docker

    def slow(*arguments, **options):
        with lock:
            at_work.append(arguments)
            most.append(len(at_work))
            if len(at_work) > 2:
                third.set()
        # Time enough for a third one to begin, if it could.
        third.wait(0.1)
        result = docker(*arguments, **options)
        with lock:
            at_work.remove(arguments)
        return result

    host.engine.docker = slow
    host.converge(*[host.service(name) for name in ("redis", "minio", "caddy", "client", "rabbitmq")])
    assert max(most) == 2


FIRST, SECOND = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def locked(host, digest, service=None):
    """A service whose image is pulled by a digest, which the registry has."""
    host.engine.registry[f"redis@{digest}"] = f"{digest}:id"
    service = service or host.service("redis")
    return dict(service, wish=service["wish"] + digest, images=[dict(service["images"][0], digest=digest)])


def pulls(host):
    """What was pulled and how it was called then."""
    return [call for call in host.engine.calls if call.startswith(("pull ", "tag "))]


def test_an_image_is_pulled_by_its_digest_and_called_by_its_reference(host):
    result = host.converge(locked(host, FIRST))
    assert pulls(host) == [f"pull --quiet redis@{FIRST}", f"tag redis@{FIRST} redis:1"]
    assert host.container("tren-redis")["Image"] == f"{FIRST}:id"
    assert result["services"]["redis"]["says"][0] == "pulled redis:1"
    host.forget_calls()
    assert host.converge(locked(host, FIRST))["changed"] is False
    assert host.engine.calls == []


def test_another_digest_of_the_same_reference_replaces_what_runs_and_what_follows_it(host):
    api = host.service("api", needs=["redis"], follows=["tren-redis"])
    host.converge(locked(host, FIRST), api)
    host.forget_calls()
    foretold = host.converge(locked(host, SECOND), api, check=True)["services"]
    assert foretold["redis"]["says"] == ["pulled redis:1", "replaced tren-redis: another image"]
    found = host.converge(locked(host, SECOND), api)["services"]
    assert found["redis"]["says"] == foretold["redis"]["says"]
    assert found["api"]["started"] == ["tren-api"]
    assert host.container("tren-redis")["Image"] == f"{SECOND}:id"
    assert host.converge(locked(host, SECOND), api)["changed"] is False


def test_another_digest_makes_the_jobs_of_the_image_due(host):
    job = {"service": "redis-prepare", "once_per": "image"}
    host.converge(locked(host, FIRST, host.service("redis", jobs=[job])))
    host.forget_calls()
    host.converge(locked(host, SECOND, host.service("redis", jobs=[job])))
    assert ("job", "redis-prepare") in host.engine.events


def test_an_image_that_came_from_elsewhere_is_left_alone(host):
    """Out of an archive, or pulled by its tag before there was a lock."""
    host.converge(host.service("redis"))
    host.forget_calls()
    assert host.converge(locked(host, FIRST))["changed"] is False
    assert pulls(host) == []


def test_an_archive_takes_the_place_of_what_was_pulled_by_a_digest(host):
    host.converge(locked(host, FIRST))
    host.engine.local["redis:1"] = "sha256:loaded"
    host.forget_calls()
    says = host.converge(locked(host, SECOND))["services"]["redis"]["says"]
    assert (pulls(host), says) == ([], ["replaced tren-redis: another image"])


def test_without_a_digest_an_image_that_was_pulled_by_one_stays(host):
    host.converge(locked(host, FIRST))
    host.forget_calls()
    assert host.converge(host.service("redis"))["changed"] is False
    assert pulls(host) == []


def test_a_digest_that_no_registry_has_any_more_is_told_with_the_ways_out(host):
    redis = locked(host, FIRST)
    host.engine.registry.clear()
    assert host.run(redis).failure() == (
        f"redis: the image redis:1 cannot be pulled by the digest that the lock of images names, {FIRST}: manifest of "
        f"redis@{FIRST} unknown. Make the lock anew (playbooks/images.yml --tags lock), load the image from an "
        "archive, or set trenova_images_by_digest: false; nothing was changed")
