# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Units of systemd that a service brings: whether they run as they shall, and how they are made to.

Every unit that can be enabled shall be: its file says so, by its [Install] section.
"""

from __future__ import annotations

import os

from ansible_collections.trenova.selfhost.plugins.module_utils.engine import EngineError

DIRECTORY = "/etc/systemd/system"
PROPERTIES = ("Id", "ActiveState", "SubState", "UnitFileState", "Type", "RemainAfterExit", "NeedDaemonReload")
ENABLED = ("enabled", "enabled-runtime", "static", "alias", "generated", "indirect")
SECONDS = 20


def path(unit):
    """Path of the file of a unit."""
    return os.path.join(DIRECTORY, unit)


def can_be_enabled(place):
    """Whether a file of a unit says that it can be enabled."""
    try:
        with open(place, encoding="utf-8", errors="replace") as stream:
            return "[Install]" in stream.read().splitlines()
    except OSError:
        return False


def ask(run, units):
    """{unit: what systemd says of it}, asked with one command; nothing where it does not answer."""
    if not units:
        return {}
    try:
        done = run(["systemctl", "show", "--property=" + ",".join(PROPERTIES), *units], SECONDS)
    except EngineError:
        return {}
    found = {}
    for block in done.stdout.split("\n\n") if done.returncode == 0 else []:
        told = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if told.get("Id") in units:
            found[told["Id"]] = told
    return found


def fault(told):
    """What a unit is in place of what it shall be, in words; None where it runs as it shall."""
    if told["UnitFileState"] not in ENABLED:
        return told["UnitFileState"] or "not known to systemd"
    runs_once = told.get("Type") == "oneshot" and told.get("RemainAfterExit") != "yes"
    if told["ActiveState"] not in ("active", "activating", "reloading") and not runs_once:
        return told["ActiveState"]
    if told["SubState"] == "elapsed":
        return "elapsed, and would not run again"
    return "changed, and not read again by systemd" if told.get("NeedDaemonReload") == "yes" else None


def switch_on(run, units, check):
    """Have units run as they shall.

    run: runs a command. check: the same, and raises where the command fails.
    """
    check(["systemctl", "daemon-reload"])
    check(["systemctl", "enable", "--quiet", *units])
    # Not `enable --now`, which starts what runs once, too, and leaves a timer as it is that has elapsed.
    off = [unit for unit, told in ask(run, units).items() if fault(told)]
    if off:
        check(["systemctl", "restart", *off])
