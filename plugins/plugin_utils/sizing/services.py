# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The services of a plan: what other rooms must know of each. Their formulas stand in a file of each one's own."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

_NONE: Mapping = MappingProxyType({})


class Service(NamedTuple):
    """What is known of a service outside its own file."""

    #: Kinds of containers beside the main one, each with the names that the first edition had for its figures.
    kinds: Mapping[str, Mapping[str, str]] = _NONE
    #: Disk in decimal GB that the document gives to its data; 0 where it names none.
    volume_gb: float = 0
    #: Part of the growth that is its own, for data that grows with the users.
    growth_share: float = 0
    #: Part of the disk beyond which no data is planned.
    most_of_disk: float = 1
    #: Numbers of nodes of which a majority outlives the loss of one, and why no others; empty for any number.
    nodes: tuple[int, ...] = ()
    why_nodes: str = ""
    #: Whether the document's numbers for a whole host count with it.
    whole_host: bool = False
    #: Whether it runs for a while only, and is no part of the sum that stands all the time.
    job: bool = False


_WORKER_OF_FIRST_EDITION = {
    "workers": "count",
    **{f"worker_{name}": name for name in (
        "memory_limit_mb", "memory_reservation_mb", "cpus", "gomaxprocs", "gomemlimit_mb", "database_pool")}}

#: All services, in the order of a plan.
SERVICES: Mapping[str, Service] = {
    "postgres": Service(volume_gb=10, growth_share=1 / 3, most_of_disk=1 / 3, whole_host=True),
    "pgbouncer": Service(),
    "redis": Service(
        volume_gb=1, whole_host=True, nodes=(1, 3, 5, 7),
        why_nodes="each host runs a sentinel, and a majority of them must agree on a new primary"),
    "rabbitmq": Service(
        volume_gb=1, whole_host=True, nodes=(1, 3, 5, 7),
        why_nodes="an even cluster stops with half of its nodes, as a smaller one does"),
    "minio": Service(
        volume_gb=5, growth_share=2 / 3, most_of_disk=3 / 5, nodes=(1, *range(4, 17)),
        why_nodes="a write needs a majority of the drives, of which a loss of one must leave one"),
    "api": Service(kinds={"worker": _WORKER_OF_FIRST_EDITION}, whole_host=True),
    "client": Service(),
    "asynq_dashboard": Service(),
    "caddy": Service(volume_gb=0.1),
    "backup": Service(job=True),
}


#: Those with which the document's numbers for a whole host count; where one runs elsewhere, the sums alone do.
WHOLE_HOST = {name for name, service in SERVICES.items() if service.whole_host}


class Resource(NamedTuple):
    """A figure that Docker is told of a container, as a description of somebody else's role gives it."""

    unit: str
    least: float
    most: float | None = None
    #: The figure that it must not exceed.
    within: str | None = None
    #: What holds where the role does not say; None where it must.
    default: int | None = None
    #: Whether it may be left out altogether.
    optional: bool = False
    whole: bool = True


#: What such a description says of a container, in the order of a plan.
RESOURCES: Mapping[str, Resource] = {
    "count": Resource("containers", 0, 1000, default=1),
    "memory_limit_mb": Resource("MiB", 6),
    "memory_reservation_mb": Resource("MiB", 0, within="memory_limit_mb"),
    "cpus": Resource("cores", 0.01, whole=False),
    "pids_limit": Resource("processes", 1),
    "nofile": Resource("files", 1, 1048576),
    "oom_score_adj": Resource("", -1000, 1000),
    "cpu_shares": Resource("", 2, 262144, optional=True),
    "shm_size_mb": Resource("MiB", 1, within="memory_limit_mb", optional=True),
}


def known(service: str) -> Service:
    """What is known of a service; of one of somebody else's nothing."""
    return SERVICES.get(service, Service())


def containers_of(figures: Mapping) -> dict[str, dict]:
    """The containers of a planned service by kind, `main` first, each with its `count`.

    The figures of a service itself are those of its main containers; `containers` has those of the other kinds.
    """
    main = {name: value for name, value in figures.items() if name not in ("instances", "containers")}
    return {"main": {"count": figures.get("instances", 1), **main}, **figures.get("containers", {})}
