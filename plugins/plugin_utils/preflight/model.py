# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a check gets to see, and what it says."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.plugin_utils.description import runs_here
from ansible_collections.trenova.selfhost.plugins.plugin_utils.problem import INVENTORY, Problem
from ansible_collections.trenova.selfhost.plugins.plugin_utils.project import Project

__all__ = ["INVENTORY", "Facts", "Problem", "content_of"]


class Facts:
    """What the checks look at: variables of the inventory (resolved), capacity, plan, service descriptions."""

    def __init__(
            self, variables, capacity, plan, services, now=None, project=None, given=(), known=(), formats=None,
            read=None):
        self.variables = variables
        self.capacity = capacity
        self.plan = plan
        #: The services that run here, or will.
        self.services = {name: service for name, service in services.items() if runs_here(service)}
        #: Those, and what is switched off, absent, or somebody else's.
        self.all_services = services
        self.now = now
        self.project = project or Project()
        #: Names that the inventory sets, and names that mean something.
        self.given = given
        self.known = known
        #: Formats of variables that no service owns.
        self.formats = formats or {}
        #: How a file on the controller is read, whose path is in a variable; it may be encrypted there.
        self.read = read or content_of


def content_of(path):
    """Text of a file."""
    with open(path, encoding="utf-8") as stream:
        return stream.read()
