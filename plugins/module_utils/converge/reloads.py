# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Commands and signals that make a running service read its files."""

from __future__ import annotations

import os
import tempfile

from ansible_collections.trenova.selfhost.plugins.module_utils.converge.errors import ConvergeError
from ansible_collections.trenova.selfhost.plugins.module_utils.engine import EngineError
from ansible_collections.trenova.selfhost.plugins.module_utils.files import TEMPORARY

LAST_LINES = 20
VALIDATE_SECONDS = 60
#: Stands in a command that validates for the path of the file.
FILE = "{file}"


def due(service, changed, was_interrupted, restarted, existing):
    """The entries of `reload` that have to run.

    changed: paths that were written. was_interrupted: an earlier run wrote files and did not get here. restarted:
    containers that this run has started, which have read their files. existing: containers that are there.
    """
    found = []
    for entry in service["reload"]:
        container = entry["container"]
        if container in restarted:
            is_due = entry["after_start"]
        else:
            exists = container is None or container in existing
            is_due = exists and (was_interrupted or bool(changed.intersection(entry["files"])))
        if is_due:
            found.append(entry)
    return found


def words(entry):
    """What an entry does, for results."""
    if entry["says"]:
        return entry["says"]
    if entry["signal"]:
        return "{signal} {container}".format(**entry)
    return " ".join(entry["command"])


def validate(service, changed_files, tools):
    """Have the programs that will read changed files look at them first. Raises ConvergeError where one refuses."""
    for entry in service["reload"]:
        for managed in changed_files if entry["validate"] else []:
            if managed.path in entry["files"]:
                _validate(entry["validate"], managed, tools)


def _validate(command, managed, tools):
    os.makedirs(os.path.dirname(managed.path), mode=0o755, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(managed.path), prefix=TEMPORARY) as stream:
        stream.write(managed.content)
        stream.flush()
        done = tools.run([stream.name if word == FILE else word for word in command], VALIDATE_SECONDS)
    if done.returncode != 0:
        lines = done.stdout.replace(stream.name, managed.path).splitlines()[-LAST_LINES:]
        raise ConvergeError(f"{command[0]} refuses the new {managed.path}; nothing was changed", lines)


def run(entry, tools):
    """Run one entry. Raises ConvergeError or EngineError where it fails."""
    if entry["signal"]:
        tools.engine.signal(entry["container"], entry["signal"])
    elif entry["container"]:
        tools.engine.exec_(entry["container"], entry["command"])
    else:
        on_host(entry["command"], tools, entry["says"], entry["log"])


def on_host(command, tools, says=None, log=None):
    """Run a command on the host. Of a service that does not start, only its log tells why: `log` prints that."""
    done = tools.run(command)
    if done.returncode != 0:
        lines = (_log_lines(log, tools) if log else []) or done.stdout.splitlines()[-LAST_LINES:]
        what = " ".join(command)
        raise ConvergeError(f"{says}: {what} failed" if says else f"{what} failed", lines)


def _log_lines(command, tools):
    try:
        done = tools.run(command, VALIDATE_SECONDS)
    except EngineError:
        return []
    return done.stdout.splitlines()[-LAST_LINES:] if done.returncode == 0 else []
