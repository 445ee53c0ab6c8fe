# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Reports from the field: what life does to an installation. What the live data contradicts is refused or repaired,
nothing fails silently, and what the administrator did by hand is seen."""

from __future__ import annotations

import copy
import errno
import fcntl
import grp
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import types

import host_programs
import pytest
import test_backup_scripts
import test_bundle
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/unit/converge"))
from converge_builders import MIB, Host  # noqa: E402  # found by the line above
from fake_engine import INSPECTED  # noqa: E402

from ansible_collections.trenova.selfhost.plugins.module_utils import (  # noqa: E402
    accounts,
    directories,
    engine,
    files,
    mounts,
    moved_tags,
)
from ansible_collections.trenova.selfhost.plugins.module_utils.converge import (  # noqa: E402
    releases,
    seen,
    service,
    systemd,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils import compose, preflight  # noqa: E402
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight import accounts as remarks  # noqa: E402
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight import (  # noqa: E402
    contents,
    places,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.project import Project  # noqa: E402
from ansible_collections.trenova.selfhost.plugins.plugin_utils.verification import backups, deployed  # noqa: E402

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="asks as another user")

PROGRAM = ROOT / "roles/backup/templates/host/usr/local/lib/trenova"
watch = host_programs.load("api/templates/host/usr/local/lib/trenova/api-watch.py")


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host without anything but an Engine."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return Host(tmp_path)


def unit(name, more=None):
    """A unit of systemd as it is written."""
    found = test_backup_scripts.contents(more or {}) if "backup" in name else {
        entry["path"]: entry["content"] for entry in test_bundle.by_plan("api", *test_bundle.in_play())["files"]}
    return found[f"/etc/systemd/system/{name}"]


# -- What the administrator did by hand -------------------------------------------------------------------------------

#: What shall be a unit of a service, and how systemd tells that it is.
TIMER = "trenova-redis.timer"
TOLD = {
    "Id": TIMER, "ActiveState": "active", "SubState": "waiting", "UnitFileState": "enabled", "NeedDaemonReload": "no"}


class Life:
    """A host with one of everything that a service has, in its wanted state, and a way to look at it again."""

    def __init__(self, host, monkeypatch):
        self.host, self.told = host, dict(TOLD)
        monkeypatch.setattr(systemd, "DIRECTORY", str(host.root / "systemd"))
        monkeypatch.setattr(service, "SYSTEMD", str(host.root / "systemd") + "/")
        host.engine.registry["redis:1"] = "sha256:redis"
        redis = host.service(
            "redis", limits={"memory": 512 * MIB, "pids_limit": 100}, files={
                "config/redis.conf": "maxmemory 1gb\n", systemd.path(TIMER): "[Install]\n"},
            secrets={"secrets/users.acl": "user >s3\n"}, units=[TIMER],
            directories=[{"path": str(host.root / "data"), "mode": "0700", "data": True}])
        self.wanted = [redis]
        run = host.command

        def command(words, seconds=600):
            if words[:2] == ["systemctl", "show"]:
                told = "".join(f"{key}={value}\n" for key, value in self.told.items())
                return subprocess.CompletedProcess(words, 0, told)
            if words[0] == "systemctl":
                self.told.update(TOLD)
            return run(words, seconds)

        host.command = command
        host.converge(*self.wanted)

    @property
    def container(self):
        """The container as the Engine knows it."""
        return self.host.container("tren-redis")

    def differing(self):
        """What a measurement names."""
        found = releases.measure(str(self.host.directory), self.host.engine, self.host.command)
        assert ("redis" in found["unchanged"]) != bool(found["differing"])
        return found["differing"].get("redis", [])

    def another(self):
        """Somebody has made the container anew; to be changed further."""
        self.container["Id"] = "of somebody"
        return self.container


@pytest.fixture
def life(host, monkeypatch):
    """A host with one of everything that a service has."""
    return Life(host, monkeypatch)


def other(value):
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, list):
        return [*value, "another"]
    if isinstance(value, dict):
        return dict(value, another="one", **({"Name": "no"} if "Name" in value else {}))
    return (value or "") + "another"


CONFIG = [("Config", key) for key in INSPECTED["container"]["Config"]]
HOST_CONFIG = [("HostConfig", key) for key in INSPECTED["container"]["HostConfig"]]


@pytest.mark.parametrize("health", ["starting", "unhealthy"])
def test_kind_c_what_may_pass_by_itself_is_no_change_by_hand(life, health):
    """After a restart of the Engine all containers start; the check of each container asks until they serve."""
    life.container["State"]["Health"]["Status"] = health
    found = releases.measure(str(life.host.directory), life.host.engine, life.host.command)
    assert found["differing"] == {}
    assert "redis" not in found["unchanged"] or health == "starting", "a run has work, and nobody is accused"


@pytest.mark.parametrize(("section", "key"), CONFIG + HOST_CONFIG, ids=lambda name: name)
def test_kind_c_every_key_of_a_container_that_was_changed_by_hand_is_named_and_put_right(life, section, key):
    """Whatever the Engine reports of how a container was made, whether its own tools can change it or not."""
    container = life.another()
    container[section][key] = other(container[section][key])
    if f"{section}.{key}" in seen.OF_THE_CALLER:
        assert life.differing() == []
        return
    assert len(life.differing()) == 1, life.differing()
    result = life.host.converge(*life.wanted)["services"]["redis"]
    assert result["state"] in ("replaced", "limits")
    assert len(result["says"]) == 1
    assert life.differing() == []
    assert life.host.converge(*life.wanted)["changed"] is False


def write(path, content):
    """What an editor does."""
    path.write_text(content)


CHANGES = {
    "container removed": lambda life: life.host.engine.found.pop("tren-redis"),
    "container stopped": lambda life: life.container["State"].update(Status="exited"),
    "container paused": lambda life: life.container["State"].update(Status="paused"),
    "label": lambda life: life.another()["Config"]["Labels"].update(traefik="on"),
    "label removed": lambda life: life.another()["Config"]["Labels"].pop("trenova.role"),
    "project label": lambda life: life.another()["Config"]["Labels"].update({"com.docker.compose.service": "x"}),
    "limit": lambda life: life.container["HostConfig"].update(Memory=256 * MIB),
    "limit that is not planned": lambda life: life.container["HostConfig"].update(CpusetCpus="0"),
    "restart policy": lambda life: life.container["HostConfig"].update(RestartPolicy={"Name": "no"}),
    "port": lambda life: life.another()["HostConfig"].update(
        PortBindings={"6379/tcp": [{"HostIp": "127.0.0.1", "HostPort": "6379"}]}),
    "mount": lambda life: life.another()["HostConfig"]["Binds"].append("/root:/root:rw"),
    "mount that may be written": lambda life: life.another()["HostConfig"].update(Binds=[
        bind.replace(":ro", ":rw") for bind in life.container["HostConfig"]["Binds"]]),
    "command": lambda life: life.another()["Config"].update(Cmd=["/etc/caddy/start.sh", "sh"]),
    "network disconnected": lambda life: life.container["NetworkSettings"]["Networks"].clear(),
    "network connected": lambda life: life.container["NetworkSettings"]["Networks"].update(
        bridge={"NetworkID": "x", "Aliases": None}),
    "alias": lambda life: life.container["NetworkSettings"]["Networks"]["trenova_data"].update(Aliases=["db"]),
    "fixed address": lambda life: life.container["NetworkSettings"]["Networks"]["trenova_data"].update(
        IPAMConfig={"IPv4Address": "10.0.0.9"}),
    "network made anew": lambda life: life.host.engine.networks_found["trenova_data"].update(Id="of somebody"),
    "network that is not internal": lambda life: life.host.engine.networks_found["trenova_data"].update(Internal=False),
    "image of another tag": lambda life: life.another().update(Image="sha256:evil"),
    "tag given to another image": lambda life: life.host.engine.local.update({"redis:1": "sha256:other"}),
    "image removed": lambda life: life.host.engine.local.pop("redis:1"),
    "file": lambda life: write(life.host.directory / "redis/config/redis.conf", "maxmemory 9gb\n"),
    "secret": lambda life: write(life.host.directory / "redis/secrets/users.acl", "user >mine\n"),
    "file removed": lambda life: (life.host.directory / "redis/config/redis.conf").unlink(),
    "file too many": lambda life: write(life.host.directory / "redis/config/more.conf", "x"),
    "mode of a file": lambda life: (life.host.directory / "redis/secrets/users.acl").chmod(0o644),
    "mode of a directory": lambda life: (life.host.root / "data").chmod(0o777),
    "Compose file": lambda life: write(life.host.directory / "redis/compose.yaml", "{}"),
    "list of Compose files": lambda life: write(life.host.directory / ".env", "COMPOSE_FILE=mine.yaml\n"),
    "timer stopped": lambda life: life.told.update(ActiveState="inactive", SubState="dead"),
    "timer disabled": lambda life: life.told.update(UnitFileState="disabled"),
    "timer masked": lambda life: life.told.update(UnitFileState="masked"),
    "unit overridden": lambda life: life.told.update(NeedDaemonReload="yes"),
    "unit changed": lambda life: write(pathlib.Path(systemd.path(TIMER)), "[Timer]\n"),
}
if os.geteuid() == 0:
    CHANGES["owner of a file"] = lambda life: os.chown(life.host.directory / "redis/config/redis.conf", 1, 1)
    CHANGES["owner of a directory"] = lambda life: os.chown(life.host.root / "data", 1, 1)


@pytest.mark.parametrize("change", CHANGES)
def test_kind_c_every_manual_change_is_named_and_put_right(life, change):
    """Container, network, file, image, mount, label, limit, unit: each for itself, and nothing is left then."""
    CHANGES[change](life)
    assert life.differing() != []
    result = life.host.converge(*life.wanted)
    assert result["changed"]
    assert result["services"]["redis"]["says"] or result["changed_files"]
    assert life.differing() == []
    assert life.host.converge(*life.wanted)["changed"] is False


def test_kind_c_what_changes_by_itself_is_no_change(life):
    """Addresses, processes, health; a container or a network that Compose has made anew from the same files."""
    container = life.another()
    container["State"].update(Pid=4711, StartedAt="2027-01-01T00:00:00Z")
    container["HostConfig"]["Binds"].reverse()
    container["Config"]["Labels"]["com.docker.compose.config-hash"] = "of another Compose"
    container["NetworkSettings"]["Networks"]["trenova_data"].update(
        IPAddress="10.0.0.77", EndpointID="x", MacAddress="y", Aliases=["redis", "of somebody"[:12], "tren-redis"])
    network = life.host.engine.networks_found["trenova_data"]
    network["Id"] = container["NetworkSettings"]["Networks"]["trenova_data"]["NetworkID"] = "made by compose up"
    assert life.differing() == []
    life.host.forget_calls()
    assert life.host.converge(*life.wanted)["changed"] is False
    assert life.host.engine.calls == []


def test_kind_c_a_network_with_other_addresses_is_kept_and_told(life):
    """Compose gives a network that it makes anew the addresses that are free."""
    network = life.host.engine.networks_found["trenova_data"]
    network.update(Id="anew", IPAM={"Config": [{"Subnet": "10.99.0.0/24"}]})
    life.container["NetworkSettings"]["Networks"]["trenova_data"]["NetworkID"] = "anew"
    assert life.differing() == ["the network trenova_data was made anew, with other addresses"]
    life.host.forget_calls()
    run = life.host.run(*life.wanted)
    assert run.warnings == ["The network trenova_data was made anew by somebody, and has other addresses. It is kept."]
    assert life.host.engine.calls == []
    assert life.differing() == []


@pytest.mark.parametrize(("key", "value"), [
    ("Options", {"com.docker.network.bridge.enable_icc": "false"}), ("EnableIPv6", True), ("Attachable", True),
    ("Labels", {"com.docker.compose.project": "trenova", "com.docker.compose.network": "data", "mine": "1"})])
def test_kind_c_a_network_that_was_made_otherwise_is_made_anew(life, key, value):
    """Whatever the Engine reports of how a network was made."""
    network = life.host.engine.networks_found["trenova_data"]
    network.update({"Id": "of somebody", key: value})
    life.container["NetworkSettings"]["Networks"]["trenova_data"]["NetworkID"] = "of somebody"
    assert "changed" not in life.differing()
    # Of IPv6 it is known what it shall be, so that it is told in plainer words.
    assert ("had IPv6" if key == "EnableIPv6" else "made anew by hand") in life.differing()[0]
    life.host.converge(*life.wanted)
    assert life.host.engine.networks_found["trenova_data"]["Id"] != "of somebody"
    assert life.differing() == []


def test_kind_c_an_upgraded_engine_says_the_same_in_other_words(life):
    """Of the containers that are there it is believed once; no upgrade of the Engine restarts anything."""
    life.host.engine.release = "29.0.0"
    life.container["HostConfig"]["Annotations"] = {"new": "key"}
    assert life.differing() == []
    life.another()["Config"]["Env"].append("MINE=1")
    assert life.differing() == ["tren-redis is another one: changed by hand (environment, Annotations)"]


def test_report_35_a_container_that_was_changed_by_hand_is_made_as_planned(life):
    """Somebody edits a Compose file on the server and starts the service from it; the next run mends the file and not
    the container, which keeps its port and its limit for ever.

    What the Engine says of each container is compared with what it said when the run had left it. The container is made
    anew, and the run says what was changed; the verification names it before that.
    """
    fragment = life.host.directory / "redis/compose.yaml"
    found = json.loads(fragment.read_text())
    found["services"]["redis"].update(mem_limit=8 << 30)
    fragment.write_text(json.dumps(found))
    life.host.engine.compose("up", "redis", seconds=1)
    life.container["HostConfig"]["PortBindings"] = {"6379/tcp": [{"HostIp": "127.0.0.1", "HostPort": "6379"}]}
    named = deployed.results({"redis": {"title": "Redis"}}, {"differing": {"redis": life.differing()}, "unchanged": {}})
    assert [(entry["name"], entry["ok"]) for entry in named] == [("Redis as deployed", False)]
    assert "changed by hand (ports)" in named[0]["detail"]
    result = life.host.converge(*life.wanted)["services"]["redis"]
    assert result["says"] == ["wrote 1 file", "replaced tren-redis: changed by hand (ports)"]
    assert "6379/tcp" not in life.container["HostConfig"]["PortBindings"]
    assert life.container["HostConfig"]["Memory"] == 512 * MIB
    assert life.host.converge(*life.wanted)["changed"] is False


def test_report_35_what_was_put_right_in_the_same_run_is_not_told_again():
    """The measurement is older than the repair."""
    found = {"differing": {"redis": ["tren-redis had ended"]}, "unchanged": {"api": "wish"}}
    [result] = deployed.results({}, found, settled=["redis"])
    assert (result["ok"], result["detail"]) == (True, "2 services, nothing was changed by hand")
    assert deployed.results({}, {"differing": {}, "unchanged": {}}) == []
    [alone] = deployed.results({}, {"differing": {}, "unchanged": {"docker": "wish"}})
    assert alone["detail"] == "1 service, nothing was changed by hand"


def test_report_35_no_secret_of_an_environment_is_kept(life):
    """Digests are, in a file that only root reads."""
    life.host.container("tren-redis")["Config"]["Env"].append("TOKEN=much-too-secret")
    life.host.converge(dict(life.wanted[0], wish="other"))
    assert "much-too-secret" not in json.dumps(life.host.state("redis"))


def test_report_35_an_installation_of_an_earlier_version_is_looked_at_once(life):
    """Of how its containers were made nothing is known; they are taken as they are, and nothing is restarted."""
    path = life.host.directory / ".state/redis.json"
    state = json.loads(path.read_text())
    del state["seen"], state["places"], state["record"]["units"]
    path.write_text(json.dumps(state))
    found = releases.measure(str(life.host.directory), life.host.engine, life.host.command)
    assert (found["unchanged"], found["differing"]) == ({}, {})
    life.host.forget_calls()
    assert life.host.converge(*life.wanted)["changed"] is False
    assert life.host.engine.calls == []
    assert life.differing() == []


# -- Images that vanish, and images that change -----------------------------------------------------------------------


class Mails:
    """A mail server that keeps what it is given."""

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.said = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            connection, _address = self.server.accept()
            with connection, connection.makefile("rwb") as stream:
                stream.write(b"220 here\r\n")
                stream.flush()
                is_data = False
                for line in stream:
                    self.said.append(line.decode().rstrip("\r\n"))
                    if is_data and line != b".\r\n":
                        continue
                    is_data = not is_data and line.upper().startswith(b"DATA")
                    is_last = line.upper().startswith(b"QUIT")
                    stream.write(b"354 go on\r\n" if is_data else b"221 bye\r\n" if is_last else b"250 yes\r\n")
                    stream.flush()
                    if is_last:
                        break


#: What the Engine does, as far as backups ask it: it knows containers, and cuts off its clients when it is restarted.
ENGINE = r"""#!/bin/sh
here=@here@
echo "$*" >>$here/told
echo "$DOCKER_HOST" >>$here/ways
case "$*" in
    "ps "*) cat $here/containers ;;
    *" config --images "*) echo registry:5000/trenova/backup:1 ;;
    *" config --format json") echo '{"services": {}}' ;;
    "image inspect "*) [ -e $here/image ] ;;
    "pull "*) echo "Error response from daemon: no route to host" >&2; exit 1 ;;
    "rm --force "*) shift 2; for id in "$@"; do sed -i "/^$id /d" $here/containers; done ;;
    *" run "*)
        while [ "$1" != --name ]; do shift; done
        echo "$2 $3 running $2" >>$here/containers ;;
    "exec "*)
        name=$2; shift 2
        pipe=$(echo "$*" | grep -o '/pipes/[A-Za-z0-9_-]*') && pipe=$here/backup$pipe
        case "$*" in
            *" snapshots "*) echo "[]" ;;
            *" backup "*)
                cat "$pipe" >/dev/null & reader=$!
                until [ -e "$pipe.end" ]; do
                    grep -q "^$name " $here/containers || { kill $reader; exit 137; }
                    sleep 0.02
                done
                grep -q good "$pipe.end" || exit 1
                echo "$*" >>$here/kept
                echo '{"message_type": "summary", "total_bytes_processed": 3, "data_added_packed": 1}' ;;
            *archive.sh*)
                echo abc >"$pipe"
                touch $here/begun
                before=$(cat $here/engine)
                while [ -e $here/slow ] && [ "$before" = "$(cat $here/engine)" ]; do
                    grep -q "^$name " $here/containers || exit 137
                    sleep 0.02
                done
                [ "$before" = "$(cat $here/engine)" ] || { echo "error during connect: EOF" >&2; exit 1; } ;;
        esac ;;
