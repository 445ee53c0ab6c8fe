# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can be wrong with the client's own part of the inventory."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.plugin_utils import compose
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.inventory import check_domain


def warnings(facts):
    """Where containers are confined, what is mounted from a directory of somebody's must have their label."""
    directory = facts.variables.get("client_directory")
    if directory and compose.is_confined(facts.capacity):
        yield (
            f"The Engine confines containers by SELinux, and {directory} is not labelled here, because it is not ours: "
            f"chcon --recursive --type=container_file_t {directory}")


VARIABLES = ("client_directory",)
CHECKS = (check_domain,)
WARNINGS = (warnings,)
