# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What only one service can check is found by its name, and by nothing else."""

from __future__ import annotations

import pathlib
import sys

import pytest
import test_preflight

from ansible_collections.trenova.selfhost.plugins.plugin_utils import catalogue, preflight
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight import of_services

FOLDER = pathlib.Path(of_services.__file__).parent
NAMES = sorted(path.stem for path in FOLDER.glob("[a-z]*.py"))


def what(**arguments):
    return [problem.what for problem in test_preflight.problems(**arguments)]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_of_one_of_our_services_and_says_what_it_checks(name):
    module = of_services.module_of(name)
    assert name in catalogue.own_roles()
    told = (*module.CHECKS, *getattr(module, "WARNINGS", ()))
    assert told
    assert all(check.__doc__ for check in told)
    assert isinstance(module.VARIABLES, tuple)


@pytest.mark.parametrize(("variables", "is_told"), [({}, True), ({"backup_key_kept": False}, True),
                                                     ({"backup_key_kept": True}, False)])
def test_a_key_that_nobody_keeps_elsewhere_is_told_and_keeps_nobody(variables, is_told):
    facts = preflight.Facts(variables, {}, {}, {"backup": {}})
    [tell] = of_services.module_of("backup").WARNINGS
    assert bool(list(tell(facts))) == is_told
    assert of_services.checks(["backup"]) == []


def test_a_service_without_such_a_file_has_no_checks_of_its_own():
    assert of_services.module_of("greeter") is None
    assert of_services.checks(["greeter"]) == []
    assert of_services.variables(["greeter"]) == set()


def test_a_file_that_cannot_be_loaded_is_a_fault_and_no_missing_file(monkeypatch, tmp_path):
    (tmp_path / "broken.py").write_text("import no_such_module_at_all\n")
    monkeypatch.setattr(of_services, "__name__", "broken_services")
    package = type(sys)("broken_services")
    package.__path__ = [str(tmp_path)]
    monkeypatch.setitem(sys.modules, "broken_services", package)
    of_services.module_of.cache_clear()
    with pytest.raises(ModuleNotFoundError, match="no_such_module_at_all"):
        of_services.module_of("broken")


def test_only_variables_of_services_that_are_known_are_looked_at():
    assert of_services.variables(["api", "redis"]) == {"trenova_admin_email", "redis_settings_extra"}
    assert "caddy_acme_email" in of_services.variables(["caddy"])


def test_what_several_services_ask_for_is_told_once():
    assert what(variables={"trenova_domain": None}) == ["trenova_domain is missing."]
    client = {"image": "docker.io/trenova/client:0.7.2"}
    assert what(variables={"trenova_domain": None}, services={"client": client}) == ["trenova_domain is missing."]


def test_a_service_that_runs_elsewhere_is_not_checked_here():
    gone = {"absent": True, "exports": {}}
    assert what(services=dict.fromkeys(("api", "caddy", "redis", "postgres"), gone), variables={
        "trenova_domain": None, "trenova_admin_email": None, "caddy_acme_email": None,
        "redis_settings_extra": {"maxmemory-policy": "allkeys-lru"}}) == []


def test_data_that_was_deployed_and_is_gone():
    deployed = {"services": {"postgres": {"enabled": True}}, "postgres_major": None}
    assert what(capacity={"deployed": deployed}) == ["PostgreSQL was deployed here, and its data is gone."]
    assert what(capacity={"deployed": dict(deployed, postgres_major="17")}) == []


def test_policy_that_throws_queued_jobs_away():
    assert what(variables={"redis_settings_extra": {"maxmemory-policy": "allkeys-lru"}}) == [
        "redis_settings_extra sets maxmemory-policy allkeys-lru, which throws queued jobs away."]
    assert what(variables={"redis_settings_extra": {"maxmemory-policy": "volatile-ttl"}}) == []


@pytest.mark.parametrize(("address", "fault"), [
    (None, "missing"), ("", "missing"), ("ops", "no mail address: ops"),
    ("you@example.com", "still the example you@example.com"), ("ops@trucks.co", None),
])
def test_mail_address_that_nobody_reads(address, fault):
    assert preflight.inventory.mail_fault(address) == fault
    told = [f"trenova_admin_email is {fault}."] if fault else []
    assert what(variables={"trenova_admin_email": address}) == told
    off = {"api": dict(test_preflight.SERVICES["api"], exports={"bootstrap": "off"})}
    assert what(variables={"trenova_admin_email": address}, services=off) == []


def test_certificate_files_are_looked_at_where_they_are_chosen(monkeypatch):
    module = of_services.module_of("caddy")
    told = ("The certificate has expired on 2020-01-01.", "another one")
    monkeypatch.setattr(module, "_fault", lambda _variables, _read: told)
    caddy = test_preflight.SERVICES["caddy"]
    assert what(services={"caddy": dict(caddy, exports={"tls": "files"})}) == [
        "The certificate has expired on 2020-01-01."]
    assert what(services={"caddy": dict(caddy, exports={"tls": "proxy"})}) == []


def test_a_port_whose_variable_is_not_known_can_only_be_freed():
    listeners = [{"port": 9000, "address": "0.0.0.0", "pid": 5, "process": "php"}]
    greeter = {"image": "docker.io/library/caddy:2", "endpoints": {"http": {"published": 9000}}}
    caddy = dict(test_preflight.SERVICES["caddy"], endpoints={})
    [problem] = test_preflight.problems(
        capacity={"listeners": listeners}, services={"greeter": greeter, "caddy": caddy})
    assert problem.write == "stop it there"
