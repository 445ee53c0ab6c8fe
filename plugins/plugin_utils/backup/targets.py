# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Where backups go: a directory of the host, a bucket of an S3 service, a directory of an SFTP server."""

from __future__ import annotations

import itertools
import posixpath
import re
import urllib.parse

#: Names of targets stand in names of files and of rclone's remotes.
NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
PATH = re.compile(r"/[^:]*")
URL = re.compile(r"https?://[A-Za-z0-9.-]+(:\d+)?(/\S*)?")
#: A key of an SFTP server as ssh-keyscan tells it, without the host before it.
HOST_KEY = re.compile(r"(ssh|ecdsa|sk)-\S+ [A-Za-z0-9+/]+={0,3}( .*)?")
#: Ports that an address need not name.
PORTS = {"http": 80, "https": 443}
#: What makes a target one of a kind, and what that kind needs besides.
KINDS = {
    "directory": (),
    "s3": ("endpoint", "bucket", "access_key"),
    "sftp": ("host", "user", "host_key"),
}
#: Variables of the inventory with the secret of each kind, where a target names no other.
SECRETS = {"s3": "trenova_backup_s3_secret_key", "sftp": "trenova_backup_sftp_key"}
#: Where containers see the directories.
INSIDE = "/targets"


def targets(told, installation):
    """The targets of an installation as the program on its host takes them.

    told: backup_targets of the inventory. installation: name below which it lies in a bucket or on an SFTP server.

    Each has `name`, `kind`, `repository` (restic's), `objects` (rclone's remote of the objects), `directory` and
    `inside` for a directory, and `remote`: {option of rclone: value}, with `secret_variable` where there is a secret.

    Raises ValueError, with everything that is wrong.
    """
    problems = [text for number, target in enumerate(told) for text in _problems(number, target)]
    names = [target.get("name") for target in told if isinstance(target, dict)]
    problems += [
        f"Two of backup_targets are called {name}. Write: another name." for name in sorted(set(names), key=str)
        if names.count(name) > 1]
    if not told:
        problems.append("backup_targets is empty. Write: - {name: local, directory: /var/backups/trenova}, or "
                        "backup_enabled: false.")
    if not problems:
        problems = list(_shared_places(told, installation))
    if problems:
        raise ValueError("\n".join(problems))
    return [_target(target, installation) for target in told]


def needed_secrets(told):
    """{variable of the inventory: why it must be set} of the secrets of targets; what is no target has none."""
    return {
        target.get("secret_variable") or SECRETS[kind]: f"target {target.get('name')} of backup_targets has {kind}"
        for target in told if isinstance(target, dict) for kind in SECRETS if target.get(kind)}


def private_keys(told):
    """{variable of the inventory: name of the target} of the private keys by which servers are entered."""
    return {
        target.get("secret_variable") or SECRETS["sftp"]: target.get("name")
        for target in (told if isinstance(told, list) else []) if isinstance(target, dict) and target.get("sftp")}


def places(told):
    """The directories of targets as a description says them in `state`; what is no target makes none.

    Where all of them are on this host, they should not lie on the disk that holds the data.
    """
    directories = [target["directory"] for target in told if isinstance(target, dict) and target.get("directory")]
    because = {"kind": "none", "because": "it is where the backups lie"}
    return [
        {"path": directory, "apart": len(directories) == len(told), "backup": because} for directory in directories]


def _problems(number, target):
    where = f"backup_targets[{number}]"
    if not isinstance(target, dict):
        yield f"{where} is not a mapping. Write: - {{name: local, directory: /var/backups/trenova}}."
        return
    if not NAME.fullmatch(str(target.get("name", ""))):
        yield f"{where}.name is {target.get('name')!r}. Write: a short name of a-z 0-9 _ and -, as local or offsite."
    kinds = [kind for kind in KINDS if target.get(kind)]
    if len(kinds) != 1:
        yield f"{where} has {' and '.join(kinds) or 'neither directory nor s3 nor sftp'}. Write: exactly one of them."
        return
    unknown = sorted(set(target) - {"name", "secret_variable", *KINDS})
    if unknown:
        yield f"{where} has {', '.join(unknown)}, which says nothing here. Write: {kinds[0]} with its details."
    if kinds[0] == "directory":
        if not PATH.fullmatch(str(target["directory"])) or ".." in str(target["directory"]).split("/"):
            yield f"{where}.directory is no absolute path: {target['directory']}. Write: a path that begins with /."
    else:
        yield from _lacking(f"{where}.{kinds[0]}", target[kinds[0]], KINDS[kinds[0]])


