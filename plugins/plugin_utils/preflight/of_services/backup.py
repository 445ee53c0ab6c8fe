# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a reader should know of the backups before a change."""

from __future__ import annotations


def warnings(facts):
    """The key lies elsewhere, too, as somebody has said."""
    if not facts.variables.get("backup_key_kept"):
        yield (
            "Without trenova_backup_key no backup can be read, and nobody has said that it is kept elsewhere. Put it "
            "where neither the server nor this machine is, and set backup_key_kept: true.")


VARIABLES = ("backup_key_kept",)
CHECKS = ()
WARNINGS = (warnings,)
