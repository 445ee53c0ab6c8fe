# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Mode `balanced`: what the document's numbers leave of a host is shared out, most of it to PostgreSQL.

A service grows from the document's number to its share of the memory that containers may use, in steps of 256 MiB. On
a host where not all of them can, all shares are taken of the largest part of that memory with which the limits fit: so
no service has less on a host with more memory, and PostgreSQL, whose share is the largest, grows first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.arguments import above_zero, formula, part

#: Limits grow in steps of this size, so that a few MiB more or less of a host do not restart anything.
STEP_MB = 256


@formula(share=part, containers=above_zero)
def share_mb(allocatable_mb: float, share: float, containers: float = 1) -> int:
    """Memory limit in MiB of one of some containers that have a share of what containers may use, in steps of 256.

    Source: chosen; what the services share adds up to 63 %, the rest is for the fixed ones and for growth by hand.
    """
    return _share_mb(allocatable_mb, share, containers)


def _share_mb(allocatable_mb, share, containers) -> int:
    return int(share * allocatable_mb / containers / STEP_MB + 1e-9) * STEP_MB


class Claim(NamedTuple):
    """What a service may grow to."""

    #: What it has anyway, and the limit beyond which more does not help.
    least_mb: int
    most_mb: float
    #: Its part of what containers may use, divided among so many of them.
    share: float
    containers: float
    #: The memory that all its containers take where one of them has a limit of so many MiB.
    total_mb: Callable[[int], float]

    def limit_mb(self, of_mb: float) -> int:
        """The limit of one container where shares are taken of so many MiB."""
        return int(max(self.least_mb, min(_share_mb(of_mb, self.share, self.containers), self.most_mb)))


class Growth:
    """The memory in MiB that shares of a host are taken of, and who has claimed one."""

    def __init__(self, of_mb: float = math.inf):
        self._of_mb = of_mb
        self._claims: list[Claim] = []

    def grown(self, claim: Claim, allocatable_mb: float) -> int:
        """The limit of each container of a service on a host that can allocate so much."""
        self._claims.append(claim)
        return claim.limit_mb(min(self._of_mb, allocatable_mb))

    def within(self, allocatable_mb: int, excess_mb: int) -> Growth:
        """The largest part of a host of which the same services may take their shares, with so much less in all."""
        def taken(of_mb):
            return sum(claim.total_mb(claim.limit_mb(of_mb)) for claim in self._claims)

        left_mb = taken(min(self._of_mb, allocatable_mb)) - excess_mb
        low, high = 0, allocatable_mb
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if taken(middle) <= left_mb else (low, middle)
        return Growth(low)
