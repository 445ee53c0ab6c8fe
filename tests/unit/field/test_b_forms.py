# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The form in which a value arrives: it means what the argument specification says, or is refused by name.

Reports of administrators, and the property behind them: for each variable, in each form in which it can arrive.
"""

from __future__ import annotations

import base64
import functools
import importlib.util
import json
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import types

import pytest
import test_bundle
import test_gather
import test_preflight
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.splitter import parse_kv
from ansible.parsing.vault import EncryptedString, VaultLib, VaultSecret, VaultSecretsContext
from ansible.template import trust_as_template

from ansible_collections.trenova.selfhost.plugins.action import image_references
from ansible_collections.trenova.selfhost.plugins.filter import as_specified, becomes, group_of_installation
from ansible_collections.trenova.selfhost.plugins.module_utils import files as host_files
from ansible_collections.trenova.selfhost.plugins.module_utils import host as host_facts
from ansible_collections.trenova.selfhost.plugins.module_utils import whereabouts
from ansible_collections.trenova.selfhost.plugins.plugin_utils import (
    catalogue,
    inventory,
    role_files,
    run,
    topology,
    topology_problems,
    values,
    variables,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.converging import Wanted
from ansible_collections.trenova.selfhost.plugins.plugin_utils.measuring import root
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight import controller, gather

ROOT = pathlib.Path(__file__).resolve().parents[3]
SECRET = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
OPTIONS = {
    **role_files.shared_options(),
    **{name: option for options in role_files.own_options().values() for name, option in options.items()}}
FILE = str(ROOT / "COPYING")

# -- What a host gets of an inventory ----------------------------------------------------------------------------------

#: What Ansible says of every host, and what is no variable of ours.
HOST = {
    "inventory_hostname": "erp1", "ansible_host": "192.0.2.7", "ansible_facts": {}, "playbook_dir": str(ROOT / "playbooks"),
    "groups": {"trenova": ["erp1"]}}
CAPACITY = test_bundle.INVENTORY["trenova_capacity"]
#: A value of each variable that is none of its default, and fits with the others.
SAMPLES = {
    "api_enabled": True, "api_image": "registry.trucks.co/api:0.7.3", "api_profile": "v0.7.2",
    "api_profile_extra": {"stop_seconds": 50}, "api_bootstrap": "seed", "api_internet_access": True,
    "api_session_cookie_name": "trucks", "api_log_level": "error", "api_migration_seconds": 1200,
    "api_config_extra": {"audit": {"bufferSize": 500}}, "api_environment_extra": {"TZ": "UTC"},
    "api_compose_extra": {"api": {"labels": {"who": "us"}}},
    "asynq_dashboard_enabled": True, "asynq_dashboard_image": "registry.trucks.co/asynqmon:1",
    "asynq_dashboard_read_only": False, "asynq_dashboard_compose_extra": {"asynq-dashboard": {"init": True}},
    "backup_enabled": True, "backup_image": "registry.trucks.co/backup:2", "backup_schedule": "*-*-* 02:45:00",
    "backup_random_delay_seconds": 60, "backup_directory": "/mnt/backups", "backup_keep_days": 30, "backup_target": "s3",
    "backup_s3_endpoint": "https://s3.elsewhere.co", "backup_s3_bucket": "trucks", "backup_s3_region": "eu-central-1",
    "backup_s3_access_key": "AKIA", "backup_mail_to": "ops@trucks.co", "backup_mail_from": "erp@trucks.co",
    "backup_smtp_host": "mail.trucks.co", "backup_smtp_port": 465, "backup_smtp_user": "erp", "backup_smtp_tls": "tls",
    "backup_timeout_seconds": 7200, "backup_compose_extra": {"backup": {"init": True}},
    "caddy_enabled": True, "caddy_image": "registry.trucks.co/caddy:2.11", "caddy_tls": "files",
    "caddy_acme_email": "tls@trucks.co", "caddy_acme_directory": "https://acme.trucks.co/directory",
    "caddy_certificate_file": FILE, "caddy_certificate_key_file": FILE, "caddy_ca_file": FILE,
    "caddy_trusted_proxies": ["10.0.0.5", "10.1.0.0/16"], "caddy_dashboard_user": "chief", "caddy_http_port": 8080,
    "caddy_https_port": 8443, "caddy_bind_address": "10.0.0.7", "caddy_security_headers": {"X-Frame-Options": "DENY"},
    "caddy_routes_extra": [{"host": "wiki.trucks.co", "upstreams": ["wiki:80"], "login": True}],
    "caddy_compose_extra": {"caddy": {"init": True}},
    "client_enabled": True, "client_image": "registry.trucks.co/client:0.7.3", "client_directory": "/srv/client",
    "client_api_placeholder": "https://api.invalid", "client_compose_extra": {"client": {"init": True}},
    "docker_source": "docker", "docker_engine_minimum": "24.0", "docker_compose_minimum": "2.30",
    "docker_repository_url": "https://mirror.trucks.co/docker", "docker_log_max_size": "20m", "docker_log_max_files": 5,
    "docker_address_pools": [{"base": "10.77.0.0/16", "size": 25}], "docker_registry_mirrors": ["https://a.co", "https://b.co"],
    "docker_registry_ca": {"registry.trucks.co:5000": "PEM"},
    "docker_registry_logins": {"registry.trucks.co": {"username": "puller", "password": "horse-staple"}},
    "docker_daemon_extra": {"debug": True},
    "minio_enabled": True, "minio_mode": "managed", "minio_image": "registry.trucks.co/minio:1", "minio_user": "objects",
    "minio_region": "eu-west-1", "minio_external_endpoint": "s3.elsewhere.co:9000", "minio_external_tls": False,
    "minio_settings_extra": {"MINIO_BROWSER": "off"}, "minio_compose_extra": {"minio": {"init": True}},
    "pgbouncer_enabled": True, "pgbouncer_image": "registry.trucks.co/pgbouncer:1", "pgbouncer_pool_mode": "session",
    "pgbouncer_auth": "file", "pgbouncer_users_extra": [{"name": "bi", "password": "kD8-fW2_qL5xR9tZ3vB7nM1c"}],
    "pgbouncer_databases_extra": {"bi": "host=bi dbname=bi"}, "pgbouncer_settings_extra": {"log_connections": "1"},
    "pgbouncer_compose_extra": {"pgbouncer": {"init": True}},
    "postgres_enabled": True, "postgres_mode": "managed", "postgres_external_host": "db.trucks.co",
    "postgres_external_port": 5433, "postgres_external_tls": "verify-full", "postgres_external_ca_file": FILE,
    "postgres_image": "registry.trucks.co/postgres:17.9", "postgres_application_role": "erp",
    "postgres_application_database": "erp_db", "postgres_roles": [{"name": "erp", "password": "kD8-fW2_qL5xR9tZ3vB7nM1c"}],
    "postgres_roles_extra": [{"name": "bi", "password": "kD8-fW2_qL5xR9tZ3vB7nM1d"}],
    "postgres_databases": [{"name": "erp_db", "owner": "erp"}], "postgres_databases_extra": [{"name": "bi", "owner": "bi"}],
    "postgres_slow_statement_ms": 500, "postgres_settings_extra": {"jit": "off"},
    "postgres_compose_extra": {"postgres": {"init": True}},
    "rabbitmq_enabled": True, "rabbitmq_image": "registry.trucks.co/rabbitmq:4", "rabbitmq_user": "erp",
    "rabbitmq_vhost": "erp", "rabbitmq_exchange": "erp", "rabbitmq_queue": "erps", "rabbitmq_queue_type": "classic",
    "rabbitmq_settings_extra": {"heartbeat": "20"}, "rabbitmq_compose_extra": {"rabbitmq": {"init": True}},
    "redis_enabled": True, "redis_mode": "managed", "redis_external_host": "redis.trucks.co", "redis_external_port": 6380,
    "redis_image": "registry.trucks.co/redis:8.6", "redis_settings_extra": {"appendonly": "no"},
    "redis_compose_extra": {"redis": {"init": True}},
    "trenova_domain": "erp.trucks.co", "trenova_s3_domain": "objects.trucks.co", "trenova_jobs_domain": "queues.trucks.co",
    "trenova_admin_email": "admin@trucks.co", "trenova_private_address": "10.0.0.7", "trenova_ordinals": {"redis": 2},
    "trenova_become": False, "trenova_project_dir": "/srv/trenova", "trenova_data_dir": "/srv/data",
    "trenova_verify_address": "10.0.0.7", "trenova_verify_seconds": 5, "trenova_tier": "small", "trenova_users": 12,
    "trenova_mode": "balanced", "trenova_reserved_memory_mb": 512,
    "trenova_plan_overrides": {"redis": {"memory_limit_mb": 2500}}, "trenova_restore_document": ["postgres-shm"],
    "trenova_strict": True, "trenova_accept_undersized_host": True, "trenova_accept_overcommit": True,
    "trenova_accept_backup_on_data_disk": True, "trenova_capacity": CAPACITY,
    "trenova_image_registry": "mirror.trucks.co", "trenova_own_registry": "own.trucks.co",
    "trenova_images": ["api", "client"], "trenova_images_archive": "/srv/images.tar", "trenova_package_api_dir": "/srv/api",
    "trenova_package_client_dir": "/srv/client", "trenova_package_version": "0.7.3", "trenova_build_host": "builder",
    "trenova_build_ca_bundle": FILE, "trenova_build_args": {"GO": "1.25"}, "trenova_roles_extra": [],
    "trenova_roles": catalogue.own_roles(), "trenova_plan_dir": "/srv/plans", "trenova_plan_measure": False,
    "trenova_secrets_file": "/srv/secrets.yml",
    **{name: SECRET for name, option in OPTIONS.items() if option.spec.get("no_log") and name.startswith("trenova_")},
}
#: Not meant to be set.
LEFT_OUT = {"api_profile_data"}
#: The same inventory with everything that somebody else may run run by somebody else, and much left to its default.
ELSEWHERE = {
    **{name: value for name, value in SAMPLES.items() if name.startswith("trenova_")}, "trenova_ordinals": None,
    **{name: value for name, value in SAMPLES.items() if "_external_" in name},
    "minio_mode": "external", "postgres_mode": "external", "redis_mode": "external", "caddy_tls": "proxy",
    "client_enabled": False, "asynq_dashboard_enabled": False, "api_internet_access": False,
    "backup_directory": SAMPLES["backup_directory"], "caddy_trusted_proxies": SAMPLES["caddy_trusted_proxies"]}


def loaded(value):
    """Variables as a file of an inventory brings them: what is an expression may be resolved."""
    if isinstance(value, dict):
        return {name: loaded(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [loaded(entry) for entry in value]
    return trust_as_template(value) if isinstance(value, str) else value


def as_text(value):
    """A value as it is written where all is text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and value and all(isinstance(entry, str) for entry in value):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def from_ini(given, folder):
    """Variables as an INI file brings them. What Python takes for a number must stand in quotes there."""
    lines = []
    for name, value in given.items():
        text = value if isinstance(value, str) else ("no", "yes")[value] if isinstance(value, bool) else repr(value)
        is_number = isinstance(value, str) and value.replace(".", "", 1).isdigit()
        lines.append(f"{name}={text!r}" if is_number else f"{name}={text}")
    path = folder / "hosts.ini"
    path.write_text("\n".join(["[trenova]", "erp1", "[trenova:vars]", *lines]) + "\n")
    return dict(InventoryManager(loader=DataLoader(), sources=[str(path)]).groups["trenova"].vars)


