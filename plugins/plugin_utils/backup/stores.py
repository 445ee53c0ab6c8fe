# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a backup saves: the declarations of all services as one ordered list of stores.

The role writes its settings, its logins and its Compose fragment from this list, and knows no service by name. How a
kind of store is saved and brought back is known by the program on the host (kinds/ of trenova_backup).
"""

from __future__ import annotations

import os
import re

from ansible_collections.trenova.selfhost.plugins.plugin_utils.description import (
    container_names,
    is_available,
    runs_here,
)

#: Kinds in the order in which they are saved: what refers to others before what it refers to, so that a backup lacks
#: nothing that a part of it points to. A service of one's own may keep names of rows in its files. Rows point to
#: objects, which are written before their rows and deleted after them: what a database points to is still there when
#: the objects are mirrored, or that mirror moves it aside. Redis comes last: a job without its row fails and is seen, a
#: row without its job would wait for ever.
ORDER = ("directory", "command", "postgres", "objects", "redis")
#: Kinds that lie on this host or nowhere.
LOCAL = frozenset(("directory", "command"))
#: What is saved of the project itself.
INSTALLATION = "installation"
_HTTP_PORTS = {"http": 80, "https": 443}
#: What the name of a store is made of: it stands in tags, names of files and of jobs.
_OTHER = re.compile(r"[^A-Za-z0-9_-]+")


def stores(services, data_dir, project_dir=None):
    """Stores of a backup, in their order: what the available services declare, without kind none.

    services: descriptions by name, resolved. data_dir: directory of the state whose path is relative. project_dir: of
    the Compose project; with it, configuration, plan and secrets are a store, too.

    Each has `store` (its name), `service`, `title` and `kind`, and where its files are on this host `path` (of their
    directory, absolute), `owner` (user and group by number), and `folder` where that is one of the declared directory.
    By its kind, it has besides:
    directory: `inside` (where the reader sees it), `without` (paths below that are declared themselves).
    command: `container`, `command`, `restore` (what takes the output again, [] where nothing does), `file`.
    postgres: `host`, `port`, `login`, `password_variable`, `sslmode`, `ca`, `databases`, `physical`, `incremental`,
    `slot`, `image` (that of the server, None for somebody else's).
    objects: `url`, `region`, `access_key`, `password_variable`. redis: `host`, `port`, `password_variable`.

    Raises ValueError, with everything that is wrong, for an endpoint or a container that a service does not have, and
    for two stores of the same name.
    """
    declared = [
        (name, service, index, entry) for name, service in sorted(services.items())
        for index, entry in enumerate(service.get("state") or [])]
    places = [_place(entry, data_dir) for _name, _service, _index, entry in declared]
    found = [part for part in declared if _is_saved_from_here(*part)]
    problems = [text for part in found for text in _problems(*part)]
    if not problems:
        made = [_installation(project_dir)] if project_dir else []
        made += [_store(name, service, entry, data_dir, places) for name, service, _index, entry in found]
        problems = _shared_names(made)
    if problems:
        raise ValueError("\n".join(problems))
    return sorted(made, key=lambda store: ORDER.index(store["kind"]))


def elsewhere(services):
    """Titles of the services whose data is saved from a server of somebody else's: there is no second one to drill."""
    return [
        service["title"] for _name, service in sorted(services.items()) if is_available(service)
        and not runs_here(service) and any(
            entry["backup"]["kind"] not in (*LOCAL, "none") for entry in service.get("state") or [])]


def _is_saved_from_here(_name, service, _index, entry):
    kind = entry["backup"]["kind"]
    # A server of somebody else's has its files elsewhere.
    return kind != "none" and (runs_here(service) if kind in LOCAL else is_available(service))


def _place(entry, data_dir):
    return os.path.normpath(os.path.join(data_dir, entry["path"]))


def _problems(name, service, index, entry):
    wanted, known = entry["backup"].get("endpoint"), service.get("endpoints") or {}
    if wanted is not None and wanted not in known:
        yield (f"{name} is to be saved from its endpoint {wanted}, which it does not have. Write: in its "
               f"meta/service.yml, state[{index}].backup.endpoint: {' or '.join(sorted(known)) or 'an endpoint'}.")
    container, kinds = entry["backup"].get("container", "main"), service.get("containers") or {}
    if entry["backup"]["kind"] == "command" and container not in kinds:
        yield (f"{name} is to be saved by its container {container}, which it does not have. Write: in its "
               f"meta/service.yml, state[{index}].backup.container: {' or '.join(sorted(kinds)) or 'a container'}.")


def _installation(project_dir):
    return {
        "service": "installation", "store": INSTALLATION, "kind": "directory", "without": [], "path": project_dir,
        "title": "Configuration, plan and secrets", "inside": "/state/" + INSTALLATION}


def _shared_names(made):
    """Problems of stores that would lie in the same place of a backup."""
    named = {}
    for store in made:
        named.setdefault(store["store"], []).append(store)
    return [
        "{} would both be saved as {}. Write: another path or backup.name in meta/service.yml of {}.".format(
            " and ".join(f"{store['title']} ({store['service']})" for store in both), name, both[-1]["service"])
        for name, both in named.items() if len(both) > 1]


def _store(name, service, entry, data_dir, places):
    declared = entry["backup"]
    store = {"service": name, "kind": declared["kind"], "store": declared.get("name", name), "title": service["title"]}
    if declared["kind"] in LOCAL:
        return dict(store, **_LOCAL[declared["kind"]](name, service, entry, data_dir, places))
    if runs_here(service):
        store.update(path=os.path.join(_place(entry, data_dir), declared.get("folder", "")).rstrip("/"),
                     owner=_owner(service, entry))
        if declared.get("folder"):
            store["folder"] = declared["folder"]
    endpoint = service["endpoints"][declared["endpoint"]]
    return dict(
        store, password_variable=declared["password_variable"], **_REMOTE[declared["kind"]](
            declared, endpoint, service))


def _owner(service, entry):
    return [entry.get("owner", service.get("user", 0)), entry.get("group", service.get("group", 0))]


def _directory(name, service, entry, data_dir, places):
    path, declared = _place(entry, data_dir), entry["backup"]
    short = os.path.normpath(entry["path"]).strip("/")
    store = declared.get("name") or _OTHER.sub("-", short if short.startswith(name) else f"{name}-{short}")
    return {
        "store": store, "title": f"{service['title']}, directory {os.path.normpath(entry['path'])}", "path": path,
        "inside": "/state/" + store, "owner": _owner(service, entry),
        "without": sorted({os.path.relpath(place, path) for place in places if place.startswith(path + os.sep)}),
    }


def _command(name, service, entry, _data_dir, _places):
    declared = entry["backup"]
    return {
        "container": container_names(service, declared.get("container", "main"))[0], "command": declared["command"],
        "restore": declared.get("restore", []), "file": declared["file"], "store": declared.get("name", name)}


def _postgres(declared, endpoint, service):
    physical = bool(declared.get("physical"))
    return {
        "host": endpoint["host"], "port": endpoint["port"], "login": declared["login"],
        "sslmode": declared["sslmode"], "ca": declared.get("ca", ""), "databases": list(declared["databases"]),
        "physical": physical, "incremental": physical and bool(declared.get("incremental")),
        "slot": "trenova_archive", "image": service.get("image") if runs_here(service) else None,
    }


def _objects(declared, endpoint, _service):
    return {
        "url": _url(declared["tls"], endpoint), "region": declared["region"], "access_key": declared["access_key"]}


def _redis(_declared, endpoint, _service):
    return {"host": endpoint["host"], "port": endpoint["port"]}


_LOCAL = {"directory": _directory, "command": _command}
_REMOTE = {"postgres": _postgres, "objects": _objects, "redis": _redis}


def _url(tls, endpoint):
    """Address of an endpoint. Requests are signed with it, so it has no port where the scheme says it already."""
    scheme, port = "https" if tls else "http", int(endpoint["port"])
    return f"{scheme}://{endpoint['host']}" + ("" if port == _HTTP_PORTS[scheme] else f":{port}")
