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
import tempfile
import types

import pytest
import test_bundle
import test_gather
import test_preflight
import yaml
from ansible.errors import AnsibleError, AnsibleFilterError
from ansible.inventory.manager import InventoryManager
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.splitter import parse_kv
from ansible.parsing.vault import EncryptedString, VaultLib, VaultSecret, VaultSecretsContext
from ansible.template import Templar, trust_as_template
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

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
    secret_files,
    topology,
    topology_problems,
    values,
    variables,
    vault_files,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.converging import Wanted
from ansible_collections.trenova.selfhost.plugins.plugin_utils.measuring import root
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight import controller, gather
from ansible_collections.trenova.selfhost.plugins.plugin_utils.project import Project

ROOT = pathlib.Path(__file__).resolve().parents[3]
SECRET = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
OPTIONS = {
    **role_files.shared_options(),
    **{name: option for options in role_files.own_options().values() for name, option in options.items()}}
FILE = str(ROOT / "COPYING")

# -- What a host gets of an inventory ----------------------------------------------------------------------------------

#: What Ansible says of every host, and what is no variable of ours.
HOST = {
    "inventory_hostname": "erp1", "ansible_host": "192.0.2.7", "ansible_facts": {}, "groups": {"trenova": ["erp1"]},
    "playbook_dir": str(ROOT / "playbooks")}
CAPACITY = test_bundle.INVENTORY["trenova_capacity"]
#: A value of each variable that is none of its default, and fits with the others.
SAMPLES = {
    "api_enabled": True, "api_image": "registry.trucks.co/api:0.7.3", "api_profile": "v0.7.2",
    "api_profile_extra": {"stop_seconds": 50}, "api_bootstrap": "seed", "api_internet_access": True,
    "api_session_cookie_name": "trucks", "api_log_level": "error", "api_migration_seconds": 1200,
    "api_config_extra": {"audit": {"bufferSize": 500}}, "api_environment_extra": {"TZ": "UTC"},
    "api_compose_extra": {"api": {"labels": {"who": "us"}}}, "asynq_dashboard_enabled": True,
    "asynq_dashboard_image": "registry.trucks.co/asynqmon:1", "asynq_dashboard_read_only": False,
    "asynq_dashboard_compose_extra": {"asynq-dashboard": {"init": True}}, "backup_enabled": True,
    "backup_image": "registry.trucks.co/backup:2", "backup_schedule": "*-*-* 02:45:00",
    "backup_random_delay_seconds": 60, "backup_directory": "/mnt/backups", "backup_full_days": 5,
    "backup_cut_minutes": 15, "backup_installation": "trucks",
    "backup_retention": {"daily": 14, "weekly": 2, "monthly": 1},
    "backup_targets": [{"name": "away", "s3": {
        "endpoint": "https://s3.elsewhere.co", "bucket": "trucks", "region": "eu-central-1", "access_key": "AKIA"}}],
    "backup_mail_to": "ops@trucks.co",
    "backup_mail_from": "erp@trucks.co", "backup_smtp_host": "mail.trucks.co", "backup_smtp_port": 465,
    "backup_smtp_user": "erp", "backup_smtp_tls": "tls", "backup_timeout_seconds": 7200,
    "backup_compose_extra": {"backup-keep": {"init": True}}, "caddy_enabled": True,
    "caddy_image": "registry.trucks.co/caddy:2.11", "caddy_tls": "files", "caddy_acme_email": "tls@trucks.co",
    "caddy_acme_directory": "https://acme.trucks.co/directory", "caddy_certificate_file": FILE,
    "caddy_acme_ca_file": FILE, "caddy_acme_eab_key_id": "trucks", "caddy_certificate_key_file": FILE,
    "caddy_ca_file": FILE, "caddy_trusted_proxies": ["10.0.0.5", "10.1.0.0/16"],
    "caddy_dashboard_user": "chief", "caddy_http_port": 8080, "caddy_https_port": 8443,
    "caddy_bind_address": "10.0.0.7", "caddy_security_headers": {"X-Frame-Options": "DENY"},
    "caddy_routes_extra": [{"host": "wiki.trucks.co", "upstreams": ["wiki:80"], "login": True}],
    "caddy_compose_extra": {"caddy": {"init": True}}, "client_enabled": True,
    "client_image": "registry.trucks.co/client:0.7.3", "client_directory": "/srv/client",
    "client_api_placeholder": "https://api.invalid", "client_compose_extra": {"client": {"init": True}},
    "docker_source": "docker", "docker_engine_minimum": "24.0", "docker_compose_minimum": "2.30",
    "docker_repository_url": "https://mirror.trucks.co/docker", "docker_log_max_size": "20m",
    "docker_log_max_files": 5, "docker_address_pools": [{"base": "10.77.0.0/16", "size": 25}],
    "docker_registry_mirrors": ["https://a.co", "https://b.co"],
    "docker_registry_ca": {"registry.trucks.co:5000": "PEM"},
    "docker_registry_logins": {"registry.trucks.co": {"username": "puller", "password": "horse-staple"}},
    "docker_daemon_extra": {"debug": True}, "minio_enabled": True, "minio_mode": "managed",
    "minio_image": "registry.trucks.co/minio:1", "minio_user": "objects", "minio_region": "eu-west-1",
    "minio_external_endpoint": "s3.elsewhere.co:9000", "minio_external_tls": False,
    "minio_settings_extra": {"MINIO_BROWSER": "off"}, "minio_compose_extra": {"minio": {"init": True}},
    "pgbouncer_enabled": True, "pgbouncer_image": "registry.trucks.co/pgbouncer:1", "pgbouncer_pool_mode": "session",
    "pgbouncer_auth": "file", "pgbouncer_users_extra": [{"name": "bi", "password": "kD8-fW2_qL5xR9tZ3vB7nM1c"}],
    "pgbouncer_databases_extra": {"bi": "host=bi dbname=bi"}, "pgbouncer_settings_extra": {"log_connections": "1"},
    "pgbouncer_compose_extra": {"pgbouncer": {"init": True}}, "postgres_enabled": True, "postgres_mode": "managed",
    "postgres_external_host": "db.trucks.co", "postgres_external_port": 5433, "postgres_external_tls": "verify-full",
    "postgres_external_ca_file": FILE, "postgres_image": "registry.trucks.co/postgres:17.9",
    "postgres_application_role": "erp", "postgres_application_database": "erp_db",
    "postgres_roles": [{"name": "erp", "password": "kD8-fW2_qL5xR9tZ3vB7nM1c"}],
    "postgres_roles_extra": [{"name": "bi", "password": "kD8-fW2_qL5xR9tZ3vB7nM1d"}],
    "postgres_databases": [{"name": "erp_db", "owner": "erp"}],
    "postgres_databases_extra": [{"name": "bi", "owner": "bi"}], "postgres_slow_statement_ms": 500,
    "postgres_settings_extra": {"jit": "off"}, "postgres_compose_extra": {"postgres": {"init": True}},
    "rabbitmq_enabled": True, "rabbitmq_image": "registry.trucks.co/rabbitmq:4", "rabbitmq_user": "erp",
    "rabbitmq_vhost": "erp", "rabbitmq_exchange": "erp", "rabbitmq_queue": "erps", "rabbitmq_queue_type": "classic",
    "rabbitmq_settings_extra": {"heartbeat": "20"}, "rabbitmq_compose_extra": {"rabbitmq": {"init": True}},
    "redis_enabled": True, "redis_mode": "managed", "redis_external_host": "redis.trucks.co",
    "redis_external_port": 6380, "redis_image": "registry.trucks.co/redis:8.6",
    "redis_settings_extra": {"appendonly": "no"}, "redis_compose_extra": {"redis": {"init": True}},
    "trenova_domain": "erp.trucks.co", "trenova_s3_domain": "objects.trucks.co",
    "trenova_jobs_domain": "queues.trucks.co", "trenova_admin_email": "admin@trucks.co",
    "trenova_private_address": "10.0.0.7", "trenova_ordinals": {"redis": 2}, "trenova_become": False,
    "trenova_project_dir": "/srv/trenova", "trenova_data_dir": "/srv/data", "trenova_verify_address": "10.0.0.7",
    "trenova_verify_seconds": 5, "trenova_tier": "small", "trenova_users": 12, "trenova_mode": "balanced",
    "trenova_reserved_memory_mb": 512, "trenova_plan_overrides": {"redis": {"memory_limit_mb": 2500}},
    "trenova_restore_document": ["postgres-shm"], "trenova_strict": True, "trenova_accept_undersized_host": True,
    "trenova_accept_overcommit": True, "trenova_accept_backup_on_data_disk": True, "trenova_capacity": CAPACITY,
    "trenova_image_registry": "mirror.trucks.co", "trenova_own_registry": "own.trucks.co",
    "trenova_images": ["api", "client"], "trenova_images_archive": "/srv/images.tar",
    "trenova_package_api_dir": "/srv/api", "trenova_package_client_dir": "/srv/client",
    "trenova_package_version": "0.7.3", "trenova_build_host": "builder", "trenova_build_ca_bundle": FILE,
    "trenova_build_args": {"GO": "1.25"}, "trenova_roles_extra": [], "trenova_roles": catalogue.own_roles(),
    "trenova_plan_dir": "/srv/plans", "trenova_plan_measure": False, "trenova_secrets_file": "/srv/secrets.yml",
    **{name: SECRET for name, option in OPTIONS.items() if option.spec.get("no_log") and name.startswith("trenova_")},
}
#: Not meant to be set.
LEFT_OUT = {"api_profile_data"}


