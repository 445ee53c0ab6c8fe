# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Everything that can be known to be wrong before anything is changed.

Every check is a function that takes the facts of one host and yields problems. All of them run, so that
one run tells all. A problem says what is wrong, where it stands, and what to write instead. What only one
service can check lies in of_services/.
"""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight import (
    engine,
    inventory,
    network,
    of_services,
    places,
    registries,
    server,
    services,
    texts,
    visitors,
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
    "check_registries", "warnings",
]

#: What is checked whatever services there are.
CHECKS = (
    server.check_plan, server.check_distribution, server.check_room, server.check_docker, server.check_ports,
    server.check_releases, server.check_project, server.check_directories, places.check_places,
    places.check_shares, server.check_clock, inventory.check_unknown,
    inventory.check_formats, inventory.check_required, inventory.check_names_differ, services.check_needs,
    inventory.check_secrets, registries.check_logins, services.check_images, services.check_own_limits,
    visitors.check_shared_formats, visitors.check_ipv6, texts.check_one_line, texts.check_references, texts.check_paths,
    engine.check_kind, engine.check_unit, engine.check_configuration, network.check_pools, network.check_forwarding,
)
#: What is told of a host, whatever services there are, and keeps nobody from anything.
WARNINGS = (engine.warnings, server.warnings)


def check_all(facts):
    """All problems of a host: what holds for any service, then what its services check themselves."""
    return [problem for check in (*CHECKS, *of_services.checks(facts.services)) for problem in check(facts)]


def warnings(facts):
    """All that a reader should know of a host before a change, in sentences."""
    return [sentence for tell in (*WARNINGS, *of_services.warnings(facts.services)) for sentence in tell(facts)]
