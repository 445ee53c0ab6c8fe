# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Each mistake is told in one problem with what, where and what to write."""

from __future__ import annotations

import copy

import pytest

from ansible_collections.trenova.selfhost.plugins.plugin_utils import preflight

CAPACITY = {
    "architecture": "x86_64",
    "cores": 8,
    "memory_mb": 16384,
    "distribution": {"id": "debian", "version": "13", "name": "Debian GNU/Linux 13 (trixie)"},
    "service_manager": "systemd",
    "clock": {"epoch_seconds": 1000.0, "synchronized": True},
    "listeners": [{"port": 22, "address": "0.0.0.0", "pid": 1, "process": "sshd"}],
    "containers": [],
    "docker": {"installed": True, "daemon_json": None},
    "deployed": {"services": {}, "postgres_major": None},
}
SERVICES = {
    "postgres": {
        "image": "docker.io/library/postgres:17.11", "secrets": {"trenova_postgres_password": {"kind": "password"}}},
    "redis": {"image": "docker.io/library/redis:8.4.7"},
    "caddy": {"image": "docker.io/library/caddy:2.11.4", "exports": {"tls": "acme"}, "endpoints": {
        "http": {"published": 80, "variable": "caddy_http_port"},
        "https": {"published": 443, "variable": "caddy_https_port"}}},
    "api": {
        "image": "docker.io/trenova/api:0.7.2", "exports": {"bootstrap": "seed"},
        "secrets": {"trenova_api_secret_key": {"kind": "aes_key"}}},
}
VARIABLES = {
    "trenova_domain": "erp.trucks.co", "trenova_s3_domain": "s3.erp.trucks.co", "trenova_admin_email": "ops@trucks.co",
    "caddy_acme_email": "ops@trucks.co", "trenova_postgres_password": "kD8-fW2_qL5xR9tZ3vB7nM1c",
    "trenova_api_secret_key": "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=",
}


def problems(variables=None, capacity=None, services=None, plan=None, now=1000.0, **more):
    facts = preflight.Facts(
        dict(VARIABLES, **(variables or {})), dict(copy.deepcopy(CAPACITY), **(capacity or {})),
        plan or {"refusals": []}, dict(copy.deepcopy(SERVICES), **(services or {})), now=now, **more)
    return preflight.check_all(facts)


def test_good_host_and_inventory_have_no_problem():
    assert problems() == []


