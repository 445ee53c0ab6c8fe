# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Commands and signals that make a running service read its files."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.module_utils.converge.errors import ConvergeError

LAST_LINES = 20


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
    if entry["signal"]:
        return "{signal} {container}".format(**entry)
    return " ".join(entry["command"])


def run(entry, tools):
    """Run one entry. Raises ConvergeError or EngineError where it fails."""
    if entry["signal"]:
        tools.engine.signal(entry["container"], entry["signal"])
    elif entry["container"]:
        tools.engine.exec_(entry["container"], entry["command"])
    else:
        on_host(entry["command"], tools)


def on_host(command, tools):
    """Run a command on the host. Raises ConvergeError with its last lines where it fails."""
    done = tools.run(command)
    if done.returncode != 0:
        raise ConvergeError("{} failed".format(" ".join(command)), done.stdout.splitlines()[-LAST_LINES:])
