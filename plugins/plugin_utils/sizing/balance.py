# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Mode `balanced`: what the document's numbers leave of a host is shared out, most of it to PostgreSQL.

A service grows from the document's number to its share of the memory that containers may use, in steps of 256 MiB. On
a host where not all of them can, those that are decided first do: PostgreSQL, the API, Redis, RabbitMQ, MinIO.
"""

from __future__ import annotations

import math

#: Limits grow in steps of this size, so that a few MiB more or less of a host do not restart anything.
STEP_MB = 256


def share_mb(allocatable_mb: float, share: float, containers: float = 1) -> int:
    """Memory limit in MiB of one of some containers that have a share of what containers may use, in steps of 256.

    Source: chosen; what the services share adds up to 63 %, the rest is for the fixed ones and for growth by hand.
    """
    return int(share * allocatable_mb / containers / STEP_MB + 1e-9) * STEP_MB


class Growth:
    """The memory in MiB by which all limits of a host together may still exceed the document's numbers."""

    def __init__(self, left_mb: float = math.inf):
        self._left_mb = left_mb

    def grown(self, document_mb: int, wanted_mb: int, containers: float = 1) -> int:
        """The limit of each of some containers: what is wanted, as far as it is left, never less than the document."""
        wish = max(0, wanted_mb - document_mb)
        possible = self._left_mb / containers
        granted = wish if wish <= possible else min(wish, int(possible // STEP_MB) * STEP_MB)
        self._left_mb -= granted * containers
        return document_mb + granted
