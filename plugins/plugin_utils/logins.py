# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Logins of registries on their way from the inventory to the host."""

from __future__ import annotations

from ansible_collections.trenova.selfhost.plugins.module_utils import docker_logins
from ansible_collections.trenova.selfhost.plugins.plugin_utils.variables import templated


def login_arguments(action, task_vars):
    """Arguments of the modules that need the logins of registries."""
    logins = templated(action, task_vars, "docker_registry_logins", {})
    return {
        "logins": docker_logins.encoded(logins), "secrets": docker_logins.masked(logins)}
