# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A registry that asks for a login, of which only the preflight's answers may be seen."""

from __future__ import annotations

import base64
import json
import pathlib
import secrets
import subprocess
import time

import bcrypt
import pytest

PLAYBOOK = pathlib.Path(__file__).resolve().parents[1] / "private.yml"
STATE = pathlib.Path.home() / ".local/state/trenova-lab"
ADDRESS = "172.30.60.141"
REGISTRY = f"{ADDRESS}:5000"
CONTAINER = "trenova-lab-private-registry"
IMAGE = f"{REGISTRY}/library/redis:8.4.7"
USER = "puller"
PASSWORD = secrets.token_urlsafe(24)
CONFIG = "/root/.docker/config.json"
#: An administrator's own login, which nobody asked for.
FOREIGN = {
    "auths": {"quay.test": {"auth": base64.b64encode(b"admin:his-own-Password").decode()}}, "detachKeys": "ctrl-q"}
#: Writes down the process list until it is told to stop.
WATCH = (
    "touch /run/watched; "
    "setsid --fork sh -c 'while [ -e /run/watched ]; do ps auxwwe; sleep 0.05; done' > /root/watched 2>&1 < /dev/null")


def local(*command, **options):
    """Output of a command of this machine."""
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


@pytest.fixture(scope="module", autouse=True)
def registry(server, host, tmp_path_factory):
    """The lab's images behind a password. It carries the label of the scenario's server and goes with it."""
    folder = tmp_path_factory.mktemp("registry")
    (folder / "extensions").write_text(f"subjectAltName=IP:{ADDRESS}\n")
    (folder / "htpasswd").write_text(f"{USER}:{bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(5)).decode()}\n")
    local("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
          "/CN=private", "-keyout", "tls.key", "-out", "tls.csr", cwd=folder)
    local("openssl", "x509", "-req", "-in", "tls.csr", "-extfile", "extensions", "-CA", str(STATE / "ca/ca.crt"),
          "-CAkey", str(STATE / "ca/ca.key"), "-days", "2", "-out", "tls.crt", cwd=folder)
    folder.chmod(0o755)
    (folder / "tls.key").chmod(0o644)
    subprocess.run(["docker", "rm", "--force", CONTAINER], check=False, capture_output=True)
    settings = {
        "AUTH": "htpasswd", "AUTH_HTPASSWD_REALM": "private", "AUTH_HTPASSWD_PATH": "/etc/private/htpasswd",
        "HTTP_TLS_CERTIFICATE": "/etc/private/tls.crt", "HTTP_TLS_KEY": "/etc/private/tls.key"}
    local("docker", "create", "--name", CONTAINER, "--network=trenova-lab", f"--ip={ADDRESS}",
          "--label=trenova.lab=trenova-lab", f"--label=trenova.lab.server={server.name}",
          "--mount=type=volume,source=trenova-lab-registry,destination=/var/lib/registry,readonly",
          *(f"--env=REGISTRY_{name}={value}" for name, value in settings.items()),
          "trenova-lab/library/registry:2.8.3")
    local("docker", "cp", f"{folder}/.", f"{CONTAINER}:/etc/private")
    local("docker", "start", CONTAINER)
    for _attempt in range(50):
        if host.run(f"curl -sko /dev/null https://{REGISTRY}/v2/").rc == 0 or "listening" in local(
                "docker", "logs", CONTAINER, stderr=subprocess.STDOUT):
            break
        time.sleep(0.2)
    # What an earlier run of these tests may have left.
    host.run(f"docker rmi {IMAGE}; rm -r /root/.docker /opt/trenova/.state/host.json "
             f"/etc/docker/certs.d/{REGISTRY}")
    host.check_output("mkdir -p /root/.docker")
    host.check_output(f"printf '%s' '{json.dumps(FOREIGN)}' > {CONFIG}")
    yield
    local("docker", "rm", "--force", "--volumes", CONTAINER)


def wanted(password=PASSWORD, **variables):
    """Variables for an image of the private registry."""
    authority = (STATE / "ca/ca.crt").read_text()
    logins = {"docker_registry_logins": {REGISTRY: {"username": USER, "password": password}}} if password else {}
    return {
        "redis_image": IMAGE, "docker_registry_ca": {"172.30.60.2:5000": authority, REGISTRY: authority},
        **logins, **variables}


def config(host):
    """Root's Docker configuration on the server."""
    return json.loads(host.file(CONFIG).content_string)