CASES = [
    ("placeholder domain", {"variables": {"trenova_domain": "trenova.example.com"}},
     "trenova_domain is still the example trenova.example.com.", "a host name of yours that points to this server"),
    ("missing domain", {"variables": {"trenova_domain": None}}, "trenova_domain is missing.", "erp.your-company.com"),
    ("domain with scheme", {"variables": {"trenova_domain": "https://erp.trucks.co"}},
     "trenova_domain is no host name: https://erp.trucks.co", "without https://"),
    ("domain without a dot", {"variables": {"trenova_domain": "erp"}}, "trenova_domain is no host name: erp",
     "letters, digits, dots and hyphens only"),
    ("address for a domain", {"variables": {"trenova_domain": "10.0.0.5"}},
     "trenova_domain is an address: 10.0.0.5", "certificates are made for names"),
    ("two names alike", {"variables": {"trenova_s3_domain": "erp.trucks.co"}},
     "trenova_s3_domain and trenova_domain are the same: erp.trucks.co", "a host name of its own"),
    ("needed service switched off",
     {"services": {"client": {"needs": ["minio"]}, "minio": {"enabled": False, "external": False}}},
     "client needs minio, which is switched off.",
     "minio_enabled: true; or minio_mode: external for one that you have"),
    ("needed service that is nowhere", {"services": {"client": {"needs": ["minio"]}}},
     "client needs minio, which is neither in this play nor on the host.", "the role trenova.selfhost.minio before"),
    ("value that a choice needs", {"services": {"client": {"required": {"client_key": "client_tls is files"}}}},
     "client_key is missing, and client_tls is files.", "client_key: a value, or another choice"),
    ("bad format",
     {"services": {"client": {"formats": {"client_port": "1..9"}}}, "variables": {"client_port": 10}},
     "client_port is 10.", "client_port: a number from 1 to 9"),
    ("cores that the host lacks", {"variables": {"redis_compose_extra": {"redis": {"cpus": 64}}}},
     "redis_compose_extra gives redis 64 CPU cores; the host has 8.", "cpus: 8 or less"),
    ("memory that the host lacks", {"variables": {"redis_compose_extra": {"redis": {"mem_limit": "64g"}}}},
     "redis_compose_extra gives redis 65536 MiB of memory; the host has 16384.", "mem_limit: 16384m or less"),
    ("missing secret", {"variables": {"trenova_postgres_password": None}},
     "trenova_postgres_password is missing.", "ansible-playbook playbooks/secrets.yml -i <inventory>"),
    ("weak secret", {"variables": {"trenova_postgres_password": "short"}},
     "trenova_postgres_password is too short: 5 characters, at least 20 are needed.", "playbooks/secrets.yml"),
    ("default secret", {"variables": {"trenova_postgres_password": "postgres"}},
     "trenova_postgres_password is a well-known default.", "playbooks/secrets.yml"),
    ("malformed secret", {"variables": {"trenova_api_secret_key": "secretKey!"}},
     "trenova_api_secret_key is not standard base64 (the application would end at the first login).", "secrets.yml"),
    ("missing mail address", {"variables": {"caddy_acme_email": "you@example.com"}},
     "caddy_acme_email is still the example you@example.com.", "a mail address that you read"),
    ("port held by a process",
     {"capacity": {"listeners": [{"port": 80, "address": "0.0.0.0", "pid": 77, "process": "apache2"}]}},
     "Port 80 is held by apache2 (process 77).",
     "stop it there, or set caddy_http_port / caddy_https_port to another port"),
    ("port held by a container",
     {"capacity": {
         "listeners": [{"port": 443, "address": "0.0.0.0", "pid": 9, "process": "docker-proxy"}],
         "containers": [
             {"name": "nginx", "project": "web", "working_dir": "/srv/web", "ports": "0.0.0.0:443->443/tcp"}]}},
     "Port 443 is held by the container nginx.", "stop it there"),
    ("other major of PostgreSQL", {"capacity": {"deployed": {"services": {}, "postgres_major": "16"}}},
     "The data on the host is of PostgreSQL 16; postgres_image is docker.io/library/postgres:17.11, "
     "which cannot read it.",
     "an image of PostgreSQL 16"),
    ("Redis without JSON", {"services": {"redis": {"image": "docker.io/library/redis:7.4"}}},
     "redis_image is docker.io/library/redis:7.4, which has no JSON commands; every login to Trenova would fail.",
     "an image of Redis 8"),
    ("Valkey", {"services": {"redis": {"image": "docker.io/valkey/valkey:8.1"}}},
     "redis_image is docker.io/valkey/valkey:8.1, which has no JSON commands; every login to Trenova would fail.",
     "an image of Redis 8"),
    ("image without a version", {"services": {"redis": {"image": "docker.io/library/redis:latest"}}},
     "redis_image names no version: docker.io/library/redis:latest", "redis_image: docker.io/library/redis:<version>"),
    ("unsupported distribution",
     {"capacity": {"distribution": {"id": "alpine", "version": "3.22", "name": "Alpine Linux v3.22"}}},
     "The distribution Alpine Linux v3.22 is not supported.", "Debian 12 or newer"),
    ("old distribution",
     {"capacity": {"distribution": {"id": "ubuntu", "version": "20.04", "name": "Ubuntu 20.04.6 LTS"}}},
     "Ubuntu 20.04.6 LTS is older than ubuntu 22.04.", "upgrade the distribution"),
    ("unsupported architecture", {"capacity": {"architecture": "armv7l"}},
     "The architecture armv7l is not supported.", "x86_64, aarch64"),
    ("no systemd", {"capacity": {"service_manager": None}}, "The host is not run by systemd.", "PID 1 is systemd"),
    ("broken daemon.json", {"capacity": {"docker": {"installed": True, "daemon_json": {"unreadable": "line 3"}}}},
     "/etc/docker/daemon.json is no valid JSON: line 3", "mend or remove the file"),
    ("no engine", {"capacity": {"docker": {"installed": False}}}, "There is no Docker Engine on the host.", "first in"),
    ("no engine and none wanted",
     {"capacity": {"docker": {"installed": False}}, "services": {"docker": {}}, "variables": {"docker_source": "none"}},
     "There is no Docker Engine on the host, and docker_source is none.", "docker_source: auto"),
    ("full disk", {"capacity": {"disks": {"/opt": {"free_gb": 0.2, "mount": "/"}}}},
     "The disk is too full: 0.2 GB are free, 1.0 are needed to write anything.", "free some space"),
    ("no inodes", {"capacity": {"disks": {"/opt": {"free_gb": 9, "free_inodes": 12, "mount": "/"}}}},
     "The file system has only 12 inodes left.", "remove small files"),
    ("files of a newer version",
     {"capacity": {"deployed": {"services": {}, "newer": ["redis.json is of version 9.0.0."]}}},
     "redis.json is of version 9.0.0.", "a newer one"),
    ("data of somebody else",
     {"services": {"client": {"user": 999, "state": [{"path": "client"}]}},
      "capacity": {"deployed": {"services": {}, "owners": {"/var/lib/trenova/client": 1001, "/srv": 7}}}},
     "/var/lib/trenova/client is not empty and belongs to user 1001; ours would belong to 999.", "chown -R 999:999"),
    ("project of somebody else", {"capacity": {"deployed": {"services": {}, "owners": {"/opt/trenova": 1000}}}},
     "/opt/trenova is not empty and belongs to user 1000; ours would belong to 0.", "chown -R 0:0 /opt/trenova"),
    ("clock", {"now": 5000.0}, "The clock of the host is 4000 s behind the controller's.", "chrony"),
    ("other project of the same name",
     {"capacity": {"containers": [
         {"name": "web", "project": "trenova", "working_dir": "/home/joe/trenova", "ports": ""}]}},
     "Another Compose project is called trenova; its container is web.", "--project-directory /home/joe/trenova"),
    ("foreign container with our name",
     {"capacity": {"containers": [{"name": "tren-db", "project": "x", "working_dir": "/x", "ports": ""}]}},
     "The container tren-db has one of our names and is not ours.", "docker rename tren-db"),
    ("host too small",
     {"plan": {"refusals": [
         {"rule": "R1", "text": "4 cores were found, 6 are needed.", "remedy": ["more cores", "accept"]}]}},
     "4 cores were found, 6 are needed.", "more cores; or accept"),
]