esac
"""
SYSTEMD = r"""#!/bin/sh
here=@here@
echo "systemctl $*" >>$here/told
case "$1" in
    is-active) [ -s $here/engine ] ;;
    show) [ ! -s $here/engine ] || printf 'ActiveState=active\nInvocationID=%s\nMainPID=1\n' "$(cat $here/engine)" ;;
esac
"""


class Nightly:
    """The program of the backups on a host with an Engine, two directories to save, and a disk to save them on."""

    def __init__(self, root):
        self.root, self.started = root, []
        for folder in ("bin", "backup/pipes"):
            (root / folder).mkdir(parents=True)
        for name, text in (("docker", ENGINE), ("systemctl", SYSTEMD), (
                "journalctl", "#!/bin/sh\necho 'docker: no such image'\n")):
            (root / "bin" / name).write_text(text.replace("@here@", str(root)))
            (root / "bin" / name).chmod(0o755)
        for name, text in (("engine", "1"), ("image", ""), ("containers", ""), ("told", ""), ("fstab", ""), (
                "mounts", "/dev/sda1 / ext4 rw 0 0\n")):
            (root / name).write_text(text)
        shutil.copytree(PROGRAM, root / "lib", ignore=shutil.ignore_patterns("__pycache__"))
        self._replace("places.py", '"/proc/self/mounts", "/etc/fstab"', f'"{root}/mounts", "{root}/fstab"')
        self._replace("engine.py", "ENGINE_SECONDS = 120", "ENGINE_SECONDS = 0.5")
        stores = [{"store": name, "name": name, "title": name.title(), "kind": "directory", "inside": "/" + name,
                   "without": [], "job": "backup-directories"} for name in ("files", "more")]
        self.settings = {
            "project": "trenova", "project_dir": str(root), "data_dir": str(root), "installation": "erp1",
            "keeper": "erp1-backup", "host": "erp1", "jobs": ["backup-check", "backup-keep", "backup-directories"],
            "stores": stores, "full_days": 7, "record": str(root / "record.json"),
            "figures": {"left_free_bytes": 0, "stream_growth": 1.25}, "mail": {}, "timeout_seconds": 60,
            "retention": {"daily": 7, "weekly": 4, "monthly": 6, "cuts_hours": 24}, "targets": [
                {"name": "local", "kind": "directory", "directory": str(root), "repository": "/targets/local"}]}
        self.mailing(1)

    def _replace(self, name, old, new):
        path = self.root / "lib/trenova_backup" / name
        assert path.read_text().count(old) == 1, old
        path.write_text(path.read_text().replace(old, new))

    def mailing(self, port):
        """Have a mail server."""
        self.settings["mail"] = {
            "from": "trenova@trucks.co", "to": "ops@trucks.co", "host": "127.0.0.1", "port": port, "tls": "none",
            "user": ""}

    def start(self, *words, **environment):
        """The program, which runs."""
        (self.root / "lib/trenova_backup/settings.json").write_text(json.dumps(self.settings))
        self.started.append(subprocess.Popen(
            [sys.executable, "-B", str(self.root / "lib/backup.py"), *words], text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=dict(environment, PATH=f"{self.root}/bin:/usr/bin:/bin")))
        return self.started[-1]

    def run(self, *words, **environment):
        """Exit code and errors of the program."""
        process = self.start(*words, **environment)
        _output, errors = process.communicate(timeout=60)
        return process.returncode, errors

    def slow(self, *words):
        """The program, at work on its first directory."""
        (self.root / "begun").unlink(missing_ok=True)
        (self.root / "slow").touch()
        process = self.start(*words)
        deadline = time.monotonic() + 30
        while not (self.root / "begun").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return process

    def status(self):
        """What the last night says."""
        return json.loads((self.root / "backup/status.json").read_text())

    def owed(self):
        """Messages that are owed."""
        return [json.loads(path.read_text()) for path in sorted(self.root.glob("backup/unsent/*"))]

    def told(self):
        """Commands that were run."""
        return (self.root / "told").read_text().splitlines()

    def containers(self):
        """Names of the containers that are there."""
        return [line.split()[-1] for line in (self.root / "containers").read_text().splitlines()]

    def kept(self):
        """What of the stores has come into the target."""
        lines = (self.root / "kept").read_text().splitlines() if (self.root / "kept").exists() else []
        return [line for line in lines if "part=record" not in line and "part=deployed" not in line]


@pytest.fixture
def nightly(tmp_path):
    """The program of the backups on a host, and what it started ends with it."""
    made = Nightly(tmp_path)
    yield made
    (tmp_path / "slow").unlink(missing_ok=True)
    (tmp_path / "engine").write_text("ended")
    for process in made.started:
        process.kill()
        process.communicate()
    # Who waits in a container ends with it.
    (tmp_path / "containers").write_text("")


def test_report_07_a_backup_whose_image_is_gone_is_told_of_by_mail(nightly):
    """`docker system prune -af` by cron takes the image of the backups, which no running container uses; the backup
    cannot start, and the mail about it, sent from the same image, not either.

    Mail and status are the affair of a program on the host, which needs no image: the mail leaves, and is tried again
    until somebody takes it. Verification names the image, the next run fetches it or says what to load.
    """
    mails = Mails()
    nightly.mailing(mails.port)
    (nightly.root / "image").unlink()
    code, errors = nightly.run("backup", INVOCATION_ID="1")
    assert (code, "its image is missing" in errors) == (1, True), errors
    assert nightly.run("end", INVOCATION_ID="1", SERVICE_RESULT="exit-code")[0] == 0
    assert nightly.status()["exit_status"] == 1
    assert "its image is missing. registry:5000/trenova/backup:1 is not on this host" in nightly.status()["because"]
    assert "systemctl start --no-block trenova-backup-failed.service" in nightly.told()
    assert not any(" run " in words for words in nightly.told())
    nightly.run("deliver")
    assert "RCPT TO:<ops@trucks.co>" in mails.said or "rcpt TO:<ops@trucks.co>" in mails.said
    assert "Subject: The backup of Trenova failed on erp1" in mails.said
    assert any("its image is missing" in line for line in mails.said)
    assert "  docker: no such image" in mails.said
    before = len(mails.said)
    assert nightly.run("deliver")[0] == 0
    assert len(mails.said) == before, "once"


def test_report_07_a_mail_that_nobody_takes_is_tried_again(nightly):
    """The unit of the mail fails, is restarted, and is there after a start of the server."""
    (nightly.root / "image").unlink()
    nightly.run("backup")
    code, errors = nightly.run("deliver")
    assert (code, "127.0.0.1:1 takes no mail from here" in errors) == (1, True), errors
    assert len(nightly.owed()) == 1
    text = unit("trenova-backup-failed.service", test_backup_scripts.AWAY)
    assert {"Restart=on-failure", "RestartSec=300", "StartLimitIntervalSec=0", "WantedBy=multi-user.target",
            "ConditionDirectoryNotEmpty=/var/lib/trenova/backup/unsent"} <= set(text.splitlines())
    assert "docker" not in text


def test_report_07_verification_tells_why_there_is_no_status_of_its_own():
    """What the program on the host wrote is read like what a backup wrote itself."""
    told = {"backup": {"title": "Backups", "backup_status": {
        "file": "/s", "schedule": "daily", "command": "systemctl start trenova-backup"}}}
    status = {"started": "2026-11-24T01:30:00Z", "finished": "2026-11-24T01:31:00Z", "exit_status": 1, "bytes": 0,
              "objects_bytes": 0, "steps": [], "because": "Its image is missing."}
    now = backups.datetime.datetime(2026, 11, 24, 8, tzinfo=backups.datetime.UTC)
    [result] = backups.results(told, status, None, now)
    assert result["ok"] is False
    assert result["detail"].endswith("Its image is missing")


def test_report_07_a_missing_image_is_named_and_fetched_and_an_archive_is_asked_for(host):
    """No container runs from it, so only the tag tells."""
    backup = host.without_containers("backup", jobs=[{"service": "backup-check"}])
    host.converge(backup)
    del host.engine.local["backup:1"]
    assert releases.measure(str(host.directory), host.engine)["differing"] == {
        "backup": ["the image backup:1 is not on the host", "The job backup-check is due"]}
    del host.engine.registry["backup:1"]
    failure = host.run(backup).failure()
    assert "the image backup:1 cannot be pulled" in failure
    assert "load it from an archive" in failure
    host.engine.registry["backup:1"] = "sha256:backup:1"
    assert host.converge(backup)["services"]["backup"]["says"][0] == "pulled backup:1"


def stub_docker(folder, body):
    """A folder with a program `docker` that answers as told."""
    (folder / "docker").write_text(f"#!/bin/sh\necho \"$*\" >>{folder}/told\n{body}\n")
    (folder / "docker").chmod(0o755)
    return folder


@pytest.mark.parametrize(("label", "replace", "code", "says", "pushed"), [
    ("of before", "false", 2, "The registry has another image under registry.test/trenova/client:0.7.2", False),
    ("of before", "true", 0, "", True)])
def test_report_16_no_tag_that_servers_run_is_given_to_another_image(tmp_path, label, replace, code, says, pushed):
    """A rebuilt image is pushed under the old tag; servers keep the old one, and every run is green.

    `playbooks/images.yml` builds nothing that is there already, refuses to give a tag to another image, and says how
    to go on. Where somebody did so all the same, the verification of every run says that the registry has another one,
    and `-e trenova_images_pull=true` takes it.
    """
    docker = stub_docker(tmp_path, f'case "$*" in *inspect*) echo "{label}";; esac')
    (tmp_path / "client/dist").mkdir(parents=True)
    (tmp_path / "client/dist/index.html").write_text("<html>https://trenova.invalid")
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"trenova": {"hosts": {"erp1": {
        "trenova_own_registry": "registry.test"}}}}))
    done = subprocess.run(
        ["ansible-playbook", ROOT / "playbooks/images.yml", "-i", tmp_path / "hosts.yml", "--tags", "build",
         "-e", json.dumps({"trenova_images": ["client"], "trenova_package_client_dir": str(tmp_path / "client")}),
         "-e", f"trenova_images_replace={replace}"], cwd=ROOT, capture_output=True, text=True, check=False,
        env=dict(os.environ, PATH=f"{docker}:{os.environ['PATH']}", ANSIBLE_CONFIG=str(ROOT / "ansible.cfg")))
    told = (tmp_path / "told").read_text()
    assert (done.returncode, "push" in told) == (code, pushed), done.stdout + done.stderr
    assert says in done.stdout + done.stderr


def test_report_16_the_registry_is_asked_whether_it_has_another_image_now(monkeypatch):
    """One question for the headers; what came from an archive has nothing to compare."""
    known = {"r.test/trenova/api:1": ["r.test/trenova/api@sha256:a"], "r.test/trenova/client:1": [
        "r.test/trenova/client@sha256:c"], "r.test/trenova/minio:1": []}
    monkeypatch.setattr(engine, "images", lambda *asked: {
        reference: {"RepoDigests": known[reference]} for reference in asked if reference in known})
    has = {"trenova/api": "sha256:a", "trenova/client": "sha256:rebuilt", "trenova/minio": "sha256:m"}
    monkeypatch.setattr(moved_tags, "endpoint", lambda _name, _settings: types.SimpleNamespace(
        digest=lambda image: has[image.path]))
    [moved] = moved_tags.results(list(known))
    assert (moved["name"], moved["ok"]) == ("r.test/trenova/client:1", False)
    assert "trenova_images_pull=true" in moved["detail"]
    has["trenova/client"] = "sha256:c"
    assert [(entry["ok"], entry["detail"]) for entry in moved_tags.results(list(known))] == [
        (True, "2 are those of their registry")]
    assert moved_tags.results(["r.test/trenova/minio:1"]) == []


def test_report_16_a_registry_that_does_not_answer_is_no_fault_of_the_installation(monkeypatch):
    """It costs two seconds, and no more."""
    monkeypatch.setattr(engine, "images", lambda *asked: {
        reference: {"RepoDigests": ["x@sha256:a"]} for reference in asked})
    monkeypatch.setattr(moved_tags, "SECONDS", 0.2)
    monkeypatch.setattr(moved_tags, "endpoint", lambda _name, _settings: time.sleep(5))
    begun = time.monotonic()
    [result] = moved_tags.results(["r.test/trenova/api:1"])
    assert (result["ok"], time.monotonic() - begun < 3) == (True, True)


def test_report_16_a_run_that_is_told_to_pulls_again_and_replaces_what_is_another_one(host):
    """An image that is the same is pulled for nothing, and no change."""
    api = host.service("api", image="api:1")
    host.converge(api)
    host.forget_calls()
    assert host.converge(dict(api, pull=True))["changed"] is False
    assert host.engine.calls == ["pull --quiet api:1"]
    host.engine.registry["api:1"] = "sha256:rebuilt"
    assert host.converge(api)["changed"] is False
    result = host.converge(dict(api, pull=True))["services"]["api"]
    assert result["says"] == ["pulled api:1", "replaced tren-api: another image"]
    assert host.container("tren-api")["Image"] == "sha256:rebuilt"


def test_report_16_a_rebuilt_image_that_does_not_work_gives_the_tag_back(host):
    """What ran before runs again, although no file has changed that could be put back."""
    api = host.service("api", image="api:1")
    host.converge(api)
    before = host.container("tren-api")["Image"]
    host.engine.registry["api:1"] = "sha256:broken"
    host.engine.ends_up["sha256:broken"] = "exited"
    run = host.run(dict(api, pull=True))
    assert "tren-api did not become healthy" in run.failure()
    assert run.result()["rolled_back"] == ["image api:1", "tren-api"]
    assert host.container("tren-api")["Image"] == host.engine.local["api:1"] == before
    assert host.container("tren-api")["State"]["Health"]["Status"] == "healthy"
    assert host.converge(api)["changed"] is False


# -- Nights -----------------------------------------------------------------------------------------------------------


def test_report_14_an_engine_that_is_stopped_stays_stopped(monkeypatch, tmp_path):
    """`systemctl stop docker`, and seconds later it runs again, because a timer looks after the API.

    The unit of the watch requires no Engine, and the watch asks systemd, not the Engine's socket, which would start it.
    While the Engine does not run, no command of Docker's is run.
    """
    ran = []

    def run(words, **_more):
        ran.append(words)
        return subprocess.CompletedProcess(words, 3)

    monkeypatch.setattr(watch.subprocess, "run", run)
    monkeypatch.setattr(watch, "__file__", str(tmp_path / "api-watch.py"))
    (tmp_path / "api-watch.json").write_text('{"instances": ["tren-api"], "follows": ["tren-redis"], "redis": []}')
    assert watch.look() == 0
    assert [words[0] for words in ran] == ["systemctl"]
    for name in ("trenova-api-watch.service", "trenova-api-watch.timer", "trenova-backup.service"):
        assert not re.search(r"^(Requires|Wants|BindsTo|Upholds)=.*docker", unit(name), re.MULTILINE), name
    assert "After=docker.service" in unit("trenova-api-watch.service")


def test_report_14_a_watch_at_work_asks_no_more_when_the_engine_is_stopped(monkeypatch):
    """Between two looks at an instance that it has restarted."""
    monkeypatch.setattr(watch, "engine_runs", lambda: False)
    monkeypatch.setattr(watch.subprocess, "run", lambda *_words, **_more: pytest.fail("a command of Docker's"))
    watch.wait_until_healthy("tren-api")


def test_report_15_a_backup_that_is_interrupted_fails_and_is_told(nightly):
    """A package upgrade stops and starts Docker while the nightly backup runs; systemd ends the backup cleanly, no
    mail is sent, and two backups may run at once.

    The backup's unit does not hang on Docker's. One that is cut off has failed: status and mail say so, its container
    is removed when the Engine is back, nothing half is kept, and a second backup gives way to one that runs.
    """
    process = nightly.slow("backup")
    (nightly.root / "engine").write_text("2")
    _output, errors = process.communicate(timeout=30)
    assert (process.returncode, nightly.status()["state"]) == (1, "interrupted"), errors
    assert nightly.status()["because"] == "It was interrupted: the Docker Engine was stopped or restarted."
    assert (nightly.containers(), nightly.kept(), os.listdir(nightly.root / "backup/pipes")) == ([], [], [])
    assert not any("/more" in words for words in nightly.told()), "nothing more was tried"
    [message] = nightly.owed()
    assert (message["kind"], message["because"]) == ("failed", nightly.status()["because"])
    assert "systemctl start --no-block trenova-backup-failed.service" in nightly.told()
    for name in ("trenova-backup.service", "trenova-backup-cut.service"):
        text = unit(name)
        assert "ExecStopPost=/usr/bin/env python3 -B /usr/local/lib/trenova/backup.py end" in text.splitlines()
        assert "Requires=" not in text


def test_report_15_a_backup_that_succeeded_is_one_although_its_client_was_cut_off(nightly):
    """The status is what counts; a status of the night before does not."""
    code, errors = nightly.run("backup")
    assert (code, len(nightly.kept())) == (0, 2), errors
    nightly.run("end", SERVICE_RESULT="exit-code")
    assert (nightly.status()["exit_status"], nightly.owed()) == (0, [])
    process = nightly.slow("backup")
    process.kill()
    process.wait()
    assert nightly.status()["exit_status"] == 0, "that of the night before"
    for _time in range(2):
        nightly.run("end", SERVICE_RESULT="signal", EXIT_CODE="killed")
        assert nightly.status()["because"] == "It was interrupted: the unit was stopped, or the server was."
        assert (nightly.status()["exit_status"], len(nightly.owed()), nightly.containers()) == (1, 1, [])


@pytest.mark.parametrize("verb", ["watch", "cut"])
def test_report_15_a_backup_that_ended_with_the_server_is_told_by_what_runs_next(nightly, verb):
    """Where systemd cannot run the end of a unit."""
    process = nightly.slow("backup")
    process.kill()
    process.wait()
    (nightly.root / "slow").unlink()
    nightly.run(verb)
    assert nightly.status()["state"] == "interrupted"
    assert [message["verb"] for message in nightly.owed()] == ["backup"]


def test_report_15_a_backup_that_somebody_makes_by_hand_is_left_alone(nightly):
    """What ran before this one began is not this one's to remove; what ended is."""
    somebody = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "backup.py"])
    ours = f"trenova-backup-keep-{somebody.pid}-1"
    try:
        (nightly.root / "containers").write_text(
            f"0a1b backup-keep running {ours}\n4e5f backup-keep exited trenova-backup-keep-run-1\n"
            "6a7b backup-keep running trenova-backup-keep-999999999-1\n8c9d api running tren-api\n"
            "ae0f backup-check running trenova-backup-check-run-2\n")
        assert nightly.run("backup")[0] == 0
        nightly.run("end", SERVICE_RESULT="exit-code")
        assert nightly.containers() == [ours, "tren-api", "trenova-backup-check-run-2"]
    finally:
        somebody.kill()
        somebody.wait()
    nightly.run("end", SERVICE_RESULT="exit-code")
    assert nightly.containers() == ["tren-api", "trenova-backup-check-run-2"]


