# Managed by trenova.selfhost.
"""What lives on this host, as a digest before and after a drill: that it is the same proves that nothing was touched.

Databases write into their files all the time, so of data it is the directories: which ones they are, and whose.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess

from trenova_backup.errors import BackupError

SECONDS = 120
PROJECT = "com.docker.compose.project"
#: Changes of it are those of a deployment.
DEPLOYED = ".state/host.json"


def look(settings):
    """{what: state} of the live project: containers, networks, volumes, directories with data, files."""
    found = _things(lambda labels: labels.get(PROJECT) == settings["project"], settings["project"])
    for store in settings.stores:
        if store.get("path") and store["path"] != settings["project_dir"]:
            found["directory " + store["path"]] = _identity(store["path"])
    found["files of the project"] = [_digest_of_files(settings["project_dir"])]
    return found


def others(project):
    """{what: state} of all containers, networks and volumes of this host but those of a project."""
    return _things(lambda labels: labels.get(PROJECT) != project)


def of_project(project):
    """Names of the containers of a project on this host."""
    return sorted(_ask("ps", "--all", "--filter", f"label={PROJECT}={project}", "--format", "{{.Names}}").split())


def _things(is_meant, project=None):
    """Those whose labels are meant. project: the only one that there can be any of."""
    narrowed, found = ["--filter", f"label={PROJECT}={project}"] if project else [], {}
    listing = _ask("ps", "--all", "--quiet", "--no-trunc", *narrowed).split()
    for entry in json.loads(_ask("inspect", *listing)) if listing else []:
        labels = entry["Config"]["Labels"] or {}
        if is_meant(labels) and labels.get("com.docker.compose.oneoff") != "True":
            state = entry["State"]
            found["container " + entry["Name"].lstrip("/")] = [
                entry["Id"][:12], state["Status"], state["StartedAt"], entry["RestartCount"],
                sorted(network["NetworkID"][:12] for network in entry["NetworkSettings"]["Networks"].values())]
    for kind in ("network", "volume"):
        for name in _ask(kind, "ls", *narrowed, "--format", "{{.Name}}").split():
            told = json.loads(_ask(kind, "inspect", name))[0]
            if is_meant(told.get("Labels") or {}):
                found[f"{kind} {name}"] = [told.get("Id", told.get("CreatedAt"))]
    return found


def digest(found):
    """One word for all of it."""
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16]


def changes(before, after):
    """What is not as it was, as words for people."""
    return [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]


def deployed(settings):
    """What changes with each deployment, which may happen meanwhile."""
    return _identity(os.path.join(settings["project_dir"], DEPLOYED), "st_mtime_ns")


def _identity(path, *more):
    try:
        told = os.stat(path)
    except OSError:
        return None
    return [getattr(told, name) for name in ("st_dev", "st_ino", "st_uid", "st_gid", "st_mode", *more)]


def _digest_of_files(directory):
    """Of configuration and secrets, without what a deployment and backups take down for themselves."""
    total = hashlib.sha256()
    for folder, names, files in os.walk(directory):
        names[:] = sorted(name for name in names if name != ".state")
        for name in sorted(files):
            path = os.path.join(folder, name)
            total.update(json.dumps([path, _identity(path, "st_size", "st_mtime_ns")]).encode())
    return total.hexdigest()[:16]


def _ask(*words):
    done = subprocess.run(["docker", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          errors="replace", check=False, timeout=SECONDS)
    if done.returncode:
        said = done.stderr.strip() or "it says nothing."
        raise BackupError(f"The Docker Engine does not tell what runs: {said}")
    return done.stdout
