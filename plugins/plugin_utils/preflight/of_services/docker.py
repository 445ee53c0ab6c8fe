# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can be wrong with an Engine that is to be installed or configured: its packages, and its new settings."""

from __future__ import annotations

import json

from ansible_collections.trenova.selfhost.plugins.plugin_utils import daemon_json
from ansible_collections.trenova.selfhost.plugins.plugin_utils.docker_packages import Packages
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.engine import check_kind
from ansible_collections.trenova.selfhost.plugins.plugin_utils.preflight.model import INVENTORY, Problem


def check_packages(facts):
    """What is missing of Docker can be had, and nothing of somebody's goes for it."""
    if list(check_kind(facts)):
        # To what is no Engine of this host, nothing is added.
        return
    settings = (facts.services["docker"].get("exports") or {}).get("packages")
    for fault in Packages(facts.capacity, settings).faults() if settings else []:
        yield Problem(*fault)


def check_settings(facts):
    """The settings of the inventory do not keep the Engine from starting."""
    docker = facts.capacity["docker"]
    found, extra = daemon_json.readable(docker.get("daemon_json")), facts.variables.get("docker_daemon_extra") or {}
    applied = (facts.capacity.get("deployed") or {}).get("daemon_json")
    told = set(daemon_json.faults(found or {}, docker))
    settings = json.loads(daemon_json.merged(found, {}, extra, applied, docker))
    for what, remedy in daemon_json.faults(settings, docker):
        if (what, remedy) not in told:
            yield Problem(
                f"The Engine would not start with docker_daemon_extra: {what}.", INVENTORY,
                remedy.replace("the file", "docker_daemon_extra"))


VARIABLES = ("docker_address_pools", "docker_daemon_extra")
CHECKS = (check_packages, check_settings)