def from_command(given, _folder):
    """Variables as -e name=value brings them."""
    found = {}
    for name, value in given.items():
        text = as_text(value)
        found.update(parse_kv(f'{name}="{text}"' if isinstance(value, str) else f"{name}={text.replace(', ', ',')}"))
    return loaded(found)


VAULT = [("default", VaultSecret(b"open sesame"))]


@pytest.fixture
def vault(monkeypatch):
    """A run that knows the password of the vault."""
    monkeypatch.setattr(VaultSecretsContext, "_current", VaultSecretsContext(VAULT))


@functools.cache
def encrypted(text):
    """A text as `ansible-vault encrypt_string` makes it."""
    return VaultLib(VAULT).encrypt(text).decode()


def from_vault(given, _folder):
    """Variables that are encrypted, each by itself."""
    return {name: EncryptedString(ciphertext=encrypted(as_text(value))) for name, value in given.items()}


def from_expressions(given, _folder):
    """Variables that refer to others, which are texts."""
    return loaded({
        **{f"our_{name}": as_text(value) for name, value in given.items()},
        **{name: f"{{{{ our_{name} }}}}" for name in given}})


FORMS = {"ini": from_ini, "command": from_command, "vault": from_vault, "expressions": from_expressions}


def host(given):
    """(action, variables) of a host."""
    seen = {**HOST, **given}
    return test_bundle.action_for(seen), seen


