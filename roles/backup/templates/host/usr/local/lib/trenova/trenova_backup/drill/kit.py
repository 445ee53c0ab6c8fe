# Managed by trenova.selfhost.
"""What another host needs to make drills: this program, the way to the targets, and a unit of systemd.

It is made on the server itself and laid below one directory there; the rest comes from the targets. The files keep
their owners and modes. What the registries ask for goes along: certificates, and the logins of the deployment.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile

from trenova_backup import deployed
from trenova_backup.drill import place, project
from trenova_backup.engine import Engine
from trenova_backup.errors import BackupError
from trenova_backup.files import read_json, write_json, write_text
from trenova_backup.repository import DRILLS, JOB
from trenova_backup.restore import laying
from trenova_backup.restore.run import NOT_RESTORED
from trenova_backup.settings import FILE as SETTINGS
from trenova_backup.settings import Settings

#: On the other host, one directory for each installation.
HOMES = "/var/lib/trenova-drills"
PROGRAM, PROJECT, CERTIFICATES, UNITS = "program", "project", "certificates", "units"
PACKAGE = "trenova_backup"
UNIT = "trenova-drill-{}.service"
SYSTEMD = "/etc/systemd/system"
#: Units that are gone with the next start of the host.
PASSING = "/run/systemd/system"
#: What systemd removes when the host starts: a drill that lost its power has left secrets.
AT_START = "/etc/tmpfiles.d"
#: The names of certificates that a kit has brought, in the directory where that host keeps what it knows.
ADDED = "certificates.json"
#: Where the Engine looks for certificates of registries, and its command for logins.
ENGINE_CERTIFICATES, LOGINS = "/etc/docker/certs.d", "/root/.docker/config.json"
#: Below the project's directory: the registries whose logins the deployment has written.
OURS = ".state/registry-logins.json"
#: Below the project's directory: what the job that reads the targets is given.
GIVEN = ("backup/config", "backup/secrets/targets")
TIMER = """# Managed by trenova.selfhost.
[Unit]
Description=Drill with the newest backup of {installation}

[Timer]
OnCalendar={calendar}
RandomizedDelaySec={delay}
# A drill that was missed because the host was off is made after the start.
Persistent=true

[Install]
WantedBy=timers.target
"""


def targets(settings):
    """The targets that another host reaches. Raises BackupError where there is none."""
    found = [target for target in settings.targets if not target.get("directory")]
    if not found:
        raise BackupError(
            "A drill on another host needs a target that it can read, and backup_targets has only directories of this "
            f"server ({', '.join(target['directory'] for target in settings.targets)}). Nothing was done. Add one with "
            "s3 or sftp.")
    return found


def home_of(settings):
    """The directory of an installation's drills on another host."""
    return os.path.join(HOMES, settings["installation"])


def settings_for(settings, host, is_kept):
    """The settings of the other host. is_kept: whether it makes drills by a timer of its own."""
    home, unit = home_of(settings), UNIT.format(settings["installation"])
    return Settings({
        "away": {"home": home, "calendar": settings["drill"].get("calendar", "") if is_kept else "",
                 "delay_seconds": settings["drill"].get("delay_seconds", 0)},
        "project": settings["project"], "project_dir": os.path.join(home, PROJECT), "data_dir": home,
        "drill_lock": os.path.join(HOMES, "drill.lock"), "installation": settings["installation"], "host": host,
        "keeper": DRILLS.format(settings["installation"]), "owner": settings["owner"], "jobs": [JOB],
        "stores": [store for store in settings.stores if store["store"] == NOT_RESTORED],
        "targets": targets(settings), "needs": {}, "drill": dict(settings["drill"]),
        "timeout_seconds": settings["timeout_seconds"], "mail": {}, "webhook": {},
        "schedules": [{"verb": "drill", "title": "The drill", "unit": unit, "seconds": None}]})


