# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Checks of one service: a file that is called like it, for what its description cannot say.

Such a file holds VARIABLES, the names of the inventory that its checks look at besides those of the description, and
CHECKS, functions that take the facts of a host on which the service runs and yield problems. WARNINGS, which may be
left out, yield sentences. Most services have none.
"""

from __future__ import annotations

import functools
import importlib


@functools.cache
def module_of(service):
    """The file of a service, None where there is none."""
    name = f"{__name__}.{service}"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return None


def variables(services):
    """Names of the inventory that the checks of these services look at."""
    return {name for service in services if (found := module_of(service)) for name in found.VARIABLES}


def checks(services):
    """The checks of these services, in their order; what several of them ask for is checked once."""
    found = [check for service in services if (module := module_of(service)) for check in module.CHECKS]
    return list(dict.fromkeys(found))


def warnings(services):
    """What tells of these services, in their order."""
    return [tell for service in services if (found := module_of(service)) for tell in getattr(found, "WARNINGS", ())]
