# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Groups of the inventory: which hosts are one installation, and which service runs on which of them."""

from __future__ import annotations

#: Groups that spread an installation over several hosts, each named like the service that its hosts run.
ROLE_GROUPS = (
    "postgres", "pgbouncer", "redis", "rabbitmq", "minio", "caddy", "api", "client", "asynq_dashboard", "backup")


def service_hosts(groups, name="trenova"):
    """{service: hosts} of an installation on several hosts; empty where each host is an installation of its own.

    A service without a group runs on the hosts that are in no group of a service, if there are any.
    """
    hosts = list(groups.get(name) or [])
    grouped = {service: list(groups[service]) for service in ROLE_GROUPS if groups.get(service)}
    if not grouped or len(set(hosts).union(*grouped.values())) < 2:
        return {}
    others = [host for host in hosts if not any(host in members for members in grouped.values())]
    return {service: grouped.get(service, others) for service in ROLE_GROUPS}


def installation(groups, name="trenova", several=False):
    """The name of the group, once it is sure that what is asked for is possible with it: a deployment, or, with
    `several`, a plan. Raises ValueError otherwise."""
    hosts = groups.get(name) or []
    if not hosts:
        raise ValueError(
            f"The inventory has no host in the group {name}; nothing was done. Where: the file after -i. "
            f"Write: a group {name} with the server in it, as in inventories/prod/hosts.yml.")
    spread = [service for service in ROLE_GROUPS if groups.get(service)] if service_hosts(groups, name) else []
    if spread and not several:
        raise ValueError(
            "An installation on several hosts is not possible yet; nothing was done. Where: the groups {}. Write: the "
            "one server in the group {name}, and no group of a service; databases that you run elsewhere are "
            "postgres_mode: external and the like. playbooks/plan.yml plans several hosts.".format(
                ", ".join(spread), name=name))
    outside = [service for service in spread if set(groups[service]) - set(hosts)]
    if outside:
        raise ValueError(
            "The groups {} have hosts that are not in the group {name}, whose variables they need; nothing was done. "
            "Where: the file after -i. Write: the groups as children of {name}.".format(
                ", ".join(outside), name=name))
    return name