def test_report_15_an_engine_that_does_not_come_back_is_the_reason_that_is_told(nightly):
    """Nobody starts it."""
    (nightly.root / "engine").write_text("")
    for verb in ("backup", "check", "list", "read files"):
        code, errors = nightly.run(*verb.split())
        assert (code, "The Docker Engine does not run." in errors) == (1, True), verb
    nightly.run("end", SERVICE_RESULT="exit-code")
    assert nightly.status()["because"] == "The Docker Engine does not run. Nothing was saved."
    assert [words for words in nightly.told() if not words.startswith("systemctl ")] == []


def test_report_15_an_engine_that_is_stopped_meanwhile_stays_stopped(nightly):
    """A command of its own would start it, and so would a client that is cut off and asks once more (`gate.py`)."""
    process = nightly.slow("backup")
    ways = set((nightly.root / "ways").read_text().split())
    assert len(ways) == 1
    assert "unix:///run/docker.sock" not in ways
    (nightly.root / "engine").write_text("")
    before = len(nightly.told())
    process.communicate(timeout=30)
    assert nightly.status()["because"] == "It was interrupted: the Docker Engine was stopped or restarted."
    assert [words for words in nightly.told()[before:] if not words.startswith("systemctl ")] == []
    # When it is back, it has the containers still.
    assert nightly.containers() != []
    (nightly.root / "engine").write_text("2")
    (nightly.root / "slow").unlink()
    assert nightly.run("backup")[0] == 0
    assert nightly.containers() == []