def rendered(given):
    """All that comes of variables: the plan, and for each service the contents of its files and its wish."""
    action, seen = host(given)
    known = run.current(action, seen)
    services = Wanted(action, seen, known, known.places).services
    files = {
        entry["path"]: entry["content"] for service in services if service.wish
        for entry in [*service.files, *service.secret_files]}
    return {"plan": known.plan, "files": files, "wishes": {service.name: service.wish for service in services}}


def read(given):
    """({variable: value} as it is understood, problems) of variables of a host."""
    action, seen = host(given)
    found = variables.understood(action, seen)
    return {name: found.get(name) for name in given}, [problem for _name, problem in variables.unfit(action, seen)]


@functools.cache
def as_typed(which):
    """What comes of an inventory in YAML with types."""
    return rendered(loaded(INVENTORIES[which]))


INVENTORIES = {"here": SAMPLES, "elsewhere": {name: value for name, value in ELSEWHERE.items() if value is not None}}


def test_kind_b_every_variable_has_a_sample_that_is_not_its_default():
    assert set(SAMPLES) | LEFT_OUT == set(OPTIONS)
    kept = {name for name, value in SAMPLES.items() if value == OPTIONS[name].spec.get("default")}
    # Without these there is nothing to render.
    assert {name for name in kept if not name.endswith(("_enabled", "_mode"))} <= {"api_profile", "trenova_roles_extra"}


