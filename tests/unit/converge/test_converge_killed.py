# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A run that is killed at any point and repeated ends as one that nobody disturbed.

Each scenario is killed before every single thing that it does to the host, one after the other: a call of the Engine, a
command, a file that is written, moved or removed.
"""

from __future__ import annotations

import os
import pathlib
import re
import shutil

import pytest
from converge_builders import Host, first_edition
from fake_engine import Killed

from ansible_collections.trenova.selfhost.plugins.module_utils.converge import service

#: What changes files.
FILE_CALLS = ("rename", "unlink", "mkdir", "rmdir", "chmod", "chown")
UNIT = "trenova-backup.timer"


@pytest.fixture
def on_a_mortal_disk(tmp_path, monkeypatch):
    """Function that makes hosts whose files are mortal, too: nothing is written any more after they were killed."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    current = []

    def mortal(call):
        def counted(path, *arguments, **options):
            # Below a folder that is removed, names are given without it.
            if current and (options.get("dir_fd") is not None or str(path).startswith(str(current[0].root))):
                current[0].mortal.step()
            return call(path, *arguments, **options)
        return counted

    for name in FILE_CALLS:
        monkeypatch.setattr(os, name, mortal(getattr(os, name)))

    # No power fails here, and there are hundreds of hosts.
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    root = tmp_path / "host"
    monkeypatch.setattr(service, "SYSTEMD", str(root / "systemd") + "/")

    def make():
        current[:] = []
        # The same path for each, because paths stand in records.
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        current.append(Host(root))
        return current[0]

    return make


def first_time(host):
    """Three services on a bare server, one with a job, secrets and a directory, one with commands after its start."""
    database = host.service(
        "postgres", secrets={"secrets/roles.sql": "r"}, directories=[{"path": str(host.root / "data"), "mode": "0700"}],
        reload=[{"files": [host.path("postgres", "secrets/roles.sql")], "container": "tren-postgres",
                 "command": ["psql"], "after_start": True}])
    api = host.service(
        "api", "tren-api", "tren-api-2", needs=["postgres"], files={"config/x": "1"}, jobs=[{"service": "api-prepare"}])
    return [], [database, host.service("redis"), api]


def replacement(host):
    """A database is replaced while its clients wait, and an application by one with another image and a job."""
    def wanted(version, image):
        hold = [{"container": "tren-pgbouncer", "before": ["PAUSE"], "after": ["RESUME"], "says": "Holding clients"}]
        return [
            host.service("postgres", version=version, hold=hold, files={"config/conf": version}),
            host.service("pgbouncer", needs=["postgres"]),
            host.service(
                "api", needs=["pgbouncer"], image=image, follows=["tren-postgres"], jobs=[{"service": "api-prepare"}])]
    return wanted("1", "api:1"), wanted("2", "api:2")


def reload(host):
    """Files of a running service change, some go, and its limits are others."""
    def wanted(content, limit, more):
        reloads = [
            {"files": [host.path("caddy", "config/Caddyfile")], "container": "tren-caddy",
             "command": ["caddy", "reload"]},
            {"files": [str(host.root / "systemd" / "watch.service")], "command": ["systemctl", "daemon-reload"]}]
        files = {"config/Caddyfile": content, str(host.root / "systemd" / "watch.service"): content}
        return [host.service(
            "caddy", reload=reloads, limits={"memory": limit}, secrets={"secrets/key": content},
            files={**files, **more})]
    return wanted("1", 1 << 29, {"config/old": "x"}), wanted("2", 1 << 30, {})


def instances(host, before, after):
    def wanted(names, content, interim, version="1"):
        caddyfile = host.path("caddy", "config/Caddyfile")
        return [
            host.service(
                "caddy", files={"config/Caddyfile": content},
                interim=interim and [{"path": caddyfile, "content": interim}],
                past=[{"container": name, "files": [{"path": caddyfile, "content": f"past {name}"}]}
                      for name in ("tren-api", "tren-api-2")],
                reload=[{"files": [caddyfile], "container": "tren-caddy", "command": ["caddy", "reload"]}]),
            host.service("api", *names, needs=["caddy"], version=version)]
    return wanted(before, " ".join(before), []), wanted(after, " ".join(after), "tren-api", "2")