def _shared_places(told, installation):
    """Problems of targets that are one place, or lie in one another: a second copy there is none."""
    known = [(target["name"], *_place_of(target, installation)) for target in told]
    for (name, server, path), (other, other_server, other_path) in itertools.combinations(known, 2):
        if server == other_server and (is_within(path, other_path) or is_within(other_path, path)):
            how = f"are the same place: {path}" if path == other_path else (
                f"lie in one another: {path} and {other_path}")
            yield (f"The targets {name} and {other} of backup_targets {how}. Write: another place for {other}, on "
                   "another disk or server; or one target.")


def _place_of(target, installation):
    """(server, path) of a target, equal for those that are one place. A server of two names is two."""
    if target.get("directory"):
        return "", posixpath.normpath(target["directory"])
    if target.get("s3"):
        details = target["s3"]
        address = urllib.parse.urlsplit(details["endpoint"].lower())
        server = (address.hostname, address.port or PORTS[address.scheme], address.path.strip("/"))
        return server, posixpath.normpath(_s3(target, installation)[1])
    details = target["sftp"]
    path = posixpath.normpath(_sftp(target, installation)[1])
    # A relative path begins where the user is at home.
    user = "" if path.startswith("/") else details["user"]
    return (details["host"].lower(), int(details.get("port", 22)), user), path


def is_within(path, other):
    """Whether a path is another one, or below it. Both are normalised."""
    return path == other or path.startswith(other.rstrip("/") + "/")


def _lacking(where, details, needed):
    if not isinstance(details, dict):
        yield f"{where} is not a mapping. Write: {', '.join(needed)}."
        return
    endpoint = details.get("endpoint")
    if endpoint and not URL.fullmatch(str(endpoint)):
        yield f"{where}.endpoint is no address of the web: {endpoint}. Write: as https://s3.company.com."
    for key in needed:
        if not details.get(key):
            yield f"{where}.{key} is missing. Write: {where.rpartition('.')[2]}: {{{key}: ...}}."
    keys = details.get("host_key") or []
    if any(not HOST_KEY.fullmatch(str(key)) for key in (keys if isinstance(keys, list) else [keys])):
        yield (f"{where}.host_key is no key of a server. Write: as ssh-keyscan tells it, without the host before it: "
               "ssh-ed25519 AAAA...")


def _target(told, installation):
    kind = next(kind for kind in KINDS if told.get(kind))
    remote, place = _MAKERS[kind](told, installation)
    name = told["name"]
    target = {"name": name, "kind": kind, "objects": f"objects-{name}", "remote": remote, "place": place}
    if kind == "directory":
        return dict(target, directory=told["directory"], inside=f"{INSIDE}/{name}",
                    repository=f"{INSIDE}/{name}/restic")
    if kind == "sftp":
        port = int(told["sftp"].get("port", 22))
        host = told["sftp"]["host"] if port == 22 else f"[{told['sftp']['host']}]:{port}"
        keys = told["sftp"]["host_key"]
        # rclone takes whichever of its keys the server offers first.
        target["known_hosts"] = [f"{host} {key}" for key in (keys if isinstance(keys, list) else [keys])]
    return dict(
        target, repository=f"rclone:target-{name}:{place}/restic",
        secret_variable=told.get("secret_variable") or SECRETS[kind])


def _directory(told, _installation):
    return {"type": "alias", "remote": f"{INSIDE}/{told['name']}"}, ""


def _s3(told, installation):
    details = told["s3"]
    remote = {
        "type": "s3", "provider": "Other", "endpoint": details["endpoint"],
        "region": details.get("region", "us-east-1"), "access_key_id": details["access_key"],
        # The bucket is there, and its key may not be one that makes buckets.
        "no_check_bucket": "true"}
    return remote, f"{details['bucket']}/{details.get('prefix', installation)}".strip("/")


def _sftp(told, installation):
    details = told["sftp"]
    remote = {
        "type": "sftp", "host": details["host"], "port": str(details.get("port", 22)), "user": details["user"],
        "known_hosts_file": "/run/trenova/config/known_hosts",
        # What a shell on that server would be asked for is not needed, and often not there.
        "shell_type": "none", "md5sum_command": "none", "sha1sum_command": "none"}
    return remote, f"{details.get('path', '').rstrip('/')}/{installation}" if details.get("path") else installation


_MAKERS = {"directory": _directory, "s3": _s3, "sftp": _sftp}