def made_up(option):
    """A value of a variable that needs no thought: one of its type that is not the default."""
    kind, default = option.spec["type"], option.spec.get("default")
    if option.spec.get("choices"):
        return next(choice for choice in option.spec["choices"] if choice != default)
    if kind == "int":
        return (default or 0) + 1
    return {"bool": not default, "str": "sample", "path": "/sample", "dict": {"a": "b"},
            "list": ["a", "b"] if option.spec.get("elements") == "str" else []}[kind]


SAMPLES.update((name, made_up(option)) for name, option in OPTIONS.items() if name not in {*SAMPLES, *LEFT_OUT})
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
    # Whether a made-up value is of the format is told by the checks, and not by what reads it.
    assert all(values.Reader().read(option, SAMPLES[name]) is not None for name, option in OPTIONS.items()
               if name in SAMPLES)


@pytest.mark.usefixtures("vault")
@pytest.mark.parametrize("which", INVENTORIES)
@pytest.mark.parametrize("form", FORMS)
def test_kind_b_equal_meanings_are_rendered_equally_in_every_form(form, which, tmp_path):
    found, expected = rendered(FORMS[form](INVENTORIES[which], tmp_path)), as_typed(which)
    different = [path for path, content in found["files"].items() if content != expected["files"].get(path)]
    assert different == []
    assert found == expected


def test_kind_b_null_is_not_set_for_each_variable():
    needed = ("trenova_domain", "trenova_tier", "trenova_capacity", "trenova_api_secret_key", "trenova_backup_key")
    base = {name: SAMPLES[name] for name in SAMPLES if name in needed or name.endswith("_password")}
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
    "", "maybe", "yes", "off", "0", "12", "12.5", " 7 ", "a,b", "a=b", "{}", '{"a": 1}', "[1", "~", "~/x", "/x", "none",
    True, False, 0, 1, 12, -3, 2.5, 80.0, [], ["a"], [True], [1.5], [None], [{}], {}, {"a": "b"}, {"a": None}, None)


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


# -- Reports -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def well():
    """(action, variables) of a host that is well, and imagined."""
    seen = dict(test_bundle.in_play()[0])
    seen.update(dict.fromkeys((name for name in seen if name.endswith("_password")), "kD8-fW2_qL5xR9tZ3vB7nM1c"))
    # It may be no other secret.
    seen["trenova_backup_key"] = "c1Mn7Bv3Zt9Rx5Lq_2Wf-8Dk"
    seen.update(
        inventory_hostname="erp1", trenova_accept_backup_on_data_disk=True,
        trenova_capacity=dict(seen["trenova_capacity"], **test_gather.CAPACITY))
    return test_bundle.action_for(seen), seen