def more_instances(host):
    """An edge leads to a second instance when it serves."""
    return instances(host, ["tren-api"], ["tren-api", "tren-api-2"])


def fewer_instances(host):
    """An edge leads away from an instance before it goes."""
    return instances(host, ["tren-api", "tren-api-2"], ["tren-api"])


def removal(host):
    """A service goes, with its unit of systemd, while another one is replaced."""
    units = [str(host.root / "systemd" / UNIT)]
    backup = host.service("backup", files={units[0]: "[Timer]", "config/backup.sh": "x"})
    return (
        [backup, host.service("redis")],
        [host.absent("backup", host_files=units), host.service("redis", version="2")])


def another_network(host):
    """A network must be made anew, with services on it of which the run is not about all."""
    before = [host.service("redis"), host.service("minio"), host.service("caddy", networks=["edge"])]
    host.networks = dict(host.networks, data={"name": "trenova_data", "internal": False})
    return before, [host.service("redis"), host.service("caddy", networks=["edge"])]


def services_of_the_first_edition(host):
    """What the first edition left is taken over, with a reload that is owed, while something is replaced."""
    return replacement(host)


def data_made_anew(host):
    """The directory of a database is gone, so that what a job has prepared is, too."""
    wanted = [
        host.service("postgres", directories=[{"path": str(host.root / "data"), "data": True}]),
        host.service("api", needs=["postgres"], jobs=[{"service": "api-prepare"}])]
    return wanted, wanted


SCENARIOS = [
    first_time, replacement, reload, more_instances, fewer_instances, removal, another_network,
    services_of_the_first_edition, data_made_anew]


def end_state(host):
    """All that can be seen of a host; what systemd, clients and the edge know besides."""
    told = [command for command in host.commands if command == "systemctl daemon-reload"]
    # Which container or network it is of several that are alike is remembered, and is nothing to compare.
    files = {path: (mode, re.sub(r'"id": "(container|network)-\d+[^"]*"', "", content))
             for path, (mode, content) in host.files().items()}
    return {
        "files": files, "engine": host.engine.state(), "told systemd": bool(told),
        "clients wait": clients_wait(host), "read last": host.reads[-1:],
        "prepared": ("job", "api-prepare") in host.engine.events}


def clients_wait(host):
    """Whether clients were made to wait and not told to go on, since PgBouncer was started."""
    said = [call.rsplit(maxsplit=1)[-1] for call in host.engine.calls if call.startswith("exec tren-pgbouncer")]
    return bool(said) and said[-1] == "PAUSE"


def prepared(make, scenario):
    """A host before the run in question, and what that is about."""
    host = make()
    host.reads = []
    caddyfile = pathlib.Path(host.path("caddy", "config/Caddyfile"))
    host.engine.on_exec = lambda container, _command: container == "tren-caddy" and host.reads.append(
        caddyfile.read_text())
    before, wanted = scenario(host)
    if before:
        networks, host.networks = host.networks, dict(host.networks)
        host.converge(*before, **({"project": old_project(host)} if scenario is another_network else {}))
        host.networks = networks
    if scenario is services_of_the_first_edition:
        first_edition(host)
    if scenario is data_made_anew:
        (host.root / "data").rmdir()
    host.forget_calls()
    return host, wanted


def old_project(host):
    """The project with a network that is another one now."""
    networks = dict(host.networks, data={"name": "trenova_data", "internal": True})
    return {"directory": str(host.directory), "networks": networks}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_run_that_is_killed_at_any_point_and_repeated_ends_as_an_undisturbed_one(on_a_mortal_disk, scenario):
    undisturbed, wanted = prepared(on_a_mortal_disk, scenario)
    start = undisturbed.mortal.count
    undisturbed.converge(*wanted)
    steps = undisturbed.mortal.count - start
    expected = end_state(undisturbed)
    assert steps > 20
    for step in range(1, steps + 1):
        host, wanted = prepared(on_a_mortal_disk, scenario)
        host.mortal.dies_at = host.mortal.count + step
        with pytest.raises(Killed):
            host.converge(*wanted)
        host.mortal.dies_at = None
        host.converge(*wanted)
        found = end_state(host)
        assert found == expected, f"killed before its step {step} of {steps}"
        assert host.converge(*wanted)["changed"] is False
