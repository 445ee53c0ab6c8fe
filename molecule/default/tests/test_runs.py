# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a run does: nothing when nothing differs, only what is needed when something does, and no harm when it fails."""

from __future__ import annotations

import json
import pathlib
import shlex
import shutil

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
REGISTRY = "172.30.60.2:5000"


def started(host):
    """When each container was started: {name: time}."""
    listing = host.check_output("docker inspect --format '{{.Name}} {{.State.StartedAt}}' $(docker ps --quiet)")
    return dict(line.lstrip("/").split() for line in listing.splitlines())


def restarted(before, after):
    """Names of the containers that were started anew."""
    return {name for name in after if before.get(name) != after[name]}


def test_check_mode_changes_nothing_and_says_so(host, playbook):
    before = started(host)
    run = playbook("site.yml", "--check")
    assert (run.returncode, run.changed) == (0, 0), run.output
    assert started(host) == before


def test_setting_that_can_be_reloaded_restarts_nothing(host, playbook):
    """Check, real, check again, real again, and back."""
    before = started(host)
    change = ("-e", '{"postgres_slow_statement_ms": 777}', "--tags", "postgres")
    announced = playbook("site.yml", "--check", "--diff", *change)
    assert announced.changed == 1, announced.output
    assert "+log_min_duration_statement = 777" in announced.output
    shown = "docker exec tren-db psql -qAt -c 'SHOW log_min_duration_statement'"
    assert host.check_output(shown) == "1s"
    assert playbook("site.yml", *change).changed == 1
    assert host.check_output(shown) == "777ms"
    assert playbook("site.yml", "--check", *change).changed == 0
    assert playbook("site.yml", *change).changed == 0
    assert playbook("site.yml", "--tags", "postgres").changed == 1
    assert restarted(before, started(host)) == set()


def test_setting_that_needs_a_restart_restarts_that_service_only(host, playbook):
    before = started(host)
    change = ("-e", '{"asynq_dashboard_read_only": false}', "--tags", "asynq_dashboard")
    assert playbook("site.yml", *change).changed == 1
    assert restarted(before, started(host)) == {"tren-asynq-dashboard"}
    assert playbook("site.yml", "--tags", "asynq_dashboard").changed == 1


def test_api_is_restarted_after_redis_was(host, playbook):
    """The rate limiter's scripts are gone with Redis' memory; only a restart of the API loads them again."""
    before = started(host)
    host.check_output("systemctl stop trenova-api-watch.timer")
    host.check_output("docker restart tren-redis")
    assert playbook("site.yml", "--tags", "api").changed == 1
    assert restarted(before, started(host)) == {"tren-redis", "tren-api"}
    host.check_output("systemctl start trenova-api-watch.timer")


def test_api_is_restarted_after_the_same_run_has_restarted_redis(host, playbook):
    """What was measured at the start of the run is not believed once something has been changed."""
    before = started(host)
    change = ("-e", json.dumps({"redis_compose_extra": {"redis": {"stop_grace_period": "31s"}}}))
    assert playbook("site.yml", *change).returncode == 0
    assert restarted(before, started(host)) == {"tren-redis", "tren-api"}
    assert playbook("site.yml").returncode == 0


def test_run_without_changes_costs_two_module_executions(host, playbook):
    """One measures the host, one verifies; what the measurement finds as its record says is not looked at again."""
    since = host.check_output("date +%s")
    assert playbook("site.yml").changed == 0
    invoked = host.check_output(f"journalctl --quiet --no-pager --since=@{since} --grep='Invoked with' --output=cat")
    assert len(invoked.splitlines()) == 2, invoked


def test_watch_restarts_the_api_after_a_crash_of_rabbitmq(host):
    before = started(host)
    host.check_output("docker restart tren-rabbitmq")
    host.check_output("systemctl start trenova-api-watch.service")
    assert restarted(before, started(host)) == {"tren-rabbitmq", "tren-api"}


def test_container_that_does_not_become_healthy_is_put_back(host, playbook):
    run = playbook(
        "site.yml", "--tags", "api", "-e", json.dumps({"api_config_extra": {"backup": {"enabled": False}}}))
    assert run.returncode != 0
    assert "tren-api did not become healthy" in run.output
    assert "The last log lines:" in run.output
    state = "docker inspect --format '{{.State.Health.Status}}' tren-api"
    assert host.check_output(state) == "healthy"
    assert playbook("site.yml", "--tags", "api").changed == 0


def test_disabled_service_goes_and_its_data_stays(host, playbook):
    disabled = ("-e", "backup_enabled=false", "--tags", "backup")
    assert playbook("site.yml", "--check", *disabled).changed == 1
    assert host.service("trenova-backup.timer").is_enabled
    assert playbook("site.yml", *disabled).changed == 1
    assert not host.file("/etc/systemd/system/trenova-backup.timer").exists
    assert not host.file("/opt/trenova/backup").exists
    assert host.file("/var/backups/trenova").is_directory
    assert playbook("site.yml", *disabled).changed == 0
    assert playbook("site.yml", "--tags", "backup").changed == 1
    assert host.service("trenova-backup.timer").is_enabled