@pytest.mark.parametrize(("arguments", "what", "write"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_mistake_is_told_once_and_clearly(arguments, what, write):
    found = problems(**arguments)
    assert [problem.what for problem in found] == [what]
    assert write in found[0].write
    assert found[0].where


def test_all_problems_are_told_at_once():
    found = problems(
        variables={"trenova_domain": "x.example.com", "trenova_postgres_password": "postgres"},
        capacity={"architecture": "s390x"})
    assert len(found) == 3


def test_port_of_our_own_caddy_is_free_for_us():
    ours = {"name": "tren-caddy", "project": "trenova", "working_dir": "/opt/trenova",
            "ports": "0.0.0.0:80->80/tcp, 0.0.0.0:443->443/tcp"}
    listeners = [{"port": port, "address": "0.0.0.0", "pid": 5, "process": "docker-proxy"} for port in (80, 443)]
    assert problems(capacity={"containers": [ours], "listeners": listeners}) == []


def test_disabled_service_is_not_checked():
    redis = {"enabled": False, "image": "redis:latest", "secrets": {"trenova_redis_password": {"kind": "password"}}}
    assert problems(services={"redis": redis}) == []


def test_example_inventory_is_refused_before_anybody_is_contacted():
    found = list(preflight.check_address({"ansible_host": "trenova1.example.com", "inventory_hostname": "trenova1"}))
    assert [problem.what for problem in found] == ["The address of the host is still the example trenova1.example.com."]
    assert list(preflight.check_address({"ansible_host": "172.30.60.10"})) == []


@pytest.mark.parametrize(("given", "what", "write"), [
    ("trenova_teir", "trenova_teir is no variable of this collection; trenova_tier is.", "trenova_tier"),
    ("trenova_make_it_fast", "trenova_make_it_fast is no variable of this collection.", "a name without the prefix"),
])
def test_typing_error_is_told_with_what_was_meant(given, what, write):
    [problem] = problems(given=[given], known={"trenova_tier", "redis_image"})
    assert problem.what == what
    assert problem.write.startswith(write)


def test_names_of_the_operators_own_are_left_alone():
    assert problems(given=["redis_of_ours", "trenova_tier"], known={"trenova_tier", "redis_image"}) == []


def test_host_whose_clock_is_not_known_is_not_told():
    assert problems(capacity={"clock": None}) == []


def test_external_service_is_told_by_what_names_it():
    ok = {"ok": True, "name": "Redis", "detail": "answers", "variable": "redis_external_host"}
    bad = {"ok": False, "name": "PostgreSQL", "detail": "10.0.0.5:5432 does not answer",
           "variable": "postgres_external_host"}
    [problem] = preflight.check_reachable([ok, bad])
    assert problem.what == (
        "PostgreSQL, which is external, cannot be used from this host: 10.0.0.5:5432 does not answer.")
    assert problem.where.startswith("postgres_external_host in the inventory")