@pytest.mark.usefixtures("vault")
@pytest.mark.parametrize("which", INVENTORIES)
@pytest.mark.parametrize("form", FORMS)
def test_kind_b_equal_meanings_are_rendered_equally_in_every_form(form, which, tmp_path):
    found, expected = rendered(FORMS[form](INVENTORIES[which], tmp_path)), as_typed(which)
    different = [path for path, content in found["files"].items() if content != expected["files"].get(path)]
    assert different == []
    assert found == expected


def test_kind_b_null_is_not_set_for_each_variable():
    base = {name: SAMPLES[name] for name in ("trenova_domain", "trenova_tier", "trenova_capacity", "trenova_api_secret_key")}
    base.update((name, SAMPLES[name]) for name in SAMPLES if name.endswith("_password"))
    nothing = {name: None for name in OPTIONS if name not in base and name not in LEFT_OUT}
    assert rendered({**loaded(base), **nothing}) == rendered(loaded(base))


def specified(option, value):
    """Whether Ansible's own validation takes a value of a variable."""
    known = ("type", "elements", "choices", "options", "required")

    def plain(spec):
        kept = {key: entry for key, entry in spec.items() if key in known}
        if "options" in kept:
            kept["options"] = {name: plain(part) for name, part in kept["options"].items()}
        return kept

    spec = {key: entry for key, entry in plain(option.spec).items() if key != "required"}
    return not ArgumentSpecValidator({option.name: spec}).validate({option.name: value}).error_messages