@pytest.fixture(scope="module")
def settled(playbook):
    """Every service has seen what the runs before, of one service each, have left."""
    assert playbook("site.yml").returncode == 0


#: Ends the program that Ansible runs on the server, which an interpreter reads from its input.
KILL = "pkill -KILL -x -f '/usr/bin/python3[.0-9]*'"
#: Where a run that replaces Redis is killed: what can be seen on the host as soon as it has come there.
PLACES = {
    "before the first change": "! grep -q '\"record\"' /opt/trenova/.state/redis.json",
    "while a container is replaced":
        '[ "$(docker inspect --format {{.Id}} tren-redis 2>&1)" != "$(cat /root/redis.id)" ]',
    "while what follows is restarted":
        '[ "$(docker inspect --format {{.State.StartedAt}} tren-api)" != "$(cat /root/api.started)" ]',
}


@pytest.mark.usefixtures("settled")
def test_run_that_is_killed_and_repeated_ends_as_an_undisturbed_one(host, playbook, server):
    """The program on the server, and the run with it, in three places; each goes the way of the one before back."""
    # A container that was made anew has another identity, which is kept beside how it was made.
    files = (
        "for file in $(find /opt/trenova -type f | sort); do "
        """echo $file $(sed -E 's/"id": "[0-9a-f]{64}"//g' $file | sha256sum); done; """
        "docker inspect --format '{{.Name}} {{.State.Status}} {{.Config.StopTimeout}}' "
        "$(docker ps --all --quiet) | sort")
    ways = [{"redis_compose_extra": {"redis": {"stop_grace_period": f"{seconds}s"}}} for seconds in (31, 32)]
    undisturbed = []
    for variables in ways:
        assert playbook("site.yml", "--skip-tags", "verify", "-e", json.dumps(variables)).returncode == 0
        undisturbed.append(host.check_output(files))
    for number, (place, is_there) in enumerate(PLACES.items()):
        host.check_output(
            "docker inspect --format {{.Id}} tren-redis > /root/redis.id; "
            "docker inspect --format {{.State.StartedAt}} tren-api > /root/api.started")
        run = server.start(ways[number % 2], playbook=ROOT / "site.yml")
        host.check_output(
            f"for i in $(seq 600); do if {is_there}; then {KILL}; exit 0; fi; sleep 0.05; "
            "done; exit 1")
        assert run.wait(120) != 0, place
        assert host.check_output(files) != undisturbed[number % 2], place
        again = playbook("site.yml", "--skip-tags", "verify", "-e", json.dumps(ways[number % 2]))
        assert again.returncode == 0, again.output
        assert host.check_output(files) == undisturbed[number % 2], place
    assert playbook("site.yml").returncode == 0


BAD_INPUT = [
    ("unknown tier", {"trenova_tier": "huge"}, ['trenova_tier', 'huge', "minimum, small, medium, large"]),
    ("host below the minimum", {"trenova_accept_undersized_host": False},
     ["2 CPU cores found, 6 needed", "trenova_accept_undersized_host"]),
    ("placeholder domain", {"trenova_domain": "trenova.example.com"},
     ["trenova_domain is still the example trenova.example.com"]),
    ("missing secret", {"trenova_redis_password": ""}, ["trenova_redis_password is missing", "playbooks/secrets.yml"]),
    ("weak secret", {"trenova_redis_password": "minioadmin"}, ["trenova_redis_password is a well-known default"]),
    ("malformed secret", {"trenova_api_secret_key": "c2hvcnQ="}, ["trenova_api_secret_key is base64 of 5 bytes"]),
    ("Redis without JSON", {"redis_image": "172.30.60.2:5000/library/redis:8.4.7-nojson"},
     ["redis_image", "is not a Redis with the JSON commands (JSON.SET)"]),
    ("other major of PostgreSQL", {"postgres_image": "172.30.60.2:5000/library/postgres:16.10"},
     ["The data on the host is of PostgreSQL 17", "postgres:16.10"]),
    ("port held by somebody else", {"caddy_https_port": 8443}, ["Port 8443 is held by python3"]),
    ("another ordinal", {"trenova_ordinals": {"postgres": 2}},
     ["molecule1 is number 1 of postgres, which never changes; the inventory says 2"]),
    ("a profile that breaks the schema", {"api_profile_extra": {"port": "http"}},
     ["roles/api/profiles/v0.7.2.yml", "port", "'http' is not of type 'integer'"]),
]


@pytest.fixture
def foreign_listener(host):
    """Somebody else's program on port 8443."""
    host.check_output("systemd-run --unit foreign --quiet python3 -m http.server 8443")
    yield
    host.check_output("systemctl stop foreign")