@pytest.mark.parametrize(("seconds", "because"), [
    (60, "It was interrupted: the unit was stopped, or the server was."),
    (5, "It took longer than backup_timeout_seconds allows, and was ended.")])
def test_report_15_an_interrupted_script_says_so_at_once_and_leaves_nothing_half(nightly, seconds, because):
    """It does not wait for the end of a step."""
    nightly.settings["timeout_seconds"] = seconds
    process = nightly.slow("backup")
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, nightly.status()["state"]) == (1, "interrupted"), output + errors
    assert (nightly.status()["because"], nightly.status()["exit_status"]) == (because, 1)
    assert (nightly.containers(), nightly.kept(), os.listdir(nightly.root / "backup/pipes")) == ([], [], [])
    assert not any("/more" in words for words in nightly.told()), "nothing more was tried"


def test_report_15_a_second_backup_gives_way_to_one_that_runs(nightly):
    """Whoever starts it."""
    process = nightly.slow("backup")
    there = nightly.containers()
    code, errors = nightly.run("backup")
    assert (code, "Another backup is at work" in errors) == (1, True)
    assert nightly.owed() == [], "who started it has read it"
    assert nightly.run("backup", INVOCATION_ID="2")[0] == 1
    nightly.run("end", INVOCATION_ID="2", SERVICE_RESULT="exit-code")
    assert [message["kind"] for message in nightly.owed()] == ["skipped"]
    assert (process.poll(), nightly.containers()) == (None, there)
    assert not (nightly.root / "backup/status.json").exists(), "the status is that of the one that runs"
    (nightly.root / "slow").unlink()
    assert process.wait(30) == 0


