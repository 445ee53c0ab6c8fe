# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a backup saves: the declarations of all services as one ordered list of steps.

The role writes its scripts, its logins and its Compose fragment from this list, and knows no service by name.
"""

from __future__ import annotations

import os

from ansible_collections.trenova.selfhost.plugins.plugin_utils.description import is_available, runs_here

#: Kinds in the order in which they are saved: what refers to others before what it refers to, so that a backup lacks
#: nothing that a part of it points to. A service of one's own may keep names of rows in its files. Rows point to
#: objects, which are written before their rows and deleted after them: what a dump points to is still there when the
#: objects are mirrored, or that mirror moves it aside. Redis comes last: a job without its row fails and is seen, a row
#: without its job would wait for ever.
ORDER = ("directory", "postgres", "objects", "redis")
_HTTP_PORTS = {"http": 80, "https": 443}


def steps(services, data_dir):
    """Steps of a backup, in their order: what the available services declare, without kind none.

    services: descriptions by name, resolved. data_dir: directory of the state whose path is relative.

    Each step has `service`, `title`, `kind` and `name` (for messages), and by its kind:
    directory: `file` in the backup, absolute `path`, `without` (paths below it that are declared themselves).
    postgres: `host`, `port`, `login`, `password_variable`, `sslmode`, `ca`, `dumps` (each `name`, `database`, `file`)
    and `roles` (`name`, `file`).
    objects: `file`, a directory beside the backups, `url`, `region`, `access_key`, `password_variable`.
    redis: `file`, `host`, `port`, `password_variable`.

    Raises ValueError, with everything that is wrong, for an endpoint that a service does not have, and for two steps
    that would write the same file.
    """
    declared = [
        (name, service, index, entry) for name, service in sorted(services.items())
        for index, entry in enumerate(service.get("state") or [])]
    places = [_place(entry, data_dir) for _name, _service, _index, entry in declared]
    found = [part for part in declared if _is_saved_from_here(*part)]
    problems = [text for part in found for text in _endpoint_problems(*part)]
    if not problems:
        made = [_step(name, service, entry, data_dir, places) for name, service, _index, entry in found]
        problems = _shared_files(made)
    if problems:
        raise ValueError("\n".join(problems))
    return sorted(made, key=lambda step: ORDER.index(step["kind"]))


def files_of(step):
    """Names of the files and directories that a step writes."""
    return [part["file"] for part in ([*step["dumps"], step["roles"]] if step["kind"] == "postgres" else [step])]


def _is_saved_from_here(_name, service, _index, entry):
    kind = entry["backup"]["kind"]
    # A server of somebody else's has its files elsewhere.
    return kind != "none" and (runs_here(service) if kind == "directory" else is_available(service))


def _place(entry, data_dir):
    return os.path.normpath(os.path.join(data_dir, entry["path"]))


def _endpoint_problems(name, service, index, entry):
    wanted, known = entry["backup"].get("endpoint"), service.get("endpoints") or {}
    if wanted is not None and wanted not in known:
        yield (f"{name} is to be saved from its endpoint {wanted}, which it does not have. Write: in its "
               f"meta/service.yml, state[{index}].backup.endpoint: {' or '.join(sorted(known)) or 'an endpoint'}.")


def _shared_files(made):
    """Problems of steps that would write to the same file."""
    writers = {}
    for step in made:
        for file in files_of(step):
            writers.setdefault(file, []).append(step)
    return [
        "{} would both be saved as {}. Write: another path or backup.name in meta/service.yml of {}.".format(
            " and ".join(f"{step['name']} ({step['service']})" for step in both), file, both[-1]["service"])
        for file, both in writers.items() if len(both) > 1]


def _step(name, service, entry, data_dir, places):
    declared = entry["backup"]
    step = {"service": name, "title": service["title"], "kind": declared["kind"]}
    if declared["kind"] == "directory":
        return dict(step, **_directory(name, entry, data_dir, places))
    endpoint = service["endpoints"][declared["endpoint"]]
    store = declared.get("name", name)
    # The store that is called like its kind has the plain names, so that a second one changes none of them.
    prefix, suffix = ("", "") if store == declared["kind"] else (f"{store}-", f" of {store}")
    return dict(
        step, password_variable=declared["password_variable"], **_STORES[declared["kind"]](
            declared, endpoint, prefix, suffix))


def _directory(name, entry, data_dir, places):
    path = _place(entry, data_dir)
    short = os.path.normpath(entry["path"])
    return {
        "name": f"directory {short}", "file": f"directory-{name}-{short.strip('/').replace('/', '-')}.tar.zst",
        "path": path,
        "without": sorted({os.path.relpath(place, path) for place in places if place.startswith(path + os.sep)}),
    }


def _postgres(declared, endpoint, prefix, suffix):
    return {
        "name": "databases" + suffix, "host": endpoint["host"], "port": endpoint["port"], "login": declared["login"],
        "sslmode": declared["sslmode"], "ca": declared.get("ca", ""),
        "dumps": [
            {"name": f"database {database}{suffix}", "database": database, "file": f"{prefix}{database}.dump"}
            for database in declared["databases"]],
        "roles": {"name": "roles" + suffix, "file": prefix + "globals.sql"},
    }


def _objects(declared, endpoint, prefix, suffix):
    return {
        "name": "objects" + suffix, "file": prefix + "objects", "url": _url(declared["tls"], endpoint),
        "region": declared["region"], "access_key": declared["access_key"],
    }


def _redis(_declared, endpoint, prefix, suffix):
    return {
        "name": "redis" + suffix, "file": prefix + "redis.rdb", "host": endpoint["host"], "port": endpoint["port"]}


_STORES = {"postgres": _postgres, "objects": _objects, "redis": _redis}


def _url(tls, endpoint):
    """Address of an endpoint. Requests are signed with it, so it has no port where the scheme says it already."""
    scheme, port = "https" if tls else "http", int(endpoint["port"])
    return f"{scheme}://{endpoint['host']}" + ("" if port == _HTTP_PORTS[scheme] else f":{port}")