def problems_of(well, **more):
    """What preflight tells of the host with some more variables."""
    _action, seen = well
    seen = {**seen, **loaded(more)}
    return gather.check_host(test_bundle.action_for(seen), seen)[0]


def fragment(role, **more):
    """The Compose fragment of a role with some more variables."""
    seen = {**test_bundle.in_play()[0], **loaded(more)}
    action = test_bundle.action_for(seen)
    arguments = test_bundle.by_plan(role, seen, run.current(action, seen))
    [content] = [entry["content"] for entry in arguments["files"] if entry["path"].endswith(f"/{role}/compose.yaml")]
    return yaml.safe_load(content)["services"]


def real_host(folder, content, name="erp1"):
    """(action, variables) of a host of an inventory in files, as Ansible puts them together."""
    for path, text in content.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(yaml.safe_dump(text))
    loader = DataLoader()
    there = InventoryManager(loader=loader, sources=[str(folder / "hosts.yml")])
    manager = VariableManager(loader=loader, inventory=there)
    seen = manager.get_vars(host=there.get_host(name), include_hostvars=False)
    seen.update(
        hostvars=HostVars(there, manager, loader), groups=there.get_groups_dict(), ansible_facts={},
        playbook_dir=str(ROOT / "playbooks"))
    return types.SimpleNamespace(_loader=loader, _templar=Templar(loader, variables=seen)), seen


COMPANY = {"trenova": {"hosts": {"erp1": {}}}, "backup": {"hosts": {"nas1": {}}}, "redis": {"hosts": {"cache1": {}}}}


def test_report_03_groups_of_the_company_are_not_ours():
    """A company's inventory has groups called backup or redis for other machines, and a product takes them for its own.

    Groups of services are called `trenova_<service>`, and count only with hosts of the group `trenova`. The other
    groups mean nothing here.
    """
    groups = {name: list(group["hosts"]) for name, group in COMPANY.items()}
    groups.update(all=["erp1", "nas1", "cache1"], postgres=["nas1"], api=["nas1"], caddy=["cache1"])
    assert group_of_installation.group_of_installation(groups) == "trenova"
    there, services = topology.Inventory(groups, {"all": list(groups)}), catalogue.services()
    assert topology_problems.problems_of(there, services) == {}
    [installation] = topology.installations(there, services)
    assert installation.host_names == ("erp1",)
    assert {name for hosts in installation.service_hosts.values() for name in hosts} == {"erp1"}


OTHERS = {"docker_repo_url": "https://x", "docker_apt_repository": "deb x", "backup_user": "root",
          "postgres_password": "x", "redis_settings": {}}


def test_report_04_variables_of_other_roles_are_remarked_on_and_stop_nobody(well):
    """Variables of other roles in group_vars/all (docker_repo_url, backup_user) are refused as misspelt ones of ours.

    Only what begins with `trenova_` is refused when it means nothing. Other names that are like ours are listed in a
    warning. A variable of ours that is set for a group with other hosts, too, is named with its value, and null in
    group_vars/trenova puts the default in its place.
    """
    assert problems_of(well, **OTHERS) == []
    _action, seen = well
    seen = {**seen, **OTHERS}
    action = test_bundle.action_for(seen)
    [text] = gather.remarks(action, seen, run.current(action, seen))
    assert all(name in text for name in OTHERS)
    assert "docker_repo_url (docker_repository_url?)" in text
    [problem] = problems_of(well, **OTHERS, trenova_docker_repo_url="https://x")
    assert problem.what.startswith("trenova_docker_repo_url is no variable of this collection")


def shared(folder, for_all, for_trenova):
    """An inventory with other hosts, and variables for all and for those of Trenova alone."""
    own = {name: value for name, value in test_bundle.INVENTORY.items()
           if name not in ("inventory_hostname", "ansible_facts", "redis_compose_extra")}
    return real_host(folder, {
        "hosts.yml": COMPANY, "group_vars/all.yml": for_all, "group_vars/trenova.yml": {**own, **for_trenova}})


def test_report_04_what_is_set_for_other_hosts_too_is_named_with_its_value(tmp_path):
    """Variables with our names that are meant for another role are not taken over in silence."""
    action, seen = shared(tmp_path, {"backup_enabled": False, "postgres_databases": [{"name": "a", "owner": "b"}],
                                     "minio_user": "admin", "caddy_tls": "acme"}, {"minio_user": "erp"})
    [text] = gather.remarks(action, seen, run.current(action, seen))
    assert "set for all" in text
    assert "backup_enabled: false; postgres_databases: ...." in text
    # What is as by default harms nobody, and what is set closer is meant.
    assert "caddy_tls" not in text
    assert "minio_user" not in text


@pytest.mark.parametrize("hosts", [
    {"trenova": COMPANY["trenova"]}, {"trenova": COMPANY["trenova"], "all": {"hosts": {"localhost": {}}}}])
def test_report_04_an_inventory_of_our_hosts_alone_has_nothing_to_remark_on(tmp_path, hosts, monkeypatch):
    """In an inventory without other hosts, group_vars/all is as good a place as any."""
    monkeypatch.setattr(sys.modules[__name__], "COMPANY", hosts)
    action, seen = shared(tmp_path, {"backup_enabled": False}, {})
    assert gather.remarks(action, seen, run.current(action, seen)) == []


def test_report_04_a_value_of_another_role_that_does_not_fit_is_one_error_with_the_way_out(tmp_path):
    """A variable with our name and another meaning is refused with its file, and with the line that goes on."""
    action, seen = shared(tmp_path, {"postgres_databases": ["erp", "wiki"]}, {})
    [problem], known = gather.check_host(action, seen)
    assert known is None
    assert problem.what == 'postgres_databases[0]: expected a dictionary; got "erp".'
    assert problem.where.startswith(f"{tmp_path}/group_vars/all.yml:2:")
    assert "`postgres_databases:` without a value in group_vars/trenova" in problem.write
    action, seen = shared(tmp_path, {"postgres_databases": ["erp", "wiki"]}, {"postgres_databases": None})
    assert variables.unfit(action, seen) == []
    assert variables.understood(action, seen)["postgres_databases"] == role_files.own_variables()["postgres_databases"]


