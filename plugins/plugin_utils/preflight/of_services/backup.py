# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can be wrong with who makes the drills, and what a reader should know of the backups before a change."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.model import INVENTORY, Problem


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
CHECKS = (check_drill_host,)
WARNINGS = (warnings,)
