# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A Compose project on a host, by value: its name, its places, its networks.

Production is the project `trenova`. Whatever renders, starts or looks is handed the project that it is for, so that
another one can stand beside it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ansible_collections.trenova.selfhost.plugins.plugin_utils.ipv6 import subnet

#: Networks by the names that fragments use. `data` and `app` have no way out; only what is attached to `edge` reaches
#: other hosts.
NETWORKS = MappingProxyType({"data": True, "app": True, "edge": False})


@dataclass(frozen=True)
class Project:
    """Name of the project, prefix of its containers' names, directory of its files and of its data on the host."""

    name: str = "trenova"
    prefix: str = "tren-"
    directory: str = "/opt/trenova"
    data_dir: str = "/var/lib/trenova"
    #: {name in fragments: whether it is internal}
    networks: Mapping[str, bool] = field(default_factory=lambda: NETWORKS)
    #: Names in fragments of the networks that have IPv6.
    ipv6: frozenset[str] = frozenset()

    def container(self, name: str) -> str:
        """Name of a container on the host, by its name in a description."""
        return self.prefix + name

    def network(self, key: str) -> str:
        """Name of a network on the host, by its name in fragments."""
        return f"{self.name}_{key}"

    def service_directory(self, service: str) -> str:
        """Directory of a service's files."""
        return os.path.join(self.directory, service)

    @staticmethod
    def is_ours(directory: str) -> bool:
        """Whether a directory is the project's own by its name, and not one that it shares with others, as /srv."""
        return "trenova" in os.path.basename(directory.rstrip("/")).lower()

    def data_path(self, path: str) -> str:
        """Absolute path of a state directory; one that is absolute stays as it is."""
        return os.path.join(self.data_dir, path)

    @property
    def outside(self) -> list[str]:
        """Names in fragments of the networks that lead outside."""
        return [key for key, internal in self.networks.items() if not internal]

    def compose_networks(self) -> dict[str, Any]:
        """The networks as the base file of the project says them."""
        return {
            key: {"name": self.network(key), **({"internal": True} if internal else {}), **self._ipv6(key)}
            for key, internal in self.networks.items()}

    def _ipv6(self, key: str) -> dict[str, Any]:
        if key not in self.ipv6:
            return {}
        return {"enable_ipv6": True, "ipam": {"config": [{"subnet": subnet(self.network(key))}]}}

    def compose_file(self) -> dict[str, Any]:
        """The file that all fragments share: the name of the project and its networks."""
        return {"name": self.name, "networks": self.compose_networks()}
