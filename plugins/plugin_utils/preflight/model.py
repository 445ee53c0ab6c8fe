# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a check gets to see, and what it says."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.plugin_utils.problem import Problem

__all__ = ["INVENTORY", "Facts", "Problem", "is_available", "runs_here"]

INVENTORY = "group_vars of the inventory"


class Facts:
    """What the checks look at: variables of the inventory (resolved), capacity, plan, service descriptions."""

    def __init__(self, variables, capacity, plan, services, now=None, project_dir="/opt/trenova",
                 data_dir="/var/lib/trenova", given=(), known=(), certificate=None):
        self.variables = variables
        self.capacity = capacity
        self.plan = plan
        #: The services that run here, or will.
        self.services = {name: service for name, service in services.items() if runs_here(service)}
        #: Those, and what is switched off, absent, or somebody else's.
        self.all_services = services
        self.now = now
        self.project_dir = project_dir
        self.data_dir = data_dir
        #: Names that the inventory sets, and names that mean something.
        self.given = given
        self.known = known
        #: What is wrong with certificate files on the controller, in words.
        self.certificate = certificate


def runs_here(service):
    """Whether a service is a container of this host."""
    return service.get("enabled", True) and not service.get("absent")


def is_available(service):
    """Whether a service can be used from this host: it runs here, or is somebody else's."""
    return bool(service.get("external")) or runs_here(service)