@pytest.fixture
def refused(host, playbook):
    """Function that runs site.yml with some values, which must be refused before anything is changed."""
    # An image that is on the host may be found to be what its role needs on the way to the refusal; all else stays.
    digest = (
        "find /opt/trenova /etc/docker -type f -not -path /opt/trenova/.state/host.json | sort | xargs sha256sum; "
        "python3 -c \"import json; content = json.load(open('/opt/trenova/.state/host.json')); "
        "print({key: content[key] for key in sorted(content) if key != 'images'})\"; docker ps --no-trunc --quiet")

    def run(values, words):
        before, state = started(host), host.check_output(digest)
        done = playbook("site.yml", "-e", json.dumps(values))
        assert done.returncode != 0
        assert [word for word in words if word not in done.output] == [], done.output
        assert done.changed == 0
        assert (started(host), host.check_output(digest)) == (before, state)
    return run


@pytest.mark.usefixtures("settled", "foreign_listener")
@pytest.mark.parametrize(("values", "words"), [case[1:] for case in BAD_INPUT], ids=[case[0] for case in BAD_INPUT])
def test_bad_input_is_refused_before_anything_changes(refused, values, words):
    refused(values, words)


@pytest.mark.usefixtures("settled")
def test_what_a_newer_version_has_written_is_refused(host, refused):
    path = "/opt/trenova/.state/redis.json"
    host.check_output(f"cp {path} /root/redis.json")
    newer = '{"schema": 3, "version": "9.1.0", "record": {}}'
    host.check_output(f"printf %s {shlex.quote(newer)} > {path}")
    try:
        refused({}, [f"{path} was written by version 9.1.0 of the collection", "use version 9.1.0 of the collection"])
    finally:
        host.check_output(f"mv /root/redis.json {path}")


@pytest.mark.usefixtures("settled")
def test_a_description_that_breaks_the_schema_is_refused(refused, tmp_path, monkeypatch):
    shutil.copytree(ROOT / "molecule/twelfth/roles/greeter", tmp_path / "greeter")
    source = tmp_path / "greeter/meta/service.yml"
    source.write_text(source.read_text() + "colours: {light: green}\n")
    monkeypatch.setenv("ANSIBLE_ROLES_PATH", str(tmp_path))
    refused({"trenova_roles_extra": ["greeter"], "trenova_greeter_token": "kD8-fW2_qL5xR9tZ3vB7nM1c"}, [
        str(source), "'colours' was unexpected", "known keys: ", "colour, "])


#: What somebody could build in place of an image: {reference: (image that it begins with, what is wrong with it)}.
BROKEN_IMAGES = {
    "broken/api:no-migration": ("trenova/api:0.7.2", "rm /usr/local/bin/trenova-db"),
    "broken/api:no-dump": ("trenova/api:0.7.2", "rm /usr/bin/pg_dump"),
    "broken/minio:vulnerable": (
        "trenova/minio:RELEASE.2026-02-12T20-18-48Z",
        "printf '#!/bin/sh\\necho minio version RELEASE.2025-09-07T16-13-09Z\\n' > $(command -v minio)"),
    "broken/asynqmon:entrypoint": (
        "trenova/asynqmon:0.7.2",
        "printf '#!/bin/sh\\nexec asynqmon\\n' > /usr/local/bin/asynqmon-entrypoint"),
}


@pytest.fixture(scope="module")
def broken_images(host):
    """Images on the server that lack what their role needs."""
    for reference, (base, mistake) in BROKEN_IMAGES.items():
        recipe = f"FROM {REGISTRY}/{base}\nUSER root\nRUN {mistake}\n"
        host.check_output(
            f"printf %s {shlex.quote(recipe)} | DOCKER_BUILDKIT=0 docker build --quiet --tag {REGISTRY}/{reference} -")
    yield
    host.check_output("docker rmi --no-prune " + " ".join(f"{REGISTRY}/{reference}" for reference in BROKEN_IMAGES))


@pytest.mark.usefixtures("broken_images")
@pytest.mark.parametrize(("images", "words"), [
    ({"api_image": "broken/api:no-migration", "minio_image": "broken/minio:vulnerable",
      "asynq_dashboard_image": "broken/asynqmon:entrypoint"},
     ["broken/api:no-migration is not the programs", "the program trenova-db is missing",
      "broken/minio:vulnerable is not a MinIO that is not older", "CVE-2025-62506",
      "broken/asynqmon:entrypoint is not an asynqmon that takes REDIS_PASSWORD_FILE"]),
    ({"api_image": "broken/api:no-dump"}, ["the program pg_dump is missing"]),
], ids=["several", "pg_dump"])
def test_images_that_lack_what_their_role_needs_are_refused_before_a_service_starts(host, playbook, images, words):
    before = started(host)
    run = playbook("site.yml", "-e", json.dumps({name: f"{REGISTRY}/{image}" for name, image in images.items()}))
    assert run.returncode != 0
    assert [word for word in words if word not in run.output] == [], run.output
    assert run.changed == 0
    assert started(host) == before
