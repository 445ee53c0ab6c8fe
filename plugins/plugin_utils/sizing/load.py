# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""From users to load: requests, what is under way at once, and how far more instances help."""

from __future__ import annotations

import math

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.arguments import above_zero, formula, part

#: API calls that one action of a user makes; seconds a user thinks; seconds an action takes. Assumptions.
CALLS_PER_ACTION = 4
THINK_SECONDS = 10
RESPONSE_SECONDS = 0.2
PEAK_FACTOR = 2.5
#: Requests per second that a core answers, and how busy it may be. Assumptions, to be measured.
REQUESTS_PER_CORE = 200
BUSY_SHARE = 0.6


#: Seconds for which a request holds a connection to the database, and how busy the connections of a pool may be, so
#: that a burst finds a free one. Assumptions, to be measured.
DATABASE_SECONDS = 0.015
POOL_BUSY_SHARE = 0.75
#: Part of the requests that carry a document, and how long one takes. Assumptions: a photo or scan of 2 MB.
UPLOAD_SHARE = 0.05
UPLOAD_SECONDS = 1.0


@formula
def requests_per_second(users: float, calls_per_action: float = CALLS_PER_ACTION,
                        think_seconds: float = THINK_SECONDS, response_seconds: float = RESPONSE_SECONDS) -> float:
    """Requests per second of so many concurrent users: each acts, waits for the answer and thinks, X = U * k / (Z + R).

    Source: interactive response time law; 4 calls, 10 s of thought and 0.2 s of response are assumptions.
    """
    pause = above_zero("think_seconds + response_seconds", think_seconds + response_seconds)
    return users * calls_per_action / pause


@formula(peak_factor=1)
def peak_requests_per_second(average_per_second: float, peak_factor: float = PEAK_FACTOR) -> float:
    """Requests per second in the busiest minutes: 2.5 times the average. Source: an assumption."""
    return peak_factor * average_per_second


@formula(cpus=above_zero, requests_per_core=above_zero, busy_share=part)
def instances(peak_per_second: float, cpus: float = 1, requests_per_core: float = REQUESTS_PER_CORE,
              busy_share: float = BUSY_SHARE, highly_available: bool = False) -> int:
    """Instances that answer a peak of requests per second, each with so many cores at 60 % of 200 requests per second
    and core; one more where one may fail.

    The plan takes the tier's number where that is higher. Source: utilisation law; both figures are assumptions.
    """
    per_core = requests_per_core * above_zero("busy_share", busy_share)
    return int(math.ceil(peak_per_second / (per_core * cpus))) + highly_available


@formula
def busy_database_connections(peak_per_second: float, database_seconds: float = DATABASE_SECONDS) -> float:
    """Connections to the database, as a number, that so many requests per second keep busy on average.

    Source: Little's law; 15 ms for each request are an assumption.
    """
    return peak_per_second * database_seconds


@formula(upload_share=part)
def busy_uploads(peak_per_second: float, upload_share: float = UPLOAD_SHARE,
                 upload_seconds: float = UPLOAD_SECONDS) -> float:
    """Documents, as a number, that are on their way to or from the object store at once.

    Source: Little's law; one in twenty requests and a second for each are assumptions.
    """
    return peak_per_second * upload_share * upload_seconds
