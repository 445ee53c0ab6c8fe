# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Asynq: which queue is served how often, and how many jobs a worker takes at once."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing import arguments
from ansible_collections.trenova.selfhost.plugins.plugin_utils.sizing.model import clamp

#: Jobs wait for the database nine tenths of their time, so ten of them keep a core busy.
JOBS_PER_CORE = 10
#: Memory in MiB of a job. An assumption.
JOB_MB = 24
LEAST_CONCURRENCY = 5
MOST_CONCURRENCY = 50


def shares(weights):
    """Part of the dequeues, as a number between 0 and 1, that begins with each queue: w / sum of all weights.

    `weights` maps queues to weights of at least 1, or lists the weights; the result has the same form. Source: asynq,
    weighted priorities, which starve no queue.
    """
    named = weights if isinstance(weights, Mapping) else dict(enumerate(weights))
    if not named:
        raise ValueError("weights: expected the weight of at least one queue, got none")
    checked = {queue: arguments.whole(f"weights[{queue}]", weight, 1) for queue, weight in named.items()}
    total = sum(checked.values())
    found = {queue: weight / total for queue, weight in checked.items()}
    return found if isinstance(weights, Mapping) else list(found.values())


def concurrency(cpus: float, worker_memory_mb: float, database_connections: int | None = None) -> int:
    """Jobs that a worker takes at once: 10 for each core, as far as its memory has 24 MiB for each; 5 to 50.

    Never more than the `database_connections` that are left for jobs. Source: cores * (1 + wait / compute) with a
    ratio of 9, and the memory of a job; assumptions.
    """
    cores = math.ceil(arguments.above_zero("cpus", cpus))
    jobs = min(JOBS_PER_CORE * cores, int(arguments.amount("worker_memory_mb", worker_memory_mb) // JOB_MB))
    wanted = clamp(jobs, LEAST_CONCURRENCY, MOST_CONCURRENCY)
    if database_connections is None:
        return wanted
    return min(wanted, arguments.whole("database_connections", database_connections, 1))