def test_kind_b_group_vars_all_of_an_inventory_count_like_any_others(tmp_path):
    """What we set beside the playbooks would win over them."""
    action, seen = shared(tmp_path, {"trenova_s3_domain": "objects.trucks.co"}, {})
    del seen["trenova_jobs_domain"]
    del seen["trenova_s3_domain"]
    seen["trenova_s3_domain"] = "objects.trucks.co"
    found = catalogue.Catalogue(action, seen, variables.project_of(action, seen))
    assert found.value("trenova_s3_domain") == "objects.trucks.co"
    assert found.value("trenova_jobs_domain") == "jobs.erp.trucks.co"


@pytest.fixture
def certificate(tmp_path):
    """Folder with files/trenova.pem and files/trenova-key.pem, where the command is given."""
    (tmp_path / "files").mkdir()
    subprocess.run([
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=trenova",
        "-keyout", tmp_path / "files/trenova-key.pem", "-out", tmp_path / "files/trenova.pem",
        "-addext", "subjectAltName=DNS:erp.trucks.co,DNS:*.erp.trucks.co"], check=True, capture_output=True)
    return tmp_path


OWN = {"caddy_tls": "files", "caddy_certificate_file": "files/trenova.pem",
       "caddy_certificate_key_file": "files/trenova-key.pem", "caddy_ca_file": "files/trenova.pem"}


@pytest.mark.parametrize("way", ["command", "inventory", "home", "variable", "link"])
def test_report_08_a_relative_path_is_one_place_for_checks_and_templates(well, certificate, monkeypatch, way):
    """A relative path of a certificate is found by the checks, and not by the role that is to copy it.

    A path on the controller is made absolute where it enters: it begins where the command was given, or else beside the
    inventory; `~` and `$HOME` are understood. Checks, descriptions and templates get the same.
    """
    given, (_action, seen) = dict(OWN), well
    monkeypatch.chdir(certificate if way == "command" else "/")
    monkeypatch.setenv("HOME", str(certificate))
    if way == "inventory":
        seen["inventory_dir"] = str(certificate)
    elif way == "link":
        (certificate / "link").symlink_to(certificate / "files")
        given = {name: value.replace("files/", f"{certificate}/link/") for name, value in OWN.items()}
    elif way in ("home", "variable"):
        before = "~/files/" if way == "home" else "$HOME/files/"
        given = {name: value.replace("files/", before) for name, value in OWN.items()}
    assert problems_of(well, **given) == []
    seen = {**seen, **loaded(given)}
    arguments = test_bundle.by_plan("caddy", seen, run.current(test_bundle.action_for(seen), seen))
    written = {entry["path"]: base64.b64decode(entry["content"]).decode() for entry in arguments["secret_files"]}
    for name, source in (("certificate", "trenova"), ("certificate-key", "trenova-key")):
        content = written[f"/opt/trenova/caddy/secrets/{name}.pem"]
        assert content.strip() == (certificate / f"files/{source}.pem").read_text().strip()
    # Where files lie on a controller is nothing for the host to remember.
    assert str(certificate) not in json.dumps(arguments["release"]["description"])


def test_report_08_a_file_that_is_nowhere_is_told_with_where_it_was_looked_for(well, monkeypatch, tmp_path):
    """A file that is not there is refused by name, before a description asks for it."""
    monkeypatch.chdir(tmp_path)
    found = problems_of(well, **OWN)
    assert [problem.what for problem in found] == [
        f"{name} names a file that is not there: {OWN[name]}."
        for name in ("caddy_certificate_file", "caddy_certificate_key_file", "caddy_ca_file")]
    assert "begins where the command is given, or beside the inventory" in found[0].write


def test_report_08_a_default_that_is_an_expression_is_no_file_to_look_for(well):
    """A role that is used alone has its own defaults among the variables of the host, as they are written."""
    written = "{{ caddy_acme_ca_file if caddy_tls == 'acme' else '' }}"
    assert role_files.own_variables()["caddy_ca_file"] == written
    assert problems_of(well, caddy_ca_file=written, caddy_acme_ca_file="", caddy_tls="internal") == []


def test_report_08_paths_of_playbooks_begin_where_the_command_was_given(monkeypatch, tmp_path):
    """What playbooks hand on to Ansible's own modules is absolute, too."""
    monkeypatch.chdir(tmp_path)
    assert as_specified.as_specified("api", "trenova_package_api_dir") == f"{tmp_path}/api"
    assert as_specified.as_specified("images.tar", "trenova_images_archive") == f"{tmp_path}/images.tar"
    assert as_specified.as_specified(None, "trenova_images_archive") is None
    with pytest.raises(AnsibleFilterError, match="trenova_build_ca_bundle names a file that is not there: ca.pem"):
        as_specified.as_specified("ca.pem", "trenova_build_ca_bundle")


@pytest.mark.parametrize("text", ["no", "false", "False", "off", "0"])
def test_report_09_a_text_that_says_no_is_no(text):
    """`-e api_internet_access=false`, or `=no` in an INI inventory, is a text, which is true: the API got a way out.

    What the argument specification calls a bool is one before a template, a description or the plan sees it.
    """
    assert fragment("api", api_internet_access=text)["api"]["networks"] == ["data", "app"]
    assert fragment("api", api_internet_access="yes")["api"]["networks"] == ["data", "app", "edge"]


@pytest.mark.parametrize(("text", "written"), [
    ("yes", "true"), ("1", "true"), (1, "true"), ("off", "false"), (0, "false")])
def test_report_09_what_a_program_reads_is_written_in_one_way(text, written):
    """READ_ONLY is true or false, however the inventory says it."""
    environment = fragment("asynq_dashboard", asynq_dashboard_read_only=text)["asynq-dashboard"]["environment"]
    assert environment["READ_ONLY"] == written


def test_report_09_expressions_of_the_inventory_see_what_was_meant():
    """A variable of somebody's that asks for one of ours finds a bool, not a text."""
    given = loaded({"minio_external_tls": "no", "caddy_enabled": "{{ not minio_external_tls }}"})
    assert read(given)[0] == {"minio_external_tls": False, "caddy_enabled": True}


