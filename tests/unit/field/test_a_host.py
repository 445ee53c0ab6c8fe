# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Reports from the field: what a host already is. It is measured before a change, and worked with or refused."""

from __future__ import annotations

import configparser
import copy
import json
import os
import pathlib
import random
import shutil
import string
import subprocess
import sys

import pytest
import test_bundle
import yaml

from ansible_collections.trenova.selfhost.plugins.module_utils import (
    engine_facts,
    host,
    images,
    network_facts,
    package_facts,
)
from ansible_collections.trenova.selfhost.plugins.modules import capacity as capacity_module
from ansible_collections.trenova.selfhost.plugins.modules import probe
from ansible_collections.trenova.selfhost.plugins.plugin_utils import compose, daemon_json, preflight
from ansible_collections.trenova.selfhost.plugins.plugin_utils.converging import Wanted
from ansible_collections.trenova.selfhost.plugins.plugin_utils.docker_packages import DNF_FILE, Packages

ROOT = pathlib.Path(__file__).resolve().parents[3]
ROLE = yaml.safe_load((ROOT / "roles/docker/vars/main.yml").read_text())
POOLS = [{"base": "10.201.0.0/16", "size": 24}]
#: What the role wants of an Engine when nobody sets anything.
WANTED = {
    "log-driver": "local", "log-opts": {"max-size": "10m", "max-file": "3"}, "live-restore": True,
    "default-address-pools": POOLS, "registry-mirrors": []}
SETTINGS = {
    "source": "auto", "engine_minimum": "20.10", "compose_minimum": "2.20",
    "repository_url": "https://download.docker.com/linux", "vendor": ROLE["docker_vendor_packages"],
    "distribution": ROLE["docker_distribution_packages"]}
NETWORKS = [{"name": name, "project": None, "subnets": subnets} for name, subnets in (
    ("bridge", ["172.17.0.0/16"]), ("host", []), ("none", []))]
TRIXIE = {
    "id": "debian", "version": "13", "codename": "trixie", "like": [], "platform": "",
    "name": "Debian GNU/Linux 13 (trixie)"}
BOOKWORM = dict(TRIXIE, version="12", codename="bookworm", name="Debian GNU/Linux 12 (bookworm)")
NOBLE = dict(TRIXIE, id="ubuntu", version="24.04", codename="noble", like=["debian"], name="Ubuntu 24.04.3 LTS")
ROCKY = {
    "id": "rocky", "version": "9.4", "codename": "", "like": ["rhel", "centos", "fedora"], "platform": "platform:el9",
    "name": "Rocky Linux 9.4 (Blue Onyx)"}
SHOP = {"name": "shop", "state": "running", "project": None, "working_dir": None, "ports": ""}


def engine(**more):
    """What an Engine of today says of itself."""
    return dict({
        "product": "Docker", "operating_system": "Debian GNU/Linux 13 (trixie)", "swarm": "inactive",
        "storage_driver": "overlay2", "image_store": "docker", "root_dir": "/var/lib/docker", "log_driver": "json-file",
        "cgroup_driver": "systemd", "live_restore": False, "security": ["apparmor", "cgroupns", "seccomp"]}, **more)


def docker(flags=None, **more):
    """What is measured of Docker on a host where it runs and nobody has touched it."""
    unit = {
        "load": "loaded", "active": "active", "enabled": "enabled", "path": "/usr/lib/systemd/system/docker.service",
        "flags": {"host": "fd://", "containerd": True, **(flags or {})}}
    return dict({
        "installed": True, "version": "28.5.2", "installed_version": "28.5.2", "api_version": "1.51",
        "compose_version": "2.40.3", "daemon_json": None, "program": "/usr/bin/dockerd", "snap": False,
        "engine": engine(), "unit": unit,
        "command_line": {"path": "/root/.docker/config.json", "proxies": [], "context": None, "host": None}}, **more)


def bare(**more):
    """The same of a host without Docker."""
    return docker(**dict({
        "installed": False, "version": None, "installed_version": None, "compose_version": None, "program": None,
        "engine": None, "unit": {}}, **more))


def capacity(**more):
    """What is measured of a host that is well."""
    return dict({
        "architecture": "x86_64", "cores": 8, "memory_mb": 16384, "distribution": TRIXIE, "service_manager": "systemd",
        "listeners": [], "containers": [], "images": {}, "networks": NETWORKS, "routes": [], "nameservers": [],
        "kernel": {"net.ipv4.ip_forward": "1", "vm.overcommit_memory": "0", "net.core.somaxconn": "4096",
                   "unwritable": []},
        "selinux": None, "docker": docker(), "deployed": {"services": {}, "daemon_json": None},
        "packages": {"manager": "apt", "installed": ["docker-ce", "containerd.io"], "lock": None, "repositories": [],
                     "release": None}}, **more)


def installed(*names, **more):
    """What is measured of the packages of a host."""
    return dict(capacity()["packages"], installed=list(names), **more)


def facts(variables=None, source="auto", **more):
    """What the checks of a play with the role of Docker look at."""
    exports = {"address_pools": (variables or {}).get("docker_address_pools") or POOLS,
               "packages": dict(SETTINGS, source=source)}
    return preflight.Facts(
        dict({"docker_source": source}, **(variables or {})), copy.deepcopy(capacity(**more)), {"refusals": []},
        {"docker": {"exports": exports}})


def problems(variables=None, **more):
    """What the preflight finds wrong, as (what, where, what to write)."""
    return [(found.what, found.where, found.write) for found in preflight.check_all(facts(variables, **more))]


def warnings(variables=None, **more):
    """What the preflight tells besides."""
    return preflight.warnings(facts(variables, **more))


def merged(found, extra=None, applied=None, docker=None, wanted=None):
    """The file that is written."""
    return json.loads(daemon_json.merged(found, wanted or WANTED, extra or {}, applied, docker))


def packages(source="auto", **more):
    """What is to be done about packages."""
    return Packages(capacity(**more), dict(SETTINGS, source=source))


def in_play(more_variables=None, **more):
    """(variables, run) of a host of which more is measured, with further variables."""
    variables = dict(test_bundle.in_play()[0], **(more_variables or {}))
    variables["trenova_capacity"] = dict(variables["trenova_capacity"], **more)
    return variables, test_bundle.run.current(test_bundle.action_for(variables), variables)


def role_of_docker(variables=None, **more):
    """What the role of Docker wants on such a host."""
    return test_bundle.by_plan("docker", *in_play(variables, **more))


def files_of_docker(variables=None, **more):
    """{path: content} of the files that it wants."""
    return {entry["path"]: entry["content"] for entry in role_of_docker(variables, **more)["files"]}


def tasks_of(name):
    """All tasks of a file of the role of Docker, those in blocks included."""
    def flat(tasks):
        for task in tasks:
            yield task
            for part in ("block", "rescue", "always"):
                yield from flat(task.get(part, []))
    return list(flat(yaml.safe_load((ROOT / f"roles/docker/tasks/{name}.yml").read_text())))


def test_a_host_that_is_well_has_nothing_to_tell():
    """Neither a host with Docker nor one without is told anything."""
    assert (problems(), warnings()) == ([], [])
    assert problems(docker=bare(), packages=installed()) == []


# -- 5 ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("found", [
    {"log-driver": "journald"}, {"log-opts": {"labels": "customer", "env": "STAGE"}},
    {"log-driver": "fluentd", "log-opts": {"fluentd-address": "10.0.0.9:24224"}},
])
def test_report_05_a_log_driver_of_the_administrator_keeps_its_own_options(found):
    """daemon.json names a log driver, or options of one, and after the run Docker does not start any more.

    Driver and options have one owner: where the administrator has set either, both stay as he has them. Our containers
    name driver and limits of their logs themselves.
    """
    result = merged(found)
    assert {key: result[key] for key in ("log-driver", "log-opts") if key in result} == found
    assert result["live-restore"] is True
    assert daemon_json.faults(result) == []


@pytest.mark.parametrize(("found", "extra", "pair"), [
    (None, {"log-driver": "json-file"}, ("json-file", WANTED["log-opts"])),
    (None, {"log-driver": "journald"}, ("journald", None)),
    (None, {"log-opts": {"max-size": "50m"}}, ("local", {"max-size": "50m"})),
    (None, {"log-opts": {"tag": "x"}}, (None, {"tag": "x"})),
    ({"log-driver": "fluentd", "log-opts": {"fluentd-address": "a:1"}}, {"log-driver": "json-file"},
     ("json-file", WANTED["log-opts"])),
    ({"log-driver": "json-file", "log-opts": {"tag": "x"}}, {"log-driver": "json-file"}, ("json-file", {"tag": "x"})),
])
def test_report_05_a_log_driver_of_the_inventory_has_options_that_it_takes(found, extra, pair):
    """Another driver of the inventory takes no options of the one before."""
    result = merged(found, extra)
    assert (result.get("log-driver"), result.get("log-opts")) == pair
    applied = daemon_json.ours(found, WANTED, extra, None)
    assert merged(result, extra, applied) == result