def reader(settings, other, model, digests):
    """The project of the other host that reads the targets: one job. model: the live project, as Compose tells it."""
    there = place.of(other)
    drill = project.Drill(
        there.name, other["data_dir"],
        ((settings["project_dir"], other["project_dir"]), (settings["data_dir"], other["data_dir"])), (), (JOB,),
        tuple(target["directory"] for target in settings.targets if target.get("directory")))
    made = project.by_digest(project.made(model, drill), digests)
    # By this name a lock in a repository is known as one of that host's.
    made["services"][JOB].update(hostname=other["keeper"])
    return made


def packed(settings, host, is_kept):
    """All of it, as a tar with gzip."""
    other, engine = settings_for(settings, host, is_kept), Engine(settings)
    engine.look()
    model = engine.model()
    made = reader(settings, other, model, engine.digests([model["services"][JOB]["image"]]))
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        _add_program(tar, other)
        _add_text(tar, f"{PROJECT}/compose.yaml", json.dumps(made, indent=1), 0o600)
        for path in GIVEN:
            tar.add(os.path.join(settings["project_dir"], path), f"{PROJECT}/{path}", filter=_numbered)
        for path in sorted({"backup", *(
                os.path.relpath(source, settings["data_dir"])
                for source in deployed.sources({"services": {JOB: model["services"][JOB]}}, [settings["data_dir"]]))}):
            tar.add(os.path.join(settings["data_dir"], path), path, recursive=False, filter=_numbered)
        for registry in _registries(model):
            if os.path.isdir(os.path.join(ENGINE_CERTIFICATES, registry)):
                tar.add(os.path.join(ENGINE_CERTIFICATES, registry), f"{CERTIFICATES}/{registry}", filter=_numbered)
        _add_logins(tar, settings)
        for name, text in units(other).items():
            _add_text(tar, f"{UNITS}/{name}", text, 0o644)
    return stream.getvalue()


def told(settings, host, is_kept):
    """The same for a playbook, with where to lay it: JSON."""
    return json.dumps({
        "home": home_of(settings), "project": settings["project"], "unit": UNIT.format(settings["installation"]),
        "content": base64.b64encode(packed(settings, host, is_kept)).decode()})


def install(settings):
    """On the other host, once it is laid there: have the Engine trust the registries, and systemd know the unit."""
    home, away = settings["away"]["home"], settings["away"]
    certificates, folder = os.path.join(home, CERTIFICATES), SYSTEMD if away["calendar"] else PASSING
    for name in os.listdir(certificates) if os.path.isdir(certificates) else []:
        # What a kit has brought is renewed, and completed where that was cut off; the host's own stays.
        if name in read_json(settings.path(ADDED), []) or not os.path.exists(os.path.join(ENGINE_CERTIFICATES, name)):
            os.makedirs(ENGINE_CERTIFICATES, exist_ok=True)
            write_json(settings.path(ADDED), sorted({*read_json(settings.path(ADDED), []), name}))
            _copy(os.path.join(certificates, name), os.path.join(ENGINE_CERTIFICATES, name))
    unit = UNIT.format(settings["installation"])
    timer = unit.replace(".service", ".timer")
    if not away["calendar"] and os.path.exists(os.path.join(SYSTEMD, timer)):
        # It went on making drills, and is not to any more.
        _systemctl("disable", "--now", "--quiet", timer)
        for name in (timer, unit):
            os.unlink(os.path.join(SYSTEMD, name))
    os.makedirs(folder, exist_ok=True)
    _copy(os.path.join(home, UNITS, unit), os.path.join(folder, unit))
    if away["calendar"]:
        _copy(os.path.join(home, UNITS, timer), os.path.join(folder, timer))
    leftovers = [place.of(settings).root, *([] if away["calendar"] else [settings["project_dir"]])]
    os.makedirs(AT_START, exist_ok=True)
    write_text(_at_start(settings), "\n".join(
        ["# Managed by trenova.selfhost.", *(f"R! {path}" for path in leftovers), ""]))
    _systemctl("daemon-reload")
    if away["calendar"]:
        _systemctl("enable", "--now", "--quiet", timer)


