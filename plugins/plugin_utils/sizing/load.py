# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""From users to load: requests, what is under way at once, and how far more instances help."""

from __future__ import annotations

import math

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import arguments

#: API calls that one action of a user makes; seconds a user thinks; seconds an action takes. Assumptions.
CALLS_PER_ACTION = 4
THINK_SECONDS = 10
RESPONSE_SECONDS = 0.2
PEAK_FACTOR = 2.5
#: Requests per second that a core answers, and how busy it may be. Assumptions, to be measured.
REQUESTS_PER_CORE = 200
BUSY_SHARE = 0.6


def requests_per_second(users: float, calls_per_action: float = CALLS_PER_ACTION,
                        think_seconds: float = THINK_SECONDS, response_seconds: float = RESPONSE_SECONDS) -> float:
    """Requests per second of so many concurrent users: each acts, waits for the answer and thinks, X = U * k / (Z + R).

    Source: interactive response time law; 4 calls, 10 s of thought and 0.2 s of response are assumptions.
    """
    pause = arguments.amount("think_seconds", think_seconds) + arguments.amount("response_seconds", response_seconds)
    arguments.above_zero("think_seconds + response_seconds", pause)
    return arguments.amount("users", users) * arguments.amount("calls_per_action", calls_per_action) / pause


def peak_requests_per_second(average_per_second: float, peak_factor: float = PEAK_FACTOR) -> float:
    """Requests per second in the busiest minutes: 2.5 times the average. Source: an assumption."""
    return arguments.amount("peak_factor", peak_factor, 1) * arguments.amount("average_per_second", average_per_second)


def instances(peak_per_second: float, cpus: float = 1, requests_per_core: float = REQUESTS_PER_CORE,
              busy_share: float = BUSY_SHARE, highly_available: bool = False) -> int:
    """Instances that answer a peak of requests per second, each with so many cores at 60 % of 200 requests per second
    and core; one more where one may fail.

    The plan takes the tier's number where that is higher. Source: utilisation law; both figures are assumptions.
    """
    peak = arguments.amount("peak_per_second", peak_per_second)
    per_core = (arguments.above_zero("requests_per_core", requests_per_core)
                * arguments.above_zero("busy_share", arguments.part("busy_share", busy_share)))
    return int(math.ceil(peak / (per_core * arguments.above_zero("cpus", cpus)))) + bool(highly_available)