def test_report_05_options_that_the_administrator_adds_to_ours_make_the_driver_his_too():
    """Otherwise the driver would go, and the options with another one that does not know them."""
    ours = daemon_json.ours(None, WANTED, {}, None)
    found = dict(merged(None), **{"log-opts": dict(WANTED["log-opts"], compress="false")})
    assert merged(found, {}, ours, wanted=dict(WANTED, **{"log-driver": "json-file"})) == found


@pytest.mark.parametrize(("number", "options"), [
    (1, {"max-size": "10m", "max-file": "1", "compress": "false"}), (2, {"max-size": "10m", "max-file": "2"})])
def test_report_05_one_log_file_is_not_compressed(number, options):
    """The driver compresses what it has rotated, and refuses every container where nothing is kept."""
    files = files_of_docker({"docker_log_max_files": number})
    assert json.loads(files["/etc/docker/daemon.json"])["log-opts"] == options


def test_report_05_what_would_keep_the_engine_from_starting_is_told_before_a_restart():
    """What the administrator has broken himself since the last start is his to mend, and not ours to restart into."""
    pair = {"log-driver": "journald", "log-opts": {"max-size": "1m"}}
    [(what, where, write)] = problems(docker=docker(daemon_json=pair))
    assert what == "The Engine would not start again: the log driver journald knows no option max-size."
    assert (where, write) == ("/etc/docker/daemon.json", "take it out, or name the driver that it is for")
    [(what, where, _write)] = problems({"docker_daemon_extra": pair})
    assert "would not start with docker_daemon_extra: the log driver journald" in what
    [(what, _where, write)] = problems(docker=docker(daemon_json={"log-opts": {"max-file": 3}}))
    assert (what, write) == (
        "The Engine would not start again: log-opts holds a value that is no text.", 'quote it, as in "max-file": "3"')


@pytest.mark.parametrize(("flag", "key"), [
    ({"log-driver": "journald"}, "log-driver"), ({"log-opt": True}, "log-opts"),
    ({"live-restore": "true"}, "live-restore"),
    ({"default-address-pool": "base=10.9.0.0/16,size=24"}, "default-address-pools"),
])
def test_report_05_what_dockerd_has_as_a_flag_is_not_put_into_the_file(flag, key):
    """dockerd does not start with a setting in both places."""
    assert key not in merged(None, docker=docker(flag))
    assert key in merged(None, docker=docker())
    in_both = f"{key} stands in the file and in the flags that dockerd is started with."
    setting = {key: WANTED[key]}
    assert f"The Engine would not start again: {in_both}" in [
        what for what, *_rest in problems(docker=docker(flag, daemon_json=setting))]
    assert f"The Engine would not start with docker_daemon_extra: {in_both}" in [
        what for what, *_rest in problems({"docker_daemon_extra": setting}, docker=docker(flag))]


def test_report_05_flags_are_read_from_the_unit_with_its_variables(tmp_path):
    """Where an administrator writes flags: a drop-in, /etc/default/docker, short and long."""
    (tmp_path / "docker").write_text('# x\nDOCKER_OPTS="--log-driver=journald --dns 9.9.9.9 -s overlay2 -D"\n')
    unit = engine_facts.of_unit("\n".join([
        "LoadState=loaded", "ActiveState=active", "UnitFileState=enabled", "MainPID=0",
        "Environment=HTTPS_PROXY=http://p:1", f"EnvironmentFiles={tmp_path}/docker (ignore_errors=yes)",
        "ExecStart={ path=/usr/sbin/dockerd ; argv[]=/usr/sbin/dockerd -H fd:// --containerd=/run/c.sock --http-proxy "
        "http://u:secret@p:3128 --live-restore $DOCKER_OPTS ; ignore_errors=no ; start_time=[n/a] }"]))
    assert unit["flags"] == {
        "host": "fd://", "containerd": True, "http-proxy": True, "live-restore": "true", "log-driver": "journald",
        "dns": True, "storage-driver": "overlay2", "debug": "true"}
    assert "secret" not in json.dumps(unit)
    assert engine_facts.of_unit("LoadState=not-found\nMainPID=0") == {}


# -- 6 ----------------------------------------------------------------------------------------------------------------


SWARM = docker(engine=engine(swarm="active"))


def test_report_06_live_restore_is_left_out_on_a_node_of_a_swarm():
    """The host is a node of a swarm, and after the run Docker does not start any more, with all services of the swarm.

    Swarm mode is measured. live-restore, which does not go with it, is left out, and so is all of ours that would need
    a restart, which would end the containers of others; the preflight says so.
    """
    assert merged({"dns": ["10.0.0.1"]}, docker=SWARM) == {"dns": ["10.0.0.1"]}
    assert problems(docker=SWARM) == []
    [told] = warnings(docker=SWARM)
    assert told.startswith("The Engine is a node of a swarm, where live-restore cannot be: a restart would end all")
    [told] = warnings(docker=docker(daemon_json={"live-restore": False}))
    assert told.startswith("The Engine has live-restore switched off: a restart would end all containers")
    assert files_of_docker(docker=SWARM)["/etc/docker/daemon.json"] == "{}\n"


def test_report_06_live_restore_of_the_inventory_is_refused_there():
    """Before anything is changed."""
    [(what, _where, write)] = problems({"docker_daemon_extra": {"live-restore": True}}, docker=SWARM)
    assert what == (
        "The Engine would not start with docker_daemon_extra: live-restore does not go with swarm mode, in which the "
        "Engine is.")
    assert write == "take live-restore out of docker_daemon_extra"


@pytest.mark.parametrize(("node", "extra", "restarts"), [
    (docker(), {}, True),
    (SWARM, {}, False),
    (docker(daemon_json={"live-restore": False}), {}, False),
    (docker({"live-restore": "false"}), {}, False),
    (SWARM, {"debug": True}, False),
    (SWARM, {"mtu": 1400}, True),
])
def test_report_06_the_engine_is_not_restarted_where_that_ends_the_containers_of_others(node, extra, restarts):
    """Unless the inventory sets what needs it."""
    assert daemon_json.needs_restart(node["daemon_json"], extra, None, node) is restarts
    reloads = role_of_docker({"docker_daemon_extra": extra}, docker=node)["reload"]
    commands = [" ".join(entry["command"]) for entry in reloads]
    assert any("systemctl restart docker" in command for command in commands) is restarts
    assert commands[0] == "systemctl reload-or-restart docker"


def test_report_06_what_is_in_the_file_already_stays_when_a_swarm_is_joined_later():
    """To take it out would need the same restart."""
    ours = daemon_json.ours(None, WANTED, {}, None)
    found = dict(merged(None))
    del found["live-restore"]
    assert merged(found, {}, ours, SWARM, dict(WANTED, **{"log-opts": {"max-size": "99m"}})) == found


# -- 20 ---------------------------------------------------------------------------------------------------------------


#: Names that docker/cli gives to containers (configfile.ParseProxyConfig), in both spellings.
PROXY_VARIABLES = [
    spelt for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "FTP_PROXY", "ALL_PROXY")
    for spelt in (name, name.lower())]


def fragments(variables=None, known=None):
    """{service of Compose: definition} of all containers and jobs."""
    if known is None:
        variables, known = test_bundle.in_play()
    found = {}
    for role in test_bundle.PLANNED:
        for entry in test_bundle.by_plan(role, variables, known)["files"]:
            if entry["path"].endswith(f"/{role}/compose.yaml"):
                found.update(yaml.safe_load(entry["content"])["services"])
    return found


def test_report_20_no_container_of_ours_is_given_a_proxy():
    """Docker's client has proxies for containers in its configuration, and nothing of Trenova becomes healthy.

    Every container and job says of each proxy that there is none, which wins over Docker's client. The preflight tells
    of those proxies, and how to hand one to a service that needs it.
    """
    found = fragments()
    assert len(found) > 10
    told = {name: [definition["environment"].get(proxy) for proxy in PROXY_VARIABLES]
            for name, definition in found.items()}
    assert {name: said for name, said in told.items() if said != [""] * len(PROXY_VARIABLES)} == {}


def test_report_20_a_proxy_that_the_operator_sets_for_a_service_is_kept():
    """Whether as a mapping or as a list."""
    assert compose.without_proxies({"HTTPS_PROXY": "http://p:1"})["HTTPS_PROXY"] == "http://p:1"
    listed = compose.without_proxies(["HTTPS_PROXY=http://p:1", "A=b"])
    assert listed[:2] == ["HTTPS_PROXY=http://p:1", "A=b"]
    assert "https_proxy=" in listed
    assert "HTTPS_PROXY=" not in listed


@pytest.mark.parametrize("definition", [
    {"image": "a", "environment": {"A": "b"}}, {"image": "a"}, {"image": "a", "environment": ["A=b"]}])