def test_report_10_a_package_that_the_controller_lacks_is_said_first(well, monkeypatch):
    """The controller lacks bcrypt, as that of a distribution, pipx or AWX does, and the third service fails for it.

    Before anybody is contacted, preflight names the package, the services that need it, and the line that installs it
    for that very Python.
    """
    monkeypatch.setattr(controller, "is_there", lambda package: package != "bcrypt")
    monkeypatch.setattr(gather, "current", None)
    [problem] = problems_of(well)
    assert problem.what == "The controller lacks the Python package bcrypt, which api, caddy cannot do without."
    assert sys.executable in problem.where
    assert "bcrypt" in problem.write
    assert problems_of_one_role(well, "redis", monkeypatch) == []


def problems_of_one_role(well, role, monkeypatch):
    """What preflight tells of a play with one role."""
    monkeypatch.setattr(gather, "current", run.current)
    return [problem.what for problem in problems_of(well, ansible_play_role_names=[f"trenova.selfhost.{role}"])
            if "Python" in problem.what]


@pytest.mark.parametrize(("files", "prefix", "line"), [
    ((), "/srv/venv", "/usr/bin/python3 -m pip install bcrypt"),
    ((), "/home/joe/.local/share/pipx/venvs/ansible-core", "pipx inject ansible-core bcrypt"),
    (("/runner",), "/usr", "an execution environment with bcrypt: meta/execution-environment.yml of this collection"),
    (("/usr/bin/apt-get", "EXTERNALLY-MANAGED"), sys.base_prefix, "apt-get install python3-bcrypt"),
    (("/usr/bin/dnf", "EXTERNALLY-MANAGED"), sys.base_prefix, "dnf install python3-bcrypt"),
    # A virtual environment is nobody's but its owner's.
    (("/usr/bin/apt-get", "EXTERNALLY-MANAGED"), "/srv/venv", "/usr/bin/python3 -m pip install bcrypt"),
])
def test_report_10_the_line_is_the_one_for_this_way_of_installing_ansible(files, prefix, line):
    """Who has Ansible from pipx, a distribution or an execution environment gets another line than with pip."""
    assert controller.how_to_install(
        "bcrypt", "/usr/bin/python3", prefix, lambda path: path.endswith(tuple(files)) if files else False) == line


def test_report_10_every_package_that_a_description_names_is_required_of_the_controller():
    """What preflight asks for is what requirements.txt installs."""
    required = (ROOT / "requirements.txt").read_text()
    needed = {package for path in role_files.own_options()
              for package in role_files.load(None, f"{path}/meta/service.yml").get("python_packages", [])}
    assert needed == {"bcrypt"}
    assert all(f"\n{package}==" in required for package in needed)
    assert all(importlib.util.find_spec(package) for package in needed)


@pytest.mark.parametrize("name", [
    "redis_settings_extra", "docker_registry_ca", "postgres_image", "caddy_trusted_proxies", "trenova_plan_overrides",
    "trenova_project_dir", "redis_enabled", "caddy_http_port"])
def test_report_12_a_variable_without_a_value_is_not_set(well, name):
    """`redis_settings_extra:` with nothing but comments below it is null, and an error of Python comes up.

    Null is "not set": the default holds. The same goes for an entry of a list and for a key of a dictionary.
    """
    assert problems_of(well, **{name: None}) == []
    assert read({name: None})[0][name] == role_files.own_variables().get(name)


def test_report_12_entries_without_a_value_are_none():
    """What stands below a variable may be null as well."""
    given = {"docker_registry_mirrors": [None, "https://a.co"], "redis_settings_extra": {"save": None, "hz": 20},
             "redis_compose_extra": {"redis": None},
             "trenova_plan_overrides": {"redis": None, "api": {"worker": None, "instances": 2}}}
    assert read(given) == ({
        "docker_registry_mirrors": ["https://a.co"], "redis_settings_extra": {"hz": "20"}, "redis_compose_extra": {},
        "trenova_plan_overrides": {"api": {"instances": 2}}}, [])
    _found, [problem] = read({"postgres_roles_extra": [{"name": "bi", "password": None}]})
    assert problem.what == "postgres_roles_extra[0].password is missing."


def test_report_12_what_another_program_reads_keeps_its_nulls():
    """Below the first level a dictionary is Compose's or the application's, which may mean something by null."""
    given = {"caddy_compose_extra": {"caddy": {"networks": {"edge": None}}}}
    assert read(given) == (given, [])


@pytest.mark.parametrize(("settings", "says"), [
    ("x", " is no dictionary."), ({"cpus": "many"}, ".cpus is no number: many."),
    ({"mem_limit": "lots"}, ".mem_limit is no size: lots."), ({"cpus": "0.5", "mem_limit": "512m"}, None),
])
def test_kind_b_what_is_merged_into_compose_can_be_read(well, settings, says):
    """Its limits are compared with what the host has, whatever they are written as."""
    found = problems_of(well, redis_compose_extra={"redis": settings})
    assert [problem.what for problem in found] == ([f"redis_compose_extra.redis{says}"] if says else [])


def test_report_13_a_project_behind_a_link_is_ours(tmp_path):
    """/opt/trenova is a link, or written with a slash at its end, and the second run takes itself for somebody else.

    Paths on the server are compared as they really are: links are resolved on the server, slashes and dots that mean
    nothing are taken out where the path enters.
    """
    (tmp_path / "apps").mkdir()
    (tmp_path / "trenova").symlink_to(tmp_path / "apps")
    ours, typed = str(tmp_path / "apps"), str(tmp_path / "trenova")
    capacity = {"real_paths": whereabouts.real_paths([typed, ours, typed + "/../apps"]), "listeners": [
        {"port": 443, "address": "0.0.0.0", "pid": 5, "process": "docker-proxy"}]}

    def told(working_dir):
        container = {"name": "tren-caddy", "project": "trenova", "ports": "0.0.0.0:443->443/tcp"}
        return test_preflight.problems(
            capacity=dict(capacity, containers=[dict(container, working_dir=working_dir)]),
            project=Project(directory=typed))

    assert [told(path) for path in (ours, typed, typed + "/../apps")] == [[]] * 3
    [_port, problem] = told("/srv/other")
    assert problem.what.startswith("Another Compose project is called trenova")