@pytest.mark.parametrize(("variables", "words"), [
    (wanted(None), [f"The registry {REGISTRY} asks for a login; 1 image is to come from it."]),
    (wanted("Wrong-password-of-puller"), [f"The registry {REGISTRY} refuses the login", "docker_registry_logins: {"]),
    (wanted(docker_registry_ca={}), [f"The certificate of the registry {REGISTRY} is not trusted"]),
    (wanted(redis_image=f"{REGISTRY}/library/redis:8.99"),
     ["does not have", "redis:8.99", "redis_image: an image that is there"]),
    (wanted(redis_image="172.30.60.142:5000/library/redis:8.4.7"),
     ["The registry 172.30.60.142:5000 cannot be reached from this host", "1 image is to come from it"]),
    (wanted(docker_registry_logins={REGISTRY: {"username": USER}}), ["needs username and password"]),
])
def test_what_only_the_registry_knows_is_said_before_anything_changes(server, host, variables, words):
    before = server.traces(), host.file(CONFIG).content_string
    run = server.run("--diff", playbook=PLAYBOOK, variables=variables, expect=2)
    assert [word for word in words if word not in run.output] == [], run.output
    assert "1 problem was found" in run.output
    assert run.changed == 0
    assert (server.traces(), host.file(CONFIG).content_string) == before


def test_password_pulls_and_is_nowhere_in_sight(server, host):
    host.check_output(WATCH)
    announced = server.run("--check", "--diff", playbook=PLAYBOOK, variables=wanted())
    assert config(host) == FOREIGN
    real = server.run("--diff", "-vvv", playbook=PLAYBOOK, variables=wanted())
    host.check_output("docker pull --quiet " + IMAGE)
    host.check_output("rm /run/watched")
    watched = host.check_output("cat /root/watched && rm /root/watched")
    assert CONFIG in real.gathered("changed_files")
    assert announced.gathered("changed_files") == real.gathered("changed_files")
    assert f"+login of {REGISTRY}" in real.output
    seen = {
        "output": real.output,
        "journal": host.check_output("journalctl --no-pager --quiet"),
        "processes": watched,
        "docker inspect": host.check_output("docker image inspect " + IMAGE),
        "project": host.check_output("grep -r '' /opt/trenova"),
    }
    # What is looked through is what it is taken for.
    assert "manifests" in seen["journal"]
    assert "docker pull" in seen["processes"]
    pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    argument = base64.b64encode(json.dumps(wanted()["docker_registry_logins"], sort_keys=True).encode()).decode()
    words = (PASSWORD, pair, argument, "his-own", FOREIGN["auths"]["quay.test"]["auth"])
    found = [(place, word) for place, text in seen.items() for word in words if word in text]
    assert found == []


def test_login_stands_beside_those_of_the_administrator_and_for_root_only(host):
    assert host.file(CONFIG).mode == 0o600
    found = config(host)
    assert found.pop("auths").keys() == {REGISTRY, "quay.test"}
    assert found == {"detachKeys": "ctrl-q"}


def test_compose_pulls_with_it(host):
    project = f"printf 'services: {{redis: {{image: {IMAGE}}}}}' > /root/compose.yaml"
    host.check_output(f"{project} && docker rmi {IMAGE} && docker compose --file /root/compose.yaml pull --quiet")


def test_second_run_changes_nothing_and_asks_no_registry(server, host):
    local("docker", "stop", CONTAINER)
    assert server.run(playbook=PLAYBOOK, variables=wanted()).changed == 0
    local("docker", "start", CONTAINER)


def test_login_goes_with_its_line_in_the_inventory(server, host):
    server.run(playbook=PLAYBOOK, variables=wanted(None))
    assert config(host) == FOREIGN
    assert server.run(playbook=PLAYBOOK, variables=wanted(None)).changed == 0


def test_login_that_the_administrator_replaced_is_his(server, host):
    server.run(playbook=PLAYBOOK, variables=wanted())
    found = config(host)
    found["auths"][REGISTRY] = {"auth": base64.b64encode(b"admin:another-Password").decode()}
    host.check_output(f"printf '%s' '{json.dumps(found)}' > {CONFIG}")
    server.run(playbook=PLAYBOOK, variables=wanted(None))
    assert config(host) == found


def test_role_pulls_with_it(server, host):
    host.check_output(f"docker rmi {IMAGE}")
    announced = server.run("--check", "--tags", "all,never", playbook=PLAYBOOK, variables=wanted())
    assert f"pulled {IMAGE}" in announced.output
    real = server.run("--tags", "all,never", playbook=PLAYBOOK, variables=wanted())
    assert f"pulled {IMAGE}" in real.output
    assert real.gathered("started") == announced.gathered("started") == ["tren-redis"]
    assert PASSWORD not in real.output
    host.check_output("docker rm --force tren-redis && rm -r /opt/trenova/redis /opt/trenova/.state/redis.json")