def test_report_20_that_there_is_no_proxy_is_no_reason_to_replace_a_container(definition):
    """Containers of before run on, and a proxy that somebody sets is a reason."""
    with_none = dict(definition, environment=compose.without_proxies(definition.get("environment")))
    assert compose.digest(with_none, {}) == compose.digest(definition, {})
    labelled = [dict(each, labels={"x": "y"}) for each in (with_none, definition)]
    assert len({tuple(compose.digests_of_first_edition(each, {})) for each in labelled}) == 1
    with_one = dict(definition, environment={"A": "b", "HTTP_PROXY": "http://p:1"})
    assert compose.digest(with_one, {}) != compose.digest(definition, {})


def test_report_20_proxies_of_the_client_are_measured_by_name_and_told(tmp_path, monkeypatch):
    """Their addresses may hold a password, and stand nowhere."""
    proxies = {"httpProxy": "http://u:secret@10.9.9.9:3128", "httpsProxy": "http://10.9.9.9:3128", "noProxy": "a"}
    (tmp_path / "config.json").write_text(json.dumps({"proxies": {"default": proxies}, "currentContext": "rootless"}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    known = engine_facts.command_line()
    assert known == {
        "path": str(tmp_path / "config.json"), "proxies": ["httpProxy", "httpsProxy", "noProxy"], "context": "rootless",
        "host": None}
    of_proxies, of_context = warnings(docker=docker(command_line=known))
    assert f"Docker gives containers the proxies of {tmp_path}/config.json" in of_proxies
    assert "Docker commands of root go to another Engine by themselves (rootless)." in of_context


# -- 21 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("unwritable", "lines"), [
    ([], ["vm.overcommit_memory = 1", "net.core.somaxconn = 4096"]),
    (["vm.overcommit_memory"], ["net.core.somaxconn = 4096"]),
    (["vm.overcommit_memory", "net.core.somaxconn"], None),
])
def test_report_21_a_setting_that_cannot_be_changed_is_not_written(unwritable, lines):
    """The server is a container of somebody's (LXC), and the run ends because a setting of the kernel is refused.

    What root may not change there is not written. Where the value is not the right one, the preflight says which
    command is needed on the machine below, and the run goes on.
    """
    kernel = {"vm.overcommit_memory": "0", "net.core.somaxconn": "4096", "unwritable": unwritable}
    content = files_of_docker(kernel=kernel).get("/etc/sysctl.d/60-trenova.conf")
    found = None if content is None else [line for line in content.splitlines() if line and not line.startswith("#")]
    assert found == lines


@pytest.mark.parametrize(("value", "told"), [("0", 1), ("1", 0), ("2", 0)])
def test_report_21_a_setting_that_is_right_already_is_not_told(value, told):
    """Whoever has set it on the machine below is left in peace."""
    found = warnings(kernel={"vm.overcommit_memory": value, "unwritable": ["vm.overcommit_memory"]})
    assert len(found) == told
    assert all("On the machine that it runs on: sysctl -w vm.overcommit_memory=1" in sentence for sentence in found)


def test_report_21_what_root_may_not_change_is_measured(monkeypatch):
    """By asking the kernel, which knows of read-only mounts and of users of a container."""
    refused = "/proc/sys/vm/overcommit_memory"
    monkeypatch.setattr(host.os, "access", lambda path, mode: path != refused and mode == os.W_OK)
    assert host.unwritable_settings() == ["vm.overcommit_memory"]


# -- 22 ---------------------------------------------------------------------------------------------------------------


def test_report_22_the_installation_waits_for_another_one():
    """On a fresh server unattended upgrades are at work, and the installation of packages ends after a minute.

    It waits for ten minutes and says for whom. A repository of somebody's that cannot be read does not stop it either:
    what is needed is installed from the lists that could be fetched.
    """
    assert ROLE["docker_lock_seconds"] >= 300
    apt = [task["ansible.builtin.apt"] for task in tasks_of("packages-apt") if "ansible.builtin.apt" in task]
    assert [arguments["lock_timeout"] for arguments in apt] == ["{{ docker_lock_seconds }}"] * 3
    dnf = [task["ansible.builtin.dnf"] for task in tasks_of("packages-dnf") if "ansible.builtin.dnf" in task]
    assert [arguments["lock_timeout"] for arguments in dnf] == ["{{ docker_lock_seconds }}"] * 2
    [update] = [task for task in tasks_of("packages-apt") if task.get("ansible.builtin.apt", {}).get("update_cache")]
    assert update["failed_when"] is False
    assert {arguments["update_cache"] for arguments in apt if "name" in arguments} == {False}


def test_report_22_who_holds_the_lock_of_the_packages_is_measured(tmp_path):
    """The kernel tells it, whoever it is."""
    path = tmp_path / "lock-frontend"
    path.write_text("")
    assert package_facts.lock_holder(str(path)) is None
    hold = ("import fcntl, sys; stream = open(sys.argv[1], 'rb+'); fcntl.lockf(stream, fcntl.LOCK_EX); "
            "print('held', flush=True); sys.stdin.read()")
    with subprocess.Popen(
            [sys.executable, "-c", hold, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        found = package_facts.lock_holder(str(path))
        assert found["pid"] == process.pid
        assert found["process"].startswith("python")
        process.communicate("")
    assert package_facts.lock_holder(str(path)) is None
    assert package_facts.lock_holder(str(tmp_path / "absent")) is None


# -- 23 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("distribution", "tools"), [
    (NOBLE, ["docker-compose-v2"]), (TRIXIE, ["docker-cli", "docker-compose"])], ids=["ubuntu", "debian"])
def test_report_23_a_part_that_is_missing_comes_from_where_the_engine_came_from(distribution, tools):
    """Docker's own Engine is there without Compose, and the distribution's packages come beside it or in its place.

    What is missing is added from the same source as the Engine, which itself is not touched; one that is stopped is
    started. Where that source has it not, the run is refused.
    """
    lacking = docker(compose_version=None)
    found = packages(distribution=distribution, docker=lacking).plan()
    assert (found["source"], found["added"], found["upgraded"]) == (
        "docker", ["docker-ce-cli", "docker-compose-plugin"], [])
    other = packages(
        distribution=distribution, docker=lacking, packages=installed("docker.io", "containerd", "runc"))
    assert (other.source, other.added, other.repository, other.faults()) == ("distribution", tools, None, [])


def test_report_23_an_engine_that_is_stopped_is_started_and_nothing_installed():
    """systemctl disable --now docker, as found."""
    stopped = docker(version=None, api_version=None, engine=None)
    stopped["unit"].update(active="inactive", enabled="disabled")
    found = packages(docker=stopped).plan()
    assert (found["is_stopped"], found["added"], found["upgraded"]) == (True, [], [])
    assert problems(docker=stopped) == []
    [(what, _where, write)] = problems(docker=dict(stopped, unit=dict(stopped["unit"], load="masked")))
    assert (what, write) == (
        "docker.service is masked: nobody can start the Engine.", "systemctl unmask docker.service docker.socket")


@pytest.mark.parametrize(("found", "due"), [
    (docker(), []), (docker(compose_version=None), ["docker"]), (docker(version="19.03.15"), ["docker"]),
    (docker(version=None, engine=None), ["docker"])])
def test_report_23_what_has_gone_makes_the_next_run_due(monkeypatch, found, due):
    """A run that finds everything else as it was deployed ends at once otherwise, and leaves it missing."""
    variables, known = in_play(docker=found, distribution=TRIXIE, packages=capacity()["packages"])
    monkeypatch.setattr(type(known), "is_unchanged", lambda *_service: True)
    assert Wanted(test_bundle.action_for(variables), variables, known, ["docker"]).due() == due


def test_report_23_an_engine_that_is_too_old_is_upgraded_with_what_commands_it():
    """Where nobody else runs containers on it."""
    old = packages(docker=docker(version="19.03.15"), packages=installed("docker-ce", "containerd.io", "docker-ce-cli"))
    assert (old.upgraded, old.added) == (["docker-ce", "containerd.io", "docker-ce-cli"], [])


REFUSED = [
    # docker.io of Debian 12, which has no Compose of the second generation.
    ({"distribution": BOOKWORM, "docker": docker(version="20.10.24", compose_version=None),
      "packages": installed("docker.io", "containerd", "runc")},
     "Docker Engine is that of Debian GNU/Linux 12 (bookworm), its Compose (the plugin docker compose) is missing"),
    # Binaries that somebody has unpacked.
    ({"docker": docker(compose_version=None), "packages": installed()},
     "Docker Engine 28.5.2 is of no package that is known here, and its Compose (the plugin docker compose) is"),
    # A node of Kubernetes without Docker.
    ({"docker": bare(), "packages": installed("containerd", "runc"), "source": "docker"},
     "Docker Engine from Docker's own repository cannot stand beside what is installed: containerd, runc."),
    ({"docker": bare(), "packages": installed("podman-docker"), "distribution": ROCKY},
     "Docker Engine from Docker's own repository cannot stand beside what is installed: podman-docker."),
    # Another Engine in place of one that somebody uses.
    ({"source": "distribution", "docker": docker(compose_version=None), "containers": [SHOP]},
     "To install another Docker Engine would end containers that are not ours: shop."),
    ({"docker": docker(version="19.03.15"), "containers": [SHOP]},
     "To install a newer Docker Engine (it is older than 20.10) would end containers that are not ours: shop."),
    ({"source": "none", "docker": docker(compose_version="2.3.3")},
     "Docker Engine is there, its Compose 2.3.3 is older than 2.20, and docker_source is none."),
    ({"source": "distribution", "docker": bare(), "distribution": BOOKWORM, "packages": installed()},
     "docker_source is distribution, and the packages of Debian GNU/Linux 12 (bookworm) are too old."),
]