@pytest.mark.parametrize("written", ["/opt/trenova/", "/opt//trenova", "/opt/./trenova/", "//opt/trenova"])
def test_report_13_slashes_that_mean_nothing_are_no_part_of_a_path(written):
    """One path is written in one way, whatever the inventory has."""
    action, seen = host(loaded({"trenova_project_dir": written, "trenova_data_dir": written}))
    assert variables.project_of(action, seen) == Project(directory="/opt/trenova", data_dir="/opt/trenova")


@pytest.mark.parametrize("written", ["~/trenova", "opt/trenova", "$HOME/trenova", "/opt/../trenova"])
def test_report_13_a_path_on_the_server_is_not_resolved_on_the_controller(well, written):
    """`~` would be the controller's home."""
    told = [problem.what for problem in problems_of(well, trenova_data_dir=written)]
    assert f"trenova_data_dir is no absolute path: {written}." in told


def test_report_13_a_link_may_lead_to_what_is_not_there_yet(tmp_path):
    """Before the first run the link is there, and its target not."""
    link = tmp_path / "trenova"
    link.symlink_to(tmp_path / "apps/trenova")
    assert host_facts.nearest_existing(str(link)) == str(tmp_path)
    host_files.ensure_directory(str(link), 0o755, os.getuid(), os.getgid())
    assert (tmp_path / "apps/trenova").is_dir()
    assert link.is_symlink()


def play(playbook, folder, *arguments, code=0, **environment):
    """Output of a playbook, given in a folder with an inventory `hosts.yml` in it."""
    command = [shutil.which("ansible-playbook"), playbook, "-i", folder / "hosts.yml", *arguments]
    done = subprocess.run(
        command, cwd=environment.pop("cwd", folder), capture_output=True, text=True, check=False,
        env=dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_NOCOLOR="1") | environment)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def identity_of(path):
    """What the header of an encrypted file says."""
    return path.read_text().splitlines()[0]


def test_report_18_the_identity_of_a_vault_is_kept(tmp_path):
    """A file that was encrypted as `prod` comes back as `default`, and whoever has only that password is locked out.

    What is encrypted is encrypted again by the secret that opened it, with the identity of its header. A new file is
    refused where several identities could encrypt it and nobody says which.
    """
    (tmp_path / "hosts.yml").write_text("trenova: {hosts: {erp1: {}}}\n")
    for name in ("dev", "prod"):
        (tmp_path / name).write_text(f"password of {name}\n")
    identities = [f"--vault-id={name}@{tmp_path / name}" for name in ("dev", "prod")]
    path = tmp_path / "group_vars/trenova/secrets.yml"
    path.parent.mkdir(parents=True)
    prod = VaultSecret(b"password of prod")
    path.write_bytes(VaultLib().encrypt("trenova_redis_password: mine\n", prod, "prod"))
    output = play(ROOT / "playbooks/secrets.yml", tmp_path, *identities)
    assert "secrets written to" in output
    assert identity_of(path) == "$ANSIBLE_VAULT;1.2;AES256;prod"
    content = yaml.safe_load(VaultLib([("prod", prod)]).decrypt(path.read_bytes()))
    assert content["trenova_redis_password"] == "mine"
    assert len(content) > 5


SECRETS = [("dev", VaultSecret(b"dev")), ("prod", VaultSecret(b"prod"))]


def test_report_18_the_secret_that_opened_a_file_closes_it_whatever_the_header_says(tmp_path):
    """A header without a name stays one, and one with a strange name keeps it."""
    for identity in (None, "prod", "of-old"):
        path = tmp_path / f"{identity}.yml"
        path.write_bytes(VaultLib().encrypt("# mine\na: 1", SECRETS[1][1], identity))
        header = identity_of(path)
        path.write_text(vault_files.with_added(path, "", {"b": "2"}, SECRETS))
        assert identity_of(path) == header
        assert VaultLib(SECRETS[1:]).decrypt(path.read_bytes()).decode() == "# mine\na: 1\nb: '2'\n"


def test_report_18_values_that_are_encrypted_one_by_one_stay_so(tmp_path):
    """A file with encrypted values gets further ones of their identity, and stays readable for people."""
    path = tmp_path / "secrets.yml"
    closed = VaultLib().encrypt("first", SECRETS[1][1], "prod").decode()
    path.write_text("# mine\na: !vault |\n" + "".join(f"  {line}\n" for line in closed.splitlines()))
    path.write_text(vault_files.with_added(path, "", {"b": "second"}, SECRETS))
    assert path.read_text().startswith("# mine\na: !vault |\n")
    assert path.read_text().count("$ANSIBLE_VAULT;1.2;AES256;prod") == 2
    loader = DataLoader()
    values_there = loader.load_from_file(str(path))
    assert [VaultLib(SECRETS[1:]).decrypt(values_there[name]._ciphertext).decode() for name in ("a", "b")] == [
        "first", "second"]


def test_report_18_nobody_guesses_who_is_to_open_a_new_file(tmp_path, monkeypatch):
    """With one identity it is that one, with several the one that Ansible is told of."""
    path = tmp_path / "secrets.yml"
    with pytest.raises(vault_files.IdentityUnknown, match="dev, prod"):
        vault_files.with_added(path, "", {"b": "2"}, SECRETS)
    several = [types.SimpleNamespace(id="one", path=str(path), missing=lambda: ["x"])]
    [problem] = secret_files.identity_problems(several, SECRETS)["one"]
    assert problem.write.startswith("ANSIBLE_VAULT_ENCRYPT_IDENTITY=dev")
    assert secret_files.identity_problems(several, SECRETS[1:]) == {}
    monkeypatch.setattr(vault_files.constants, "DEFAULT_VAULT_ENCRYPT_IDENTITY", "prod", raising=False)
    path.write_text(vault_files.with_added(path, "# new\n", {"b": "2"}, SECRETS))
    assert identity_of(path) == "$ANSIBLE_VAULT;1.2;AES256;prod"
    assert vault_files.with_added(tmp_path / "plain.yml", "# new\n", {"b": "2"}, []) == "# new\nb: '2'\n"


def as_nobody(*command, **more):
    """Command for an ordinary user, whoever runs the tests."""
    if os.getuid():
        return command
    return ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command)