def loses_what_was_written(option, value):
    """Whether Ansible's rules take a value that does not say any more what was written: text of yes or 2.20, say."""
    kind = option.spec["type"]
    if kind in ("str", "path"):
        choices = option.spec.get("choices", ())
        return not isinstance(value, str) and (
            not isinstance(value, int) or isinstance(value, bool) and not choices or bool(option.spec.get("no_log")))
    if kind == "list" and isinstance(value, list):
        return option.spec["elements"] == "str" and any(isinstance(entry, (bool, float, dict, list)) for entry in value)
    return kind in ("int", "list") and isinstance(value, bool)


def means_what_it_shows(option, value):
    """Whether a value is null, which is not set, or a text is a list in the notation of YAML, or an empty one.

    Ansible's rules look null up among the choices, and cut such a text at its commas.
    """
    if option.spec["type"] != "list":
        return value is None
    return value in (None, [None]) or isinstance(value, str) and (not value or value.startswith("["))


ODD_VALUES = (
    "", "maybe", "yes", "off", "0", "12", "12.5", " 7 ", "a,b", "a=b", "{}", '{"a": 1}', "[1", "~", "~/x", "/x", "none", True, False, 0,
    1, 12, -3, 2.5, 80.0, [], ["a"], [True], [1.5], [None], [{}], {}, {"a": "b"}, {"a": None}, None)


@pytest.mark.parametrize("name", sorted(set(OPTIONS) - LEFT_OUT))
def test_kind_b_the_verdict_is_that_of_the_specification(name):
    option = OPTIONS[name]
    for value in (SAMPLES[name], as_text(SAMPLES[name]), *ODD_VALUES):
        reader = values.Reader()
        reader.read(option, value)
        accepts = not reader.misfits
        if accepts != specified(option, value):
            # Stricter where something would be lost, and more lenient with a list in the notation of one.
            reason = means_what_it_shows if accepts else loses_what_was_written
            assert reason(option, value) or option.texts is not None, (value, reader.misfits)
        assert all(misfit.name.startswith(name) for misfit in reader.misfits)


@pytest.mark.parametrize("name", sorted(set(OPTIONS) - LEFT_OUT))
def test_kind_b_what_does_not_fit_is_refused_by_name_before_anybody_is_contacted(name):
    odd = {"str": {"a": 1}, "path": {"a": 1}, "bool": "perhaps", "int": "many", "list": True, "dict": "nothing"}
    action, seen = host(loaded({**SAMPLES, name: odd[OPTIONS[name].spec["type"]]}))
    action._execute_module = None
    problems, known = gather.check_host(action, seen)
    assert known is None
    assert [name in problem.what and name in problem.write for problem in problems] == [True]


@pytest.mark.parametrize("name", [name for name, option in OPTIONS.items() if option.texts is not None])
def test_kind_b_values_that_are_written_as_text_are_the_same_whatever_their_type(name):
    words = OPTIONS[name].texts
    read_as = [read({name: {"a": value}})[0][name] for value in (5, "5")]
    assert read_as == [{"a": "5"}] * 2
    assert read({name: {"a": "x", "b": None}})[0][name] == {"a": "x"}
    for value in (True, False):
        found, problems = read({name: {"a": value}})
        expected = words.get(str(value).lower())
        assert bool(problems) is (expected is None)
        assert expected is None or found[name] == {"a": expected}


def test_kind_b_a_secret_is_in_no_message():
    for name, option in OPTIONS.items():
        if values.holds_secret(option.spec):
            for value in ([SECRET], {"password": SECRET}, SECRET + "=", [{"password": SECRET}, SECRET], 1234567890123):
                _found, problems = read({name: value})
                told = " ".join(line for problem in problems for line in problem.lines())
                assert SECRET not in told and "1234567890123" not in told