@pytest.mark.parametrize(("more", "what"), REFUSED)
def test_report_23_what_cannot_be_had_without_harm_is_refused(more, what):
    """Before anything is changed, with what to write instead."""
    [(said, where, write)] = problems(**more)
    assert said.startswith(what)
    assert where
    assert write


def test_report_23_a_containerd_of_dockers_own_brings_dockers_own_engine():
    """The one of the distribution would have it removed."""
    assert packages(docker=bare(), packages=installed("containerd.io")).source == "docker"
    assert packages(docker=bare(), packages=installed()).source == "distribution"
    assert packages(docker=bare(), packages=installed(), distribution=BOOKWORM).source == "docker"


# -- 24 ---------------------------------------------------------------------------------------------------------------


LINE = "deb [arch=amd64 signed-by={key}] https://download.docker.com/linux/debian {suite} stable\n"
STANZA = """# Docker
Types: deb
URIs: https://download.docker.com/linux/debian/
Suites: {suite}
Components: stable
Signed-By: {key}
"""


def repositories(tmp_path, **files):
    """What is measured of apt's sources: {name of the file with _ for its dot: content}."""
    parts = tmp_path / "sources.list.d"
    parts.mkdir(exist_ok=True)
    for name, content in files.items():
        ((tmp_path if name == "sources_list" else parts) / name.replace("_", ".")).write_text(content)
    return package_facts.apt_repositories(str(tmp_path / "sources.list"), str(parts))


def needing(found):
    """Packages of a Debian 12 that needs Docker's repository."""
    return packages(
        distribution=BOOKWORM, docker=docker(compose_version=None),
        packages=installed("docker-ce", "containerd.io", repositories=found))


@pytest.mark.parametrize(("name", "form"), [("docker_list", LINE), ("dockerce_sources", STANZA)])
def test_report_24_an_entry_of_dockers_repository_that_is_there_is_used(tmp_path, name, form):
    """Docker's repository is in apt's sources with another key, and after the run apt refuses to read anything.

    An entry that is there is used, whatever its form, and none of ours is written beside it; one that an earlier run
    has left is removed. What cannot be used is refused.
    """
    (tmp_path / "docker.gpg").write_text("key")
    found = repositories(tmp_path, **{name: form.format(key=tmp_path / "docker.gpg", suite="bookworm")})
    assert [(entry["address"], entry["suite"], entry["components"]) for entry in found] == [
        ("https://download.docker.com/linux/debian", "bookworm", ["stable"])]
    wanted = needing(found)
    assert (wanted.repository["writes"], wanted.repository["removes_ours"]) == (False, True)
    assert wanted.faults() == []


def test_report_24_without_one_ours_is_written(tmp_path):
    """Also where there is one for another release, or ours."""
    (tmp_path / "docker.gpg").write_text("key")
    for files in ({}, {"docker_list": LINE.format(key=tmp_path / "docker.gpg", suite="bullseye")}):
        wanted = needing(repositories(tmp_path, **files)).repository
        assert (wanted["writes"], wanted["removes_ours"], wanted["address"], wanted["suite"], wanted["key"]) == (
            True, False, "https://download.docker.com/linux/debian", "bookworm",
            "https://download.docker.com/linux/debian/gpg")
    ours = STANZA.format(key="/etc/apt/keyrings/docker.asc", suite="bookworm")
    [entry] = repositories(tmp_path, docker_list="", docker_sources=ours)
    assert needing([dict(entry, file="/etc/apt/sources.list.d/docker.sources")]).repository["writes"] is True
    assert needing([dict(entry, file="/etc/apt/sources.list.d/other.sources")]).repository["writes"] is False


@pytest.mark.parametrize(("files", "what"), [
    ({"docker_list": LINE.format(key="/nowhere/docker.gpg", suite="bookworm")},
     "Docker's repository is signed by a key that is not there: /nowhere/docker.gpg."),
    ({"docker_list": LINE.format(key="/etc/hostname", suite="bookworm"),
      "ce_sources": STANZA.format(key="/etc/passwd", suite="bookworm")},
     "Docker's repository has several keys in apt's sources, so that apt reads none of them: /etc/hostname, "
     "/etc/passwd."),
    ({"docker_list": LINE.format(key="/etc/hostname", suite="bookworm").replace("stable", "test")},
     "Docker's repository stands in apt's sources without the component stable."),
])
def test_report_24_an_entry_that_apt_cannot_use_is_refused(tmp_path, files, what):
    """With the file in which it stands."""
    [(said, where, _write)] = needing(repositories(tmp_path, **files)).faults()
    assert said == what
    assert str(tmp_path) in where


def test_report_24_disabled_entries_and_logins_in_addresses_are_left_out(tmp_path):
    """Nothing that is switched off is used, and no password is measured."""
    found = repositories(
        tmp_path, off_sources=STANZA.format(key="/k", suite="x") + "Enabled: no\n",
        sources_list="deb-src http://a/ x main\n# deb http://b/ x main\ndeb https://u:secret@mirror/debian x main\n")
    assert [entry["address"] for entry in found] == ["https://mirror/debian"]
    embedded = STANZA.format(suite="x", key="\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc")
    [entry] = repositories(tmp_path, sources_list="", off_sources=embedded)
    assert (entry["signed_by"], entry["key_is_there"]) == ("a key in the file", True)


def test_report_24_no_source_is_written_that_the_package_manager_would_refuse():
    """Before the entry comes a question to it, and apt's key is the one that the signature was found good with."""
    assert [next(key for key in task if "." in key) for task in tasks_of("repository-dnf")[-3:]] == [
        "trenova.selfhost.package_repository", "ansible.builtin.fail", "ansible.builtin.yum_repository"]
    tasks = tasks_of("repository-apt")[-5:]
    assert [next(key for key in task if "." in key) for task in tasks] == [
        "trenova.selfhost.package_repository", "ansible.builtin.fail", "ansible.builtin.file", "ansible.builtin.copy",
        "ansible.builtin.copy"]
    assert tasks[3]["ansible.builtin.copy"]["content"] == "{{ docker_repository.key }}"


# -- 25 ---------------------------------------------------------------------------------------------------------------


SNAP = bare(version="28.1.1", snap=True, engine=engine(
    root_dir="/var/snap/docker/common/var-lib-docker", operating_system="Ubuntu Core 24"))
IS_SNAP = "Docker is a snap on this host: it sees neither /opt nor /var/lib, and has a configuration of its own."
IS_ROOTLESS = (
    "The Engine that answers at /run/docker.sock does not run as root (rootless): users of its containers are others.")
MAPS_USERS = "The Engine gives containers other users on the host (userns-remap): they could not write their own data."


@pytest.mark.parametrize(("found", "what"), [
    (SNAP, IS_SNAP), (dict(SNAP, engine=None, version=None), IS_SNAP),
    (docker(engine=engine(product="Podman Engine"), unit={}), "What answers at /run/docker.sock is Podman."),
    (docker(engine=engine(operating_system="Docker Desktop"), unit={}),
     "What answers at /run/docker.sock is Docker Desktop, in a virtual machine of its own."),
    (docker(engine=engine(security=["rootless", "seccomp"]), unit={}), IS_ROOTLESS),
    (docker(engine=engine(security=["seccomp", "userns"])), MAPS_USERS),
    (bare(daemon_json={"userns-remap": "default"}), MAPS_USERS),
    (docker(unit={}), "The Engine that answers at /run/docker.sock is not started by docker.service."),
    (docker(engine=None, version=None), "The Engine runs and does not answer at /run/docker.sock."),
    (docker({"config-file": "/srv/docker.json"}), "dockerd reads /srv/docker.json, and not /etc/docker/daemon.json."),
    (docker(daemon_json={"unreadable": "it holds no object"}),
     "/etc/docker/daemon.json is no valid JSON: it holds no object"),
])
def test_report_25_what_is_no_engine_of_this_host_is_refused(found, what):
    """Docker is a snap: the preflight is content, and the run fails when it restarts a unit that is not there.

    A snap is refused with the way out, and so is whatever else answers for Docker and is not the Engine that systemd
    runs on this host as root: Podman, Docker Desktop, rootless mode, other users for containers. From recorded facts.
    """
    known = installed() if not found["installed"] else capacity()["packages"]
    assert [problem[0] for problem in problems(docker=found, packages=known)] == [what]


def test_report_25_docker_beside_a_forgotten_snap_is_used():
    """Where dockerd is a program of the host, and its unit runs it, the snap is somebody else's."""
    assert problems(docker=docker(snap=True)) == []