def can_map_users():
    """Whether an ordinary user may become root of a namespace of his own here, as what `sudo` stands for below."""
    command = as_nobody("unshare", "--map-root-user", "id", "-u")
    return bool(shutil.which("setpriv")) and subprocess.run(
        command, capture_output=True, text=True, check=False).stdout.strip() == "0"


@pytest.fixture
def ordinary():
    """Function that runs preflight on this machine as an ordinary user, with or without a way to become root."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="trenova-forms-"))
    folder.chmod(0o777)
    (folder / "hosts.yml").write_text("trenova: {hosts: {erp1: {ansible_connection: local, trenova_tier: small}}}\n")
    (folder / "sudo").write_text(
        '#!/bin/sh\nwhile [ "$1" != root ]; do shift; done; shift\nexec unshare --map-root-user -- "$@"\n')
    (folder / "sudo").chmod(0o755)

    def run_there(*arguments, sudo=True):
        environment = dict(
            os.environ, HOME=str(folder), ANSIBLE_HOME=str(folder / ".ansible"),
            ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), PATH=(f"{folder}:" if sudo else "") + os.environ["PATH"],
            PYTHONDONTWRITEBYTECODE="1")
        command = as_nobody(
            shutil.which("ansible-playbook"), str(ROOT / "playbooks/preflight.yml"), "-i", str(folder / "hosts.yml"),
            "-e", "ansible_python_interpreter=/usr/bin/python3", *arguments)
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        return " ".join((done.stdout + done.stderr).split())

    yield run_there
    shutil.rmtree(folder)


@pytest.mark.skipif(not can_map_users(), reason="an ordinary user cannot become root of anything here")
def test_report_30_the_host_is_asked_who_comes(ordinary):
    """The SSH user stands in ~/.ssh/config alone, or the connection is local: the run thinks it is root, and is not.

    The measurement says who it ran as. Whoever is not root becomes so as Ansible would, by sudo or what the inventory
    names, for the whole run; where that cannot be, one problem says who comes and why. `-b` of the command counts.
    """
    output = ordinary()
    assert "R1: " in output
    assert "is not root" not in output
    refused = ordinary("-e", "trenova_become=no")
    assert "The connection to erp1 is that of" in refused
    assert "cannot become root: trenova_become is false. where:" in refused
    assert "1 problem was found; nothing was changed." in refused


@pytest.mark.skipif(not can_map_users(), reason="an ordinary user cannot become root of anything here")
def test_report_30_who_cannot_become_root_gets_one_problem(ordinary):
    """The reason is that of the host: no sudo, or one that asks for a password."""
    refused = ordinary("-e", "ansible_become_exe=/nonexistent", sudo=False)
    assert "who is not root and cannot become root:" in refused
    assert "/nonexistent" in refused
    assert "write: -K, for a password that sudo asks for" in refused


def asked(*users):
    """A connection, and a function that answers as these users one after the other; errors are raised."""
    answers = iter(users)

    def ask():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return {"user": {"uid": 0 if answer == "root" else 1000, "name": answer}}

    connection = types.SimpleNamespace(become=None)
    connection.set_become_plugin = lambda plugin: setattr(connection, "become", plugin)
    action = types.SimpleNamespace(
        _connection=connection, _templar=Templar(DataLoader(), {}), _loader=DataLoader(),
        _task=types.SimpleNamespace(become_method="sudo", dump_attrs=dict),
        _play_context=types.SimpleNamespace(become_pass="let me in"))
    return action, ask


def test_report_30_later_tasks_know_what_was_found():
    """What the first task found out holds for those after it, of our playbooks and of others."""
    action, ask = asked("deploy", "root")
    found = root.as_root(action, HOST, ask)
    assert found["became"] is True
    assert action._connection.become.name == "sudo"
    assert action._connection.become.get_option("become_pass") == "let me in"
    facts = {"trenova": {"capacity": found}}
    assert becomes.becomes(None, "root", facts) is True
    later, _ask = asked()
    root.keep(later, HOST, found)
    assert later._connection.become.name == "sudo"
    root.keep(later, HOST, {"user": {"uid": 0}})


@pytest.mark.parametrize(("more", "users", "reason"), [
    ({"ansible_become": False}, ["deploy"], "ansible_become is false"),
    ({}, ["deploy", AnsibleError("Missing sudo password")], "Missing sudo password"),
    ({}, ["deploy", "deploy"], "it becomes deploy in place of root"),
    ({"ansible_become_method": "magic"}, ["deploy"], "there is no way to become root that is called magic"),
])
def test_report_30_why_somebody_is_not_root(more, users, reason):
    """Each reason is told with who comes."""
    action, ask = asked(*users)
    with pytest.raises(root.NotRoot) as refused:
        root.as_root(action, {**HOST, **more}, ask)
    assert refused.value.problem.what == (
        f"The connection to erp1 is that of deploy (uid 1000), who is not root and cannot become root: {reason}.")


def test_report_30_a_password_that_is_asked_for_at_once_is_told_as_such():
    """Where the inventory names the user, the first try is as root already."""
    action, ask = asked(AnsibleError("Missing sudo password"))
    action._connection.become = object()
    with pytest.raises(root.NotRoot, match="is not root's and cannot become root: Missing sudo password"):
        root.as_root(action, HOST, ask)


@pytest.mark.parametrize(("written", "user", "command", "expected"), [
    (None, "root", False, False), (None, "deploy", False, True), (None, "root", True, True),
    ("no", "deploy", True, False), ("yes", "root", False, True), (False, "deploy", False, False),
])
def test_report_30_what_is_known_decides_before_the_host_does(written, user, command, expected, monkeypatch):
    """The inventory, then the user's name, then -b."""
    monkeypatch.setattr(becomes.context, "CLIARGS", {"become": command})
    assert becomes.becomes(written, user, {}) is expected


@pytest.mark.parametrize("kind", ["PKCS#8", "traditional"])
def test_report_31_an_encrypted_key_is_called_so(well, certificate, monkeypatch, kind):
    """The private key for `caddy_tls: files` has a passphrase, and the run ends with "Invalid argument".

    Preflight says that the key is encrypted, and with which command it is opened. One that Ansible Vault encrypts is
    opened by Ansible.
    """
    monkeypatch.chdir(certificate)
    key = certificate / "files/trenova-key.pem"
    subprocess.run([
        "openssl", "rsa", "-aes256", "-passout", "pass:open", "-in", key, "-out", certificate / "closed",
        *(["-traditional"] if kind == "traditional" else [])], check=True, capture_output=True)
    shutil.move(certificate / "closed", key)
    [problem] = problems_of(well, **OWN)
    assert problem.what == f"The key {key} is encrypted, and Caddy cannot ask for its password."
    assert f"openssl pkey -in {key} -out <another file>" in problem.write


