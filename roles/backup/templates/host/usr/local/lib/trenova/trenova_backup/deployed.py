# Managed by trenova.selfhost.
"""What an installation was deployed with, taken down with each backup of everything.

Its files are a store by themselves. What a host that knows nothing of it cannot see in them stands here:

    {settings: those of the backups, machine, images: {reference: repository@digest},
     mounted: {path: {owner: [user, group], mode, content}}}

mounted: directories and files with data that containers mount. content: of small files, in base64, which something of
ours has made and nobody saves.
"""

from __future__ import annotations

import base64
import os
import platform

STORE, PART, FILE = "deployment", "deployed", "deployed.json"
#: Bytes of a file that is taken down.
CONTENT_BYTES = 1_000_000


def taken_down(settings, engine):
    """All of it, as it is now. Raises BackupError where Compose does not tell the project."""
    model = engine.model()
    return {
        "settings": settings.content, "machine": platform.machine(),
        "images": engine.digests(sorted({definition["image"] for definition in model["services"].values()})),
        "mounted": {path: told for path, told in map(_place, sources(model, data_places(settings))) if told}}


def data_places(settings):
    """Directories below which data lies: that of all data, and those of stores elsewhere."""
    return [settings["data_dir"], *(store["path"] for store in settings.stores if store.get("path")
                                    and store["path"] != settings["project_dir"])]


def sources(model, places):
    """Paths of the host that containers of a project mount and that lie below some directories, in order."""
    found = {volume["source"] for definition in model["services"].values()
             for volume in definition.get("volumes") or [] if volume.get("type") == "bind"}
    return sorted(path for path in found
                  if any((path + "/").startswith(place.rstrip("/") + "/") for place in places))


def make(path, told):
    """Make a directory or a file as it was taken down; one of root's that nobody else enters where nothing was."""
    told = told or {"owner": [0, 0], "mode": 0o700}
    if "content" in told:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as stream:
            stream.write(base64.b64decode(told["content"]))
    else:
        os.makedirs(path, exist_ok=True)
    os.chown(path, *told["owner"])
    os.chmod(path, told["mode"])


def _place(path):
    try:
        found = os.stat(path)
        told = {"owner": [found.st_uid, found.st_gid], "mode": found.st_mode & 0o7777}
        if os.path.isfile(path):
            if found.st_size > CONTENT_BYTES:
                return path, None
            with open(path, "rb") as stream:
                told["content"] = base64.b64encode(stream.read()).decode()
        return path, told
    except OSError:
        return path, None
