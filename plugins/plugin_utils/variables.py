# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Variables of the inventory, resolved."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.trenova.selfhost.plugins.plugin_utils import formats, ipv6
from ansible_collections.trenova.selfhost.plugins.plugin_utils.project import Project


def templated(action, task_vars, variable, default):
    """A variable of the inventory with its expressions resolved, or the default where it is not set."""
    if variable not in task_vars:
        return default
    value = action._templar.template(task_vars[variable])
    return default if value is None or value == "" else value


def project_of(action, task_vars, capacity=None):
    """The project that a host's variables speak of; with the measurement of the host, also how its networks are."""
    project = Project(
        directory=templated(action, task_vars, "trenova_project_dir", Project.directory),
        data_dir=templated(action, task_vars, "trenova_data_dir", Project.data_dir))
    if capacity is None:
        return project
    wished = templated(action, task_vars, "trenova_ipv6", None)
    wished = None if wished is None else formats.is_true(wished)
    return replace(project, ipv6=frozenset(
        key for key in project.outside if ipv6.is_on(project.network(key), wished, capacity)))