def test_report_25_what_answers_is_known_by_what_it_says():
    """As the API of the Engine and that of Podman say it."""
    podman = engine_facts.of_engine(
        {"OperatingSystem": "rhel"}, {"Components": [{"Name": "Podman Engine"}, {"Name": "OCI Runtime (crun)"}]})
    assert podman["product"] == "Podman Engine"
    found = engine_facts.of_engine({
        "Swarm": {"LocalNodeState": "locked"}, "Driver": "overlayfs", "LiveRestoreEnabled": True,
        "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]], "DockerRootDir": "/data/docker",
        "SecurityOptions": ["name=seccomp,profile=builtin", "name=selinux", "name=cgroupns"]}, {"Components": None})
    assert (found["swarm"], found["image_store"], found["security"], found["product"]) == (
        "locked", "containerd", ["cgroupns", "seccomp", "selinux"], "Docker")
    assert engine_facts.of_engine(None, None) is None


def test_report_25_a_file_of_the_engine_is_read_as_the_engine_reads_it(tmp_path):
    """Empty, with the mark of an editor, or no object at all."""
    path = tmp_path / "daemon.json"
    found = []
    for content in ("", '\ufeff{"debug": true}', "[]", "{"):
        path.write_text(content, encoding="utf-8")
        found.append(engine_facts.configuration(str(path)))
    assert found[:3] == [{}, {"debug": True}, {"unreadable": "it holds no object"}]
    assert "unreadable" in found[3]
    assert engine_facts.configuration(str(tmp_path / "absent")) is None


# -- 28 ---------------------------------------------------------------------------------------------------------------


def mounts_of(definitions):
    """[(source on the host, whether its label is asked for)] of all mounts of these services."""
    for definition in definitions.values():
        for volume in definition.get("volumes", []):
            if isinstance(volume, dict):
                yield volume["source"], volume["bind"].get("selinux") == "z"
            else:
                source, _target, *options = volume.split(":")
                yield source, "z" in ",".join(options).split(",")


def test_report_28_what_is_mounted_is_labelled_where_containers_are_confined():
    """SELinux confines the containers, and they may not read what is mounted into them.

    Where the Engine has SELinux enabled, every mount of a directory of ours asks for the label that containers may use.
    Directories of somebody else are left as they are, and told with the command for them. From recorded facts.
    """
    mounts = list(mounts_of(fragments(*in_play(
        {"client_directory": "/srv/www/trenova"}, docker=docker(engine=engine(security=["seccomp", "selinux"]))))))
    ours = [source for source, is_labelled in mounts if is_labelled]
    assert len(ours) > 20
    assert all(path.startswith(("/opt/trenova", "/var/lib/trenova/", "/var/backups/trenova")) for path in ours)
    assert [source for source, is_labelled in mounts if not is_labelled] == ["/srv/www/trenova"]


def test_report_28_nothing_is_labelled_elsewhere():
    """Nor replaced: the definitions are those of before."""
    assert [source for source, is_labelled in mounts_of(fragments()) if is_labelled] == []


@pytest.mark.parametrize(("more", "is_confined"), [
    ({"docker": docker(engine=engine(security=["selinux"]))}, True),
    ({"docker": docker(daemon_json={"selinux-enabled": True}), "selinux": "enforcing"}, False),
    ({"docker": bare(daemon_json={"selinux-enabled": True}), "selinux": "enforcing"}, True),
    ({"docker": bare(daemon_json={"selinux-enabled": True}), "selinux": None}, False),
    ({"docker": bare(), "selinux": "enforcing"}, False),
])
def test_report_28_an_engine_tells_whether_it_confines(more, is_confined):
    """One that is not installed yet will, where its file says so and the kernel can."""
    assert compose.is_confined(capacity(**more)) is is_confined


# -- 29 ---------------------------------------------------------------------------------------------------------------


OFF = {"net.ipv4.ip_forward": "0", "unwritable": []}


def test_report_29_a_host_that_does_not_forward_is_named(monkeypatch):
    """Something switches net.ipv4.ip_forward off after Docker has started: the ports time out, and nothing says why.

    The preflight refuses with the name of the setting and where to look for it, and verify says it beside the checks
    that fail for it.
    """
    [(what, _where, write)] = problems(kernel=OFF)
    assert what.startswith("net.ipv4.ip_forward is 0.")
    assert write == "net.ipv4.ip_forward = 1 there, and: sysctl -w net.ipv4.ip_forward=1"
    monkeypatch.setattr(probe.host, "kernel", lambda: {"net.ipv4.ip_forward": "0"})
    [result] = probe.host_results()
    assert (result["ok"], "net.ipv4.ip_forward is 0" in result["detail"]) == (False, True)
    monkeypatch.setattr(probe.host, "kernel", lambda: {"net.ipv4.ip_forward": "1"})
    assert probe.host_results() == []


def test_report_29_docker_turns_it_on_where_it_does_not_run_yet():
    """A bare host is not told."""
    assert problems(kernel=OFF, docker=bare(), packages=installed()) == []


# -- 42 ---------------------------------------------------------------------------------------------------------------


def route(network, gateway=True, device="eth0"):
    """A route as it is measured."""
    return {"network": network, "device": device, "gateway": gateway}


def network(name, *subnets):
    """A network of Docker as it is measured."""
    return {"name": name, "project": None, "subnets": list(subnets)}


def test_report_42_a_route_of_the_company_that_covers_dockers_networks_is_named():
    """A route of the company covers the range of which Docker takes its networks, and the first `up` fails.

    Before anything is written, the range is compared with the routes of the host and with the networks that Docker has;
    the refusal proposes one that nothing covers.
    """
    [(what, where, write)] = problems(routes=[route("10.0.0.0/8"), route("192.0.2.0/24", gateway=False)])
    assert what == (
        "Docker's networks would cover what a gateway leads to: 10.201.0.0/16, and the route 10.0.0.0/8 on eth0.")
    assert "group_vars" in where
    assert write.startswith("docker_address_pools: [{base: 172.30.0.0/16, size: 24}]")


def test_report_42_a_range_that_the_inventory_names_is_a_decision():
    """What the whole company is led through may leave a part of it to this host."""
    assert problems({"docker_address_pools": POOLS}, routes=[route("10.0.0.0/8")]) == []


OF_A_VPN = [route("0.0.0.0/1", device="tun0"), route("128.0.0.0/1", device="tun0")]


@pytest.mark.parametrize(("more", "what"), [
    # Engines before 23 take no address that any route covers.
    ({"routes": [route("10.0.0.0/8")], "docker": docker(version="20.10.24")},
     "0 of 3 networks: 10.201.0.0/16 is covered by the route 10.0.0.0/8 on eth0."),
    ({"routes": OF_A_VPN, "docker": docker(version="20.10.24")},
     "0 of 3 networks: 10.201.0.0/16 is covered by the route 0.0.0.0/1 on tun0."),
    ({"routes": [route("10.200.0.0/14", gateway=False)]},
     "0 of 3 networks: 10.201.0.0/16 is covered by the route 10.200.0.0/14 on eth0."),
    ({"networks": [*NETWORKS, *(network(f"n{number}", f"10.201.{number}.0/24") for number in range(254))]},
     "2 of 3 networks: 10.201.0.0/16 is covered by the network n0, the network n1, the network n2, the network n3 and "
     "250 more."),
    ({"docker": docker(daemon_json={"bip": "10.201.0.1/16"})},
     "0 of 3 networks: 10.201.0.0/16 is covered by Docker's own bridge (bip)."),
    ({"docker": docker(daemon_json={"default-address-pools": [{"base": "172.80.0.0/24", "size": 25}]})},
     "2 of 3 networks: 172.80.0.0/24 is too small."),
    ({"docker": docker({"default-address-pool": "base=172.80.0.0/24,size=24"})},
     "1 of 3 networks: 172.80.0.0/24 is too small."),
])
def test_report_42_ranges_that_are_used_up_are_named_with_who_has_them(more, what):
    """Routes, networks of others, name servers, the bridge; by the version of the Engine."""
    [(said, _where, write)] = problems(**more)
    assert said == f"Docker has addresses for {what}"
    proposal = write.partition(": ")[2]
    assert (proposal.startswith("[{base: 1") or proposal == "") is True


@pytest.mark.parametrize("more", [
    {"routes": [route("10.201.0.0/16", gateway=False, device="br-1")],
     "networks": [*NETWORKS, *map(network, ("trenova_data", "trenova_app", "trenova_edge"))]},
    {"routes": [route("10.201.4.0/24"), route("10.202.0.0/16")]},
    {"routes": OF_A_VPN},
    {"routes": [route("10.201.0.0/24", gateway=False)], "nameservers": ["10.201.1.53", "2001:db8::1"]},
])
def test_report_42_what_is_no_hindrance_is_not_told(more):
    """Networks that are there already, routes beside those that Docker takes, the whole world through a VPN."""
    assert problems(**more) == []


