# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Groups of the inventory."""

from __future__ import annotations

#: Groups that an inventory for an installation on several hosts would have. There is no such thing yet.
ROLE_GROUPS = (
    "postgres", "pgbouncer", "redis", "rabbitmq", "minio", "caddy", "api", "client", "asynq_dashboard", "backup")


def installation(groups, name="trenova"):
    """The name of the group, once it is sure that it can be deployed to. Raises ValueError otherwise."""
    hosts = groups.get(name) or []
    if not hosts:
        raise ValueError(
            f"The inventory has no host in the group {name}; nothing was done. Where: the file after -i. "
            f"Write: a group {name} with the server in it, as in inventories/prod/hosts.yml.")
    elsewhere = [group for group in ROLE_GROUPS if set(groups.get(group) or []) - set(hosts)]
    if elsewhere:
        raise ValueError(
            "An installation on several hosts is not possible yet; nothing was done. Where: the groups {} with hosts "
            "outside {name}. Write: the one server in the group {name}; databases that you run elsewhere are "
            "postgres_mode: external and the like.".format(", ".join(elsewhere), name=name))
    return name
