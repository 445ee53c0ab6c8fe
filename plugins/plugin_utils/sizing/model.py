# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The values that the engine works with. All of them are immutable and say their units."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

TIERS = ("minimum", "small", "medium", "large")

#: Variable of the inventory behind each entry of the intent; messages name what the operator can set.
VARIABLES = {
    "tier": "trenova_tier",
    "users": "trenova_users",
    "mode": "trenova_mode",
    "overrides": "trenova_plan_overrides",
    "strict": "trenova_strict",
    "accept_undersized_host": "trenova_accept_undersized_host",
    "accept_overcommit": "trenova_accept_overcommit",
    "accept_backup_on_data_disk": "trenova_accept_backup_on_data_disk",
    "reserved_memory_mb": "trenova_reserved_memory_mb",
    "restore_document": "trenova_restore_document",
    "minio_mode": "minio_mode",
    "pool_mode": "pgbouncer_pool_mode",
    "services": "roles of the play",
    "profile": "application profile",
    "foreign": "resources of other roles",
}


class PlanError(ValueError):
    """The input cannot be used. `problems` holds one sentence for each thing that is wrong, all of them at once."""

    def __init__(self, problems):
        self.problems = list(problems)
        super().__init__("; ".join(self.problems))


@dataclass(frozen=True)
class Capacity:
    """What a host has. Memory in MiB, disks in decimal GB (as disks are sold)."""

    cores: float
    memory_mb: int
    disk_free_gb: float
    disk_total_gb: float
    disk_used_by_trenova_gb: float
    disk_kind: str
    architecture: str
    #: Whether the backups go to the file system that holds the data; None where that is not known.
    backup_on_data_disk: bool | None = None
    #: Memory in MiB that other software on the host needs.
    reserved_memory_mb: int = 0

    @property
    def disk_available_gb(self) -> float:
        """Free space as it was before we came: our own data must not make a second run refuse."""
        return min(self.disk_total_gb, round(self.disk_free_gb + self.disk_used_by_trenova_gb, 3))

    @property
    def usable_memory_mb(self) -> int:
        """Memory in MiB without what other software on the host needs."""
        return max(0, self.memory_mb - self.reserved_memory_mb)

    @property
    def whole_cores(self) -> int:
        """Cores as a program counts them, at least one."""
        return max(1, int(self.cores))


@dataclass(frozen=True)
class Profile:
    """What the engine must know of the application's version; the defaults are those of v0.7.2."""

    #: Jobs that a process works on at once.
    job_concurrency: int = 10
    #: Whether a worker can be told to work on jobs alone, so that instances need not.
    worker_only: bool = False
    #: Seconds that a process needs to hand back its jobs and end.
    stop_seconds: int = 40


@dataclass(frozen=True)
class Intent:
    """What the operator wants. `tier` is already settled; `users` is None when only the tier was named."""

    tier: str
    users: int | None
    mode: str
    #: Figures of the operator's own, by sheet (`api`, `api.worker`) and name.
    overrides: Mapping[str, Mapping[str, Override]]
    strict: bool
    accept_undersized_host: bool
    accept_overcommit: bool
    accept_backup_on_data_disk: bool
    restore_document: tuple[str, ...]
    minio_mode: str
    #: When a server connection goes back to the pool: after a transaction, or when the client leaves.
    pool_mode: str
    #: Services whose containers run on this host; what is external, switched off or elsewhere is not among them.
    services: tuple[str, ...]
    #: Number of hosts that run a service, for those that run on more than one.
    hosts: Mapping[str, int] = field(default_factory=dict)
    profile: Profile = field(default_factory=Profile)
    #: What the containers of somebody else's services may use, by service, kind and figure.
    foreign: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)

    def hosts_of(self, service: str) -> int:
        """Number of hosts that run a service."""
        return self.hosts.get(service, 1)


class Override(NamedTuple):
    """A figure that the operator has set himself, and the name below `trenova_plan_overrides` by which he did."""

    value: Any
    name: str


class Bounds(NamedTuple):
    """Where a figure may lie.

    `low` and `high` belong to the formula: the planned value is moved between them. `floor` is the document's
    number: an override below it is warned of. `least` and `most` are technical: an override outside is refused.
    `cap` is physical: not even an override passes it.
    """

    low: float | None = None
    high: float | None = None
    floor: float | None = None
    least: float = 0
    most: float | None = None
    cap: float | None = None
    choices: tuple[Any, ...] = ()

    def settle(self, value):
        """The planned value moved between `low` and `high`; `high` yields when they contradict each other."""
        if self.high is not None and value > self.high:
            value = self.high
        if self.low is not None and value < self.low:
            value = self.low
        return value

    def explain(self) -> dict[str, Any]:
        """The bounds that are set, by the names that a plan shows."""
        low, high, floor, least, most, cap, choices = self
        return {name: bound for name, bound in (
            ("min", low), ("max", high), ("document_floor", floor), ("technical_min", least or None),
            ("technical_max", most if cap is None else cap), ("choices", list(choices) if choices else None),
        ) if bound is not None}


class Figure(NamedTuple):
    """One decided value with all that is needed to explain it."""

    value: Any
    unit: str
    rule: str
    inputs: Mapping[str, Any]
    bounds: Bounds
    #: What a bound or the operator has moved, beside the bounds.
    moved: Mapping[str, Any]
    source: str
    deviates: str | None
    overridden: bool
    #: Whether it follows from other figures alone, so that no override can set it.
    derived: bool

    def explain(self) -> dict[str, Any]:
        """As the plan shows it."""
        return {
            "value": self.value,
            "unit": self.unit,
            "rule": self.rule,
            "inputs": {name: rounded(value) for name, value in self.inputs.items()},
            "bounds": {**self.bounds.explain(), **self.moved},
            "source": self.source,
            "deviates": self.deviates,
            "overridden": self.overridden,
            "derived": self.derived,
        }


def rounded(value):
    """Floats to four places, downwards: a plan that is printed and read back must be the same plan."""
    return math.floor(value * 10000 + 1e-6) / 10000 if isinstance(value, float) else value


def clamp(value, low, high):
    """`value` moved into [low, high]; `low` wins when they contradict each other."""
    return max(low, min(value, high))


def ceil_to(value, step: int) -> int:
    """`value` rounded up to a multiple of `step`. The last bits of a float do not count: 1.1 * 100 in tens is 110."""
    return int(math.ceil(round(value / step, 9))) * step


def plain(value) -> str:
    """A number as a person writes it: 6, 0.5, 11060."""
    return f"{value:.10g}" if isinstance(value, float) else str(value)