@pytest.mark.usefixtures("vault")
def test_report_31_a_key_in_a_vault_is_as_good_as_any(well, certificate, monkeypatch):
    """Ansible opens files of a vault by itself, for the checks as for the templates."""
    monkeypatch.chdir(certificate)
    key = certificate / "files/trenova-key.pem"
    key.write_bytes(VaultLib(VAULT).encrypt(key.read_text()))
    opening = DataLoader()
    opening.set_vault_secrets(VAULT)
    monkeypatch.setattr(test_bundle, "DataLoader", lambda: opening)
    assert problems_of(well, **OWN) == []
    key.write_bytes(b"\x30\x82")
    [problem] = problems_of(well, **OWN)
    assert problem.what.startswith("The certificate and its key cannot be read")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A checkout that everybody may write to, as on a share or in many a pipeline, and an inventory beside it."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("playbooks", "plugins", "roles", "meta", "collections", "ansible.cfg", "galaxy.yml", "site.yml"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    folder.chmod(stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO)
    given = {
        name: value for name, value in test_bundle.INVENTORY.items()
        if name not in ("inventory_hostname", "ansible_facts")}
    (folder / "hosts.yml").write_text(yaml.safe_dump({"trenova": {"hosts": {"erp1": given}}}))
    return folder


@pytest.mark.parametrize("cwd", [None, "/"])
def test_report_37_playbooks_work_from_anywhere_and_where_everybody_may_write(checkout, cwd, tmp_path):
    """In a world-writable checkout, or from another directory, Ansible passes over ansible.cfg and finds no collection.

    The playbooks find it beside themselves (`playbooks/collections`), without any setting. Installed from Galaxy, they
    have names (`trenova.selfhost.site`).
    """
    environment = {name: value for name, value in os.environ.items() if name != "ANSIBLE_CONFIG"}
    command = [shutil.which("ansible-playbook"), checkout / "playbooks/plan.yml", "-i", checkout / "hosts.yml",
               "-e", f"trenova_plan_dir={tmp_path}"]
    done = subprocess.run(command, cwd=cwd or checkout, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (cwd is None) is ("world writable" in done.stdout + done.stderr)
    assert (tmp_path / "erp1.json").exists()


def test_report_37_the_link_stays_in_the_checkout():
    """In the artifact of Galaxy it would lead back to the whole."""
    assert (ROOT / "playbooks/collections").resolve() == (ROOT / "collections").resolve()
    assert "playbooks/collections" in yaml.safe_load((ROOT / "galaxy.yml").read_text())["build_ignore"]


def test_report_53_images_are_for_the_first_host_of_the_limit(tmp_path):
    """`images.yml --limit erp2` asks the first host of the group, which the limit has left out.

    The first host of the limit is meant: its images, its registry. The builder need not be in the limit.
    """
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"trenova": {"hosts": {
        name: {"trenova_domain": f"{name}.trucks.co", "trenova_own_registry": f"{name}.registry.co"}
        for name in ("erp1", "erp2")}}}))
    (tmp_path / "docker").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    (tmp_path / "docker").chmod(0o755)
    play(ROOT / "playbooks/images.yml", tmp_path, "--limit", "erp2", "--tags", "build",
         "-e", "trenova_images=backup", "-e", "trenova_images_archive=images.tar",
         PATH=f"{tmp_path}:{os.environ['PATH']}")
    asked_for = (tmp_path / "asked").read_text().splitlines()
    [built] = [line for line in asked_for if line.startswith("build ")]
    assert built.startswith("build --tag erp2.registry.co/trenova/backup:")
    saved = asked_for[-1].split()
    assert saved[:3] == ["save", "--output", f"{tmp_path}/images.tar"]
    assert "erp2.registry.co/trenova/api:0.7.2" in saved
    assert not any("erp1" in line for line in asked_for)


def test_report_53_the_registry_of_what_nobody_publishes_is_read_like_any_value():
    """Null and nothing are the mirror, and without one Docker Hub."""
    for given, registry in (({}, "docker.io"), ({"trenova_image_registry": "mirror.co"}, "mirror.co"),
                            ({"trenova_image_registry": "mirror.co", "trenova_own_registry": None}, "mirror.co"),
                            ({"trenova_image_registry": "mirror.co", "trenova_own_registry": "own.co"}, "own.co")):
        action, seen = host(loaded(given))
        assert variables.templated(
            action, seen, "trenova_own_registry", variables.templated(
                action, seen, "trenova_image_registry", image_references.DOCKER_HUB)) == registry


def test_kind_b_names_of_roles_may_be_a_text():
    """`-e trenova_roles_extra=greeter` is one name, not seven."""
    assert catalogue.services("a.b.greeter, teller")[-2:] == ("greeter", "teller")
    assert catalogue.services(None) == catalogue.services(["greeter"])[:-1]
    found = inventory.resolved(
        {"erp1": {"trenova_roles_extra": "greeter", "trenova_ordinals": "{\"redis\": 2}", "trenova_domain": None,
                  "trenova_verify_seconds": "soon"}},
        "erp1", ["trenova_roles_extra", "trenova_ordinals", "trenova_domain", "trenova_verify_seconds"])
    assert found == {"trenova_roles_extra": ["greeter"], "trenova_ordinals": {"redis": 2}, "trenova_domain": None,
                     "trenova_verify_seconds": "soon"}


def test_kind_b_the_address_of_a_host_may_be_an_expression():
    """The verification visits what the expression comes to, and the check of the example sees it."""
    action, seen = host(loaded({"ansible_host": "{{ place }}.example.com", "place": "north"}))
    assert variables.address_of(action, seen) == "north.example.com"
    [problem], _known = gather.check_host(action, seen)
    assert "north.example.com" in problem.what