def test_report_15_a_fault_of_the_program_is_told_like_any_other(nightly):
    """A disk that is full, say."""
    (nightly.root / "backup/pipes").rmdir()
    code, errors = nightly.run("backup", INVOCATION_ID="1")
    assert (code, nightly.status()["state"]) == (1, "failed"), errors
    assert nightly.status()["because"].startswith("It ended by a fault of its own: FileNotFoundError: ")
    assert [message["because"] for message in nightly.owed()] == [nightly.status()["because"]]


def test_report_15_a_night_is_not_skipped_for_a_small_backup(nightly):
    """Which comes every few minutes."""
    with (nightly.root / "backup/runs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("cut")
        lock.flush()
        process = nightly.start("backup")
        assert nightly.run("cut")[0] == 0, "another cut has nothing to add"
        assert process.poll() is None
    assert process.wait(30) == 0
    assert len(nightly.kept()) == 2


# -- Disks and shares -------------------------------------------------------------------------------------------------

WRITABLE = {"path": "", "mode": "0700", "owner": 0, "group": 0}


@pytest.fixture
def share(tmp_path, monkeypatch):
    """A directory on a share that lets nobody change owners and modes."""
    path = tmp_path / "share"
    path.mkdir(mode=0o755)

    def refused(*_arguments):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(files.os, "chown", refused)
    monkeypatch.setattr(files.os, "chmod", refused)
    return path


def test_report_19_a_share_whose_owner_cannot_be_set_is_taken_where_its_user_can_write(host, monkeypatch):
    """Backups go to a share or a USB disk (NFS with root_squash, CIFS, exFAT), where not even root may change owners;
    the run fails, although writing would be allowed, or never settles.

    The user in question is asked to write. Where he can, the directory is taken as it is, which is said once and is no
    difference later. Where he cannot, the refusal names the mount option, or what to do on the server that exports it.
    """
    monkeypatch.setattr(directories, "fault_of_writing", lambda *_user: None)
    backup = host.without_containers("backup", directories=[
        {"path": str(host.root / "share"), "mode": "0700", "owner": 10002, "group": 10002, "data": True}])
    (host.root / "share").mkdir(mode=0o755)
    real = os.chown

    def refused(path, *owner):
        if str(path).endswith("share"):
            raise PermissionError(errno.EPERM, "Operation not permitted")
        return real(path, *owner)

    monkeypatch.setattr(files.os, "chown", refused)
    says = host.converge(backup)["services"]["backup"]["says"]
    assert f"uses {host.root}/share as it is: mode 0755, owner {os.geteuid()}:{os.getegid()}" in says
    assert host.converge(backup)["changed"] is False
    assert releases.measure(str(host.directory), host.engine)["differing"] == {}


@pytest.mark.parametrize(("kind", "words"), [
    ("vfat", "Mount it with uid=10002,gid=10002,umask=077"),
    ("exfat", "Mount it with uid=10002,gid=10002,umask=077"),
    ("cifs", "Mount it with uid=10002,gid=10002,dir_mode=0700,file_mode=0600"),
    ("nfs4", "On the server that exports it: chown 10002:10002 and chmod 0700, of the directory")])
def test_report_19_a_share_that_its_user_cannot_write_is_refused_with_what_helps(share, monkeypatch, kind, words):
    """One sentence."""
    monkeypatch.setattr(mounts, "filesystem", lambda *_path: (str(share), kind, "//nas/backups"))
    monkeypatch.setattr(directories, "fault_of_writing", lambda *_user: "PermissionError: [Errno 13] Permission denied")
    with pytest.raises(directories.CannotBeUsed) as refused:
        directories.ensure({"path": str(share), "mode": "0700", "owner": 10002, "group": 10002})
    assert words in str(refused.value)


@needs_root
@pytest.mark.parametrize(("mode", "can"), [(0o777, True), (0o755, False), (0o700, False)])
def test_report_19_the_user_himself_is_asked_whether_he_can_write(tmp_path, mode, can):
    """Through a parent that he may not enter: what is mounted into a container is looked up by root."""
    path = tmp_path / "share"
    path.mkdir()
    path.chmod(mode)
    tmp_path.chmod(0o700)
    fault = directories.fault_of_writing(str(path), 10002, 10002)
    assert (fault is None) is can, fault
    assert list(path.iterdir()) == []


def facts(services, capacity=None, plan=None, **variables):
    """What checks look at, of services on a host."""
    return preflight.Facts(variables, dict({"deployed": {}}, **(capacity or {})), plan or {"services": {}}, services)


BACKUP = {"title": "Backups", "user": 10002, "state": [
    {"path": "/var/backups/trenova", "backup": {"kind": "none", "because": "it is where they lie"}}]}
POSTGRES = {"title": "PostgreSQL", "user": 999, "state": [{"path": "postgres", "backup": {"kind": "postgres"}}]}


@pytest.mark.parametrize(("disk", "words"), [
    ({"filesystem": "exfat", "owner": 0, "group": 0, "mode": "0755"}, "umask=077"),
    ({"filesystem": "cifs", "owner": 0, "group": 0, "mode": "0755"}, "dir_mode=0700"),
    ({"filesystem": "vfat", "owner": 10002, "group": 10002, "mode": "0700"}, None),
    ({"filesystem": "cifs", "owner": 0, "group": 0, "mode": "0777"}, None),
    ({"filesystem": "nfs4", "owner": 65534, "group": 65534, "mode": "0700"}, None)])
def test_report_19_what_the_mount_decides_is_refused_before_anything_is_changed(disk, words):
    """Of NFS only its server knows."""
    found = list(places.check_shares(facts({"backup": BACKUP}, {
        "disks": {"/var/backups/trenova": dict(disk, mount="/var/backups/trenova")}})))
    assert [words in problem.write for problem in found] == ([True] if words else [])


def place(before, now, empty=False):
    """Where a directory lay and lies."""
    return {"before": before, "now": now, "empty": empty}


@pytest.mark.parametrize(("services", "there", "what"), [
    ({"backup": BACKUP}, {"backup": {"/var/backups/trenova": place("/var/backups/trenova", "/")}},
     "The disk with /var/backups/trenova (Backups) is not mounted: it was mounted on /var/backups/trenova."),
    ({"postgres": POSTGRES}, {"postgres": {"/var/lib/trenova/postgres": place("/var/lib/trenova", "/")}},
     "The disk with /var/lib/trenova/postgres (PostgreSQL) is not mounted: it was mounted on /var/lib/trenova."),
    ({"postgres": POSTGRES}, {"postgres": {"/var/lib/trenova/postgres": place("/", "/var/lib/trenova", True)}},
     "The directory /var/lib/trenova/postgres (PostgreSQL) lies on another disk now, mounted on /var/lib/trenova, and "
     "is empty."),
    ({"postgres": POSTGRES}, {"postgres": {"/srv/old/postgres": place("/", "/")}},
     "The data of PostgreSQL lies in /srv/old/postgres, and is wanted in /var/lib/trenova/postgres, where nothing is."),
    # Moved onto a disk of its own with all that is in it; emptied on purpose; a new disk for backups.
    ({"postgres": POSTGRES}, {"postgres": {"/var/lib/trenova/postgres": place("/", "/var/lib/trenova")}}, None),
    ({"postgres": POSTGRES}, {"postgres": {"/var/lib/trenova/postgres": place("/", "/", True)}}, None),
    ({"backup": BACKUP}, {"backup": {"/var/backups/trenova": place("/", "/var/backups/trenova", True)}}, None)])
def test_report_32_a_disk_that_is_not_mounted_is_refused_by_its_name(services, there, what):
    """The disk of the backups, or of the data, is not mounted; backups go to the root disk below the empty mount
    point, a database is made anew there.

    Where each directory of data lay is kept on the root disk. A run refuses what lies elsewhere and names the mount,
    the backup of the night fails and is mailed, and Docker makes no empty directory in place of one that is gone. A
    directory that was emptied on purpose lies where it lay, and is made anew.
    """
    found = list(places.check_places(facts(services, {"deployed": {"places": there}})))
    assert [problem.what for problem in found] == ([what] if what else [])
    accepted = facts(services, {"deployed": {"places": there}}, trenova_accept_moved_data="true")
    assert list(places.check_places(accepted)) == []


def test_report_32_where_data_lies_is_kept_and_looked_at_again(host, monkeypatch):
    """By the mount point; what was moved for good is known then."""
    where = {"mount": "/mnt/disk"}
    monkeypatch.setattr(mounts, "filesystem", lambda *_path: (where["mount"], "ext4", "/dev/sdb1"))
    redis = host.service("redis", directories=[{"path": str(host.root / "data"), "mode": "0700", "data": True}])
    host.converge(redis)
    assert host.state("redis")["places"] == {str(host.root / "data"): "/mnt/disk"}
    where["mount"] = "/"
    found = releases.measure(str(host.directory), host.engine)
    assert found["places"]["redis"] == {
        str(host.root / "data"): {"before": "/mnt/disk", "now": "/", "empty": True}}
    assert found["differing"]["redis"] == [
        f"the directory {host.root}/data lay on the disk that is mounted on /mnt/disk, and lies elsewhere now"]
    host.converge(redis)
    assert releases.measure(str(host.directory), host.engine)["differing"] == {}


@pytest.mark.parametrize(("record", "fstab", "mounted", "refused"), [
    ({}, "", "/", None),
    ({"places": {"/mnt/usb/trenova": "/mnt/usb"}}, "", "/", "/mnt/usb"),
    ({"places": {"/mnt/usb/trenova": "/mnt/usb"}}, "", "/mnt/usb", None),
    ({}, "UUID=1 /mnt/usb ext4 nofail 0 2\n# /mnt x\n/dev/sda2 none swap sw 0 0\n", "/", "/mnt/usb"),
    ({}, "/dev/sdb1 /mnt/usb\\040disk ext4 defaults 0 2\n", "/", None)])
def test_report_32_a_backup_of_the_night_refuses_a_disk_that_is_not_mounted(nightly, record, fstab, mounted, refused):
    """By what the deployment has kept, and by what fstab says of a disk that came later."""
    nightly.settings["targets"][0]["directory"] = "/mnt/usb/trenova"
    (nightly.root / "record.json").write_text(json.dumps(record))
    (nightly.root / "fstab").write_text(fstab)
    (nightly.root / "mounts").write_text(f"/dev/sda1 {mounted} ext4 rw 0 0\n")
    code, errors = nightly.run("backup")
    assert code == (1 if refused else 0), errors
    if refused:
        assert nightly.status()["because"] == (
            f"The disk of the backups is not mounted on {refused}. Nothing was saved there. Mount it.")
        assert [message["because"] for message in nightly.owed()] == [nightly.status()["because"]]
        assert not any(" run " in words for words in nightly.told()), "nobody writes there"


def test_report_32_the_other_targets_take_a_backup_whose_disk_is_not_mounted(nightly):
    """The night has failed all the same."""
    nightly.settings["targets"].insert(0, {
        "name": "usb", "kind": "directory", "directory": "/mnt/usb/trenova", "repository": "/targets/usb"})
    (nightly.root / "fstab").write_text("/dev/sdb1 /mnt/usb ext4 nofail 0 2\n")
    assert nightly.run("backup")[0] == 1
    assert nightly.status()["because"] == (
        "The disk of the backups is not mounted on /mnt/usb. Nothing was saved there. Mount it.")
    assert [(target["name"], target["state"]) for target in nightly.status()["targets"]] == [
        ("usb", "failed"), ("local", "ok")]
    assert len(nightly.kept()) == 2
    assert not any("/targets/usb" in words for words in nightly.told())


def test_report_32_a_disk_that_fstab_names_must_be_mounted_at_a_first_deployment_too(tmp_path, monkeypatch):
    """Nothing is known of the data then."""
    (tmp_path / "fstab").write_text("UUID=1 /var/lib/trenova ext4 defaults 0 2\n")
    monkeypatch.setattr(mounts, "FSTAB", str(tmp_path / "fstab"))
    assert mounts.absent("/var/lib/trenova/postgres", [("/", "ext4", "/dev/sda1")]) == "/var/lib/trenova"
    assert mounts.absent("/var/lib/trenova", [("/var/lib/trenova", "ext4", "/dev/sdb1")]) is None
    assert mounts.absent("/opt/trenova", [("/", "ext4", "/dev/sda1")]) is None
    [problem] = places.check_places(facts({}, {"disks": {"/var/lib/trenova": {"absent": "/var/lib/trenova"}}}))
    assert problem.write == "mount /var/lib/trenova; or take it out of /etc/fstab"


def test_report_32_docker_makes_no_directory_of_data_that_is_gone():
    """A container whose data is not there does not start; its digest is that of before, so that nothing restarts for
    it.
    """
    for role in ("postgres", "redis", "minio", "rabbitmq", "caddy", "backup"):
        found = test_bundle.by_plan(role, *test_bundle.in_play())["files"]
        [text] = [entry["content"] for entry in found if entry["path"] == f"/opt/trenova/{role}/compose.yaml"]
        volumes = [volume for definition in yaml.safe_load(text)["services"].values()
                   for volume in definition.get("volumes", [])]
        data = [volume for volume in volumes if "/var/lib/trenova" in str(volume) or "/var/backups" in str(volume)]
        assert data, role
        assert all(volume["bind"] == {"create_host_path": False} for volume in data), role
    kept = {"services": {"x": {"volumes": [
        "/etc/x:/x:ro", "named:/y", "/data/a:/a:z", {"type": "tmpfs", "target": "/t"}]}}}
    assert compose.with_places(copy.deepcopy(kept), ["/data"]) == kept


# -- A smaller plan, people, checkouts, clocks ------------------------------------------------------------------------

REDIS = {
    "title": "Redis", "containers": {"main": {"names": ["tren-redis"]}},
    "endpoints": {"redis": {"host": "tren-redis", "port": 6379}},
    "contents": yaml.safe_load((ROOT / "roles/redis/meta/service.yml").read_text())["contents"]}


def plan_of(maxmemory_mb):
    """A plan, or its applied part, as far as Redis's memory goes."""
    return {"settings": {"maxmemory_mb": maxmemory_mb}}


def part(maxmemory_mb):
    """What a host keeps of its plan."""
    return {"schema_version": 2, "tier": "large", "mode": "document", "users": 1, "figures": plan_of(maxmemory_mb)}


@pytest.mark.parametrize(("before", "after", "held_mb", "refused"), [
    (3072, 768, 2900, True), (3072, 768, 100, False), (768, 3072, 760, None), (768, 768, 760, None)])
def test_report_34_a_plan_that_has_no_room_for_what_redis_holds_is_refused(before, after, held_mb, refused):
    """A smaller tier gives Redis less memory than its data takes; it is killed as it loads, five times, and then
    everything is rolled back.

    Where its figure gets smaller, Redis is asked how much it holds, before anything is changed. A plan that has no
    room for that is refused with both numbers; `plan.yml` says so, too.
    """
    asked = facts({"redis": REDIS}, {"deployed": {"plan": {"redis": part(before)}}}, {
        "services": {"redis": plan_of(after)}})
    found = contents.shrinking(asked)
    assert bool(found) is (refused is not None)
    [question] = contents.questions(found, asked) if found else [None]
    if question:
        assert (question["container"], question["port"], question["field"]) == ("tren-redis", 6379, "used_memory")
    results = [{"ok": True, "detail": str(held_mb * MIB)}] if found else []
    problems = list(contents.check_contents(found, results))
    assert [problem.what for problem in problems] == ([
        "The data in the memory of Redis takes 2900 MiB, and gets 768 MiB with this plan in place of 3072."]
        if refused else [])
    assert list(contents.check_contents(found, [{"ok": False, "detail": "does not answer"}] if found else [])) == []


def test_report_34_redis_is_asked_for_one_number():
    """In its own protocol, by the module that asks inside of a host."""
    from ansible_collections.trenova.selfhost.plugins.modules import probe  # noqa: PLC0415

    class Server:
        def __enter__(self):
            return self

        def __exit__(self, *_error):
            return None

        def command(self, *words):
            assert words == ("INFO", "memory")
            return "# Memory\r\nused_memory:3040870400\r\nused_memory_human:2.83G\r\n"

    inspector = types.SimpleNamespace(passwords={"p": "x"}, address=lambda _name: "10.0.0.2")
    check = {
        "name": "n", "kind": "redis", "container": "tren-redis", "host": None, "port": 6379, "password_variable": "p",
        "command": ["INFO", "memory"], "field": "used_memory"}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(probe.reach, "RedisConnection", lambda *_place: Server())
        assert probe.run_check(inspector, check)["detail"] == "3040870400"


ACCOUNTS = {
    1000: ("alice", 1000, "/bin/bash"), 1001: ("ubuntu", 1001, "/bin/bash"),
    999: ("coredump", 999, "/usr/sbin/nologin"),
    10001: ("bob@corp", 5000, "/bin/bash"), 10002: ("deploy", 10002, "/bin/sh")}
GROUPS = {"sudo": (27, ["ubuntu"]), "docker": (994, [])}


@pytest.fixture
def people(monkeypatch):
    """A host with accounts of its own and of a directory."""

    def account(number):
        if number not in ACCOUNTS:
            raise KeyError(number)
        name, group, shell = ACCOUNTS[number]
        return types.SimpleNamespace(pw_name=name, pw_uid=number, pw_gid=group, pw_shell=shell)

    def group(name):
        if name not in GROUPS:
            raise KeyError(name)
        return types.SimpleNamespace(gr_gid=GROUPS[name][0], gr_mem=GROUPS[name][1])

    monkeypatch.setattr(pwd, "getpwuid", account)
    monkeypatch.setattr(grp, "getgrnam", group)
    monkeypatch.setenv("SUDO_USER", "deploy")


def test_report_36_people_with_the_number_of_a_containers_user_are_told(people):
    """An ordinary user of the host has the number (1000, 999, 10001) that a container runs as, and with it its
    secrets, its data and its processes.

    The directories of the project and of the data can be entered by root alone, and by who is root by the group that
    drives Docker. Who has such a number is told in every run, accounts of a directory (SSSD) too; who is root anyway,
    and who cannot log in, is not.
    """
    assert accounts.people([0, 999, 1000, 1001, 10001, 10002, 77]) == {"1000": "alice", "10001": "bob@corp"}
    services = {
        "minio": {"title": "MinIO", "user": 1000, "containers": {"main": {}}},
        "api": {"title": "API", "user": 10001, "containers": {"main": {}}}, "redis": REDIS}
    told = remarks.remarks(facts(services, {"people": {"1000": "alice", "10001": "bob@corp", "77": "eve"}}))
    assert [sentence.split(",")[0] for sentence in told] == [
        "The user alice of this host has the number 1000", "The user bob@corp of this host has the number 10001"]
    assert "MinIO" in told[0]


def test_report_36_nobody_else_enters_what_holds_secrets_and_data():
    """Directories of our own name; one that others share, as /srv, stays as it is."""
    variables, known = test_bundle.in_play()
    known = known.but(capacity=dict(known.capacity, docker_group=994))
    found = {entry["path"]: entry for entry in test_bundle.by_plan("minio", variables, known)["directories"]}
    for path in ("/opt/trenova", "/var/lib/trenova"):
        assert (found[path]["mode"], found[path]["owner"], found[path]["group"]) == ("0750", 0, 994), path
    assert [path for path in ("/srv", "/data/erp") if Project.is_ours(path)] == []
    assert all(map(Project.is_ours, ("/opt/trenova", "/data/trenova/", "/mnt/Trenova-data")))


DOCKERFILES = sorted((ROOT / "images").glob("*/Dockerfile"))


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_report_39_an_image_does_not_depend_on_the_modes_of_the_checkout(path):
    """An image is built from a checkout with umask 077, or of Windows, and its user finds no program that he can run.

    What comes from the checkout goes through a stage that sets modes, and the line ends of scripts; `.gitattributes`
    keeps the latter everywhere. Every Dockerfile is read for it.
    """
    stages = re.split(r"^FROM .*$", path.read_text(), flags=re.MULTILINE)[1:]
    copied = [re.findall(r"^COPY (?!--from)(.+)$", stage, re.MULTILINE) for stage in stages]
    assert copied[-1] == [], "the last stage takes nothing from the checkout"
    for stage, lines in zip(stages[:-1], copied[:-1], strict=True):
        for line in lines:
            *sources, target = line.split()
            if target == "/tmp/context/":  # noqa: S108  # in the image, for this stage only
                continue
            after = stage.partition("COPY " + line)[2]
            top = "/" + target.strip("/").split("/")[0]
            assert re.search(rf"chmod (-R )?[^\n]*{top}", after), line
            if any(re.match(r"\w+-(entrypoint|health)$", source) for source in sources):
                assert r"sed -i 's/\r$//'" in after, line


def test_report_39_every_image_is_looked_at_and_scripts_keep_their_line_ends():
    """The pattern above finds them all."""
    assert len(DOCKERFILES) >= 5
    assert "* text=auto eol=lf" in (ROOT / ".gitattributes").read_text().splitlines()
    windows = [path for folder in ("images", "roles") for path in (ROOT / folder).rglob("*")
               if path.is_file() and b"\r\n" in path.read_bytes()]
    assert windows == []


def test_report_39_a_checkout_that_nobody_else_may_read_is_one_to_build_from(tmp_path):
    """The scripts, with umask 077 and line ends of Windows, through the line of the Dockerfile that mends them."""
    for name in ("asynqmon-entrypoint", "asynqmon-health"):
        script = tmp_path / name
        script.write_bytes((ROOT / "images/asynqmon" / name).read_bytes().replace(b"\n", b"\r\n"))
        script.chmod(0o600)
    [line] = re.findall(r"^RUN (sed -i .*/out/\*)$", (ROOT / "images/asynqmon/Dockerfile").read_text(), re.MULTILINE)
    subprocess.run(["sh", "-c", line.replace("/out/", f"{tmp_path}/")], check=True)
    for name in ("asynqmon-entrypoint", "asynqmon-health"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o755
        assert (tmp_path / name).read_bytes() == (ROOT / "images/asynqmon" / name).read_bytes()


def test_report_51_a_container_from_the_future_restarts_nothing(host, monkeypatch):
    """The clock was ahead at boot: a container seems to have been started in the future, and what follows it is
    restarted every 20 seconds, and by every run.

    Starts are compared by the kernel's count since boot, which no clock changes. For one start of what it depends on,
    the watch restarts an instance once at most.
    """
    started = {}
    monkeypatch.setattr(engine, "process_started", started.get)
    redis, api = host.service("redis"), host.service("api", needs=["redis"], follows=["tren-redis"])
    host.converge(redis, api)
    host.container("tren-redis")["State"].update(StartedAt="2036-01-01T00:00:00Z", Pid=11)
    host.container("tren-api")["State"]["Pid"] = 12
    started.update({11: 100, 12: 200})
    assert set(releases.measure(str(host.directory), host.engine)["unchanged"]) == {"redis", "api"}
    assert host.converge(redis, api)["changed"] is False
    started[11] = 300
    assert host.converge(redis, api)["services"]["api"]["says"] == [
        "restarted tren-api: tren-redis was started after it"]


def test_report_51_without_processes_to_look_at_the_times_tell():
    """As before; a container that does not run is older than nobody."""
    one, other_one = ({"State": {"StartedAt": f"2026-01-01T00:00:0{second}Z"}} for second in (1, 2))
    assert engine.started_before(one, other_one)
    assert not engine.started_before(other_one, one)


class Watched:
    """A host with an API and a Redis that the watch looks at."""

    def __init__(self, tmp_path, monkeypatch):
        self.started = {"tren-redis": ("r1", 100.0), "tren-api": ("a1", 200.0)}
        self.restarts = 0
        (tmp_path / "api-watch.json").write_text(json.dumps({
            "instances": ["tren-api"], "follows": ["tren-redis"], "redis": [{"host": "redis.else"}],
            "stop_seconds": 1}))
        self.external = None
        monkeypatch.setattr(watch, "RESTARTED", str(tmp_path / "restarted.json"))
        monkeypatch.setattr(watch, "__file__", str(tmp_path / "api-watch.py"))
        monkeypatch.setattr(watch, "engine_runs", lambda: True)
        monkeypatch.setattr(watch, "container", self.started.get)
        monkeypatch.setattr(watch, "redis", lambda _server: self.external)
        monkeypatch.setattr(watch, "wait_until_healthy", lambda _name: None)
        monkeypatch.setattr(watch.subprocess, "run", self.restart)

    def restart(self, words, **_more):
        assert words[:2] == ["docker", "restart"]
        self.restarts += 1
        self.started["tren-api"] = (f"a{self.restarts + 1}", 200.0 + self.restarts)
        return subprocess.CompletedProcess(words, 0)


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """A host that the watch looks at."""
    return Watched(tmp_path, monkeypatch)


def test_report_51_the_watch_restarts_once_for_one_start(watched):
    """Even where a Redis of somebody else's, whose clock is wrong, seems younger for ever."""
    for _look in range(3):
        watch.look()
    assert watched.restarts == 0
    watched.external = ("run-1", 1e9)
    for _look in range(5):
        watch.look()
    assert watched.restarts == 1
    watched.external = ("run-2", 1e9)
    for _look in range(5):
        watch.look()
    assert watched.restarts == 2


def test_report_51_the_watch_still_sees_a_real_restart(watched):
    """Of a container, by the count since boot."""
    watched.started["tren-redis"] = ("r2", 300.0)
    for _look in range(3):
        watch.look()
    assert watched.restarts == 1


def test_report_51_starts_are_counted_from_boot():
    """By the kernel, for this process."""
    since_boot = watch.started_since_boot(os.getpid())
    assert 0 < since_boot <= time.clock_gettime(time.CLOCK_BOOTTIME)
    assert engine.process_started(os.getpid()) == round(since_boot * os.sysconf("SC_CLK_TCK"))
    assert watch.started_since_boot(2 ** 22 + 1) is None
    assert engine.process_started(0) is None
