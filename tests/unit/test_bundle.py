# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is wanted of a service, as the deployment works it out, and as the plan does beforehand."""

from __future__ import annotations

import base64
import functools
import json
import pathlib
import re
import tempfile
import types

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.trenova.selfhost.plugins.plugin_utils import catalogue, rendering, run
from ansible_collections.trenova.selfhost.plugins.plugin_utils.bundle import Bundle
from ansible_collections.trenova.selfhost.plugins.plugin_utils.report.changes import Wish, changes

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROLES = catalogue.own_roles()
#: Roles whose figures the engine plans.
PLANNED = [role for role in ROLES if role != "docker"]
INVENTORY = {
    "inventory_hostname": "erp1", "ansible_host": "192.0.2.7", "trenova_domain": "erp.trucks.co",
    "trenova_s3_domain": "s3.{{ trenova_domain }}", "trenova_jobs_domain": "jobs.{{ trenova_domain }}",
    "trenova_admin_email": "admin@trucks.co", "trenova_tier": "small", "caddy_acme_email": "admin@trucks.co",
    "backup_directory": "/var/backups/trenova", "ansible_facts": {},
    "redis_compose_extra": {"redis": {"environment": {"WHO": "{{ redis_image }}"}}},
    "trenova_capacity": {"measured": False, "cores": 12, "memory_mb": 24576, "disk_free_gb": 100, "disk_total_gb": 100,
                         "kernel": {"vm.overcommit_memory": "0", "vm.swappiness": "60", "net.core.somaxconn": "4096"}},
}


def action_for(variables):
    """As much of a running action as rendering needs, with the variables that Ansible gives to it."""
    loader = DataLoader()
    return types.SimpleNamespace(_loader=loader, _templar=Templar(loader, variables=variables))


@functools.cache
def in_play(more="{}"):
    """Variables of a play without roles, and the context of its host, as the plan has them."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as stream:
        json.dump(dict(INVENTORY, **json.loads(more)), stream)
        stream.flush()
        variables = DataLoader().load_from_file(stream.name, trusted_as_template=True)
    kinds = catalogue.secret_kinds(action_for({}), ROLES)
    # A base64 text of 32 bytes and a long word at once.
    secret = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
    variables.update(dict.fromkeys(kinds, secret))
    variables.update(playbook_dir=str(ROOT / "playbooks"))
    action = action_for(variables)
    return variables, run.current(action, variables)


def by_plan(role, variables, known):
    """Arguments as the plan works them out, from outside of the role."""
    action = action_for(variables)
    seen = catalogue.role_variables(action, catalogue.role_path(role), variables)
    return Bundle(action, seen, known, role).arguments()


def by_role(role, variables, known):
    """Arguments as the role's own task works them out, whose variables Ansible has put together."""
    path, seen = ROOT / "roles" / role, {}
    for layer in (path / "defaults/main.yml", variables, path / "vars/main.yml"):
        if isinstance(layer, dict):
            seen.update(layer)
        elif layer.exists():
            seen.update(DataLoader().load_from_file(str(layer), trusted_as_template=True) or {})
    seen.update(ansible_role_name=f"trenova.selfhost.{role}", role_name=role, role_path=str(path))
    return Bundle(action_for(seen), seen, known, role).arguments()


@pytest.mark.parametrize("role", ROLES)
def test_the_plan_wants_of_a_service_what_its_role_wants(role):
    variables, known = in_play()
    assert by_plan(role, variables, known) == by_role(role, variables, known)