def test_report_42_routes_are_read_as_the_kernel_tells_them(tmp_path):
    """Without default routes and what is rejected."""
    table = tmp_path / "route"
    table.write_text(
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth0\t0000000A\tFE0200C0\t0003\t0\t0\t0\t000000FF\t0\t0\t0\n"
        "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        "*\t0000A8C0\t00000000\t0200\t0\t0\t0\t0000FFFF\t0\t0\t0\n")
    if sys.byteorder == "little":
        assert network_facts.routes(str(table)) == [route("10.0.0.0/8"), route("192.0.2.0/24", gateway=False)]
    resolver = tmp_path / "resolv.conf"
    resolver.write_text("# x\nsearch a\nnameserver 10.0.0.53\nnameserver fe80::1%eth0\n")
    assert network_facts.nameservers(str(resolver)) == ["10.0.0.53", "fe80::1%eth0"]


# -- 44 ---------------------------------------------------------------------------------------------------------------


REPO = """[docker-ce-stable]
name=Docker CE Stable - $basearch
baseurl=https://download.docker.com/linux/centos/{release}/$basearch/stable
enabled=1
gpgcheck=1
gpgkey=https://download.docker.com/linux/centos/gpg

[docker-ce-test]
baseurl=https://download.docker.com/linux/centos/{release}/$basearch/test
enabled=0
"""
RPM = {"manager": "dnf", "installed": [], "lock": None, "repositories": [], "release": "9.4"}


def test_report_44_the_address_of_the_repository_holds_the_major_release():
    """The host is kept at a minor release, and the address of Docker's repository answers 404.

    The address is written with the major release, whatever the host is kept at. Rebuilds of RHEL 9 that say so in
    /etc/os-release, Oracle Linux for instance, are accepted. From recorded facts.
    """
    wanted = packages(distribution=ROCKY, docker=bare(), packages=RPM)
    assert wanted.repository == {
        "address": "https://download.docker.com/linux/centos/9/$basearch/stable",
        "key": "https://download.docker.com/linux/centos/gpg", "suite": "", "writes": True, "removes_ours": False}
    assert wanted.added == ["docker-ce", "containerd.io", "docker-ce-cli", "docker-compose-plugin"]
    task = tasks_of("repository-dnf")[-1]["ansible.builtin.yum_repository"]
    assert task["baseurl"] == "{{ docker_wanted_packages.repository.address }}"


#: Distributions that take packages by dnf, and the folders of Docker's repository that are made for them.
OF_DNF = [
    (ROCKY, "centos/9"), (dict(ROCKY, id="rhel", version="9"), "centos/9"),
    (dict(ROCKY, id="almalinux", version="10.1"), "centos/10"), (dict(ROCKY, id="fedora", version="41"), "fedora/41")]


@pytest.mark.parametrize(("distribution", "folder"), OF_DNF)
def test_report_44_what_is_written_for_dnf_is_dockers_own_entry(tmp_path, distribution, folder):
    """The tasks of the role themselves write it, and what is measured of it is ours and asks for no second one."""
    (tmp_path / "repos").mkdir()
    # Asked before, it has the packages.
    (tmp_path / "dnf").write_text('#!/bin/sh\nfor name; do echo "$name 1-1"; done\n')
    (tmp_path / "dnf").chmod(0o755)
    wanted = packages(distribution=distribution, docker=bare(), packages=RPM)
    (tmp_path / "write.yml").write_text(yaml.safe_dump([{
        "hosts": "localhost", "connection": "local", "gather_facts": False,
        "vars": {"docker_wanted_packages": wanted.plan()},
        "module_defaults": {"ansible.builtin.yum_repository": {"reposdir": str(tmp_path / "repos")}},
        "tasks": [{"ansible.builtin.import_tasks": str(ROOT / "roles/docker/tasks/repository-dnf.yml")}]}]))
    subprocess.run(
        [shutil.which("ansible-playbook"), "-i", "localhost,", tmp_path / "write.yml"], check=True, cwd=ROOT,
        capture_output=True, env=dict(os.environ, PATH=f"{tmp_path}:{os.environ['PATH']}"))
    [path] = (tmp_path / "repos").iterdir()
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(path)
    assert {name: dict(parser.items(name)) for name in parser.sections()} == {"docker-ce-stable": {
        "name": "Docker CE", "baseurl": f"https://download.docker.com/linux/{folder}/$basearch/stable",
        "gpgcheck": "1", "gpgkey": "https://download.docker.com/linux/{}/gpg".format(folder.partition("/")[0])}}
    [entry] = package_facts.dnf_repositories(str(tmp_path / "repos"))
    assert path.name == pathlib.Path(DNF_FILE).name
    again = packages(distribution=distribution, docker=bare(), packages=dict(
        RPM, release=None, repositories=[dict(entry, file=DNF_FILE)]))
    assert (again.repository["writes"], again.faults()) == (True, [])


def test_report_44_packages_for_dnf_have_dockers_names():
    """And go to dnf as apt gets them: what is missing, and what is too old."""
    missing, old = tasks_of("packages-dnf")
    assert missing["ansible.builtin.dnf"]["name"] == "{{ docker_wanted_packages.added }}"
    assert old["ansible.builtin.dnf"]["name"] == "{{ docker_wanted_packages.upgraded }}"
    found = packages(
        distribution=ROCKY, docker=docker(version="19.03.15", compose_version=None),
        packages=dict(RPM, release=None, installed=["docker-ce", "docker-ce-cli", "containerd.io"])).plan()
    assert (found["upgraded"], found["added"], found["manager"]) == (
        ["docker-ce", "containerd.io", "docker-ce-cli"], ["docker-ce-cli", "docker-compose-plugin"], "dnf")


ASKS = "The repository docker-ce-stable asks for release 9.4, and Docker's has major releases only."


@pytest.mark.parametrize(("release", "kept_at", "told"), [
    ("$releasever", "9", []), ("9", "9.4", []), ("$releasever", "9.4", [ASKS]), ("9.4", None, [ASKS])])
def test_report_44_a_repository_that_is_there_is_used_where_it_can_be(tmp_path, release, kept_at, told):
    """Docker's own file has $releasever in it, which is the minor release on such a host."""
    (tmp_path / "docker-ce.repo").write_text(REPO.format(release=release))
    found = package_facts.dnf_repositories(str(tmp_path))
    assert [entry["id"] for entry in found] == ["docker-ce-stable"]
    wanted = packages(distribution=ROCKY, docker=bare(), packages=dict(RPM, repositories=found, release=kept_at))
    assert wanted.repository["writes"] is False
    assert [fault[0] for fault in wanted.faults()] == told


#: /etc/os-release of each, as recorded: (ID, VERSION_ID, PLATFORM_ID, PRETTY_NAME, whether it is accepted).
RELEASES = [
    ("ol", "9.4", "platform:el9", "Oracle Linux Server 9.4", True),
    ("rhel", "9.4", "platform:el9", "Red Hat Enterprise Linux 9.4 (Plow)", True),
    ("cloudlinux", "9.4", "platform:el9", "CloudLinux 9.4", True),
    ("miraclelinux", "9.2", "platform:el9", "MIRACLE LINUX 9.2 (Feige)", True),
    ("centos", "9", "platform:el9", "CentOS Stream 9", True),
    ("ol", "8.10", "platform:el8", "Oracle Linux Server 8.10", False),
    ("amzn", "2023", "platform:al2023", "Amazon Linux 2023", False),
    ("opensuse-leap", "15.6", "", "openSUSE Leap 15.6", False),
]


@pytest.mark.parametrize(("name", "version", "platform", "title", "is_accepted"), RELEASES)
def test_report_44_distributions_of_the_family_are_accepted_by_what_they_are_made_for(
        name, version, platform, title, is_accepted):
    """Not by what they are called."""
    distribution = dict(ROCKY, id=name, version=version, platform=platform, name=title)
    found = problems(distribution=distribution, packages=dict(RPM, release=None, installed=["docker-ce"]))
    assert [title in what for what, _where, _write in found] == ([] if is_accepted else [True])


# -- 46 ---------------------------------------------------------------------------------------------------------------


INDEX, MANIFEST, CONFIG, OTHER = (f"sha256:{letter * 64}" for letter in "1234")
#: (image, container) as the Engine describes them: the store of before, that of containerd with an index and with one
#: manifest (an archive that was loaded), and one whose tag has come to name the manifest alone.
OF_STORES = {
    "docker": ({"Id": CONFIG, "RepoDigests": [f"redis@{INDEX}"]}, {"Image": CONFIG}),
    "containerd": (
        {"Id": INDEX, "Descriptor": {"digest": INDEX}},
        {"Image": INDEX, "ImageManifestDescriptor": {"digest": MANIFEST}}),
    "loaded": (
        {"Id": MANIFEST, "Descriptor": {"digest": MANIFEST}},
        {"Image": MANIFEST, "ImageManifestDescriptor": {"digest": MANIFEST}}),
    "narrowed": (
        {"Id": MANIFEST, "Descriptor": {"digest": MANIFEST}},
        {"Image": INDEX, "ImageManifestDescriptor": {"digest": MANIFEST}}),
}


@pytest.mark.parametrize("store", OF_STORES)
def test_report_46_a_container_is_known_to_be_made_from_its_image_in_every_store(store):
    """Docker 29 keeps images in another store, where identities mean something else, and each run replaces everything.

    Image and container are compared by the identities that the Engine itself gives both in either store, which are the
    same as those of its list. From recorded facts.
    """
    image, container = OF_STORES[store]
    assert images.is_made_from(container, image)
    assert not images.is_made_from(dict(container, Image=OTHER, ImageManifestDescriptor={"digest": OTHER}), image)
    assert not images.is_made_from({"Image": ""}, {"Id": ""})


#: Images of Docker 29 as it describes them, recorded: pulled by its tag, and loaded from an archive of Docker 20.10.
PULLED = {
    "Id": INDEX, "RepoTags": ["r.test/redis:8"], "RepoDigests": [f"r.test/redis@{INDEX}"],
    "Descriptor": {"mediaType": "application/vnd.docker.distribution.manifest.v2+json", "digest": INDEX, "size": 1158},
    "Identity": {"Pull": [{"Repository": "r.test/redis"}]}}
LOADED = {
    "Id": MANIFEST, "RepoTags": ["r.test/redis:8"], "RepoDigests": [f"r.test/redis@{MANIFEST}"],
    "Descriptor": {
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json", "digest": MANIFEST, "size": 917,
        "annotations": {"io.containerd.image.name": "r.test/redis:8", "org.opencontainers.image.ref.name": "8"}}}


def test_report_46_what_an_archive_has_brought_is_no_other_image_than_that_of_the_registry():
    """Docker 29 gives it a digest of its own, which no registry has: verify would call it another one for ever."""
    assert images.registry_digests(PULLED) == [INDEX]
    assert images.registry_digests(LOADED) == []
    assert images.registry_digests({"Id": CONFIG, "RepoDigests": [f"redis@{INDEX}"]}) == [INDEX]
    assert images.registry_digests({"Id": CONFIG, "RepoDigests": None}) == []


def test_report_46_the_list_of_images_knows_the_same_identities():
    """So that what was proven of an image is found again."""
    listing = [
        {"Id": INDEX, "RepoTags": ["redis:8"], "RepoDigests": [f"redis@{INDEX}"]},
        {"Id": OTHER, "RepoTags": [], "RepoDigests": ["<none>@<none>"]}, {"Id": CONFIG, "RepoTags": None}]
    assert engine_facts.images(listing) == {"redis:8": INDEX, f"redis@{INDEX}": INDEX}


# -- 48 ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """Function that lays out /proc and the control groups of a host: {path below the root: content}."""

    def lay_out(files):
        for path, content in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(content)

    real = host.read_text
    monkeypatch.setattr(host, "CGROUP_ROOT", str(tmp_path / "cgroup"))
    monkeypatch.setattr(host, "read_text", lambda path: real(
        path if str(path).startswith(str(tmp_path)) else str(tmp_path / path.lstrip("/"))))
    monkeypatch.setattr(host.os, "sched_getaffinity", lambda pid: set(range(8)) if pid == 1 else {0})
    lay_out({"proc/meminfo": "MemTotal:       33554432 kB\n", "cgroup/cgroup.controllers": "cpu memory"})
    return lay_out


GIB = 1 << 30
UNIFIED = {"proc/1/cgroup": "0::/init.scope\n", "proc/self/cgroup": "0::/user.slice/user-0.slice/session-1.scope\n"}
#: An LXC container of 6 GiB and 3 cores: its own group is the root of what it sees.
LXC = {**UNIFIED, "cgroup/memory.max": str(6 * GIB), "cgroup/cpu.max": "300000 100000"}
#: A server that is a container without a view of groups of its own, as in the lab.
NESTED = {
    "proc/1/cgroup": "4:memory:/docker/ab/init.scope\n3:cpuset:/docker/ab\n1:cpu,cpuacct:/docker/ab\n",
    "cgroup/memory/docker/ab/memory.limit_in_bytes": str(3 * GIB),
    "cgroup/memory/docker/ab/docker/memory.limit_in_bytes": str(1 << 63),
    "cgroup/cpu/docker/ab/cpu.cfs_quota_us": "150000", "cgroup/cpu/docker/ab/cpu.cfs_period_us": "100000",
    "cgroup/cpu/cpu.cfs_quota_us": "-1"}
OF_LOGINS = {"cgroup/user.slice/memory.max": str(2 * GIB), "cgroup/user.slice/cpu.max": "100000 100000",
             "cgroup/system.slice/memory.max": "max"}


@pytest.mark.parametrize(("files", "group", "memory_mb", "cores"), [
    ({**UNIFIED, **OF_LOGINS}, "system.slice", 32768, 8),
    ({**UNIFIED, "cgroup/system.slice/memory.max": str(9 * GIB), "cgroup/system.slice/cpuset.cpus.effective": "0-2,5"},
     "system.slice", 9216, 4),
    ({**UNIFIED, "cgroup/a.slice/memory.max": str(9 * GIB)}, "a.slice/a-b.slice", 9216, 8),
    ({**UNIFIED, "cgroup/system.slice/memory.max": str(9 * GIB)}, "docker", 32768, 8),
    (LXC, "system.slice", 6144, 3), (NESTED, "docker", 3072, 1.5),
])
def test_report_48_memory_and_cores_are_those_of_containers_and_not_of_the_login(
        kernel, files, group, memory_mb, cores):
    """Logins have a limit of their own (user.slice), which is taken for the size of the host.

    What containers may use is measured where the Engine puts them, from there outwards: a limit on logins does not
    count, that of a container which the host itself is does.
    """
    kernel(files)
    assert (host.memory_mb(group), host.cores(group)) == (memory_mb, cores)


@pytest.mark.parametrize(("driver", "parent", "group"), [
    ("systemd", None, "system.slice"), ("cgroupfs", None, "docker"), ("cgroupfs", "/jobs/docker", "/jobs/docker"),
    ("systemd", "a-b-c.slice", "a.slice/a-b.slice/a-b-c.slice"),
])
def test_report_48_the_group_of_containers_follows_the_engine(driver, parent, group):
    """By its driver, and its cgroup-parent."""
    assert host.container_group(driver, parent) == group
    told = docker({"cgroup-parent": "flag.slice"}, daemon_json={"cgroup-parent": parent} if parent else {})
    assert capacity_module.configured(told, "cgroup-parent") == (parent or "flag.slice")


# -- Others of the kind -----------------------------------------------------------------------------------------------


def test_an_engine_that_publishes_on_one_address_only_is_told_to_the_entrance():
    """default-network-opts of a hardening guide: the installation would answer to nobody else."""
    options = {"default-network-opts": {"bridge": {"com.docker.network.bridge.host_binding_ipv4": "127.0.0.1"}}}
    entrance = {"exports": {"tls": "internal"}, "endpoints": {}}

    def found(address):
        seen = preflight.Facts(
            {"trenova_domain": "erp.trucks.co", "caddy_bind_address": address},
            capacity(docker=docker(daemon_json=options)), {"refusals": []}, {"caddy": entrance, "docker": {}})
        return [problem.what for problem in preflight.check_all(seen)]

    assert found(None) == ["The Engine publishes ports on 127.0.0.1 only, where nobody says otherwise."]
    assert found("0.0.0.0") == []


def test_an_engine_without_rules_in_the_firewall_is_told():
    """Whoever sets it has rules of his own."""
    for found in (docker(daemon_json={"iptables": False}), docker({"iptables": "false"})):
        assert "iptables: false" in warnings(docker=found)[0]


def test_the_docker_command_goes_to_the_engine_that_was_measured(monkeypatch):
    """Whatever /etc/environment or a context of root's say; his logins stay where they are."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "COMPOSE_FILE", "DOCKER_CONFIG"):
        monkeypatch.setenv(name, "/elsewhere")
    found = engine_facts.engine.environment()
    assert {name: value for name, value in found.items() if name.startswith(("DOCKER_", "COMPOSE_"))} == {
        "DOCKER_HOST": "unix:///run/docker.sock", "DOCKER_CONFIG": "/elsewhere"}
    units = [path.read_text() for path in ROOT.glob("roles/*/templates/host/etc/systemd/system/*.service.j2")]
    told = [text for text in units if "docker" in text]
    assert len(told) >= 2
    assert all("Environment=DOCKER_HOST=unix:///run/docker.sock\n" in text for text in told)


# -- The kind ---------------------------------------------------------------------------------------------------------


#: Keys of daemon.json that administrators set, with values; those of ours among them.
HIS = {
    "log-driver": ["journald", "json-file", "local", "syslog", "none"],
    "log-opts": [{"tag": "x"}, {"max-size": "5m"}, {"labels": "a", "env": "B"}, {"mode": "non-blocking"}, {}],
    "live-restore": [True, False], "registry-mirrors": [["https://mirror.gcr.io"], []],
    "default-address-pools": [[{"base": "10.99.0.0/16", "size": 24}], POOLS], "dns": [["10.0.0.53"]],
    "bip": ["10.201.0.1/24"], "data-root": ["/srv/docker"], "debug": [True], "iptables": [True, False],
    "insecure-registries": [["10.0.0.0/8"]], "labels": [["rack=7"]], "mtu": [1400], "ipv6": [False],
    "storage-driver": ["overlay2"], "exec-opts": [["native.cgroupdriver=systemd"]], "userland-proxy": [False],
    "default-ulimits": [{"nofile": {"Name": "nofile", "Hard": 64000, "Soft": 64000}}], "icc": [False],
    "max-concurrent-downloads": [6], "features": [{"buildkit": True}], "shutdown-timeout": [60],
    "proxies": [{"http-proxy": "http://10.9.9.9:3128", "no-proxy": "localhost"}], "group": ["docker"],
    "runtimes": [{"other": {"path": "/usr/bin/other"}}], "hosts": [["unix:///run/docker.sock"]],
    "metrics-addr": ["127.0.0.1:9323"], "no-new-privileges": [True], "selinux-enabled": [False],
    "default-network-opts": [{"bridge": {"com.docker.network.driver.mtu": "1400"}}],
}
#: Flags of dockerd by the keys of the file, as moby's command/config_unix.go gives them.
FLAG_OF = {
    "log-opts": "log-opt", "registry-mirrors": "registry-mirror", "default-address-pools": "default-address-pool",
    "insecure-registries": "insecure-registry", "labels": "label", "exec-opts": "exec-opt", "hosts": "host",
    "default-ulimits": "default-ulimit", "features": "feature", "runtimes": "add-runtime",
    "default-network-opts": "default-network-opt", "proxies": "http-proxy"}
ABOUT = {"labels", "labels-regex", "env", "env-regex", "tag"}
OPTIONS_OF = {
    "json-file": {"max-size", "max-file", "compress"} | ABOUT, "local": {"max-size", "max-file", "compress"},
    "journald": ABOUT, "none": None,
    "syslog": ABOUT | {"syslog-address", "syslog-facility", "syslog-tls-ca-cert", "syslog-tls-cert", "syslog-tls-key",
                       "syslog-tls-skip-verify", "syslog-format"}}


def refuses(settings, flags, swarm):
    """Why dockerd would not start: a model of moby's config.go and logger/factory.go, told apart from our own."""
    for key in settings:
        if FLAG_OF.get(key, key) in flags and key != "runtimes":
            return f"{key} in both places"
    if swarm and (settings.get("live-restore") or flags.get("live-restore") == "true"):
        return "live-restore in a swarm"
    known = OPTIONS_OF[settings.get("log-driver", flags.get("log-driver", "json-file"))]
    unknown = set(settings.get("log-opts") or {}) - (known or set()) - {"mode", "max-buffer-size"}
    return f"unknown options {unknown}" if known is not None and unknown else None


def random_world(chance):
    """A random host that runs: (daemon.json or None, flags, whether in a swarm)."""
    while True:
        keys = chance.sample(list(HIS), chance.randint(0, 8))
        found = {key: chance.choice(HIS[key]) for key in keys} if chance.random() < 0.9 else None
        flags = {} if "hosts" in (found or {}) else {"host": "fd://", "containerd": True}
        for key in chance.sample(list(HIS), chance.choice([0, 0, 0, 1, 2])):
            value = chance.choice(HIS[key])
            told = {True: "true", False: "false"}[value] if isinstance(value, bool) else value
            flags[FLAG_OF.get(key, key)] = told if isinstance(told, str) else True
        swarm = chance.random() < 0.2
        if refuses(found or {}, flags, swarm) is None:
            return found, flags, swarm


def node_of(found, flags, swarm):
    """What is measured of Docker there."""
    node = docker(engine=engine(swarm="active" if swarm else "inactive"), daemon_json=found)
    node["unit"]["flags"] = flags
    return node


def random_wish(chance):
    """What the role wants: the defaults, or what an inventory may make of them."""
    return dict(WANTED, **{
        "log-opts": {"max-size": chance.choice(["10m", "50m"]), "max-file": "3"},
        "registry-mirrors": chance.choice([[], ["https://mirror.test"]]),
        "default-address-pools": [{"base": f"10.{chance.randint(0, 255)}.0.0/16", "size": 24}]})


def test_kind_a_what_is_written_keeps_all_of_the_administrators_and_the_engine_takes_it():
    """For random files, flags and modes of an Engine that runs: it runs with what is written, too, now and later."""
    chance, seen = random.Random(13), set()
    for _number in range(3000):
        found, flags, swarm = random_world(chance)
        node, wanted, later = node_of(found, flags, swarm), random_wish(chance), random_wish(chance)
        case = json.dumps([found, flags, swarm, wanted, later])
        first, ours = merged(found, {}, None, node, wanted), daemon_json.ours(found, wanted, {}, None, node)
        assert {key: first.get(key) for key in found or {}} == (found or {}), case
        assert refuses(first, flags, swarm) is None, case
        assert daemon_json.faults(first, node) == [], case
        # A second run changes nothing, and knows the same to be ours.
        assert merged(first, {}, ours, node, wanted) == first, case
        assert daemon_json.ours(first, wanted, {}, ours, node) == ours, case
        second = merged(first, {}, ours, node, later)
        assert {key: second.get(key) for key in found or {}} == (found or {}), case
        assert refuses(second, flags, swarm) is None, case
        seen.update(set(first) - set(found or {}))
    assert seen == set(WANTED)


def test_kind_a_settings_of_the_inventory_that_the_engine_would_refuse_are_refused_before():
    """Random settings of an inventory: what is not told is taken."""
    chance, told = random.Random(14), 0
    for _number in range(600):
        found, flags, swarm = random_world(chance)
        extra = {key: chance.choice(HIS[key]) for key in chance.sample(list(HIS), chance.randint(1, 4))}
        node = node_of(found, flags, swarm)
        result = merged(found, extra, None, node)
        if problems({"docker_daemon_extra": extra}, docker=node):
            told += 1
        else:
            assert refuses(result, flags, swarm) is None, json.dumps([found, flags, swarm, extra])
            assert {key: result[key] for key in extra} == extra
    assert 30 < told < 500


def random_flags(chance):
    """Words of a command line of dockerd, and what is meant by them."""
    words, meant = [], {}
    letters = {"debug": "D", "storage-driver": "s", "log-level": "l"}
    for name in chance.sample(["log-driver", "storage-driver", "live-restore", "debug", "bip", "dns", "icc"], 3):
        switch, letter = name in ("live-restore", "debug", "icc"), letters.get(name)
        value = chance.choice(["true", "false"]) if switch else "".join(chance.sample(string.ascii_lowercase, 5))
        forms = [[f"--{name}={value}"]]
        if switch and value == "true":
            forms += [[f"--{name}"], *([[f"-{letter}"]] if letter else [])]
        elif not switch:
            forms += [[f"--{name}", value], *([[f"-{letter}", value], [f"-{letter}{value}"]] if letter else [])]
        words += chance.choice(forms)
        meant[name] = True if name == "dns" else value
    return words, meant


def test_kind_a_flags_are_understood_in_every_form():
    """Short and long, with a sign between name and value and without."""
    chance = random.Random(15)
    for _number in range(500):
        words, meant = random_flags(chance)
        assert engine_facts.flags(words) == meant, words


def test_kind_a_free_networks_are_those_that_a_search_finds():
    """For random ranges and routes: the same as looking at every network for itself, and none of them is covered."""
    chance = random.Random(17)
    find = preflight.network.free_subnets
    for _number in range(300):
        base = preflight.network._network(f"10.{chance.randint(0, 3)}.0.0/{chance.randint(16, 20)}")
        size = chance.randint(base.prefixlen, 24)
        taken = [preflight.network._network(f"10.{chance.randint(0, 3)}.{chance.randint(0, 255)}.0/{length}")
                 for length in chance.choices(range(12, 27), k=chance.randint(0, 5))]
        expected = [each for each in base.subnets(new_prefix=size) if not any(each.overlaps(other) for other in taken)]
        assert list(find([(base, size)], taken)) == expected


def _validates():
    """Whether there is a dockerd that can look at a configuration without starting."""
    program = shutil.which("dockerd")
    if program is None or os.geteuid() != 0:
        return False
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    return compose.version_tuple(told.partition("version ")[2].split(",")[0]) >= (23,)


@pytest.mark.skipif(not _validates(), reason="no dockerd of version 23 or newer here")
def test_kind_a_dockerd_validates_what_is_written(tmp_path):
    """The real program, on a sample."""
    chance = random.Random(16)
    for number in range(40):
        found, flags, swarm = random_world(chance)
        path = tmp_path / f"{number}.json"
        path.write_text(daemon_json.merged(found, random_wish(chance), {}, None, node_of(found, flags, swarm)))
        done = subprocess.run(
            ["dockerd", "--validate", "--config-file", path], capture_output=True, text=True, check=False, timeout=30)
        assert done.returncode == 0, (path.read_text(), done.stderr)
