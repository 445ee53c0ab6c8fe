# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Everything that can be known to be wrong before anything is changed.

Every check is a function that takes the facts of one host and yields problems. All of them run, so that
one run tells all. A problem says what is wrong, where it stands, and what to write instead. What only one
service can check lies in of_services/.
"""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight import (
    inventory,
    of_services,
    registries,
    server,
    services,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.controller import check_packages
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.inventory import check_address
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.model import (
    INVENTORY,
    Facts,
    Problem,
)
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.registries import check_registries
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.services import check_reachable

__all__ = [
    "INVENTORY", "Facts", "Problem", "check_address", "check_all", "check_packages", "check_reachable",
    "check_registries",
]

#: What is checked whatever services there are.
CHECKS = (
    server.check_plan, server.check_distribution, server.check_room, server.check_docker, server.check_ports,
    server.check_releases, server.check_project, server.check_directories, server.check_clock, inventory.check_unknown,
    inventory.check_formats, inventory.check_required, inventory.check_names_differ, services.check_needs,
    inventory.check_secrets, registries.check_logins, services.check_images, services.check_own_limits,
)


def check_all(facts):
    """All problems of a host: what holds for any service, then what its services check themselves."""
    return [problem for check in (*CHECKS, *of_services.checks(facts.services)) for problem in check(facts)]
