# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can be wrong with when backups are made, where to, with which key and who tries them; what to know of them."""

from __future__ import annotations

import datetime
import os
import re

try:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key
except ImportError:  # never with ansible-core, which requires it; ansible-test imports this without
    load_pem_private_key = load_ssh_private_key = None

from ansible_collections.trenova.selfhost.plugins.plugin_utils.backup import stores, targets, timetable
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.model import INVENTORY, Problem

KEY = "trenova_backup_key"
#: How a private key begins, and how one in ssh's own format does.
FIRST_LINE, OPENSSH = re.compile(rb"-----BEGIN [A-Z ]+-----\r?\n"), b"-----BEGIN OPENSSH"


def check_schedules(facts):
    """Works that calendars start do not get into each other's way."""
    told = facts.services["backup"].get("backup_status")
    figures = (facts.plan.get("services", {}).get("backup") or {}).get("settings")
    if told and figures:
        yield from timetable.problems(_works(told, figures, facts), datetime.date.fromtimestamp(facts.now))


def _works(told, figures, facts):
    delay, most = told.get("delay_seconds", 0), told.get("timeout_seconds", float("inf"))
    works = [("backup_schedule", "the backup", told["schedule"], figures["usual_minutes"])]
    if told.get("drill_schedule") and not stores.elsewhere(facts.all_services):
        works.append(("backup_drill_schedule", "the drill", told["drill_schedule"], figures["drill_minutes"]))
    return [timetable.Work(variable, title, calendar, delay, min(minutes * 60, most))
            for variable, title, calendar, minutes in works]


def check_targets(facts):
    """Directories of targets are none of those of the data: what removes one would take the other along."""
    project = facts.project
    ours = {project.data_dir: "the data", project.directory: "the project", project.data_dir + "-drill": "a drill"}
    for entry in facts.services["backup"].get("state") or []:
        # Those of targets alone are absolute.
        if not os.path.isabs(entry["path"]):
            continue
        path = os.path.normpath(entry["path"])
        for directory, holds in ours.items():
            if targets.is_within(path, directory) or targets.is_within(directory, path):
                how = f"lies in {directory}" if targets.is_within(path, directory) else f"holds {directory}"
                yield Problem(
                    f"The target {path} {how}, where {holds} is.", INVENTORY,
                    "backup_targets, or backup_directory: a directory of its own, on another disk, as "
                    "/var/backups/trenova")
                break


def check_key(facts):
    """The key of the backups is no other secret's, too: who may know that one would read all that was ever saved."""
    key = facts.variables.get(KEY)
    secrets = {name for service in facts.all_services.values()
               for name in (*(service.get("secrets") or {}), *(service.get("secrets_optional") or []))}
    for name in sorted(secrets - {KEY}):
        if key and facts.variables.get(name) == key:
            yield Problem(
                f"{KEY} and {name} are the same: whoever knows {name} reads all backups.",
                "where the inventory sets them",
                f"another {name}; or, where nothing was saved yet, remove the line of {KEY} and run: ansible-playbook "
                "playbooks/secrets.yml -i <inventory>")


def check_logins(facts):
    """The keys by which SFTP servers are entered can be read."""
    for variable, name in targets.private_keys(facts.variables.get("backup_targets")).items():
        fault = _key_fault(facts.variables.get(variable))
        if fault:
            yield Problem(
                f"{variable} {fault}, and target {name} is entered with it.",
                "where the inventory sets it",
                f"{variable}: all lines of a private key without a password, as ssh-keygen -t ed25519 -N '' writes it")


def _key_fault(text):
    """What is wrong with a private key, in words without it; None where nothing is, or where it is missing."""
    if not text or load_ssh_private_key is None:
        return None
    content = str(text).strip().encode() + b"\n"
    if not FIRST_LINE.match(content):
        # Python would take it in one line, and what enters the server does not.
        return "is no private key that can be read"
    load = load_ssh_private_key if content.startswith(OPENSSH) else load_pem_private_key
    try:
        load(content, None)
    except TypeError:
        return "is encrypted, and nobody is there at night who knows its password"
    except (ValueError, UnsupportedAlgorithm):
        return "is no private key that can be read"
    return None


def check_drill_host(facts):
    """A host that makes drills can read a target."""
    host, told = facts.variables.get("backup_drill_host"), facts.variables.get("backup_targets") or []
    if host and not any(isinstance(target, dict) and not target.get("directory") for target in told):
        yield Problem(
            f"{host} is to make the drills and cannot read any target: all are directories of the server itself.",
            INVENTORY, "backup_targets: one more, with s3 or sftp; or take backup_drill_host out")


def warnings(facts):
    """The key lies elsewhere, too, as somebody has said."""
    if not facts.variables.get("backup_key_kept"):
        yield (
            "Without trenova_backup_key no backup can be read, and nobody has said that it is kept elsewhere. Put it "
            "where neither the server nor this machine is, and set backup_key_kept: true.")


VARIABLES = ("backup_drill_host", "backup_key_kept", "backup_targets")
CHECKS = (check_schedules, check_targets, check_key, check_logins, check_drill_host)
WARNINGS = (warnings,)