def test_byte_code_beside_a_program_is_no_file_of_the_service(tmp_path):
    for name in ("config/a.j2", "host/usr/local/lib/watch.py", "host/usr/local/lib/__pycache__/watch.cpython-311.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"\xa7")
    assert rendering.sources(tmp_path) == ["config/a.j2", "host/usr/local/lib/watch.py"]


def test_expressions_of_the_inventory_see_the_defaults_of_the_role():
    variables, known = in_play()
    fragment = next(entry["content"] for entry in by_plan("redis", variables, known)["files"]
                    if entry["path"] == "/opt/trenova/redis/compose.yaml")
    assert "WHO: docker.io/" in fragment


def part(arguments):
    return arguments["release"]["plan"]


def test_a_member_with_a_number_is_called_so_by_all_that_use_it():
    first, second = in_play("{}"), in_play(
        '{"trenova_ordinals": {"postgres": 2, "api": 3}, "groups": {"trenova": ["erp1"]}}')
    names = {"tren-db": "tren-db-2", "tren-api": "tren-api-3"}
    for role in ROLES:
        before, after = (json.dumps(contents(by_plan(role, *each))) for each in (first, second))
        for old, new in names.items():
            before = re.sub(rf"\b{old}\b(?!-)", new, before)
        assert after == before
    assert [each["name"] for each in by_plan("postgres", *second)["containers"]] == ["tren-db-2"]
    assert "tren-db-2" in json.dumps(contents(by_plan("pgbouncer", *second)))
    assert second[1].services["api"]["ordinal"] == 3


def test_a_number_may_be_an_expression_of_the_inventory():
    more = {"trenova_ordinals": {"postgres": "{{ number }}"}, "number": 2, "groups": {"trenova": ["erp1"]}}
    assert in_play(json.dumps(more))[1].services["postgres"]["ordinal"] == 2
    whole = dict(more, trenova_ordinals="{{ {'postgres': number} }}")
    assert in_play(json.dumps(whole))[1].services["postgres"]["ordinal"] == 2


def contents(arguments):
    """Files of a service, without digests and what their names are part of."""
    found = {entry["path"]: entry["content"] for entry in arguments["files"]}
    return {path: re.sub(r"trenova.digest: .*", "", content) for path, content in found.items()}


@pytest.mark.parametrize("role", ROLES)
def test_the_part_of_the_plan_is_left_with_each_planned_service(role):
    variables, known = in_play()
    expected = {
        "schema_version": 2, "tier": "small", "mode": "document", "users": None,
        "figures": known.plan["services"][role]} if role in PLANNED else {}
    assert part(by_plan(role, variables, known)) == expected


@pytest.mark.parametrize("role", PLANNED)
def test_what_is_left_of_the_plan_is_no_reason_to_restart(role):
    first, second = (by_plan(role, *in_play(wish)) for wish in ("{}", '{"trenova_users": 2}'))
    assert part(first) != part(second)
    assert first["wish"] != second["wish"]
    assert [unit["digest"] for unit in first["containers"]] == [unit["digest"] for unit in second["containers"]]


def test_changes_are_told_from_bundles_of_all_roles():
    variables, known = in_play()
    applied = {role: by_plan(role, variables, known) for role in ROLES}
    capacity = dict(known.capacity, containers=[
        {"name": unit["name"], "role": role, "digest": unit["digest"], "state": "running", "one_off": False}
        for role, arguments in applied.items() for unit in arguments["containers"]])
    capacity["deployed"] = dict(
        capacity["deployed"], services=known.services, files={}, plan={role: part(applied[role]) for role in PLANNED},
        unchanged={role: arguments["wish"] for role, arguments in applied.items()})
    wishes = [Wish(*entry) for entry in applied.items()]
    assert changes(known.plan, wishes, capacity) == {"remarks": [], "services": []}
    later, new = in_play('{"trenova_plan_overrides": {"redis": {"memory_limit_mb": 3000}}}')
    wishes = [Wish(role, by_plan(role, later, new)) for role in ROLES]
    told = {entry["service"]: entry for entry in changes(new.plan, wishes, capacity)["services"]}
    assert told["redis"]["says"][0] == "replaces tren-redis"
    assert {"name": "memory_limit_mb", "unit": "MiB", "before": 2048, "after": 3000} in told["redis"]["figures"]
    assert told["api"]["says"] == ["restarts tren-api after tren-redis"]
    # What the disk is filled with is planned by what is there, not by what others get.
    assert set(told) == {"redis", "api"}


#: What the first edition was asked when its digests were written down, and the images that it named.
IMAGES_OF_FIRST_EDITION = {
    "caddy_image": "docker.io/library/caddy:2.10.2", "pgbouncer_image": "docker.io/edoburu/pgbouncer:v1.25.1-p0",
    "postgres_image": "docker.io/library/postgres:17.7", "redis_image": "docker.io/library/redis:8.4.0",
    "rabbitmq_image": "docker.io/library/rabbitmq:4.2.1-management"}
FIRST_EDITION = {
    "small": IMAGES_OF_FIRST_EDITION,
    "medium": {**IMAGES_OF_FIRST_EDITION, "trenova_tier": "medium", "trenova_capacity": {
        "measured": False, "cores": 24, "memory_mb": 65536, "disk_free_gb": 500, "disk_total_gb": 500,
        "kernel": INVENTORY["trenova_capacity"]["kernel"]}},
}


@pytest.mark.parametrize("tier", FIRST_EDITION)
def test_containers_of_the_first_edition_are_known_so_that_they_need_not_restart(tier):
    variables, known = in_play(json.dumps(FIRST_EDITION[tier]))
    accepted = {
        unit["name"]: unit["also"] for role in ROLES for unit in by_plan(role, variables, known)["containers"]}
    made = json.loads((ROOT / "tests/unit/data/containers-of-first-edition.json").read_text())[tier]
    # The first of several instances had a number then, and PgBouncer's image was not told where its list of users is.
    others = {"tren-api-1", "tren-pgbouncer"} & set(made)
    assert {name for name, digest in made.items() if digest in accepted.get(name, [])} == set(made) - others


def test_another_limit_is_no_reason_to_replace_a_container():
    digests, limits = [], []
    for more in ("{}", '{"pgbouncer_compose_extra": {"pgbouncer": {"mem_limit": "300m", "cpus": 0.75}}}'):
        [unit] = by_plan("pgbouncer", *in_play(more))["containers"]
        digests.append(unit["digest"])
        limits.append((unit["limits"]["memory"], unit["limits"]["nano_cpus"]))
    assert digests[0] == digests[1]
    assert limits[1] == (300 * 1048576, 750000000) != limits[0]


def test_an_addition_to_a_service_that_is_not_there_is_told_with_those_that_are():
    """What an inventory adds to a job that has another name now would get lost, or fail without a word."""
    variables, known = in_play('{"redis_compose_extra": {"cache": {"init": true}}}')
    with pytest.raises(AnsibleActionFail, match=r"redis_compose_extra names cache, which .* Write: redis\."):
        by_plan("redis", variables, known)


def test_each_kind_of_container_has_the_limits_of_its_own():
    large = {"trenova_tier": "large", "trenova_plan_overrides": {"api": {"worker": {"pids_limit": 77}}}}
    fragment = next(entry["content"] for entry in by_plan("api", *in_play(json.dumps(large)))["files"]
                    if entry["path"] == "/opt/trenova/api/compose.yaml")
    containers = yaml.safe_load(fragment)["services"]
    limits = {name: (found["mem_limit"], found["pids_limit"], found["environment"]["GOMEMLIMIT"])
              for name, found in containers.items() if "environment" in found and "GOMEMLIMIT" in found["environment"]}
    assert limits == {
        "api": ("1024m", 512, "921MiB"), "api-2": ("1024m", 512, "921MiB"), "api-3": ("1024m", 512, "921MiB"),
        "api-worker": ("512m", 77, "460MiB"), "api-worker-2": ("512m", 77, "460MiB")}


def test_files_of_one_kind_of_containers_are_no_reason_to_replace_another():
    digests = []
    for pools in ({}, {"worker": {"database_pool": 11}}):
        more = {"trenova_tier": "large", "trenova_plan_overrides": {"api": pools}}
        units = by_plan("api", *in_play(json.dumps(more)))["containers"]
        digests.append({unit["name"]: unit["digest"] for unit in units})
    assert {name for name in digests[0] if digests[0][name] != digests[1][name]} == {
        "tren-api-worker", "tren-api-worker-2"}


def test_workers_read_a_configuration_with_the_pool_that_is_counted():
    more = {"trenova_tier": "large", "trenova_plan_overrides": {"api": {"worker": {"database_pool": 13}}}}
    variables, known = in_play(json.dumps(more))
    arguments = by_plan("api", variables, known)
    compose_file = contents(arguments)["/opt/trenova/api/compose.yaml"]
    mounted = {name: next(volume.split(":")[0] for volume in found["volumes"] if ":/app/config/production" in volume)
               for name, found in yaml.safe_load(compose_file)["services"].items()}
    told = {entry["path"]: yaml.safe_load(base64.b64decode(entry["content"])) for entry in arguments["secret_files"]
            if entry["path"].endswith("config.production.yaml")}
    pools = {name: told[f"{folder}/config.production.yaml"]["db"]["maxConnections"] for name, folder in mounted.items()}
    instances, workers = ("api", "api-2", "api-3"), ("api-worker", "api-worker-2")
    assert [pools[name] for name in (*instances, *workers)] == [18, 18, 18, 13, 13]
    assert sum(pools[name] for name in (*instances, *workers)) == known.plan["totals"]["connections"]["application"]
    assert told[f"{mounted['api-worker']}/config.production.yaml"]["db"]["sslMode"].endswith("pool_max_conns=13")
    # Without workers there is nothing for them.
    files = by_plan("api", *in_play())["secret_files"]
    assert not [entry["path"] for entry in files if "/worker/" in entry["path"]]


def test_the_pool_mode_is_that_of_the_inventory_and_the_plan_knows_it():
    variables, known = in_play('{"trenova_tier": "large", "pgbouncer_pool_mode": "session"}')
    told = contents(by_plan("pgbouncer", variables, known))["/opt/trenova/pgbouncer/config/pgbouncer.ini"]
    lines = dict(line.split(" = ", 1) for line in told.splitlines() if " = " in line)
    assert (lines["pool_mode"], lines["default_pool_size"]) == ("session", "50")
    assert "SET statement_timeout = \"0s\"; SET lock_timeout = \"0s\"" in lines["trenova_go_db"]


def test_what_is_set_on_connections_of_the_pool_is_for_the_application_alone():
    more = {"postgres_databases_extra": [{"name": "reports", "owner": "trenova"}]}
    told = contents(by_plan("pgbouncer", *in_play(json.dumps(more))))["/opt/trenova/pgbouncer/config/pgbouncer.ini"]
    limited = [line.split(" = ")[0] for line in told.splitlines() if "connect_query" in line]
    assert limited == ["trenova_go_db"]
    assert "reports = host=tren-db port=5432 dbname=reports\n" in told
