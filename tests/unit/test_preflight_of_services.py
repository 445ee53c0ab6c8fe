# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What only one service can check is found by its name, and by nothing else."""

from __future__ import annotations

import pathlib
import subprocess
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


#: Backups as their description says them, with what a plan reckons with.
BACKUP = {"backup_status": {
    "file": "/x/status.json", "schedule": "*-*-* 01:30:00", "command": "x", "delay_seconds": 900,
    "drill_schedule": "Sun *-*-* 04:00:00", "timeout_seconds": 21600}}
MINUTES = {"refusals": [], "services": {"backup": {"settings": {"usual_minutes": 30, "drill_minutes": 60}}}}


def of_backups(status=None, variables=None, plan=None, services=None, **more):
    described = dict(BACKUP, backup_status=dict(BACKUP["backup_status"], **(status or {})), **more)
    return [(problem.what, problem.write) for problem in test_preflight.problems(
        services=dict(services or {}, backup=described), plan=plan or MINUTES, variables=variables)]


@pytest.mark.parametrize("status", [
    {}, {"drill_schedule": ""}, {"drill_schedule": "Sun *-*-* 02:15:00"}, {"drill_schedule": "Sun *-*-* 00:15:00"},
    {"schedule": "hourly", "drill_schedule": ""}, {"schedule": "*:0/50", "delay_seconds": 0, "timeout_seconds": 600,
                                                   "drill_schedule": ""}])
def test_schedules_that_leave_each_other_time(status):
    assert of_backups(status) == []


@pytest.mark.parametrize(("status", "words"), [
    ({"drill_schedule": "Sun *-*-* 02:14:00"}, ["backup_schedule (*-*-* 01:30:00) and backup_drill_schedule (Sun",
                                                "backup_drill_schedule: Sun *-*-* 02:30:00"]),
    ({"drill_schedule": "Sun *-*-* 00:16:00"}, ["from 00:16 to about 01:31", "Sun *-*-* 02:30:00"]),
    ({"schedule": "*:0/30", "drill_schedule": ""}, ["is due again after 30 minutes", "for 45 minutes"])])
def test_schedules_that_overlap_are_told_with_what_to_write(status, words):
    [(what, write)] = of_backups(status)
    assert [word for word in words if word not in what + write] == []


def test_where_there_is_no_drill_it_meets_nobody():
    away = {"title": "PostgreSQL", "absent": True, "external": True, "exports": {}, "state": [
        {"path": "postgres", "backup": {"kind": "postgres"}}]}
    status = {"drill_schedule": "*-*-* 01:30:00"}
    assert of_backups(status) != []
    assert of_backups(status, services={"postgres": away}) == []


@pytest.mark.parametrize(("path", "how"), [
    ("/var/lib/trenova/backups", "lies in /var/lib/trenova, where the data is"),
    ("/var/lib/trenova", "lies in /var/lib/trenova, where the data is"), ("/var/lib", "holds /var/lib/trenova, where"),
    ("/", "holds /var/lib/trenova"), ("/opt/trenova/backups/", "lies in /opt/trenova, where the project is"),
    ("/var/lib/trenova-drill/x", "lies in /var/lib/trenova-drill, where a drill is")])
def test_a_target_among_the_data_is_refused(path, how):
    [(what, write)] = of_backups(state=[{"path": "backup"}, {"path": path}])
    assert how in what
    assert "/var/backups/trenova" in write


def test_a_target_beside_the_data_is_not():
    state = [{"path": "backup"}, {"path": "/var/lib/trenova-backups"}, {"path": "/opt/trenova.backups"}]
    assert of_backups(state=state) == []


def test_a_key_that_is_another_secret_too_is_told_without_it():
    secret = test_preflight.VARIABLES["trenova_postgres_password"]
    secrets = {"trenova_backup_key": {"kind": "password"}}
    [(what, write)] = of_backups(variables={"trenova_backup_key": secret}, secrets=secrets)
    assert what == ("trenova_backup_key and trenova_postgres_password are the same: whoever knows "
                    "trenova_postgres_password reads all backups.")
    assert secret not in what + write
    assert of_backups(variables={"trenova_backup_key": secret[::-1]}, secrets=secrets) == []


BOX = {"name": "box", "sftp": {"host": "box.trucks.co", "user": "erp", "host_key": "ssh-ed25519 AAAA"}}


def key(folder, *more):
    path = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-f", path, *more], check=True)
    return path.read_text()


@pytest.mark.parametrize(("more", "fault"), [
    (("-t", "ed25519", "-N", ""), None), (("-t", "rsa", "-m", "PEM", "-N", ""), None),
    (("-t", "ed25519", "-N", "a password"), "is encrypted"),
    (("-t", "rsa", "-m", "PEM", "-N", "abcde"), "is encrypted")])
def test_a_key_of_an_sftp_server_can_be_used_at_night(tmp_path, more, fault):
    text = key(tmp_path, *more)
    # As a block of YAML gives it, and without its last line end.
    for content in (text, text.strip()):
        found = of_backups(variables={"backup_targets": [BOX], "trenova_backup_sftp_key": content})
        assert [what for what, _write in found] == ([
            f"trenova_backup_sftp_key {fault}, and nobody is there at night who knows its password, and target box is "
            "entered with it."] if fault else [])


@pytest.mark.parametrize("change", [
    lambda text: text[:len(text) // 2], lambda text: "not a key", lambda text: text.replace("\n", " ")])
def test_a_key_that_cannot_be_read_is_told_without_it(tmp_path, change):
    text = change(key(tmp_path, "-t", "ed25519", "-N", ""))
    target = dict(BOX, secret_variable="trenova_backup_box_key")
    [(what, write)] = of_backups(variables={"backup_targets": [target], "trenova_backup_box_key": text})
    assert what == ("trenova_backup_box_key is no private key that can be read, and target box is entered with it.")
    assert text not in what + write

HERE, AWAY = {"name": "a", "directory": "/a"}, {"name": "b", "s3": {"bucket": "b"}}


@pytest.mark.parametrize(("host", "targets", "is_told"), [
    (None, None, False), ("spare1", [HERE], True), ("spare1", [HERE, AWAY], False), ("", [HERE], False)])
def test_a_host_for_drills_that_can_read_no_target_is_refused(host, targets, is_told):
    check = of_services.module_of("backup").check_drill_host
    facts = preflight.Facts({"backup_drill_host": host, "backup_targets": targets}, {}, {}, {"backup": {}})
    found = [problem.what for problem in check(facts)]
    assert bool(found) is is_told
    assert all("spare1 is to make the drills and cannot read any target" in text for text in found)


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


def test_data_of_another_major_names_the_way_to_it():
    services = {"postgres": {"image": "docker.io/library/postgres:17.11"}}
    said = {major: str([problem.lines() for problem in test_preflight.problems(services=services, capacity={
        "deployed": {"services": {}, "postgres_major": major}})]) for major in ("15", "17", "18")}
    assert "playbooks/upgrade_postgres.yml" in said["15"]
    assert said["17"] == "[]"
    assert "which cannot read it" in said["18"]
    assert "upgrade_postgres" not in said["18"]


def test_nothing_is_deployed_beside_an_upgrade():
    deployed = {"services": {}, "postgres_major": "17", "postgres_change": "2026-11-30T17:00:00Z"}
    assert what(capacity={"deployed": deployed}) == [
        "A change of PostgreSQL's major was begun at 2026-11-30T17:00:00Z and has not ended."]


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