def uninstall(settings):
    """On the other host: remove the certificates that were not there before, and what was for a start of it."""
    for name in read_json(settings.path(ADDED), []):
        laying.remove(os.path.join(ENGINE_CERTIFICATES, name))
    for path in (settings.path(ADDED), _at_start(settings)):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _at_start(settings):
    return os.path.join(AT_START, UNIT.format(settings["installation"]).replace(".service", ".conf"))


def _add_program(tar, other):
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for folder, names, files in os.walk(here):
        names[:] = sorted(name for name in names if name != "__pycache__")
        for name in sorted(files):
            if name.endswith(".py"):
                path = os.path.join(folder, name)
                tar.add(path, os.path.join(PROGRAM, PACKAGE, os.path.relpath(path, here)))
    tar.add(os.path.join(os.path.dirname(here), "backup.py"), f"{PROGRAM}/backup.py")
    _add_text(tar, f"{PROGRAM}/{PACKAGE}/{SETTINGS}", json.dumps(other.content, indent=1, sort_keys=True), 0o644)


def _registries(model):
    """Names of the registries of a project's images, as the Engine has them."""
    return sorted({_registry_of(definition["image"]) for definition in model["services"].values()})


def _registry_of(image):
    first, slash, _rest = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"


def _add_logins(tar, settings):
    """Those at registries that the deployment has written; an administrator's own are his."""
    ours = read_json(os.path.join(settings["project_dir"], OURS))
    known = read_json(LOGINS).get("auths") or {}
    mine = {registry: entry for registry, entry in known.items() if registry in ours}
    if mine:
        _add_text(tar, f"{PROJECT}/docker/config.json", json.dumps({"auths": mine}), 0o600)


def units(other):
    """{name: text} of the units. The service is as this server has it, with the program where it lies there.

    Without a timer it tidies up itself.
    """
    name, away = UNIT.format(other["installation"]), other["away"]
    program = f"/usr/bin/env python3 -B {away['home']}/{PROGRAM}/backup.py"
    command = f"{program} drill"
    lines = [
        "# Managed by trenova.selfhost.", "[Unit]",
        f"Description=Drill with the newest backup of {other['installation']}",
        "After=docker.service network-online.target remote-fs.target", "Wants=network-online.target", "",
        "[Service]", "Type=oneshot",
        "Environment=DOCKER_HOST=unix:///run/docker.sock", f"ExecStart={command}",
        "# However it ended.", f"ExecStopPost={command} --remove", f"ExecStopPost={program} end",
        *([] if away["calendar"] else [f"ExecStopPost={command} --forget"]),
        f"TimeoutStartSec={other['timeout_seconds']}", "TimeoutStopSec=600",
        "# No weights: where Docker keeps its own cgroups of version 1, systemd takes the containers out of theirs for "
        "them.", "Nice=15", "IOSchedulingPriority=7"]
    found = {name: "\n".join([*lines, ""])}
    if away["calendar"]:
        found[name.replace(".service", ".timer")] = TIMER.format(
            installation=other["installation"], calendar=away["calendar"], delay=away["delay_seconds"])
    return found


def _add_text(tar, name, text, mode):
    content = text.encode()
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))


def _numbered(entry):
    """Owners by number: the other host knows other names."""
    entry.uname = entry.gname = ""
    return entry


def _copy(source, path):
    """A file, or a directory with what is in it. What nobody else reads is not read by anybody else there, either."""
    if os.path.isdir(source):
        os.makedirs(path, mode=0o700, exist_ok=True)
        shutil.copymode(source, path)
        for name in os.listdir(source):
            _copy(os.path.join(source, name), os.path.join(path, name))
        return
    with open(source, "rb") as stream, tempfile.NamedTemporaryFile(dir=os.path.dirname(path), delete=False) as made:
        made.write(stream.read())
    shutil.copymode(source, made.name)
    os.replace(made.name, path)


def _systemctl(*words):
    done = subprocess.run(["systemctl", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise BackupError(f"systemd does not take the unit of the drill: {done.stdout.strip() or 'it says nothing'}.")
